// What the supervisor does to the engine's process, tried on a process that sleeps, and what it says where something is not permitted.

import Configuration
import Glibc
import Status
import System
import Testing

@testable import Supervisor

/// A sleeping child, killed and reaped with its owner.
private final class Sleeper {
    private var child: ChildProcess
    var process: Int32 { child.process }

    /// `prefix` is put before the command.
    init(prefix: [String] = []) throws {
        child = try ChildProcess(
            // As the engine is started: an ordinary child makes itself ordinary in the moments before its exec.
            ProcessRequest(
                arguments: prefix + ["/bin/sleep", "30"], environment: ["PATH=/usr/bin:/bin"], isOrdinary: false))
    }

    deinit {
        child.kill(SIGKILL)
        while child.reap() == nil { usleep(1_000) }
    }
}

/// Whether this host lets root be real-time: not every control group may.
private let mayBeRealTime: Bool = {
    guard geteuid() == 0, let sleeper = try? Sleeper() else { return false }
    return (try? ProcessScheduling.setPriority(1, of: sleeper.process)) != nil
}()

@Suite(.enabled(if: mayBeRealTime))
struct SchedulingTests {
    @Test func `everything is in force, and a reload changes it and takes it back`() throws {
        let sleeper = try Sleeper()
        let all = ProcessScheduling.processors(of: 0)
        let first = try #require(all.first)
        let one = EngineConfiguration(priority: 7, cpus: [first], oomScoreAdjust: 300)
        let applied = try #require(EngineScheduling.apply(one, to: sleeper.process))
        #expect(applied.limits == [])
        #expect(applied.state.policy == SCHED_FIFO && applied.state.priority == 7)
        #expect(applied.state.processors == [first] && applied.state.oomScore == 300)
        #expect(SchedulingStatus(applied.state).policy == "fifo")
        let none = EngineConfiguration(priority: nil, cpus: [], oomScoreAdjust: 400)
        let again = try #require(EngineScheduling.apply(none, to: sleeper.process))
        #expect(again.limits == [])
        #expect(again.state.policy == SCHED_OTHER && again.state.priority == 0)
        #expect(again.state.processors == all && again.state.oomScore == 400)
        #expect(SchedulingStatus(again.state).policy == "other")
    }

    @Test func `processors that are not there are named, and the rest is in force`() throws {
        let sleeper = try Sleeper()
        let first = try #require(ProcessScheduling.processors(of: 0).first)
        let half = EngineConfiguration(priority: nil, cpus: [first, 1023], oomScoreAdjust: 0)
        let applied = try #require(EngineScheduling.apply(half, to: sleeper.process))
        #expect(applied.limits.filter { $0.what == "cpus" }.map(\.reason) == ["not there: 1023"])
        #expect(applied.state.processors == [first])
        let nowhere = EngineConfiguration(priority: nil, cpus: [1022, 1023], oomScoreAdjust: 0)
        let refused = try #require(EngineScheduling.apply(nowhere, to: sleeper.process))
        let limits = refused.limits.filter { $0.what == "cpus" }
        #expect(limits.map(\.reason) == ["none of them is there"])
        #expect(limits.first?.wanted == "1022,1023")
        #expect(refused.state.processors == [first], "what was before goes on")
    }

    @Test func `a process that is gone is none`() throws {
        let outcome = EngineScheduling.apply(EngineConfiguration(), to: .max - 1)
        #expect(outcome == nil)
    }
}

struct LimitTests {
    @Test func `a limit is a warning that names what, why and what to do`() {
        let limit = EngineLimit(what: "priority", wanted: "50", reason: "Operation not permitted", advice: "do this")
        let line = LogLine(limit)
        #expect(line.level == .warning && line.event == "engine-limited")
        #expect(line.fields.map(\.key) == ["what", "wanted", "error", "text"])
        #expect(line.fields.map(\.value) == ["priority", "50", "Operation not permitted", "do this"])
        let locked = LogLine(.memoryNotLocked(EPERM, isPartly: false), name: { _ in "" })
        #expect(locked.event == "engine-limited" && locked.fields.first?.value == "locked-memory")
    }
}
