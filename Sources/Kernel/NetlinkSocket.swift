// A netlink socket for requests: sends one and reads what the kernel answers to it. libnl's return codes keep neither errno nor the
// kernel's text, so the answers are read here. What is asked is not decided here.

import CLinux
import CNetlink
import Glibc
import System
import Wire

/// One socket, for one thread.
@safe
struct NetlinkSocket: ~Copyable {
    let handle: OpaquePointer
    /// For answers; what the kernel answers at once is not longer: it cuts dumps to what the reader has room for.
    private let room = DatagramRoom(32_768)
    /// How long one answer may take: another process may hold the kernel's configuration lock.
    static let patience: Int64 = 1_000_000_000

    /// Connects to a netlink family, as NETLINK_ROUTE.
    init(_ family: Int32) throws(KernelError) {
        guard let socket = unsafe nl_socket_alloc() else {
            throw KernelError("nl_socket_alloc", "", code: ENOMEM)
        }
        let result = unsafe nl_connect(socket, family)
        guard result == 0 else {
            let code = errno
            unsafe nl_socket_free(socket)
            throw KernelError("nl_connect", "netlink requests", code: code == 0 ? EIO : code)
        }
        unsafe handle = unsafe socket
        let number = unsafe nl_socket_get_fd(socket)
        _ = vipd_want_explanations(number)
        _ = vipd_set_receive_queue(number, 1 << 20)
    }

    deinit { unsafe nl_socket_free(handle) }

    /// Sends `request` and reads until its acknowledgement or the end of its dump.
    ///
    /// Messages that are part of the answer are appended to `answers`. Returns the kernel's refusal, if it is one.
    borrowing func exchange(_ request: borrowing NetlinkRequest, keeping answers: inout [UInt8])
        throws(KernelError) -> KernelError?
    {
        let sequence = try unsafe request.send(on: handle)
        let number = unsafe nl_socket_get_fd(handle)
        let deadline = Clock.monotonic() + Self.patience
        var buffer = room.take()
        defer { room.put(buffer) }
        while true {
            let length = unsafe buffer.withUnsafeMutableBytes { bytes in
                unsafe vipd_receive_netlink(number, bytes.baseAddress, bytes.count)
            }
            if length < 0 {
                let code = errno
                guard code == EINTR || code == EAGAIN else { throw request.failure(code, "the answer was lost") }
                // Hardly ever: the kernel answers before it lets go of the request.
                if code == EAGAIN { try wait(number, until: deadline, for: request) }
                continue
            }
            guard length <= buffer.count else {
                throw request.failure(EMSGSIZE, "the answer is \(length) octets long")
            }
            if let outcome = Self.answer(to: sequence, in: buffer.span.extracting(0..<length), keeping: &answers) {
                guard outcome.code != 0 else { return nil }
                return request.failure(outcome.code, outcome.explanation)
            }
        }
    }

    /// What a datagram says of the request with this number: nil while more is to come, code 0 for done, else the kernel's refusal.
    /// Messages that are part of the answer are appended to `answers`.
    private static func answer(to sequence: UInt32, in bytes: Span<UInt8>, keeping answers: inout [UInt8])
        -> (code: Int32, explanation: String)?
    {
        var offset = 0
        while let answer = NetlinkMessage(in: bytes, at: offset) {
            defer { offset = answer.next }
            // An answer that came too late for the request it belongs to.
            guard answer.sequence == sequence else { continue }
            if answer.type == Netlink.error { return NetlinkParser.answer(answer, in: bytes) ?? (EPROTO, "") }
            for index in offset..<min(answer.next, bytes.count) { answers.append(bytes[index]) }
            if answer.type == Netlink.done {
                // A dump that failed half-way carries its errno in the end mark.
                return (max(0, NetlinkParser.answer(answer, in: bytes)?.code ?? 0), "")
            }
        }
        return nil
    }

    private borrowing func wait(_ number: Int32, until deadline: Int64, for request: borrowing NetlinkRequest)
        throws(KernelError)
    {
        while true {
            let left = deadline - Clock.monotonic()
            var descriptor = pollfd(fd: number, events: Int16(POLLIN), revents: 0)
            let ready = left > 0 ? unsafe poll(&descriptor, 1, Int32(left / 1_000_000) + 1) : 0
            if ready > 0 { return }
            if ready < 0 && errno == EINTR { continue }
            let code = ready < 0 ? errno : ETIMEDOUT
            throw request.failure(code, "no answer from the kernel")
        }
    }
}
