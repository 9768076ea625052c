// What is overheard: which frames claim an address, and what an advert looks like on the wire.

import Testing
import Wire

private let mine = MACAddress(2, 0, 0, 0, 0, 1)
private let ip = IPv4Address(192, 0, 2, 1)
private let other = IPv4Address(192, 0, 2, 9)
private let ip6 = IPv6Address(high: 0x2001_0DB8 << 32, low: 1)
private let other6 = IPv6Address(high: 0x2001_0DB8 << 32, low: 9)

// The testing macros cannot hold a span.
private func claim(_ frame: [UInt8]) -> AddressClaim? { AddressClaim(frame: frame.span) }
private func glimpse(_ frame: [UInt8]) -> AdvertGlimpse? { AdvertGlimpse(frame: frame.span) }
private func overheard(_ frame: [UInt8]) -> Overheard? { Overheard(frame: frame.span) }

@Suite struct OverheardTests {
    @Test func `gratuitous ARP announces, other ARP of a sender claims`() {
        let announcement = AddressClaim(address: .ipv4(ip), hardware: mine, isAnnouncement: true)
        #expect(claim(ARPPacket.gratuitousRequest(ip, at: mine).frame()) == announcement)
        #expect(claim(ARPPacket.gratuitousReply(ip, at: mine).frame()) == announcement)
        #expect(claim(ARPPacket.announcement(ip, at: mine).frame()) == announcement)
        for operation in [ARPPacket.Operation.request, .reply] {
            let packet = ARPPacket(
                operation: operation, senderHardware: mine, senderProtocol: ip, targetHardware: .zero,
                targetProtocol: other)
            #expect(
                claim(packet.frame()) == AddressClaim(address: .ipv4(ip), hardware: mine, isAnnouncement: false))
        }
    }

    @Test func `who asks claims nothing, and a reverse request is about no address`() {
        #expect(claim(ARPPacket.probe(for: ip, from: mine).frame()) == nil)
        #expect(claim(ARPPacket.reverseAnnouncement(of: mine).frame()) == nil)
        let asking = NeighborSolicitation(
            source: IPv6Address(high: 0, low: 0), destination: ip6.solicitedNode, target: ip6, sourceHardware: nil)
        #expect(claim(asking.frame(source: mine)) == nil, "duplicate address detection")
    }

    @Test func `an advertisement to all that overrides announces, others claim`() {
        let announcement = NeighborAdvertisement.unsolicited(ip6, at: mine, isRouter: false)
        #expect(
            claim(announcement.frame(source: mine))
                == AddressClaim(address: .ipv6(ip6), hardware: mine, isAnnouncement: true))
        var weak = announcement
        weak.overrides = false
        #expect(
            claim(weak.frame(source: mine))
                == AddressClaim(address: .ipv6(ip6), hardware: mine, isAnnouncement: false))
        var answer = announcement
        answer.destination = other6
        answer.targetHardware = nil
        #expect(
            claim(answer.frame(source: mine, destination: .broadcast))
                == AddressClaim(address: .ipv6(ip6), hardware: mine, isAnnouncement: false))
    }

    @Test func `who solicits from an address claims it`() {
        let asking = NeighborSolicitation.asking(for: other6, from: ip6, at: mine)
        #expect(
            claim(asking.frame(source: mine))
                == AddressClaim(address: .ipv6(ip6), hardware: mine, isAnnouncement: false))
    }

    @Test(arguments: AddressFamily.allCases, [ProtocolVersion.v2, .v3])
    func `an advert on the wire tells who sends it, from where, and what`(
        _ family: AddressFamily, _ version: ProtocolVersion
    ) throws {
        guard family == .ipv4 || version == .v3 else { return }
        let frame = advertFrame(family, version, options: 0)
        let advert = try #require(glimpse(frame))
        #expect(advert.hardware == mine && advert.destination.isGroup)
        #expect(advert.origin.source == (family == .ipv4 ? .ipv4(ip) : .ipv6(ip6)))
        #expect(advert.origin.destination == .vrrpGroup(family) && advert.origin.hopLimit == 254)
        #expect(advert.vrid == 7 && advert.priority == 99 && advert.version == version.rawValue)
        #expect(advert.interval == .seconds(3))
        for length in 0..<frame.count {
            let short = glimpse(Array(frame.prefix(length)))
            #expect(short == nil || short == advert)
        }
    }

    @Test func `header options move the message, and fragments are none, the first included`() {
        #expect(glimpse(advertFrame(.ipv4, .v3, options: 4))?.vrid == 7)
        var fragment = advertFrame(.ipv4, .v3, options: 0)
        fragment[14 + 7] = 1
        #expect(glimpse(fragment) == nil)
        fragment[14 + 6] = 0x20
        fragment[14 + 7] = 0
        #expect(glimpse(fragment) == nil)
        var other = advertFrame(.ipv4, .v3, options: 0)
        other[14 + 9] = 17
        #expect(glimpse(other) == nil)
        #expect(overheard(other) == nil)
    }

    /// An advert as the kernel sends it, checksums left out.
    private func advertFrame(_ family: AddressFamily, _ version: ProtocolVersion, options: Int) -> [UInt8] {
        let source: IPAddress = family == .ipv4 ? .ipv4(ip) : .ipv6(ip6)
        var message: [UInt8] = []
        OutgoingAdvertisement(
            version: version, vrid: 7, priority: 99, interval: .seconds(3), addresses: [source]
        ).encode(into: &message, source: source, destination: .vrrpGroup(family))
        func octets(_ address: IPAddress) -> [UInt8] { (0..<address.family.addressLength).map { address.octet($0) } }
        var frame: [UInt8] = [1, 0, 0x5E, 0, 0, 0x12] + (0..<6).map { mine.octet($0) }
        if family == .ipv4 {
            frame += [
                8, 0, UInt8(0x45 + options / 4), 0, 0, UInt8(20 + options + message.count), 0, 0, 0, 0, 254, 112, 0, 0,
            ]
            frame += octets(source) + octets(.vrrpGroup(family)) + [UInt8](repeating: 1, count: options)
        } else {
            frame += [0x86, 0xDD, 0x60, 0, 0, 0, 0, UInt8(message.count), 112, 254]
            frame += octets(source) + octets(.vrrpGroup(family))
        }
        return frame + message
    }
}
