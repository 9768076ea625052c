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

/// A mirror of one router that is master, heard 1 s ago.
private func mirror(_ change: (inout RouterSnapshot) throws -> Void = { _ in }) throws -> MirrorState {
    let first = try address("192.0.2.10/24")
    let second = try address("192.0.2.11/32")
    let election = VirtualRouterConfiguration(
        interface: "eth0", vrid: 51, priority: 150, advertisementInterval: .milliseconds(100),
        addresses: [first, second])
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
    snapshot.lastTransition = Transition(
        from: .backup, to: .master,
        cause: .masterSilent(
            master: IPAddress("192.0.2.3"), silence: .milliseconds(361), late: .microseconds(100)),
        at: Instant(nanoseconds: 1), effectivePriority: 90)
    snapshot.counters[.advertsSent] = 20
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
        #expect(document.engine == EngineStatus(state: .running, pid: 124, since: wall(11), restarts: 1))
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
        #expect(router.skewTimeUs == 60_937)
        #expect(router.localAddress == "192.0.2.2")
        #expect(router.master == MasterStatus(address: "192.0.2.2", priority: 90, isSelf: true))
        #expect(
            router.addresses == [
                AddressStatus(address: "192.0.2.10/24", present: true),
                AddressStatus(address: "192.0.2.11/32", present: false),
            ])
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
