// The engine with listed peers against the real kernel: whom it sends to, from which address, and which group it is in.

import Election
import Glibc
import Kernel
import Messages
import Namespaces
import System
import Testing
import Wire

@Suite(.enabled(if: canMakeNamespaces), .serialized)
struct EngineUnicastTests {
    @Test func `two unicast routers of one VRID send to their peers and to nobody else`() async throws {
        try await withTwoHosts { hosts in
            var one = configuration(.ipv4)
            one.peers = [UnicastPeer(.ipv4(IPv4Address(10, 9, 0, 2)))]
            var other = one
            other.addresses = [InterfaceAddress("10.9.0.101/32")].compactMap { $0 }
            other.peers = [UnicastPeer(.ipv4(IPv4Address(10, 9, 0, 3)))]
            let engine = try EngineProcess()
            engine.tell(.configure(RouterID(1), one, disabled: false))
            engine.tell(.configure(RouterID(2), other, disabled: false))
            engine.tell(.commit)
            #expect(engine.reaches(.master) && engine.reaches(.master, 2))
            let groups = try sh("ip maddress show dev va")
            #expect(!groups.contains("224.0.0.18"), "no group is joined")
        }
    }

    @Test func `a peer that cannot be sent to does not keep the next one from its adverts`() async throws {
        try await withTwoHosts { hosts in
            var wanted = configuration(.ipv4)
            let peer = IPAddress.ipv4(IPv4Address(10, 9, 0, 2))
            // The kernel refuses to send to it: it is the broadcast address.
            wanted.peers = [UnicastPeer(.ipv4(IPv4Address(10, 9, 0, 255))), UnicastPeer(peer)]
            let listener = try hosts.onB {
                try AdvertSocket(opening: .ipv4, interface: "vb", index: unsafe if_nametoindex("vb"))
            }
            let engine = try master(wanted)
            var heard: [UInt8] = []
            let goesOn = try eventually {
                heard += try priorities(at: listener)
                return heard.count >= 3
            }
            #expect(goesOn && heard.allSatisfy { $0 == 200 }, "\(heard)")
            let counted = engine.hears {
                guard case .snapshot(let snapshot) = $0 else { return false }
                return snapshot.counters[.advertsSent] > 2 && snapshot.counters[.advertSendErrors] > 2
            }
            #expect(counted)
            let told = engine.reports.count { if case .notice(.kernel) = $0 { true } else { false } }
            #expect((1...2).contains(told), "once in 10 s: \(engine.reports)")
        }
    }

    @Test func `a reload from global peers to multicast joins the group and sends from the link-local address`()
        async throws
    {
        try await withTwoHosts { hosts in
            try sh("ip -6 address add 2001:db8::1/64 dev va nodad")
            let listener = try hosts.onB {
                let socket = try AdvertSocket(opening: .ipv6, interface: "vb", index: unsafe if_nametoindex("vb"))
                try socket.listenToGroup(true)
                return socket
            }
            var wanted = configuration(.ipv6)
            wanted.peers = [UnicastPeer(try #require(IPAddress("2001:db8::2")))]
            let engine = try master(wanted)
            let global = try #require(IPAddress("2001:db8::1"))
            let linkLocal = try #require(IPAddress("fe80::a"))
            let isGlobal = engine.hears { if case .snapshot(let it) = $0 { it.localAddress == global } else { false } }
            #expect(isGlobal)
            #expect(try !sh("ip maddress show dev va").contains("inet6 ff02::12\n"))
            #expect(try priorities(at: listener).isEmpty, "nothing goes to the group")

            wanted.peers = []
            engine.tell(.configure(RouterID(1), wanted, disabled: false))
            engine.tell(.commit)
            let isLocal = engine.hears {
                if case .snapshot(let it) = $0 { it.localAddress == linkLocal } else { false }
            }
            #expect(isLocal)
            var buffer = PacketBuffer()
            var source: IPAddress?
            let arrives = try eventually {
                if let packet = try listener.receive(into: &buffer) { source = packet.source }
                return source != nil
            }
            #expect(arrives && source == linkLocal)
            let joins = try eventually { try sh("ip maddress show dev va").contains("inet6 ff02::12\n") }
            #expect(joins)
            #expect(engine.transitions.map(\.to) == [.backup, .master], "it is master all the time")
            #expect(try isHeld(wanted))
        }
    }
}
