// The part of the netlink parser that reads routes and rules. Like the rest of it: bounds-checked, it traps on no input, and what it does not
// know it leaves out.

import Wire

extension NetlinkParser {
    /// What a message says of a route or a rule; nil when it is about something else, or is cut short.
    static func routingEvent(_ message: NetlinkMessage, in bytes: Span<UInt8>) -> KernelEvent? {
        switch message.type {
        case Netlink.newRoute: return routeState(bytes, message.body).map { .route($0) }
        case Netlink.deleteRoute: return routeState(bytes, message.body).map { .routeRemoved($0, by: message.port) }
        case Netlink.newRule: return ruleState(bytes, message.body).map { .rule($0) }
        case Netlink.deleteRule: return ruleState(bytes, message.body).map { .ruleRemoved($0, by: message.port) }
        default: return nil
        }
    }

    private static func unspecified(_ family: AddressFamily) -> IPAddress {
        family == .ipv4 ? .ipv4(IPv4Address(bits: 0)) : .ipv6(IPv6Address(high: 0, low: 0))
    }

    /// struct rtmsg and its attributes. Not those of a cache, nor those with a source network of their own.
    private static func routeState(_ bytes: Span<UInt8>, _ body: Range<Int>) -> RouteState? {
        let start = body.lowerBound
        guard body.count >= 12, let family = family(bytes[start]), bytes[start + 1] <= family.hostPrefixLength,
            bytes[start + 2] == 0, let flags = bytes.number32(at: start + 8), flags & 0x200 == 0
        else { return nil }
        var destination = unspecified(family)
        var key = RouteKey(
            table: UInt32(bytes[start + 4]),
            destination: InterfaceAddress(address: destination, prefixLength: bytes[start + 1]), metric: 0)
        // RTN_UNICAST; RTNH_F_ONLINK.
        var state = RouteState(
            key: key, gateway: nil, index: 0, source: nil, scope: bytes[start + 6], isOnLink: flags & 4 != 0,
            isPlain: bytes[start + 3] == 0 && bytes[start + 7] == 1, tag: bytes[start + 5])
        bytes.forEachAttribute(in: (start + 12)..<body.upperBound) { type, value in
            switch type {
            case 1: destination = bytes.address(family, in: value) ?? destination  // RTA_DST
            case 4 where value.count == 4: state.index = bytes.number32(at: value.lowerBound) ?? 0  // RTA_OIF
            case 5: state.gateway = bytes.address(family, in: value)  // RTA_GATEWAY
            case 6 where value.count == 4: key.metric = bytes.number32(at: value.lowerBound) ?? 0  // RTA_PRIORITY
            case 7: state.source = bytes.address(family, in: value)  // RTA_PREFSRC
            case 15 where value.count == 4: key.table = bytes.number32(at: value.lowerBound) ?? key.table  // RTA_TABLE
            // RTA_MULTIPATH, RTA_VIA, RTA_ENCAP_TYPE, RTA_ENCAP, RTA_NH_ID
            case 9, 18, 21, 22, 30: state.isPlain = false
            default: break
            }
        }
        key.destination.address = destination
        state.key = key
        return state
    }

    /// struct fib_rule_hdr and its attributes.
    private static func ruleState(_ bytes: Span<UInt8>, _ body: Range<Int>) -> RuleState? {
        let start = body.lowerBound
        guard body.count >= 12, let family = family(bytes[start]), bytes[start + 1] <= family.hostPrefixLength,
            bytes[start + 2] <= family.hostPrefixLength, let flags = bytes.number32(at: start + 8)
        else { return nil }
        var (from, to) = (unspecified(family), unspecified(family))
        var rule = PolicyRule(family: family, priority: 0, from: nil, to: nil, table: UInt32(bytes[start + 4]))
        // No type of service, FR_ACT_TO_TBL, not FIB_RULE_INVERT.
        var isPlain = bytes[start + 3] == 0 && bytes[start + 7] == 1 && flags & 2 == 0
        var tag: UInt8 = 0
        bytes.forEachAttribute(in: (start + 12)..<body.upperBound) { type, value in
            switch type {
            case 1: to = bytes.address(family, in: value) ?? to  // FRA_DST
            case 2: from = bytes.address(family, in: value) ?? from  // FRA_SRC
            case 6 where value.count == 4: rule.priority = bytes.number32(at: value.lowerBound) ?? 0  // FRA_PRIORITY
            case 15 where value.count == 4:  // FRA_TABLE
                rule.table = bytes.number32(at: value.lowerBound) ?? rule.table
            case 21 where value.count == 1: tag = bytes[value.lowerBound]  // FRA_PROTOCOL
            // FRA_SUPPRESS_IFGROUP and FRA_SUPPRESS_PREFIXLEN, without effect where all bits are set.
            case 13, 14: isPlain = isPlain && bytes.number32(at: value.lowerBound) == .max
            case 18: break  // FRA_PAD
            default: isPlain = false
            }
        }
        if bytes[start + 1] > 0 { rule.to = InterfaceAddress(address: to, prefixLength: bytes[start + 1]) }
        if bytes[start + 2] > 0 { rule.from = InterfaceAddress(address: from, prefixLength: bytes[start + 2]) }
        return RuleState(rule, isPlain: isPlain, tag: tag)
    }
}
