// The command check: a program run at an interval, whose exit status is the verdict. Everything that is not exit status 0 is
// a failure with a word of its own (promise 6). It decides when to run and what to believe; what a failure means for a
// virtual router is the engine's business.

import Configuration
import Election
import Messages
import System

/// Rise and fall counts over the results of one check; a plain value.
struct CheckJudge: Hashable {
    /// How the first verdict comes about.
    enum Start: Hashable {
        /// At a cold start the first result decides: the router waits for it.
        case cold
        /// Added by a reload: the first success, or `fall` failures in a row; until then it has no effect.
        case added
        /// It has the verdict of an earlier supervisor, from a run that ended at boot time `run` and that counts as if it
        /// had ended at boot time `since` (nanoseconds).
        case carried(Verdict, run: Int64, since: Int64)
    }

    var rise: Int
    var fall: Int
    private(set) var standing: CheckStanding = .pending
    private var start: Start
    private var successes = 0
    private var failures = 0

    init(rise: Int, fall: Int, start: Start) {
        self.rise = rise
        self.fall = fall
        self.start = start
        if case .carried(let verdict, _, _) = start { standing = CheckStanding(verdict) }
    }

    /// The verdict so far; nil before the first.
    var verdict: Verdict? {
        switch standing {
        case .pending: nil
        case .passing: .passing
        case .failing(let failure): .failing(failure)
        }
    }

    /// What the engine must assume before the first verdict.
    var unknown: KnownBefore {
        switch start {
        case .cold, .carried: .cold
        case .added: .unjudged
        }
    }
    enum KnownBefore: Hashable { case cold, unjudged }

    /// Takes a result, nil for success; true if the standing became another (a new reason for failing included).
    mutating func take(_ failure: CheckFailure?) -> Bool {
        let before = standing
        if let failure {
            failures += 1
            successes = 0
            switch standing {
            case .pending: if start == .cold || failures >= fall { standing = .failing(failure) }
            case .passing: if failures >= fall { standing = .failing(failure) }
            case .failing: standing = .failing(failure)
            }
        } else {
            successes += 1
            failures = 0
            switch standing {
            case .pending: standing = .passing
            case .passing: break
            case .failing: if successes >= rise { standing = .passing }
            }
        }
        return standing != before
    }
}

extension CheckStanding {
    init(_ verdict: Verdict) {
        switch verdict {
        case .passing: self = .passing
        case .failing(let failure): self = .failing(failure)
        }
    }
}

/// A check that runs.
final class CommandCheck {
    /// What is told after each run.
    struct Outcome {
        var check: CheckID
        var result: JobResult
        var standing: CheckStanding
        /// The standing is another than before.
        var changed: Bool
        /// What to tell the engine; nil before the first verdict.
        var verdict: Verdict?
    }

    let check: CheckID
    private(set) var configuration: CheckConfiguration
    private(set) var judge: CheckJudge
    /// When the last run ended, an earlier supervisor's included, boot time in nanoseconds.
    private(set) var lastRun: Int64?
    /// From when the verdict's age counts, boot time in nanoseconds.
    private var judged: Int64?

    private let loop: Loop
    private let environment: CommandEnvironment
    private let report: (Outcome) -> Void
    private var job: Job?
    private var next: Loop.Token?
    private var started: Nanoseconds = 0
    private var removed = false

    /// Runs for the first time at the loop's next turn; `report` is called after every run.
    init(
        _ check: CheckID, _ configuration: CheckConfiguration, start: CheckJudge.Start, loop: Loop,
        environment: CommandEnvironment, report: @escaping (Outcome) -> Void
    ) {
        self.check = check
        self.configuration = configuration
        judge = CheckJudge(rise: configuration.rise, fall: configuration.fall, start: start)
        if case .carried(_, let run, let since) = start { (lastRun, judged) = (run, since) }
        self.loop = loop
        self.environment = environment
        self.report = report
        next = loop.at(Clock.monotonic()) { [unowned self] in run() }
    }

    /// What an engine must be told of it, now (boot time in nanoseconds).
    func known(at now: Int64) -> KnownVerdict {
        if let verdict = judge.verdict {
            return .known(verdict, age: .nanoseconds(max(0, now - (judged ?? now))))
        }
        return switch judge.unknown {
        case .cold: .cold
        case .unjudged: .unjudged
        }
    }

    /// The engine must count it as failing: its verdict says so, or none has come since a cold start.
    var isFailing: Bool {
        switch judge.verdict {
        case .failing: true
        case .passing: false
        case nil: judge.unknown == .cold
        }
    }

    /// What the next supervisor is to know of it; nil before the first verdict.
    var stored: StoredVerdict? {
        guard let verdict = judge.verdict, let lastRun else { return nil }
        return StoredVerdict(
            name: configuration.name, fingerprint: configuration.fingerprint, verdict: verdict, at: lastRun)
    }

    /// New timing for the same command; takes effect with the next run.
    func adapt(to configuration: CheckConfiguration) {
        self.configuration = configuration
        judge.rise = configuration.rise
        judge.fall = configuration.fall
        guard job == nil else { return }
        loop.cancel(next)
        schedule()
    }

    /// No process of it runs.
    var isIdle: Bool { job == nil }

    /// Kills what runs and runs no more.
    func remove() {
        removed = true
        loop.cancel(next)
        job?.cancel()
    }

    private func run() {
        next = nil
        started = Clock.monotonic()
        let variables = ["VIPD_CHECK=\(configuration.name)", "VIPD_KIND=check"]
        do throws(SystemError) {
            let request = try environment.request(configuration.command, variables)
            // Strong on purpose: a removed check lives until its last process is gone.
            job = try Job(
                request, timeout: configuration.command.timeout, loop: loop, ended: { self.ended($0) },
                gone: {
                    self.job = nil
                    self.schedule()
                })
        } catch {
            ended(JobResult(failure: .notStarted(error.code), output: "\(error)", took: .zero))
            schedule()
        }
    }

    private func ended(_ result: JobResult) {
        lastRun = Clock.boottime()
        judged = lastRun
        let changed = judge.take(result.failure)
        report(
            Outcome(check: check, result: result, standing: judge.standing, changed: changed, verdict: judge.verdict))
    }

    /// The next run is an interval after the start of the last one, or at once when that has passed.
    private func schedule() {
        guard !removed else { return }
        next = loop.at(started + configuration.interval.nanoseconds) { [weak self] in self?.run() }
    }
}
