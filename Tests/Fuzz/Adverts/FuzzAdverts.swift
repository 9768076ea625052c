// Fuzzes the reception of adverts: any receiver, any origin, any payload. Whatever is accepted keeps every rule that
// reception promises, and survives being encoded and received again. seeds.py writes inputs of the same layout.

import FuzzSupport
import Wire

@main struct FuzzAdverts {
    static func main() { unsafe fuzz(testOneInput) }
}

@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
    var choices = Choices(unsafe input(start, count))
    var reception = ReceivedInput(&choices)
    reception.repairChecksum()
    guard let advert = receive(reception.payload, reception) else { return 0 }
    reception.check(advert)
    return 0
}

private func receive(_ payload: [UInt8], _ input: ReceivedInput) -> Advertisement? {
    do throws(DropReason) {
        return try Advertisement(parsing: payload.span, from: input.origin, expecting: input.rules)
    } catch { return nil }
}

/// A receiver, an origin and a payload. Layout: receiver flags, input flags, VRID, hop limit, interval in seconds, source,
/// destination and local address in 16 octets each (IPv4 uses the first 4), payload.
private struct ReceivedInput {
    /// Which checksum to write into the payload before it is received: without it hardly an input would get far.
    enum Repair { case none, message, pseudoHeader }

    var rules: ReceptionRules
    var origin: PacketOrigin
    var payload: [UInt8]
    var repair: Repair

    init(_ choices: inout Choices) {
        let receiver = choices.byte()
        let flags = choices.byte()
        let vrid = choices.byte()
        let hopLimit = choices.byte()
        let interval = choices.byte()
        let family: AddressFamily = receiver & 0x02 != 0 ? .ipv6 : .ipv4
        let other: AddressFamily = family == .ipv4 ? .ipv6 : .ipv4
        let source = Self.address(&choices, flags & 0x10 != 0 ? other : family)
        let destination = Self.address(&choices, flags & 0x20 != 0 ? other : family)
        let local = Self.address(&choices, family)
        payload = choices.rest
        repair = flags & 0x03 == 1 ? .message : flags & 0x03 == 2 ? .pseudoHeader : .none
        origin = PacketOrigin(source: source, destination: destination, hopLimit: hopLimit)
        rules = ReceptionRules(
            version: receiver & 0x01 != 0 ? .v2 : .v3, family: family, vrid: vrid,
            localAddress: flags & 0x08 != 0 ? nil : local, interval: .seconds(Int(interval)),
            checksum: ReceptionRules.Checksum(rawValue: receiver >> 2 & 0x03) ?? .either,
            password: receiver & 0x80 != 0 ? Array("secret".utf8) : nil, verifyAddressList: receiver & 0x20 != 0,
            unicastPeers: receiver & 0x40 != 0 ? [local, source] : [],
            firstAddressMustBeLinkLocal: receiver & 0x10 != 0)
        if flags & 0x04 != 0 { rules.addressDigest = AddressDigest(listed) }
    }

    private static func address(_ choices: inout Choices, _ family: AddressFamily) -> IPAddress {
        let high = choices.quad()
        let low = choices.quad()
        switch family {
        case .ipv4: return .ipv4(IPv4Address(bits: UInt32(truncatingIfNeeded: high >> 32)))
        case .ipv6: return .ipv6(IPv6Address(high: high, low: low))
        }
    }

    /// The addresses that the payload lists, as far as they are there.
    var listed: [IPAddress] {
        guard payload.count >= 8 else { return [] }
        let room = (payload.count - 8) / rules.family.addressLength
        return (0..<min(Int(payload[3]), room)).map {
            Advertisement.address(at: $0, in: payload.span, rules.family)
        }
    }

    mutating func repairChecksum() {
        guard repair != .none, payload.count >= 8 else { return }
        let tail = rules.version == .v2 ? 8 : 0
        let length = min(8 + Int(payload[3]) * rules.family.addressLength + tail, payload.count)
        let covered = rules.family == .ipv6 ? payload.count : length
        payload[6] = 0
        payload[7] = 0
        var checksum = InternetChecksum()
        checksum.add(payload.span, count: covered)
        if repair == .pseudoHeader {
            checksum.addPseudoHeader(
                source: origin.source, destination: origin.destination, length: covered, nextHeader: vrrpProtocolNumber)
        }
        payload[6] = UInt8(checksum.field >> 8)
        payload[7] = UInt8(checksum.field & 0xFF)
    }

    /// What acceptance means.
    func check(_ advert: Advertisement) {
        promise(advert.version == rules.version && advert.vrid == rules.vrid, "version and VRID are the receiver's")
        promise(
            advert.priority == payload[2] && advert.addressCount == payload[3], "priority and count are the packet's")
        promise(origin.hopLimit == 255, "the sender is on this segment")
        promise(origin.source != rules.localAddress, "our own address is no peer")
        promise(origin.source.family == rules.family && origin.destination.family == rules.family, "one family")
        promise(!rules.unicastPeers.isEmpty || origin.destination == .vrrpGroup(rules.family), "to the group")
        promise(advert.addressDigest == AddressDigest(listed), "the digest is that of the list")
        promise(listed.count == Int(advert.addressCount), "every listed address is there")
        switch rules.version {
        case .v3:
            promise(advert.addressCount > 0, "version 3 lists an address")
            promise(advert.interval >= .milliseconds(10) && advert.interval <= .milliseconds(40_950), "interval")
        case .v2:
            promise(advert.interval == rules.interval, "version 2 has one interval")
        }
        if rules.version == .v3, rules.checksum == .message, rules.family == .ipv4 {
            promise(advert.checksumForm == .message, "only the message form was allowed")
        }
        if rules.family == .ipv6 { promise(advert.checksumForm == .pseudoHeader, "IPv6 has one checksum form") }
        sendAgain(advert)
    }

    private func sendAgain(_ advert: Advertisement) {
        let outgoing = OutgoingAdvertisement(
            version: advert.version, vrid: advert.vrid, priority: advert.priority, interval: advert.interval,
            addresses: listed, checksumForm: advert.checksumForm, password: rules.password)
        var octets: [UInt8] = []
        outgoing.encode(into: &octets, source: origin.source, destination: origin.destination)
        var expected = advert
        expected.hasTrailingOctets = false
        promise(receive(octets, self) == expected, "an accepted advert, sent again, is received as the same")
    }
}
