// What the supervisor does with what the engine says: mirrors it, logs it, runs the commands it asks for, and tells a new
// engine what the last one knew.

import Configuration
import Election
import Glibc
import Messages
import Status
import System

extension Supervisor {
    func engineDid(_ event: EngineKeeper.Event) {
        switch event {
        case .started(let process, let resuming):
            engineStarted(process, resuming: resuming)
        case .report(let report):
            take(report)
        case .notStarted(let error, let restart):
            log.write(.error, "engine-not-started", ["error": "\(error)", "again-in": restart.after.spoken])
            engineIsGone(restart)
        case .died(let ending, let death, let restart):
            logDeath(ending, death, restart)
            engineIsGone(restart)
            if restart == nil { finish() }
        case .cleaned(let ending, let output, let complete, let isLast):
            cleaned(ending, output, complete: complete)
            if isLast { finish() }
        case .succeeding:
            abandonGates()
        case .succeeded(let paused):
            upgraded(paused: paused)
        case .notSucceeded(let reason):
            notUpgraded(reason)
        }
    }

    private func engineStarted(_ process: Int32, resuming: Bool) {
        restarts += 1
        log.write(.notice, "engine-started", ["pid": "\(process)", "resuming": resuming ? "yes" : "no"])
        let restarts = restarts
        let since = Clock.boottime()
        let snapshots = mirror.update { state in
            state.engine = EngineMirror(state: .starting, process: process, since: since, restarts: restarts)
            state.beginEngine(resuming: resuming)
            return state.routers.compactMap { $0.snapshot }
        }
        scheduleEngine()
        if resuming {
            for snapshot in snapshots { keeper.send(.resume(snapshot)) }
        }
        for command in inForce.commands(known: known, disabled: disabled, held: Set(holds.keys)) {
            keeper.send(command)
        }
        noteLeftBehind()
    }

    private func noteLeftBehind() { leftBehind = records.values.filter(\.departing).map(\.router).sorted() }

    private func logDeath(_ ending: ProcessEnding, _ death: EngineDeath, _ restart: RestartPolicy.Restart?) {
        let isWanted = restart == nil && ending == .exited(0)
        log.write(
            isWanted ? .notice : .error, "engine-ended",
            [
                "how": ending.sentence, "last": isWanted ? "" : lastWords(death), "core": death.leftCore ? "yes" : "",
                "output": death.output, "again-in": restart.map { $0.after == .zero ? "" : $0.after.spoken } ?? "",
                "resuming": restart.map { $0.resuming ? "yes" : "no" } ?? "",
            ])
    }

    /// What it was doing when it was last alive.
    private func lastWords(_ death: EngineDeath) -> String {
        guard let words = death.lastWords, words.beat > 0 else { return "" }
        let router = words.router == 0 ? "" : " of \(name(RouterID(words.router)))"
        return "\(words.word)\(router), \(Duration.nanoseconds(death.at - words.beat).spoken) before its end was seen"
    }

    /// An engine was started only to remove what was left behind, and is gone again.
    private func cleaned(_ ending: ProcessEnding, _ output: String, complete: Bool) {
        if complete {
            log.write(.notice, "left-overs-removed", ["text": "no address of this agent is on an interface now"])
            unreleased = []
            // The next engine may be long in coming. At the end all are ended by `finish`.
            if phase == .starting || phase == .running {
                noteLeftBehind()
                endLeftBehind()
            }
            for name in awaitingDisabled.keys.sorted() { hasBeenDisabled(name) }
            return
        }
        // Before the first engine was ready nobody has looked what an earlier run left.
        if phase == .starting { unreleased.formUnion(records.values.flatMap { heldAddresses($0) }) }
        log.write(
            .error, "left-overs-not-removed",
            [
                "how": ending.sentence, "output": output, "addresses": unreleased.sorted().joined(separator: ", "),
                "text": "no engine runs that could remove them; these addresses may still be on their interfaces",
            ])
    }

    private func heldAddresses(_ record: VirtualRouterRecord) -> [String] {
        let election = record.configuration.election
        return election.addresses.map { "\($0) on \(election.interface)" } + election.routing.map { "\($0)" }
    }

    /// No engine continues from where the last one stopped: its masters hold nothing any more, and nobody reports that.
    private func loseMasters() {
        for record in records.values.sorted(by: { $0.router < $1.router }) where record.mayHold {
            unreleased.formUnion(heldAddresses(record))
            // The last hook of a stop is told by `finish`, when the addresses are gone.
            guard phase != .stopping else { continue }
            let snapshot = mirror.read().routers.first { $0.router == record.router }?.snapshot
            let transition = Transition(
                from: record.state ?? .master, to: .fault, cause: .stopped, at: Instant(nanoseconds: Clock.monotonic()),
                effectivePriority: snapshot?.effectivePriority ?? 0)
            transitioned(record.router, transition, text: "the engine does not keep running; its addresses are removed")
        }
    }

    private func abandonGates() {
        for router in gates.abandon() {
            log.write(.notice, "gate-cancelled", ["router": name(router), "text": "its engine is gone"])
        }
    }

    private func engineIsGone(_ restart: RestartPolicy.Restart?) {
        abandonGates()
        let since = Clock.boottime()
        mirror.update { state in
            state.engine.state = .down
            state.engine.process = nil
            state.engine.scheduling = nil
            state.engine.since = since
        }
        if let restart, !restart.resuming { loseMasters() }
        if phase != .stopping { loseHandovers(continuing: restart?.resuming ?? false) }
        loseVerifications()
        releaseWaiting()
        // Who waits for a router to be disabled goes on waiting: the next engine starts with it.
    }

    /// A gate ended: what waited for its end goes on.
    private func gateEnded(_ name: String) {
        // Before that the next `ready` is awaited.
        if mirror.read().engine.state == .running { endLeftBehind() }
        if let record = records.values.first(where: { $0.name == name && !$0.departing }) {
            // While no engine runs nobody reports that it is out; a master's addresses must have been removed.
            let isOut = !keeper.isRunning && !record.mayHold && unreleased.isEmpty
            if record.state == .disabled || isOut { hasBeenDisabled(name) }
        }
        if phase == .finishing { tellLastHooks() }
        finishIfDone()
    }

    func releaseWaiting() {
        let waiting = awaitingReady
        awaitingReady = []
        for body in waiting { body() }
    }

    // MARK: Reports

    private func take(_ report: Report) {
        let now = Clock.boottime()
        mirror.update { $0.heard = now }
        switch report {
        case .hello, .socket, .socketClosed, .prepared, .yielded:
            break
        case .ready:
            engineIsReady()
        case .heartbeat(let at, let advertised, let heard):
            mirror.update {
                $0.note(advertised: advertised, at: at)
                $0.note(heard: heard, at: at)
            }
        case .transition(let router, let transition):
            transitioned(router, transition)
        case .snapshot(let snapshot):
            take(snapshot)
        case .gateWanted(let router, let kind, let sequence, let cause):
            runGate(router, kind, sequence, cause)
        case .gateCancelled(let router, let sequence):
            if gates.cancel(router, sequence: sequence) {
                log.write(.notice, "gate-cancelled", ["router": name(router)])
            }
        case .handover(let router, let outcome):
            handoverEnded(router, outcome)
        case .verification(let router, let verification):
            verified(router, verification)
        case .notice(let notice):
            noticed(notice)
        case .interfaceCounters(let interface, let counters):
            mirror.update { $0.note(counters, on: interface) }
        case .lost(let count):
            log.write(.warning, "reports-lost", ["count": "\(count)"])
        case .stopped:
            log.write(.info, "engine-released-everything")
        }
    }

    func name(_ router: RouterID) -> String { records[router]?.name ?? "router \(router.number)" }

    /// Ends the records of which no engine will report an end: theirs died before they had left. What was left of them has been
    /// removed. One whose release gate still runs ends after it.
    private func endLeftBehind() {
        let ended = leftBehind.filter { !gates.isRunning($0) }
        leftBehind.removeAll { ended.contains($0) }
        for record in ended.compactMap({ records[$0] }) {
            if let previous = record.state, previous != .disabled, previous != .initialize {
                let transition = Transition(
                    from: previous, to: .initialize, cause: .reconfigured,
                    at: Instant(nanoseconds: Clock.monotonic()), effectivePriority: 0)
                transitioned(record.router, transition)
            } else {
                removeRecord(record)
            }
        }
    }

    /// They left before they had begun: nothing was to be told of them, and nothing will be.
    private func endUnbegun() {
        let idle = records.values.filter { $0.departing && ($0.state ?? .initialize) == .initialize }
        for record in idle.sorted(by: { $0.router < $1.router }) { removeRecord(record) }
    }

    private func engineIsReady() {
        // It has removed what an earlier one left, or holds it now.
        unreleased = []
        endLeftBehind()
        endUnbegun()
        let since = Clock.boottime()
        let isNew = mirror.update { state in
            guard state.engine.state != .running else { return false }
            state.engine.state = .running
            state.engine.since = since
            return true
        }
        // It has all its threads now.
        if isNew { scheduleEngine() }
        if phase == .starting {
            phase = .running
            log.write(.notice, "ready", ["routers": "\(inForce.routers.count)"])
            notifier.ready(status: statusText())
        }
        releaseWaiting()
        repeatHandovers()
    }

    private func take(_ snapshot: RouterSnapshot) {
        guard let record = records[snapshot.router] else { return }
        record.state = snapshot.state
        mirror.update { $0.note(snapshot) }
        if snapshot.state == .disabled, !record.departing { hasBeenDisabled(record.name) }
        if snapshot.state != .resigning { concludeHandover(of: record) }
        guard record.awaitsFirstResult, snapshot.state == .fault,
            let fault = snapshot.faults.first(where: { !$0.isPending })
        else { return }
        let transition = Transition(
            from: .initialize, to: .fault, cause: .fault(fault), at: Instant(nanoseconds: Clock.monotonic()),
            effectivePriority: snapshot.effectivePriority)
        record.awaitsFirstResult = false
        runHook(record, transition)
    }

    /// `text` is told in place of the cause's own sentence.
    private func transitioned(_ router: RouterID, _ transition: Transition, text: String? = nil) {
        guard let record = records[router] else { return }
        let text = text ?? transition.cause.sentence(inForce.checkNames)
        log.write(
            transition.logLevel, "transition",
            [
                "router": record.name, "from": transition.from.word, "to": transition.to.word,
                "cause": transition.cause.word, "priority": "\(transition.effectivePriority)", "text": text,
            ])
        let at = Clock.wall() - (Clock.monotonic() - transition.at.nanoseconds)
        let event = TransitionEvent(router: record.name, transition: transition, text: text, at: at)
        events.publish(.transition(event))
        mirror.update { $0.note(transition, of: router) }
        record.state = transition.to
        if transition.to != .master { endVerification(of: record) }
        record.awaitsFirstResult = transition.isPendingFault
        // Who resigns serves until the addresses go, which is another transition.
        if transition.to != .resigning {
            // A new engine that goes on where the last one stopped changes nothing for those outside, nor does one that takes
            // back what it had not given away.
            let continues = transition.cause == .resumed || transition.cause == .nobodyTookOver
            let isNews = !continues || record.told != transition.to
            record.told = transition.to
            if isNews { runHook(record, transition) }
        }
        if transition.to == .master { endHold(ofMaster: record) }
        concludeHandover(of: record)
        if transition.to == .disabled, !record.departing { hasBeenDisabled(record.name) }
        if record.departing, transition.to == .initialize { removeRecord(record) }
        if phase == .running { notifier.status(statusText()) }
    }

    /// Runs the hook that the transition calls for. Without one the newer state still takes the place of what waits.
    func runHook(_ record: VirtualRouterRecord, _ transition: Transition) {
        guard !isHeld(record) else {
            record.held = transition
            return
        }
        // The end of a router that was given up before: its on-stop was told then, or waits.
        if record.stopped, transition.to == .initialize { return }
        let kind = HookKind(transition)
        if let kind { record.stopped = kind == .onStop }
        guard let kind, let command = record.configuration.hooks[kind] else {
            record.hooks.drop(because: transition.to)
            return
        }
        let moment = VirtualRouterRecord.Moment(
            kind: kind.rawValue, state: transition.to,
            // Of `resigning` nobody was told.
            previous: transition.from == .resigning ? .master : transition.from, cause: transition.cause,
            priority: transition.effectivePriority)
        record.hooks.add(
            HookQueue.Entry(
                kind: kind, command: command, variables: record.variables(moment, inForce.checkNames)))
    }

    // MARK: Gates

    private func runGate(_ router: RouterID, _ kind: GateKind, _ sequence: UInt32, _ cause: Cause) {
        guard let record = records[router],
            let command = kind == .claim ? record.configuration.gateClaim : record.configuration.gateRelease
        else {
            // A reload took the gate away while the engine was asking for it.
            keeper.send(.gate(router, sequence: sequence, failure: nil))
            return
        }
        // It is heard the first time only.
        guard !gates.knows(router, sequence: sequence) else { return }
        let snapshot = mirror.read().routers.first { $0.router == router }?.snapshot
        let moment = VirtualRouterRecord.Moment(
            kind: kind.word, state: kind == .claim ? .master : .backup, previous: record.state ?? .backup,
            cause: cause, priority: snapshot?.effectivePriority ?? 0)
        let name = record.name
        let generation = gates.generation
        log.write(.info, "gate-started", ["router": name, "gate": kind.word])
        gates.start(
            router, kind, sequence: sequence, command: command, variables: record.variables(moment, inForce.checkNames)
        ) { [unowned self] result in
            log.write(
                result.failure == nil ? .notice : .error, result.failure == nil ? "gate-opened" : "gate-failed",
                [
                    "router": name, "gate": kind.word, "reason": result.failure?.reason ?? "",
                    "took": result.took.spoken, "output": result.output,
                    "text": gates.generation == generation ? "" : "its engine is gone; the result changes nothing",
                ])
            if gates.generation == generation {
                keeper.send(.gate(router, sequence: sequence, failure: result.failure))
            }
            gateEnded(name)
        }
    }

    // MARK: The mirror

    /// The text that the service manager shows.
    func statusText() -> String {
        let routers = mirror.read().routers
        let shown = routers.prefix(10).map { router in
            "\(router.configuration.name) \((records[router.router]?.state ?? .initialize).word)"
        }
        let rest = routers.count > 10 ? " and \(routers.count - 10) more" : ""
        return shown.isEmpty ? "no virtual routers" : shown.joined(separator: ", ") + rest
    }

    /// Shows the configuration in force; snapshots of the routers that stay are kept.
    func mirrorConfiguration() {
        let (inForce, disabled, holds) = (inForce, disabled, holds)
        mirror.update { state in
            state.configuration = inForce.configuration
            let before = state.routers
            state.routers = inForce.routers.map { router in
                var mirror =
                    before.first { $0.router == router.router }
                    ?? RouterMirror(router: router.router, configuration: router.configuration)
                mirror.configuration = router.configuration
                mirror.disabled = disabled.contains(router.configuration.name)
                mirror.hold = holds[router.configuration.name]
                return mirror
            }
            state.keepCounters(of: before)
            state.checks = inForce.checks.map { check in
                var mirror =
                    state.checks.first { $0.check == check.check }
                    ?? CheckMirror(check: check.check, name: check.configuration.name)
                mirror.name = check.configuration.name
                return mirror
            }
            state.checkNames = inForce.checkNames
        }
    }

    func mirrorCheck(_ check: CommandCheck) {
        let (number, standing, lastRun) = (check.check, check.judge.standing, check.lastRun)
        mirror.update { state in
            guard let index = state.checks.firstIndex(where: { $0.check == number }) else { return }
            state.checks[index].standing = standing
            state.checks[index].lastRun = lastRun
        }
    }
}
