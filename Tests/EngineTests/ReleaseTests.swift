// Releases that are cut into slices: in which order addresses go, what waits for them, and who must not wait. The engine itself is made
// here, against the real kernel, so that each of its turns can be looked at.

import Election
import Glibc
import Kernel
import Messages
import Namespaces
import System
import Testing
import Wire

@testable import Engine

/// `count` IPv6 addresses; taking them off takes many slices.
private func many(_ count: Int, network: UInt64 = 0) -> [InterfaceAddress] {
    (1...count).map { number in
        let address = IPv6Address(high: 0x2001_0DB8_0000_0000 | network, low: UInt64(number))
        return InterfaceAddress(address: .ipv6(address), prefixLength: 128)
    }
}

/// An engine with a router that holds addresses on `va`, and what it has told the supervisor.
private final class Bench {
    let engine: Engine
    let index: UInt32
    private let supervisor: MessageSocket
    private let others: NetlinkRequests

    init(_ held: [InterfaceAddress], of id: RouterID = RouterID(1)) throws {
        let link = unsafe if_nametoindex("va")
        var pair = try MessageSocket.pair()
        let engine = try Engine(supervisor: pair.takeSecond())
        others = try NetlinkRequests()
        supervisor = pair.takeFirst()
        self.engine = engine
        index = link
        add(held, of: id)
        for address in held { try engine.requests.add(address, index: link) }
    }

    deinit { engine.leases.stop() }

    func add(_ addresses: [InterfaceAddress], of id: RouterID) {
        var record = RouterRecord(VirtualRouterConfiguration(interface: "va", vrid: 10, addresses: addresses))
        for address in addresses { record.places[address] = index }
        engine.records[id] = record
    }

    /// How many of these are on the interface.
    func held(_ addresses: [InterfaceAddress]) throws -> Int {
        let present = Set(try others.addresses(on: index).map(\.address))
        return addresses.count { present.contains($0) }
    }

    /// What the engine has told since the last call.
    func reports() throws -> [Report] {
        var buffer = [UInt8](repeating: 0, count: MessageSocket.maximumLength)
        var reports: [Report] = []
        while true {
            let received = try supervisor.receive(into: &buffer)
            guard case .message(let length) = received.kind else { break }
            reports.append(try Report(decoding: buffer.span.extracting(0..<length)))
        }
        return reports
    }

    func transitions() throws -> [StateName] {
        try reports().compactMap { if case .transition(_, let transition) = $0 { transition.to } else { nil } }
    }

    func snapshots() throws -> [StateName] {
        try reports().compactMap { if case .snapshot(let snapshot) = $0 { snapshot.state } else { nil } }
    }

    /// Turns until nothing waits; how many.
    func finish() -> Int {
        var turns = 0
        while !engine.releases.isEmpty {
            engine.continueReleases()
            turns += 1
        }
        return turns
    }
}

private func transition(to state: StateName) -> Action {
    let now = Instant(nanoseconds: Clock.monotonic())
    return .transition(Transition(from: .master, to: state, cause: .disabled, at: now, effectivePriority: 100))
}

@Suite(.enabled(if: canMakeNamespaces), .serialized)
struct ReleaseTests {
    @Test func `many addresses go in several turns, and the transition is told when the last is off`() async throws {
        try await withTwoHosts { _ in
            let addresses = many(250)
            let bench = try Bench(addresses)
            let engine = bench.engine
            _ = try bench.reports()
            engine.actions = [
                RouterAction(RouterID(1), .release(addresses)), RouterAction(RouterID(1), transition(to: .disabled)),
            ]
            engine.perform()
            #expect(!engine.releases.isEmpty)
            #expect((1..<250).contains(try bench.held(addresses)))
            #expect(try bench.transitions() == [])
            // The turn that began it has had its slice.
            let before = try bench.held(addresses)
            engine.continueReleases()
            #expect(try bench.held(addresses) == before)
            let turns = bench.finish()
            #expect(turns >= 2)
            #expect(try bench.held(addresses) == 0)
            #expect(try bench.transitions() == [.disabled])
        }
    }

    @Test func `until the last is off no snapshot says that the router has stopped serving`() async throws {
        try await withTwoHosts { _ in
            let addresses = many(250)
            let bench = try Bench(addresses)
            let engine = bench.engine
            let id = RouterID(1)
            let configuration = try #require(engine.records[id]?.configuration)
            engine.node.configure(id, configuration, disabled: true, at: engine.now, appendingTo: &engine.actions)
            engine.release(addresses, for: id)
            #expect(!engine.releases.isEmpty)
            _ = try bench.reports()
            engine.nextSnapshot = .max
            engine.report()
            #expect(try bench.snapshots() == [])
            _ = bench.finish()
            engine.report()
            #expect(try bench.snapshots() == [.disabled])
        }
    }

    @Test func `from the first turn on no lease of them is renewed`() async throws {
        try await withTwoHosts { _ in
            let addresses = many(250)
            let bench = try Bench(addresses)
            let engine = bench.engine
            let record = try #require(engine.records[RouterID(1)])
            let now = Clock.boottime()
            engine.leases.hold(
                addresses.placed(on: bench.index).map { ($0, now) }, of: RouterID(1), record.mark, record.configuration)
            #expect(engine.leases.expiry(of: addresses.placed(on: bench.index)) > 0)
            engine.release(addresses, for: RouterID(1))
            #expect(!engine.releases.isEmpty)
            #expect(engine.leases.expiry(of: addresses.placed(on: bench.index)) == 0)
            _ = bench.finish()
            #expect(try bench.held(addresses) == 0)
        }
    }

    @Test func `an address that is claimed meanwhile is taken off before, and stays`() async throws {
        try await withTwoHosts { _ in
            let addresses = many(250)
            let bench = try Bench(addresses)
            let engine = bench.engine
            bench.add(addresses, of: RouterID(2))
            engine.table.apply(.link(try #require(try engine.requests.links().first { $0.name == "va" })))
            engine.release(addresses, for: RouterID(1))
            let wanted = Array(addresses.suffix(2))
            engine.claim(wanted, for: RouterID(2))
            #expect(!engine.releases.isEmpty)
            #expect(try bench.held(wanted) == 2)
            _ = bench.finish()
            #expect(try bench.held(addresses) == 2)
            #expect(try bench.held(wanted) == 2)
        }
    }

    @Test func `of more than 256 routers so many are told of a second, each in its turn`() async throws {
        try await withTwoHosts { _ in
            let bench = try Bench([])
            let engine = bench.engine
            for number in 1...600 as ClosedRange<UInt32> {
                let id = RouterID(number)
                let configuration = VirtualRouterConfiguration(interface: "none", vrid: 1, addresses: many(1))
                engine.records[id] = RouterRecord(configuration)
                engine.node.configure(id, configuration, disabled: true, at: engine.now, appendingTo: &engine.actions)
            }
            _ = try bench.reports()
            var told: [UInt32] = []
            for _ in 0..<3 {
                engine.nextSnapshot = 0
                var before = told.count
                repeat {
                    before = told.count
                    engine.report()
                    told += try bench.reports().compactMap {
                        if case .snapshot(let snapshot) = $0 { snapshot.router.number } else { nil }
                    }
                } while told.count > before
            }
            #expect(told == [Array(1...600), Array(1...168)].joined().map { UInt32($0) })
        }
    }

    @Test func `few addresses do not wait behind many, and what is told of each router keeps its order`() async throws {
        try await withTwoHosts { _ in
            let addresses = many(250)
            let few = many(2, network: 1)
            let bench = try Bench(addresses)
            let engine = bench.engine
            bench.add(few, of: RouterID(2))
            for address in few { try engine.requests.add(address, index: bench.index) }
            engine.release(addresses, for: RouterID(1))
            engine.continueReleases()
            engine.release(few, for: RouterID(2))
            #expect(try bench.held(few) == 0)
            #expect(!engine.releases.isEmpty)
            _ = try bench.reports()
            engine.actions = [
                RouterAction(RouterID(1), transition(to: .backup)), RouterAction(RouterID(2), transition(to: .fault)),
                RouterAction(RouterID(1), transition(to: .disabled)),
            ]
            engine.perform()
            #expect(try bench.transitions() == [.fault])
            _ = bench.finish()
            #expect(try bench.transitions() == [.backup, .disabled])
        }
    }

    @Test func `who was away too long, or leaves, has taken everything off when it goes on`() async throws {
        try await withTwoHosts { _ in
            let addresses = many(250)
            let more = many(250, network: 2)
            let bench = try Bench(addresses + more)
            let engine = bench.engine
            engine.withoutSlices { engine.release(addresses, for: RouterID(1)) }
            #expect(engine.releases.isEmpty)
            #expect(try bench.held(addresses) == 0)
            engine.release(more, for: RouterID(1))
            #expect(!engine.releases.isEmpty)
            engine.finishReleases()
            #expect(try engine.releases.isEmpty && bench.held(more) == 0)
        }
    }

    @Test func `an interface that is gone leaves nothing to take off, and what waited is told`() async throws {
        try await withTwoHosts { _ in
            let addresses = many(250)
            let bench = try Bench(addresses)
            let engine = bench.engine
            engine.release(addresses, for: RouterID(1))
            _ = try bench.reports()
            engine.actions = [RouterAction(RouterID(1), transition(to: .fault))]
            engine.perform()
            #expect(try bench.transitions() == [])
            engine.dropReleases(index: bench.index)
            #expect(engine.releases.isEmpty)
            #expect(try bench.transitions() == [.fault])
        }
    }
}
