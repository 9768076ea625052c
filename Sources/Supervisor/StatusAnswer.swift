// From the mirror to the status document: names for numbers, the wall clock for boot time, words for causes, and the rule
// when a state is unknown. A pure function of the mirror and two clock readings, so that every rule is a test of values.

import Configuration
import Election
import Glibc
import Status
import Synchronization
import System
import Wire

/// The boot time of an answer and how far the wall clock is ahead of it, both in nanoseconds.
struct AnswerTime: Hashable, Sendable {
    var boot: Int64
    var wallAhead: Int64

    /// The wall clock time of a boot time.
    func timestamp(_ boot: Int64) -> Timestamp { Timestamp(wallNanoseconds: boot + wallAhead) }
}

/// Reads both clocks. A fresh difference between them wobbles by the time between two readings, and then a state would
/// seem to begin a millisecond earlier or later each time one asks; so the difference is kept until it is really another.
final class AnswerClock: Sendable {
    private let wallAhead = Mutex(Clock.wall() - Clock.boottime())

    func read() -> AnswerTime {
        let boot = Clock.boottime()
        let fresh = Clock.wall() - boot
        return wallAhead.withLock { kept in
            if abs(fresh - kept) > 2_000_000 { kept = fresh }
            return AnswerTime(boot: boot, wallAhead: kept)
        }
    }
}

/// A mirror that the engine has not refreshed for longer than this says nothing about now. It reports every second.
private let mirrorAge: Int64 = 5_000_000_000

extension StatusDocument {
    /// The answer of `state` at `time`.
    init(_ state: MirrorState, hostname: String, pid: Int32, at time: AnswerTime) {
        let started = Timestamp(wallNanoseconds: state.started)
        let engine: EngineStatus.State
        switch state.engine.state {
        case .running: engine = .running
        case .starting: engine = .starting
        case .down: engine = .down
        }
        // Until the first word of an engine nothing has ever been known.
        let heard = state.heard == 0 ? started : time.timestamp(state.heard)
        let known = engine != .down && state.heard != 0 && time.boot - state.heard <= mirrorAge
        self.init(
            version: agentVersion, hostname: hostname, pid: pid, started: started,
            engine: EngineStatus(
                state: engine, pid: state.engine.process,
                since: state.engine.since == 0 ? started : time.timestamp(state.engine.since),
                restarts: state.engine.restarts, netlinkResyncs: state.netlinkResyncs,
                scheduling: state.engine.scheduling.map { SchedulingStatus($0) }),
            asOf: time.timestamp(time.boot), statistics: GlobalStatistics(state.allCounters, since: started),
            virtualRouters: state.routers.map { router in
                RouterStatus(router, in: state, at: time, unknownSince: known ? nil : heard)
            }, interfaces: Self.interfaces(of: state), upgrade: state.upgrade)
    }

    private static func interfaces(of state: MirrorState) -> [InterfaceStatus] {
        var names: [String] = []
        for router in state.routers where !names.contains(router.configuration.election.interface) {
            names.append(router.configuration.election.interface)
        }
        return names.map { name in
            InterfaceStatus(
                name: name, virtualRouters: state.routers.count { $0.configuration.election.interface == name },
                counters: state.interfaceCounters[name] ?? Counters())
        }
    }
}

extension RouterStatus {
    init(_ router: RouterMirror, in state: MirrorState, at time: AnswerTime, unknownSince: Timestamp?) {
        let election = router.configuration.election
        let snapshot = router.snapshot
        self.init(
            name: router.configuration.name, interface: election.interface, vrid: election.vrid,
            family: election.family == .ipv4 ? "ipv4" : "ipv6", version: election.version.rawValue,
            state: RouterState(snapshot?.state ?? (router.disabled ? .disabled : .initialize)),
            priority: election.priority,
            preempt: PreemptStatus(
                enabled: election.preempt, holdTime: election.preemptDelay.roundedMilliseconds / 1000),
            advertisementIntervalMs: election.advertisementInterval.roundedMilliseconds)
        alsoVersion2 = election.alsoVersion2
        peers = election.peers.map { PeerStatus(address: "\($0.address)", minimumTTL: $0.minimumHopLimit) }
        lastEvent = router.lastEvent.rawValue
        addressCount = election.addresses.count
        for address in election.addresses {
            switch address.address {
            case .ipv4(let ip): virtualIPv4Address.append("\(ip)")
            case .ipv6(let ip): virtualIPv6Address.append("\(ip)")
            }
        }
        let present = Set(snapshot?.held ?? [])
        let advertised = election.addresses.count - election.unadvertised
        addresses = election.addresses.enumerated().map { place, address in
            AddressStatus(
                address: "\(address)", present: present.contains(address), advertised: place < advertised,
                interface: election.interface(of: address))
        }
        setRouting(election.routing, present: snapshot?.routing ?? [])
        if election.usesVirtualMAC {
            virtualMac = "\(MACAddress.virtualRouter(election.vrid, family: election.family))"
        }
        lease = election.leaseSeconds
        gateReleaseTimeoutMs = router.configuration.gateRelease?.timeout.roundedMilliseconds
        handoverLimitMs =
            router.configuration.handoverLimit(masterDown: snapshot?.masterDownInterval ?? .zero).roundedMilliseconds
        held = router.hold.map(HeldStatus.init)
        verification = router.verification.map { VerificationStatus($0, at: time) }
        checks = router.configuration.checks.map { CheckStatus($0, snapshot: snapshot, in: state) }
        if let snapshot { apply(snapshot, names: state.checkNames, at: time) }
        for counter in Counter.allCases { statistics[counter.name] = snapshot?.counters[counter] ?? 0 }
        if let unknownSince {
            self.state = .unknown
            self.unknownSince = unknownSince
        }
    }

    /// What the engine said.
    private mutating func apply(_ snapshot: RouterSnapshot, names: CheckNames, at time: AnswerTime) {
        since = snapshot.since == 0 ? nil : time.timestamp(snapshot.since)
        effectivePriority = snapshot.effectivePriority
        contributions = snapshot.contributions.map { contribution in
            ContributionStatus(
                check: names[contribution.check], onFailure: contribution.effect.word,
                reason: contribution.failure.reason)
        }
        faults = snapshot.faults.map { FaultStatus($0, names) }
        degraded = snapshot.degraded.map { FaultStatus($0, names) }
        leaseExpires = snapshot.leaseExpires == 0 ? nil : time.timestamp(snapshot.leaseExpires)
        upDatetime = snapshot.upSince == 0 ? nil : time.timestamp(snapshot.upSince)
        startDelayUntil = snapshot.delayedUntil > time.boot ? time.timestamp(snapshot.delayedUntil) : nil
        discontinuityDatetime = snapshot.countingSince == 0 ? nil : time.timestamp(snapshot.countingSince)
        masterDownIntervalMs = snapshot.masterDownInterval.roundedMilliseconds
        masterDownInterval = (snapshot.masterDownInterval.nanoseconds + 5_000_000) / 10_000_000
        skewTime = snapshot.skewTime.nanoseconds / 1000
        timerLateMaxUs = snapshot.timerLateMax.nanoseconds / 1000
        lastProtocolError = snapshot.lastProtocolError?.protocolErrorWord ?? lastProtocolError
        newMasterReason = NewMasterReason(snapshot.state, since: snapshot.lastTransition?.cause).rawValue
        master = MasterStatus(snapshot, at: time)
        var source = snapshot.state == .master ? snapshot.localAddress : snapshot.master
        if snapshot.state == .resigning, master == nil { source = snapshot.localAddress }
        lastAdvSource = source.map { "\($0)" }
        differences = snapshot.differences.map { DifferenceStatus($0, at: time) }
        conflicts = snapshot.conflicts.map { ConflictStatus($0, at: time) }
        localAddress = snapshot.localAddress.map { "\($0)" }
        if let move = snapshot.lastTransition {
            // The transition has monotonic time, which stands still while the machine is suspended; the beginning of the
            // present state is the same moment in boot time.
            lastTransition = TransitionStatus(
                from: RouterState(move.from), to: RouterState(move.to), at: time.timestamp(snapshot.since),
                cause: move.cause.word, text: move.cause.sentence(names))
        }
        if snapshot.lastAdvertHeard != 0 {
            // Up to now: the heartbeats tell every second who was heard, so a silence grows while one watches it.
            let age = max(0, time.boot - snapshot.lastAdvertHeard)
            lastAdvertHeardMsAgo = (Double(age) / 100_000).rounded() / 10
        }
    }
}

extension FaultStatus {
    init(_ fault: Fault, _ names: CheckNames) {
        self.init(
            fault: fault.word, check: fault.check.map { names[$0] }, reason: fault.reason, text: fault.sentence(names))
    }
}

extension HeldStatus {
    init(_ hold: Hold) {
        self.init(
            since: Timestamp(wallNanoseconds: hold.since), until: hold.until.map { Timestamp(wallNanoseconds: $0) })
    }
}

extension HandoverAnswer {
    /// What is said of a handover that succeeded.
    init(name: String, _ result: HandoverResult) {
        self.init(
            name: name, successor: result.successor, afterMs: result.after.roundedMilliseconds,
            overlapMs: max(result.overlap, .zero).roundedMilliseconds,
            gapMs: max(.zero - result.overlap, .zero).roundedMilliseconds, held: result.hold.map(HeldStatus.init),
            text: result.text)
    }
}

extension DifferenceStatus {
    init(_ heard: HeardDifference, at time: AnswerTime) {
        let values = heard.what.values
        self.init(
            peer: "\(heard.peer)", kind: heard.what.word, ownValue: values?.own, peerValue: values?.peer,
            text: heard.what.sentence, first: time.timestamp(heard.first.nanoseconds),
            last: time.timestamp(heard.last.nanoseconds), count: heard.count)
    }
}

extension ConflictStatus {
    init(_ heard: HeardClaim, at time: AnswerTime) {
        self.init(
            address: "\(heard.address)", hardwareAddress: "\(heard.hardware)",
            first: time.timestamp(heard.first.nanoseconds), last: time.timestamp(heard.last.nanoseconds),
            count: heard.count)
    }
}

extension VerificationStatus {
    init(_ verification: Verification, at time: AnswerTime) {
        self.init(
            verdict: verification.verdict.word, text: verification.sentence,
            began: time.timestamp(verification.began.nanoseconds), complete: verification.isComplete,
            answers: verification.questions.map { question in
                VerificationAnswer(
                    address: "\(question.address)", target: "\(question.target)", witness: question.witness.word,
                    asked: question.asked, afterMs: question.answered?.roundedMilliseconds)
            })
    }
}

extension MasterStatus {
    /// Ourselves, or the last one heard: a backup's until its master-down interval ends that, anybody else's only while
    /// its adverts keep coming.
    init?(_ snapshot: RouterSnapshot, at time: AnswerTime) {
        if snapshot.state == .master {
            self.init(
                address: snapshot.localAddress.map { "\($0)" }, priority: snapshot.effectivePriority, isSelf: true)
            return
        }
        guard let master = snapshot.master else { return nil }
        let patience = (snapshot.masterInterval * 3 + .seconds(1)).nanoseconds
        guard snapshot.state == .backup || time.boot - snapshot.lastAdvertHeard <= patience else { return nil }
        self.init(address: "\(master)", priority: snapshot.masterPriority, isSelf: false)
    }
}

extension CheckStatus {
    /// The engine's opinion comes first, because it is the one that acts: it alone knows that a verdict is stale.
    init(_ reference: RouterCheck, snapshot: RouterSnapshot?, in state: MirrorState) {
        let mirror = state.checks.first { $0.name == reference.name }
        var standing = mirror?.standing ?? .pending
        if let check = mirror?.check, let failure = snapshot?.failure(of: check) { standing = .failing(failure) }
        let onFailure = reference.effect.word
        switch standing {
        case .pending, .failing(.pending):
            self.init(
                check: reference.name, state: "pending", reason: CheckFailure.pending.reason, onFailure: onFailure)
        case .passing:
            self.init(check: reference.name, state: "passing", reason: nil, onFailure: onFailure)
        case .failing(let failure):
            self.init(check: reference.name, state: "failing", reason: failure.reason, onFailure: onFailure)
        }
    }
}

extension RouterSnapshot {
    /// Why the engine holds this check for failing; nil when it does not.
    fileprivate func failure(of check: CheckID) -> CheckFailure? {
        for case .check(check, let failure) in faults { return failure }
        return contributions.first { $0.check == check }?.failure
    }
}

extension RouterState {
    init(_ state: StateName) {
        switch state {
        case .initialize: self = .initialize
        case .backup: self = .backup
        case .master: self = .master
        case .fault: self = .fault
        case .disabled: self = .disabled
        case .resigning: self = .resigning
        }
    }
}

extension Duration {
    /// Milliseconds with at most three decimals.
    fileprivate var roundedMilliseconds: Double { Double(nanoseconds / 1000) / 1000 }
}

// MARK: - The agent as a service

extension StatusService {
    /// The service of a running agent.
    package init(_ services: StatusServices) {
        let clock = AnswerClock()
        let (mirror, events, queue) = (services.mirror, services.events, services.control)
        let pid = getpid()
        self.init(
            status: {
                StatusDocument(mirror.read(), hostname: hostname(), pid: pid, at: clock.read())
            },
            control: { request, reply in queue.post(request, answer: reply) },
            subscribe: { deliver in
                let subscription = events.subscribe { event in deliver(EventDocument(event)) }
                guard let subscription else { return nil }
                return { events.unsubscribe(subscription) }
            })
    }
}

extension EventDocument {
    init(_ event: AgentEvent) {
        switch event {
        case .transition(let event): self.init(event)
        case .peerDiffers(let router, let peer, let what, let at):
            self = .difference(
                DifferenceDocument(
                    router: router, peer: "\(peer)", kind: what.word, ownValue: what.values?.own,
                    peerValue: what.values?.peer, text: what.sentence, at: Timestamp(wallNanoseconds: at)))
        case .dropped(let router, let reason, let source, let count, let at):
            self = .dropped(
                DroppedDocument(
                    router: router, reason: reason.name, counter: reason.counter.name, source: source.map { "\($0)" },
                    count: count, at: Timestamp(wallNanoseconds: at)))
        case .addressClaimed(let router, let address, let hardware, let state, let at):
            self = .conflict(
                ConflictDocument(
                    router: router, address: "\(address)", hardwareAddress: "\(hardware)", state: RouterState(state),
                    text: conflictSentence(state), at: Timestamp(wallNanoseconds: at)))
        case .verified(let router, let verification, let at):
            self = .verification(
                VerificationDocument(
                    router: router, verdict: verification.verdict.word, text: verification.sentence,
                    at: Timestamp(wallNanoseconds: at)))
        case .degraded(let router, let missing, let text, let at):
            self = .degraded(
                DegradedDocument(router: router, missing: missing, text: text, at: Timestamp(wallNanoseconds: at)))
        case .unsteady(let router, let transitions, let window, let text, let at):
            self = .unsteady(
                UnsteadyDocument(
                    router: router, transitions: transitions, withinS: window.components.seconds, text: text,
                    at: Timestamp(wallNanoseconds: at)))
        }
    }

    private init(_ event: TransitionEvent) {
        let move = event.transition
        self = .transition(
            TransitionDocument(
                router: event.router, from: RouterState(move.from), to: RouterState(move.to), cause: move.cause.word,
                text: event.text, at: Timestamp(wallNanoseconds: event.at), priority: move.effectivePriority))
    }
}

/// gethostname(2); asked each time because it may be set after the start.
private func hostname() -> String {
    var name = [CChar](repeating: 0, count: 256)
    guard unsafe gethostname(&name, name.count - 1) == 0 else { return "localhost" }
    return String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
}
