// `routes` and `rules` of a virtual router: what a master has in the kernel's routing beside its addresses. What the kernel would refuse is an
// error here as far as the file tells; whether a gateway can be reached is a matter of the host.

import Election
import Wire

extension Problems {
    /// A look at the tables and each claim take so much longer with each.
    private static let routeLimit = 256
    private static let ruleLimit = 64

    /// Reads both lists; the routes come first.
    mutating func routing(_ fields: Fields<RouterKey>, _ draft: inout RouterDraft) {
        if let node = fields[.routes], let items = list(node, "routes", of: "routes") {
            limit(items, "routes", to: Self.routeLimit, at: node.place)
            for item in items {
                guard let route = route(item, draft) else { continue }
                let first = draft.routing.first {
                    if case .route(let other) = $0.value { other.key == route.key } else { false }
                }
                if let first {
                    let line = reference(to: first.place, from: item.place)
                    add(item.place, "a table holds one route to \(routeName(route)), and there is one on \(line)")
                } else {
                    draft.routing.append(Located(value: .route(route), place: item.place))
                }
            }
        }
        guard let node = fields[.rules], let items = list(node, "rules", of: "rules") else { return }
        limit(items, "rules", to: Self.ruleLimit, at: node.place)
        for item in items {
            guard let rule = rule(item, draft) else { continue }
            if let first = draft.routing.first(where: { $0.value == .rule(rule) }) {
                add(item.place, "the same rule is already on \(reference(to: first.place, from: item.place))")
            } else {
                draft.routing.append(Located(value: .rule(rule), place: item.place))
            }
        }
    }

    private mutating func limit(_ items: [Node], _ what: String, to limit: Int, at place: Place) {
        if items.count > limit { add(place, "at most \(limit) \(what) are allowed, not \(items.count)") }
    }

    /// `192.0.2.0/24 with metric 0 in it`, as it is told apart from others.
    private func routeName(_ route: Route) -> String {
        let destination = route.destination.prefixLength == 0 ? "default" : "\(route.destination)"
        return "\(destination) with metric \(route.metric) (table \(RoutingTable.text(route.table)))"
    }

    /// Two routers of one host may be master at once, and what one of them takes off must not be the other's.
    mutating func checkRouting(_ routers: [RouterDraft]) {
        var routes: [RouteKey: (router: String, place: Place)] = [:]
        var rules: [PolicyRule: (router: String, place: Place)] = [:]
        for router in routers {
            for entry in router.routing {
                let first: (router: String, place: Place)?
                switch entry.value {
                case .route(let route):
                    first = routes[route.key]
                    routes[route.key] = first ?? (router.name, entry.place)
                case .rule(let rule):
                    first = rules[rule]
                    rules[rule] = first ?? (router.name, entry.place)
                }
                guard let first, first.router != router.name else { continue }
                let line = reference(to: first.place, from: entry.place)
                let what =
                    if case .route(let route) = entry.value { "a route to \(routeName(route))" } else { "this rule" }
                add(
                    entry.place,
                    "\(what) already belongs to virtual router '\(quotable(first.router))', \(line); both may be master here at"
                        + " once, so give it another table, metric or priority")
            }
        }
    }

    // MARK: - Routes

    private mutating func route(_ item: Node, _ draft: RouterDraft) -> Route? {
        guard let fields = Fields<RouteFieldKey>(item, subject: "a route", place: item.place, problems: &self) else {
            return nil
        }
        let before = count
        let form = "default or a network as 198.51.100.0/24"
        let via = fields[.via].flatMap { host($0, "via") }
        let source = fields[.source].flatMap { host($0, "source") }
        let family = via?.address.family ?? source?.address.family ?? draft.family ?? .ipv4
        let device = fields[.device].map { interfaceName($0, "device") } ?? draft.interface
        let table = fields[.table].map { self.table($0) } ?? Route.mainTable
        let isOnLink = fields[.onLink].map { boolean($0, "on-link") } ?? false
        guard let node = fields.required(.destination, form, problems: &self),
            let destination = network(node, "destination", all: "default", family: family, form: form)
        else { return nil }
        let metric = metric(fields, destination.address.family)
        let scope = scope(fields, destination.address.family, hasGateway: via != nil)
        if isOnLink == true, via == nil, let node = fields[.onLink] {
            add(node.place, "on-link is about a gateway; give 'via', or leave it out")
        }
        checkFamilies(destination, fields, via: via?.address, source: source?.address)
        if let via, draft.served.contains(where: { $0.value.address == via.address }) {
            add(via.place, "via \(via.address) is a virtual address of this router, which cannot be its own gateway")
        }
        guard let device, let table, let isOnLink, count == before else { return nil }
        checkSource(source, draft)
        return Route(
            destination: destination, gateway: via?.address, device: device, source: source?.address, table: table,
            metric: metric, scope: scope, isOnLink: isOnLink)
    }

    private mutating func checkFamilies(
        _ destination: InterfaceAddress, _ fields: Fields<RouteFieldKey>, via: IPAddress?, source: IPAddress?
    ) {
        let family = destination.address.family
        let name = family == .ipv4 ? "IPv4" : "IPv6"
        for (key, address) in [(RouteFieldKey.via, via), (.source, source)] {
            guard let address, address.family != family, let node = fields[key] else { continue }
            add(node.place, "\(key.rawValue) \(address) is not \(name), as the destination is")
        }
    }

    /// A source that this host has without being master works, too, and one that it has not makes the kernel refuse the route.
    private mutating func checkSource(_ source: (address: IPAddress, place: Place)?, _ draft: RouterDraft) {
        guard let source, !draft.served.contains(where: { $0.value.address == source.address }) else { return }
        warn(
            source.place,
            "source \(source.address) is no address of this virtual router; the kernel refuses the route, and this host does not"
                + " become master, unless the host has it otherwise")
    }

    private mutating func metric(_ fields: Fields<RouteFieldKey>, _ family: AddressFamily) -> UInt32? {
        guard let node = fields[.metric] else { return nil }
        return number(node, "metric", in: (family == .ipv4 ? 0 : 1)...UInt32.max)
    }

    private mutating func scope(_ fields: Fields<RouteFieldKey>, _ family: AddressFamily, hasGateway: Bool)
        -> AddressOptions.Scope?
    {
        guard let node = fields[.scope] else { return nil }
        if family == .ipv6 {
            add(node.place, "scope is for IPv4; IPv6 routes have none")
            return nil
        }
        let scope = choice(node, "scope", AddressOptions.Scope.allCases.map { ($0.word, $0) })
        if hasGateway, let scope, scope != .global {
            add(node.place, "a route via a gateway has the scope global; leave scope out")
        }
        return scope
    }

    // MARK: - Rules

    private mutating func rule(_ item: Node, _ draft: RouterDraft) -> PolicyRule? {
        guard let fields = Fields<RuleFieldKey>(item, subject: "a rule", place: item.place, problems: &self) else {
            return nil
        }
        let before = count
        let form = "all or a network as 192.0.2.10 or 198.51.100.0/24"
        let meaning = "a whole number, the least comes first; main is looked up at 32766"
        let priority = fields.required(.priority, meaning, problems: &self).flatMap {
            number($0, "priority", in: 1...UInt32.max)
        }
        let table = fields.required(.table, "the table that is looked up", problems: &self).flatMap { self.table($0) }
        guard fields.has(.from) || fields.has(.to) else {
            add(item.place, "a rule needs 'from' or 'to'; 'from: all' is for every packet of the host")
            return nil
        }
        let written = [fields[.from], fields[.to]].map { node in
            node.flatMap { text($0, "from and to", allowed: form) }.flatMap { InterfaceAddress($0)?.address.family }
        }
        let family = written.compactMap { $0 }.first ?? draft.family ?? .ipv4
        let from = fields[.from].flatMap { network($0, "from", all: "all", family: family, form: form) }
        let to = fields[.to].flatMap { network($0, "to", all: "all", family: family, form: form) }
        for (name, network, node) in [("from", from, fields[.from]), ("to", to, fields[.to])] {
            guard let network, let node, network.address.family != family else { continue }
            add(node.place, "\(name) \(network) is of the other family than the rest of the rule")
        }
        guard let priority, let table, count == before else { return nil }
        return PolicyRule(
            family: family, priority: priority, from: from.flatMap { $0.prefixLength == 0 ? nil : $0 },
            to: to.flatMap { $0.prefixLength == 0 ? nil : $0 }, table: table)
    }

    // MARK: - Values

    /// An address that a host can have.
    private mutating func host(_ node: Node, _ what: String) -> (address: IPAddress, place: Place)? {
        let form = "an IP address without a prefix"
        guard let text = text(node, what, allowed: form) else { return nil }
        guard let address = IPAddress(text) else {
            let hint = text.utf8.contains(UInt8(ascii: "%")) ? "; leave the zone out, 'device' says it" : ""
            refuse(node, what, allowed: form, hint: hint)
            return nil
        }
        let whole = InterfaceAddress(address: address, prefixLength: address.family.hostPrefixLength)
        if let reason = Self.reasonNotToServe(whole) {
            add(node.place, "\(what) cannot be \(address): \(reason)")
            return nil
        }
        return (address, node.place)
    }

    /// A network, or the word for all of them in `family`.
    private mutating func network(_ node: Node, _ what: String, all: String, family: AddressFamily, form: String)
        -> InterfaceAddress?
    {
        guard let text = text(node, what, allowed: form) else { return nil }
        if text == all {
            let nothing: IPAddress =
                family == .ipv4 ? .ipv4(IPv4Address(bits: 0)) : .ipv6(IPv6Address(high: 0, low: 0))
            return InterfaceAddress(address: nothing, prefixLength: 0)
        }
        guard let network = InterfaceAddress(text) else {
            refuse(node, what, allowed: form)
            return nil
        }
        if network.network != network {
            add(node.place, "\(what) \(network) has bits behind its prefix; write \(network.network)")
            return nil
        }
        return network
    }

    private mutating func table(_ node: Node) -> UInt32? {
        if case .scalar(let text, _) = node.content, let named = RoutingTable.named.first(where: { $0.name == text }) {
            return named.number
        }
        let names = alternatives(RoutingTable.named.map(\.name))
        return number(
            node, "table", in: 1...UInt32.max, alternative: ", or \(names); other names are those of one host")
    }

    private mutating func number(
        _ node: Node, _ what: String, in range: ClosedRange<UInt32>, alternative: String = ""
    ) -> UInt32? {
        let allowed = "a whole number from \(range.lowerBound) to \(range.upperBound)\(alternative)"
        guard let text = text(node, what, allowed: allowed) else { return nil }
        guard text.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }),
            text == "0" || text.utf8.first != UInt8(ascii: "0"), let value = UInt32(text), range.contains(value)
        else {
            refuse(node, what, allowed: allowed)
            return nil
        }
        return value
    }
}
