// A real engine process in the namespace of the calling thread, with the test in the supervisor's chair.

import Election
import Foundation
import Messages
import Namespaces
import System
import Wire

/// What the engine said so far, and the way to tell it something.
final class EngineProcess {
    private var socket: MessageSocket?
    private var child: ChildProcess
    private(set) var reports: [Report] = []
    /// Duplicates of the engine's advert sockets, as the supervisor keeps them.
    private(set) var sockets: [(tag: SocketTag, descriptor: Int32)] = []
    private(set) var hasEnded = false
    private var ending: ProcessEnding?
    private var buffer = [UInt8](repeating: 0, count: MessageSocket.maximumLength)

    /// Beside the test bundle, where the build puts every product.
    static let path: String = {
        let bundle = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
        let places = [
            bundle,
            URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(
                "../../.build/debug"),
        ]
        return places.map { $0.appendingPathComponent("vipd-engine").path }
            .first { FileManager.default.isExecutableFile(atPath: $0) } ?? "vipd-engine"
    }()

    /// `prefix` is put before the engine's path: a program that starts it in its own place.
    init(prefix: [String] = []) throws {
        var pair = try MessageSocket.pair()
        socket = pair.takeFirst()
        let other = pair.takeSecond()
        child = try ChildProcess(
            ProcessRequest(arguments: prefix + [Self.path], environment: [], passing: other.number, isOrdinary: false))
        tell(.hello(version: messagesVersion))
    }

    deinit {
        kill()
        for socket in sockets { _ = Descriptor(taking: socket.descriptor) }
    }

    func tell(_ command: Command, descriptor: Int32? = nil) {
        var octets: [UInt8] = []
        command.encode(into: &octets)
        _ = try? socket?.send(octets, descriptor: descriptor)
    }

    func listen() {
        while !hasEnded {
            guard var received = try? socket?.receive(into: &buffer) else {
                hasEnded = true
                return
            }
            switch received.kind {
            case .nothing: return
            case .end: hasEnded = true
            case .message(let length):
                guard let report = try? Report(decoding: buffer.span.extracting(0..<length)) else { continue }
                reports.append(report)
                if case .socket(let tag) = report, let descriptor = received.descriptor.take() {
                    sockets.append((tag, descriptor.release()))
                }
            }
        }
    }

    /// Listens until `wanted` is among the reports; false after some seconds.
    func hears(within seconds: Int64 = 5, _ wanted: (Report) -> Bool) -> Bool {
        eventually(within: seconds) {
            listen()
            return reports.contains(where: wanted)
        }
    }

    func reaches(_ state: StateName, _ router: UInt32 = 1, within seconds: Int64 = 5) -> Bool {
        hears(within: seconds) {
            if case .transition(RouterID(router), let transition) = $0 { transition.to == state } else { false }
        }
    }

    var transitions: [Transition] {
        reports.compactMap { if case .transition(_, let transition) = $0 { transition } else { nil } }
    }

    /// The last snapshot, with the time of the last advert as heartbeats tell it.
    var lastSnapshot: RouterSnapshot? {
        var last: RouterSnapshot?
        for report in reports {
            switch report {
            case .snapshot(let snapshot): last = snapshot
            case .heartbeat(let at, let advertised, _) where !advertised.isEmpty: last?.lastAdvertSent = at
            default: break
            }
        }
        return last
    }

    /// Sends SIGKILL and waits for the end.
    func kill() {
        guard ending == nil else { return }
        child.kill(9)
        _ = waitForExit()
        listen()
    }

    /// Sends a signal.
    func signal(_ number: Int32) { child.kill(number) }

    /// Closes the supervisor's end, as its death does; the engine must end by itself.
    func abandon() { socket = nil }

    func waitForExit(within seconds: Int64 = 5) -> ProcessEnding? {
        _ = eventually(within: seconds) {
            ending = ending ?? child.reap()
            return ending != nil
        }
        return ending
    }
}
