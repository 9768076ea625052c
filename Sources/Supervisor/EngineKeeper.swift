// The engine's keeper: starts it, talks to it, keeps what a new one needs (duplicates of its sockets), notices that it died or
// hangs, and starts the next. What the messages mean is the supervisor's business, except those about the keeping itself.

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
        case died(ProcessEnding, output: String, restart: RestartPolicy.Restart?)
        /// It could not be started; tried again.
        case notStarted(SystemError, restart: RestartPolicy.Restart)
        /// An engine that only removes what was left behind ended, or could not be started; `complete` when nothing is left
        /// on the interfaces. After the last one no other engine follows.
        case cleaned(ProcessEnding, output: String, complete: Bool, isLast: Bool)
    }

    /// Without any report for this long an engine hangs and is killed; it reports at least once a second.
    static let patience = 5
    /// The same before its first `ready`.
    static let startPatience = 15
    /// An engine that only removes what was left behind has this long.
    static let cleaningPatience = Duration.seconds(5)
    /// More commands than this that it does not read mean the same.
    static let outboxLimit = 20_000

    /// A descriptor that waits in the outbox or for the next engine.
    private final class KeptSocket {
        let descriptor: Descriptor
        init(_ descriptor: consuming Descriptor) { self.descriptor = descriptor }
    }

    private final class Engine {
        var child: ChildProcess
        let socket: MessageSocket
        let started = Clock.monotonic()
        var tokens: [Loop.Token] = []
        var outbox: [(message: [UInt8], socket: KeptSocket?)] = []
        var retry: Loop.Token?
        var silentTicks = 0
        var ready = false
        /// It reported `stopped`: nothing is left on the interfaces.
        var hasReleased = false
        /// It knows no virtual router and only removes what a dead one left behind.
        let onlyCleans: Bool
        init(_ child: consuming ChildProcess, _ socket: consuming MessageSocket, onlyCleans: Bool) {
            self.child = child
            self.socket = socket
            self.onlyCleans = onlyCleans
        }
    }

    private let loop: Loop
    private let log: Log
    private let request: ProcessRequest
    private let handle: (Event) -> Void
    private var engine: Engine?
    private var sockets: [SocketTag: KeptSocket] = [:]
    private var policy = RestartPolicy()
    private var stopping = false
    /// When the pause ends that a cleaning engine began.
    private var pauseEnd: Nanoseconds = 0
    private var pending: Loop.Token?
    private var lastTick: Nanoseconds = 0
    private var buffer = [UInt8](repeating: 0, count: MessageSocket.maximumLength)
    private var encoded: [UInt8] = []

    /// `program` is the engine's path, `environment` all it gets.
    init(program: String, environment: [String], loop: Loop, log: Log, handle: @escaping (Event) -> Void) {
        request = ProcessRequest(arguments: [program], environment: environment, isOrdinary: false)
        self.loop = loop
        self.log = log
        self.handle = handle
    }

    /// There is an engine now that knows the virtual routers.
    var isRunning: Bool { engine.map { !$0.onlyCleans } ?? false }

    /// Starts the first engine.
    func start() {
        tick()
        start(resuming: false)
    }

    private func start(resuming: Bool) {
        pending = nil
        if !resuming { sockets = [:] }
        do throws(SystemError) {
            try launch(onlyCleans: false)
        } catch {
            failedToStart(error)
            return
        }
        write(.hello(version: messagesVersion))
        if resuming {
            // Sorted, so that two runs do the same.
            for tag in sockets.keys.sorted(by: {
                ($0.interfaceIndex, $0.family.rawValue) < ($1.interfaceIndex, $1.family.rawValue)
            }) {
                if let socket = sockets[tag] { write(.adopt(tag), socket) }
            }
        }
        if let process = engine?.child.process { handle(.started(process: process, resuming: resuming)) }
    }

    /// Starts an engine that is told of no virtual router: everything with our tag is a left-over to it. Nobody speaks for the
    /// addresses of a dead engine, so none of them stays while there is no other.
    private func startCleaning() {
        pending = nil
        sockets = [:]
        do throws(SystemError) {
            try launch(onlyCleans: true)
        } catch {
            abandonStart()
            cleaned(.notStarted(error.code), output: "\(error)", complete: false)
            return
        }
        for command in [Command.hello(version: messagesVersion), .commit, .stop] { write(command) }
        killAfter(Self.cleaningPatience)
    }

    private func cleaned(_ ending: ProcessEnding, output: String, complete: Bool) {
        handle(.cleaned(ending, output: output, complete: complete, isLast: stopping))
        guard !stopping else { return }
        pending = loop.at(max(pauseEnd, Clock.monotonic())) { [unowned self] in start(resuming: false) }
    }

    private func launch(onlyCleans: Bool) throws(SystemError) {
        var pair = try MessageSocket.pair()
        let theirs = pair.takeSecond()
        var request = request
        request.passing = theirs.number
        let engine = Engine(try ChildProcess(request), pair.takeFirst(), onlyCleans: onlyCleans)
        _ = consume theirs
        self.engine = engine
        engine.tokens = [
            try loop.watch(engine.socket.number) { [unowned self] in read() },
            try loop.watch(engine.child.endingNumber) { [unowned self] in reap() },
        ]
        let output = try loop.watch(engine.child.outputNumber) { [unowned self] in readOutput() }
        engine.tokens.append(output)
    }

    /// It runs and cannot be watched.
    private func abandonStart() {
        guard let engine else { return }
        for token in engine.tokens { loop.cancel(token) }
        engine.child.kill(SIGKILL)
        self.engine = nil
    }

    private func failedToStart(_ error: SystemError) {
        let now = Clock.monotonic()
        abandonStart()
        var restart = policy.died(started: now, now: now)
        restart.after = max(restart.after, .milliseconds(200))
        handle(.notStarted(error, restart: restart))
        startAgain(restart)
    }

    private func startAgain(_ restart: RestartPolicy.Restart) {
        if !restart.resuming {
            pauseEnd = Clock.monotonic() + restart.after.nanoseconds
            startCleaning()
        } else if restart.after == .zero {
            start(resuming: true)
        } else {
            pending = loop.after(restart.after) { [unowned self] in start(resuming: true) }
        }
    }

    // MARK: Talking

    /// Sends a command; when the pair is full it waits in the outbox. Nothing happens without an engine: the next one is told
    /// everything anew. One that only cleans is told nothing else.
    func send(_ command: Command) {
        if isRunning { write(command) }
    }

    private func write(_ command: Command, _ socket: KeptSocket? = nil) {
        guard let engine else { return }
        command.encode(into: &encoded)
        engine.outbox.append((encoded, socket))
        flush()
    }

    private func flush() {
        guard let engine else { return }
        var sent = 0
        defer { engine.outbox.removeFirst(sent) }
        for entry in engine.outbox {
            do throws(SystemError) {
                guard try engine.socket.send(entry.message, descriptor: entry.socket?.descriptor.number) else { break }
            } catch {
                // It is gone; its end arrives by the process descriptor.
                sent = engine.outbox.count
                return
            }
            sent += 1
        }
        guard sent < engine.outbox.count else { return }
        if engine.outbox.count > Self.outboxLimit {
            log.write(.error, "engine-hangs", ["text": "it does not read its commands and is killed"])
            engine.child.kill(SIGKILL)
        }
        guard engine.retry == nil else { return }
        engine.retry = loop.after(.milliseconds(20)) { [unowned self, weak engine] in
            engine?.retry = nil
            flush()
        }
    }

    private func read() {
        guard let engine else { return }
        // A slice at a time: signals and checks wait behind it.
        for _ in 0..<256 {
            guard self.engine === engine, receive(from: engine) else { return }
        }
    }

    /// Reads one message; false when there is none.
    private func receive(from engine: Engine) -> Bool {
        let report: Report
        var passed: Descriptor?
        do throws(SystemError) {
            var received = try engine.socket.receive(into: &buffer)
            switch received.kind {
            case .nothing:
                return false
            case .end:
                // The process follows; one that closed its end and stays is of no use.
                if !stopping { engine.child.kill(SIGKILL) }
                loop.cancel(engine.tokens.first)
                return false
            case .message(let length):
                passed = received.descriptor.take()
                do throws(MessageError) {
                    report = try Report(decoding: buffer.span.extracting(0..<length))
                } catch {
                    refuse(engine, "a message of it cannot be read: \(error)")
                    return false
                }
            }
        } catch {
            refuse(engine, "\(error)")
            return false
        }
        engine.silentTicks = 0
        switch report {
        case .hello(let version):
            if version != messagesVersion {
                refuse(engine, "it speaks version \(version) of the messages, this supervisor \(messagesVersion)")
            }
        case .socket(let tag):
            if !engine.onlyCleans, let descriptor = passed.take() { sockets[tag] = KeptSocket(descriptor) }
        case .socketClosed(let tag):
            sockets[tag] = nil
        case .ready:
            engine.ready = true
            if !engine.onlyCleans { handle(.report(report)) }
        case .stopped:
            engine.hasReleased = true
            handle(.report(report))
        case .notice, .lost:
            handle(.report(report))
        case .heartbeat, .transition, .snapshot, .gateWanted, .gateCancelled, .handover, .interfaceCounters:
            if !engine.onlyCleans { handle(.report(report)) }
        }
        return true
    }

    private func refuse(_ engine: Engine, _ reason: String) {
        log.write(.error, "engine-refused", ["text": reason])
        engine.child.kill(SIGKILL)
    }

    // MARK: Living and dying

    /// Tells it to resign and release everything; after `limit` it is killed; then `died` without a restart. Where an engine
    /// dies before it has released everything, or none runs now, a last one removes what was left behind; then `cleaned`.
    func stop(within limit: Duration) {
        stopping = true
        loop.cancel(pending)
        pending = nil
        guard let engine else {
            startCleaning()
            return
        }
        // One that only cleans stops anyway.
        guard !engine.onlyCleans else { return }
        write(.stop)
        killAfter(limit)
    }

    private func killAfter(_ limit: Duration) {
        loop.after(limit) { [unowned self, weak engine] in
            guard let engine, self.engine === engine else { return }
            log.write(.error, "engine-killed", ["text": "it did not stop within \(limit.spoken)"])
            engine.child.kill(SIGKILL)
        }
    }

    private func readOutput() {
        guard let engine else { return }
        if !engine.child.readOutput(), let token = engine.tokens.last { loop.cancel(token) }
    }

    private func reap() {
        guard let engine, let ending = engine.child.reap() else { return }
        // What it said last is worth more than the wish to be quick: its last snapshots are what the next one resumes.
        while receive(from: engine) {}
        _ = engine.child.readOutput()
        let output = Job.text(engine.child.outputTail)
        for token in engine.tokens { loop.cancel(token) }
        loop.cancel(engine.retry)
        self.engine = nil
        if engine.onlyCleans {
            cleaned(ending, output: output, complete: engine.hasReleased)
            return
        }
        if stopping {
            let restart = engine.hasReleased ? nil : RestartPolicy.Restart(after: .zero, resuming: false)
            handle(.died(ending, output: output, restart: restart))
            if !engine.hasReleased { startCleaning() }
            return
        }
        let restart = policy.died(started: engine.started, now: Clock.monotonic())
        handle(.died(ending, output: output, restart: restart))
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
