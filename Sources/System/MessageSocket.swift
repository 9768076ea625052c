// The pair over which supervisor and engine talk: AF_UNIX SOCK_SEQPACKET, so that messages keep their borders and the end of
// the other process is an end of file. It never blocks; what to do when it is full is the caller's decision.

import CLinux
import Glibc

/// One end of a message pair.
package struct MessageSocket: ~Copyable {
    /// No message is longer than this, octets: a virtual router with as many addresses, peers, routes and rules as it may have.
    package static let maximumLength = 163_840
    /// Room asked for in each direction, octets; without CAP_NET_ADMIN it is what net.core.wmem_max allows.
    package static let bufferSize: Int32 = 4 << 20

    private let socket: Descriptor

    /// Takes over one end, for example descriptor 3 of a process that was started with it.
    package init(taking descriptor: consuming Descriptor) {
        socket = descriptor
    }

    /// Two connected ends, close-on-exec and non-blocking.
    package static func pair() throws(SystemError) -> MessagePair {
        var numbers: (Int32, Int32) = (-1, -1)
        let result = unsafe withUnsafeMutablePointer(to: &numbers) { pointer in
            unsafe pointer.withMemoryRebound(to: Int32.self, capacity: 2) { unsafe vipd_message_pair($0, bufferSize) }
        }
        guard result == 0 else { throw SystemError("socketpair", "AF_UNIX SOCK_SEQPACKET") }
        return MessagePair(
            first: MessageSocket(taking: Descriptor(taking: numbers.0)),
            second: MessageSocket(taking: Descriptor(taking: numbers.1)))
    }

    /// The number to watch.
    package var number: Int32 { socket.number }

    /// Sends one message of 1 to `maximumLength` octets, with a duplicate of `descriptor` if there is one.
    /// False: no room now, nothing was sent. The end of the other side is thrown as EPIPE or ECONNRESET.
    package func send(_ bytes: [UInt8], descriptor: Int32? = nil) throws(SystemError) -> Bool {
        let number = socket.number
        let sent = unsafe bytes.withUnsafeBytes {
            unsafe vipd_message_send(number, $0.baseAddress, $0.count, descriptor ?? -1)
        }
        if sent >= 0 { return true }
        let code = errno
        // ENOBUFS and ETOOMANYREFS (too many descriptors in flight) pass like a full buffer.
        if code == EAGAIN || code == ENOBUFS || code == ETOOMANYREFS { return false }
        throw SystemError("sendmsg", "message pair", code: code)
    }

    /// What a call of `receive` found.
    package struct Received: ~Copyable {
        package enum Kind: Hashable, Sendable {
            /// Nothing is waiting.
            case nothing
            /// The other side is gone.
            case end
            /// A message of this many octets is in the buffer.
            case message(Int)
        }

        package let kind: Kind
        /// The descriptor that came with the message, close-on-exec.
        package var descriptor: Descriptor?
    }

    /// Reads one message into `buffer`, whose count is the room there is: at least `maximumLength`.
    package func receive(into buffer: inout [UInt8]) throws(SystemError) -> Received {
        let number = socket.number
        var passed: Int32 = -1
        let length = unsafe buffer.withUnsafeMutableBytes {
            unsafe vipd_message_receive(number, $0.baseAddress, $0.count, &passed)
        }
        let code = errno
        let descriptor: Descriptor? = passed >= 0 ? Descriptor(taking: passed) : nil
        if length > 0 { return Received(kind: .message(length), descriptor: descriptor) }
        if length == 0 || code == ECONNRESET { return Received(kind: .end, descriptor: nil) }
        if code == EAGAIN { return Received(kind: .nothing, descriptor: nil) }
        throw SystemError("recvmsg", "message pair", code: code)
    }
}

/// Both ends of a new message pair. Noncopyable values cannot be returned as a tuple; each end is taken once.
package struct MessagePair: ~Copyable {
    private var first: MessageSocket?
    private var second: MessageSocket?

    fileprivate init(first: consuming MessageSocket, second: consuming MessageSocket) {
        self.first = consume first
        self.second = consume second
    }

    /// The one end; taking it twice is a programming error.
    package mutating func takeFirst() -> MessageSocket {
        guard let end = first.take() else { preconditionFailure("the first end was taken before") }
        return end
    }

    /// The other end; taking it twice is a programming error.
    package mutating func takeSecond() -> MessageSocket {
        guard let end = second.take() else { preconditionFailure("the second end was taken before") }
        return end
    }
}

/// Datagrams to a service manager, sd_notify(3).
package enum DatagramSocket {
    /// Sends `text` to the AF_UNIX datagram socket at `path`; `@` at its start means the abstract name space.
    package static func send(_ text: String, to path: String) throws(SystemError) {
        let bytes = Array(text.utf8)
        let sent = unsafe bytes.withUnsafeBytes { bytes in
            unsafe path.withCString { unsafe vipd_datagram_send($0, bytes.baseAddress, bytes.count) }
        }
        guard sent >= 0 else { throw SystemError("sendto", path) }
    }
}
