// Virtual hardware addresses as the elections see them: a fault where there can be none, no conflict among those who share one, and addresses that
// move when it comes or goes.

import Testing
import Wire

@testable import Election

@Suite struct VirtualMACTests {
    private static let hardware = MACAddress.virtualRouter(10, family: .ipv4)

    private func master(virtual: Bool) -> NodeBench {
        var bench = NodeBench()
        bench.add(1) {
            $0.usesVirtualMAC = virtual
            $0.announcements.refresh = nil
        }
        for _ in 0..<200 { bench.wait(.milliseconds(50)) }
        bench.actions = []
        return bench
    }

    @Test func `ACD-13: who claims the addresses for the address that is shared is no conflict, and others are`() {
        var bench = master(virtual: true)
        bench.claim(Bench.vip.address, at: Self.hardware)
        #expect(bench.actions.isEmpty && bench.counter(.addressConflicts) == 0)
        bench.claim(Bench.vip.address, at: .virtualRouter(11, family: .ipv4))
        #expect(bench.counter(.addressConflicts) == 1, "the address of another election")
        bench.claim(Bench.vip.address)
        #expect(bench.counter(.addressConflicts) == 2)
        bench = master(virtual: false)
        bench.claim(Bench.vip.address, at: Self.hardware)
        #expect(bench.counter(.addressConflicts) == 1, "neighbours would go there")
    }

    @Test func `where there can be no interface for it the router is in fault, and others of the interface are not`() {
        var bench = master(virtual: true)
        bench.add(2) {
            $0.vrid = 11
            $0.usesVirtualMAC = true
            $0.addresses = [InterfaceAddress(address: .ipv4(IPv4Address(192, 0, 2, 101)), prefixLength: 24)]
        }
        bench.add(3) {
            $0.vrid = 10
            $0.interface = "eth1"
            $0.addresses = [InterfaceAddress(address: .ipv4(IPv4Address(192, 0, 2, 102)), prefixLength: 24)]
        }
        var facts = InterfaceFacts(index: 7)
        facts.sourceIPv4 = IPv4Address(192, 0, 2, 2)
        facts.virtualMACErrors = [VirtualMACError(family: .ipv4, vrid: 10, interface: "vipd4-7-10", code: 17)]
        bench.step { node, now, actions in node.interface("eth0", facts, at: now, appendingTo: &actions) }
        #expect(bench.node.router(RouterID(1))?.faults == [.virtualMAC(interface: "vipd4-7-10", 17)])
        #expect(bench.state(1) == .fault && bench.state(2) == .backup && bench.state(3) == .backup)
        #expect(bench.actions.first?.action == .sendAdvert(priority: 0), "it can still resign")
        facts.virtualMACErrors = []
        bench.step { node, now, actions in node.interface("eth0", facts, at: now, appendingTo: &actions) }
        #expect(bench.state(1) == .backup)
    }

    @Test
    func
        `with a reload that brings it or takes it all addresses move but those on another interface, and are announced`()
    {
        let elsewhere = InterfaceAddress(address: .ipv4(IPv4Address(203, 0, 113, 9)), prefixLength: 32)
        for wanted in [true, false] {
            var old = Bench.configuration(addresses: [Bench.vip, elsewhere])
            old.addressOptions[elsewhere] = AddressOptions(interface: "eth1")
            old.usesVirtualMAC = !wanted
            var bench = NodeBench()
            bench.add(1) { $0 = old }
            for _ in 0..<200 { bench.wait(.milliseconds(50)) }
            bench.add(1) {
                $0 = old
                $0.usesVirtualMAC = wanted
            }
            let release = bench.actions.firstIndex { $0.action == .release([Bench.vip]) }
            let claim = bench.actions.firstIndex { $0.action == .claim([Bench.vip]) }
            let announced = bench.actions.firstIndex { if case .announce = $0.action { true } else { false } }
            #expect(bench.state(1) == .master)
            if let release, let claim, let announced {
                #expect(release < claim && claim < announced)
            } else {
                Issue.record("not all of it was done: \(bench.actions)")
            }
        }
    }
}
