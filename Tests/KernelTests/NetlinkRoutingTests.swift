// Routes and rules: how messages are read, what is asked for against the real kernel, what others own, and what the monitor lets through.

import Glibc
import Kernel
import Namespaces
import Testing
import Wire

private func network(_ text: String) throws -> InterfaceAddress { try #require(InterfaceAddress(text)) }
private func address(_ text: String) throws -> IPAddress { try #require(IPAddress(text)) }

private func route(
    _ destination: String, via: String? = nil, source: String? = nil, table: UInt32 = 254, metric: UInt32? = nil
)
    throws -> Route
{
    Route(
        destination: try network(destination), gateway: try via.map(address), device: "va",
        source: try source.map(address),
        table: table, metric: metric)
}

/// The states that `body` is about, and one more that is not ours.
private func states(_ route: Route, _ requests: borrowing NetlinkRequests) throws -> [RouteState] {
    try requests.routes(route.family, table: route.table, onlyOurs: false).filter { $0.key == route.key }
}

/// Events that arrive within a while, until nothing comes any more.
private func events(of monitor: borrowing NetlinkMonitor) throws -> [KernelEvent] {
    var all: [KernelEvent] = []
    while isReadable(monitor.number, within: 200) { try monitor.receive(into: &all) }
    return all
}

private func isRemoval(_ event: KernelEvent, of route: Route) -> Bool {
    if case .routeRemoved(let state, let port) = event { state.key == route.key && port != 0 } else { false }
}

@Suite(.enabled(if: canMakeNamespaces))
struct NetlinkRoutingTests {
    @Test(
        "A route with our tag is found as it was asked for, and removed alone",
        arguments: [
            ("0.0.0.0/0", "10.9.0.7", "10.9.0.1", 254 as UInt32, nil as UInt32?),
            ("198.51.100.0/24", "10.9.0.7", nil, 100, 5),
            ("198.51.100.7/32", nil, nil, 4_294_967_290, nil), ("::/0", "fd09::7", "fd09::1", 254, 10),
            ("2001:db8:1::/64", "fe80::7", nil, 300, nil), ("2001:db8:1::9/128", nil, nil, 254, nil),
        ] as [(String, String?, String?, UInt32, UInt32?)])
    func routes(_ destination: String, via: String?, source: String?, table: UInt32, metric: UInt32?) async throws {
        try await withTwoHosts { _ in
            try sh("ip -6 address add fd09::1/64 dev va nodad")
            let wanted = try route(destination, via: via, source: source, table: table, metric: metric)
            let index = try index(of: "va")
            let requests = try NetlinkRequests()
            #expect(try states(wanted, requests) == [])
            try requests.add(.route(wanted), index: index)
            let found = try #require(try states(wanted, requests).first)
            #expect(found.suits(wanted, index: index) && found.isOurs)
            #expect(!found.suits(wanted, index: index + 1))
            #expect(found.route(device: "va") == wanted)
            let all = try requests.routes(wanted.family, onlyOurs: true)
            #expect(all == [found], "nothing else is ours, in no table")
            let refused = refusal { () throws(KernelError) in try requests.add(.route(wanted), index: index) }
            #expect(refused?.code == EEXIST && refused?.call == "RTM_NEWROUTE")
            try requests.remove(.route(wanted), index: index)
            #expect(try states(wanted, requests) == [])
            try requests.remove(.route(wanted), index: index)  // Gone already: fine.
        }
    }

    @Test("What others have put there stays, and is told apart", arguments: AddressFamily.allCases)
    func others(_ family: AddressFamily) async throws {
        try await withTwoHosts { _ in
            try sh("ip -6 address add fd09::1/64 dev va nodad")
            let wanted =
                family == .ipv4
                ? try route("198.51.100.0/24", via: "10.9.0.7") : try route("2001:db8:1::/64", via: "fd09::7")
            let index = try index(of: "va")
            let requests = try NetlinkRequests()
            let gateway = wanted.gateway.map { "\($0)" } ?? ""
            try sh("ip route add \(wanted.destination) via \(gateway) dev va")
            let theirs = try #require(try states(wanted, requests).first)
            #expect(theirs.suits(wanted, index: index) && !theirs.isOurs)
            #expect(try requests.routes(family, onlyOurs: true) == [])
            try requests.remove(.route(wanted), index: index)
            #expect(try states(wanted, requests) == [theirs], "it does not carry our tag")
            try sh("ip route del \(wanted.destination)")
            try sh("ip route add blackhole \(wanted.destination) proto 112 \(family == .ipv6 ? "metric 1024" : "")")
            let hole = try #require(try states(wanted, requests).first)
            #expect(!hole.suits(wanted, index: index) && !hole.isPlain)
        }
    }

    @Test("Several ways are not one, whoever put them there")
    func several() async throws {
        try await withTwoHosts { _ in
            try sh("ip -6 address add fd09::1/64 dev va nodad")
            let wanted = try route("2001:db8:1::/64", via: "fd09::7")
            let index = try index(of: "va")
            let requests = try NetlinkRequests()
            try requests.add(.route(wanted), index: index)
            try sh("ip -6 route append 2001:db8:1::/64 via fd09::8 dev va")
            let found = try states(wanted, requests)
            #expect(!found.contains { $0.suits(wanted, index: index) })
            try requests.remove(.route(wanted), index: index)
            #expect(try sh("ip -6 route show 2001:db8:1::/64").contains("via fd09::8"))
            #expect(try !sh("ip -6 route show 2001:db8:1::/64").contains("via fd09::7"))
        }
    }

    @Test("A rule is found as it was asked for, and one of somebody else stays", arguments: AddressFamily.allCases)
    func rules(_ family: AddressFamily) async throws {
        try await withTwoHosts { _ in
            let requests = try NetlinkRequests()
            let from = try network(family == .ipv4 ? "10.9.0.1/32" : "fd09::1/128")
            let to = try network(family == .ipv4 ? "10.7.0.0/16" : "fd07::/16")
            for wanted in [
                PolicyRule(family: family, priority: 1000, from: from, to: nil, table: 100),
                PolicyRule(family: family, priority: 1001, from: nil, to: to, table: 254),
                PolicyRule(family: family, priority: 1002, from: from, to: to, table: 70_000),
                PolicyRule(family: family, priority: 4_294_967_295, from: nil, to: nil, table: 100),
            ] {
                try requests.add(.rule(wanted), index: 0)
                let found = try requests.rules(family).filter { $0.isOurs }
                #expect(found == [RuleState(wanted)])
                let refused = refusal { () throws(KernelError) in try requests.add(.rule(wanted), index: 0) }
                #expect(refused?.code == EEXIST)
                try requests.remove(.rule(wanted), index: 0)
                #expect(try requests.rules(family).filter { $0.isOurs } == [])
                try requests.remove(.rule(wanted), index: 0)
            }
            let rule = PolicyRule(family: family, priority: 1000, from: from, to: nil, table: 100)
            let ip = family == .ipv4 ? "ip" : "ip -6"
            try sh("\(ip) rule add from \(from) lookup 100 priority 1000")
            try sh("\(ip) rule add from \(from) fwmark 7 lookup 100 priority 1000 protocol 112")
            let found = try requests.rules(family).filter { $0.rule == rule }
            let (plain, marked) = (found.filter { $0.suits(rule) }, found.filter { !$0.isPlain })
            #expect(plain.count == 1 && marked.count == 1 && !plain[0].isOurs)
            try requests.remove(.rule(rule), index: 0)
            #expect(try requests.rules(family).contains { $0.suits(rule) && !$0.isOurs })
        }
    }

    @Test("The monitor lets through what may concern routes of its prefix lengths, and nothing that was asked for here")
    func monitor() async throws {
        try await withTwoHosts { _ in
            let requests = try NetlinkRequests()
            let index = try index(of: "va")
            let monitor = try NetlinkMonitor(routesOf: [0, 24], ownPort: requests.port)
            let wanted = try route("198.51.100.0/24", via: "10.9.0.7")
            try requests.add(.route(wanted), index: index)
            try requests.remove(.route(wanted), index: index)
            let rule = PolicyRule(family: .ipv4, priority: 1000, from: wanted.destination, to: nil, table: 100)
            try requests.add(.rule(rule), index: 0)
            try sh("ip route add 203.0.113.0/24 via 10.9.0.7")
            try sh("ip route add 203.0.113.0/25 via 10.9.0.7")
            try sh("ip route del 203.0.113.0/25")
            try sh("ip rule add from 10.9.0.1 lookup 7 priority 8")
            #expect(try events(of: monitor) == [])
            try requests.add(.route(wanted), index: index)
            try sh("ip route del 198.51.100.0/24")
            let removed = try events(of: monitor)
            #expect(removed.count == 1 && isRemoval(removed[0], of: wanted))
            try requests.add(.route(wanted), index: index)
            try sh("ip route replace 198.51.100.0/24 via 10.9.0.8")
            let replaced = try events(of: monitor)
            #expect(replaced.count == 1)
            if case .route(let state)? = replaced.first { #expect(state.key == wanted.key && !state.isOurs) }
            try sh("ip rule del priority 1000")
            let gone = try events(of: monitor)
            #expect(gone.count == 1)
            if case .ruleRemoved(let state, let port)? = gone.first {
                #expect(state.suits(rule) && state.isOurs && port != 0)
            }
            // The IPv6 groups are heard, too, and other lengths from now on.
            try monitor.hear(routesOf: [64], ownPort: requests.port)
            try sh("ip -6 route add 2001:db8:1::/64 dev va")
            try sh("ip -6 route del 2001:db8:1::/64 dev va")
            try sh("ip -6 rule add from fd09::1 lookup 7 priority 8")
            try sh("ip -6 rule del priority 8")
            try sh("ip route del 198.51.100.0/24")
            let six = try events(of: monitor)
            #expect(six.count == 2)
        }
    }
}
