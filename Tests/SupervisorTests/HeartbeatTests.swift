// The watchdog: what silence means as plain values, and real processes that are stopped, spin or sleep in front of its thread.

import Glibc
import System
import Testing

@testable import Supervisor

@Suite struct HeartbeatTests {
    private let millisecond: Int64 = 1_000_000

    /// Looks in time until the verdict is another than alive; at which millisecond that is.
    private func silentAt(limit: Int64, lastBeat: Int64) -> Int64? {
        var judge = HeartbeatJudge(since: 0)
        var now: Int64 = 0
        while now < 20_000 * millisecond {
            switch judge.look(at: now, beat: min(now, lastBeat * millisecond), limit: limit * millisecond) {
            case .alive(let next): now = next
            case .silent: return now / millisecond
            case .unwatched: return nil
            }
        }
        return nil
    }

    @Test func `an engine that falls silent is found between its promise and a quarter more`() {
        #expect(silentAt(limit: 200, lastBeat: 1_000).map { (1_200...1_250).contains($0) } == true)
        #expect(silentAt(limit: 2_000, lastBeat: 3_000).map { (5_000...5_500).contains($0) } == true)
    }

    @Test func `a promise out of bounds is not believed`() {
        #expect(silentAt(limit: 1, lastBeat: 1_000).map { (1_100...1_125).contains($0) } == true)
        #expect(silentAt(limit: .max / 1_000_000, lastBeat: 0).map { (10_000...12_500).contains($0) } == true)
    }

    @Test func `nothing is expected of an engine that promised nothing, and only from then on when it does`() {
        var judge = HeartbeatJudge(since: 0)
        #expect(judge.look(at: 5_000 * millisecond, beat: 0, limit: 0) == .unwatched)
        let verdict = judge.look(at: 9_000 * millisecond, beat: 0, limit: 200 * millisecond)
        #expect(verdict == .alive(lookAt: 9_050 * millisecond))
    }

    @Test func `when the one who looks was late, the silence counts from then`() {
        var judge = HeartbeatJudge(since: 0)
        let limit = 200 * millisecond
        var now: Int64 = 0
        for _ in 0..<10 {
            _ = judge.look(at: now, beat: now, limit: limit)
            now += 50 * millisecond
        }
        let beat = now - 50 * millisecond
        // Both were stopped for ten seconds.
        now = beat + 10_000 * millisecond
        #expect(judge.look(at: now, beat: beat, limit: limit) == .alive(lookAt: now + 50 * millisecond))
        // The engine stays silent: found, counted from there.
        let woken = now
        var found: Int64?
        while found == nil, now < woken + 1_000 * millisecond {
            now += 50 * millisecond
            if case .silent(let silence, _, _) = judge.look(at: now, beat: beat, limit: limit) { found = silence }
        }
        #expect(found.map { $0 > limit && $0 <= limit + 50 * millisecond } == true)
    }

    @Test func `one that sleeps or was stopped hangs, one without a processor or in the kernel does not`() {
        func activity(_ state: Unicode.Scalar, _ ran: Int64) -> ProcessActivity {
            ProcessActivity(state: UInt8(ascii: state), ran: ran * millisecond)
        }
        let span = 50 * millisecond
        for state in ["S", "T", "t", "I"] as [Unicode.Scalar] {
            #expect(activity(state, 5).isHanging(since: nil, after: 0))
        }
        #expect(!activity("D", 5).isHanging(since: activity("D", 5), after: span))
        #expect(!activity("R", 5).isHanging(since: nil, after: 0))
        #expect(!activity("R", 6).isHanging(since: activity("R", 5), after: span))
        #expect(activity("R", 54).isHanging(since: activity("R", 5), after: span))
    }
}

@Suite(.serialized) struct WatchdogTests {
    /// A process in front of a watchdog, with a page that this test writes.
    private final class Watched {
        let watchdog: Watchdog
        let vitals: Vitals
        var child: ChildProcess

        init(_ command: String, limit: Duration?) throws {
            watchdog = try Watchdog()
            vitals = try Vitals()
            child = try ChildProcess(
                ProcessRequest(arguments: ["/bin/sh", "-c", command], environment: ["PATH=/usr/bin:/bin"]))
            vitals.mark(.waiting)
            if let limit { vitals.promise(limit.nanoseconds) }
            watchdog.watch(vitals, process: child.process, handle: try child.handle())
        }

        /// Beats for `milliseconds`; whether it still lives then.
        func livesWhileBeating(_ milliseconds: Int) -> Bool {
            for _ in 0..<(milliseconds / 10) {
                vitals.mark(.timers)
                usleep(10_000)
            }
            return child.reap() == nil
        }

        /// How it ended within five seconds.
        func ending() -> ProcessEnding? {
            for _ in 0..<2_500 {
                if let ending = child.reap() { return ending }
                usleep(2_000)
            }
            return nil
        }

        /// Why it was killed.
        func takeFinding() -> Watchdog.Finding? { watchdog.takeFindings().first }

        deinit { child.kill(SIGKILL) }
    }

    @Test func `one that gives signs of life lives, and is killed when they end`() throws {
        let watched = try Watched("exec sleep 60", limit: .milliseconds(200))
        let lives = watched.livesWhileBeating(600)
        #expect(lives)
        let last = watched.vitals.beat
        let ending = watched.ending()
        #expect(ending == .killed(UInt8(SIGKILL)))
        #expect(Clock.monotonic() - last > 200_000_000)
        let found = watched.takeFinding()
        let finding = try #require(found)
        #expect(finding.limit == 200_000_000 && finding.silence > finding.limit && finding.state == "S")
    }

    @Test func `one that spins without a sign of life is killed`() throws {
        let watched = try Watched("while :; do :; done", limit: .milliseconds(100))
        let (ending, finding) = (watched.ending(), watched.takeFinding())
        #expect(ending == .killed(UInt8(SIGKILL)))
        #expect(finding?.state == "R")
    }

    @Test func `one that was stopped is killed`() throws {
        let watched = try Watched("exec sleep 60", limit: .milliseconds(100))
        watched.child.kill(SIGSTOP)
        let (ending, finding) = (watched.ending(), watched.takeFinding())
        #expect(ending == .killed(UInt8(SIGKILL)))
        #expect(finding?.state == "T")
    }

    @Test func `one that promised nothing, or is not watched any more, is left alone`() throws {
        let silent = try Watched("exec sleep 60", limit: nil)
        let forgotten = try Watched("exec sleep 60", limit: .milliseconds(100))
        forgotten.watchdog.forget()
        usleep(400_000)
        let (first, second, finding) = (silent.child.reap(), forgotten.child.reap(), forgotten.takeFinding())
        #expect(first == nil && second == nil && finding == nil)
    }
}
