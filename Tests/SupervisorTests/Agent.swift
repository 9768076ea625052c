// A whole supervisor on a thread of its own, with a scripted engine: the engine's process is real (a small Python program
// that can be killed), and hands its end of the message pair to the test, which speaks for it.

import Configuration
import Election
import Glibc
import Messages
import Status
import Synchronization
import System
import Testing

@testable import Supervisor

/// The engine's program: connects to the test and passes it descriptor 3, then waits for the status to exit with.
private let engineProgram = """
    #!/usr/bin/python3
    import array, os, socket, sys
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.connect(os.environ["TEST_SOCKET"])
    s.sendmsg([str(os.getpid()).encode()], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [3]))])
    os.close(3)
    status = s.recv(16)
    os._exit(int(status or b"0"))
    """

/// The engine's end of the pair, held by the test.
final class ScriptedEngine {
    let process: Int32
    private let control: MessageSocket
    private var socket: MessageSocket?
    private var buffer = [UInt8](repeating: 0, count: MessageSocket.maximumLength)
    private(set) var adopted: [SocketTag] = []

    init(process: Int32, control: consuming MessageSocket, socket: consuming MessageSocket) {
        self.process = process
        self.control = control
        self.socket = consume socket
    }

    /// The next command within five seconds; nil at the end.
    func next() -> Command? {
        var command: Command?
        let isThere = eventually(seconds: 5) {
            guard let received = try? socket?.receive(into: &buffer) else { return true }
            switch received.kind {
            case .nothing: return false
            case .end: return true
            case .message(let length):
                let octets = Array(buffer[..<length])
                command = try? Command(decoding: octets.span)
                return true
            }
        }
        #expect(isThere, "no command came")
        return command
    }

    /// All commands up to this one, which is the last.
    func commands(through last: Command) -> [Command] {
        var commands: [Command] = []
        while let command = next() {
            commands.append(command)
            if command == last { break }
        }
        #expect(commands.last == last)
        return commands
    }

    /// The next command that `matches`.
    func first(where matches: (Command) -> Bool) -> Command? {
        while let command = next() { if matches(command) { return command } }
        return nil
    }

    func send(_ report: Report, descriptor: Int32? = nil) {
        var octets: [UInt8] = []
        report.encode(into: &octets)
        let sent = try? socket?.send(octets, descriptor: descriptor)
        #expect(sent == true)
    }

    /// Says hello and ready.
    func start() {
        send(.hello(version: messagesVersion))
        _ = commands(through: .commit)
        send(.ready)
    }

    func closePair() { socket = nil }

    /// Ends the process with this status, and its end of the pair.
    func exit(_ status: UInt8) {
        socket = nil
        _ = try? control.send(Array("\(status)".utf8))
    }

    func kill(_ signal: Int32 = SIGKILL) {
        _ = Glibc.kill(process, signal)
        socket = nil
    }
}

/// A supervisor that runs.
final class Agent: Sendable {
    let folder = TemporaryFolder()
    /// What reading the configuration gives.
    let configuration: Mutex<LoadResult>
    private let listener: Int32
    private let log: Int32
    private let thread = Mutex<pthread_t?>(nil)
    private let services = Mutex<StatusServices?>(nil)
    private let ended = Mutex<Bool>(false)
    let moved = Mutex<[StatusSocket]>([])
    /// Why the status socket cannot be moved.
    let moveError = Mutex<StatusSocketError?>(nil)

    init(
        _ configuration: Configuration, environment extra: [String] = [], disabled: Set<String> = [],
        holds: [String: Hold] = [:], verdicts: [StoredVerdict] = []
    ) throws {
        var configuration = configuration
        configuration.stateDirectory = "\(folder.path)/state"
        self.configuration = Mutex(.loaded(configuration))
        listener = try Self.listen("\(folder.path)/engine")
        let program = folder.script("engine.py", engineProgram)
        log = unsafe open("\(folder.path)/log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
        let environment = ["PATH=/usr/bin:/bin", "TEST_SOCKET=\(folder.path)/engine"] + extra
        if !disabled.isEmpty { try DisabledStore(directory: configuration.stateDirectory).write(disabled) }
        if !holds.isEmpty { try HoldStore(directory: configuration.stateDirectory).write(holds) }
        if !verdicts.isEmpty {
            let boot = VerdictStore.currentBoot()
            try VerdictStore(directory: configuration.stateDirectory, boot: boot).write(verdicts)
        }
        try BackgroundThread.start { [self, configuration] in
            thread.withLock { $0 = pthread_self() }
            do {
                let signals = try SignalDescriptor([SIGTERM, SIGINT, SIGHUP])
                let log = try Log(descriptor: log, threshold: .debug, priorities: true)
                let supervisor = try Supervisor(
                    options: SupervisorOptions(configuration: "main.yaml"), engine: program,
                    configuration: configuration, disabled: disabled, holds: holds, environment: environment,
                    signals: signals, log: log,
                    load: { [weak self] _ in self?.configuration.withLock { $0 } ?? .invalid(["gone"]) })
                try supervisor.run { services in
                    self.services.withLock { $0 = services }
                    return StatusServing(
                        move: { socket in
                            if let error = self.moveError.withLock({ $0 }) { throw error }
                            self.moved.withLock { $0.append(socket) }
                        }, stop: {})
                }
                log.flush(atMost: .seconds(1))
            } catch {
                Issue.record("\(error)")
            }
            ended.withLock { $0 = true }
        }
        #expect(eventually { services.withLock { $0 != nil } })
    }

    deinit {
        close(listener)
        close(log)
    }

    private static func listen(_ path: String) throws -> Int32 {
        let number = socket(AF_UNIX, Int32(SOCK_SEQPACKET.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: path.utf8) }
        let size = socklen_t(MemoryLayout<sockaddr_un>.size)
        let result = unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe bind(number, $0, size) }
        }
        guard result == 0, Glibc.listen(number, 8) == 0 else { throw SystemError("bind", path) }
        return number
    }

    /// The next engine that the supervisor starts; nil when none comes within `milliseconds`.
    func nextEngine(milliseconds: Int32 = 10_000) throws -> ScriptedEngine? {
        var entry = pollfd(fd: listener, events: Int16(POLLIN), revents: 0)
        guard unsafe poll(&entry, 1, milliseconds) == 1 else { return nil }
        let accepted = accept(listener, nil, nil)
        guard accepted >= 0 else { throw SystemError("accept") }
        _ = fcntl(accepted, F_SETFD, FD_CLOEXEC)
        let control = MessageSocket(taking: Descriptor(taking: accepted))
        var buffer = [UInt8](repeating: 0, count: MessageSocket.maximumLength)
        for _ in 0..<2_000 {
            var received = try control.receive(into: &buffer)
            if case .message(let length) = received.kind, let passed = received.descriptor.take() {
                let process = Int32(String(decoding: buffer[..<length], as: UTF8.self)) ?? -1
                return ScriptedEngine(process: process, control: control, socket: MessageSocket(taking: passed))
            }
            usleep(1_000)
        }
        return nil
    }

    /// A first engine that said it is ready.
    func startedEngine() throws -> ScriptedEngine {
        let engine = try #require(try nextEngine())
        engine.start()
        #expect(eventually { mirror.engine.state == .running })
        return engine
    }

    var mirror: MirrorState {
        services.withLock { $0 }?.mirror.read() ?? MirrorState(started: 0, configuration: Configuration())
    }

    var hub: EventHub? { services.withLock { $0 }?.events }

    /// Asks for something and waits for the answer.
    func ask(_ request: ControlRequest) -> ControlReply? {
        let reply = post(request)
        #expect(eventually { reply.value != nil })
        return reply.value
    }

    /// An answer that may come later.
    final class Reply: Sendable {
        private let state = Mutex<ControlReply?>(nil)
        var value: ControlReply? {
            get { state.withLock { $0 } }
            set { state.withLock { $0 = newValue } }
        }
    }

    func post(_ request: ControlRequest) -> Reply {
        let reply = Reply()
        services.withLock { $0 }?.control.post(request) { reply.value = $0 }
        return reply
    }

    /// Sends a signal to the supervisor's thread, which alone listens for it.
    func signal(_ number: Int32) {
        if !hasEnded, let thread = thread.withLock({ $0 }) { pthread_kill(thread, number) }
    }

    var hasEnded: Bool { ended.withLock { $0 } }

    /// Log lines that contain all of these.
    func logged(_ parts: String...) -> [String] {
        folder.lines("log").filter { line in parts.allSatisfy { line.contains($0) } }
    }

    /// Stops it; the engine answers as it should.
    func stop(_ engine: ScriptedEngine) {
        signal(SIGTERM)
        _ = engine.commands(through: .stop)
        engine.send(.stopped)
        engine.exit(0)
        #expect(eventually { hasEnded })
    }
}
