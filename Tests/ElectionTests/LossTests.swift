// Addresses that others take off a master's interface, and those that others have put there (promises 2 and 8).

import Testing
import Wire

@testable import Election

@Suite struct LossTests {
    @Test func `what is taken off is put back twice within 10 s, and given up the third time`() {
        var bench = Bench.master()
        for _ in 0..<2 {
            bench.send(.addressesLost([Bench.vip]))
            #expect(bench.actions.first == .claim([Bench.vip]) && bench.state == .master)
            bench.now = bench.now + .seconds(3)
        }
        bench.send(.addressesLost([Bench.vip], by: "dhclient (process 7)"))
        #expect(bench.state == .fault && bench.sentPriorities == [0] && bench.released)
        #expect(bench.router.faults == [.addressRemoved(Bench.vip, by: "dhclient (process 7)")])
    }

    @Test func `whoever takes it off now and then does not end a mastership`() {
        var bench = Bench.master()
        for _ in 0..<20 {
            bench.send(.addressesLost([Bench.vip]))
            #expect(bench.actions.first == .claim([Bench.vip]))
            bench.now = bench.now + .seconds(5)
        }
        #expect(bench.state == .master)
    }

    @Test func `a flush of many addresses is one loss of each`() {
        let many = (1...200).map {
            InterfaceAddress(address: .ipv4(IPv4Address(192, 0, 3, UInt8($0))), prefixLength: 32)
        }
        var bench = Bench.master(Bench.configuration(addresses: many))
        for address in many { bench.send(.addressesLost([address])) }
        #expect(bench.state == .master)
    }

    @Test func `while it goes on the pauses double, and a quiet time ends that`() {
        var bench = Bench.master()
        func loseThrice(_ bench: inout Bench) -> Duration? {
            for _ in 0..<3 { bench.send(.addressesLost([Bench.vip])) }
            return bench.router.deadline.map { $0 - bench.now }
        }
        for seconds in [1, 2, 4, 8] {
            #expect(loseThrice(&bench) == .seconds(seconds))
            _ = bench.run(for: .seconds(seconds + 6))
            #expect(bench.state == .master)
        }
        _ = bench.run(for: .seconds(120))
        #expect(loseThrice(&bench) == .seconds(1))
    }

    @Test func `a lower master may serve meanwhile`() {
        var bench = Bench.master()
        for _ in 0..<3 { bench.send(.addressesLost([Bench.vip])) }
        _ = bench.run(for: .seconds(2))
        #expect(bench.state == .backup)
        bench.advert(50)
        _ = bench.run(for: .seconds(3))
        bench.advert(50)
        _ = bench.run(for: .seconds(1))
        #expect(bench.state == .backup, "it can hold the addresses, and we have shown that we cannot")
    }

    @Test func `an address that somebody else has put there is a fault, until it is gone`() {
        var bench = NodeBench()
        bench.add(1)
        var facts = InterfaceFacts(index: 7)
        facts.sourceIPv4 = IPv4Address(192, 0, 2, 2)
        func tell(_ bench: inout NodeBench, _ foreign: [IPAddress]) {
            facts.foreign = foreign
            bench.step { node, now, actions in node.interface("eth0", facts, at: now, appendingTo: &actions) }
        }
        tell(&bench, [Bench.vip.address])
        #expect(bench.state(1) == .fault)
        #expect(bench.node.router(RouterID(1))?.faults == [.addressNotOurs(Bench.vip)])
        tell(&bench, [.ipv4(IPv4Address(192, 0, 2, 200))])
        #expect(bench.state(1) == .backup)
    }

    @Test func `what an owner has is its own`() {
        var bench = NodeBench()
        bench.add(1) { $0.priority = 255 }
        var facts = InterfaceFacts(index: 7)
        facts.sourceIPv4 = IPv4Address(192, 0, 2, 2)
        facts.foreign = [Bench.vip.address]
        bench.step { node, now, actions in node.interface("eth0", facts, at: now, appendingTo: &actions) }
        #expect(bench.state(1) == .master)
    }
}
