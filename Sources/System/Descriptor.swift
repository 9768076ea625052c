// Owners of file descriptors. A Descriptor closes what it holds exactly once; nothing else in the project calls close(2).

import CLinux
import Glibc

/// An open file descriptor that is closed with its owner. Make it close-on-exec where it is opened.
package struct Descriptor: ~Copyable {
    /// The number, for calls that borrow it; valid as long as this value lives.
    package let number: Int32

    /// Takes over `number`, which must be open and owned by nobody else.
    package init(taking number: Int32) {
        precondition(number >= 0, "a descriptor is not negative")
        self.number = number
    }

    deinit { _ = close(number) }

    /// Gives the number away; the caller closes it.
    package consuming func release() -> Int32 {
        let number = number
        discard self
        return number
    }

    /// A second descriptor for the same open file, close-on-exec (fcntl(2) F_DUPFD_CLOEXEC).
    package func duplicate() throws(SystemError) -> Descriptor {
        let copy = fcntl(number, F_DUPFD_CLOEXEC, 3)
        guard copy >= 0 else { throw SystemError("fcntl", "F_DUPFD_CLOEXEC") }
        return Descriptor(taking: copy)
    }
}
