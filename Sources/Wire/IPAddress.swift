// IP addresses as numbers: comparable in network byte order, hashable, printable, without any help of the system.
// Everything above (adverts, elections, configuration, status) uses these three types; sockets convert at their edge.

/// The two families a virtual router can belong to; each elects for itself (RFC 9568 §3).
package enum AddressFamily: UInt8, Sendable, Hashable, CaseIterable {
    case ipv4 = 4
    case ipv6 = 6

    /// Octets of one address of this family.
    package var addressLength: Int { self == .ipv4 ? 4 : 16 }

    /// The prefix length that covers exactly one address: 32 or 128.
    package var hostPrefixLength: UInt8 { self == .ipv4 ? 32 : 128 }
}

/// An IPv4 address; `bits` holds it as a number, so that 192.0.2.1 is 0xC000_0201 on every machine.
package struct IPv4Address: Hashable, Comparable, Sendable {
    package var bits: UInt32

    package init(bits: UInt32) { self.bits = bits }

    package init(_ a: UInt8, _ b: UInt8, _ c: UInt8, _ d: UInt8) {
        bits = UInt32(a) << 24 | UInt32(b) << 16 | UInt32(c) << 8 | UInt32(d)
    }

    /// The octet at `index` (0...3) in network byte order.
    package func octet(_ index: Int) -> UInt8 { UInt8(truncatingIfNeeded: bits >> (24 - 8 * UInt32(index))) }

    package static func < (left: Self, right: Self) -> Bool { left.bits < right.bits }

    package var isMulticast: Bool { bits >> 28 == 0xE }

    /// 0.0.0.0, multicast and the limited broadcast address cannot be the source of anything (RFC 1122 §3.2.1.3).
    package var isUnicast: Bool { bits != 0 && !isMulticast && bits != .max }

    /// The group that VRRP routers join (RFC 9568 §5.1.1.2).
    package static let vrrpGroup = IPv4Address(224, 0, 0, 18)
}

/// An IPv6 address as a 128-bit number in two halves.
package struct IPv6Address: Hashable, Comparable, Sendable {
    package var high: UInt64
    package var low: UInt64

    package init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// The octet at `index` (0...15) in network byte order.
    package func octet(_ index: Int) -> UInt8 {
        let half = index < 8 ? high : low
        return UInt8(truncatingIfNeeded: half >> (56 - 8 * UInt64(index & 7)))
    }

    /// The 16-bit group at `index` (0...7), as they are written between colons.
    package func group(_ index: Int) -> UInt16 {
        let half = index < 4 ? high : low
        return UInt16(truncatingIfNeeded: half >> (48 - 16 * UInt64(index & 3)))
    }

    package static func < (left: Self, right: Self) -> Bool {
        left.high != right.high ? left.high < right.high : left.low < right.low
    }

    package var isMulticast: Bool { high >> 56 == 0xFF }
    package var isLinkLocal: Bool { high >> 54 == 0xFE80 >> 6 }
    package var isUnspecified: Bool { high == 0 && low == 0 }

    /// The group that VRRP routers join (RFC 9568 §5.1.2.2).
    package static let vrrpGroup = IPv6Address(high: 0xFF02 << 48, low: 0x12)
    /// All nodes of the link, where unsolicited neighbour advertisements go (RFC 4291 §2.7.1).
    package static let allNodes = IPv6Address(high: 0xFF02 << 48, low: 1)

    /// The solicited-node group of this address (RFC 4291 §2.7.1).
    package var solicitedNode: IPv6Address {
        IPv6Address(high: 0xFF02 << 48, low: 0x0000_0001_FF00_0000 | (low & 0x00FF_FFFF))
    }
}

/// An address of either family. Ordering is by family first, then numerical (checklist FSM-03 compares within one family).
package enum IPAddress: Hashable, Comparable, Sendable {
    case ipv4(IPv4Address)
    case ipv6(IPv6Address)

    package var family: AddressFamily {
        switch self {
        case .ipv4: .ipv4
        case .ipv6: .ipv6
        }
    }

    package static func < (left: Self, right: Self) -> Bool {
        switch (left, right) {
        case (.ipv4(let a), .ipv4(let b)): a < b
        case (.ipv6(let a), .ipv6(let b)): a < b
        case (.ipv4, .ipv6): true
        case (.ipv6, .ipv4): false
        }
    }

    /// The octet at `index` in network byte order; the index must be below `family.addressLength`.
    package func octet(_ index: Int) -> UInt8 {
        switch self {
        case .ipv4(let address): address.octet(index)
        case .ipv6(let address): address.octet(index)
        }
    }

    package var isLinkLocal: Bool {
        switch self {
        case .ipv4: false
        case .ipv6(let address): address.isLinkLocal
        }
    }

    /// The VRRP group of `family`.
    package static func vrrpGroup(_ family: AddressFamily) -> IPAddress {
        family == .ipv4 ? .ipv4(.vrrpGroup) : .ipv6(.vrrpGroup)
    }
}

/// An address with the length of its prefix, as `ip address add` takes it.
package struct InterfaceAddress: Hashable, Sendable {
    package var address: IPAddress
    /// 0...32 or 0...128.
    package var prefixLength: UInt8

    package init(address: IPAddress, prefixLength: UInt8) {
        self.address = address
        self.prefixLength = prefixLength
    }

    /// `other` is in the network of this address.
    package func contains(_ other: IPAddress) -> Bool {
        switch (address, other) {
        case (.ipv4(let mine), .ipv4(let theirs)):
            let host = 32 - min(UInt32(prefixLength), 32)
            return host == 32 || mine.bits >> host == theirs.bits >> host
        case (.ipv6(let mine), .ipv6(let theirs)):
            guard prefixLength > 0 else { return true }
            guard prefixLength > 64 else {
                return mine.high >> (64 - UInt64(prefixLength)) == theirs.high >> (64 - UInt64(prefixLength))
            }
            let host = 128 - min(UInt64(prefixLength), 128)
            return mine.high == theirs.high && mine.low >> host == theirs.low >> host
        case (.ipv4, .ipv6), (.ipv6, .ipv4):
            return false
        }
    }
}

/// An IEEE 802 48-bit hardware address.
package struct MACAddress: Hashable, Sendable {
    /// The address in the low 48 bits, first octet highest.
    package var bits: UInt64

    package init(bits: UInt64) { self.bits = bits & 0xFFFF_FFFF_FFFF }

    package init(_ a: UInt8, _ b: UInt8, _ c: UInt8, _ d: UInt8, _ e: UInt8, _ f: UInt8) {
        var value: UInt64 = 0
        value = value << 8 | UInt64(a)
        value = value << 8 | UInt64(b)
        value = value << 8 | UInt64(c)
        value = value << 8 | UInt64(d)
        value = value << 8 | UInt64(e)
        value = value << 8 | UInt64(f)
        bits = value
    }

    /// The octet at `index` (0...5).
    package func octet(_ index: Int) -> UInt8 { UInt8(truncatingIfNeeded: bits >> (40 - 8 * UInt64(index))) }

    /// Of a group, or of all: more than one may receive frames for it.
    package var isGroup: Bool { octet(0) & 1 == 1 }

    /// One of those that routers of an election share (RFC 9568 §7.3); whose frame it is cannot be seen.
    package var isVirtualRouter: Bool { bits >> 8 == 0x5E_0001 || bits >> 8 == 0x5E_0002 }

    package static let broadcast = MACAddress(bits: .max)
    package static let zero = MACAddress(bits: 0)

    /// The virtual router MAC address 00:00:5e:00:01:VRID or 00:00:5e:00:02:VRID (RFC 9568 §7.3).
    package static func virtualRouter(_ vrid: UInt8, family: AddressFamily) -> MACAddress {
        MACAddress(0, 0, 0x5E, 0, family == .ipv4 ? 1 : 2, vrid)
    }

    /// The group address that carries an IPv6 multicast destination (RFC 2464 §7).
    package static func multicast(for address: IPv6Address) -> MACAddress {
        MACAddress(bits: 0x3333_0000_0000 | (address.low & 0xFFFF_FFFF))
    }
}
