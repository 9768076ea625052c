// What the kernel says of interfaces and addresses, as values. Made by NetlinkParser from octets, compared by the engine.

import Wire

/// The mark on every address that the agent adds.
package enum AddressTag {
    /// IFA_PROTO of our addresses: VRRP's protocol number. The kernel itself uses 0 to 3 (linux/if_addr.h).
    package static let value: UInt8 = 112

    /// The IPv4 label used instead on kernels before 5.18, which do not know IFA_PROTO: `eth0:vipd`, or `vipd` alone
    /// when the whole would be longer than a label's 15 octets.
    package static func label(interface: String) -> String {
        let label = "\(interface):vipd"
        return label.utf8.count <= 15 ? label : "vipd"
    }

    /// Whether `label` is one that `label(interface:)` makes.
    package static func isOurs(label: String) -> Bool { label == "vipd" || label.hasSuffix(":vipd") }
}

/// An interface.
package struct LinkState: Hashable, Sendable {
    package var index: UInt32
    package var name: String
    /// IFF_UP: the administrator wants it up.
    package var isUp: Bool
    /// IFF_LOWER_UP, and the operational state is up or not known (RFC 2863, checklist LX-55).
    package var hasCarrier: Bool
    /// Nil when it has none or one that is not 48 bits long.
    package var hardwareAddress: MACAddress?
    package var mtu: UInt32
    package var isLoopback: Bool
    /// Nil where it is none.
    package var macvlan: MacvlanState?

    package init(
        index: UInt32, name: String, isUp: Bool, hasCarrier: Bool, hardwareAddress: MACAddress?, mtu: UInt32,
        isLoopback: Bool, macvlan: MacvlanState? = nil
    ) {
        self.index = index
        self.name = name
        self.isUp = isUp
        self.hasCarrier = hasCarrier
        self.hardwareAddress = hardwareAddress
        self.mtu = mtu
        self.isLoopback = isLoopback
        self.macvlan = macvlan
    }
}

/// An address on an interface.
package struct AddressState: Hashable, Sendable {
    package var interfaceIndex: UInt32
    package var address: InterfaceAddress
    /// IFA_PROTO, 0 when it has none.
    package var tag: UInt8
    /// IFA_F_* as 32 bits (checklist LX-36).
    package var flags: UInt32
    /// RT_SCOPE_*: 0 is global, 253 link, 254 host.
    package var scope: UInt8
    /// IPv4 only.
    package var label: String?

    package init(
        interfaceIndex: UInt32, address: InterfaceAddress, tag: UInt8 = 0, flags: UInt32 = 0, scope: UInt8 = 0,
        label: String? = nil
    ) {
        self.interfaceIndex = interfaceIndex
        self.address = address
        self.tag = tag
        self.flags = flags
        self.scope = scope
        self.label = label
    }

    /// IPv6 duplicate address detection has not ended.
    package var isTentative: Bool { flags & AddressFlag.tentative != 0 && flags & AddressFlag.optimistic == 0 }
    /// IPv6 duplicate address detection found another holder; the address does nothing.
    package var isDuplicate: Bool { flags & AddressFlag.duplicate != 0 }
    /// It can be sent from and is answered for.
    package var isUsable: Bool { !isTentative && !isDuplicate }
    /// IPv4: not the first of its subnet, so it goes when the first one goes unless promote_secondaries is set.
    package var isSecondary: Bool { address.address.family == .ipv4 && flags & AddressFlag.secondary != 0 }
    /// IPv6: it is replaced by another after a while (RFC 8981; the same bit as `isSecondary`), or not to be used any more.
    package var isPassing: Bool {
        address.address.family == .ipv6 && flags & (AddressFlag.secondary | AddressFlag.deprecated) != 0
    }
    /// It has these options, as far as the kernel does not change them in place. Where no label is wanted any will do.
    package func suits(_ options: AddressOptions) -> Bool {
        guard address.address.family == .ipv4 else { return true }
        return scope == options.scope.rawValue && (options.label == nil || options.label == label)
    }
    /// It carries our tag or, IPv4 on an old kernel, our label.
    package var isOurs: Bool {
        if tag == AddressTag.value { return true }
        guard tag == 0, let label else { return false }
        return AddressTag.isOurs(label: label)
    }
}

/// IFA_F_* of linux/if_addr.h.
package enum AddressFlag {
    package static let secondary: UInt32 = 0x01
    package static let noDuplicateDetection: UInt32 = 0x02
    package static let optimistic: UInt32 = 0x04
    package static let duplicate: UInt32 = 0x08
    package static let deprecated: UInt32 = 0x20
    package static let tentative: UInt32 = 0x40
    package static let permanent: UInt32 = 0x80
    package static let noPrefixRoute: UInt32 = 0x200
}

/// An address on an interface.
package struct PlacedAddress: Hashable, Sendable {
    package var address: InterfaceAddress
    /// Of the interface.
    package var index: UInt32

    package init(address: InterfaceAddress, index: UInt32) {
        self.address = address
        self.index = index
    }
}

extension [InterfaceAddress] {
    /// All of them on one interface.
    package func placed(on index: UInt32) -> [PlacedAddress] {
        map { PlacedAddress(address: $0, index: index) }
    }
}

extension AddressState {
    package var placed: PlacedAddress { PlacedAddress(address: address, index: interfaceIndex) }
}

/// A change that the kernel reported.
package enum KernelEvent: Hashable, Sendable {
    /// New, or changed in some way.
    case link(LinkState)
    case linkRemoved(index: UInt32, name: String)
    /// New, or changed in some way; a renewed lifetime is one too.
    case address(AddressState)
    /// `by` is the netlink port of who asked for it, which is mostly the number of a process; 0 when the kernel does not tell (IPv6, and what
    /// it does itself).
    case addressRemoved(AddressState, by: UInt32 = 0)
    /// New, or changed in some way; a route that was replaced is told as the new one.
    case route(RouteState)
    case routeRemoved(RouteState, by: UInt32)
    case rule(RuleState)
    case ruleRemoved(RuleState, by: UInt32)
    /// What is behind this interface has moved, and neighbours and switches should be told: a bond has another active port, a guest
    /// another host (NETDEV_NOTIFY_PEERS).
    case peersToNotify(index: UInt32)
    /// Messages were lost: what is known may be wrong, so read everything anew (checklist LX-53).
    case eventsLost
}
