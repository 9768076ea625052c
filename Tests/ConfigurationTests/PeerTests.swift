// Unicast, both versions at once, the start delay and the interval limit: what they mean, what is refused, what is warned of.

import Configuration
import Election
import Testing
import Wire

/// Two routers that share interface, VRID and family, with these last lines; those of the second begin at line 11.
private func twins(_ first: String, _ second: String) -> String {
    """
    virtual-routers:
      a:
        interface: eth0
        vrid: 51
        addresses: [192.0.2.10/24]
        \(first)
      b:
        interface: eth0
        vrid: 51
        addresses: [192.0.2.11/24]
        \(second)

    """
}

private func warnings(_ text: String) throws -> [String] {
    try parseConfiguration(text, file: "f").warnings.map(\.description)
}

struct PeerTests {
    @Test func peersAreAddressesOrMappings() throws {
        let election = try onlyRouter(
            router("peers: [192.0.2.3, {address: 198.51.100.3, minimum-ttl: 254}, {address: 192.0.2.4}]")
        ).election
        #expect(
            election.peers == [
                UnicastPeer(.ipv4(IPv4Address(192, 0, 2, 3))),
                UnicastPeer(.ipv4(IPv4Address(198, 51, 100, 3)), minimumHopLimit: 254),
                UnicastPeer(.ipv4(IPv4Address(192, 0, 2, 4))),
            ])
        #expect(election.isUnicast && !election.needsGlobalSource)
        #expect(try !onlyRouter(router()).election.isUnicast)
    }

    @Test func peersOfIPv6AreLinkLocalOrNot() throws {
        let near = try onlyRouter(router6("peers: [\"fe80::3\", \"fe80::4\"]")).election
        #expect(near.peers.count == 2 && !near.needsGlobalSource)
        let far = try onlyRouter(router6("peers: [\"2001:db8::3\"]")).election
        #expect(far.needsGlobalSource)
    }

    @Test(arguments: [
        Bad(
            router("peers: []"), "f:6:12: peers must be a list of addresses of the other hosts, not an empty list"),
        Bad(router("peers:"), "f:6:5: 'peers' has no value; give one or leave the key out"),
        Bad(
            router("peers: 192.0.2.3"),
            "f:6:12: peers must be a list of addresses of the other hosts, not '192.0.2.3': write [ITEM, ITEM] or one"
                + " '- ITEM' a line"),
        Bad(
            router("peers: [192.0.2.3/24]"),
            "f:6:13: a peer must be an IP address without a prefix, or {address, minimum-ttl}, not '192.0.2.3/24'"),
        Bad(
            router6("peers: [\"fe80::3%eth0\"]"),
            "f:6:13: a peer must be an IP address without a prefix, or {address, minimum-ttl}, not 'fe80::3%eth0'; leave the"
                + " zone out, 'interface' says it"),
        Bad(router("peers: [192.0.2.3, 192.0.2.3]"), "f:6:24: peer 192.0.2.3 is already on line 6"),
        Bad(router("peers: [224.0.0.18]"), "f:6:13: 224.0.0.18 cannot be a peer: it is a multicast address"),
        Bad(router("peers: [0.0.0.0]"), "f:6:13: 0.0.0.0 cannot be a peer: it is the unspecified address"),
        Bad(router("peers: [127.0.0.1]"), "f:6:13: 127.0.0.1 cannot be a peer: it is a loopback address"),
        Bad(router6("peers: [\"ff02::12\"]"), "f:6:13: ff02::12 cannot be a peer: it is a multicast address"),
        Bad(
            router("peers: [\"fe80::3\"]"),
            "f:6:13: peer fe80::3 is not IPv4, as this virtual router is by its first address"),
        Bad(
            router6("peers: [\"fe80::3\", \"2001:db8::3\"]"),
            "f:6:24: peer 2001:db8::3 is not link-local, unlike the first one; adverts have one source address, so all"
                + " peers must be link-local, or none"),
        Bad(
            router6("peers: [\"2001:db8::3\", \"fe80::3\"]"),
            "f:6:28: peer fe80::3 is link-local, unlike the first one; adverts have one source address, so all peers"
                + " must be link-local, or none"),
        Bad(
            router("peers: [192.0.2.10]"),
            "f:6:13: peer 192.0.2.10 is a virtual address, of 'r' on line 5; give the address that the host itself has"),
        Bad(
            router("peers: [{minimum-ttl: 3}]"), "f:6:13: a peer has no 'address' (an IP address)"),
        Bad(
            router("peers: [{address: 192.0.2.3, minimum-ttl: 0}]"),
            "f:6:47: minimum-ttl must be a whole number from 1 to 255, not '0'"),
        Bad(
            router("peers: [{address: 192.0.2.3, minimum-ttl: 256}]"),
            "f:6:47: minimum-ttl must be a whole number from 1 to 255, not '256'"),
        Bad(
            router("peers: [{address: 192.0.2.3, ttl: 3}]"),
            "f:6:34: unknown key 'ttl'; allowed in a peer: address, minimum-ttl"),
    ])
    func peersThatCannotBeAreRefused(_ bad: Bad) { #expect(errors(bad.text) == [bad.error]) }

    @Test func thereAreAtMost255Peers() throws {
        func list(_ count: Int) -> String {
            "peers: [" + (1...count).map { "10.0.\($0 / 200).\($0 % 200 + 1)" }.joined(separator: ", ") + "]"
        }
        #expect(try onlyRouter(router(list(255))).election.peers.count == 255)
        #expect(errors(router(list(256))) == ["f:6:12: at most 255 peers are allowed, not 256"])
    }

    @Test func oneVRIDServesDisjointPeersAndOneGroup() {
        #expect(errors(twins("peers: [192.0.2.3]", "peers: [192.0.2.4]")) == [])
        #expect(errors(twins("peers: [192.0.2.3]", "priority: 100")) == [])
        #expect(errors(twins("priority: 100", "peers: [192.0.2.4]")) == [])
        #expect(
            errors(twins("peers: [192.0.2.3, 192.0.2.4]", "peers: [192.0.2.5, 192.0.2.4]")) == [
                "f:11:24: peer 192.0.2.4 is already one of virtual router 'a' on line 6, which has the same vrid 51,"
                    + " interface eth0 and family; its adverts could be for either"
            ])
        #expect(
            errors(twins("priority: 1", "priority: 2")) == [
                "f:7:3: virtual router 'b' has the same vrid 51, interface eth0 and family as 'a' on line 2"
            ])
        // The same peer serves two elections that its VRID tells apart.
        #expect(
            errors(
                twins("peers: [192.0.2.3]", "peers: [192.0.2.3]").replacing(
                    "vrid: 51", with: "vrid: 52", maxReplacements: 1))
                == [])
    }

    @Test func aPeerIsNobodysVirtualAddress() {
        #expect(
            errors(twins("peers: [192.0.2.11]", "priority: 100")) == [
                "f:6:13: peer 192.0.2.11 is a virtual address, of 'b' on line 10; give the address that the host itself has"
            ])
    }
}

struct PatienceTests {
    @Test func theDefaultsAreThoseOfTheReference() throws {
        let election = try onlyRouter(router()).election
        #expect(election.startDelay == .zero && election.intervalLimit == 10)
        let set = try onlyRouter(router("start-delay: 30s", "interval-limit: 4095")).election
        #expect(set.startDelay == .seconds(30) && set.intervalLimit == 4095)
        #expect(try onlyRouter(router("start-delay: 1h", "interval-limit: 1")).election.startDelay == .seconds(3600))
    }

    @Test(arguments: [
        Bad(router("start-delay: 61m"), "f:6:18: start-delay must be a duration from 0s to 1h, not '61m'"),
        Bad(
            router("interval-limit: 0"), "f:6:21: interval-limit must be a whole number from 1 to 4095, not '0'"),
        Bad(
            router("interval-limit: 4096"), "f:6:21: interval-limit must be a whole number from 1 to 4095, not '4096'"),
        Bad(
            router("version: 2", "interval-limit: 5"),
            "f:7:21: interval-limit is for version 3; a router of version 2 drops adverts with another interval, so remove"
                + " it"),
    ])
    func whatIsOutOfRangeIsRefused(_ bad: Bad) { #expect(errors(bad.text) == [bad.error]) }
}

struct BothVersionsTests {
    private static let migration =
        "f:6:14: warning: version both is for the time of a migration (RFC 9568 section 8.4): write 3 when the last router"
        + " of version 2 is gone"

    @Test func bothVersionsAreVersion3WithVersion2BesideIt() throws {
        let election = try onlyRouter(
            router("version: both", "password: oldlab", "checksum: message", "advertisement-interval: 40s")
        ).election
        #expect(election.version == .v3 && election.alsoVersion2)
        #expect(election.password == Array("oldlab".utf8) && election.checksum == .message)
        #expect(try !onlyRouter(router("version: 3")).election.alsoVersion2)
        #expect(try !onlyRouter(router("version: 2")).election.alsoVersion2)
    }

    @Test func bothVersionsHaveNoIPv6() {
        #expect(
            errors(router6("version: both")) == [
                "f:6:14: version 2 has no IPv6 (RFC 3768); leave 'version' out, or give IPv4 addresses"
            ])
        #expect(
            errors(router("version: 4")) == ["f:6:14: version must be 3, 2 or both, not '4'"])
        #expect(
            errors(router("version: both", "advertisement-interval: 5ms")) == [
                "f:7:29: advertisement-interval must be a duration from 10ms to 40.95s in steps of 10ms, not '5ms'"
            ])
    }

    @Test func io02AMigrationIsWarnedOf() throws {
        #expect(try warnings(router("version: both")) == [Self.migration])
        #expect(try warnings(router("version: 2")) == [])
        #expect(try warnings(router()) == [])
    }

    @Test(arguments: [("500ms", "1s"), ("2.5s", "2s"), ("1.01s", "1s")])
    func io04AnIntervalThatVersion2CannotSayIsWarnedOf(_ interval: String, _ sent: String) throws {
        let found = try warnings(router("version: both", "advertisement-interval: \(interval)"))
        #expect(
            found == [
                Self.migration,
                "f:7:29: warning: version 2 counts whole seconds, so its adverts say \(sent) while they are sent every"
                    + " \(interval); routers of version 2 believe them only if they are configured with \(sent)",
            ])
        #expect(try warnings(router("version: both", "advertisement-interval: 2s")) == [Self.migration])
    }
}
