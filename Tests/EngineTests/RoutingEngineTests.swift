// What an engine process does about routes and rules against the real kernel: with claims and releases, when others change them, at its start, and
// from one engine to the next.

import Election
import Kernel
import Messages
import Namespaces
import System
import Testing
import Wire

private func network(_ text: String) -> InterfaceAddress {
    InterfaceAddress(text) ?? InterfaceAddress(address: .ipv4(IPv4Address(bits: 0)), prefixLength: 0)
}

/// A router with a default route that prefers its address, one in another table, and the rule that leads there.
private func routed(_ family: AddressFamily, _ count: Int = 0) -> VirtualRouterConfiguration {
    var wanted = configuration(family)
    let (gateway, anywhere, far) =
        family == .ipv4
        ? (IPAddress("10.9.0.2"), network("0.0.0.0/0"), network("198.51.100.0/24"))
        : (IPAddress("fe80::2"), network("::/0"), network("2001:db8:1::/64"))
    let source = wanted.addresses[0]
    wanted.routing = [
        .route(Route(destination: anywhere, gateway: gateway, device: "va", source: source.address, metric: 10)),
        .route(Route(destination: far, gateway: gateway, device: "va", table: 100)),
    ]
    wanted.routing += (0..<count).map { number in
        .route(
            Route(
                destination: network("10.\(20 + number / 256).\(number % 256).0/24"), gateway: IPAddress("10.9.0.2"),
                device: "va"))
    }
    wanted.routing.append(.rule(PolicyRule(family: family, priority: 1000, from: source, to: nil, table: 100)))
    return wanted
}

/// Those of `entries` that the kernel has, with our tag.
private func present(_ entries: [RoutingEntry]) throws -> [RoutingEntry] {
    let requests = try NetlinkRequests()
    let index = try requests.links().first { $0.name == "va" }?.index ?? 0
    return try entries.filter { entry in
        switch entry {
        case .route(let route):
            try requests.routes(route.family, table: route.table, onlyOurs: true).contains {
                $0.suits(route, index: index)
            }
        case .rule(let rule): try requests.rules(rule.family).contains { $0.suits(rule) && $0.isOurs }
        }
    }
}

private func hasAll(_ wanted: VirtualRouterConfiguration) throws -> Bool {
    try present(wanted.routing) == wanted.routing
}

private func hasNone() throws -> Bool {
    let requests = try NetlinkRequests()
    for family in AddressFamily.allCases {
        guard try requests.routes(family, onlyOurs: true).isEmpty else { return false }
        guard try !requests.rules(family).contains(where: \.isOurs) else { return false }
    }
    return true
}

private func notices(_ engine: EngineProcess) -> [Notice] {
    engine.reports.compactMap { if case .notice(let notice) = $0 { notice } else { nil } }
}

@Suite(.enabled(if: canMakeNamespaces), .serialized)
struct RoutingEngineTests {
    @Test(arguments: AddressFamily.allCases)
    func `a master has them when it says so, and a stop takes all of them off`(_ family: AddressFamily) async throws {
        try await withTwoHosts { hosts in
            let wanted = routed(family)
            let engine = try master(wanted)
            #expect(try hasAll(wanted))
            #expect(engine.hears { if case .snapshot(let it) = $0 { it.routing == wanted.routing } else { false } })
            engine.tell(.stop)
            #expect(engine.waitForExit() != nil)
            #expect(try hasNone())
        }
    }

    @Test(arguments: AddressFamily.allCases)
    func `promise 8: what somebody removes or replaces is put back or given up`(_ family: AddressFamily) async throws {
        try await withTwoHosts { hosts in
            let wanted = routed(family)
            let ip = family == .ipv4 ? "ip" : "ip -6"
            let engine = try master(wanted)
            for command in ["route del default metric 10", "route flush table 100", "rule del priority 1000"] {
                try sh("\(ip) \(command)")
                let isBack = try eventually { try hasAll(wanted) }
                #expect(isBack, "\(command)")
            }
            engine.listen()
            #expect(engine.transitions.last?.to == .master)
            let gateway = family == .ipv4 ? "10.9.0.3" : "fe80::3"
            try sh("\(ip) route replace default via \(gateway) dev va metric 10")
            #expect(engine.reaches(.fault))
            guard case .fault(.routing(let failure))? = engine.transitions.last?.cause else {
                Issue.record("\(engine.transitions)")
                return
            }
            #expect(failure.entry == wanted.routing[0] && failure.code == 17)
            #expect(try hasNone())
            #expect(try sh("\(ip) route show default").contains("via \(gateway)"), "it is not ours to remove")
        }
    }

    @Test func `a second way that somebody appends ends a mastership, and stays when ours goes`() async throws {
        try await withTwoHosts { hosts in
            let wanted = routed(.ipv6)
            let engine = try master(wanted)
            try sh("ip -6 route append default via fe80::3 dev va metric 10")
            #expect(engine.reaches(.fault))
            let routes = try sh("ip -6 route show default")
            #expect(routes.contains("via fe80::3") && !routes.contains("via fe80::2"))
            #expect(try hasNone())
        }
    }

    @Test func `who removes one for the third time is named`() async throws {
        try await withTwoHosts { hosts in
            let wanted = routed(.ipv4)
            let engine = try master(wanted)
            for _ in 0..<2 {
                try sh("ip rule del priority 1000")
                let isBack = try eventually { try hasAll(wanted) }
                #expect(isBack)
            }
            try sh("ip rule del priority 1000")
            #expect(engine.reaches(.fault))
            guard case .fault(.routingRemoved(wanted.routing[2], by: let process))? = engine.transitions.last?.cause
            else {
                Issue.record("\(engine.transitions)")
                return
            }
            #expect(process.contains("process "))
            #expect(try hasNone())
        }
    }

    @Test func `the next engine goes on with them, and takes off what is no more configured`() async throws {
        try await withTwoHosts { hosts in
            let wanted = routed(.ipv4)
            let first = try master(wanted)
            let snapshot = try #require(first.lastSnapshot)
            first.kill()
            #expect(try hasAll(wanted), "nobody took them off")
            var fewer = wanted
            fewer.routing.remove(at: 1)
            let second = try EngineProcess()
            var young = snapshot
            young.lastAdvertSent = Clock.boottime()
            second.tell(.resume(young))
            second.tell(.configure(RouterID(1), fewer, disabled: false))
            second.tell(.commit)
            #expect(second.hears { if case .transition(_, let it) = $0 { it.cause == .resumed } else { false } })
            #expect(second.hears { $0 == .notice(.routingLeftoverRemoved(wanted.routing[1])) })
            #expect(try hasAll(fewer) && !hasAll(wanted))
            let removed = notices(second).filter { if case .routingLeftoverRemoved = $0 { true } else { false } }
            #expect(removed.count == 1)
            try sh("ip route del default metric 10")
            let isBack = try eventually { try hasAll(fewer) }
            #expect(isBack)
        }
    }

    @Test func `an engine that is no master of them removes what is left`() async throws {
        try await withTwoHosts { hosts in
            let wanted = routed(.ipv4)
            let first = try master(wanted)
            first.kill()
            var backup = wanted
            backup.routing = []
            let second = try EngineProcess()
            second.tell(.configure(RouterID(1), backup, disabled: true))
            second.tell(.commit)
            let isClean = try eventually { try hasNone() }
            #expect(isClean)
            #expect(second.hears { if case .notice(.routingLeftoverRemoved) = $0 { true } else { false } })
        }
    }

    @Test func `what somebody else has put there serves, is told, and stays`() async throws {
        try await withTwoHosts { hosts in
            let wanted = routed(.ipv4)
            try sh("ip route add 198.51.100.0/24 via 10.9.0.2 dev va table 100")
            let engine = try master(wanted)
            #expect(engine.hears { $0 == .notice(.routingNotOurs(RouterID(1), wanted.routing[1])) })
            #expect(engine.hears { if case .snapshot(let it) = $0 { it.routing == wanted.routing } else { false } })
            engine.tell(.stop)
            #expect(engine.waitForExit() != nil)
            #expect(try hasNone())
            #expect(try sh("ip route show table 100").contains("198.51.100.0/24 via 10.9.0.2"))
        }
    }

    @Test func `hundreds are put on and taken off in slices, and adverts go on`() async throws {
        try await withTwoHosts { hosts in
            let wanted = routed(.ipv4, 250)
            let engine = try master(wanted)
            #expect(try hasAll(wanted))
            engine.tell(.disable(RouterID(1), true))
            #expect(engine.reaches(.disabled))
            #expect(try hasNone(), "a transition is told when all is off")
        }
    }

    @Test func `an interface that goes away takes routes out of it along, and its rules go, too`() async throws {
        try await withTwoHosts { hosts in
            let wanted = routed(.ipv4)
            let engine = try master(wanted)
            try sh("ip link del va")
            #expect(engine.reaches(.fault))
            #expect(engine.hears { if case .snapshot(let it) = $0 { it.faults == [.interfaceMissing] } else { false } })
            #expect(try hasNone())
        }
    }
}
