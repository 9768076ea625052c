// The error of a netlink request, with the kernel's own words. SystemError is for calls; a request that was sent well and
// refused has more to say.

import Glibc

/// A netlink request that the kernel refused, or that could not be made.
package struct KernelError: Error, Hashable, Sendable {
    /// The request, `RTM_NEWADDR`, or the call that failed before there was one.
    package let call: String
    /// What it was about, for people: `192.0.2.10/24 on eth0`; may be empty.
    package let subject: String
    /// The errno of errno(3); never 0.
    package let code: Int32
    /// The kernel's extended acknowledgement, such as `ipv6: IPv6 is disabled on this device`; may be empty.
    package let explanation: String

    package init(_ call: String, _ subject: String, code: Int32, explanation: String = "") {
        self.call = call
        self.subject = subject
        self.code = code
        self.explanation = explanation
    }

    /// The C library's text for `code`.
    package var reason: String {
        guard let text = unsafe strerror(code) else { return "error \(code)" }
        return unsafe String(cString: text)
    }
}

extension KernelError: CustomStringConvertible {
    package var description: String {
        let start = subject.isEmpty ? call : "\(call) (\(subject))"
        return explanation.isEmpty ? "\(start): \(reason)" : "\(start): \(reason) (\(explanation))"
    }
}
