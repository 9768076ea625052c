// Another version of the agent takes over in the running process: the new program is asked whether it can, what runs beside the
// engine comes to rest, the process becomes the new program, and that one starts a new engine in place of the old one. Until the
// very end everything can be taken back, and the engine notices nothing of it.

import Configuration
import Election
import Glibc
import Messages
import Status
import System

/// What this process was started as, to start the same again.
package struct Incarnation: Hashable, Sendable {
    package var program: String
    package var arguments: [String]

    package init(program: String, arguments: [String]) {
        self.program = program
        self.arguments = arguments
    }
}

extension Supervisor {
    /// So long hooks, and files that are being written, are waited for.
    static let upgradePatience = Duration.seconds(30)
    /// So long the new program may take to say that it can.
    static let validationLimit = Duration.seconds(20)

    /// An upgrade that has been asked for and not begun.
    struct PlannedUpgrade {
        var program: Incarnation
        var to: String
        var until: Nanoseconds
        var answer: (ControlReply) -> Void
    }

    /// Asks the new program, waits for quiet, answers, and becomes it. Refused with a reason where that cannot be now.
    func upgrade(_ answer: @escaping (ControlReply) -> Void) {
        if let obstacle = isUpgrading ? "another upgrade is under way" : upgradeObstacle {
            answer(.refused("no upgrade now: \(obstacle)"))
            return
        }
        guard let incarnation = options.incarnation else {
            answer(.refused("no upgrade: it is not known what this process was started as"))
            return
        }
        isUpgrading = true
        let (load, path) = (load, options.configuration)
        errands.run(
            { load(path) },
            then: { [unowned self] (result: LoadResult) in
                switch result {
                case .loaded(let configuration) where configuration == inForce.configuration:
                    validate(incarnation, answer)
                case .loaded:
                    refuseUpgrade("the configuration on disk is not the one in force; reload it first", answer)
                case .invalid(let errors):
                    let first = errors.first ?? ""
                    refuseUpgrade("the configuration on disk has errors (\(first)); undo the change first", answer)
                }
            })
    }

    /// Why there can be no upgrade now; nil when nothing stands against it.
    private var upgradeObstacle: String? {
        guard phase == .running else { return phase == .starting ? "the agent is starting" : "the agent is stopping" }
        if isReloading { return "a reload is under way" }
        if !gates.isIdle { return "a gate runs; try again when it has ended" }
        if !awaitingDisabled.isEmpty { return "a disable is under way" }
        if let leaving = records.values.first(where: \.departing) { return "\(leaving.name) is still leaving" }
        if let moving = records.values.first(where: { $0.state?.isAtRest == false }) {
            return "\(moving.name) is moving"
        }
        return keeper.inheritance() == nil ? "the engine is not ready" : nil
    }

    private func refuseUpgrade(_ reason: String, _ answer: (ControlReply) -> Void) {
        isUpgrading = false
        log.write(.warning, "upgrade-refused", ["text": reason])
        answer(.refused("no upgrade: \(reason)"))
    }

    /// The new program reads the configuration, finds its engine and says its version.
    private func validate(_ incarnation: Incarnation, _ answer: @escaping (ControlReply) -> Void) {
        var arguments = [incarnation.program, "check", "--takeover", "\(Inheritance.format)"]
        if let engine = findEngineOption() { arguments += ["--engine", engine] }
        arguments.append(options.configuration)
        let request = ProcessRequest(arguments: arguments, environment: environment.inherited)
        do throws(SystemError) {
            // Its closures keep it until the program has ended.
            _ = try Job(
                request, timeout: Self.validationLimit, loop: loop,
                ended: { [unowned self] in validated(incarnation, $0, answer) }, gone: {})
        } catch {
            refuseUpgrade("\(incarnation.program) cannot be run: \(error)", answer)
        }
    }

    /// The engine's path where it was given; else the new program looks for it itself.
    private func findEngineOption() -> String? {
        if let engine = options.engine { return engine }
        let entry = ownEnvironment().first { $0.hasPrefix("VIPD_ENGINE=") }
        return entry.map { String($0.dropFirst(12)) }
    }

    private func validated(_ incarnation: Incarnation, _ result: JobResult, _ answer: @escaping (ControlReply) -> Void)
    {
        let lines = result.output.split(separator: "\n")
        let version = lines.first { $0.hasPrefix("vipd ") }.map { String($0.dropFirst(5)) }
        guard result.failure == nil, let version else {
            let why = result.failure.map(\.reason) ?? "it did not say its version"
            let words = result.output.isEmpty ? "" : ": \(result.output)"
            refuseUpgrade("\(incarnation.program) cannot take over (\(why)\(words))", answer)
            return
        }
        becomeWhenQuiet(
            PlannedUpgrade(
                program: incarnation, to: version,
                until: Clock.monotonic() + Self.upgradePatience.nanoseconds, answer: answer))
    }

    private func becomeWhenQuiet(_ plan: PlannedUpgrade) {
        if let obstacle = upgradeObstacle {
            refuseUpgrade(obstacle, plan.answer)
            return
        }
        let busy = records.values.first { !$0.hooks.isIdle }?.name
        if busy == nil, errands.isIdle {
            leave(plan)
        } else if Clock.monotonic() < plan.until {
            loop.after(.milliseconds(20)) { [unowned self] in becomeWhenQuiet(plan) }
        } else {
            refuseUpgrade(
                busy.map { "a hook of \($0) still runs; try again" } ?? "a file is still being written", plan.answer)
        }
    }

    /// Nothing stands against it: whoever asked is answered while this program still can, and checks end.
    private func leave(_ plan: PlannedUpgrade) {
        let at = Clock.wall()
        let status = UpgradeStatus(
            state: .underWay, from: agentVersion, to: plan.to, at: Timestamp(wallNanoseconds: at))
        mirror.update { $0.upgrade = status }
        log.write(.notice, "upgrading", ["from": agentVersion, "to": plan.to, "program": plan.program.program])
        plan.answer(.upgrading(status))
        notifier.reloading()
        for check in checks.values { check.remove() }
        // The answer leaves by another thread, and killed checks want to be reaped.
        loop.after(.milliseconds(30)) { [unowned self] in
            becomeAfterChecks(plan, at: at, until: Clock.monotonic() + 1_000_000_000)
        }
    }

    private func becomeAfterChecks(_ plan: PlannedUpgrade, at: Int64, until: Nanoseconds) {
        if checks.values.contains(where: { !$0.isIdle }), Clock.monotonic() < until {
            loop.after(.milliseconds(5)) { [unowned self] in becomeAfterChecks(plan, at: at, until: until) }
            return
        }
        let reason = upgradeObstacle ?? become(plan, at: at)
        isUpgrading = false
        log.write(.error, "upgrade-failed", ["text": reason])
        mirror.update {
            $0.upgrade?.state = .failed
            $0.upgrade?.text = reason
        }
        let verdicts = checks.values.compactMap(\.stored)
        let now = Clock.boottime()
        for check in inForce.checks { addCheck(check, start: check.configuration.start(from: verdicts, at: now)) }
        notifier.ready(status: statusText())
    }

    /// Becomes the new program. Returns only when that fails: why.
    private func become(_ plan: PlannedUpgrade, at: Int64) -> String {
        guard let engine = keeper.inheritance() else { return "the engine is not ready" }
        let snapshots = mirror.read().routers
        let inheritance = Inheritance(
            from: agentVersion, to: plan.to, at: at, engine: engine, listener: serving?.listener(),
            lastRouter: numbering.lastRouter, lastCheck: numbering.lastCheck,
            routers: records.values.map { record in
                Inheritance.Router(record, snapshots.first { $0.router == record.router }?.snapshot)
            },
            checks: inForce.checks.map {
                Inheritance.Check(
                    number: $0.check.number, name: $0.configuration.name, fingerprint: $0.configuration.fingerprint)
            }, verdicts: checks.values.compactMap { $0.stored?.line })
        do {
            let memory = try Takeover.seal(try inheritance.encode())
            let own = ownEnvironment().filter { !$0.hasPrefix("\(Inheritance.variable)=") }
            log.flush(atMost: .seconds(1))
            let error = Takeover.become(
                plan.program.program, plan.program.arguments,
                environment: own + ["\(Inheritance.variable)=\(memory.number)"],
                keeping: inheritance.descriptors + [memory.number])
            return "\(error)"
        } catch {
            return "\(error)"
        }
    }

    // MARK: - The new program

    /// What this program knows from the one before; before anything is told to others.
    func remember(_ inheritance: Inheritance) {
        mirror.update { $0.upgrade = inheritance.status }
        for record in records.values {
            guard let known = inheritance.router(record.router) else { continue }
            record.told = known.told.flatMap { StateName(rawValue: $0) }
            record.stopped = known.stopped
            guard let snapshot = known.lastSnapshot else { continue }
            record.state = snapshot.state
            mirror.update { $0.note(snapshot) }
        }
    }

    /// Goes on with the engine of the program before, and lets another follow it. Starts one like others where that fails.
    func goOn(with inheritance: Inheritance) throws(SystemError) {
        guard let engine = InheritedEngine(inheritance.engine) else {
            notUpgraded("the engine was not handed over", .restarted)
            try keeper.start()
            return
        }
        try keeper.adopt(engine)
        let (since, process) = (Clock.boottime(), engine.kept.child.process)
        mirror.update { state in
            state.engine = EngineMirror(state: .running, process: process, since: since, restarts: 0)
            state.heard = since
        }
        phase = .running
        log.write(
            .notice, "taken-over",
            [
                "from": inheritance.from, "to": agentVersion, "engine": "\(process)",
                "routers": "\(inForce.routers.count)",
            ])
        notifier.ready(status: statusText())
        let interfaces = Set(inForce.routers.map { $0.election.interface })
        keeper.replaceEngine(on: interfaces.sorted())
    }

    func upgraded(paused: Duration) {
        log.write(.notice, "upgraded", ["paused": paused.spoken])
        mirror.update { state in
            state.upgrade?.state = .done
            state.upgrade?.pausedUs = paused.nanoseconds / 1_000
        }
    }

    func notUpgraded(_ reason: String, _ state: UpgradeStatus.State = .engineKept) {
        log.write(.error, "engine-not-replaced", ["text": reason])
        mirror.update {
            $0.upgrade?.state = state
            $0.upgrade?.text = reason
        }
    }
}

extension StateName {
    /// Another engine can go on from it.
    fileprivate var isAtRest: Bool {
        switch self {
        case .initialize, .backup, .master, .fault, .disabled: true
        case .resigning: false
        }
    }
}
