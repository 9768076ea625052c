// rtnetlink messages as values: a pure function over octets, bounds-checked, that traps on no input. What it does not
// know it leaves out; it never guesses, and it reads no socket.

import Wire

/// Numbers of linux/netlink.h, linux/rtnetlink.h, linux/if_link.h and linux/if_addr.h; part of the kernel's interface,
/// so they do not change.
enum Netlink {
    static let headerLength = 16
    static let error: UInt16 = 2
    static let done: UInt16 = 3
    static let overrun: UInt16 = 4
    static let newLink: UInt16 = 16
    static let deleteLink: UInt16 = 17
    static let newAddress: UInt16 = 20
    /// On a socket of NETLINK_SOCK_DIAG (linux/sock_diag.h).
    static let socketDiagnosis: UInt16 = 20
    static let deleteAddress: UInt16 = 21
    static let newRoute: UInt16 = 24
    static let newNeighbor: UInt16 = 28
    static let deleteRoute: UInt16 = 25
    static let newRule: UInt16 = 32
    static let deleteRule: UInt16 = 33
    /// NLM_F_DUMP_INTR: the table changed while it was dumped.
    static let dumpInterrupted: UInt16 = 0x10
    /// NLM_F_CAPPED: the refused request is not repeated in the answer.
    static let capped: UInt16 = 0x100
    /// NLM_F_ACK_TLVS: attributes follow in the answer.
    static let attributesFollow: UInt16 = 0x200
    static let familyIPv4: UInt8 = 2
    static let familyIPv6: UInt8 = 10
}

/// The header of a netlink message and where its body is.
struct NetlinkMessage {
    var type: UInt16
    var flags: UInt16
    var sequence: UInt32
    /// nlmsg_pid: of an event, the port of who caused it.
    var port: UInt32
    var body: Range<Int>
    /// Where the next message starts; may be beyond the end.
    var next: Int

    /// The message at `offset`, or nil when no whole message is there.
    init?(in bytes: Span<UInt8>, at offset: Int) {
        guard let length = bytes.number32(at: offset), let type = bytes.number16(at: offset + 4),
            let flags = bytes.number16(at: offset + 6), let sequence = bytes.number32(at: offset + 8),
            let port = bytes.number32(at: offset + 12), length >= Netlink.headerLength,
            Int(length) <= bytes.count - offset
        else { return nil }
        self.type = type
        self.flags = flags
        self.sequence = sequence
        self.port = port
        body = (offset + Netlink.headerLength)..<(offset + Int(length))
        next = offset + (Int(length) + 3) & ~3
    }
}

/// Reads datagrams of an rtnetlink socket.
package enum NetlinkParser {
    /// Appends what the messages in `bytes` say about interfaces, addresses, routes and rules, in their order.
    ///
    /// Other messages, and those that are cut short, are left out. An interrupted dump and an overrun become
    /// `.eventsLost`.
    package static func parse(_ bytes: Span<UInt8>, into events: inout [KernelEvent]) {
        var offset = 0
        while let message = NetlinkMessage(in: bytes, at: offset) {
            offset = message.next
            if message.flags & Netlink.dumpInterrupted != 0 || message.type == Netlink.overrun {
                events.append(.eventsLost)
            }
            if let event = event(message, in: bytes) { events.append(event) }
            if message.type == Netlink.newLink, let index = indexOfMoved(bytes, message.body) {
                events.append(.peersToNotify(index: index))
            }
        }
    }

    /// Why the kernel tells of a link is in IFLA_EVENT: 3 is IFLA_EVENT_BONDING_FAILOVER, 4 IFLA_EVENT_NOTIFY_PEERS.
    private static func indexOfMoved(_ bytes: Span<UInt8>, _ body: Range<Int>) -> UInt32? {
        guard body.count >= 16, bytes[body.lowerBound] == 0 else { return nil }
        var event: UInt32 = 0
        bytes.forEachAttribute(in: (body.lowerBound + 16)..<body.upperBound) { type, value in
            if type == 44, value.count == 4 { event = bytes.number32(at: value.lowerBound) ?? 0 }
        }
        return event == 3 || event == 4 ? bytes.number32(at: body.lowerBound + 4) : nil
    }

    private static func event(_ message: NetlinkMessage, in bytes: Span<UInt8>) -> KernelEvent? {
        switch message.type {
        case Netlink.newLink:
            guard let link = link(bytes, message.body) else { return nil }
            return .link(link)
        case Netlink.deleteLink:
            guard let link = link(bytes, message.body) else { return nil }
            return .linkRemoved(index: link.index, name: link.name)
        case Netlink.newAddress:
            guard let address = address(bytes, message.body) else { return nil }
            return .address(address)
        case Netlink.deleteAddress:
            guard let address = address(bytes, message.body) else { return nil }
            return .addressRemoved(address, by: message.port)
        default:
            return routingEvent(message, in: bytes)
        }
    }

    /// struct ifinfomsg and its attributes. Messages of the bridge (a port joined or left) and of wireless extensions
    /// use the same types and say nothing about the interface itself.
    private static func link(_ bytes: Span<UInt8>, _ body: Range<Int>) -> LinkState? {
        guard body.count >= 16, bytes[body.lowerBound] == 0, let index = bytes.number32(at: body.lowerBound + 4),
            let flags = bytes.number32(at: body.lowerBound + 8)
        else { return nil }
        var link = LinkState(
            index: index, name: "", isUp: flags & 0x1 != 0, hasCarrier: false, hardwareAddress: nil, mtu: 0,
            isLoopback: flags & 0x8 != 0)
        var operationalState: UInt8 = 0
        var isWireless = false
        var macvlan = MacvlanState(parent: 0, alias: "")
        var isMacvlan = false
        bytes.forEachAttribute(in: (body.lowerBound + 16)..<body.upperBound) { type, value in
            switch type {
            case 1 where value.count == 6:  // IFLA_ADDRESS
                link.hardwareAddress = bytes.hardware(in: value)
            case 3: link.name = bytes.text(in: value)  // IFLA_IFNAME
            case 4 where value.count == 4: link.mtu = bytes.number32(at: value.lowerBound) ?? 0  // IFLA_MTU
            case 5 where value.count == 4: macvlan.parent = bytes.number32(at: value.lowerBound) ?? 0  // IFLA_LINK
            case 11: isWireless = true  // IFLA_WIRELESS
            case 18: isMacvlan = bytes.text(ofAttribute: 1, in: value) == "macvlan"  // IFLA_LINKINFO, IFLA_INFO_KIND
            case 20: macvlan.alias = bytes.text(in: value)  // IFLA_IFALIAS
            case 16 where value.count == 1: operationalState = bytes[value.lowerBound]  // IFLA_OPERSTATE
            default: break
            }
        }
        if isWireless { return nil }
        if isMacvlan { link.macvlan = macvlan }
        // IFF_LOWER_UP; IF_OPER_UNKNOWN 0, IF_OPER_UP 6.
        link.hasCarrier = flags & 0x1_0000 != 0 && (operationalState == 0 || operationalState == 6)
        return link
    }

    static func family(_ octet: UInt8) -> AddressFamily? {
        switch octet {
        case Netlink.familyIPv4: .ipv4
        case Netlink.familyIPv6: .ipv6
        default: nil
        }
    }

    /// struct ifaddrmsg and its attributes.
    private static func address(_ bytes: Span<UInt8>, _ body: Range<Int>) -> AddressState? {
        guard body.count >= 8, let index = bytes.number32(at: body.lowerBound + 4),
            let family = family(bytes[body.lowerBound])
        else { return nil }
        let prefixLength = bytes[body.lowerBound + 1]
        var flags = UInt32(bytes[body.lowerBound + 2])
        let scope = bytes[body.lowerBound + 3]
        var address: IPAddress?
        var local: IPAddress?
        var tag: UInt8 = 0
        var label: String?
        bytes.forEachAttribute(in: (body.lowerBound + 8)..<body.upperBound) { type, value in
            switch type {
            case 1: address = bytes.address(family, in: value)  // IFA_ADDRESS: the peer's on point-to-point links
            case 2: local = bytes.address(family, in: value)  // IFA_LOCAL
            case 3: label = bytes.text(in: value)  // IFA_LABEL
            case 8 where value.count == 4: flags = bytes.number32(at: value.lowerBound) ?? flags  // IFA_FLAGS
            case 11 where value.count == 1: tag = bytes[value.lowerBound]  // IFA_PROTO
            default: break
            }
        }
        guard let own = local ?? address, prefixLength <= family.hostPrefixLength else { return nil }
        return AddressState(
            interfaceIndex: index, address: InterfaceAddress(address: own, prefixLength: prefixLength), tag: tag,
            flags: flags, scope: scope, label: label)
    }

    /// The IPv4 settings in the first RTM_NEWLINK in `bytes`, in the order of IPV4_DEVCONF_*; empty without IPv4.
    package static func ipv4Settings(_ bytes: Span<UInt8>) -> [UInt32] {
        guard let message = NetlinkMessage(in: bytes, at: 0), message.type == Netlink.newLink, message.body.count >= 16
        else { return [] }
        let attributes = (message.body.lowerBound + 16)..<message.body.upperBound
        guard let families = bytes.attribute(26, in: attributes),  // IFLA_AF_SPEC
            let family = bytes.attribute(UInt16(Netlink.familyIPv4), in: families),
            let settings = bytes.attribute(1, in: family)  // IFLA_INET_CONF
        else { return [] }
        return stride(from: settings.lowerBound, to: settings.upperBound, by: 4).compactMap { bytes.number32(at: $0) }
    }

    /// The body of an NLMSG_ERROR: 0 for an acknowledgement or an errno, and the extended acknowledgement's text.
    static func answer(_ message: NetlinkMessage, in bytes: Span<UInt8>) -> (code: Int32, explanation: String)? {
        let body = message.body
        guard body.count >= 4, let raw = bytes.number32(at: body.lowerBound) else { return nil }
        // The kernel gives -errno; wrapping keeps nonsense from trapping.
        let code = 0 &- Int32(bitPattern: raw)
        guard message.flags & Netlink.attributesFollow != 0 else { return (code, "") }
        // Behind the code is the request: its header alone, or the whole of it when it was not capped.
        var attributes = body.lowerBound + 4 + Netlink.headerLength
        if message.flags & Netlink.capped == 0, let length = bytes.number32(at: body.lowerBound + 4) {
            attributes = body.lowerBound + 4 + (Int(length) + 3) & ~3
        }
        guard attributes <= body.upperBound else { return (code, "") }
        var explanation = ""
        bytes.forEachAttribute(in: attributes..<body.upperBound) { type, value in
            if type == 1 { explanation = bytes.text(in: value) }  // NLMSGERR_ATTR_MSG
        }
        return (code, explanation)
    }
}

/// Reads that answer nil outside of the octets at hand. Netlink numbers are in the byte order of the host.
extension Span where Element == UInt8 {
    func number16(at offset: Int) -> UInt16? {
        guard offset >= 0, offset <= count - 2 else { return nil }
        return UInt16(littleEndian: UInt16(self[offset]) | UInt16(self[offset + 1]) << 8)
    }

    func number32(at offset: Int) -> UInt32? {
        guard offset >= 0, offset <= count - 4 else { return nil }
        var value: UInt32 = 0
        for index in 0..<4 { value |= UInt32(self[offset + index]) << (8 * UInt32(index)) }
        return UInt32(littleEndian: value)
    }

    /// The value of the first attribute of this type.
    func attribute(_ wanted: UInt16, in range: Range<Int>) -> Range<Int>? {
        var found: Range<Int>?
        forEachAttribute(in: range) { type, value in
            if type == wanted, found == nil { found = value }
        }
        return found
    }

    /// The text of the first attribute of this type.
    func text(ofAttribute type: UInt16, in range: Range<Int>) -> String? {
        attribute(type, in: range).map { text(in: $0) }
    }

    /// Up to the first zero octet.
    func text(in range: Range<Int>) -> String {
        var octets: [UInt8] = []
        for index in range where index < count {
            if self[index] == 0 { break }
            octets.append(self[index])
        }
        return String(decoding: octets, as: UTF8.self)
    }

    /// An address that fills `range` exactly.
    func address(_ family: AddressFamily, in range: Range<Int>) -> IPAddress? {
        guard range.count == family.addressLength, range.upperBound <= count else { return nil }
        var high: UInt64 = 0
        var low: UInt64 = 0
        for index in range {
            high = high << 8 | low >> 56
            low = low << 8 | UInt64(self[index])
        }
        switch family {
        case .ipv4: return .ipv4(IPv4Address(bits: UInt32(truncatingIfNeeded: low)))
        case .ipv6: return .ipv6(IPv6Address(high: high, low: low))
        }
    }

    /// A hardware address that fills `range` exactly.
    func hardware(in range: Range<Int>) -> MACAddress? {
        guard range.count == 6, range.upperBound <= count else { return nil }
        let first = range.lowerBound
        return MACAddress(
            self[first], self[first + 1], self[first + 2], self[first + 3], self[first + 4], self[first + 5])
    }

    /// Calls `body` with the type and the range of the value of each whole attribute; stops at one that is cut short.
    func forEachAttribute(in range: Range<Int>, _ body: (UInt16, Range<Int>) -> Void) {
        var offset = range.lowerBound
        while offset <= range.upperBound - 4, let length = number16(at: offset), let type = number16(at: offset + 2) {
            guard length >= 4, Int(length) <= range.upperBound - offset, range.upperBound <= count else { return }
            // The two highest bits are flags (nested, network byte order).
            body(type & 0x3FFF, (offset + 4)..<(offset + Int(length)))
            offset += (Int(length) + 3) & ~3
        }
    }
}
