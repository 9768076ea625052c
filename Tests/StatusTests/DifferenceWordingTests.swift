// What is said of a peer that is configured otherwise, and the words of RFC 8347 and RFC 6527.

import Election
import Status
import Testing
import Wire

private let other = IPAddress.ipv4(IPv4Address(192, 0, 2, 9))
private let address = InterfaceAddress(address: other, prefixLength: 24)

private func event(_ cause: Cause, after fault: Fault? = nil, delays: Bool = false) -> ProtocolEvent? {
    ProtocolEvent(cause, after: fault, delaysPreemption: delays)
}

@Suite struct DifferenceWordingTests {
    @Test(arguments: [
        (
            PeerDifference.interval(own: .milliseconds(100), peer: .milliseconds(40_950), limit: .seconds(1)),
            "interval",
            "100 ms", "40.95 s",
            "it advertises every 40.95 s, here 100 ms is configured; it is obeyed as if it were 1 s"
        ),
        (
            .interval(own: .seconds(10), peer: .milliseconds(10_010), limit: .seconds(100)), "interval", "10 s",
            "10.01 s",
            "it advertises every 10.01 s, here 10 s is configured"
        ),
        (
            .addresses(own: 2, peer: 3, missing: other, unexpected: nil), "addresses", "2 with 192.0.2.9", "3",
            "it advertises 3 addresses, here are 2: it lacks 192.0.2.9"
        ),
        (
            .addresses(own: 1, peer: 2, missing: nil, unexpected: other), "addresses", "1", "2 with 192.0.2.9",
            "it advertises 2 addresses, here are 1: 192.0.2.9 is not configured here"
        ),
        (
            .version(own: .v3, peer: 2), "version", "3", "2",
            "it speaks VRRP version 2, here version 3 is configured; its adverts are dropped"
        ),
        (
            .checksumForm(own: .message, peer: .pseudoHeader), "checksum-form", "message", "pseudo-header",
            "it computes the checksum with the IPv4 pseudo-header, this host over the message alone (RFC 9568)"
        ),
        (
            .authentication(own: 0, peer: 1), "authentication", "no authentication", "a password",
            "it sends a password, here no authentication is configured; its adverts are dropped"
        ),
        (
            .authentication(own: 1, peer: 1), "authentication", "a password", "another password",
            "its password is another one; its adverts are dropped"
        ),
        (.bothOwner, "two-owners", "255", "255", "it too advertises priority 255 as owner of the addresses"),
        (.ownerHears(priority: 9), "owner-hears", "255", "9", "it advertises our own addresses at priority 9"),
        (
            .equalPriority(100), "equal-priority", "100", "100",
            "it too has priority 100; of two masters the one with the greater address stays"
        ),
    ])
    func `a difference has a word, a sentence and both values`(
        _ difference: PeerDifference, _ word: String, _ own: String, _ peer: String, _ sentence: String
    ) {
        #expect(difference.word == word)
        #expect(difference.values?.own == own && difference.values?.peer == peer)
        #expect(difference.sentence == sentence)
    }

    @Test func `a difference without values has its sentence`() {
        for difference in [
            PeerDifference.ourAddress, .firstAddressNotLinkLocal, .filtered(isObeyed: true), .doesNotHear(priority: 9),
        ] {
            #expect(difference.values == nil && !difference.sentence.isEmpty)
        }
        #expect(PeerDifference.ourAddress.word == "our-address")
        #expect(PeerDifference.doesNotHear(priority: 9).word == "does-not-hear")
        let filtered = PeerDifference.filtered(isObeyed: true)
        #expect(filtered.word == "filtered")
        #expect(
            filtered.sentence
                == "its adverts come in on the wire and reach no socket: filtered by the local firewall, or by rp_filter; while they come"
                + " this host does not take over")
        #expect(PeerDifference.filtered(isObeyed: false).sentence.hasSuffix("this host goes by what it hears"))
    }

    @Test func `ST-06: every event of RFC 8347 is driven by what it is for`() {
        let cases: [(ProtocolEvent?, ProtocolEvent)] = [
            (event(.started), .startup), (event(.enabled), .startup), (event(.stopped), .shutdown),
            (event(.disabled), .shutdown), (event(.reconfigured), .shutdown),
            (event(.lastResort(CheckID(1), .timedOut)), .shutdown),
            (event(.higherPriority(other, priority: 200)), .higherPriorityBackup),
            (event(.greaterAddress(other, priority: 100)), .higherPriorityBackup),
            (event(.masterSilent(master: nil, silence: nil, late: .zero)), .masterTimeout),
            (event(.masterResigned(other)), .masterTimeout), (event(.fault(.noCarrier)), .interfaceDown),
            (event(.fault(.interfaceMissing)), .interfaceDown), (event(.fault(.noSourceAddress)), .noPrimaryIPAddress),
            (event(.fault(.claim(ClaimFailure(address: address, code: 13)))), .noVirtualIPAddresses),
            (event(.fault(.check(CheckID(1), .timedOut))), .shutdown),
            (event(.recovered, after: .interfaceDown), .interfaceUp),
            (event(.recovered, after: .noSourceAddress), .primaryIPAddress),
            (event(.recovered, after: .claim(ClaimFailure(address: address, code: 13))), .virtualIPAddresses),
            (event(.recovered, after: .check(CheckID(1), .timedOut)), .startup),
            (event(.preemptedLower(other, priority: 1), delays: true), .preemptHoldTimeout),
            (event(.preemptedLower(other, priority: 1)), .lowerPriorityMaster), (event(.owner), .ownerPreempt),
        ]
        for (found, wanted) in cases { #expect(found == wanted) }
        #expect(event(.resumed) == nil, "a new engine that goes on is no event")
        let driven = Set(cases.map(\.1) + [.none])
        #expect(driven == Set(ProtocolEvent.allCases))
    }

    @Test func `ST-07: a master's reason is that of its takeover, anybody else's is not-master`() {
        let silence = Cause.masterSilent(master: nil, silence: nil, late: .zero)
        #expect(NewMasterReason(.master, since: silence).rawValue == "no-response")
        #expect(NewMasterReason(.master, since: .masterResigned(other)).rawValue == "priority")
        #expect(NewMasterReason(.master, since: .owner).rawValue == "priority")
        #expect(NewMasterReason(.master, since: .preemptedLower(other, priority: 1)).rawValue == "preempted")
        #expect(NewMasterReason(.backup, since: silence).rawValue == "not-master")
        #expect(NewMasterReason(.master, since: nil).rawValue == "not-master")
    }

    @Test func `the protocol errors of RFC 6527 have its words, the other drops none`() {
        let words = DropReason.allCases.compactMap(\.protocolErrorWord)
        #expect(words == ["ip-ttl-error", "version-error", "checksum-error"])
    }
}
