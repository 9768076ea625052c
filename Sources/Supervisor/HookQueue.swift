// Hooks: commands told about transitions, and whether a takeover arrived. One ordered queue per virtual router's name, one hook at a time;
// a newer state takes the place of what waits, so that a slow hook is followed by the truth and not by history. What runs is never
// interrupted.

import Configuration
import Election
import System

/// Which hook.
enum HookKind: String, Hashable {
    case onMaster = "on-master"
    case onBackup = "on-backup"
    case onFault = "on-fault"
    case onStop = "on-stop"
    /// Of no transition: a new master knows whether its takeover arrived.
    case onVerified = "on-verified"

    /// The hook that a transition calls for; nil for those that nobody has to be told: the first moment of a start or of a
    /// change of the configuration, which another transition follows, and a fault that only waits for a first result.
    init?(_ transition: Transition) {
        switch transition.to {
        case .master: self = .onMaster
        case .backup: self = .onBackup
        case .fault:
            guard !transition.isPendingFault else { return nil }
            self = .onFault
        case .disabled: self = .onStop
        // What follows in some milliseconds is told.
        case .resigning: return nil
        case .initialize:
            guard transition.cause == .stopped || transition.cause == .reconfigured else { return nil }
            self = .onStop
        }
    }
}

extension Hooks {
    subscript(kind: HookKind) -> CommandLine? {
        switch kind {
        case .onMaster: onMaster
        case .onBackup: onBackup
        case .onFault: onFault
        case .onStop: onStop
        case .onVerified: onVerified
        }
    }
}

/// The hooks of the virtual router of one name, whatever election it takes part in.
final class HookQueue {
    /// A hook that is to be run.
    struct Entry {
        var kind: HookKind
        var command: CommandLine
        var variables: [String]
    }

    /// What happened to one.
    enum Outcome {
        case ended(HookKind, JobResult)
        /// It never ran: this newer one took its place.
        case superseded(HookKind, by: HookKind)
        /// It never ran: the router reached this state, of which no hook is told.
        case overtaken(HookKind, by: StateName)
    }

    private let loop: Loop
    private let environment: CommandEnvironment
    private let report: (Outcome) -> Void
    private var running: Job?
    private var waiting: Entry?
    /// Whether the takeover arrived is told after the hook of the transition.
    private var waitingVerified: Entry?
    private let drained: () -> Void
    /// Begins with the wall clock, so that it rises over restarts of the agent and of the host: a command that keeps the last
    /// number to recognise what is older must not take everything after a restart for old. Nothing counts up once a
    /// millisecond, so the next start is beyond the last one's numbers unless the clock was set back.
    private var number: Int64

    /// `drained` is called whenever nothing runs or waits any more. `wall` is the time of day in nanoseconds since 1970.
    init(
        loop: Loop, environment: CommandEnvironment, report: @escaping (Outcome) -> Void,
        drained: @escaping () -> Void = {}, wall: Nanoseconds = Clock.wall()
    ) {
        number = wall / 1_000_000
        self.loop = loop
        self.environment = environment
        self.report = report
        self.drained = drained
    }

    /// Nothing runs and nothing waits.
    var isIdle: Bool { running == nil && waiting == nil && waitingVerified == nil }

    /// VIPD_SEQUENCE of the next command, hook or gate.
    func nextNumber() -> Int64 {
        number += 1
        return number
    }

    /// Runs it now, or after what runs now, in place of what waits.
    func add(_ entry: Entry) {
        if entry.kind == .onVerified {
            waitingVerified = entry
        } else {
            for old in [waiting, waitingVerified] { if let old { report(.superseded(old.kind, by: entry.kind)) } }
            waiting = entry
            waitingVerified = nil
        }
        startNext()
    }

    /// The router reached a state that calls for no hook: what waits is of the past and must not begin any more. A hook
    /// that fences a backup would otherwise hit a master.
    func drop(because state: StateName) {
        for old in [waiting, waitingVerified] { if let old { report(.overtaken(old.kind, by: state)) } }
        waiting = nil
        waitingVerified = nil
    }

    private func startNext() {
        guard running == nil else { return }
        guard let entry = waiting ?? waitingVerified else {
            drained()
            return
        }
        if waiting == nil { waitingVerified = nil }
        waiting = nil
        do throws(SystemError) {
            // Strong on purpose: the queue of a removed router lives until its last hook is gone.
            running = try Job(
                environment.request(entry.command, entry.variables), timeout: entry.command.timeout, loop: loop,
                ended: { self.report(.ended(entry.kind, $0)) },
                gone: {
                    self.running = nil
                    self.startNext()
                })
        } catch {
            report(.ended(entry.kind, JobResult(failure: .notStarted(error.code), output: "\(error)", took: .zero)))
            startNext()
        }
    }
}
