// Verdicts from one supervisor to the next: what is written, what is believed, and what the engine is told.

import Configuration
import Election
import Glibc
import Messages
import System
import Testing

@testable import Supervisor

private let second: Int64 = 1_000_000_000

@Suite struct VerdictStoreTests {
    private func stored(_ name: String, _ verdict: Verdict) -> StoredVerdict {
        StoredVerdict(name: name, fingerprint: .max, verdict: verdict, at: 5_000)
    }

    @Test func `every verdict survives, in the same boot only`() throws {
        let folder = TemporaryFolder()
        let store = VerdictStore(directory: "\(folder.path)/state", boot: "one")
        #expect(try store.read() == [])
        let failures: [CheckFailure] = [
            .exited(255), .killed(9), .timedOut, .missing, .notExecutable, .notStarted(-1),
        ]
        let all = [stored("witness", .passing)] + failures.map { stored("role", .failing($0)) }
        try store.write(all)
        #expect(try store.read() == all)
        #expect(try VerdictStore(directory: "\(folder.path)/state", boot: "two").read() == [])
        #expect(!VerdictStore.currentBoot().isEmpty)
        #expect(VerdictStore.currentBoot() == VerdictStore.currentBoot())
    }

    @Test func `without a boot's identity nothing is believed`() throws {
        let folder = TemporaryFolder()
        let store = VerdictStore(directory: folder.path, boot: "")
        try store.write([stored("witness", .passing)])
        #expect(try store.read() == [])
    }

    @Test func `lines that are none are left out`() throws {
        let folder = TemporaryFolder()
        folder.write(
            "verdicts",
            """
            boot one
            a ff 1 passing
            b ff 1
            c xx 1 passing
            d ff x passing
            e ff 1 exited
            f ff 1 exited 256
            g ff 1 passing 1
            h ff 1 pending
            i ff 1 killed 99999999999999999999
            j ff 1 exited 3
            """)
        let read = try VerdictStore(directory: folder.path, boot: "one").read()
        #expect(
            read == [
                StoredVerdict(name: "a", fingerprint: 255, verdict: .passing, at: 1),
                StoredVerdict(name: "j", fingerprint: 255, verdict: .failing(.exited(3)), at: 1),
            ])
    }

    @Test func `a check is the same as long as its command and its user are`() {
        let plain = check("c", CommandLine(arguments: ["/a", "b"], user: nil, timeout: .seconds(1)))
        var slower = plain
        slower.interval = .seconds(9)
        slower.command.timeout = .seconds(9)
        slower.fall = 9
        #expect(slower.fingerprint == plain.fingerprint)
        for other in [
            CommandLine(arguments: ["/ab"], user: nil, timeout: .seconds(1)),
            CommandLine(arguments: ["/a", "b", ""], user: nil, timeout: .seconds(1)),
            CommandLine(arguments: ["/a"], user: "b", timeout: .seconds(1)),
            CommandLine(arguments: ["/a", "b"], user: "nobody", timeout: .seconds(1)),
        ] {
            #expect(check("c", other).fingerprint != plain.fingerprint)
        }
    }
}

@Suite struct CarriedVerdictTests {
    /// Interval 1 s, fall 3, timeout 2 s: a time to live of 6 s, and 11 s with what may pass before it is written.
    private let witness = check("witness", .shell("true", timeout: .seconds(2)), interval: .seconds(1), fall: 3)
    private let now = 1_000 * second

    private func start(age: Int64, _ change: (inout StoredVerdict) -> Void = { _ in }) -> CheckJudge.Start {
        var verdict = StoredVerdict(
            name: "witness", fingerprint: witness.fingerprint, verdict: .passing, at: now - age)
        change(&verdict)
        return witness.start(from: [verdict], at: now)
    }

    @Test func `a verdict counts with its age, but never so old that it is stale before a first run can end`() {
        #expect(start(age: second) == .carried(.passing, run: now - second, since: now - second))
        #expect(start(age: 5 * second) == .carried(.passing, run: now - 5 * second, since: now - 3 * second))
        let old = 11 * second - 1
        #expect(start(age: old) == .carried(.passing, run: now - old, since: now - 3 * second))
        // What is left of the time to live is the timeout of the run that begins now, and a second.
        #expect(witness.timeToLive - .seconds(3) == witness.command.timeout + .seconds(1))
    }

    @Test func `an older one, one of the future, of another check or of none is a cold start`() {
        #expect(start(age: 11 * second) == .cold)
        #expect(start(age: -1) == .cold)
        #expect(start(age: 0) { $0.at = .min } == .cold)
        #expect(start(age: 0) { $0.fingerprint += 1 } == .cold)
        #expect(start(age: 0) { $0.name = "other" } == .cold)
        #expect(witness.start(from: [], at: now) == .cold)
    }

    @Test func `a carried verdict changes only by the rise and fall counts`() {
        var passing = CheckJudge(rise: 2, fall: 2, start: .carried(.passing, run: 1, since: 1))
        #expect(passing.verdict == .passing)
        let first = passing.take(.exited(1))
        let second = passing.take(.exited(1))
        #expect(!first && second)
        var failing = CheckJudge(rise: 2, fall: 2, start: .carried(.failing(.timedOut), run: 1, since: 1))
        #expect(failing.verdict == .failing(.timedOut))
        let third = failing.take(nil)
        let fourth = failing.take(nil)
        #expect(!third && fourth)
    }
}

@Suite struct VerdictKeeperTests {
    @Test func `another verdict is written at once, a renewed one within five seconds`() throws {
        let folder = TemporaryFolder()
        let loop = try Loop()
        var verdict = StoredVerdict(name: "c", fingerprint: 1, verdict: .passing, at: 1)
        let store = VerdictStore(directory: folder.path, boot: "one")
        let keeper = try VerdictKeeper(
            store, loop: loop, verdicts: { [verdict] }, failed: { Issue.record("\($0)") })
        func read() -> Int64? { (try? store.read())?.first?.at }
        keeper.judged(changed: true)
        #expect(
            try loop.run {
                read() == 1
                    || {
                        loop.after(.milliseconds(5)) {}; return false
                    }()
            })
        verdict.at = 2
        let start = Clock.monotonic()
        keeper.judged(changed: false)
        try loop.run(milliseconds: 2_000)
        verdict.at = 3
        keeper.judged(changed: false)
        #expect(read() == 1)
        #expect(
            try loop.run {
                read() != 1
                    || {
                        loop.after(.milliseconds(5)) {}; return false
                    }()
            })
        #expect(read() == 3)
        #expect(Clock.monotonic() - start < 6 * second)
    }

    @Test func `two changes in a row end with the second one, and a failure is told once`() throws {
        let folder = TemporaryFolder()
        let loop = try Loop()
        var verdict = StoredVerdict(name: "c", fingerprint: 1, verdict: .passing, at: 1)
        var failures = 0
        let store = VerdictStore(directory: folder.path, boot: "one")
        let keeper = try VerdictKeeper(
            store, loop: loop, verdicts: { [verdict] }, failed: { _ in failures += 1 })
        keeper.judged(changed: true)
        verdict.verdict = .failing(.timedOut)
        keeper.judged(changed: true)
        try loop.run(milliseconds: 300)
        #expect(try store.read() == [verdict])
        keeper.store = VerdictStore(directory: "/proc/absent", boot: "one")
        for _ in 0..<2 {
            keeper.judged(changed: true)
            try loop.run(milliseconds: 200)
        }
        #expect(failures == 1)
    }
}

@Suite(.serialized) struct CarriedSupervisorTests {
    private func definitions(_ commands: [Command]) -> [CheckID: KnownVerdict] {
        var known: [CheckID: KnownVerdict] = [:]
        for case .check(let definition) in commands { known[definition.check] = definition.verdict }
        return known
    }

    @Test func `a new supervisor goes on with what the last one knew, and what is new is cold`() throws {
        // None of them ends while the test looks.
        let slow = CommandLine.shell("sleep 20", timeout: .seconds(30))
        let witness = check("witness", slow, interval: .seconds(1))
        let role = check("role", .shell("sleep 21", timeout: .seconds(30)), interval: .seconds(1))
        let added = check("added", slow, interval: .seconds(1))
        let names = ["witness", "role", "added"].map { RouterCheck(name: $0, effect: .fault) }
        let now = Clock.boottime()
        let agent = try Agent(
            Configuration(checks: [witness, role, added], routers: [router("web", checks: names)]),
            verdicts: [
                StoredVerdict(
                    name: "witness", fingerprint: witness.fingerprint, verdict: .passing, at: now - second / 2),
                StoredVerdict(
                    name: "role", fingerprint: role.fingerprint, verdict: .failing(.exited(3)), at: now - 20 * second),
            ])
        let engine = try #require(try agent.nextEngine())
        let known = definitions(engine.commands(through: .commit))
        guard case .known(.passing, let age) = known[CheckID(1)],
            case .known(.failing(.exited(3)), let older) = known[CheckID(2)]
        else {
            Issue.record("\(known)")
            return
        }
        #expect(age >= .milliseconds(500) && age < .seconds(10))
        // Interval × fall, and what has passed since the start.
        #expect(older >= .seconds(2) && older < .seconds(12))
        #expect(known[CheckID(3)] == .cold)
        #expect(agent.mirror.checks.map(\.standing) == [.passing, .failing(.exited(3)), .pending])
        engine.send(.ready)
        agent.stop(engine)
    }

    @Test func `what the checks find is written down, with the first verdict at once`() throws {
        let witness = check("witness", .shell("exit 4"), interval: .seconds(30))
        let agent = try Agent(
            Configuration(
                checks: [witness],
                routers: [router("web", checks: [RouterCheck(name: "witness", effect: .fault)])]))
        let engine = try agent.startedEngine()
        let store = VerdictStore(directory: "\(agent.folder.path)/state", boot: VerdictStore.currentBoot())
        #expect(eventually(seconds: 4) { (try? store.read())?.isEmpty == false })
        let verdict = try #require(try store.read().first)
        #expect(verdict.name == "witness" && verdict.fingerprint == witness.fingerprint)
        #expect(verdict.verdict == .failing(.exited(4)))
        #expect(verdict.at <= Clock.boottime() && verdict.at > Clock.boottime() - 30 * second)
        agent.stop(engine)
    }
}
