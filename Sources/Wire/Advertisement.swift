// A VRRP advert: the value of one that passed every reception check, and the octets of one to be sent. Parsing allocates
// nothing and traps on no input; the address list stays in the packet and is compared by an order-free digest.

/// VRRP version 3 (RFC 9568) or 2 (RFC 3768).
package enum ProtocolVersion: UInt8, Hashable, Sendable {
    case v2 = 2
    case v3 = 3
}

/// Which octets an advert's checksum covers (RFC 9568 §1.1 item 4; checklist V3-CH-02).
package enum ChecksumForm: UInt8, Hashable, Sendable {
    /// The VRRP message alone.
    case message = 1
    /// A pseudo-header and the message; the only form of IPv6.
    case pseudoHeader
}

/// Where an advert came from, as the IP header and the socket tell.
package struct PacketOrigin: Hashable, Sendable {
    package var source: IPAddress
    package var destination: IPAddress
    /// TTL or hop limit.
    package var hopLimit: UInt8

    package init(source: IPAddress, destination: IPAddress, hopLimit: UInt8) {
        self.source = source
        self.destination = destination
        self.hopLimit = hopLimit
    }
}

/// A received advert that passed every check. Fixed size: the addresses are in the packet, from `addressOffset` on.
package struct Advertisement: Hashable, Sendable {
    /// Where the addresses begin in the payload.
    package static let addressOffset = 8

    package var version: ProtocolVersion
    package var vrid: UInt8
    /// 0 resigns, 255 is the owner.
    package var priority: UInt8
    package var addressCount: UInt8
    /// The advertised interval; version 2's seconds are converted.
    package var interval: Duration
    package var checksumForm: ChecksumForm
    /// The same for every order of the same addresses.
    package var addressDigest: AddressDigest
    /// The first address of an IPv6 advert is link-local, as RFC 9568 §5.2.9 wants; always true for IPv4.
    package var beginsLinkLocal: Bool
    /// There were octets behind the message; they were ignored (checklist V3-RX-18).
    package var hasTrailingOctets: Bool

    package init(
        version: ProtocolVersion, vrid: UInt8, priority: UInt8, addressCount: UInt8, interval: Duration,
        checksumForm: ChecksumForm = .message, addressDigest: AddressDigest = AddressDigest(),
        beginsLinkLocal: Bool = true, hasTrailingOctets: Bool = false
    ) {
        self.version = version
        self.vrid = vrid
        self.priority = priority
        self.addressCount = addressCount
        self.interval = interval
        self.checksumForm = checksumForm
        self.addressDigest = addressDigest
        self.beginsLinkLocal = beginsLinkLocal
        self.hasTrailingOctets = hasTrailingOctets
    }
}

/// An order-free fingerprint of an address list: equal lists in any order have equal digests, different ones almost surely
/// not. It is for noticing configuration mistakes, not for security.
package struct AddressDigest: Hashable, Sendable {
    package private(set) var value: UInt64 = 0

    package init() {}

    package init(_ addresses: some Sequence<IPAddress>) {
        for address in addresses { add(address) }
    }

    package mutating func add(_ address: IPAddress) {
        switch address {
        case .ipv4(let ipv4): value &+= Self.mix(UInt64(ipv4.bits))
        case .ipv6(let ipv6): value &+= Self.mix(ipv6.low ^ Self.mix(ipv6.high))
        }
    }

    /// The finaliser of SplitMix64: every input bit reaches every output bit.
    private static func mix(_ input: UInt64) -> UInt64 {
        var z = input &+ 0x9E37_79B9_7F4A_7C15
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

/// An advert to be sent.
package struct OutgoingAdvertisement: Hashable, Sendable {
    package var version: ProtocolVersion
    package var vrid: UInt8
    package var priority: UInt8
    /// Version 3: 1...4095 centiseconds; version 2: 1...255 seconds, on the wire as such.
    package var interval: Duration
    /// In the order of the wire; at most 255, all of one family.
    package var addresses: [IPAddress]
    package var checksumForm: ChecksumForm
    /// RFC 2338 simple password, version 2 only; at most 8 octets count.
    package var password: [UInt8]?

    package init(
        version: ProtocolVersion, vrid: UInt8, priority: UInt8, interval: Duration, addresses: [IPAddress],
        checksumForm: ChecksumForm = .message, password: [UInt8]? = nil
    ) {
        self.version = version
        self.vrid = vrid
        self.priority = priority
        self.interval = interval
        self.addresses = addresses
        self.checksumForm = checksumForm
        self.password = password
    }

    /// Writes the payload that follows the IP header into `octets`, whose old content goes. `source` and `destination` are
    /// those of the IP header; the pseudo-header needs them.
    package func encode(into octets: inout [UInt8], source: IPAddress, destination: IPAddress) {
        octets.removeAll(keepingCapacity: true)
        octets.append(version.rawValue << 4 | 1)
        octets.append(vrid)
        octets.append(priority)
        octets.append(UInt8(truncatingIfNeeded: addresses.count))
        switch version {
        case .v3:
            octets.append(word: UInt16(truncatingIfNeeded: interval.wholeCentiseconds) & 0x0FFF)
        case .v2:
            octets.append(password == nil ? 0 : 1)
            octets.append(UInt8(truncatingIfNeeded: interval.components.seconds))
        }
        octets.append(word: 0)
        for address in addresses { octets.append(address) }
        if version == .v2 {
            let data = password ?? []
            for index in 0..<8 { octets.append(index < data.count ? data[index] : 0) }
        }
        var checksum = InternetChecksum()
        if source.family == .ipv6 || (version == .v3 && checksumForm == .pseudoHeader) {
            checksum.addPseudoHeader(
                source: source, destination: destination, length: octets.count, nextHeader: vrrpProtocolNumber)
        }
        checksum.add(octets.span, count: octets.count)
        octets.replace(wordAt: 6, with: checksum.field)
    }
}

/// VRRP's IP protocol number (RFC 9568 §5.1.1.4).
package let vrrpProtocolNumber: UInt8 = 112

extension Duration {
    /// Hundredths of a second, rounded down.
    package var wholeCentiseconds: Int64 {
        components.seconds * 100 + components.attoseconds / 10_000_000_000_000_000
    }
}
