// The rules between the keys of a router, between routers, and between routers and checks: exact place and text.

import Configuration
import Election
import Testing
import Wire

/// Two routers; the lines of the second one's keys begin at line 7.
private func twoRouters(_ first: String, _ second: String) -> String {
    func part(_ name: String, _ keys: String) -> String {
        "  \(name):\n" + keys.split(separator: ";").map { "    \($0)\n" }.joined()
    }
    return "virtual-routers:\n" + part("a", first) + part("b", second)
}

struct RouterRuleTests {
    @Test(arguments: [
        Bad(
            router6("version: 2"),
            "f:6:14: version 2 has no IPv6 (RFC 3768); leave 'version' out, or give IPv4 addresses"),
        Bad(
            router("version: 2", "advertisement-interval: 100ms"),
            "f:7:29: advertisement-interval must be a duration from 1s to 255s in whole seconds (version 2 counts seconds;"
                + " version 3 goes down to 10ms), not '100ms'"),
        Bad(
            router("version: 2", "advertisement-interval: 1.5s"),
            "f:7:29: advertisement-interval must be a duration from 1s to 255s in whole seconds (version 2 counts seconds;"
                + " version 3 goes down to 10ms), not '1.5s'"),
        Bad(
            router("password: secret"),
            "f:6:15: password is for version 2; version 3 has no authentication (RFC 9568 section 9), so remove it"),
        Bad(
            router("version: 2", "password: ninechars"), "f:7:15: password must be 1 to 8 printable ASCII characters"),
        Bad(
            router("version: 2", "checksum: message"),
            "f:7:15: checksum is for version 3 over IPv4; version 2 has one form only"),
        Bad(
            router6("checksum: auto"),
            "f:6:15: checksum is for version 3 over IPv4; IPv6 always has the pseudo-header"),
        Bad(
            router("preempt: no", "preempt-delay: 5s"),
            "f:7:20: preempt-delay has no effect with 'preempt: no'; remove one of them"),
        Bad(
            router("priority: owner", "preempt: no"),
            "f:7:14: the owner of the addresses (priority 255) always preempts (RFC 9568 section 6.1)"),
        Bad(
            router("priority: 255", "preempt-delay: 5s"),
            "f:7:20: preempt-delay has no effect on the owner (priority 255), which is master at once"),
        Bad(
            router("accept: no"),
            "f:6:13: 'accept: no' is not supported: a master answers for its addresses here, as services need; leave it"
                + " out"),
        Bad(
            router("strict-first-address: yes"),
            "f:6:27: strict-first-address is for IPv6; this virtual router is IPv4, as its first address is"),
        Bad(
            router("lease: 2s"),
            "f:6:12: lease 2s is shorter than three advertisement intervals (3s), for which peers believe a silent master;"
                + " write at least 3s, or auto"),
        Bad(
            router("advertisement-interval: 1.1s", "lease: 3s"),
            "f:7:12: lease 3s is shorter than three advertisement intervals (3.3s), for which peers believe a silent master;"
                + " write at least 4s, or auto"),
        Bad(
            router("lease: 2.5s"),
            "f:6:12: lease must be a duration from 2s to 1h in whole seconds, or auto or off, not '2.5s'"),
        Bad(
            router("lease: 1s"),
            "f:6:12: lease must be a duration from 2s to 1h in whole seconds, or auto or off, not '1s'"),
        Bad(
            router("lease: 3"),
            "f:6:12: lease must be a duration from 2s to 1h in whole seconds, or auto or off, not '3': write '3s' for"
                + " seconds"),
        Bad(
            router6("announce: {rounds: [0s, 500ms]}"),
            "f:6:29: IPv6 rounds must be at least 1s apart (RFC 4861 section 7.2.6)"),
        Bad(
            router6("announce: {rounds: [0s, 1s, 2s, 3s]}"),
            "f:6:24: at most 3 rounds are allowed for IPv6 (RFC 4861 section 7.2.6), not 4"),
        Bad(
            router("announce: {rounds: [\((0...16).map { "\($0)s" }.joined(separator: ", "))]}"),
            "f:6:24: at most 16 rounds are allowed, not 17"),
    ])
    func keysThatContradictEachOtherAreRefused(_ bad: Bad) { #expect(errors(bad.text) == [bad.error]) }

    @Test(arguments: [
        ("224.0.0.18/24", "224.0.0.18/24 cannot be served: it is a multicast address"),
        ("0.0.0.0", "0.0.0.0/32 cannot be served: it is the unspecified address"),
        ("0.1.2.3", "0.1.2.3/32 cannot be served: 0.0.0.0/8 is 'this network' (RFC 1122)"),
        ("127.0.0.1/8", "127.0.0.1/8 cannot be served: it is a loopback address"),
        ("255.255.255.255", "255.255.255.255/32 cannot be served: it is the broadcast address"),
        ("192.0.2.255/24", "192.0.2.255/24 cannot be served: it is the broadcast address of its network"),
        ("192.0.2.0/24", "192.0.2.0/24 cannot be served: it is the address of the network itself"),
        ("192.0.2.1/0", "192.0.2.1/0 cannot be served: prefix 0 would make every address of the world a neighbour"),
        ("\"ff02::12\"", "ff02::12/128 cannot be served: it is a multicast address"),
        ("\"::\"", "::/128 cannot be served: it is the unspecified address"),
        ("\"::1\"", "::1/128 cannot be served: it is the loopback address"),
        ("\"::ffff:192.0.2.1\"", "::ffff:c000:201/128 cannot be served: it is an IPv4 address in IPv6 form"),
        (
            "\"2001:db8::/64\"",
            "2001:db8::/64 cannot be served: it is the address of the network itself (the anycast address of its routers)"
        ),
        (
            "192.0.2.1/33",
            "an address must be ADDRESS or ADDRESS/PREFIX, not '192.0.2.1/33'; a prefix of IPv4 is 1 to 32"
        ),
        (
            "\"2001:db8::1/129\"",
            "an address must be ADDRESS or ADDRESS/PREFIX, not '2001:db8::1/129'; a prefix of IPv6 is 1 to 128"
        ),
        (
            "\"fe80::1%eth0\"",
            "an address must be ADDRESS or ADDRESS/PREFIX, not 'fe80::1%eth0'; leave the zone out, 'interface' says it"
        ),
        ("192.0.2", "an address must be ADDRESS or ADDRESS/PREFIX, not '192.0.2'"),
        (
            "2001:db8::",
            "an address must be ADDRESS or ADDRESS/PREFIX, not a mapping; quote an address that ends in ':'"
        ),
    ])
    func anAddressThatCannotBeServedIsRefused(_ address: String, _ error: String) {
        let text = bare("interface: eth0", "vrid: 1", "addresses:", "  - \(address)")
        #expect(errors(text) == ["f:6:9: \(error)"])
    }

    @Test(arguments: [
        "192.0.2.255/31", "192.0.2.0/31", "192.0.2.0", "192.0.2.255", "11.0.0.0/7", "169.254.1.1/16",
        "\"2001:db8::/127\"",
        "\"2001:db8::\"", "\"2001:db8:0:0:1::/64\"", "\"fe80::1/64\"",
    ])
    func anAddressAtTheEdgeIsServed(_ address: String) {
        #expect(errors(bare("interface: eth0", "vrid: 1", "addresses: [\(address)]")) == [])
    }

    @Test func oneListHasOneFamilyAndNoAddressTwice() {
        let text = bare(
            "interface: eth0", "vrid: 1", "addresses:", "  - 192.0.2.1/24", "  - \"2001:db8::1\"", "  - 192.0.2.1")
        #expect(
            errors(text) == [
                "f:7:9: 2001:db8::1/128 is not IPv4, as the first address is; to let it follow this election write {address:"
                    + " \"2001:db8::1/128\", advertise: no}, or make a second virtual router, for an election of its own",
                "f:8:9: address 192.0.2.1 is already on line 6",
            ])
    }

    @Test(arguments: [
        (
            4, 255, 0,
            "256 addresses do not fit into one advert: an advert counts up to 255; leave the others out of it, as {address:"
                + " ADDRESS, advertise: no}, or make a second virtual router"
        ),
        (
            6, 89, 1,
            "91 addresses, the link-local one included do not fit into one advert: an advert of 1500 octets holds 90 IPv6"
                + " addresses; leave the others out of it, as {address: ADDRESS, advertise: no}, or make a second virtual router"
        ),
    ])
    func moreAddressesThanAnAdvertHoldsAreRefused(_ family: Int, _ most: Int, _ added: Int, _ error: String) throws {
        func text(_ count: Int) -> String {
            let list = (1...count).map { family == 4 ? "10.0.\($0 / 256).\($0 % 256)" : "\"2001:db8::\($0)\"" }
            return bare("interface: eth0", "vrid: 1", "addresses: [\(list.joined(separator: ", "))]")
        }
        #expect(try onlyRouter(text(most)).election.addresses.count == most + added)
        #expect(errors(text(most + 1)) == ["f:5:5: \(error)"])
    }

    @Test func anIPv6RouterGetsItsLinkLocalAddressFirst() throws {
        func addresses(_ text: String) throws -> [String] {
            try onlyRouter(text).election.addresses.map(\.description)
        }
        #expect(try addresses(router6()) == ["fe80::5e:33/128", "2001:db8::10/64"])
        #expect(try addresses(router6("link-local: \"fe80::7/64\"")) == ["fe80::7/64", "2001:db8::10/64"])
        #expect(try addresses(router6("link-local: no")) == ["2001:db8::10/64"])
        let listed = bare("interface: eth0", "vrid: 1", "addresses: [\"2001:db8::1\", \"fe80::9\", \"2001:db8::2\"]")
        #expect(try addresses(listed) == ["fe80::9/128", "2001:db8::1/128", "2001:db8::2/128"])
        #expect(
            try addresses(listed + "    link-local: no\n") == ["2001:db8::1/128", "fe80::9/128", "2001:db8::2/128"])
        #expect(try addresses(router()) == ["192.0.2.10/24"])
    }

    @Test(arguments: [
        Bad(
            router("link-local: no"),
            "f:6:17: link-local is for IPv6; this virtual router is IPv4, as its first address is"),
        Bad(
            router6("link-local: \"2001:db8::1\""),
            "f:6:17: link-local must be an IPv6 link-local address (fe80::/10) or no, not '2001:db8::1'"),
        Bad(
            bare("interface: eth0", "vrid: 1", "addresses: [\"fe80::9\"]", "link-local: \"fe80::8\""),
            "f:6:17: 'addresses' has the link-local address fe80::9/128 on line 5; give one of them"),
    ])
    func aLinkLocalAddressThatDoesNotFitIsRefused(_ bad: Bad) { #expect(errors(bad.text) == [bad.error]) }

    @Test func oneElectionBelongsToOneRouter() {
        #expect(
            errors(
                twoRouters(
                    "interface: eth0;vrid: 1;addresses: [192.0.2.1]", "interface: eth0;vrid: 1;addresses: [192.0.2.2]"))
                == [
                    "f:6:3: virtual router 'b' has the same vrid 1, interface eth0 and family as 'a' on line 2"
                ])
        for other in [
            "interface: eth1;vrid: 1;addresses: [192.0.2.2]", "interface: eth0;vrid: 2;addresses: [192.0.2.2]",
            "interface: eth0;vrid: 1;addresses: [\"2001:db8::2\"]",
        ] { #expect(errors(twoRouters("interface: eth0;vrid: 1;addresses: [192.0.2.1]", other)) == []) }
    }

    @Test func oneAddressBelongsToOneRouter() {
        #expect(
            errors(
                twoRouters(
                    "interface: eth0;vrid: 1;addresses: [192.0.2.1/24]",
                    "interface: eth1;vrid: 2;addresses: [192.0.2.9, 192.0.2.1]"))
                == ["f:9:28: address 192.0.2.1 already belongs to virtual router 'a', line 5"])
        // Link-local addresses belong to their interface.
        let first = "interface: eth0;vrid: 1;addresses: [\"fe80::5\"]"
        #expect(errors(twoRouters(first, "interface: eth1;vrid: 1;addresses: [\"fe80::5\"]")) == [])
        #expect(
            errors(twoRouters(first, "interface: eth0;vrid: 2;addresses: [\"fe80::5\"]")) == [
                "f:9:17: address fe80::5 already belongs to virtual router 'a', line 5"
            ])
        // The one that was added counts too: vrid 5 makes fe80::5e:5.
        #expect(
            errors(
                twoRouters(
                    "interface: eth0;vrid: 1;addresses: [\"fe80::5e:5\"]",
                    "interface: eth0;vrid: 5;addresses: [\"2001:db8::1\"]"))
                == ["f:9:5: address fe80::5e:5 already belongs to virtual router 'a', line 5"])
    }

    @Test func anUnknownCheckNamesTheNearest() {
        let text = "checks:\n  witness: {command: [/x]}\n  role: {command: [/x]}\n"
        #expect(
            errors(text + router("checks: [rol, witness]")) == [
                "f:9:14: unknown check 'rol'; did you mean 'role'? known: witness, role"
            ])
        #expect(errors(router("checks: [zebra]")) == ["f:6:14: unknown check 'zebra'; there are no checks"])
        #expect(
            errors(text + router("checks: [role, witness, role]")) == ["f:9:29: check 'role' is already on line 9"])
    }

    @Test func aCheckThatNobodyNamesIsRefused() {
        #expect(
            errors("checks:\n  c: {command: [/x]}\n" + router()) == [
                "f:2:3: check 'c' has no effect: no virtual router names it in 'checks'"
            ])
    }
}

struct WeightTests {
    private func errors(weight: String, _ keys: String...) -> [String] {
        let text = "checks:\n  c: {command: [/x]}\n"
        return ConfigurationTests.errors(
            text + router((["checks: [{check: c, on-failure: \(weight)}]"] + keys).joined(separator: "\n    ")))
    }

    @Test func aWeightThatCannotChangeTheOrderIsRefusedWithItsReason() {
        #expect(errors(weight: "weight 0") == ["f:8:37: weight 0 changes nothing; a weight is -253 to -1"])
        #expect(
            errors(weight: "weight 10") == [
                "f:8:37: a weight is -253 to -1, not 10: a failed check lowers the priority by it, nothing ever raises it"
            ])
        #expect(
            errors(weight: "weight -254") == [
                "f:8:37: on-failure must be fault, 'weight -N' (N from 1 to 253) or last-resort, not 'weight -254'"
            ])
        let subject = "f:8:37: weight -5 of check 'c' cannot change the order: "
        #expect(
            errors(weight: "weight -5", "preempt: no") == [
                subject + "with 'preempt: no' nobody takes over from a master whose priority falls; use fault"
            ])
        #expect(
            errors(weight: "weight -5", "priority: 1") == [
                subject + "priority 1 is the lowest already; use fault, or a higher priority"
            ])
        #expect(
            errors(weight: "weight -5", "priority: owner") == [
                subject + "the owner's priority stays 255 (RFC 9568 section 5.2.4); use fault"
            ])
        #expect(errors(weight: "weight -5") == [])
        #expect(errors(weight: "fault", "preempt: no") == [])
        #expect(errors(weight: "last-resort", "preempt: no") == [])
    }

    @Test func theEffectOfTheCheckCountsWhereTheRouterNamesNone() throws {
        let text = "checks:\n  c: {command: [/x], on-failure: weight -7}\n"
        #expect(
            ConfigurationTests.errors(text + router("checks: [c]", "preempt: no")) == [
                "f:8:14: weight -7 of check 'c' cannot change the order: with 'preempt: no' nobody takes over from a master"
                    + " whose priority falls; use fault"
            ])
        #expect(try onlyRouter(text + router("checks: [c]")).checks == [RouterCheck(name: "c", effect: .weight(-7))])
        #expect(
            try onlyRouter(text + router("checks: [{check: c, on-failure: fault}]", "preempt: no")).checks
                == [RouterCheck(name: "c", effect: .fault)])
    }
}
