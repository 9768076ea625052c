// Unicast: whom a packet is for when several elections share a VRID, who is believed, and what a hop limit proves.

import Testing
import Wire

@testable import Election

private let one = IPAddress.ipv4(IPv4Address(192, 0, 2, 3))
private let two = IPAddress.ipv4(IPv4Address(192, 0, 2, 4))
private let stranger = IPAddress.ipv4(IPv4Address(192, 0, 2, 9))
private let otherVIP = InterfaceAddress(address: .ipv4(IPv4Address(192, 0, 2, 101)), prefixLength: 24)

/// Routers 1 and 2 with the same VRID and a peer each, and with `multicast` router 3 with the group.
private func bench(multicast: Bool = false) -> NodeBench {
    var bench = NodeBench()
    if multicast {
        bench.add(3) {
            $0.addresses = [
                InterfaceAddress(address: .ipv4(IPv4Address(192, 0, 2, 102)), prefixLength: 24)
            ]
        }
    }
    bench.add(1) { $0.peers = [UnicastPeer(one)] }
    bench.add(2) {
        $0.peers = [UnicastPeer(two, minimumHopLimit: 200)]
        $0.addresses = [otherVIP]
    }
    return bench
}

@Suite struct UnicastTests {
    @Test(arguments: [false, true])
    func `of several elections with one VRID the sender tells which is meant`(_ multicast: Bool) {
        var bench = bench(multicast: multicast)
        bench.receive(200, from: one, to: Bench.me)
        #expect(bench.counter(.advertsReceived, 1) == 1 && bench.counter(.advertsReceived, 2) == 0)
        bench.receive(200, from: two, to: Bench.me, addresses: [otherVIP.address])
        #expect(bench.counter(.advertsReceived, 1) == 1 && bench.counter(.advertsReceived, 2) == 1)
        #expect(bench.node.router(RouterID(1))?.master == one && bench.node.router(RouterID(2))?.master == two)
        if multicast {
            bench.receive(200, from: two)
            #expect(bench.counter(.advertsReceived, 3) == 1 && bench.counter(.advertsReceived, 2) == 1)
            #expect(bench.node.router(RouterID(3))?.master == two)
        }
    }

    @Test(arguments: [false, true])
    func `what a peer sends to the group is for the multicast router, whichever is configured first`(_ first: Bool) {
        var bench = NodeBench()
        if first { bench.add(1) { $0.peers = [UnicastPeer(one)] } }
        bench.add(2) { $0.addresses = [otherVIP] }
        if !first { bench.add(1) { $0.peers = [UnicastPeer(one)] } }
        bench.receive(200, from: one, addresses: [otherVIP.address])
        bench.receive(150, from: one, to: Bench.me)
        #expect(bench.node.router(RouterID(2))?.masterPriority == 200)
        #expect(bench.node.router(RouterID(1))?.masterPriority == 150)
        #expect(bench.counter(.destinationErrors, 1) == 0)
    }

    @Test func `a running election is not stopped while another one with its VRID leaves`() {
        var bench = NodeBench()
        bench.add(1) {
            $0.peers = [UnicastPeer(one)]
            $0.gatesRelease = true
        }
        bench.add(2) {
            $0.peers = [UnicastPeer(two)]
            $0.addresses = [otherVIP]
        }
        bench.wait(.seconds(4))
        #expect(bench.state(1) == .master && bench.state(2) == .master)
        bench.step { node, now, actions in node.remove(RouterID(1), at: now, appendingTo: &actions) }
        bench.add(2) {
            $0.peers = [UnicastPeer(two)]
            $0.addresses = [otherVIP]
            $0.priority = 90
        }
        #expect(bench.state(1) == .master, "its gate runs")
        #expect(bench.state(2) == .master)
        bench.add(3) { $0.peers = [UnicastPeer(stranger)] }
        #expect(bench.state(3) == .initialize, "it shares the address of the one that leaves")
    }

    @Test func `adverts come from the network that the peers are in`() {
        var facts = InterfaceFacts(index: 7)
        facts.sourceIPv4 = IPv4Address(192, 0, 2, 2)
        let other = IPAddress.ipv4(IPv4Address(198, 51, 100, 2))
        facts.networks = [
            InterfaceAddress(address: Bench.me, prefixLength: 24), InterfaceAddress(address: other, prefixLength: 25),
        ]
        var configuration = Bench.configuration()
        #expect(facts.source(for: configuration) == Bench.me)
        configuration.peers = [UnicastPeer(.ipv4(IPv4Address(198, 51, 100, 127)))]
        #expect(facts.source(for: configuration) == other)
        configuration.peers = [UnicastPeer(.ipv4(IPv4Address(198, 51, 100, 128)))]
        #expect(facts.source(for: configuration) == Bench.me, "in no network: the first")
        let near = UnicastPeer(.ipv4(IPv4Address(198, 51, 100, 127)))
        let far = UnicastPeer(.ipv4(IPv4Address(203, 0, 113, 9)))
        configuration.peers = [far, near, UnicastPeer(one)]
        #expect(facts.source(for: configuration) == other, "the first that is on the link decides")
        configuration.peers = [far]
        #expect(facts.source(for: configuration) == Bench.me, "none is on the link")
        for list in [[Bench.me, one], [one, Bench.me]] {
            configuration.peers = list.map { UnicastPeer($0) }
            #expect(facts.source(for: configuration) == Bench.me, "one list for all hosts")
        }
        for list in [[other, near.address], [far.address, other], [one, other]] {
            configuration.peers = list.map { UnicastPeer($0) }
            #expect(facts.source(for: configuration) == other, "one list for all hosts names this one")
        }
    }

    @Test func `over IPv6 the same, and link-local peers are answered link-locally`() {
        var facts = InterfaceFacts(index: 7, sourceIPv6: IPv6Address(high: 0xFE80 << 48, low: 2))
        let prefix: UInt64 = 0x2001_0DB8 << 32
        facts.globalIPv6 = IPv6Address(high: prefix, low: 2)
        func address(_ high: UInt64, _ low: UInt64) -> IPAddress { .ipv6(IPv6Address(high: high, low: low)) }
        facts.networks = [
            InterfaceAddress(address: address(prefix, 2), prefixLength: 64),
            InterfaceAddress(address: address(prefix + 1, 2), prefixLength: 64),
            InterfaceAddress(address: address(0xFE80 << 48, 2), prefixLength: 64),
        ]
        var configuration = Bench.configuration()
        configuration.addresses = [InterfaceAddress(address: NodeBench.peer6, prefixLength: 128)]
        configuration.peers = [UnicastPeer(address(prefix + 9, 3)), UnicastPeer(address(prefix + 1, 3))]
        #expect(facts.source(for: configuration) == address(prefix + 1, 2))
        configuration.peers = [UnicastPeer(address(prefix + 9, 3))]
        #expect(facts.source(for: configuration) == address(prefix, 2), "the global one")
        configuration.peers = [UnicastPeer(address(0xFE80 << 48, 3))]
        #expect(facts.source(for: configuration) == address(0xFE80 << 48, 2))
    }

    @Test func `each of them elects for itself`() {
        var bench = bench()
        for _ in 0..<8 {
            bench.receive(200, from: one, to: Bench.me)
            bench.wait(.milliseconds(500))
        }
        #expect(bench.state(1) == .backup && bench.state(2) == .master)
    }

    @Test func `a stranger is dropped for its source, whatever it advertises`() {
        var bench = NodeBench()
        bench.add(1) { $0.peers = [UnicastPeer(one)] }
        bench.wait(.seconds(4))
        let notice = bench.receive(254, from: stranger, to: Bench.me)
        #expect(notice?.reason == .source && bench.state(1) == .master)
        #expect(bench.counter(.sourceErrors) == 1 && bench.counter(.advertsReceived) == 0)
    }

    @Test func `an advert to the group is not for a unicast router, nor one to its host for a multicast router`() {
        var bench = NodeBench()
        bench.add(1) { $0.peers = [UnicastPeer(one)] }
        #expect(bench.receive(200, from: one)?.reason == .destination)
        bench.add(2) { $0.vrid = 11 }
        #expect(bench.receive(200, vrid: 11, from: one, to: Bench.me)?.reason == .destination)
        #expect(bench.counter(.advertsReceived, 1) == 0 && bench.counter(.advertsReceived, 2) == 0)
    }

    @Test(
        arguments: [(255, 255, true), (255, 254, false), (200, 200, true), (200, 199, false), (1, 1, true)]
            as [(
                UInt8, UInt8, Bool
            )])
    func `a hop limit below the peer's minimum is dropped`(_ least: UInt8, _ arrived: UInt8, _ isBelieved: Bool) {
        var bench = NodeBench()
        bench.add(1) { $0.peers = [UnicastPeer(one, minimumHopLimit: least)] }
        let notice = bench.receive(200, from: one, to: Bench.me, hopLimit: arrived)
        #expect(notice?.reason == (isBelieved ? nil : .ttl))
        #expect(bench.counter(.ttlErrors) == (isBelieved ? 0 : 1))
        #expect(bench.node.router(RouterID(1))?.lastProtocolError == (isBelieved ? nil : .ttl))
    }

    @Test func `peers beyond the link over IPv6 need a global source`() {
        let far = IPAddress.ipv6(IPv6Address(high: 0x2001_0DB8 << 32, low: 3))
        let mine = IPv6Address(high: 0x2001_0DB8 << 32, low: 2)
        var bench = NodeBench()
        bench.add(1) {
            $0.addresses = [InterfaceAddress(address: NodeBench.peer6, prefixLength: 128)]
            $0.peers = [UnicastPeer(far, minimumHopLimit: 64)]
        }
        #expect(bench.node.router(RouterID(1))?.faults == [.noSourceAddress])
        var facts = InterfaceFacts(index: 7, sourceIPv6: IPv6Address(high: 0xFE80 << 48, low: 2))
        facts.globalIPv6 = mine
        bench.step { node, now, actions in node.interface("eth0", facts, at: now, appendingTo: &actions) }
        #expect(bench.node.router(RouterID(1))?.standing.localAddress == .ipv6(mine))
        #expect(bench.receive(200, from: far, to: .ipv6(mine), hopLimit: 64) == nil)
        #expect(bench.counter(.advertsReceived) == 1)
    }
}

@Suite struct ListenerTableTests {
    @Test func `a packet finds the routers of its interface, family and VRID, in their order`() {
        var table = ListenerTable()
        table.add(0, 7, .ipv4, 10)
        table.add(1, 7, .ipv6, 10)
        table.add(2, 8, .ipv4, 10)
        table.add(3, 7, .ipv4, 11)
        table.add(4, 7, .ipv4, 10)
        #expect(table.slots(7, .ipv4, vrid: 10) == [0, 4])
        #expect(table.slots(7, .ipv6, vrid: 10) == [1])
        #expect(table.slots(8, .ipv4, vrid: 10) == [2])
        #expect(table.slots(7, .ipv4, vrid: 11) == [3])
        #expect(table.slots(9, .ipv4, vrid: 10).isEmpty && table.slots(7, .ipv6, vrid: 11).isEmpty)
        table.removeAll()
        #expect(table.slots(7, .ipv4, vrid: 10).isEmpty)
    }

    @Test func `a router that moves to another interface is found there`() {
        var bench = NodeBench()
        bench.add(1)
        bench.step { node, now, actions in
            node.interface(
                "eth0", InterfaceFacts(index: 70, sourceIPv4: IPv4Address(192, 0, 2, 2)), at: now, appendingTo: &actions
            )
        }
        bench.receive(200, interface: 7)
        #expect(bench.counter(.advertsReceived) == 0)
        bench.receive(200, interface: 70)
        #expect(bench.counter(.advertsReceived) == 1)
    }
}

@Suite struct DeadlineQueueTests {
    /// The same operations on the queue and on a plain array.
    @Test(arguments: [1, 2, 3, 4, 5, 6, 7, 8] as [UInt64])
    func `it agrees with a plain list under random operations`(_ seed: UInt64) {
        var random = Random(state: seed)
        var queue = DeadlineQueue()
        var model: [Int64?] = []
        for _ in 0..<5_000 {
            switch random.below(40) {
            case 0 where model.count < 60:
                queue.append()
                model.append(nil)
            case 1:
                let count = Int(random.below(60))
                queue.reset(count: count)
                model = [Int64?](repeating: nil, count: count)
            case 2, 3, 4, 5:
                let now = Int64(random.below(100))
                var due: [Int] = [-1]
                queue.due(at: Instant(nanoseconds: now), into: &due)
                let expected = model.indices.filter { model[$0].map { $0 <= now } ?? false }
                #expect(due == expected, "what was there before is gone")
            default:
                guard !model.isEmpty else { continue }
                let place = Int(random.below(UInt64(model.count)))
                let value = random.below(6) == 0 ? nil : Int64(random.below(100))
                queue.set(value.map { Instant(nanoseconds: $0) }, of: place)
                model[place] = value
            }
            let first = model.compactMap(\.self).min().map { Instant(nanoseconds: $0) }
            guard queue.first == first else {
                #expect(queue.first == first)
                return
            }
        }
    }

    /// xorshift64*: small, seeded, and the same on every machine.
    private struct Random {
        var state: UInt64
        mutating func below(_ limit: UInt64) -> UInt64 {
            state ^= state >> 12
            state ^= state << 25
            state ^= state >> 27
            return ((state &* 0x2545_F491_4F6C_DD1D) >> 33) % limit
        }
    }
}
