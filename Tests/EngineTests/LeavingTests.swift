// What an engine shares with its supervisor's watchdog, and how it leaves: to another engine, and without a supervisor.

import Election
import Glibc
import Kernel
import Messages
import Namespaces
import System
import Testing
import Wire

@testable import Engine

private func configuration(_ interval: Duration = .milliseconds(100)) -> VirtualRouterConfiguration {
    VirtualRouterConfiguration(
        interface: "va", vrid: 10, priority: 200, advertisementInterval: interval,
        addresses: [InterfaceAddress("10.9.0.100/32")].compactMap { $0 })
}

private func isHeld() throws -> Bool { try sh("ip address show dev va").contains(" 10.9.0.100/") }

/// An engine with a page that is not configured yet.
private func engine(_ vitals: Vitals) throws -> EngineProcess {
    let engine = try EngineProcess()
    // The one of the start came without a page.
    engine.tell(.hello(version: messagesVersion), descriptor: vitals.number)
    return engine
}

@Suite(.enabled(if: canMakeNamespaces), .serialized)
struct LeavingTests {
    @Test(arguments: [(20, 100), (100, 200), (1_000, 2_000), (40_000, 5_000)])
    func `a configured engine promises two intervals, within bounds`(
        _ interval: Int, _ promise: Int64
    ) async throws {
        try await withTwoHosts { _ in
            let vitals = try Vitals()
            let engine = try engine(vitals)
            #expect(vitals.limit == 0)
            engine.tell(.configure(RouterID(1), configuration(.milliseconds(interval)), disabled: false))
            engine.tell(.commit)
            let ready = engine.hears { $0 == .ready }
            #expect(ready)
            #expect(vitals.limit == promise * 1_000_000)
        }
    }

    /// How old the last sign of life of an engine became that hears nobody for 2.5 s, nanoseconds. It is backup for three
    /// seconds and more, and its snapshots alone would wake it once a second.
    private func oldestSign() throws -> Int64 {
        let vitals = try Vitals()
        let engine = try engine(vitals)
        engine.tell(.configure(RouterID(1), configuration(.seconds(1)), disabled: false))
        engine.tell(.commit)
        let ready = engine.hears { $0 == .ready }
        #expect(ready)
        var oldest: Int64 = 0
        for _ in 0..<250 {
            Clock.pause(nanoseconds: 10_000_000)
            engine.listen()
            oldest = max(oldest, Clock.monotonic() - vitals.beat)
        }
        return oldest
    }

    @Test func `an engine with nothing to do wakes for a sign of life`() async throws {
        try await withTwoHosts { _ in
            var seen: [Int64] = []
            // A stall of the machine may spoil one of them.
            while seen.count < 3, seen.last ?? .max >= 800_000_000 { seen.append(try oldestSign()) }
            #expect(seen.contains { $0 < 800_000_000 }, "\(seen)")
        }
    }

    @Test func `the page tells of the virtual router that was worked for`() async throws {
        try await withTwoHosts { _ in
            let vitals = try Vitals()
            let engine = try engine(vitals)
            engine.tell(.configure(RouterID(1), configuration(), disabled: false))
            engine.tell(.commit)
            let master = engine.reaches(.master)
            #expect(master)
            engine.kill()
            #expect(Work.allCases.map(\.word).contains(vitals.lastWords.word))
            #expect(vitals.beat > 0)
        }
    }

    @Test func `an engine that yields tells everything, releases nothing, and the next one goes on`() async throws {
        try await withTwoHosts { hosts in
            let peer = try hosts.onB {
                let socket = try AdvertSocket(opening: .ipv4, interface: "vb", index: unsafe if_nametoindex("vb"))
                try socket.listenToGroup(true)
                return socket
            }
            let first = try EngineProcess()
            first.tell(.configure(RouterID(1), configuration(), disabled: false))
            first.tell(.commit)
            let master = first.reaches(.master)
            #expect(master)
            _ = first.hears { if case .socket = $0 { true } else { false } }
            let second = try EngineProcess()
            second.tell(.prepare(["va", "none"]))
            let prepared = second.hears { $0 == .prepared }
            #expect(prepared)
            first.tell(.yield)
            let ending = first.waitForExit()
            first.listen()
            #expect(ending == .exited(0))
            guard case .yielded(let at)? = first.reports.last else {
                Issue.record("\(first.reports.suffix(3))")
                return
            }
            #expect(at <= Clock.boottime() && Clock.boottime() - at < 5_000_000_000)
            #expect(try isHeld())
            let snapshot = try #require(first.lastSnapshot)
            let socket = try #require(first.sockets.first)
            #expect(snapshot.state == .master && snapshot.lastAdvertSent > 0)
            #expect(snapshot.counters[.priorityZeroSent] == 0)
            second.tell(.adopt(socket.tag), descriptor: socket.descriptor)
            second.tell(.resume(snapshot))
            second.tell(.configure(RouterID(1), configuration(), disabled: false))
            second.tell(.commit)
            let continued = second.reaches(.master)
            #expect(continued)
            #expect(second.transitions.map(\.cause) == [.resumed])
            #expect(try isHeld())
            var buffer = PacketBuffer()
            while let packet = try peer.receive(into: &buffer) {
                #expect(buffer.bytes[packet.payload.lowerBound + 2] == 200, "nobody resigned")
            }
        }
    }

    @Test func `an engine that has not been configured has nothing to yield`() async throws {
        try await withTwoHosts { _ in
            let engine = try EngineProcess()
            engine.tell(.yield)
            engine.tell(.configure(RouterID(1), configuration(), disabled: false))
            engine.tell(.commit)
            let master = engine.reaches(.master)
            #expect(master)
        }
    }
}
