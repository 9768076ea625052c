// Checks, gates and hooks with real processes.

import Configuration
import Election
import Glibc
import Messages
import System
import Testing

@testable import Supervisor

private let path = ["PATH=/usr/bin:/bin"]

@Suite struct CheckJudgeTests {
    @Test func `at a cold start the first result decides`() {
        var judge = CheckJudge(rise: 3, fall: 3, start: .cold)
        #expect(judge.unknown == .cold)
        let changed1 = judge.take(nil)
        #expect(changed1)
        #expect(judge.standing == .passing)
        var other = CheckJudge(rise: 3, fall: 3, start: .cold)
        let changed2 = other.take(.timedOut)
        #expect(changed2)
        #expect(other.standing == .failing(.timedOut))
    }

    @Test func `a check added by a reload passes at once and fails only after its fall count`() {
        var judge = CheckJudge(rise: 3, fall: 2, start: .added)
        #expect(judge.unknown == .unjudged)
        let changed3 = judge.take(.exited(1))
        #expect(!changed3)
        #expect(judge.verdict == nil)
        let changed4 = judge.take(.exited(1))
        #expect(changed4)
        #expect(judge.verdict == .failing(.exited(1)))
        var other = CheckJudge(rise: 3, fall: 2, start: .added)
        let changed5 = other.take(nil)
        #expect(changed5)
        #expect(other.verdict == .passing)
    }

    @Test func `rise and fall count results in a row`() {
        var judge = CheckJudge(rise: 2, fall: 3, start: .cold)
        _ = judge.take(nil)
        for failure in [CheckFailure.exited(1), .exited(1)] {
            let changed = judge.take(failure)
            #expect(!changed)
        }
        let changed6 = judge.take(nil)
        #expect(!changed6)
        for failure in [CheckFailure.exited(1), .exited(1)] {
            let changed = judge.take(failure)
            #expect(!changed)
        }
        #expect(judge.verdict == .passing)
        let changed7 = judge.take(.exited(1))
        #expect(changed7)
        let changed8 = judge.take(nil)
        #expect(!changed8)
        #expect(judge.verdict == .failing(.exited(1)))
        let changed9 = judge.take(.timedOut)
        #expect(changed9)
        let changed10 = judge.take(nil)
        #expect(!changed10)
        let changed11 = judge.take(nil)
        #expect(changed11)
        #expect(judge.verdict == .passing)
    }
}

@Suite struct CommandCheckTests {
    /// Runs a check until `count` outcomes are there.
    private func outcomes(_ configuration: CheckConfiguration, _ count: Int) throws -> [CommandCheck.Outcome] {
        let loop = try Loop()
        var outcomes: [CommandCheck.Outcome] = []
        let check = CommandCheck(
            CheckID(1), configuration, start: .cold, loop: loop, environment: CommandEnvironment(path, errands: nil)
        ) { outcomes.append($0) }
        #expect(try loop.run { outcomes.count >= count })
        check.remove()
        return outcomes
    }

    private func failure(_ command: CommandLine) throws -> CheckFailure? {
        try outcomes(check("c", command), 1)[0].result.failure
    }

    @Test func `each way to fail has its word`() throws {
        let folder = TemporaryFolder()
        let plain = folder.script("plain", "#!/bin/sh\nexit 0\n", mode: 0o644)
        func command(_ path: String) -> CommandLine {
            CommandLine(arguments: [path], user: nil, timeout: .seconds(5))
        }
        #expect(try failure(.shell("exit 0")) == nil)
        #expect(try failure(.shell("exit 3")) == .exited(3))
        #expect(try failure(.shell("kill -TERM $$")) == .killed(UInt8(SIGTERM)))
        #expect(try failure(.shell("sleep 30", timeout: .milliseconds(100))) == .timedOut)
        #expect(try failure(command("\(folder.path)/absent")) == .missing)
        #expect(try failure(command(plain)) == .notExecutable)
        #expect(try failure(.shell("true", user: "no-such-user-here")) == .notStarted(ESRCH))
    }

    @Test func `a user that nobody knows is named`() throws {
        let result = try outcomes(check("c", .shell("true", user: "no-such-user-here")), 1)[0].result
        #expect(result.failure?.reason == "could not be started: no such user")
        #expect(result.output == "no such user no-such-user-here")
    }

    @Test func `a command gets no protection from the hunt for memory`() throws {
        let request = try CommandEnvironment(path, errands: nil).request(.shell("true"), [])
        #expect(request.oomScore == 0)
    }

    @Test func `a timeout kills the whole process group`() throws {
        let folder = TemporaryFolder()
        let command = CommandLine.shell(
            "sleep 30 & echo $! > \(folder.path)/pid; wait", timeout: .milliseconds(300))
        #expect(try failure(command) == .timedOut)
        let grandchild = try #require(Int32(folder.lines("pid").first ?? ""))
        // Init reaps it, or nobody: a zombie is as dead.
        let isGone = eventually {
            let state = TemporaryFolder.state(of: grandchild)
            return state == nil || state == "Z"
        }
        #expect(isGone)
    }

    @Test func `every run is reported with the verdict that counts`() throws {
        let folder = TemporaryFolder()
        // Succeeds while the file is there; the third run and later ones fail.
        let text = "echo x >> \(folder.path)/runs; test $(wc -l < \(folder.path)/runs) -le 2"
        let all = try outcomes(check("c", .shell(text), fall: 2), 5)
        #expect(all.map(\.verdict) == [.passing, .passing, .passing, .failing(.exited(1)), .failing(.exited(1))])
        #expect(all.map(\.changed) == [true, false, false, true, false])
    }

    @Test func `runs start at the interval and never two at once`() throws {
        let folder = TemporaryFolder()
        // Longer than the interval: the next one starts when it is over.
        let text =
            "mkdir \(folder.path)/lock || echo twice >> \(folder.path)/twice; sleep 0.1; rmdir \(folder.path)/lock"
        let slow = try outcomes(check("c", .shell(text), interval: .milliseconds(20)), 4)
        #expect(folder.lines("twice") == [])
        #expect(slow.allSatisfy { $0.result.failure == nil })
        let start = Clock.monotonic()
        _ = try outcomes(check("c", .shell("true"), interval: .milliseconds(100)), 4)
        #expect(Clock.monotonic() - start >= 300_000_000)
    }

    @Test func `a removed check is killed and reports nothing more`() throws {
        let folder = TemporaryFolder()
        let loop = try Loop()
        var count = 0
        let check = CommandCheck(
            CheckID(1), check("c", .shell("echo $$ > \(folder.path)/pid; exec sleep 30")), start: .cold, loop: loop,
            environment: CommandEnvironment(path, errands: nil)
        ) { _ in count += 1 }
        #expect(
            try loop.run {
                folder.lines("pid").count == 1
                    || {
                        usleep(1_000); loop.at(0) {}; return false
                    }()
            })
        check.remove()
        let process = try #require(Int32(folder.lines("pid").first ?? ""))
        try loop.run(milliseconds: 200)
        #expect(count == 0)
        #expect(Glibc.kill(process, 0) == -1)
    }

    @Test func `a check is told its name and kind and nothing of a router`() throws {
        let all = try outcomes(check("witness", .shell("env | grep VIPD_ | sort")), 1)
        #expect(all[0].result.output == "VIPD_CHECK=witness\nVIPD_KIND=check")
    }

    @Test func `what belongs to the agent alone is not passed on, PATH always is`() throws {
        let own = ["NOTIFY_SOCKET=/x", "WATCHDOG_USEC=1", "JOURNAL_STREAM=1:2", "VIPD_ENGINE=/e", "LANG=C"]
        let environment = CommandEnvironment(own, errands: nil)
        #expect(environment.inherited.filter { !$0.hasPrefix("PATH=") } == ["LANG=C"])
        #expect(environment.inherited.contains { $0.hasPrefix("PATH=/") })
    }

    @Test func `the age of a known verdict is that of its last run`() throws {
        let loop = try Loop()
        var count = 0
        let check = CommandCheck(
            CheckID(1), check("c", interval: .seconds(60)), start: .cold, loop: loop,
            environment: CommandEnvironment(path, errands: nil)
        ) { _ in count += 1 }
        #expect(check.known(at: Clock.boottime()) == .cold)
        #expect(try loop.run { count == 1 })
        let last = try #require(check.lastRun)
        #expect(check.known(at: last + 5_000) == .known(.passing, age: .microseconds(5)))
        check.remove()
    }
}

extension TemporaryFolder {
    /// The state letter of a process, nil when there is none.
    static func state(of process: Int32) -> String? {
        let number = unsafe open("/proc/\(process)/stat", O_RDONLY | O_CLOEXEC)
        guard number >= 0 else { return nil }
        defer { close(number) }
        var buffer = [UInt8](repeating: 0, count: 512)
        let length = unsafe buffer.withUnsafeMutableBytes { unsafe Glibc.read(number, $0.baseAddress, $0.count) }
        guard length > 0 else { return nil }
        let text = String(decoding: buffer[..<length], as: UTF8.self)
        return text.split(separator: ")").last?.split(separator: " ").first.map(String.init)
    }
}

@Suite struct GateTests {
    @Test func `the result of a gate is told, a timeout by its name`() throws {
        let loop = try Loop()
        let gates = GateRunner(loop: loop, environment: CommandEnvironment(path, errands: nil))
        var results: [UInt32: CheckFailure?] = [:]
        func start(_ number: UInt32, _ command: CommandLine) {
            gates.start(RouterID(number), .claim, sequence: number, command: command, variables: []) {
                results[number] = .some($0.failure)
            }
        }
        start(1, .shell("exit 0"))
        start(2, .shell("exit 9"))
        start(3, .shell("sleep 30", timeout: .milliseconds(100)))
        start(4, CommandLine(arguments: ["/absent"], user: nil, timeout: .seconds(1)))
        #expect(try loop.run { results.count == 4 })
        #expect(results == [1: nil, 2: .exited(9), 3: .timedOut, 4: .missing])
    }

    @Test func `a cancelled gate is killed with its group and tells nothing`() throws {
        let folder = TemporaryFolder()
        let loop = try Loop()
        let gates = GateRunner(loop: loop, environment: CommandEnvironment(path, errands: nil))
        var told = false
        gates.start(
            RouterID(1), .claim, sequence: 5,
            command: .shell("(sleep 1; echo late > \(folder.path)/late) & wait"), variables: []
        ) { _ in told = true }
        try loop.run(milliseconds: 100)
        #expect(!gates.cancel(RouterID(1), sequence: 4))
        #expect(!gates.cancel(RouterID(2)))
        #expect(gates.cancel(RouterID(1), sequence: 5))
        try loop.run(milliseconds: 1_500)
        #expect(!told)
        #expect(folder.read("late") == "")
    }

    @Test func `a dead engine's release gate is left to finish, and the next gate of its number waits for it`() throws {
        let folder = TemporaryFolder()
        let loop = try Loop()
        let gates = GateRunner(loop: loop, environment: CommandEnvironment(path, errands: nil))
        var told: [String] = []
        func start(_ router: UInt32, _ kind: GateKind, _ text: String, _ name: String) {
            gates.start(RouterID(router), kind, sequence: 1, command: .shell(text), variables: []) { result in
                told.append("\(name) \(result.failure?.reason ?? "passed")")
            }
        }
        start(1, .release, "sleep 0.3; echo old >> \(folder.path)/gates; exit 3", "old")
        start(2, .claim, "sleep 0.3; echo claim >> \(folder.path)/gates", "claim")
        start(3, .release, "sleep 0.3", "third")
        #expect(gates.abandon() == [RouterID(2)])
        #expect(gates.generation == 1)
        #expect(!gates.cancel(RouterID(1), sequence: 1))
        start(1, .release, "echo new >> \(folder.path)/gates", "new")
        start(3, .release, "echo never >> \(folder.path)/gates", "never")
        #expect(gates.cancel(RouterID(3), sequence: 1))
        #expect(gates.isReleasing(RouterID(3)))
        #expect(try loop.run { gates.isIdle })
        #expect(told.sorted() == ["new passed", "old exit status 3", "third passed"])
        #expect(folder.lines("gates") == ["old", "new"])
    }

    @Test func `a gate runs once however often the engine asks for it, and again for the next engine`() throws {
        let folder = TemporaryFolder()
        let loop = try Loop()
        let gates = GateRunner(loop: loop, environment: CommandEnvironment(path, errands: nil))
        var told = 0
        func ask(_ sequence: UInt32, _ command: CommandLine? = nil) {
            let command = command ?? .shell("echo \(sequence) >> \(folder.path)/gates; sleep 0.2")
            gates.start(RouterID(1), .release, sequence: sequence, command: command, variables: []) { _ in told += 1 }
        }
        ask(1)
        try loop.run(milliseconds: 100)
        ask(1)
        #expect(try loop.run { gates.isIdle })
        ask(1)
        #expect(gates.isIdle && told == 1)
        let absent = CommandLine(arguments: ["/absent"], user: nil, timeout: .seconds(1))
        ask(2, absent)
        #expect(try loop.run { gates.isIdle })
        ask(2, absent)
        #expect(gates.isIdle && told == 2)
        ask(3)
        // Each engine numbers its gates from 1: the same number of the next one is another gate, and waits for that.
        #expect(gates.abandon() == [])
        ask(3)
        ask(3)
        #expect(try loop.run { gates.isIdle })
        ask(3)
        #expect(gates.isIdle && told == 4)
        ask(1)
        #expect(try loop.run { gates.isIdle })
        #expect(told == 5)
        #expect(folder.lines("gates") == ["1", "3", "3", "1"])
    }
}

@Suite struct HookTests {
    private func entry(_ kind: HookKind, _ text: String, timeout: Duration = .seconds(5)) -> HookQueue.Entry {
        HookQueue.Entry(kind: kind, command: .shell(text, timeout: timeout), variables: ["VIPD_KIND=\(kind.rawValue)"])
    }

    @Test func `hooks run in order, one at a time, and a newer one takes the place of one that waits`() throws {
        let folder = TemporaryFolder()
        let loop = try Loop()
        var outcomes: [String] = []
        var isDrained = false
        let queue = HookQueue(
            loop: loop, environment: CommandEnvironment(path, errands: nil),
            report: { outcome in
                switch outcome {
                case .ended(let kind, let result): outcomes.append("\(kind.rawValue) \(result.failure == nil)")
                case .superseded(let kind, let newer): outcomes.append("\(kind.rawValue) < \(newer.rawValue)")
                case .overtaken(let kind, let state): outcomes.append("\(kind.rawValue) < \(state)")
                }
            }, drained: { isDrained = true })
        let text = "echo begin $VIPD_KIND >> \(folder.path)/log; sleep 0.2; echo end $VIPD_KIND >> \(folder.path)/log"
        queue.add(entry(.onMaster, text))
        queue.add(entry(.onBackup, text))
        queue.add(entry(.onFault, text))
        #expect(!queue.isIdle)
        #expect(try loop.run { isDrained })
        #expect(queue.isIdle)
        #expect(outcomes == ["on-backup < on-fault", "on-master true", "on-fault true"])
        #expect(folder.lines("log") == ["begin on-master", "end on-master", "begin on-fault", "end on-fault"])
    }

    @Test func `whether the takeover arrived is told after the move, unless the next move came before`() throws {
        let folder = TemporaryFolder()
        let loop = try Loop()
        var outcomes: [String] = []
        var drained = 0
        let queue = HookQueue(
            loop: loop, environment: CommandEnvironment(path, errands: nil),
            report: { outcome in
                switch outcome {
                case .ended(let kind, _): outcomes.append(kind.rawValue)
                case .superseded(let kind, let newer): outcomes.append("\(kind.rawValue) < \(newer.rawValue)")
                case .overtaken(let kind, let state): outcomes.append("\(kind.rawValue) < \(state)")
                }
            }, drained: { drained += 1 })
        let text = "echo $VIPD_KIND >> \(folder.path)/log; sleep 0.1"
        queue.add(entry(.onFault, text))
        queue.add(entry(.onMaster, text))
        queue.add(entry(.onVerified, text))
        #expect(try loop.run { drained == 1 })
        #expect(folder.lines("log") == ["on-fault", "on-master", "on-verified"])
        queue.add(entry(.onMaster, text))
        queue.add(entry(.onVerified, text))
        #expect(!queue.isIdle)
        queue.add(entry(.onBackup, text))
        #expect(try loop.run { drained == 2 })
        queue.add(entry(.onMaster, text))
        queue.add(entry(.onVerified, text))
        queue.drop(because: .initialize)
        #expect(try loop.run { drained == 3 })
        #expect(
            outcomes == [
                "on-fault", "on-master", "on-verified", "on-verified < on-backup", "on-master", "on-backup",
                "on-verified < initialize", "on-master",
            ])
    }

    @Test func `a hook that takes too long is killed and the next one runs`() throws {
        let loop = try Loop()
        var failures: [CheckFailure?] = []
        let queue = HookQueue(
            loop: loop, environment: CommandEnvironment(path, errands: nil),
            report: { if case .ended(_, let result) = $0 { failures.append(result.failure) } })
        queue.add(entry(.onMaster, "sleep 30", timeout: .milliseconds(100)))
        queue.add(entry(.onBackup, "exit 2"))
        #expect(try loop.run { failures.count == 2 })
        #expect(failures == [.timedOut, .exited(2)])
    }

    @Test func `each state calls for its hook`() {
        func kind(_ state: StateName, _ cause: Cause) -> HookKind? {
            HookKind(
                Transition(
                    from: .backup, to: state, cause: cause, at: Instant(nanoseconds: 0), effectivePriority: 1))
        }
        #expect(kind(.master, .owner) == .onMaster)
        #expect(kind(.backup, .started) == .onBackup)
        #expect(kind(.fault, .fault(.noCarrier)) == .onFault)
        #expect(kind(.disabled, .disabled) == .onStop)
        #expect(kind(.initialize, .stopped) == .onStop)
        #expect(kind(.initialize, .reconfigured) == .onStop)
    }
}
