// The asking side of the status socket: one blocking request on a connection of its own. It speaks HTTP/1.0, which has no
// chunks and ends with the connection, so there is nothing to parse but one head. It gives up after a time limit and tells
// every failure in one line that says what to do.

import Glibc
import Status
import System

/// Why a question has no answer.
struct StatusClientError: Error, Hashable, CustomStringConvertible {
    var description: String

    init(_ description: String) { self.description = description }
}

/// The agent behind a socket path.
struct StatusClient {
    /// An answer, complete.
    struct Answer: Hashable {
        /// The HTTP status code.
        var code: Int
        var body: [UInt8]

        /// The sentence of an error answer.
        var sentence: String {
            if let answer = try? decodeJSON(ErrorAnswer.self, from: body) { return answer.error }
            return "the agent answered with HTTP status \(code)"
        }

        func decode<Value: Decodable>(_ type: Value.Type) throws(StatusClientError) -> Value {
            do {
                return try decodeJSON(type, from: body)
            } catch {
                throw StatusClientError("the answer of the agent is not understood; is it of another version?")
            }
        }
    }

    /// Answers beyond this are refused; a thousand virtual routers need 2 MB.
    private static let longestAnswer = 64 << 20
    private static let longestLine = 1 << 20

    let path: String
    /// For the answer to begin and between its parts.
    var timeout: Duration = .seconds(5)

    /// Asks and waits for the whole answer.
    func ask(_ method: String, _ target: String) throws(StatusClientError) -> Answer {
        let socket = try send(method, target)
        var octets: [UInt8] = []
        return try finish(socket, &octets)
    }

    /// Asks for an endless answer and calls `body` with each of its lines, without the newline, until it returns false or
    /// the agent ends the connection. `body` is called with nil first, when the agent has accepted.
    ///
    /// - Returns: nil, or the answer if it is another than 200.
    func follow(
        _ target: String, _ body: ([UInt8]?) throws -> Bool
    ) throws -> Answer? {
        let socket = try send("GET", target)
        var octets: [UInt8] = []
        var inBody = false
        while let part = try receive(from: socket) {
            octets += part
            if !inBody {
                guard let head = Head(octets) else { continue }
                guard head.code == 200 else { return try finish(socket, &octets) }
                inBody = true
                octets.removeFirst(head.length)
                guard try body(nil) else { return nil }
            }
            while let newline = octets.firstIndex(of: UInt8(ascii: "\n")) {
                let line = Array(octets[..<newline])
                octets.removeFirst(newline + 1)
                guard try body(line) else { return nil }
            }
            guard octets.count <= Self.longestLine else { throw StatusClientError("an event is too long") }
        }
        return nil
    }

    // MARK: - One connection

    private func send(_ method: String, _ target: String) throws(StatusClientError) -> Descriptor {
        do throws(SystemError) {
            let socket = try LocalStream.connect(path: path, timeout: timeout)
            let request = Array("\(method) \(target) HTTP/1.0\r\nhost: vipd\r\nconnection: close\r\n\r\n".utf8)
            // A Unix socket takes a request of this size whole or not at all.
            let sent = unsafe request.withUnsafeBytes {
                unsafe Glibc.send(socket.number, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            // The agent refuses with an answer and closes before it reads, when it has too many connections.
            guard sent == request.count || errno == EPIPE else { throw SystemError("send", path) }
            return socket
        } catch {
            throw explain(error)
        }
    }

    /// The next octets; nil at the end.
    private func receive(from socket: borrowing Descriptor) throws(StatusClientError) -> [UInt8]? {
        var buffer = [UInt8](repeating: 0, count: 64 * 1024)
        while true {
            let count = unsafe buffer.withUnsafeMutableBytes {
                unsafe Glibc.recv(socket.number, $0.baseAddress, $0.count, 0)
            }
            if count > 0 { return Array(buffer[..<count]) }
            if count == 0 || errno == ECONNRESET { return nil }
            if errno != EINTR { throw explain(SystemError("recv", path)) }
        }
    }

    /// Reads the rest of an answer: to its length, or to the end of the connection if it has none.
    private func finish(
        _ socket: borrowing Descriptor, _ octets: inout [UInt8]
    ) throws(StatusClientError) -> Answer {
        while true {
            guard octets.count <= Self.longestAnswer else { throw StatusClientError("the answer is too long") }
            let head = Head(octets)
            if let head, let length = head.bodyLength, octets.count >= head.length + length {
                return Answer(code: head.code, body: Array(octets[head.length..<(head.length + length)]))
            }
            if let part = try receive(from: socket) {
                octets += part
                continue
            }
            guard let head, head.bodyLength == nil else { throw StatusClientError("vipd broke off its answer") }
            return Answer(code: head.code, body: Array(octets[head.length...]))
        }
    }

    private func explain(_ error: SystemError) -> StatusClientError {
        switch error.code {
        case ENOENT: StatusClientError("vipd is not running (no socket at \(path))")
        case ECONNREFUSED: StatusClientError("vipd is not running (nobody listens at \(path))")
        case EACCES, EPERM:
            StatusClientError("no permission to use \(path); run as root or as a member of its group")
        case EAGAIN: StatusClientError("vipd has not answered for \(timeout.spoken) (\(path))")
        case ENAMETOOLONG:
            StatusClientError("the path of the socket is longer than \(LocalStream.longestPath) octets")
        default: StatusClientError("cannot ask vipd: \(error)")
        }
    }
}

/// The head of an answer.
private struct Head {
    /// The HTTP status code.
    let code: Int
    /// Octets until the body.
    let length: Int
    /// Octets of the body; nil when it ends with the connection.
    let bodyLength: Int?

    /// nil if the head is not complete or not one.
    init?(_ octets: [UInt8]) {
        let start = octets.prefix(16 * 1024)
        let separator: [UInt8] = [13, 10, 13, 10]
        guard start.starts(with: "HTTP/1.".utf8),
            let end = start.indices.first(where: { start[$0...].starts(with: separator) })
        else { return nil }
        let lines = String(decoding: start[..<end], as: UTF8.self).split(separator: "\r\n")
        let words = lines.first?.split(separator: " ") ?? []
        guard words.count >= 2, let code = Int(words[1]) else { return nil }
        self.code = code
        length = end + separator.count
        let field = lines.dropFirst().first { $0.lowercased().hasPrefix("content-length:") }
        bodyLength = field.flatMap { Int($0.dropFirst(15).trimmingPrefix(while: \.isWhitespace)) }
    }
}

/// A name as part of a path (RFC 3986 §2.3: everything but the unreserved characters is encoded).
func percentEncoded(_ name: String) -> String {
    var text = ""
    for octet in name.utf8 {
        switch octet {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
            UInt8(ascii: "~"):
            text.unicodeScalars.append(Unicode.Scalar(octet))
        default:
            let digits = String(octet, radix: 16, uppercase: true)
            text += digits.count < 2 ? "%0\(digits)" : "%\(digits)"
        }
    }
    return text
}
