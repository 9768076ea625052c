// The supervisor: one thread that owns everything that is slow. It reads the configuration, keeps the engine, runs checks,
// gates and hooks, and mirrors what the engine reports. This file is its state, its start and its end; what it does with
// reports is in Supervisor+Engine.swift, with requests in Supervisor+Control.swift.

import Configuration
import Election
import Glibc
import Messages
import Status
import System

/// An answer that is given when something has happened, or when its time is over.
final class AwaitedAnswer {
    let give: (ControlReply) -> Void
    var limit: Loop.Token?
    init(_ give: @escaping (ControlReply) -> Void) { self.give = give }
}

/// The agent's slow half. Made, run once, and then over.
final class Supervisor {
    /// What it is doing.
    enum Phase: Hashable {
        case starting
        case running
        /// The engine was told to stop.
        case stopping
        /// The engine is gone; the last hooks run.
        case finishing
        case over
    }

    let options: SupervisorOptions
    let load: LoadConfiguration
    private let engine: String
    let loop: Loop
    let errands: Errands
    let log: Log
    let notifier: Notifier
    let environment: CommandEnvironment
    let mirror: Mirror
    let events = EventHub()
    let control: ControlQueue
    let gates: GateRunner
    let signals: SignalDescriptor
    private(set) var verdicts: VerdictKeeper?
    private let boot = VerdictStore.currentBoot()
    private let watchdog: Watchdog?
    /// What the program before this one left, until it has been taken over.
    private var inheritance: Inheritance?
    private(set) lazy var keeper = EngineKeeper(
        program: engine, environment: environment.inherited, loop: loop, log: log, watchdog: watchdog
    ) { [unowned self] in engineDid($0) }
    var serving: StatusServing?

    var phase = Phase.starting
    var numbering: Numbering
    var inForce: NumberedConfiguration
    var store: DisabledStore
    var disabled: Set<String>
    var holdStore: HoldStore
    /// Routers that were handed over and are held back since, by name.
    var holds: [String: Hold]
    var holdTimer: Loop.Token?
    var records: [RouterID: VirtualRouterRecord] = [:]
    /// By name; one stays until it is empty and no record has its name.
    var hooks: [String: HookQueue] = [:]
    /// Records that wait for the end of a router which only an earlier engine knew.
    var leftBehind: [RouterID] = []
    var checks: [CheckID: CommandCheck] = [:]
    /// Called when the engine has what it was sent, or is gone.
    var awaitingReady: [() -> Void] = []
    /// Who waits for a router to be disabled, by its name: a reload may give it another number meanwhile.
    var awaitingDisabled: [String: [AwaitedAnswer]] = [:]
    var awaitingVerification: [RouterID: [AwaitedVerification]] = [:]
    /// Handovers that are under way, by the router's name.
    var awaitingHandover: [String: AwaitedHandover] = [:]
    var isReloading = false
    var reloadWanted: [(ControlReply) -> Void] = []
    /// Another program is about to take this process over.
    var isUpgrading = false
    var restarts = -1
    /// What the engine was told to lack.
    var toldLimits: [EngineLimit] = []
    /// Addresses of masters whose engine is gone and that nobody has removed yet, as people read them.
    var unreleased: Set<String> = []

    init(
        options: SupervisorOptions, engine: String, configuration: Configuration, disabled: Set<String>,
        holds: [String: Hold] = [:], environment: [String], signals: consuming SignalDescriptor, log: Log,
        load: @escaping LoadConfiguration, inheritance: Inheritance? = nil
    ) throws(SystemError) {
        self.options = options
        self.load = load
        self.engine = engine
        self.log = log
        self.signals = signals
        loop = try Loop()
        errands = try Errands(loop: loop)
        notifier = Notifier(environment: environment, process: getpid())
        self.environment = CommandEnvironment(environment, errands: errands)
        gates = GateRunner(loop: loop, environment: self.environment)
        control = try ControlQueue()
        store = DisabledStore(directory: configuration.stateDirectory)
        self.disabled = disabled
        holdStore = HoldStore(directory: configuration.stateDirectory)
        self.holds = holds
        self.inheritance = inheritance
        // For debuggers, which stop an engine for longer than it may be silent.
        watchdog = environment.contains("VIPD_WATCHDOG=off") ? nil : try Watchdog()
        numbering = Numbering(lastRouter: inheritance?.lastRouter ?? 0, lastCheck: inheritance?.lastCheck ?? 0)
        inForce = numbering.number(configuration, after: inheritance?.known(in: configuration))
        mirror = Mirror(MirrorState(started: Clock.wall(), configuration: configuration))
    }

    /// Runs until a signal ends it.
    func run(serve: ServeStatus) throws {
        self.environment.learn(CommandEnvironment.find(CommandEnvironment.users(of: inForce.configuration)))
        warn(of: inForce.configuration)
        for router in inForce.routers { addRecord(router) }
        let written = try startKeepingVerdicts()
        let verdicts = inheritance?.verdicts.compactMap { StoredVerdict(line: $0) } ?? written
        let now = Clock.boottime()
        for check in inForce.checks { addCheck(check, start: check.configuration.start(from: verdicts, at: now)) }
        // Those that ended while no agent ran are not told to the engine any more.
        watchHolds()
        for (name, hold) in holds.sorted(by: { $0.key < $1.key }) {
            let end = hold.until.map { "\(Timestamp(wallNanoseconds: $0))" } ?? ""
            log.write(.notice, "held-back", ["router": name, "until": end])
        }
        mirrorConfiguration()
        for check in checks.values { mirrorCheck(check) }
        if let inheritance { remember(inheritance) }
        serving = try serve(
            StatusServices(
                socket: inForce.configuration.statusSocket, mirror: mirror, events: events, control: control,
                listener: inheritance?.listener))
        _ = try loop.watch(signals.number) { [unowned self] in readSignals() }
        _ = try loop.watch(control.number) { [unowned self] in readRequests() }
        if let interval = notifier.watchdogInterval { feedWatchdog(interval) }
        if let inheritance {
            try goOn(with: inheritance)
            self.inheritance = nil
        } else {
            try keeper.start()
        }
        while phase != .over { try loop.turn() }
        serving?.stop()
    }

    /// What the last supervisor knew of the checks; without it this is a cold start. From now on this one writes down what it
    /// knows.
    private func startKeepingVerdicts() throws(SystemError) -> [StoredVerdict] {
        let store = verdictStore(in: inForce.configuration)
        verdicts = try VerdictKeeper(
            store, loop: loop,
            verdicts: { [unowned self] in
                checks.values.sorted { $0.check.number < $1.check.number }.compactMap(\.stored)
            }, failed: { [unowned self] in log.write(.error, "state-not-written", ["error": "\($0)"]) })
        do throws(SystemError) {
            return try store.read()
        } catch {
            log.write(.warning, "state-not-read", ["error": "\(error)"])
            return []
        }
    }

    func verdictStore(in configuration: Configuration) -> VerdictStore {
        VerdictStore(directory: configuration.stateDirectory, boot: boot)
    }

    private func feedWatchdog(_ interval: Duration) {
        notifier.watchdog()
        loop.after(interval) { [unowned self] in feedWatchdog(interval) }
    }

    private func readSignals() {
        while let signal = signals.next() {
            switch signal {
            case SIGTERM, SIGINT:
                log.write(.notice, "signal", ["signal": signal == SIGTERM ? "TERM" : "INT"])
                stop()
            case SIGHUP:
                log.write(.notice, "signal", ["signal": "HUP"])
                reload { _ in }
            default:
                break
            }
        }
    }

    // MARK: Routers and checks

    func addRecord(_ router: NumberedRouter) {
        let name = router.configuration.name
        let queue =
            hooks[name]
            ?? HookQueue(
                loop: loop, environment: environment, report: { [unowned self] in hookDid(name, $0) },
                drained: { [unowned self] in
                    forgetHooks(of: name)
                    finishIfDone()
                })
        hooks[name] = queue
        records[router.router] = VirtualRouterRecord(router, hooks: queue)
    }

    /// The router that left the configuration has ended. The one that took its name tells what became of it meanwhile.
    func removeRecord(_ record: VirtualRouterRecord) {
        records[record.router] = nil
        let next = records.values.filter { $0.name == record.name }.min { $0.router < $1.router }
        if let next, let transition = next.held {
            next.held = nil
            runHook(next, transition)
        }
        forgetHooks(of: record.name)
    }

    /// Another record of its name is older and has not ended.
    func isHeld(_ record: VirtualRouterRecord) -> Bool {
        records.values.contains { $0.name == record.name && $0.router < record.router }
    }

    private func forgetHooks(of name: String) {
        guard hooks[name]?.isIdle == true, !records.values.contains(where: { $0.name == name }) else { return }
        hooks[name] = nil
    }

    func addCheck(_ check: NumberedCheck, start: CheckJudge.Start) {
        checks[check.check] = CommandCheck(
            check.check, check.configuration, start: start, loop: loop, environment: environment
        ) { [unowned self] in checkDid($0) }
    }

    private func checkDid(_ outcome: CommandCheck.Outcome) {
        guard let check = checks[outcome.check] else { return }
        if let verdict = outcome.verdict { keeper.send(.verdict(outcome.check, verdict)) }
        mirrorCheck(check)
        if outcome.verdict != nil { verdicts?.judged(changed: outcome.changed) }
        let fields = [
            ("check", check.configuration.name), ("result", outcome.result.failure?.reason ?? "success"),
            ("took", outcome.result.took.spoken), ("output", outcome.result.output),
        ]
        guard outcome.changed else {
            log.write(.debug, "check-run", fields)
            return
        }
        switch outcome.standing {
        case .pending: break
        case .passing: log.write(.notice, "check-passing", Array(fields.prefix(1)))
        case .failing(let failure):
            log.write(
                .warning, "check-failing", [fields[0], ("reason", failure.reason), fields[2], fields[3]])
        }
    }

    /// What an engine must be told of a check.
    func known(_ check: CheckID) -> KnownVerdict { checks[check]?.known(at: Clock.boottime()) ?? .unjudged }

    private func hookDid(_ router: String, _ outcome: HookQueue.Outcome) {
        switch outcome {
        case .superseded(let kind, let newer):
            log.write(.notice, "hook-superseded", ["router": router, "hook": kind.rawValue, "by": newer.rawValue])
        case .overtaken(let kind, let state):
            log.write(.notice, "hook-superseded", ["router": router, "hook": kind.rawValue, "by": state.word])
        case .ended(let kind, let result):
            log.write(
                result.failure == nil ? .info : .error, result.failure == nil ? "hook-ended" : "hook-failed",
                [
                    "router": router, "hook": kind.rawValue, "reason": result.failure?.reason ?? "",
                    "took": result.took.spoken, "output": result.output,
                ])
        }
    }

    // MARK: The end

    /// Gives everything up: the engine resigns and releases, behind the release gates, then the last hooks run. Where nobody takes
    /// over, the resignation of all lasts as long as the longest. Called again it does nothing.
    func stop() {
        guard phase == .starting || phase == .running else { return }
        phase = .stopping
        notifier.stopping()
        let gates = records.values.compactMap { $0.configuration.gateRelease?.timeout }
        let resigning = records.values.map(\.configuration.election.resigningTime).max() ?? .zero
        let limit = gates.reduce(resigning + .seconds(5), +)
        log.write(.notice, "stopping", ["within": limit.spoken])
        keeper.stop(within: limit)
    }

    /// The engine is gone: those that were not told yet that it is over are told now.
    func finish() {
        guard phase == .stopping else { return }
        phase = .finishing
        for check in checks.values { check.remove() }
        // It is written down, and the next start begins with it.
        for name in awaitingDisabled.keys.sorted() { answerDisabled(name, .done) }
        abandonHandovers(.refused("the agent stopped during the handover"))
        tellLastHooks()
        finishIfDone()
    }

    /// Runs on-stop where it has not run yet; a router whose release gate still runs is told after it.
    func tellLastHooks() {
        var told: Set<String> = []
        // Of two of one name the older one is told, once: the other had not begun.
        for record in records.values.sorted(by: { $0.router < $1.router })
        where told.insert(record.name).inserted && !record.stopped && !gates.isRunning(record.router) {
            let previous = record.state ?? .initialize
            guard previous != .disabled else { continue }
            runHook(
                record,
                Transition(
                    from: previous, to: .initialize, cause: .stopped,
                    at: Instant(nanoseconds: Clock.monotonic()), effectivePriority: 0))
        }
    }

    func finishIfDone() {
        guard phase == .finishing, gates.isIdle, hooks.values.allSatisfy(\.isIdle) else { return }
        log.write(.notice, "stopped")
        phase = .over
    }
}
