// Every message survives the way to octets and back; none is read from too few, too many or foreign octets.

import Election
import Messages
import Testing
import Wire

/// The testing macros cannot hold a span.
private func decodeCommand(_ octets: [UInt8]) -> Result<Command, MessageError> {
    do throws(MessageError) { return .success(try Command(decoding: octets.span)) } catch { return .failure(error) }
}

private func decodeReport(_ octets: [UInt8]) -> Result<Report, MessageError> {
    do throws(MessageError) { return .success(try Report(decoding: octets.span)) } catch { return .failure(error) }
}

@Suite struct MessageTests {
    static let vip4 = InterfaceAddress(address: .ipv4(IPv4Address(192, 0, 2, 100)), prefixLength: 24)
    static let vip6 = InterfaceAddress(
        address: .ipv6(IPv6Address(high: 0xFE80_0000_0000_0000, low: 0x5E0A)), prefixLength: 128)
    static let peer = vip4.address

    static let route = RoutingEntry.route(
        Route(
            destination: vip4.network, gateway: peer, device: "fifteen-octets0", source: vip6.address, table: .max,
            metric: 0xDEAD_BEEF, scope: .host, isOnLink: true))
    static let routing: [RoutingEntry] = [
        route, .route(Route(destination: vip6, device: "")),
        .rule(PolicyRule(family: .ipv6, priority: .max, from: vip6, to: vip4, table: 7)),
        .rule(PolicyRule(family: .ipv4, priority: 1, from: nil, to: nil, table: .max)),
    ]

    static let failures: [CheckFailure] = [
        .pending, .exited(3), .killed(9), .timedOut, .missing, .notExecutable, .notStarted(12), .stale,
    ]

    static let faults: [Fault] =
        [
            .interfaceMissing, .interfaceDown, .noCarrier, .noSourceAddress, .socket(1), .gate(.timedOut),
            .claim(ClaimFailure(address: vip6, code: 13)), .routing(RoutingFailure(entry: routing[2], code: -1)),
            .routingRemoved(route, by: "ip (process 7)"),
            .virtualMAC(interface: "vipd4-2-51", 17),
        ] + InterfaceTrouble.allCases.map { .addressInterface("eth1", $0) } + failures.map { .check(CheckID(7), $0) }

    static let causes: [Cause] =
        [
            .started, .resumed, .owner, .masterSilent(master: nil, silence: nil, late: .zero),
            .masterSilent(master: peer, silence: .seconds(3), late: .milliseconds(2)), .masterResigned(vip6.address),
            .preemptedLower(peer, priority: 1), .higherPriority(peer, priority: 200),
            .greaterAddress(vip6.address, priority: 100), .recovered, .lastResort(CheckID(2), .killed(11)), .disabled,
            .enabled, .stopped, .reconfigured,
        ] + faults.map { .fault($0) }

    static let snapshot: RouterSnapshot = {
        var snapshot = RouterSnapshot(router: RouterID(5), state: .master)
        snapshot.since = 1
        snapshot.taken = -2
        snapshot.effectivePriority = 90
        snapshot.contributions = [
            Contribution(check: CheckID(1), effect: .weight(-60), failure: .exited(1)),
            Contribution(check: CheckID(2), effect: .lastResort, failure: .stale),
        ]
        snapshot.faults = faults
        snapshot.degraded = Array(faults.reversed())
        snapshot.localAddress = peer
        snapshot.master = vip6.address
        snapshot.masterPriority = 200
        snapshot.masterInterval = .seconds(1)
        snapshot.masterDownInterval = .nanoseconds(3_609_375_000)
        snapshot.skewTime = .nanoseconds(609_375_000)
        snapshot.lastAdvertHeard = .max
        snapshot.lastAdvertSent = 77
        snapshot.held = [vip4, vip6]
        snapshot.routing = routing
        snapshot.leaseExpires = 12
        snapshot.lastTransition = Transition(
            from: .backup, to: .master, cause: .recovered, at: Instant(nanoseconds: 9), effectivePriority: 3)
        for (index, counter) in Counter.allCases.enumerated() {
            snapshot.counters[counter] = UInt64.max - UInt64(index)
        }
        snapshot.countingSince = 3
        snapshot.upSince = -4
        snapshot.delayedUntil = 88
        snapshot.lastProtocolError = .checksum
        snapshot.timerLateMax = .nanoseconds(5)
        snapshot.differences = [
            HeardDifference(
                peer: peer, what: .addresses(own: 2, peer: 3, missing: peer, unexpected: nil),
                first: Instant(nanoseconds: 1), last: Instant(nanoseconds: -2), count: .max)
        ]
        snapshot.conflicts = [
            HeardClaim(
                address: vip6.address, hardware: MACAddress(2, 3, 4, 5, 6, 7), first: Instant(nanoseconds: 3),
                last: Instant(nanoseconds: 4), count: 5)
        ]
        return snapshot
    }()

    static let configuration = VirtualRouterConfiguration(
        interface: "eth0", vrid: 255, version: .v2, alsoVersion2: true, priority: 254,
        advertisementInterval: .seconds(3),
        preempt: false, preemptDelay: .seconds(9), startDelay: .seconds(8), intervalLimit: 4095,
        peers: [UnicastPeer(peer, minimumHopLimit: 1)], addresses: [vip6, vip4], unadvertised: 1,
        routing: routing, checksum: .pseudoHeader, password: [1, 2, 3], strictFirstAddress: true,
        announcements: AnnouncementPlan(
            rounds: [.zero, .seconds(1)], refresh: .seconds(30), kinds: [.garpReply, .rarp], pacing: .milliseconds(7)),
        lease: .seconds(0xABCD), resetsConnections: true, claim: .any, conflictCheck: .hold,
        verification: VerificationPlan(isOn: true, targets: [peer, vip6.address]), obeysFiltered: false,
        isPromiscuous: true,
        checks: [
            CheckReference(check: CheckID(1), effect: .fault), CheckReference(check: CheckID(2), effect: .weight(-253)),
            CheckReference(check: CheckID(3), effect: .lastResort),
        ], gatesClaim: true, gatesRelease: false, usesVirtualMAC: true)

    static func leased(_ lease: LeasePolicy) -> VirtualRouterConfiguration {
        var configuration = configuration
        configuration.lease = lease
        return configuration
    }

    /// The most that a configuration may hold.
    static let crowded: VirtualRouterConfiguration = {
        var crowded = configuration
        crowded.addresses = (0..<2_000).map {
            InterfaceAddress(address: .ipv6(IPv6Address(high: .max, low: $0)), prefixLength: 128)
        }
        crowded.unadvertised = 1_910
        for (number, address) in crowded.addresses.enumerated() {
            let scope = AddressOptions.Scope.allCases[number % 3]
            crowded.addressOptions[address] = AddressOptions(
                scope: scope, label: String(repeating: "l", count: 15), isPreferred: number % 2 == 0,
                interface: String(repeating: "i", count: 15))
        }
        return crowded
    }()

    static let commands: [Command] =
        [
            .hello(version: 0xABCD), .adopt(SocketTag(family: .ipv6, interfaceIndex: 0xDEAD_BEEF)), .resume(snapshot),
            .check(CheckDefinition(check: CheckID(1), timeToLive: .seconds(4), verdict: .cold)),
            .check(CheckDefinition(check: CheckID(1), timeToLive: .seconds(4), verdict: .unjudged)),
            .check(
                CheckDefinition(
                    check: CheckID(1), timeToLive: .seconds(4), verdict: .known(.failing(.stale), age: .seconds(1)))),
            .removeCheck(CheckID(8)), .configure(RouterID(1), configuration, disabled: true), .remove(RouterID(2)),
            .configure(RouterID(1), leased(.automatic), disabled: false),
            .configure(RouterID(1), leased(.off), disabled: false),
            .commit, .verdict(CheckID(1), .passing), .gate(RouterID(1), sequence: 9, failure: nil),
            .disable(RouterID(1), true), .disable(RouterID(1), false), .stop, .yield,
            .prepare([]), .prepare(["eth0", "eth1"]), .handOver(RouterID(3), patience: .seconds(2)),
            .hold(RouterID(3), true), .announce(RouterID(3)), .verify(RouterID(3)),
            .limitAnnouncements(perSecond: 0x0102_0304),
        ] + failures.map { .gate(RouterID(1), sequence: .max, failure: $0) }
        + failures.map { .verdict(CheckID(1), .failing($0)) }

    static let reports: [Report] =
        [
            .hello(version: 1), .socket(SocketTag(family: .ipv4, interfaceIndex: 2)),
            .socketClosed(SocketTag(family: .ipv4, interfaceIndex: 2)), .ready,
            .heartbeat(at: 5, advertised: [RouterID(1), RouterID(2)], heard: [RouterID(3)]), .snapshot(snapshot),
            .gateWanted(RouterID(1), .claim, sequence: 3, cause: .owner),
            .gateWanted(RouterID(1), .release, sequence: 3, cause: .stopped),
            .gateCancelled(RouterID(1), sequence: 4), .lost(7), .stopped, .prepared, .yielded(at: .max),
            .notice(.resynchronised), .notice(.memoryNotLocked(1, isPartly: true)),
            .notice(.dropped(nil, interface: 2, reason: .ttl, source: peer, count: 5)),
            .notice(.dropped(RouterID(1), interface: 2, reason: .addressList, source: nil, count: 5)),
            .notice(.kernel(nil, call: "RTM_NEWADDR", subject: "vip", code: 13, explanation: "ipv6: disabled ✓")),
            .notice(.leftoverRemoved(vip6, interface: "eth0")), .notice(.connectionsReset(count: .max)),
            .notice(.routingLeftoverRemoved(route)), .notice(.routingNotOurs(RouterID(4), routing[3])),
            .notice(.degraded(RouterID(4), faults)), .notice(.degraded(RouterID(4), [])),
            .notice(.releaseGateFailed(RouterID(1), .timedOut, stopping: true)),
        ]
        + causes.map {
            .transition(
                RouterID(1),
                Transition(from: .fault, to: .disabled, cause: $0, at: Instant(nanoseconds: -1), effectivePriority: 255)
            )
        }
        + [
            PeerDifference.interval(own: .seconds(1), peer: .seconds(2), limit: .seconds(10)),
            .addresses(own: 1, peer: 255, missing: nil, unexpected: peer), .version(own: .v3, peer: 15),
            .checksumForm(own: .message, peer: .pseudoHeader), .authentication(own: 0, peer: 2),
            .firstAddressNotLinkLocal, .bothOwner, .ownerHears(priority: 9), .equalPriority(100), .ourAddress,
            .filtered(isObeyed: true), .doesNotHear(priority: 7),
        ].map { .notice(.peerDiffers(RouterID(1), peer: peer, what: $0)) }
        + [
            .notice(.unsteady(RouterID(1), transitions: 7, within: .seconds(60))),
            .notice(.addressClaimed(RouterID(1), peer, by: MACAddress(2, 0, 0, 0, 0, 9), state: .resigning)),
            .notice(.flood(SocketTag(family: .ipv6, interfaceIndex: 3), isFiltering: true)),
            .interfaceCounters("eth0", snapshot.counters),
            .verification(
                RouterID(1),
                Verification(
                    began: Instant(nanoseconds: -3), isOrdered: true,
                    questions: [
                        Verification.Question(
                            address: vip4.address, target: peer, witness: .listed, asked: .max,
                            answered: .nanoseconds(5)),
                        Verification.Question(address: vip6.address, target: vip6.address, witness: .neighbor),
                    ], isComplete: true)),
            .verification(RouterID(2), Verification(began: Instant(nanoseconds: .max))),
        ]

    @Test(arguments: commands)
    func `a command survives the way to octets and back, and no shorter or longer form of it is read`(
        _ command: Command
    ) {
        var octets: [UInt8] = []
        command.encode(into: &octets)
        #expect(decodeCommand(octets) == .success(command))
        #expect(decodeCommand(octets + [0]) == .failure(.trailing))
        for length in 0..<octets.count {
            #expect(decodeCommand(Array(octets.prefix(length))) == .failure(.truncated))
        }
    }

    @Test(arguments: reports)
    func `a report survives the way to octets and back, and no shorter or longer form of it is read`(
        _ report: Report
    ) {
        var octets: [UInt8] = []
        report.encode(into: &octets)
        #expect(decodeReport(octets) == .success(report))
        #expect(decodeReport(octets + [0]) == .failure(.trailing))
        for length in 0..<octets.count {
            #expect(decodeReport(Array(octets.prefix(length))) == .failure(.truncated))
        }
    }

    @Test func `the largest configuration and snapshot fit into a message`() {
        let many = (0..<255).map {
            InterfaceAddress(address: .ipv6(IPv6Address(high: 1, low: UInt64($0))), prefixLength: 64)
        }
        var configuration = Self.configuration
        configuration.addresses = many
        var octets: [UInt8] = []
        Command.configure(RouterID(1), configuration, disabled: false).encode(into: &octets)
        #expect(octets.count < 65_536)
        var snapshot = Self.snapshot
        snapshot.held = many
        Command.resume(snapshot).encode(into: &octets)
        #expect(octets.count < 65_536)
    }

    @Test func `reading traps on no input`() {
        var random = SystemRandomNumberGenerator()
        var seeds: [[UInt8]] = []
        for command in Self.commands {
            var octets: [UInt8] = []
            command.encode(into: &octets)
            seeds.append(octets)
        }
        for report in Self.reports {
            var octets: [UInt8] = []
            report.encode(into: &octets)
            seeds.append(octets)
        }
        var read = 0
        for round in 0..<40_000 {
            var octets = seeds[round % seeds.count]
            for _ in 0..<Int.random(in: 0...3, using: &random) where !octets.isEmpty {
                octets[Int.random(in: 0..<octets.count, using: &random)] = .random(in: 0...255, using: &random)
            }
            if case .success = decodeCommand(octets) { read += 1 }
            if case .success = decodeReport(octets) { read += 1 }
        }
        #expect(read > 0)
    }

    @Test
    func `a router with the most addresses, peers, routes and rules fits into one message, on its way down and up`() {
        var configuration = Self.crowded
        configuration.peers = (0..<255).map { UnicastPeer(.ipv6(IPv6Address(high: 1, low: $0))) }
        configuration.routing =
            Array(repeating: Self.route, count: 256) + Array(repeating: Self.routing[2], count: 64)
        var octets: [UInt8] = []
        let command = Command.configure(RouterID(1), configuration, disabled: false)
        command.encode(into: &octets)
        #expect(octets.count <= 163_840 && decodeCommand(octets) == .success(command))
        var snapshot = Self.snapshot
        snapshot.held = configuration.addresses
        snapshot.routing = configuration.routing
        for report in [Report.snapshot(snapshot)] {
            report.encode(into: &octets)
            #expect(octets.count <= 163_840 && decodeReport(octets) == .success(report))
        }
    }

    @Test func `a router that advertises nothing is no message`() {
        var configuration = Self.configuration
        configuration.unadvertised = 2
        var octets: [UInt8] = []
        Command.configure(RouterID(1), configuration, disabled: false).encode(into: &octets)
        #expect(decodeCommand(octets) == .failure(.unknown(2)))
    }
}
