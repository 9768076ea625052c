// A status server on a real Unix socket in a directory of its own, in front of an agent made of closures, and a raw client
// for requests that no well-behaved client would send.

import Configuration
import Election
import Glibc
import Status
import Synchronization
import System
import Testing

@testable import Supervisor
@testable import vipd

/// All tests with a socket, one after the other: those that start programs let them inherit what the others have open, and
/// then a connection does not end when it is closed.
@Suite(.serialized) struct StatusSocketTests {}

/// What the closures were asked, what they answer, and who listens.
final class Agent: Sendable {
    struct State {
        var document = StatusDocument(
            version: "0.1.0", hostname: "a", pid: 1, started: Timestamp(milliseconds: 0),
            engine: EngineStatus(state: .running, pid: 2, since: Timestamp(milliseconds: 0), restarts: 0),
            asOf: Timestamp(milliseconds: 1000),
            statistics: GlobalStatistics(Counters(), since: Timestamp(milliseconds: 0)),
            virtualRouters: [router("database"), router("web")], interfaces: [])
        var requests: [ControlRequest] = []
        /// nil: never answers.
        var reply: ControlReply? = .done
        var subscribers: [Int: @Sendable (EventDocument) -> Void] = [:]
        var next = 0
    }

    let state = Mutex(State())

    static func router(_ name: String) -> RouterStatus {
        RouterStatus(
            name: name, interface: "eth0", vrid: 1, family: "ipv4", version: 3, state: .backup, priority: 100,
            preempt: PreemptStatus(enabled: true), advertisementIntervalMs: 100)
    }

    var service: StatusService {
        StatusService(
            status: { self.state.withLock { $0.document } },
            control: { request, reply in
                let answer = self.state.withLock { state in
                    state.requests.append(request)
                    return state.reply
                }
                // From another thread, as the supervisor does.
                if let answer { detach { reply(answer) } }
            },
            subscribe: { deliver in
                let number = self.state.withLock { state in
                    state.next += 1
                    state.subscribers[state.next] = deliver
                    return state.next
                }
                return { self.state.withLock { _ = $0.subscribers.removeValue(forKey: number) } }
            })
    }

    var subscriberCount: Int { state.withLock { $0.subscribers.count } }

    func publish(_ event: EventDocument) {
        let subscribers = state.withLock { $0.subscribers.values.map { $0 } }
        for deliver in subscribers { deliver(event) }
    }
}

/// A directory under /tmp that is removed with its owner.
struct ScratchDirectory: ~Copyable {
    let path: String

    init() throws {
        var template = Array("/tmp/vipd-status-XXXXXX".utf8CString)
        guard unsafe mkdtemp(&template) != nil else { throw SystemError("mkdtemp") }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit {
        for name in ["s", "t", "sub/s"] { _ = unsafe unlink("\(path)/\(name)") }
        _ = unsafe rmdir("\(path)/sub")
        _ = unsafe rmdir(path)
    }
}

/// Runs `body` with a server on `path`/s.
func withServer(
    limits: StatusServerLimits = StatusServerLimits(), _ body: (Agent, StatusServer, StatusClient) throws -> Void
) throws {
    let directory = try ScratchDirectory()
    let agent = Agent()
    let server = StatusServer(service: agent.service, limits: limits)
    defer { server.close() }
    let path = "\(directory.path)/s"
    try server.listen(on: StatusSocket(path: path, mode: 0o600))
    try body(agent, server, StatusClient(path: path, timeout: .seconds(20)))
}

/// Sends `text` as it is and returns everything until the other end closes.
func exchange(_ path: String, _ text: String, timeout: Duration = .seconds(20)) throws -> String {
    let socket = try LocalStream.connect(path: path, timeout: timeout)
    try sendAll(socket, text)
    return try receiveAll(socket)
}

func sendAll(_ socket: borrowing Descriptor, _ text: String) throws {
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
        let count = unsafe rest.withUnsafeBytes {
            unsafe send(socket.number, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
        }
        guard count > 0 else { throw SystemError("send") }
        rest = rest.dropFirst(count)
    }
}

func receiveAll(_ socket: borrowing Descriptor) throws -> String {
    var text: [UInt8] = []
    while true {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        let count = unsafe buffer.withUnsafeMutableBytes { unsafe recv(socket.number, $0.baseAddress, $0.count, 0) }
        if count == 0 || (count < 0 && errno == ECONNRESET) { return String(decoding: text, as: UTF8.self) }
        guard count > 0 else { throw SystemError("recv") }
        text += buffer[..<count]
    }
}

/// Waits until `condition` holds, at most ten seconds.
func eventually(_ condition: () -> Bool) -> Bool {
    for _ in 0..<2000 {
        if condition() { return true }
        _ = usleep(5000)
    }
    return condition()
}

func mode(_ path: String) -> mode_t? {
    var information = stat()
    guard unsafe lstat(path, &information) == 0 else { return nil }
    return information.st_mode & 0o7777
}

func group(_ path: String) -> gid_t? {
    var information = stat()
    guard unsafe lstat(path, &information) == 0 else { return nil }
    return information.st_gid
}

/// Runs `body` on a thread of its own, which ends with it.
func detach(_ body: @escaping @Sendable () -> Void) {
    final class Box: Sendable {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }
    var thread = pthread_t()
    let box = unsafe Unmanaged.passRetained(Box(body)).toOpaque()
    _ = unsafe pthread_create(
        &thread, nil,
        { box in
            if let box = unsafe box { unsafe Unmanaged<Box>.fromOpaque(box).takeRetainedValue().body() }
            return nil
        }, box)
    _ = pthread_detach(thread)
}
