// Routes and rules as they are written, and networks.

import Testing

@testable import Wire

private func network(_ text: String) throws -> InterfaceAddress { try #require(InterfaceAddress(text)) }
private func address(_ text: String) throws -> IPAddress { try #require(IPAddress(text)) }

struct RoutingTests {
    @Test func `a route and a rule are written as ip writes them`() throws {
        let plain = Route(
            destination: try network("0.0.0.0/0"), gateway: try address("192.0.2.254"), device: "eth0",
            source: try address("192.0.2.10"))
        #expect(plain.scope == .global && plain.metric == 0 && plain.table == 254)
        #expect("\(RoutingEntry.route(plain))" == "route default via 192.0.2.254 dev eth0 src 192.0.2.10")
        let special = Route(
            destination: try network("198.51.100.0/24"), device: "eth1", table: 100, metric: 5, scope: .host,
            isOnLink: true)
        #expect("\(special)" == "198.51.100.0/24 dev eth1 table 100 metric 5 scope host onlink")
        let direct = Route(destination: try network("198.51.100.7/32"), device: "eth1")
        #expect(direct.scope == .link && "\(direct)" == "198.51.100.7 dev eth1")
        let six = Route(destination: try network("::/0"), gateway: try address("fe80::1"), device: "eth0", table: 253)
        #expect(six.metric == 1024 && six.scope == .global)
        #expect("\(RoutingEntry.route(six))" == "IPv6 route default via fe80::1 dev eth0 table default")
        let rule = PolicyRule(family: .ipv4, priority: 1000, from: try network("192.0.2.10/32"), to: nil, table: 100)
        #expect("\(RoutingEntry.rule(rule))" == "rule 1000: from 192.0.2.10 lookup 100")
        let to = PolicyRule(family: .ipv6, priority: 7, from: nil, to: try network("2001:db8::/32"), table: 254)
        #expect("\(RoutingEntry.rule(to))" == "IPv6 rule 7: from all to 2001:db8::/32 lookup main")
    }

    @Test(arguments: [
        ("192.0.2.77/24", "192.0.2.0/24"), ("192.0.2.77/32", "192.0.2.77/32"), ("192.0.2.77/0", "0.0.0.0/0"),
        ("192.0.2.77/1", "128.0.0.0/1"), ("2001:db8::ff/64", "2001:db8::/64"), ("2001:db8::ff/124", "2001:db8::f0/124"),
        ("2001:db8::ff/128", "2001:db8::ff/128"), ("2001:db8::ff/0", "::/0"),
        ("2001:db8:ffff::1/33", "2001:db8:8000::/33"),
    ])
    func `a network has no bits behind its prefix`(_ written: String, _ expected: String) throws {
        #expect(try network(written).network == network(expected))
    }
}
