// The announcement frames of the vector file, built from values and read back.

import Testing
import Wire

// The testing macros cannot hold a span, so these readers take arrays.
extension ARPPacket { init?(octets: [UInt8]) { self.init(frame: octets.span) } }
extension EthernetHeader { init?(octets: [UInt8]) { self.init(frame: octets.span) } }
extension NeighborAdvertisement { init?(octets: [UInt8]) { self.init(frame: octets.span) } }
extension NeighborSolicitation { init?(octets: [UInt8]) { self.init(frame: octets.span) } }

@Suite struct FrameTests {
    static let vip = IPv4Address(192, 0, 2, 1)
    static let virtualMAC = MACAddress.virtualRouter(10, family: .ipv4)
    static let virtualMAC6 = MACAddress.virtualRouter(10, family: .ipv6)
    static let physical = MACAddress(0x02, 0, 0, 0, 0, 0x02)
    static let linkLocal = IPv6Address(high: 0xFE80_0000_0000_0000, low: 0x0000_0000_000A_0001)
    static let global = IPv6Address(high: 0x2001_0DB8_0000_0000, low: 1)
    static let allRouters = IPv6Address(high: 0xFF02_0000_0000_0000, low: 2)

    static func build(_ name: String) -> [UInt8]? {
        switch name {
        case "garp-request-vmac": ARPPacket.gratuitousRequest(vip, at: virtualMAC).frame()
        case "garp-reply-vmac": ARPPacket.gratuitousReply(vip, at: virtualMAC).frame()
        case "garp-request-physical": ARPPacket.gratuitousRequest(vip, at: physical).frame()
        case "garp-reply-physical": ARPPacket.gratuitousReply(vip, at: physical).frame()
        case "acd-announcement": ARPPacket.announcement(vip, at: physical).frame()
        case "acd-probe": ARPPacket.probe(for: vip, from: physical).frame()
        case "arp-reply-for-vip":
            ARPPacket(
                operation: .reply, senderHardware: virtualMAC, senderProtocol: vip, targetHardware: physical,
                targetProtocol: IPv4Address(192, 0, 2, 50)
            ).frame(destination: physical)
        case "rarp-announce-vmac": ARPPacket.reverseAnnouncement(of: virtualMAC).frame()
        case "una-link-local-router":
            NeighborAdvertisement.unsolicited(linkLocal, at: virtualMAC6, isRouter: true).frame(source: virtualMAC6)
        case "una-global-router":
            NeighborAdvertisement.unsolicited(global, at: virtualMAC6, isRouter: true).frame(source: virtualMAC6)
        case "una-global-host":
            NeighborAdvertisement.unsolicited(global, at: virtualMAC6, isRouter: false).frame(source: virtualMAC6)
        case "una-global-all-routers":
            NeighborAdvertisement.unsolicited(
                global, at: virtualMAC6, isRouter: false, to: allRouters, overrides: false
            ).frame(source: virtualMAC6)
        default: nil
        }
    }

    @Test(arguments: VectorFile.shared.frames.map(\.name))
    func `a frame of the vector file is built octet for octet`(_ name: String) throws {
        let vector = try #require(VectorFile.shared.frames.first { $0.name == name })
        #expect(Self.build(name) == octets(vector.hex))
    }

    @Test(arguments: VectorFile.shared.frames.map(\.name))
    func `a frame of the vector file is read back to the same frame`(_ name: String) throws {
        let vector = try #require(VectorFile.shared.frames.first { $0.name == name })
        let frame = octets(vector.hex)
        let header = try #require(EthernetHeader(octets: frame))
        if let packet = ARPPacket(octets: frame) {
            #expect(packet.frame(destination: header.destination) == frame)
        } else {
            let message = try #require(NeighborAdvertisement(octets: frame))
            #expect(message.frame(source: header.source, destination: header.destination) == frame)
        }
    }

    @Test func `a padded frame reads like an unpadded one`() {
        let packet = ARPPacket.gratuitousRequest(Self.vip, at: Self.physical)
        let padded = packet.frame() + [UInt8](repeating: 0, count: 18)
        #expect(ARPPacket(octets: padded) == packet)
    }

    @Test func `a neighbour message with a broken checksum, hop limit or option is refused`() {
        let good = NeighborAdvertisement.unsolicited(Self.global, at: Self.physical, isRouter: false)
            .frame(source: Self.physical)
        #expect(NeighborAdvertisement(octets: good) != nil)
        for (place, value) in [(21, UInt8(64)), (14 + 40 + 8, 0xAA), (14 + 40 + 25, 0)] {
            var bad = good
            bad[place] = value
            #expect(NeighborAdvertisement(octets: bad) == nil, "octet \(place)")
        }
    }

    @Test func `a solicitation survives the way to octets and back`() {
        let question = NeighborSolicitation.asking(for: Self.global, from: Self.linkLocal, at: Self.physical)
        let frame = question.frame(source: Self.physical)
        #expect(NeighborSolicitation(octets: frame) == question)
        #expect(EthernetHeader(octets: frame)?.destination == MACAddress(0x33, 0x33, 0xFF, 0, 0, 1))
    }

    @Test func `readers trap on no input`() {
        var random = SystemRandomNumberGenerator()
        let seeds = VectorFile.shared.frames.map { octets($0.hex) }
        var read = 0
        for round in 0..<30_000 {
            var frame = seeds[round % seeds.count]
            for _ in 0..<Int.random(in: 0...2, using: &random) {
                frame[Int.random(in: 0..<frame.count, using: &random)] = .random(in: 0...255, using: &random)
            }
            if round % 2 == 0 { frame.removeLast(Int.random(in: 0...frame.count, using: &random)) }
            if ARPPacket(octets: frame) != nil { read += 1 }
            if NeighborAdvertisement(octets: frame) != nil { read += 1 }
            if NeighborSolicitation(octets: frame) != nil { read += 1 }
        }
        #expect(read > 0)
    }
}
