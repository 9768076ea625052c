// The engine's keeper: starts it, keeps what a new one needs (duplicates of its sockets), notices that it died or hangs, and
// starts the next. What the messages mean is the supervisor's business, except those about the keeping itself. How it talks to
// an engine is in EngineKeeper+Messages.swift, how one engine takes the place of a living one in EngineKeeper+Successor.swift.

import Configuration
import Election
import Glibc
import Messages
import Status
import System

/// Keeps one engine alive.
final class EngineKeeper {
    /// What the supervisor is told.
    enum Event {
        /// A new engine was started; it is to be configured.
        case started(process: Int32, resuming: Bool)
        case report(Report)
        /// It ended like this; nil restart: it was told to stop and no other follows.
        case died(ProcessEnding, EngineDeath, restart: RestartPolicy.Restart?)
        /// It could not be started; tried again.
        case notStarted(SystemError, restart: RestartPolicy.Restart)
        /// An engine that only removes what was left behind ended, or could not be started; `complete` when nothing is left
        /// on the interfaces. After the last one no other engine follows.
        case cleaned(ProcessEnding, output: String, complete: Bool, isLast: Bool)
        /// Another engine is about to go on in place of a living one; what the living one asked for is void.
        case succeeding
        /// It goes on, after this long without an engine.
        case succeeded(paused: Duration)
        /// No other engine goes on: the present one stays. Why.
        case notSucceeded(String)
    }

    /// Without any report for this long an engine hangs and is killed; it reports at least once a second. The watchdog is
    /// quicker; this is for one that promised it nothing.
    static let patience = 5
    /// The same before its first `ready`.
    static let startPatience = 15
    /// An engine that only removes what was left behind has this long.
    static let cleaningPatience = Duration.seconds(5)
    /// More commands than this that it does not read mean the same.
    static let outboxLimit = 20_000

    let loop: Loop
    let log: Log
    private let request: ProcessRequest
    let handle: (Event) -> Void
    /// nil: nobody watches signs of life.
    let watchdog: Watchdog?
    var engine: KeptEngine?
    /// Started to take the place of `engine`.
    var successor: KeptEngine?
    /// Those that left everything to another; their end is awaited.
    var retiring: [KeptEngine] = []
    /// Boot time at which the last engine left off, nanoseconds; until its successor is ready.
    var leftOff: Int64?
    var sockets: [SocketTag: KeptSocket] = [:]
    private var policy = RestartPolicy()
    var stopping = false
    /// When the pause ends that a cleaning engine began.
    private var pauseEnd: Nanoseconds = 0
    private var pending: Loop.Token?
    private var lastTick: Nanoseconds = 0
    var buffer = [UInt8](repeating: 0, count: MessageSocket.maximumLength)
    var encoded: [UInt8] = []

    /// `program` is the engine's path, `environment` all it gets.
    init(
        program: String, environment: [String], loop: Loop, log: Log, watchdog: Watchdog?,
        handle: @escaping (Event) -> Void
    ) {
        request = ProcessRequest(arguments: [program], environment: environment, isOrdinary: false)
        self.loop = loop
        self.log = log
        self.watchdog = watchdog
        self.handle = handle
    }

    /// There is an engine now that knows the virtual routers.
    var isRunning: Bool { engine.map { !$0.onlyCleans } ?? false }

    /// Starts the first engine.
    func start() throws(SystemError) {
        try begin()
        start(resuming: false)
    }

    /// What runs as long as this does.
    func begin() throws(SystemError) {
        tick()
        guard let watchdog else { return }
        _ = try loop.watch(watchdog.number) { [unowned self] in
            for finding in watchdog.takeFindings() {
                let (silence, limit) = (Duration.nanoseconds(finding.silence), Duration.nanoseconds(finding.limit))
                log.write(
                    .error, "engine-hangs",
                    [
                        "silence": silence.spoken, "limit": limit.spoken, "process-state": "\(finding.state)",
                        "text": "it gave no sign of life and was killed",
                    ])
            }
        }
    }

    private func start(resuming: Bool) {
        pending = nil
        if !resuming { sockets = [:] }
        do throws(SystemError) {
            engine = try launch()
        } catch {
            failedToStart(error)
            return
        }
        greet(engine)
        introduce(resuming: resuming)
    }

    /// Tells the present engine what there is to go on with, and lets it be configured.
    func introduce(resuming: Bool) {
        if resuming {
            // Sorted, so that two runs do the same.
            for tag in sockets.keys.sorted(by: {
                ($0.interfaceIndex, $0.family.rawValue) < ($1.interfaceIndex, $1.family.rawValue)
            }) {
                if let socket = sockets[tag] {
                    write(.adopt(tag), to: engine, socket.descriptor.number, ownedBy: socket)
                }
            }
        }
        if let process = engine?.child.process { handle(.started(process: process, resuming: resuming)) }
    }

    /// The first message, with the page of its vitals.
    func greet(_ engine: KeptEngine?) {
        write(.hello(version: messagesVersion), to: engine, engine?.vitals?.number, ownedBy: engine?.vitals)
    }

    /// Starts an engine that is told of no virtual router: everything with our tag is a left-over to it. Nobody speaks for the
    /// addresses of a dead engine, so none of them stays while there is no other.
    private func startCleaning() {
        pending = nil
        sockets = [:]
        do throws(SystemError) {
            engine = try launch(onlyCleans: true)
        } catch {
            cleaned(.notStarted(error.code), output: "\(error)", complete: false)
            return
        }
        greet(engine)
        for command in [Command.commit, .stop] { write(command, to: engine) }
        killAfter(Self.cleaningPatience)
    }

    private func cleaned(_ ending: ProcessEnding, output: String, complete: Bool) {
        handle(.cleaned(ending, output: output, complete: complete, isLast: stopping))
        guard !stopping else { return }
        pending = loop.at(max(pauseEnd, Clock.monotonic())) { [unowned self] in start(resuming: false) }
    }

    /// A new engine's process that is listened to; it has been told nothing.
    func launch(onlyCleans: Bool = false) throws(SystemError) -> KeptEngine {
        var pair = try MessageSocket.pair()
        let theirs = pair.takeSecond()
        var request = request
        request.passing = theirs.number
        // Without the page it lives all the same, watched by its reports.
        let vitals = onlyCleans ? nil : try? Vitals()
        let engine = KeptEngine(try ChildProcess(request), pair.takeFirst(), vitals: vitals, onlyCleans: onlyCleans)
        _ = consume theirs
        do throws(SystemError) {
            try listen(to: engine)
        } catch {
            // It runs and cannot be watched.
            for token in engine.tokens { loop.cancel(token) }
            engine.child.kill(SIGKILL)
            throw error
        }
        return engine
    }

    func listen(to engine: KeptEngine) throws(SystemError) {
        engine.tokens.append(
            try loop.watch(engine.socket.number) { [unowned self, unowned engine] in read(from: engine) })
        engine.tokens.append(
            try loop.watch(engine.child.endingNumber) { [unowned self, unowned engine] in reap(engine) })
        let output = try loop.watch(engine.child.outputNumber) { [unowned self, unowned engine] in
            if !engine.child.readOutput(), let token = engine.tokens.last { loop.cancel(token) }
        }
        engine.tokens.append(output)
    }

    private func failedToStart(_ error: SystemError) {
        let now = Clock.monotonic()
        var restart = policy.died(started: now, now: now)
        restart.after = max(restart.after, .milliseconds(200))
        handle(.notStarted(error, restart: restart))
        startAgain(restart)
    }

    private func startAgain(_ restart: RestartPolicy.Restart) {
        if restart.cleaning {
            pauseEnd = Clock.monotonic() + restart.after.nanoseconds
            startCleaning()
        } else if restart.after == .zero {
            start(resuming: restart.resuming)
        } else {
            pending = loop.after(restart.after) { [unowned self] in start(resuming: restart.resuming) }
        }
    }

    // MARK: Living and dying

    /// The engine has promised signs of life, or another rhythm of them.
    func watchSigns(of engine: KeptEngine) {
        guard let watchdog, let vitals = engine.vitals, let handle = try? engine.child.handle() else { return }
        watchdog.watch(vitals, process: engine.child.process, handle: handle)
    }

    /// Tells it to resign and release everything; after `limit` it is killed; then `died` without a restart. Where an engine
    /// dies before it has released everything, or none runs now, a last one removes what was left behind; then `cleaned`.
    func stop(within limit: Duration) {
        stopping = true
        loop.cancel(pending)
        pending = nil
        successor?.child.kill(SIGKILL)
        guard let engine else {
            startCleaning()
            return
        }
        // One that only cleans stops anyway.
        guard !engine.onlyCleans else { return }
        write(.stop, to: engine)
        killAfter(limit)
    }

    private func killAfter(_ limit: Duration) {
        loop.after(limit) { [unowned self, weak engine] in
            guard let engine, self.engine === engine else { return }
            log.write(.error, "engine-killed", ["text": "it did not stop within \(limit.spoken)"])
            engine.child.kill(SIGKILL)
        }
    }

    private func reap(_ engine: KeptEngine) {
        guard let ending = engine.child.reap() else { return }
        // What it said last is worth more than the wish to be quick: its last snapshots are what the next one resumes.
        while receive(from: engine) {}
        _ = engine.child.readOutput()
        let output = Job.text(engine.child.outputTail)
        for token in engine.tokens { loop.cancel(token) }
        loop.cancel(engine.retry)
        if isBesideThePresent(engine, ending, output) { return }
        watchdog?.forget()
        let death = EngineDeath(
            output: output, lastWords: engine.vitals?.lastWords, leftCore: engine.child.leftCore, at: Clock.monotonic())
        if succeedTheDead(ending, death) { return }
        self.engine = nil
        if engine.onlyCleans {
            cleaned(ending, output: output, complete: engine.hasReleased)
            return
        }
        if stopping {
            let restart =
                engine.hasReleased ? nil : RestartPolicy.Restart(after: .zero, resuming: false, cleaning: true)
            handle(.died(ending, death, restart: restart))
            if !engine.hasReleased { startCleaning() }
            return
        }
        let restart = policy.died(started: engine.started, now: Clock.monotonic())
        handle(.died(ending, death, restart: restart))
        startAgain(restart)
    }

    /// Counts seconds of silence. One in which this process itself was late does not count: the engine may have been, too.
    private func tick() {
        let now = Clock.monotonic()
        let isLate = now - lastTick > 1_500_000_000
        lastTick = now
        loop.at(now + 1_000_000_000) { [unowned self] in tick() }
        guard let engine else { return }
        engine.silentTicks = isLate ? 0 : engine.silentTicks + 1
        let patience = engine.ready ? Self.patience : Self.startPatience
        guard engine.silentTicks > patience else { return }
        log.write(.error, "engine-hangs", ["text": "no report for \(engine.silentTicks) s; it is killed"])
        engine.child.kill(SIGKILL)
        engine.silentTicks = 0
    }
}
