// The reception checks of RFC 9568 §7.1 (with errata 8298-8301) and RFC 3768 §7.1, in the order of the checklist (V3-RX-01
// to V3-RX-20, V2-13): addressing first, because it needs no octet of the payload, then the payload from front to back.

/// A listed peer of a virtual router that speaks unicast.
package struct UnicastPeer: Hashable, Sendable {
    package var address: IPAddress
    /// The least TTL or hop limit that its adverts may arrive with, 1...255. 255 proves that nobody forwarded them (RFC 9568
    /// §5.1.1.3); every router on the way to a peer takes one off.
    package var minimumHopLimit: UInt8

    package init(_ address: IPAddress, minimumHopLimit: UInt8 = 255) {
        self.address = address
        self.minimumHopLimit = minimumHopLimit
    }
}

/// What one virtual router expects of an advert.
package struct ReceptionRules: Hashable, Sendable {
    /// Which checksum forms of version 3 over IPv4 are believed.
    package enum Checksum: UInt8, Hashable, Sendable {
        case either
        case message
        case pseudoHeader
    }

    package var version: ProtocolVersion
    /// A version 3 router over IPv4 that also believes version 2 adverts, whatever their interval (RFC 9568 §8.4.2).
    package var alsoVersion2: Bool
    package var family: AddressFamily
    package var vrid: UInt8
    /// The address this router sends from: an advert with it is our own or a twin's, and never answered (FSM-05).
    package var localAddress: IPAddress?
    /// The configured interval; version 2 drops adverts with another one (V2-06).
    package var interval: Duration
    package var checksum: Checksum
    /// RFC 2338 simple password, zero filled to 8 octets; nil for none. Version 2 only.
    package var password: [UInt8]?
    /// Compare the address list and drop on a difference unless the sender is the owner (V2-14); version 2 only.
    package var verifyAddressList: Bool
    package var addressDigest: AddressDigest
    /// Listed senders for unicast; empty means multicast.
    package var unicastPeers: [UnicastPeer]
    /// Drop IPv6 adverts whose first address is not link-local (V3-RX-13).
    package var firstAddressMustBeLinkLocal: Bool

    package init(
        version: ProtocolVersion, family: AddressFamily, vrid: UInt8, localAddress: IPAddress?, interval: Duration,
        checksum: Checksum = .either, password: [UInt8]? = nil, verifyAddressList: Bool = false,
        addressDigest: AddressDigest = AddressDigest(), unicastPeers: [UnicastPeer] = [],
        firstAddressMustBeLinkLocal: Bool = false, alsoVersion2: Bool = false
    ) {
        self.version = version
        self.alsoVersion2 = alsoVersion2
        self.family = family
        self.vrid = vrid
        self.localAddress = localAddress
        self.interval = interval
        self.checksum = checksum
        self.password = password
        self.verifyAddressList = verifyAddressList
        self.addressDigest = addressDigest
        self.unicastPeers = unicastPeers
        self.firstAddressMustBeLinkLocal = firstAddressMustBeLinkLocal
    }
}

extension ReceptionRules {
    /// The least hop limit from a listed sender; nil for a stranger. A search written out: unoptimised the standard one
    /// allocates, and reception must not in any build.
    package func minimumHopLimit(from source: IPAddress) -> UInt8? {
        var index = 0
        while index < unicastPeers.count {
            if unicastPeers[index].address == source { return unicastPeers[index].minimumHopLimit }
            index += 1
        }
        return nil
    }

    /// Whether adverts of this version, as it stands in their first octet, are for this router.
    package func believes(version number: UInt8) -> Bool { version(of: number << 4) != nil }

    /// The version of a payload whose first octet this is, if it is one that is believed.
    fileprivate func version(of octet: UInt8) -> ProtocolVersion? {
        if octet >> 4 == version.rawValue { return version }
        return alsoVersion2 && octet >> 4 == ProtocolVersion.v2.rawValue ? .v2 : nil
    }
}

extension Advertisement {
    /// Checks a received payload (the octets behind the IP header) and returns the advert, or throws the first reason to
    /// drop it.
    package init(
        parsing payload: Span<UInt8>, from origin: PacketOrigin, expecting rules: borrowing ReceptionRules
    ) throws(DropReason) {
        try Self.checkAddressing(origin, rules)
        guard payload.count >= 8 else { throw .truncated }
        guard let version = rules.version(of: payload[0]) else { throw .version }
        guard payload[0] & 0x0F == 1 else { throw .type }

        let count = payload[3]
        let listEnd = Self.addressOffset + Int(count) * rules.family.addressLength
        let length = version == .v2 ? listEnd + 8 : listEnd
        guard payload.count >= length else { throw .truncated }
        let form = try Self.verifyChecksum(payload, version, length: length, origin, rules)
        guard payload[1] == rules.vrid else { throw .vrid }

        self.init(
            version: version, vrid: payload[1], priority: payload[2], addressCount: count, interval: .zero,
            checksumForm: form, hasTrailingOctets: payload.count > length)
        for index in 0..<Int(count) { addressDigest.add(Self.address(at: index, in: payload, rules.family)) }
        switch version {
        case .v3: try finishVersion3(payload, rules)
        case .v2: try finishVersion2(payload, listEnd: listEnd, rules)
        }
    }

    /// The address at `index` of an advert's list; the index must be below its `addressCount`.
    package static func address(at index: Int, in payload: Span<UInt8>, _ family: AddressFamily) -> IPAddress {
        let place = addressOffset + index * family.addressLength
        return family == .ipv4 ? .ipv4(payload.ipv4(at: place)) : .ipv6(payload.ipv6(at: place))
    }

    /// The checks that need no octet of the payload: who sent it to whom, and from how far.
    package static func checkAddressing(
        _ origin: PacketOrigin, _ rules: borrowing ReceptionRules
    ) throws(DropReason) {
        guard origin.source.family == rules.family, origin.destination.family == rules.family else {
            throw .destination
        }
        var minimumHopLimit: UInt8 = 255
        let isUnicast = !rules.unicastPeers.isEmpty
        if isUnicast {
            guard let local = rules.localAddress, origin.destination == local else { throw .destination }
            guard let least = rules.minimumHopLimit(from: origin.source) else { throw .source }
            minimumHopLimit = least
        } else {
            guard origin.destination == .vrrpGroup(rules.family) else { throw .destination }
        }
        guard origin.source != rules.localAddress else { throw .source }
        switch origin.source {
        case .ipv4(let source):
            guard source.isUnicast else { throw .source }
        case .ipv6(let source):
            // A peer beyond the link cannot have a link-local address; that it is listed is enough.
            guard isUnicast || source.isLinkLocal else { throw .source }
        }
        guard origin.hopLimit >= minimumHopLimit else { throw .ttl }
    }

    /// The form that verifies. IPv4 sums end behind the last octet of the message, IPv6 sums at the end of the packet
    /// (V3-PK-06, V3-PK-07).
    private static func verifyChecksum(
        _ payload: Span<UInt8>, _ version: ProtocolVersion, length: Int, _ origin: PacketOrigin,
        _ rules: borrowing ReceptionRules
    ) throws(DropReason) -> ChecksumForm {
        let covered = rules.family == .ipv6 ? payload.count : length
        var message = InternetChecksum()
        message.add(payload, count: covered)
        var pseudo = message
        pseudo.addPseudoHeader(
            source: origin.source, destination: origin.destination, length: covered, nextHeader: vrrpProtocolNumber)
        if rules.family == .ipv6 {
            guard pseudo.folded == 0xFFFF else { throw .checksum }
            return .pseudoHeader
        }
        if message.folded == 0xFFFF, version == .v2 || rules.checksum != .pseudoHeader { return .message }
        if pseudo.folded == 0xFFFF, version == .v3, rules.checksum != .message { return .pseudoHeader }
        throw .checksum
    }

    private mutating func finishVersion3(
        _ payload: Span<UInt8>, _ rules: borrowing ReceptionRules
    ) throws(DropReason) {
        guard addressCount > 0 else { throw .addressCount }
        let centiseconds = payload.word(at: 4) & 0x0FFF
        guard centiseconds > 0 else { throw .intervalZero }
        interval = .milliseconds(Int(centiseconds) * 10)
        guard rules.family == .ipv6 else { return }
        beginsLinkLocal = payload.ipv6(at: Self.addressOffset).isLinkLocal
        if rules.firstAddressMustBeLinkLocal, !beginsLinkLocal { throw .notLinkLocal }
    }

    private mutating func finishVersion2(
        _ payload: Span<UInt8>, listEnd: Int, _ rules: borrowing ReceptionRules
    ) throws(DropReason) {
        guard payload[4] == (rules.password == nil ? 0 : 1) else { throw .authenticationType }
        if let password = rules.password {
            // All eight octets are looked at whatever they are (V2-10).
            var difference: UInt8 = 0
            for index in 0..<8 {
                difference |= payload[listEnd + index] ^ (index < password.count ? password[index] : 0)
            }
            guard difference == 0 else { throw .authenticationData }
        }
        interval = .seconds(Int(payload[5]))
        if rules.version == .v2 {
            guard interval == rules.interval else { throw .intervalMismatch }
        } else {
            guard interval > .zero else { throw .intervalZero }
        }
        if rules.verifyAddressList, addressDigest != rules.addressDigest, priority != 255 { throw .addressList }
    }
}
