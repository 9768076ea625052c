// The one error of every system call: which call, on what, and the kernel's errno. It exists so that no failure reaches
// an operator as a bare number or as a sentence without the reason.

import CLinux
import Glibc

/// A system call that failed.
package struct SystemError: Error, Hashable, Sendable {
    /// The call as the manual names it, `bind` or `epoll_ctl`.
    package let call: String
    /// What it was called on, for people: `raw socket on eth0`; may be empty.
    package let subject: String
    /// The errno of errno(3); never 0.
    package let code: Int32

    package init(_ call: String, _ subject: String = "", code: Int32 = errno) {
        self.call = call
        self.subject = subject
        self.code = code
    }

    /// The C library's text for `code`.
    package var reason: String {
        guard let text = unsafe strerror(code) else { return "error \(code)" }
        return unsafe String(cString: text)
    }
}

extension SystemError: CustomStringConvertible {
    package var description: String {
        if isUnknownName { return "no such \(subject)" }
        return subject.isEmpty ? "\(call): \(reason)" : "\(call) (\(subject)): \(reason)"
    }

    /// The name service does not know the user or group that `subject` names: getpwnam_r(3) gives these for it.
    private var isUnknownName: Bool {
        (call == "getpwnam_r" || call == "getgrnam_r") && !subject.isEmpty && (code == ENOENT || code == ESRCH)
    }
}
