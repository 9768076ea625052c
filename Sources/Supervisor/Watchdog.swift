// The thread that notices an engine's hang and ends it. It reads a shared page and the clock and kills by descriptor: neither a
// log that nobody reads, nor a status query, nor anything else that the supervisor does can hold it up. What comes after the
// death is the keeper's business, which finds the reason here.

import Election
import Glibc
import Synchronization
import System

/// Watches one engine at a time.
final class Watchdog: Sendable {
    /// Why an engine was killed.
    struct Finding: Hashable, Sendable {
        var silence: Nanoseconds
        var limit: Nanoseconds
        /// The letter of proc_pid_stat(5): `T` was stopped, `R` ran without end, `S` slept.
        var state: Character
    }

    private final class Target: Sendable {
        let vitals: Vitals
        let process: Int32
        let handle: ProcessHandle
        init(_ vitals: Vitals, _ process: Int32, _ handle: consuming ProcessHandle) {
            self.vitals = vitals
            self.process = process
            self.handle = handle
        }
    }

    private struct State {
        var target: Target?
        var judge = HeartbeatJudge(since: 0)
        var findings: [Finding] = []
    }

    private let state = Mutex(State())
    private let wake: WakeDescriptor
    private let fired: WakeDescriptor

    /// Starts the thread, which sleeps until there is something to watch.
    init() throws(SystemError) {
        wake = try WakeDescriptor()
        fired = try WakeDescriptor()
        try BackgroundThread.start { [self] in work() }
    }

    /// Readable when `takeFindings` has something.
    var number: Int32 { fired.number }

    func takeFindings() -> [Finding] {
        fired.drain()
        return state.withLock { state in
            let taken = state.findings
            state.findings = []
            return taken
        }
    }

    /// Watches this engine from now on, instead of another, as soon as it promises signs of life; to be called again when that may
    /// have changed.
    func watch(_ vitals: Vitals, process: Int32, handle: consuming ProcessHandle) {
        let target = Target(vitals, process, handle)
        state.withLock { state in
            state.judge = HeartbeatJudge(since: Clock.monotonic())
            state.target = target
        }
        wake.wake()
    }

    func forget() { state.withLock { $0.target = nil } }

    // MARK: The thread

    private func work() {
        /// What was seen at the look before, during the same silence.
        var earlier: (target: ObjectIdentifier, activity: ProcessActivity, at: Nanoseconds)?
        while true {
            let now = Clock.monotonic()
            let (target, verdict) = state.withLock { state in
                guard let target = state.target else { return (nil as Target?, HeartbeatJudge.Verdict.unwatched) }
                let verdict = state.judge.look(at: now, beat: target.vitals.beat, limit: target.vitals.limit)
                return (target, verdict)
            }
            switch verdict {
            case .unwatched:
                earlier = nil
                wait(until: nil)
            case .alive(let next):
                earlier = nil
                wait(until: next)
            case .silent(let silence, let limit, let next):
                guard let target, let activity = ProcessActivity(of: target.process) else {
                    wait(until: next)
                    continue
                }
                let before = earlier?.target == ObjectIdentifier(target) ? earlier : nil
                if activity.isHanging(since: before?.activity, after: now - (before?.at ?? now)) {
                    let state = Character(UnicodeScalar(activity.state))
                    end(target, Finding(silence: silence, limit: limit, state: state))
                    earlier = nil
                } else {
                    earlier = (ObjectIdentifier(target), activity, now)
                }
                wait(until: next)
            }
        }
    }

    /// Kills it, unless it gave a sign of life or was forgotten meanwhile.
    private func end(_ target: Target, _ finding: Finding) {
        let isEnded = state.withLock { state in
            guard state.target === target, Clock.monotonic() - target.vitals.beat >= finding.silence else {
                return false
            }
            target.handle.send(SIGKILL)
            state.target = nil
            state.findings.append(finding)
            return true
        }
        if isEnded { fired.wake() }
    }

    /// Sleeps until this reading of the monotonic clock, or until there is news; nil: only that.
    private func wait(until moment: Nanoseconds?) {
        var entry = pollfd(fd: wake.number, events: Int16(POLLIN), revents: 0)
        let milliseconds = moment.map { max(1, ($0 - Clock.monotonic() + 999_999) / 1_000_000) }
        if unsafe poll(&entry, 1, milliseconds.map { Int32(clamping: $0) } ?? -1) > 0 { wake.drain() }
    }
}

extension ProcessActivity {
    /// Of a process by its number; nil when it is gone. /proc is memory of the kernel and never a disk.
    init?(of process: Int32) {
        guard let stat = Self.read("/proc/\(process)/stat"), let end = stat.lastIndex(of: UInt8(ascii: ")")),
            end + 2 < stat.count
        else { return nil }
        // Without it, which a kernel may be built without, nothing that wants to run is taken for a hang.
        let schedule = Self.read("/proc/\(process)/schedstat") ?? []
        let ran = Nanoseconds(String(decoding: schedule.prefix { $0 > 0x20 }, as: UTF8.self))
        self.init(state: stat[end + 2], ran: ran ?? 0)
    }

    private static func read(_ path: String) -> [UInt8]? {
        let number = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard number >= 0 else { return nil }
        let file = Descriptor(taking: number)
        var content = [UInt8](repeating: 0, count: 1_024)
        let length = unsafe content.withUnsafeMutableBytes { unsafe Glibc.read(file.number, $0.baseAddress, $0.count) }
        return length > 0 ? Array(content[..<length]) : nil
    }
}
