// From the mirror to the document: every field from where it comes, and the rules of unknown.

import Configuration
import Election
import Status
import Testing
import Wire

@testable import Supervisor

private let second: Int64 = 1_000_000_000
/// The wall clock is 1,000,000 s ahead of boot time, which is at 100 s.
private let now = AnswerTime(boot: 100 * second, wallAhead: 1_000_000 * second)

private func wall(_ bootSeconds: Int64) -> Timestamp { Timestamp(milliseconds: (1_000_000 + bootSeconds) * 1000) }

private func address(_ text: String) throws -> InterfaceAddress { try #require(InterfaceAddress(text)) }

private let role = CheckID(1)
private let witness = CheckID(2)

private let anywhere = InterfaceAddress(address: .ipv4(IPv4Address(bits: 0)), prefixLength: 0)
private let route = RoutingEntry.route(
    Route(destination: anywhere, gateway: IPAddress("192.0.2.254"), device: "eth0", source: IPAddress("192.0.2.10")))
private let rule = RoutingEntry.rule(PolicyRule(family: .ipv4, priority: 9, from: nil, to: nil, table: 100))

/// A mirror of one router that is master, heard 1 s ago.
private func mirror(_ change: (inout RouterSnapshot) throws -> Void = { _ in }) throws -> MirrorState {
    let first = try address("192.0.2.10/24")
    let other = try address("192.0.2.11/32")
    let election = VirtualRouterConfiguration(
        interface: "eth0", vrid: 51, priority: 150, advertisementInterval: .milliseconds(100),
        peers: [UnicastPeer(IPAddress.ipv4(IPv4Address(192, 0, 2, 3)), minimumHopLimit: 254)],
        addresses: [first, other], routing: [route, rule])
    let router = RouterConfiguration(
        name: "database", election: election,
        checks: [RouterCheck(name: "witness", effect: .fault), RouterCheck(name: "role", effect: .weight(-60))])
    var snapshot = RouterSnapshot(router: RouterID(1), state: .master)
    snapshot.since = 40_000_000_000
    snapshot.taken = 99_000_000_000
    snapshot.effectivePriority = 90
    snapshot.contributions = [Contribution(check: role, effect: .weight(-60), failure: .exited(1))]
    snapshot.localAddress = IPAddress("192.0.2.2")
    snapshot.master = IPAddress("192.0.2.3")
    snapshot.masterPriority = 120
    snapshot.masterInterval = .milliseconds(100)
    snapshot.masterDownInterval = .microseconds(360_937)
    snapshot.skewTime = .nanoseconds(60_937_500)
    snapshot.lastAdvertHeard = 98_987_700_000
    snapshot.held = [first]
    snapshot.routing = [route]
    snapshot.lastTransition = Transition(
        from: .backup, to: .master,
        cause: .masterSilent(
            master: IPAddress("192.0.2.3"), silence: .milliseconds(361), late: .microseconds(100)),
        at: Instant(nanoseconds: 1), effectivePriority: 90)
    snapshot.counters[.advertsSent] = 20
    snapshot.counters[.checksumErrors] = 3
    snapshot.countingSince = 11 * second
    snapshot.upSince = 12 * second
    snapshot.lastProtocolError = .checksum
    snapshot.timerLateMax = .microseconds(140)
    snapshot.differences = [
        HeardDifference(
            peer: IPAddress.ipv4(IPv4Address(192, 0, 2, 3)), what: .version(own: .v3, peer: 2),
            first: Instant(nanoseconds: 50 * second), last: Instant(nanoseconds: 98 * second), count: 7)
    ]
    try change(&snapshot)

    var state = MirrorState(started: (1_000_000 + 10) * 1_000_000_000, configuration: Configuration())
    state.engine = EngineMirror(state: .running, process: 124, since: 11_000_000_000, restarts: 1)
    state.heard = 99_000_000_000
    state.routers = [RouterMirror(router: RouterID(1), configuration: router, snapshot: snapshot)]
    state.checks = [
        CheckMirror(check: witness, name: "witness", standing: .passing),
        CheckMirror(check: role, name: "role", standing: .failing(.exited(1))),
    ]
    state.checkNames = CheckNames([role: "role", witness: "witness"])
    return state
}

private func document(_ state: MirrorState) -> StatusDocument {
    StatusDocument(state, hostname: "a", pid: 123, at: now)
}

struct AnswerTests {
    @Test func `the agent and its engine`() throws {
        let document = document(try mirror())
        #expect(document.version == agentVersion)
        #expect(document.hostname == "a")
        #expect(document.pid == 123)
        #expect(document.started == wall(10))
        #expect(document.asOf == wall(100))
        #expect(
            document.engine == EngineStatus(state: .running, pid: 124, since: wall(11), restarts: 1, netlinkResyncs: 0))
    }

    @Test func `a master with every field`() throws {
        let router = try #require(document(try mirror()).virtualRouters.first)
        #expect(router.name == "database" && router.interface == "eth0" && router.vrid == 51)
        #expect(router.family == "ipv4" && router.version == 3 && router.preempt.enabled)
        #expect(router.state == .master && router.since == wall(40) && router.unknownSince == nil)
        #expect(router.priority == 150 && router.effectivePriority == 90)
        #expect(
            router.contributions == [
                ContributionStatus(check: "role", onFailure: "weight -60", reason: "exit status 1")
            ])
        #expect(router.faults.isEmpty)
        #expect(router.advertisementIntervalMs == 100)
        #expect(router.masterDownIntervalMs == 360.937)
        #expect(router.localAddress == "192.0.2.2")
        #expect(router.master == MasterStatus(address: "192.0.2.2", priority: 90, isSelf: true))
        #expect(
            router.addresses == [
                AddressStatus(address: "192.0.2.10/24", present: true, interface: "eth0"),
                AddressStatus(address: "192.0.2.11/32", present: false, interface: "eth0"),
            ])
        let (shown, hidden) = (try #require(router.routes.first), try #require(router.rules.first))
        #expect(shown.present && shown.destination == "default" && shown.via == "192.0.2.254" && shown.table == 254)
        #expect(shown.source == "192.0.2.10" && shown.device == "eth0" && shown.family == "ipv4")
        #expect(shown.text == "default via 192.0.2.254 dev eth0 src 192.0.2.10")
        #expect(!hidden.present && hidden.priority == 9 && hidden.from == nil && hidden.table == 100)
        #expect(
            router.lastTransition
                == TransitionStatus(
                    from: .backup, to: .master, at: wall(40), cause: "master-silent",
                    text: "no advert from 192.0.2.3 for 361 ms (timer 0.1 ms late)"))
        #expect(router.lastAdvertHeardMsAgo == 1012.3)
        #expect(router.statistics.count == Counter.allCases.count)
        #expect(router.statistics["advertisement-sent"] == 20)
        #expect(
            router.checks == [
                CheckStatus(check: "witness", state: "passing", reason: nil, onFailure: "fault"),
                CheckStatus(check: "role", state: "failing", reason: "exit status 1", onFailure: "weight -60"),
            ])
    }

    @Test func `a start delay is shown while it lasts`() throws {
        func shown(_ end: Int64) throws -> Timestamp? {
            let state = try mirror { snapshot in
                snapshot.state = .backup
                snapshot.delayedUntil = end
            }
            return document(state).virtualRouters.first?.startDelayUntil
        }
        #expect(try shown(103 * second) == wall(103))
        #expect(try shown(100 * second) == nil)
        #expect(try shown(0) == nil)
    }

    @Test func `every leaf of RFC 8347 and RFC 6527 has its value`() throws {
        var state = try mirror()
        let silence = Cause.masterSilent(master: nil, silence: nil, late: .zero)
        state.note(
            Transition(from: .backup, to: .master, cause: silence, at: Instant(nanoseconds: 1), effectivePriority: 9),
            of: RouterID(1))
        let router = try #require(document(state).virtualRouters.first)
        #expect(router.upDatetime == wall(12) && router.discontinuityDatetime == wall(11))
        #expect(!router.isOwner && router.acceptMode)
        #expect(router.preempt == PreemptStatus(enabled: true, holdTime: 0))
        #expect(router.advertiseIntervalCentiSec == 10 && router.advertiseIntervalSec == nil)
        #expect(router.masterDownInterval == 36 && router.skewTime == 60_937)
        #expect(router.lastAdvSource == "192.0.2.2" && router.addressCount == 2)
        #expect(router.virtualIPv4Address == ["192.0.2.10", "192.0.2.11"] && router.virtualIPv6Address.isEmpty)
        #expect(router.lastEvent == "master-timeout" && router.newMasterReason == "no-response")
        #expect(router.lastProtocolError == "checksum-error" && router.timerLateMaxUs == 140)
        #expect(router.peers == [PeerStatus(address: "192.0.2.3", minimumTTL: 254)] && !router.alsoVersion2)
        #expect(
            router.differences == [
                DifferenceStatus(
                    peer: "192.0.2.3", kind: "version", ownValue: "3", peerValue: "2",
                    text: "it speaks VRRP version 2, here version 3 is configured; its adverts are dropped",
                    first: wall(50), last: wall(98), count: 7)
            ])
        let backup = document(
            try mirror { snapshot in
                snapshot.state = .backup
                snapshot.lastProtocolError = nil
            }
        ).virtualRouters.first
        #expect(backup?.lastAdvSource == "192.0.2.3" && backup?.newMasterReason == "not-master")
        #expect(backup?.lastProtocolError == "no-error" && backup?.lastEvent == "none")
    }

    @Test func `last-event goes with the transitions and with the fault before a recovery`() throws {
        var state = try mirror()
        func pass(_ cause: Cause) -> String? {
            state.note(
                Transition(from: .fault, to: .backup, cause: cause, at: Instant(nanoseconds: 1), effectivePriority: 9),
                of: RouterID(1))
            return document(state).virtualRouters.first?.lastEvent
        }
        #expect(pass(.fault(.noCarrier)) == "interface-down")
        #expect(pass(.recovered) == "interface-up")
        #expect(pass(.resumed) == "interface-up")
        #expect(pass(.fault(.noCarrier)) == "interface-down")
        // The carrier came back before the address did.
        var later = try #require(state.routers[0].snapshot)
        later.faults = [.noSourceAddress]
        state.note(later)
        #expect(pass(.recovered) == "primary-ip-address")
    }

    @Test func `global errors never fall: engines, interfaces and routers may go`() throws {
        var state = try mirror()
        var strays = Counters()
        func sum() -> UInt64 { document(state).statistics.checksumErrors }
        #expect(sum() == 3 && document(state).statistics.discontinuityDatetime == wall(10))
        strays[.checksumErrors] = 10
        strays[.vridErrors] = 5
        state.note(strays, on: "eth0")
        strays[.checksumErrors] = 12
        state.note(strays, on: "eth0")
        #expect(sum() == 15)
        let interface = try #require(document(state).interfaces.first)
        #expect(interface.name == "eth0" && interface.virtualRouters == 1)
        #expect(interface.statistics["vrid-errors"] == 5 && interface.statistics["checksum-errors"] == 12)
        #expect(interface.statistics.count == Counter.drops.count)
        // A new engine begins at 0, also when it soon has counted more than the last one.
        state.beginEngine(resuming: true)
        strays[.checksumErrors] = 20
        strays[.vridErrors] = 6
        state.note(strays, on: "eth0")
        #expect(sum() == 35 && document(state).statistics.vridErrors == 11)
        // A new interface under the same name begins at 0.
        strays[.checksumErrors] = 1
        strays[.vridErrors] = 0
        state.note(strays, on: "eth0")
        #expect(sum() == 36)
        // Another engine that resumes nothing: the router counts anew.
        state.beginEngine(resuming: false)
        #expect(sum() == 36 && state.routers[0].snapshot == nil)
        var fresh = RouterSnapshot(router: RouterID(1), state: .backup)
        fresh.countingSince = 99
        fresh.counters[.checksumErrors] = 4
        state.note(fresh)
        #expect(sum() == 40)
        // A snapshot that begins anew without a word.
        fresh.countingSince = 100
        fresh.counters[.checksumErrors] = 1
        state.note(fresh)
        #expect(sum() == 41)
        let before = state.routers
        state.routers = []
        state.keepCounters(of: before)
        #expect(sum() == 41)
    }

    @Test func `a lost netlink event is counted`() throws {
        var state = try mirror()
        state.netlinkResyncs = 2
        #expect(document(state).engine.netlinkResyncs == 2)
    }

    @Test func `a difference and an unsteady router become events`() {
        let peer = IPAddress.ipv4(IPv4Address(192, 0, 2, 3))
        let differs = AgentEvent.peerDiffers(
            router: "database", peer: peer, what: .equalPriority(100), at: 1_500_000_000)
        #expect(
            EventDocument(differs)
                == .difference(
                    DifferenceDocument(
                        router: "database", peer: "192.0.2.3", kind: "equal-priority", ownValue: "100",
                        peerValue: "100",
                        text: PeerDifference.equalPriority(100).sentence, at: Timestamp(milliseconds: 1500))))
        let dropped = AgentEvent.dropped(router: nil, reason: .truncated, source: peer, count: 2, at: 1_500_000_000)
        #expect(
            EventDocument(dropped)
                == .dropped(
                    DroppedDocument(
                        router: nil, reason: "drop-truncated", counter: "packet-length-errors", source: "192.0.2.3",
                        count: 2, at: Timestamp(milliseconds: 1500))))
        let claimed = AgentEvent.addressClaimed(
            router: "database", address: .ipv4(IPv4Address(192, 0, 2, 10)), by: MACAddress(2, 0, 0, 0, 0, 9),
            state: .master, at: 1_500_000_000)
        #expect(
            EventDocument(claimed)
                == .conflict(
                    ConflictDocument(
                        router: "database", address: "192.0.2.10", hardwareAddress: "02:00:00:00:00:09",
                        state: .master, text: conflictSentence(.master), at: Timestamp(milliseconds: 1500))))
        let unsteady = AgentEvent.unsteady(
            router: "database", transitions: 7, within: .seconds(60), text: "text", at: 1_500_000_000)
        #expect(
            EventDocument(unsteady)
                == .unsteady(
                    UnsteadyDocument(
                        router: "database", transitions: 7, withinS: 60, text: "text",
                        at: Timestamp(milliseconds: 1500))))
    }

    @Test func `the time since the last advert counts to now, and heartbeats and snapshots only renew it`() throws {
        var state = try mirror()
        func age() -> Double? { document(state).virtualRouters.first?.lastAdvertHeardMsAgo }
        state.note(heard: [RouterID(1), RouterID(7)], at: 99_500_000_000)
        #expect(age() == 500)
        state.note(heard: [], at: 99_900_000_000)
        state.note(heard: [RouterID(1)], at: 99_400_000_000)
        #expect(age() == 500)
        state.note(advertised: [RouterID(1)], at: 99_800_000_000)
        var older = try #require(state.routers[0].snapshot)
        older.lastAdvertHeard = 98 * second
        older.lastAdvertSent = 0
        state.note(older)
        #expect(age() == 500)
        #expect(state.routers[0].snapshot?.lastAdvertSent == 99_800_000_000)
        let later = StatusDocument(
            state, hostname: "a", pid: 123, at: AnswerTime(boot: 104 * second, wallAhead: now.wallAhead))
        #expect(later.virtualRouters.first?.lastAdvertHeardMsAgo == 4500)
    }

    @Test func `a backup names the master it hears`() throws {
        let router = document(try mirror { $0.state = .backup }).virtualRouters.first
        #expect(router?.state == .backup)
        #expect(router?.master == MasterStatus(address: "192.0.2.3", priority: 120, isSelf: false))
    }

    @Test func `a router in fault names a master only while it hears it`() throws {
        let fault: (inout RouterSnapshot) -> Void = { snapshot in
            snapshot.state = .fault
            snapshot.faults = [.check(witness, .timedOut), .noCarrier]
        }
        let hearing = document(try mirror(fault)).virtualRouters.first
        #expect(hearing?.master?.address == "192.0.2.3")
        #expect(
            hearing?.faults == [
                FaultStatus(
                    fault: "check", check: "witness", reason: "late (timed out)",
                    text: "check witness: late (timed out)"),
                FaultStatus(fault: "no-carrier", text: "the interface has no carrier"),
            ])
        let deaf = document(
            try mirror { snapshot in
                fault(&snapshot)
                snapshot.lastAdvertHeard = 90 * second
            })
        #expect(deaf.virtualRouters.first?.master == nil)
    }

    @Test func `the engine's opinion of a check comes first`() throws {
        let stale = document(try mirror { $0.faults = [.check(witness, .stale)] }).virtualRouters.first
        #expect(stale?.checks.first?.state == "failing")
        #expect(stale?.checks.first?.reason == "stale (no result for too long)")
        let cold = document(try mirror { $0.faults = [.check(witness, .pending)] }).virtualRouters.first
        #expect(cold?.checks.first?.state == "pending")
    }

    @Test func `without an engine every state is unknown since it was last heard`() throws {
        var state = try mirror()
        state.engine.state = .down
        state.engine.process = nil
        let router = document(state).virtualRouters.first
        #expect(router?.state == .unknown)
        #expect(router?.unknownSince == wall(99))
        #expect(router?.since == wall(40))
        #expect(router?.effectivePriority == 90)
    }

    @Test func `a mirror older than five seconds is unknown, one of five seconds is not`() throws {
        var state = try mirror()
        state.heard = 95 * second
        #expect(document(state).virtualRouters.first?.state == .master)
        state.heard -= 1
        #expect(document(state).virtualRouters.first?.state == .unknown)
        #expect(
            document(state).virtualRouters.first?.unknownSince == Timestamp(milliseconds: wall(95).milliseconds - 1))
    }

    @Test func `before the first word of an engine the state is unknown since the start`() throws {
        var state = try mirror()
        state.heard = 0
        state.engine = EngineMirror(state: .starting)
        state.routers[0].snapshot = nil
        let document = document(state)
        #expect(document.engine.state == .starting)
        #expect(document.engine.since == wall(10))
        let router = try #require(document.virtualRouters.first)
        #expect(router.state == .unknown && router.unknownSince == wall(10))
        #expect(router.since == nil && router.master == nil && router.lastTransition == nil)
        #expect(router.addresses.map(\.present) == [false, false])
        #expect(router.effectivePriority == 150)
        #expect(router.statistics["advertisement-sent"] == 0)
    }

    @Test func `a resigning router names itself until a successor is heard, and a hold is shown`() throws {
        var state = try mirror { snapshot in
            snapshot.state = .resigning
            snapshot.master = nil
        }
        state.routers[0].hold = Hold(since: 1_500_000_000)
        var router = try #require(document(state).virtualRouters.first)
        #expect(router.state == .resigning && router.master == nil && router.lastAdvSource == "192.0.2.2")
        #expect(router.held == HeldStatus(since: Timestamp(milliseconds: 1_500), until: nil))
        #expect(router.handoverLimitMs == 5_400)
        router = try #require(document(try mirror { $0.state = .resigning }).virtualRouters.first)
        #expect(router.master == MasterStatus(address: "192.0.2.3", priority: 120, isSelf: false))
        #expect(router.lastAdvSource == "192.0.2.3" && router.held == nil)
    }

    @Test func `a router that the engine has not spoken of yet is initialize or disabled`() throws {
        var state = try mirror()
        state.routers[0].snapshot = nil
        #expect(document(state).virtualRouters.first?.state == .initialize)
        state.routers[0].disabled = true
        #expect(document(state).virtualRouters.first?.state == .disabled)
    }

    @Test func `a transition becomes an event with words`() throws {
        let move = Transition(
            from: .backup, to: .master, cause: .owner, at: Instant(nanoseconds: 5), effectivePriority: 255)
        let event = TransitionEvent(router: "database", transition: move, text: "text", at: 1_500_000_000)
        #expect(
            EventDocument(.transition(event))
                == .transition(
                    TransitionDocument(
                        router: "database", from: .backup, to: .master, cause: "owner", text: "text",
                        at: Timestamp(milliseconds: 1500), priority: 255)))
    }
}
