// One message of each kind, as a start for the fuzzer. They need not be complete: what is missing it finds, only later.

import Election
import Messages
import Wire

private let router = RouterID(1)
private let check = CheckID(7)
private let vip = InterfaceAddress(address: .ipv4(IPv4Address(192, 0, 2, 100)), prefixLength: 24)
private let vip6 = InterfaceAddress(
    address: .ipv6(IPv6Address(high: 0xFE80_0000_0000_0000, low: 0x5E0A)), prefixLength: 64)

private let routing: [RoutingEntry] = [
    .route(Route(destination: vip, gateway: vip.address, device: "eth0", source: vip.address, isOnLink: true)),
    .rule(PolicyRule(family: .ipv6, priority: 9, from: vip6, to: nil, table: 100)),
]

private let configuration = VirtualRouterConfiguration(
    interface: "eth0", vrid: 10, priority: 200, advertisementInterval: .seconds(1), preempt: false,
    preemptDelay: .seconds(9), startDelay: .seconds(8), intervalLimit: 10,
    peers: [UnicastPeer(vip.address, minimumHopLimit: 254)], addresses: [vip, vip6], routing: routing,
    checksum: .pseudoHeader,
    password: [1, 2, 3],
    announcements: AnnouncementPlan(rounds: [.zero, .seconds(1)], refresh: .seconds(30)),
    checks: [
        CheckReference(check: check, effect: .fault), CheckReference(check: check, effect: .weight(-50)),
        CheckReference(check: check, effect: .lastResort),
    ], gatesClaim: true, gatesRelease: true)

private let faults: [Fault] = [
    .interfaceMissing, .interfaceDown, .noCarrier, .addressInterface("eth1", .down),
    .virtualMAC(interface: "vipd6-7-5", 17), .noSourceAddress, .socket(1), .gate(.timedOut),
    .check(check, .exited(3)), .check(check, .notStarted(12)), .claim(ClaimFailure(address: vip6, code: 13)),
    .routing(RoutingFailure(entry: routing[0], code: 17)), .routingRemoved(routing[1], by: "ip"),
]

private let causes: [Cause] =
    [
        .started, .resumed, .owner, .masterSilent(master: nil, silence: nil, late: .zero),
        .masterSilent(master: vip.address, silence: .seconds(3), late: .milliseconds(1)),
        .masterResigned(vip6.address), .preemptedLower(vip.address, priority: 9),
        .higherPriority(vip.address, priority: 250), .greaterAddress(vip.address, priority: 100), .recovered,
        .lastResort(check, .killed(9)), .disabled, .enabled, .stopped, .reconfigured,
    ] + faults.map { .fault($0) }

private let differences: [PeerDifference] = [
    .interval(own: .seconds(1), peer: .seconds(2), limit: .seconds(10)),
    .addresses(own: 1, peer: 2, missing: vip.address, unexpected: nil), .version(own: .v3, peer: 2),
    .checksumForm(own: .message, peer: .pseudoHeader), .authentication(own: 0, peer: 1), .bothOwner,
    .ownerHears(priority: 9), .equalPriority(100), .ourAddress, .firstAddressNotLinkLocal,
]

private let snapshot: RouterSnapshot = {
    var snapshot = RouterSnapshot(router: router, state: .master)
    snapshot.since = 1
    snapshot.taken = 2
    snapshot.contributions = [Contribution(check: check, effect: .weight(-50), failure: .stale)]
    snapshot.faults = faults
    snapshot.degraded = faults
    snapshot.localAddress = vip.address
    snapshot.master = vip6.address
    snapshot.masterInterval = .seconds(1)
    snapshot.held = [vip, vip6]
    snapshot.routing = routing
    snapshot.lastTransition = Transition(
        from: .backup, to: .master, cause: .recovered, at: Instant(nanoseconds: 9), effectivePriority: 3)
    snapshot.counters[.advertsSent] = .max
    snapshot.lastProtocolError = .ttl
    snapshot.differences = differences.map {
        HeardDifference(
            peer: vip.address, what: $0, first: Instant(nanoseconds: 1), last: Instant(nanoseconds: 2), count: 3)
    }
    return snapshot
}()

let commandSeeds: [Command] = [
    .hello(version: messagesVersion), .adopt(SocketTag(family: .ipv6, interfaceIndex: 2)), .resume(snapshot),
    .check(CheckDefinition(check: check, timeToLive: .seconds(4), verdict: .cold)),
    .check(CheckDefinition(check: check, timeToLive: .seconds(4), verdict: .known(.passing, age: .seconds(1)))),
    .removeCheck(check), .configure(router, configuration, disabled: true), .remove(router), .commit,
    .verdict(check, .passing), .verdict(check, .failing(.exited(1))), .gate(router, sequence: 9, failure: nil),
    .gate(router, sequence: 9, failure: .notStarted(2)), .disable(router, true), .stop, .yield,
    .prepare(["eth0"]),
]

let reportSeeds: [Report] =
    [
        .hello(version: messagesVersion), .socket(SocketTag(family: .ipv4, interfaceIndex: 2)),
        .socketClosed(SocketTag(family: .ipv4, interfaceIndex: 2)), .ready,
        .heartbeat(at: 5, advertised: [router], heard: [router, RouterID(3)]), .snapshot(snapshot),
        .gateWanted(router, .claim, sequence: 3, cause: .owner), .gateCancelled(router, sequence: 4), .lost(7),
        .stopped, .prepared, .yielded(at: 9), .notice(.resynchronised),
        .notice(.dropped(router, interface: 2, reason: .ttl, source: vip.address, count: 5)),
        .notice(.kernel(nil, call: "RTM_NEWADDR", subject: "vip", code: 13, explanation: "ipv6: disabled")),
        .notice(.leftoverRemoved(vip6, interface: "eth0")), .notice(.routingLeftoverRemoved(routing[0])),
        .notice(.routingNotOurs(router, routing[1])), .notice(.degraded(router, faults)),
        .notice(.releaseGateFailed(router, .timedOut, stopping: true)),
        .notice(.unsteady(router, transitions: 7, within: .seconds(60))),
        .notice(.addressClaimed(router, vip.address, by: MACAddress(2, 0, 0, 0, 0, 9), state: .master)),
        .interfaceCounters("eth0", snapshot.counters),
    ]
    + differences.map { .notice(.peerDiffers(router, peer: vip.address, what: $0)) }
    + causes.map {
        .transition(
            router, Transition(from: .fault, to: .backup, cause: $0, at: Instant(nanoseconds: 1), effectivePriority: 1))
    }
