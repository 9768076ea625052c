// The interface of a virtual hardware address: a macvlan of which name, address and description say whose it is and what has to be put
// back when it goes. Values; it makes and removes nothing.

import Wire

/// What is known of a macvlan beyond other interfaces.
package struct MacvlanState: Hashable, Sendable {
    /// The interface that it is over.
    package var parent: UInt32
    /// IFLA_IFALIAS; empty when it has none.
    package var alias: String

    package init(parent: UInt32, alias: String) {
        self.parent = parent
        self.alias = alias
    }
}

/// Which virtual hardware address on which interface.
package struct VirtualLinkKey: Hashable, Sendable {
    /// The interface that it is over.
    package var parent: UInt32
    package var family: AddressFamily
    package var vrid: UInt8

    package init(parent: UInt32, family: AddressFamily, vrid: UInt8) {
        self.parent = parent
        self.family = family
        self.vrid = vrid
    }

    /// 00:00:5e:00:01:VRID or 00:00:5e:00:02:VRID (RFC 9568 §7.3).
    package var hardware: MACAddress { .virtualRouter(vrid, family: family) }

    /// `vipd4-7-51` over the interface with the index 7: at most 15 octets, the same after a restart. An index of more than five digits is
    /// written with letters.
    package var name: String {
        let index = parent < 100_000 ? "\(parent)" : String(String(parent, radix: 36).suffix(5))
        return "vipd\(family == .ipv4 ? 4 : 6)-\(index)-\(vrid)"
    }
}

/// What of the interface below has to be put back when its last virtual hardware address goes. Kept in each macvlan's description, because
/// that lasts as long as what it undoes.
package struct ParentSettings: Hashable, Sendable {
    package var arpIgnore: UInt32
    package var arpAnnounce: UInt32

    package init(arpIgnore: UInt32, arpAnnounce: UInt32) {
        self.arpIgnore = arpIgnore
        self.arpAnnounce = arpAnnounce
    }

    /// What they have to be at least. The interface must not answer for the virtual addresses with its own hardware address (checklist LX-20), and
    /// its questions must not name one of them as their sender, which their receivers would believe.
    package var needed: ParentSettings {
        ParentSettings(arpIgnore: max(arpIgnore, 1), arpAnnounce: max(arpAnnounce, 2))
    }

    /// As IFLA_IFALIAS.
    package func alias(vrid: UInt8) -> String {
        "\(Self.tag)\(vrid) arp_ignore=\(arpIgnore) arp_announce=\(arpAnnounce)"
    }

    /// Out of such an alias.
    package init?(alias: String) {
        let words = alias.split(separator: " ")
        guard alias.hasPrefix(Self.tag), words.count == 4, words[2].hasPrefix("arp_ignore="),
            words[3].hasPrefix("arp_announce="), let ignore = UInt32(words[2].dropFirst(11)),
            let announce = UInt32(words[3].dropFirst(13))
        else { return nil }
        self.init(arpIgnore: ignore, arpAnnounce: announce)
    }

    private static let tag = "vipd vrid="
}

extension LinkState {
    /// It was made by an agent of ours: name, kind and description say so.
    package var isVirtualLink: Bool {
        guard let macvlan, name.hasPrefix("vipd4-") || name.hasPrefix("vipd6-") else { return false }
        return ParentSettings(alias: macvlan.alias) != nil
    }

    /// It is the one for this address and as it has to be. Whoever made it may have been killed before it could describe it.
    package func suits(_ key: VirtualLinkKey) -> Bool {
        serves(key) && (macvlan?.alias.isEmpty ?? false || isVirtualLink)
    }

    /// It is one for this address, whoever made it.
    package func serves(_ key: VirtualLinkKey) -> Bool {
        name == key.name && hardwareAddress == key.hardware && macvlan?.parent == key.parent
    }
}

/// IPV4_DEVCONF_* of linux/ip.h, which netlink and /proc/sys/net/ipv4/conf both know.
package enum IPv4Setting: UInt32, Sendable {
    case acceptRedirects = 4
    case sendRedirects = 6
    case rpFilter = 8
    case arpAnnounce = 18
    case arpIgnore = 19
}

/// What IPv6 of an interface is told by /proc/sys, because netlink does not have it.
package enum IPv6Setting: String, Sendable {
    case disableIPv6 = "disable_ipv6"
    case acceptAdvertisements = "accept_ra"
    /// In milliseconds: within it the kernel reports a group that was joined, once and again (RFC 3810 §9.11, RFC 2710 §7.10).
    case reportInterval = "mldv2_unsolicited_report_interval"
    case firstVersionReportInterval = "mldv1_unsolicited_report_interval"
}
