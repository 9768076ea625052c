// Routes and rules as values: what a master wants in the kernel's routing beside its addresses, complete, so that it can be put there, found
// again and taken away. Nothing here knows how the kernel is asked, and defaults are filled in before a value is made.

/// A unicast route (ip-route(8)).
package struct Route: Hashable, Sendable {
    /// The network that it leads to, host bits zero; a prefix of 0 is the default route.
    package var destination: InterfaceAddress
    /// Of the family of the destination; nil: what is in the network is on the link.
    package var gateway: IPAddress?
    /// Name of the interface that packets leave by, at most 15 octets.
    package var device: String
    /// The address that they come from unless their program chose one; nil leaves it to the kernel.
    package var source: IPAddress?
    /// 1...4294967295.
    package var table: UInt32
    /// The least of several wins. IPv6: at least 1, and 1024 is what the kernel takes where nothing is said.
    package var metric: UInt32
    /// IPv4: how far away the destination is. IPv6 routes are all global.
    package var scope: AddressOptions.Scope
    /// The gateway is on the link though no network of the interface has it.
    package var isOnLink: Bool

    package static let mainTable: UInt32 = 254
    /// The metric that the kernel gives a route of which none is said.
    package static func standardMetric(_ family: AddressFamily) -> UInt32 { family == .ipv4 ? 0 : 1024 }

    package init(
        destination: InterfaceAddress, gateway: IPAddress? = nil, device: String, source: IPAddress? = nil,
        table: UInt32 = Self.mainTable, metric: UInt32? = nil, scope: AddressOptions.Scope? = nil,
        isOnLink: Bool = false
    ) {
        self.destination = destination
        self.gateway = gateway
        self.device = device
        self.source = source
        self.table = table
        let family = destination.address.family
        self.metric = metric ?? Self.standardMetric(family)
        self.scope = scope ?? (family == .ipv4 && gateway == nil ? .link : .global)
        self.isOnLink = isOnLink
    }

    package var family: AddressFamily { destination.address.family }

    /// A table has one route of these, for IPv4 as for IPv6.
    package var key: RouteKey { RouteKey(table: table, destination: destination, metric: metric) }
}

/// What tells the routes of a host apart.
package struct RouteKey: Hashable, Sendable {
    package var table: UInt32
    package var destination: InterfaceAddress
    package var metric: UInt32

    package init(table: UInt32, destination: InterfaceAddress, metric: UInt32) {
        self.table = table
        self.destination = destination
        self.metric = metric
    }
}

/// A rule of policy routing that sends packets to a table (ip-rule(8)).
package struct PolicyRule: Hashable, Sendable {
    package var family: AddressFamily
    /// The least comes first; 1...4294967295. The kernel's own are 0 (local), 32766 (main) and 32767 (default).
    package var priority: UInt32
    /// Networks with their host bits zero; nil for all packets.
    package var from: InterfaceAddress?
    package var to: InterfaceAddress?
    /// 1...4294967295.
    package var table: UInt32

    package init(
        family: AddressFamily, priority: UInt32, from: InterfaceAddress?, to: InterfaceAddress?, table: UInt32
    ) {
        self.family = family
        self.priority = priority
        self.from = from
        self.to = to
        self.table = table
    }
}

/// One or the other: a master puts them on, loses and takes them off in the same way.
package enum RoutingEntry: Hashable, Sendable {
    case route(Route)
    case rule(PolicyRule)

    package var family: AddressFamily {
        switch self {
        case .route(let route): route.family
        case .rule(let rule): rule.family
        }
    }

    /// The address that a route prefers as source: where it goes, the route goes before.
    package var source: IPAddress? {
        if case .route(let route) = self { route.source } else { nil }
    }
}

// MARK: - For people

extension Route: CustomStringConvertible {
    /// As ip-route(8) writes it.
    package var description: String {
        var text = destination.networkText(all: "default")
        if let gateway { text += " via \(gateway)" }
        text += " dev \(device)"
        if let source { text += " src \(source)" }
        if table != Self.mainTable { text += " table \(RoutingTable.text(table))" }
        if metric != Self.standardMetric(family) { text += " metric \(metric)" }
        if family == .ipv4, scope != (gateway == nil ? .link : .global) { text += " scope \(scope.word)" }
        if isOnLink { text += " onlink" }
        return text
    }
}

extension PolicyRule: CustomStringConvertible {
    /// As ip-rule(8) writes it.
    package var description: String {
        var text = "\(priority): from \(from?.networkText(all: "all") ?? "all")"
        if let to { text += " to \(to.networkText(all: "all"))" }
        return text + " lookup \(RoutingTable.text(table))"
    }
}

extension RoutingEntry: CustomStringConvertible {
    /// `route default via 192.0.2.254 dev eth0`, `rule 1000: from 192.0.2.10 lookup 100`; which family where that does not show.
    package var description: String {
        let family = self.family == .ipv6 ? "IPv6 " : ""
        switch self {
        case .route(let route): return "\(family)route \(route)"
        case .rule(let rule): return "\(family)rule \(rule)"
        }
    }
}

/// The names that every host has for tables (linux/rtnetlink.h).
package enum RoutingTable {
    package static let named: [(name: String, number: UInt32)] = [("main", 254), ("local", 255), ("default", 253)]

    package static func text(_ number: UInt32) -> String {
        named.first { $0.number == number }?.name ?? "\(number)"
    }
}

extension AddressOptions.Scope {
    package var word: String {
        switch self {
        case .global: "global"
        case .link: "link"
        case .host: "host"
        }
    }
}

extension InterfaceAddress {
    /// The address alone where the prefix has one only, `all` for the prefix 0.
    fileprivate func networkText(all: String) -> String {
        if prefixLength == 0 { return all }
        return prefixLength == address.family.hostPrefixLength ? "\(address)" : "\(self)"
    }

    /// The same with its host bits zero.
    package var network: InterfaceAddress {
        let length = UInt64(prefixLength)
        switch address {
        case .ipv4(let ip):
            let mask = length == 0 ? 0 : UInt32.max << (32 - UInt32(length))
            return InterfaceAddress(address: .ipv4(IPv4Address(bits: ip.bits & mask)), prefixLength: prefixLength)
        case .ipv6(let ip):
            let high = length == 0 ? 0 : UInt64.max << (64 - min(length, 64))
            let low = length <= 64 ? 0 : UInt64.max << (128 - length)
            return InterfaceAddress(
                address: .ipv6(IPv6Address(high: ip.high & high, low: ip.low & low)), prefixLength: prefixLength)
        }
    }
}
