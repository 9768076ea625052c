// `routes` and `rules`: what they mean, what is filled in, and what is refused.

import Configuration
import Election
import Testing
import Wire

private func election(_ lines: String...) throws -> VirtualRouterConfiguration {
    try onlyRouter(router(lines.joined(separator: "\n    "))).election
}

private func texts(_ lines: String...) throws -> [String] {
    try onlyRouter(router(lines.joined(separator: "\n    "))).election.routing.map(\.description)
}

struct RouteTests {
    @Test func whatIsNotSaidIsFilledIn() throws {
        #expect(
            try texts("routes: [{destination: default, via: 192.0.2.254}, {destination: 198.51.100.0/24}]") == [
                "route default via 192.0.2.254 dev eth0", "route 198.51.100.0/24 dev eth0",
            ])
        let routing = try election("routes: [{destination: default, via: 192.0.2.254}]").routing
        guard case .route(let route)? = routing.first else {
            Issue.record("no route")
            return
        }
        #expect(route.table == 254 && route.metric == 0 && route.scope == .global && !route.isOnLink)
        #expect(route.device == "eth0" && route.source == nil)
    }

    @Test func everythingCanBeSaidAndTheRulesComeLast() throws {
        #expect(
            try texts(
                "rules: [{priority: 1000, from: 192.0.2.10, table: 100}, {priority: 5, from: all, to: 10.0.0.0/8, table: main}]",
                "routes:",
                "  - {destination: 10.0.0.0/8, via: 203.0.113.1, device: eth1, source: 192.0.2.10, table: 100, metric: 7, on-link: yes}",
                "  - {destination: 10.9.0.0/16, scope: host, table: default}",
                "  - {destination: default, via: \"2001:db8::254\", table: 4294967295, metric: 4294967295}"
            ) == [
                "route 10.0.0.0/8 via 203.0.113.1 dev eth1 src 192.0.2.10 table 100 metric 7 onlink",
                "route 10.9.0.0/16 dev eth0 table default scope host",
                "IPv6 route default via 2001:db8::254 dev eth0 table 4294967295 metric 4294967295",
                "rule 1000: from 192.0.2.10 lookup 100", "rule 5: from all to 10.0.0.0/8 lookup main",
            ])
    }

    @Test func theFamilyOfDefaultIsThatOfTheGatewayThenOfTheSourceThenOfTheRouter() throws {
        func family(_ text: String) throws -> AddressFamily? { try onlyRouter(text).election.routing.first?.family }
        #expect(try family(router("routes: [{destination: default, via: \"fe80::1\"}]")) == .ipv6)
        #expect(try family(router6("routes: [{destination: default, source: 192.0.2.9}]")) == .ipv4)
        #expect(try family(router6("routes: [{destination: default}]")) == .ipv6)
        #expect(try family(router6("rules: [{priority: 1, from: all, table: 9}]")) == .ipv6)
        #expect(try family(router6("rules: [{priority: 1, from: all, to: 192.0.2.0/24, table: 9}]")) == .ipv4)
    }

    @Test(arguments: [
        ("routes: []", "f:6:13: routes must be a list of routes, not an empty list"),
        (
            "routes: [{via: 192.0.2.1}]",
            "f:6:14: a route has no 'destination' (default or a network as 198.51.100.0/24)"
        ),
        (
            "routes: [{destination: default, gateway: 192.0.2.1}]",
            "f:6:37: unknown key 'gateway'; did you mean 'via'? allowed in a route: destination, via, device, source,"
                + " table, metric, scope, on-link"
        ),
        (
            "routes: [{destination: 198.51.100.7/24}]",
            "f:6:28: destination 198.51.100.7/24 has bits behind its prefix; write 198.51.100.0/24"
        ),
        (
            "routes: [{destination: 0.0.0.0/33}]",
            "f:6:28: destination must be default or a network as 198.51.100.0/24, not '0.0.0.0/33'"
        ),
        (
            "routes: [{destination: 198.51.100.0/24, via: \"2001:db8::1\"}]",
            "f:6:50: via 2001:db8::1 is not IPv4, as the destination is"
        ),
        (
            "routes: [{destination: \"2001:db8:1::/64\", source: 192.0.2.10}]",
            "f:6:55: source 192.0.2.10 is not IPv6, as the destination is"
        ),
        (
            "routes: [{destination: default, via: 192.0.2.10}]",
            "f:6:42: via 192.0.2.10 is a virtual address of this router, which cannot be its own gateway"
        ),
        (
            "routes: [{destination: default, via: 192.0.2.1/24}]",
            "f:6:42: via must be an IP address without a prefix, not '192.0.2.1/24'"
        ),
        (
            "routes: [{destination: default, via: 224.0.0.1}]",
            "f:6:42: via cannot be 224.0.0.1: it is a multicast address"
        ),
        (
            "routes: [{destination: default, via: \"fe80::1%eth0\"}]",
            "f:6:42: via must be an IP address without a prefix, not 'fe80::1%eth0'; leave the zone out, 'device' says it"
        ),
        (
            "routes: [{destination: default, on-link: yes}]",
            "f:6:46: on-link is about a gateway; give 'via', or leave it out"
        ),
        (
            "routes: [{destination: default, via: 192.0.2.1, scope: link}]",
            "f:6:60: a route via a gateway has the scope global; leave scope out"
        ),
        (
            "routes: [{destination: \"2001:db8:1::/64\", scope: link}]",
            "f:6:54: scope is for IPv4; IPv6 routes have none"
        ),
        (
            "routes: [{destination: default, table: 0}]",
            "f:6:44: table must be a whole number from 1 to 4294967295, or main, local or default; other names are those of"
                + " one host, not '0'"
        ),
        (
            "routes: [{destination: default, metric: 4294967296}]",
            "f:6:45: metric must be a whole number from 0 to 4294967295, not '4294967296'"
        ),
        (
            "routes: [{destination: \"::/0\", metric: 0}]",
            "f:6:44: metric must be a whole number from 1 to 4294967295, not '0'"
        ),
        (
            "routes: [{destination: default, via: 192.0.2.1}, {destination: 0.0.0.0/0, via: 192.0.2.2}]",
            "f:6:54: a table holds one route to default with metric 0 (table main), and there is one on line 6"
        ),
        (
            "rules: [{from: 192.0.2.10, table: 9}]",
            "f:6:13: a rule has no 'priority' (a whole number, the least comes first; main is looked up at 32766)"
        ),
        ("rules: [{priority: 9, from: all}]", "f:6:13: a rule has no 'table' (the table that is looked up)"),
        (
            "rules: [{priority: 9, table: 9}]",
            "f:6:13: a rule needs 'from' or 'to'; 'from: all' is for every packet of the host"
        ),
        (
            "rules: [{priority: 0, from: all, table: 9}]",
            "f:6:24: priority must be a whole number from 1 to 4294967295, not '0'"
        ),
        (
            "rules: [{priority: 9, from: 192.0.2.10, to: \"2001:db8::/32\", table: 9}]",
            "f:6:49: to 2001:db8::/32 is of the other family than the rest of the rule"
        ),
        (
            "rules: [{priority: 9, from: 192.0.2.10, table: 9}, {priority: 9, from: 192.0.2.10/32, table: 9}]",
            "f:6:56: the same rule is already on line 6"
        ),
    ])
    func whatIsWrongIsNamed(_ line: String, _ expected: String) {
        #expect(errors(router(line)) == [expected])
    }

    @Test func thereAreLimits() {
        let routes = (0...256).map { "{destination: 10.\($0 / 256).\($0 % 256).0/24}" }.joined(separator: ", ")
        #expect(errors(router("routes: [\(routes)]")) == ["f:6:13: at most 256 routes are allowed, not 257"])
        let rules = (1...65).map { "{priority: \($0), from: all, table: 9}" }.joined(separator: ", ")
        #expect(errors(router("rules: [\(rules)]")) == ["f:6:12: at most 64 rules are allowed, not 65"])
    }

    @Test func aSourceThatIsNotTheRoutersIsAWarning() throws {
        let text = router("routes: [{destination: default, via: 192.0.2.254, source: 192.0.2.77}]")
        let configuration = try parseConfiguration(text, file: "f")
        #expect(
            configuration.warnings.map(\.description) == [
                "f:6:63: warning: source 192.0.2.77 is no address of this virtual router; the kernel refuses the route, and this"
                    + " host does not become master, unless the host has it otherwise"
            ])
        #expect(configuration.routers[0].election.routing[0].source == IPAddress("192.0.2.77"))
        let own = router("routes: [{destination: default, via: 192.0.2.254, source: 192.0.2.10}]")
        #expect(try parseConfiguration(own, file: "f").warnings.isEmpty)
    }

    @Test func twoRoutersCannotHaveTheSame() {
        let second =
            "  s:\n    interface: eth1\n    vrid: 52\n    addresses: [192.0.2.20]\n"
            + "    routes: [{destination: default, via: 192.0.2.253}]\n    rules: [{priority: 9, from: all, table: 9}]\n"
        let first = router(
            "routes: [{destination: default, via: 192.0.2.254}]", "rules: [{priority: 9, from: all, table: 9}]")
        #expect(
            errors(first + second) == [
                "f:12:14: a route to default with metric 0 (table main) already belongs to virtual router 'r', line 6; both may"
                    + " be master here at once, so give it another table, metric or priority",
                "f:13:13: this rule already belongs to virtual router 'r', line 7; both may be master here at once, so give it"
                    + " another table, metric or priority",
            ])
    }

    @Test func wordsOfOtherAgentsAreTranslated() {
        #expect(errors(router("virtual_routes: [x]"))[0].contains("did you mean 'routes'?"))
        #expect(errors(router("virtual_rules: [x]"))[0].contains("did you mean 'rules'?"))
    }
}
