// What the supervisor does on request: read the configuration again, give a virtual router up, take part again. Files are read
// and written by the errands' thread; each request is answered exactly once.

import Configuration
import Election
import Messages
import Status
import System

extension Supervisor {
    /// Takes what the status server posted.
    func readRequests() {
        for (request, answer) in control.take() {
            switch request {
            case .reload: reload(answer)
            case .disable(let name): setDisabled(name, true, answer)
            case .enable(let name): setDisabled(name, false, answer)
            case .handOver(let name, let span): handOver(name, holdFor: span, answer)
            case .announce(let name): announce(name, answer)
            case .verify(let name): verify(name, answer)
            case .upgrade: upgrade(answer)
            }
        }
    }

    // MARK: Reload

    /// Reads the configuration and puts it in force if it has no errors. While one reload is under way further ones are
    /// answered by the next, which sees what was written since.
    func reload(_ answer: @escaping (ControlReply) -> Void) {
        guard phase == .starting || phase == .running else {
            answer(.refused("the agent is stopping"))
            return
        }
        guard !isUpgrading else {
            answer(.refused("an upgrade is under way"))
            return
        }
        reloadWanted.append(answer)
        startReload()
    }

    private func startReload() {
        guard !isReloading, !reloadWanted.isEmpty else { return }
        isReloading = true
        let answers = reloadWanted
        reloadWanted = []
        notifier.reloading()
        let (load, path) = (load, options.configuration)
        typealias Loaded = (result: LoadResult, users: [String: UserIdentity])
        errands.run(
            { () -> Loaded in
                let result = load(path)
                guard case .loaded(let configuration) = result else { return (result, [:]) }
                return (result, CommandEnvironment.find(CommandEnvironment.users(of: configuration)))
            },
            then: { [unowned self] (loaded: Loaded) in
                switch loaded.result {
                case .invalid(let errors):
                    for error in errors { log.write(.error, "configuration-error", ["text": error]) }
                    log.write(.error, "reload-refused", ["errors": "\(errors.count)", "text": "nothing was changed"])
                    reloaded(answers, .invalid(errors))
                case .loaded(let configuration):
                    environment.learn(loaded.users)
                    apply(configuration, answers)
                }
            })
    }

    private func reloaded(_ answers: [(ControlReply) -> Void], _ reply: ControlReply) {
        isReloading = false
        if phase == .running { notifier.ready(status: statusText()) }
        for answer in answers { answer(reply) }
        startReload()
    }

    /// What is in force from now on and may not be meant so.
    func warn(of configuration: Configuration) {
        for warning in configuration.warnings {
            log.write(.warning, "configuration-warning", ["text": warning.description])
        }
        for text in HostSettings.warnings(for: configuration) { log.write(.warning, "host-setting", ["text": text]) }
    }

    private func apply(_ configuration: Configuration, _ answers: [(ControlReply) -> Void]) {
        guard phase == .starting || phase == .running else {
            reloaded(answers, .refused("the agent is stopping"))
            return
        }
        // First, because it can fail: a reload changes everything or nothing. It is asked each time, also for the sake of a socket
        // file that somebody deleted.
        do {
            try serving?.move(configuration.statusSocket)
        } catch {
            let text = "\(error); nothing was changed"
            log.write(.error, "reload-refused", ["path": configuration.statusSocket.path, "text": text])
            reloaded(answers, .invalid([text]))
            return
        }
        warn(of: configuration)
        let old = inForce
        let new = numbering.number(configuration, after: old)
        let plan = ReloadPlan(from: old, to: new)
        inForce = new
        for router in plan.removed { records[router.router]?.departing = true }
        for router in plan.added { addRecord(router) }
        for router in plan.changed + plan.changedCommands {
            records[router.router]?.configuration = router.configuration
        }
        // A check whose command was changed while it failed goes on failing until the new one says otherwise (promise 6).
        let failing = plan.removedChecks.compactMap { checks[$0] }.filter { $0.isFailing }.map(\.configuration.name)
        for check in plan.removedChecks { checks.removeValue(forKey: check)?.remove() }
        for check in plan.adaptedChecks { checks[check.check]?.adapt(to: check.configuration) }
        for check in plan.addedChecks {
            addCheck(check, start: failing.contains(check.configuration.name) ? .cold : .added)
        }
        log.setThreshold(configuration.logLevel)
        if old.configuration.stateDirectory != configuration.stateDirectory {
            store = DisabledStore(directory: configuration.stateDirectory)
            save { _ in }
            holdStore = HoldStore(directory: configuration.stateDirectory)
            saveHolds { _ in }
            verdicts?.store = verdictStore(in: configuration)
            verdicts?.judged(changed: true)
        }
        mirrorConfiguration()
        if old.configuration.engine != configuration.engine { scheduleEngine() }
        var summary = plan.summary
        summary.warnings = configuration.warnings.map(\.description)
        log.write(
            .notice, "reloaded",
            [
                "changed": summary.changed.joined(separator: ","), "added": summary.added.joined(separator: ","),
                "removed": summary.removed.joined(separator: ","),
            ])
        // Of a check that this reload changed the old verdict is told with its age, of a new one that nothing is known.
        let commands = plan.commands(known: known, disabled: disabled, held: Set(holds.keys))
        // Without an engine the next one is configured anew.
        guard !commands.isEmpty, keeper.isRunning else {
            reloaded(answers, .reloaded(summary))
            return
        }
        for command in commands { keeper.send(command) }
        awaitingReady.append { [unowned self, summary] in reloaded(answers, .reloaded(summary)) }
    }

    // MARK: Orders to the engine

    /// Whether a running engine can be given an order for the router of this name.
    enum Reach {
        case yes(NumberedRouter)
        case no(ControlReply)
    }

    func reach(_ name: String) -> Reach {
        guard phase == .starting || phase == .running else { return .no(.refused("the agent is stopping")) }
        guard let router = inForce.routers.first(where: { $0.configuration.name == name }) else {
            return .no(.unknownRouter)
        }
        guard keeper.isRunning, mirror.read().engine.state == .running else {
            return .no(.untold("the engine is not running; it is not known who holds \(name)"))
        }
        return .yes(router)
    }

    /// For what only a master does, which the refusal says of every other state.
    func reach(_ name: String, asMasterFor purpose: String) -> Reach {
        let reach = reach(name)
        guard case .yes(let router) = reach else { return reach }
        let state = records[router.router]?.state ?? .initialize
        guard state == .master else {
            return .no(.refused("\(name) is \(state.word) on this host; only its master \(purpose)"))
        }
        return .yes(router)
    }

    // MARK: Announce

    private func announce(_ name: String, _ answer: (ControlReply) -> Void) {
        let router: NumberedRouter
        switch reach(name, asMasterFor: "announces its addresses") {
        case .yes(let found): router = found
        case .no(let reply):
            answer(reply)
            return
        }
        log.write(.notice, "announce", ["router": name])
        keeper.send(.announce(router.router))
        answer(.announcing(addresses: router.configuration.election.addresses.count))
    }

    // MARK: Disable and enable

    private func setDisabled(_ name: String, _ wanted: Bool, _ answer: @escaping (ControlReply) -> Void) {
        guard phase == .starting || phase == .running else {
            answer(.refused("the agent is stopping"))
            return
        }
        guard inForce.routers.contains(where: { $0.configuration.name == name }) else {
            answer(.unknownRouter)
            return
        }
        guard wanted || !isGivingUp(name) else {
            answer(refusal(whileGivingUp: name))
            return
        }
        guard wanted || awaitingHandover[name] == nil else {
            answer(.refused("a handover of \(name) is under way"))
            return
        }
        let isNew = disabled.contains(name) != wanted
        note(name, disabled: wanted)
        save { [unowned self] error in
            if let error {
                if isNew { note(name, disabled: !wanted) }
                answer(.refused("\(name) cannot be \(wanted ? "disabled" : "enabled"): \(error)"))
                return
            }
            obey(name, wanted, answer)
        }
    }

    /// The router is being disabled: somebody waits for that, or its release gate runs. A gate that is ended half-way leaves
    /// nobody knows what: a master whose service may have stopped.
    func isGivingUp(_ name: String) -> Bool {
        guard let router = inForce.routers.first(where: { $0.configuration.name == name }) else { return false }
        return awaitingDisabled[name]?.isEmpty == false || gates.isReleasing(router.router)
    }

    func refusal(whileGivingUp name: String) -> ControlReply {
        let isReleasing = records.values.contains {
            guard $0.name == name else { return false }
            return gates.isReleasing($0.router) || ($0.state == .master && $0.configuration.gateRelease != nil)
        }
        return .refused("a disable of \(name) is under way" + (isReleasing ? ": its gate-release runs" : ""))
    }

    private func note(_ name: String, disabled isDisabled: Bool) {
        if isDisabled { disabled.insert(name) } else { disabled.remove(name) }
    }

    /// Writes the names down; `then` has the error, if any.
    private func save(then: @escaping (SystemError?) -> Void) {
        let (store, names) = (store, disabled)
        errands.run(
            { () -> SystemError? in
                do throws(SystemError) { try store.write(names) } catch { return error }
                return nil
            },
            then: { [unowned self] (error: SystemError?) in
                if let error { log.write(.error, "state-not-written", ["error": "\(error)"]) }
                then(error)
            })
    }

    /// It is written down: the engine is told.
    private func obey(_ name: String, _ wanted: Bool, _ answer: @escaping (ControlReply) -> Void) {
        mirrorConfiguration()
        // A reload may have removed it meanwhile.
        guard let router = inForce.routers.first(where: { $0.configuration.name == name }) else {
            answer(.unknownRouter)
            return
        }
        // A disable that was written down before this enable may have begun meanwhile.
        guard wanted || !isGivingUp(name) else {
            note(name, disabled: true)
            mirrorConfiguration()
            save { [unowned self] _ in answer(refusal(whileGivingUp: name)) }
            return
        }
        log.write(.notice, wanted ? "disable" : "enable", ["router": name])
        keeper.send(.disable(router.router, wanted))
        if !wanted { release(name, because: "it was enabled") }
        guard wanted, keeper.isRunning, records[router.router]?.state != .disabled else {
            answer(.done)
            return
        }
        let awaited = AwaitedAnswer(answer)
        awaitingDisabled[name, default: []].append(awaited)
        // Its own limit: that of an earlier request must not cut this one short.
        let limit =
            (router.configuration.gateRelease?.timeout ?? .zero) + router.configuration.election.resigningTime
            + .seconds(5)
        awaited.limit = loop.after(limit) { [unowned self] in
            awaitingDisabled[name]?.removeAll { $0 === awaited }
            awaited.give(.refused("\(name) is not given up yet; it is disabled as soon as it is"))
        }
    }

    /// Answers all who wait for this router to be disabled.
    func answerDisabled(_ name: String, _ reply: ControlReply) {
        for awaited in awaitingDisabled.removeValue(forKey: name) ?? [] {
            loop.cancel(awaited.limit)
            awaited.give(reply)
        }
    }

    /// The router of this name reached `disabled`. Where a release gate of it still runs, that of a dead engine, this is said
    /// after its end.
    func hasBeenDisabled(_ name: String) {
        guard !records.values.contains(where: { $0.name == name && gates.isRunning($0.router) }) else { return }
        answerDisabled(name, .done)
    }

    /// Its release gate failed, so it stays what it was; so it must be written down, too.
    func staysEnabled(_ router: RouterID, _ failure: CheckFailure) {
        guard let record = records[router], disabled.contains(record.name) else { return }
        disabled.remove(record.name)
        keeper.send(.disable(router, false))
        mirrorConfiguration()
        let name = record.name
        // Taken out now: who asks again while this is written down waits for another gate.
        let answers = awaitingDisabled.removeValue(forKey: name) ?? []
        for awaited in answers { loop.cancel(awaited.limit) }
        save { _ in
            for awaited in answers {
                awaited.give(
                    .refused("gate-release of \(name) failed (\(failure.reason)); it stays master and enabled"))
            }
        }
    }
}
