// One program takes the place of another in the same process: what the kernel side of that needs, a sealed memory for what is to
// be known, execve(2) with chosen descriptors, and signals to a process that cannot be another by now.

import CLinux
import Glibc

package enum Takeover {
    /// A sealed memory with these octets, for the next program of this process.
    package static func seal(_ octets: [UInt8]) throws(SystemError) -> Descriptor {
        let number = unsafe octets.withUnsafeBytes { unsafe vipd_sealed_memory($0.baseAddress, $0.count) }
        guard number >= 0 else { throw SystemError("memfd_create", "takeover") }
        return Descriptor(taking: number)
    }

    /// What `seal` wrote; EINVAL for a descriptor that is no such memory.
    package static func read(_ descriptor: consuming Descriptor) throws(SystemError) -> [UInt8] {
        guard vipd_is_sealed(descriptor.number) != 0 else { throw SystemError("fcntl", "takeover", code: EINVAL) }
        var content: [UInt8] = []
        var slice = [UInt8](repeating: 0, count: 65_536)
        while true {
            let number = descriptor.number
            let offset = content.count
            let length = unsafe slice.withUnsafeMutableBytes { unsafe pread(number, $0.baseAddress, $0.count, offset) }
            if length < 0 { throw SystemError("read", "takeover") }
            if length == 0 { return content }
            content.append(contentsOf: slice[..<length])
        }
    }

    /// Becomes `program` with these arguments and this environment; of the open descriptors `keeping` and 0 to 2 stay. Returns only
    /// when that fails, with everything as it was.
    package static func become(
        _ program: String, _ arguments: [String], environment: [String], keeping: [Int32]
    ) -> SystemError {
        var code: Int32 = 0
        unsafe withPointers(arguments) { arguments in
            unsafe withPointers(environment) { environment in
                unsafe keeping.withUnsafeBufferPointer { kept in
                    code = unsafe vipd_take_over(program, arguments, environment, kept.baseAddress, kept.count)
                }
            }
        }
        return SystemError("execve", program, code: code)
    }

    /// A descriptor that came through execve(2), close-on-exec again; nil where there is none of this number.
    package static func inherited(_ number: Int32) -> Descriptor? {
        number > 2 && vipd_close_on_exec(number) == 0 ? Descriptor(taking: number) : nil
    }

    private static func withPointers(_ strings: [String], _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> Void)
    {
        var pointers = unsafe strings.map { unsafe strdup($0) }
        unsafe pointers.append(nil)
        defer { unsafe pointers.forEach { unsafe free($0) } }
        unsafe pointers.withUnsafeBufferPointer { buffer in
            if let base = buffer.baseAddress { unsafe body(base) }
        }
    }
}

/// A process by its descriptor, pidfd_open(2): it never means another one.
package struct ProcessHandle: ~Copyable, Sendable {
    private let descriptor: Descriptor

    /// Takes a descriptor over.
    package init(taking descriptor: consuming Descriptor) { self.descriptor = descriptor }

    /// Sends a signal; nothing happens when it has ended.
    package func send(_ signal: Int32) { _ = vipd_signal_process(descriptor.number, signal) }
}
