// Stream sockets with a path (unix(7)), for the status socket: the listening end with its mode and group, the connecting
// end with time limits. It knows nothing of what is said over them.

import Glibc

/// Stream sockets that are found by a path.
package enum LocalStream {
    /// The longest path, in octets: `sun_path` with its final zero.
    package static let longestPath = 107

    /// A connected socket, blocking, whose reads and writes fail with EAGAIN after `timeout` (socket(7) SO_RCVTIMEO).
    ///
    /// - Throws: ENOENT or ECONNREFUSED when nobody listens, EACCES without permission, ENAMETOOLONG.
    package static func connect(path: String, timeout: Duration) throws(SystemError) -> Descriptor {
        let socket = try open()
        try limit(socket, SO_RCVTIMEO, to: timeout)
        try limit(socket, SO_SNDTIMEO, to: timeout)
        let result = unsafe try withAddress(path) { address, length in
            unsafe Glibc.connect(socket.number, address, length)
        }
        guard result == 0 else { throw SystemError("connect", path) }
        return socket
    }

    /// A listening socket at `path`, which must not exist, with `mode` and, if given, `group`.
    ///
    /// The permission bits are set on the socket before it gets its name, so that there is no moment with wider ones; the
    /// umask of the process, which other threads share, stays as it is.
    package static func listen(
        path: String, mode: UInt16, group: UInt32?, backlog: Int32
    ) throws(SystemError) -> Descriptor {
        let socket = try open()
        guard fchmod(socket.number, mode_t(mode)) == 0 else { throw SystemError("fchmod", path) }
        let result = unsafe try withAddress(path) { address, length in
            unsafe Glibc.bind(socket.number, address, length)
        }
        guard result == 0 else { throw SystemError("bind", path) }
        do throws(SystemError) {
            try setAccess(path: path, mode: mode, group: group)
            guard Glibc.listen(socket.number, backlog) == 0 else { throw SystemError("listen", path) }
        } catch {
            _ = unsafe unlink(path)
            throw error
        }
        return socket
    }

    /// Gives the file at `path` this mode and, if given, this group.
    package static func setAccess(path: String, mode: UInt16, group: UInt32?) throws(SystemError) {
        if let group, unsafe chown(path, .max, group) != 0 { throw SystemError("chown", path) }
        guard unsafe chmod(path, mode_t(mode)) == 0 else { throw SystemError("chmod", path) }
    }

    private static func open() throws(SystemError) -> Descriptor {
        let number = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard number >= 0 else { throw SystemError("socket", "AF_UNIX") }
        return Descriptor(taking: number)
    }

    private static func limit(_ socket: borrowing Descriptor, _ option: Int32, to span: Duration) throws(SystemError) {
        let (seconds, attoseconds) = span.components
        var time = timeval(tv_sec: Int(seconds), tv_usec: Int(attoseconds / 1_000_000_000_000))
        let size = socklen_t(MemoryLayout<timeval>.size)
        guard unsafe setsockopt(socket.number, SOL_SOCKET, option, &time, size) == 0 else {
            throw SystemError("setsockopt", "SO_RCVTIMEO")
        }
    }

    private static func withAddress(
        _ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
    ) throws(SystemError) -> Int32 {
        let octets = Array(path.utf8)
        guard octets.count <= longestPath, !octets.contains(0) else {
            throw SystemError("socket address", path, code: ENAMETOOLONG)
        }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { field in
            for (index, octet) in octets.enumerated() { unsafe field[index] = octet }
        }
        return unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                unsafe body(pointer, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
    }
}
