// What the kernel says of routes and rules, as values, and whether that is what is wanted. Made by NetlinkParser from octets, compared by the
// requests and by the engine.

import Wire

/// The mark on every route and rule that the agent adds.
package enum RoutingTag {
    /// rtm_protocol of our routes and FRA_PROTOCOL of our rules: VRRP's protocol number, as for addresses. Neither linux/rtnetlink.h nor the lists
    /// of iproute2 and FRR give it to anybody (keepalived has 18, FRR 11, 42 and 186 to 197), and the kernel interprets none from 4 on.
    package static let value: UInt8 = 112
}

/// A route in one of the kernel's tables.
package struct RouteState: Hashable, Sendable {
    package var key: RouteKey
    package var gateway: IPAddress?
    /// Of the interface; 0 where there is none, or more than one.
    package var index: UInt32
    package var source: IPAddress?
    /// RT_SCOPE_*.
    package var scope: UInt8
    package var isOnLink: Bool
    /// A unicast route with one way, for every type of service: only such are ours.
    package var isPlain: Bool
    /// rtm_protocol: who put it there.
    package var tag: UInt8

    package init(
        key: RouteKey, gateway: IPAddress?, index: UInt32, source: IPAddress?, scope: UInt8, isOnLink: Bool,
        isPlain: Bool = true, tag: UInt8 = RoutingTag.value
    ) {
        self.key = key
        self.gateway = gateway
        self.index = index
        self.source = source
        self.scope = scope
        self.isOnLink = isOnLink
        self.isPlain = isPlain
        self.tag = tag
    }

    package var isOurs: Bool { tag == RoutingTag.value }

    /// It is `route`, out of the interface with this index, whoever put it there.
    package func suits(_ route: Route, index: UInt32) -> Bool {
        isPlain && key == route.key && self.index == index && gateway == route.gateway && source == route.source
            && scope == route.scope.rawValue && isOnLink == route.isOnLink
    }

    /// The same as a value that can be shown and taken off.
    package func route(device: String) -> Route {
        Route(
            destination: key.destination, gateway: gateway, device: device, source: source, table: key.table,
            metric: key.metric, scope: AddressOptions.Scope(rawValue: scope) ?? .global, isOnLink: isOnLink)
    }
}

/// A rule of policy routing.
package struct RuleState: Hashable, Sendable {
    package var rule: PolicyRule
    /// It sends to a table, and looks at nothing but the two networks: only such are ours.
    package var isPlain: Bool
    /// FRA_PROTOCOL: who put it there.
    package var tag: UInt8

    package init(_ rule: PolicyRule, isPlain: Bool = true, tag: UInt8 = RoutingTag.value) {
        self.rule = rule
        self.isPlain = isPlain
        self.tag = tag
    }

    package var isOurs: Bool { tag == RoutingTag.value }

    /// It is `rule`, whoever put it there.
    package func suits(_ rule: PolicyRule) -> Bool { isPlain && self.rule == rule }
}
