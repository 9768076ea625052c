// The typed configuration: what a YAML file means once every error has been found. A value of this type cannot hold a
// priority of 0 or an unknown key; the parser is the only place that makes one from text.

import Election
import Wire

/// A program and its arguments, run without a shell.
package struct CommandLine: Hashable, Sendable {
    /// Never empty. `shell: TEXT` in the file becomes `/bin/sh -c TEXT`.
    package var arguments: [String]
    /// The user to run it as; nil for the agent's own.
    package var user: String?
    /// It is killed, with its process group, when it takes longer.
    package var timeout: Duration

    package init(arguments: [String], user: String?, timeout: Duration) {
        self.arguments = arguments
        self.user = user
        self.timeout = timeout
    }
}

/// A command check.
package struct CheckConfiguration: Hashable, Sendable {
    package var name: String
    package var command: CommandLine
    package var interval: Duration
    /// Successes in a row that make a failing check pass, and failures in a row that make a passing one fail.
    package var rise: Int
    package var fall: Int

    package init(name: String, command: CommandLine, interval: Duration, rise: Int, fall: Int) {
        self.name = name
        self.command = command
        self.interval = interval
        self.rise = rise
        self.fall = fall
    }

    /// How long a verdict counts without renewal: interval × fall + timeout + 1 s.
    package var timeToLive: Duration { interval * fall + command.timeout + .seconds(1) }
}

/// A virtual router as the supervisor sees it: its election and the commands around it.
package struct RouterConfiguration: Hashable, Sendable {
    package var name: String
    /// Its `checks` are empty here; the supervisor fills them in from `checks` below when it has given numbers to the names.
    package var election: VirtualRouterConfiguration
    /// Names of checks in `Configuration.checks`, with what they do to this router.
    package var checks: [RouterCheck]
    package var gateClaim: CommandLine?
    package var gateRelease: CommandLine?
    package var hooks: Hooks

    package init(
        name: String, election: VirtualRouterConfiguration, checks: [RouterCheck] = [], gateClaim: CommandLine? = nil,
        gateRelease: CommandLine? = nil, hooks: Hooks = Hooks()
    ) {
        self.name = name
        self.election = election
        self.checks = checks
        self.gateClaim = gateClaim
        self.gateRelease = gateRelease
        self.hooks = hooks
    }
}

/// A check by name and what its failure does to the router that names it.
package struct RouterCheck: Hashable, Sendable {
    package var name: String
    package var effect: CheckEffect

    package init(name: String, effect: CheckEffect) {
        self.name = name
        self.effect = effect
    }
}

/// Commands told about a transition.
package struct Hooks: Hashable, Sendable {
    package var onMaster: CommandLine?
    package var onBackup: CommandLine?
    package var onFault: CommandLine?
    package var onStop: CommandLine?
    package var onVerified: CommandLine?

    package init(
        onMaster: CommandLine? = nil, onBackup: CommandLine? = nil, onFault: CommandLine? = nil,
        onStop: CommandLine? = nil, onVerified: CommandLine? = nil
    ) {
        self.onMaster = onMaster
        self.onBackup = onBackup
        self.onFault = onFault
        self.onStop = onStop
        self.onVerified = onVerified
    }
}

/// Where and for whom the status socket is.
package struct StatusSocket: Hashable, Sendable {
    package var path: String
    /// Permission bits, 0...0o777.
    package var mode: UInt16
    /// Group that owns the socket; nil for the agent's own.
    package var group: String?

    package init(path: String = "/run/vipd/vipd.sock", mode: UInt16 = 0o660, group: String? = nil) {
        self.path = path
        self.mode = mode
        self.group = group
    }
}

/// How the engine runs. What of it is not permitted is a warning, when the engine starts.
package struct EngineConfiguration: Hashable, Sendable {
    /// SCHED_FIFO at this priority, 1...99; nil: like any other process.
    package var priority: Int32?
    /// The processors that it may run on, ascending; empty: all that the agent may.
    package var cpus: [UInt32]
    /// -1000...1000, proc_pid_oom_score_adj(5).
    package var oomScoreAdjust: Int32
    /// Announcements that leave an interface in any second at most, 10...1,000,000.
    package var announcementsPerSecond: UInt32

    package init(
        priority: Int32? = 50, cpus: [UInt32] = [], oomScoreAdjust: Int32 = -900,
        announcementsPerSecond: UInt32 = 20_000
    ) {
        self.priority = priority
        self.cpus = cpus
        self.oomScoreAdjust = oomScoreAdjust
        self.announcementsPerSecond = announcementsPerSecond
    }
}

/// The least important lines that are logged.
package enum LogLevel: UInt8, Hashable, Sendable, Comparable {
    case error = 3
    case warning = 4
    case notice = 5
    case info = 6
    case debug = 7

    package static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}

/// A whole configuration: one file and its `conf.d`.
package struct Configuration: Hashable, Sendable {
    package var statusSocket: StatusSocket
    /// Where `disable` and the verdicts of checks are remembered across restarts.
    package var stateDirectory: String
    package var logLevel: LogLevel
    package var engine: EngineConfiguration
    /// In the order of the files.
    package var checks: [CheckConfiguration]
    package var routers: [RouterConfiguration]
    /// What is allowed and may still not be meant, in the order of the files.
    package var warnings: [ConfigurationProblem] = []

    package init(
        statusSocket: StatusSocket = StatusSocket(), stateDirectory: String = "/var/lib/vipd",
        logLevel: LogLevel = .info, engine: EngineConfiguration = EngineConfiguration(),
        checks: [CheckConfiguration] = [], routers: [RouterConfiguration] = []
    ) {
        self.statusSocket = statusSocket
        self.stateDirectory = stateDirectory
        self.logLevel = logLevel
        self.engine = engine
        self.checks = checks
        self.routers = routers
    }
}
