// A real engine that resigns: its address goes with the successor's announcement, not 50 ms later, and an output rule that
// drops adverts ends a mastership.

import Election
import Glibc
import Kernel
import Messages
import Namespaces
import System
import Testing
import Wire

/// An advert of another master, and its announcement if `announces`, from host B.
private func succeed(_ wanted: VirtualRouterConfiguration, announcing: Bool, on hosts: borrowing TwoHosts) throws {
    let family = wanted.family
    let source = try #require(IPAddress(family == .ipv4 ? "10.9.0.2" : "fe80::b"))
    let hardware = MACAddress(2, 0, 0, 0, 0, 9)
    try hosts.onB {
        let socket = try AdvertSocket(opening: family, interface: "vb", index: unsafe if_nametoindex("vb"))
        let port = try AnnouncementPort(interface: "vb")
        var payload: [UInt8] = []
        OutgoingAdvertisement(
            version: .v3, vrid: 10, priority: 100, interval: .milliseconds(100),
            addresses: wanted.addresses.map(\.address)
        ).encode(into: &payload, source: source, destination: .vrrpGroup(family))
        try socket.send(payload, from: source, to: .vrrpGroup(family))
        guard announcing else { return }
        switch wanted.addresses[0].address {
        case .ipv4(let address): try port.send(frame: ARPPacket.gratuitousRequest(address, at: hardware).frame())
        case .ipv6(let address):
            try port.send(
                frame: NeighborAdvertisement.unsolicited(address, at: hardware, isRouter: false).frame(source: hardware)
            )
        }
    }
}

@Suite(.enabled(if: canMakeNamespaces), .serialized)
struct ResigningEngineTests {
    /// How long both held the address, as the engine tells it.
    private func overlap(_ family: AddressFamily, announcing: Bool, on hosts: borrowing TwoHosts) throws -> Duration {
        let engine = try master(configuration(family))
        engine.tell(.handOver(RouterID(1), patience: .zero))
        guard engine.reaches(.resigning) else { throw LabError("it does not resign: \(engine.reports)") }
        try succeed(configuration(family), announcing: announcing, on: hosts)
        var overlap: Duration?
        _ = engine.hears {
            if case .handover(_, .taken(_, _, let span)) = $0 { overlap = span }
            return overlap != nil
        }
        return try #require(overlap)
    }

    @Test(arguments: AddressFamily.allCases)
    func `the address goes when the successor has announced it, and 50 ms after its advert at the latest`(
        _ family: AddressFamily
    ) async throws {
        try await withTwoHosts { hosts in
            // A stall of the machine makes any one round longer.
            var announced: [Duration] = []
            while announced.count < 5, (announced.min() ?? .seconds(1)) > .milliseconds(25) {
                announced.append(try overlap(family, announcing: true, on: hosts))
            }
            #expect((announced.min() ?? .seconds(1)) <= .milliseconds(25), "\(announced)")
            #expect(try overlap(family, announcing: false, on: hosts) >= .milliseconds(50))
        }
    }

    @Test func `three intervals of adverts that the firewall drops are a fault, and the address goes`() async throws {
        try await withTwoHosts { _ in
            let engine = try master(configuration(.ipv4))
            _ = try sh(
                "nft add table inet t; nft 'add chain inet t o { type filter hook output priority 0; }'; "
                    + "nft add rule inet t o ip protocol 112 drop")
            let fault = engine.reaches(.fault)
            #expect(fault)
            #expect(engine.transitions.last?.cause == .fault(.cannotSend(EPERM)))
            #expect(try !sh("ip address show dev va").contains("10.9.0.100/"))
            // It tries again, and claims nothing meanwhile.
            let tries = engine.hears { if case .transition(_, let it) = $0 { it.cause == .recovered } else { false } }
            #expect(tries)
            #expect(try !sh("ip address show dev va").contains("10.9.0.100/"))
            _ = try sh("nft delete table inet t")
            let masters = engine.transitions.filter { $0.to == .master }.count
            let again = engine.hears(within: 10) { _ in
                engine.transitions.filter { $0.to == .master }.count > masters
            }
            #expect(again)
            #expect(try sh("ip address show dev va").contains("10.9.0.100/"))
        }
    }
}
