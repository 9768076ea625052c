// What the status document says of the routes and rules of a virtual router: what is configured, in the words of the configuration and of
// ip(8), and whether it is there. It holds words and numbers only.

import Wire

/// A configured route.
package struct RouteStatus: Hashable, Sendable, Codable {
    /// `destination`: `default`, or a network.
    package var destination: String
    /// `family`: `ipv4` or `ipv6`.
    package var family: String
    /// `via`: the gateway; null where the destination is on the link.
    @OrNull package var via: String?
    /// `device`: name of the interface.
    package var device: String
    /// `source`: the preferred source; null where the kernel chooses.
    @OrNull package var source: String?
    /// `table`: its number.
    package var table: UInt32
    /// `metric`.
    package var metric: UInt32
    /// `present`: it is in the table now.
    package var present: Bool
    /// `text`: as ip-route(8) writes it.
    package var text: String

    package init(_ route: Route, present: Bool) {
        destination = route.destination.prefixLength == 0 ? "default" : "\(route.destination)"
        family = route.family == .ipv4 ? "ipv4" : "ipv6"
        _via = OrNull(wrappedValue: route.gateway.map { "\($0)" })
        device = route.device
        _source = OrNull(wrappedValue: route.source.map { "\($0)" })
        table = route.table
        metric = route.metric
        self.present = present
        text = "\(route)"
    }
}

/// A configured rule.
package struct RuleStatus: Hashable, Sendable, Codable {
    /// `priority`.
    package var priority: UInt32
    /// `family`: `ipv4` or `ipv6`.
    package var family: String
    /// `from` and `to`: networks; null for all packets.
    @OrNull package var from: String?
    @OrNull package var to: String?
    /// `table`: its number.
    package var table: UInt32
    /// `present`: it is there now.
    package var present: Bool
    /// `text`: as ip-rule(8) writes it.
    package var text: String

    package init(_ rule: PolicyRule, present: Bool) {
        priority = rule.priority
        family = rule.family == .ipv4 ? "ipv4" : "ipv6"
        _from = OrNull(wrappedValue: rule.from.map { "\($0)" })
        _to = OrNull(wrappedValue: rule.to.map { "\($0)" })
        table = rule.table
        self.present = present
        text = "\(rule)"
    }
}

extension RouterStatus {
    /// Fills in what is configured, and what of it is there.
    package mutating func setRouting(_ routing: [RoutingEntry], present: [RoutingEntry]) {
        let present = Set(present)
        for entry in routing {
            switch entry {
            case .route(let route): routes.append(RouteStatus(route, present: present.contains(entry)))
            case .rule(let rule): rules.append(RuleStatus(rule, present: present.contains(entry)))
            }
        }
    }
}
