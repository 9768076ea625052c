// The engine's tap filter, run by libpcap's interpreter: what concerns our addresses passes, and nothing else.

import Kernel
import Testing
import Wire

private let mine = MACAddress(2, 0, 0, 0, 0, 1)
private let theirs = MACAddress(2, 0, 0, 0, 0, 2)

private func address(_ number: Int, _ family: AddressFamily) -> IPAddress {
    family == .ipv4
        ? .ipv4(IPv4Address(bits: 0x0A00_0000 + UInt32(number)))
        : .ipv6(IPv6Address(high: 0x2001_0DB8 << 32, low: UInt64(number)))
}

/// Announcements of an address, and packets from it.
private func claims(_ address: IPAddress) -> [[UInt8]] {
    switch address {
    case .ipv4(let ip):
        let asking = ARPPacket(
            operation: .request, senderHardware: mine, senderProtocol: ip, targetHardware: .zero,
            targetProtocol: IPv4Address(1, 2, 3, 4))
        return [ARPPacket.gratuitousRequest(ip, at: mine).frame(), asking.frame()]
    case .ipv6(let ip):
        return [
            NeighborAdvertisement.unsolicited(ip, at: mine, isRouter: true).frame(source: mine),
            NeighborSolicitation.asking(for: IPv6Address(high: 1, low: 2), from: ip, at: mine).frame(source: mine),
        ]
    }
}

private func advert(from source: IPAddress, _ hardware: MACAddress) -> [UInt8] {
    func octets(_ address: IPAddress) -> [UInt8] { (0..<address.family.addressLength).map { address.octet($0) } }
    let group = IPAddress.vrrpGroup(source.family)
    let ethernet: [UInt8] = [1, 0, 0x5E, 0, 0, 0x12] + (0..<6).map { hardware.octet($0) }
    let header: [UInt8] =
        source.family == .ipv4
        ? [8, 0, 0x45, 0, 0, 28, 0, 0, 0, 0, 255, 112, 0, 0] : [0x86, 0xDD, 0x60, 0, 0, 0, 0, 8, 112, 255]
    return ethernet + header + octets(source) + octets(group) + [0x31, 1, 100, 1, 0, 100, 0, 0]
}

@Suite struct TapFilterTests {
    @Test(arguments: [0, 1, 5, 48, 49, 255, 2_000], AddressFamily.allCases)
    func `claims of our addresses pass, and of few addresses nothing else`(_ count: Int, _ family: AddressFamily) {
        // Every third, so that there are gaps.
        let ours = (0..<count).map { address(1_000 + $0 * 3, family) }
        let filter = TapFilter(claimsOf: ours, advertsExceptOf: [], echoes: 7)
        for address in ours {
            for frame in claims(address) { #expect(filter.passes(frame)) }
        }
        let strangers = [1, 999, 1_001, 1_002, 1_000 + count * 3, 70_000].map { address($0, family) }
        let isExact = count <= TapFilter.ranges
        for stranger in strangers where !ours.contains(stranger) {
            let isOutside = stranger < address(1_000, family) || stranger > address(1_000 + count * 3 - 3, family)
            guard isExact || isOutside else { continue }
            for frame in claims(stranger) { #expect(!filter.passes(frame), "\(stranger)") }
        }
    }

    @Test func `of many addresses the widest gaps are left out`() {
        let ours = (0..<200).map { address(1_000 + $0, .ipv4) } + (0..<200).map { address(9_000 + $0, .ipv4) }
        let filter = TapFilter(claimsOf: ours, advertsExceptOf: [], echoes: 7)
        for frame in claims(address(5_000, .ipv4)) { #expect(!filter.passes(frame)) }
        for frame in claims(address(9_100, .ipv4)) { #expect(filter.passes(frame)) }
    }

    @Test(arguments: AddressFamily.allCases)
    func `adverts pass but for those of who is known to send them from there`(_ family: AddressFamily) {
        let source = address(7, family)
        let known = (0..<32).map { TapFilter.Speaker(source: address($0, family), hardware: mine) }
        let filter = TapFilter(claimsOf: [address(1, .ipv4), address(1, .ipv6)], advertsExceptOf: known, echoes: 7)
        #expect(!filter.passes(advert(from: source, mine)))
        for other in [theirs, MACAddress(6, 0, 0, 0, 0, 1)] {
            #expect(filter.passes(advert(from: source, other)), "another hardware address")
        }
        #expect(filter.passes(advert(from: address(40, family), mine)), "another source")
        let none = TapFilter(claimsOf: [], advertsExceptOf: [], echoes: 7)
        #expect(none.passes(advert(from: source, mine)))
    }

    @Test(arguments: AddressFamily.allCases)
    func `claims of who may make them do not pass, those of others do`(_ family: AddressFamily) {
        for number in [1, 5, 300] {
            let ours = (0..<number).map { address(1_000 + $0 * 3, family) }
            for (holder, passes) in [(mine, false), (theirs, true), (MACAddress(6, 0, 0, 0, 0, 1), true)] {
                let filter = TapFilter(claimsOf: ours, exceptBy: holder, advertsExceptOf: [], echoes: 7)
                for frame in claims(ours[0]) { #expect(filter.passes(frame) == passes) }
                #expect(filter.passes(advert(from: address(7, family), mine)), "adverts are another matter")
            }
        }
    }

    @Test func `other protocols, and frames that end early, do not pass`() {
        let filter = TapFilter(claimsOf: [address(1, .ipv4), address(1, .ipv6)], advertsExceptOf: [], echoes: 7)
        var datagram = advert(from: address(1, .ipv4), mine)
        datagram[14 + 9] = 17
        #expect(!filter.passes(datagram))
        var datagram6 = advert(from: address(1, .ipv6), mine)
        datagram6[14 + 6] = 17
        #expect(!filter.passes(datagram6))
        for frame in claims(address(1, .ipv4)) + claims(address(1, .ipv6)) {
            for length in [0, 12, 14, 20, 28] { #expect(!filter.passes(Array(frame.prefix(length)))) }
        }
    }

    @Test(arguments: AddressFamily.allCases, [0, 60])
    func `answers to our own questions pass, and no other echo messages`(_ family: AddressFamily, _ count: Int) {
        let known = (0..<32).map { TapFilter.Speaker(source: address($0, family), hardware: mine) }
        let filter = TapFilter(
            claimsOf: (0..<count).map { address($0, family) }, exceptBy: mine, advertsExceptOf: known, echoes: 0xABCD)
        func frame(_ kind: EchoMessage.Kind, _ identifier: UInt16) -> [UInt8] {
            EchoMessage(
                kind, from: address(1, family), to: address(2, family), identifier: identifier, sequence: 3
            ).frame(from: theirs, to: mine)
        }
        #expect(filter.passes(frame(.reply, 0xABCD)))
        #expect(!filter.passes(frame(.reply, 0xABCE)))
        #expect(!filter.passes(frame(.request, 0xABCD)))
        #expect(filter.passes(advert(from: address(40, family), mine)), "adverts are found behind it")
    }
}
