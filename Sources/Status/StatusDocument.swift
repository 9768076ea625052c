// The status document: everything that `GET /v1/status` says, typed and documented here and, for one virtual router, in
// RouterStatus.swift. The server encodes it, the command line decodes it, scripts read it with jq. It holds words and numbers
// only; it decides nothing.
//
// Names are the YANG leaf of RFC 8347 where there is one, else the project's word, always kebab-case. A key that has no
// value is there with `null`, so that a reader never has to tell "absent" from "misspelt". Times are RFC 3339 in UTC with
// milliseconds; other durations carry their unit in the key.

/// The answer to `GET /v1/status`.
package struct StatusDocument: Hashable, Sendable, Codable {
    /// `version`: of the agent, `0.1.0`.
    package var version: String
    /// `hostname`: as gethostname(2) has it.
    package var hostname: String
    /// `pid`: of the supervisor, `vipd run`.
    package var pid: Int32
    /// `started`: when the supervisor started.
    package var started: Timestamp
    /// `engine`: the process that speaks the protocol.
    package var engine: EngineStatus
    /// `as-of`: when the answer was made; ages are relative to it.
    package var asOf: Timestamp
    /// `statistics`: errors of the whole agent.
    package var statistics: GlobalStatistics
    /// `virtual-routers`: in the order of the configuration.
    package var virtualRouters: [RouterStatus]
    /// `interfaces`: that virtual routers use, in the order of the configuration.
    package var interfaces: [InterfaceStatus]
    /// `upgrade`: the last one of the running agent; null when there was none.
    @OrNull package var upgrade: UpgradeStatus?

    private enum CodingKeys: String, CodingKey {
        case version, hostname, pid, started, engine, statistics, interfaces, upgrade
        case asOf = "as-of"
        case virtualRouters = "virtual-routers"
    }

    package init(
        version: String, hostname: String, pid: Int32, started: Timestamp, engine: EngineStatus, asOf: Timestamp,
        statistics: GlobalStatistics, virtualRouters: [RouterStatus], interfaces: [InterfaceStatus],
        upgrade: UpgradeStatus? = nil
    ) {
        _upgrade = OrNull(wrappedValue: upgrade)
        self.version = version
        self.hostname = hostname
        self.pid = pid
        self.started = started
        self.engine = engine
        self.asOf = asOf
        self.statistics = statistics
        self.virtualRouters = virtualRouters
        self.interfaces = interfaces
    }
}

/// The engine as the supervisor sees it.
package struct EngineStatus: Hashable, Sendable, Codable {
    /// `running`; `starting` until it has its configuration; `down` between an end and the next start.
    package enum State: String, Hashable, Sendable, Codable {
        case running, starting, down
    }

    /// `state`.
    package var state: State
    /// `pid`; null while it is down.
    @OrNull package var pid: Int32?
    /// `since`: when this state began.
    package var since: Timestamp
    /// `restarts`: how often it was started again since the supervisor started.
    package var restarts: Int
    /// `netlink-resyncs`: how often events of the kernel were lost and everything was read again, since the supervisor started.
    package var netlinkResyncs: UInt64
    /// `scheduling`: what is in force for it; null while it is down.
    @OrNull package var scheduling: SchedulingStatus?

    private enum CodingKeys: String, CodingKey {
        case state, pid, since, restarts, scheduling
        case netlinkResyncs = "netlink-resyncs"
    }

    package init(
        state: State, pid: Int32?, since: Timestamp, restarts: Int, netlinkResyncs: UInt64 = 0,
        scheduling: SchedulingStatus? = nil
    ) {
        self.state = state
        _pid = OrNull(wrappedValue: pid)
        self.since = since
        self.restarts = restarts
        self.netlinkResyncs = netlinkResyncs
        _scheduling = OrNull(wrappedValue: scheduling)
    }
}

/// How the engine is scheduled and kept in memory, as the kernel said when it was set last (start, reload).
package struct SchedulingStatus: Hashable, Sendable, Codable {
    /// `policy`: `fifo` or `other`; another word of sched(7) when somebody else changed it.
    package var policy: String
    /// `priority`: 1...99; 0 when it is not real-time.
    package var priority: Int32
    /// `cpus`: the processors that it may run on.
    package var cpus: [UInt32]
    /// `locked-kib`: memory that may not be paged out, in KiB of address space; 0 when none is locked.
    package var lockedKiB: Int
    /// `oom-score-adjust`: -1000...1000; the lower, the later the kernel ends it when memory runs out.
    package var oomScoreAdjust: Int32

    private enum CodingKeys: String, CodingKey {
        case policy, priority, cpus
        case lockedKiB = "locked-kib"
        case oomScoreAdjust = "oom-score-adjust"
    }

    package init(policy: String, priority: Int32, cpus: [UInt32], lockedKiB: Int, oomScoreAdjust: Int32) {
        self.policy = policy
        self.priority = priority
        self.cpus = cpus
        self.lockedKiB = lockedKiB
        self.oomScoreAdjust = oomScoreAdjust
    }
}

/// A failing check's part in the effective priority.
package struct ContributionStatus: Hashable, Sendable, Codable {
    /// `check`: its name.
    package var check: String
    /// `on-failure`: as in the configuration, `weight -60` or `last-resort`.
    package var onFailure: String
    /// `reason`: why it does not pass, `exit status 1`.
    package var reason: String

    private enum CodingKeys: String, CodingKey {
        case check, reason
        case onFailure = "on-failure"
    }

    package init(check: String, onFailure: String, reason: String) {
        self.check = check
        self.onFailure = onFailure
        self.reason = reason
    }
}

/// A present reason that keeps a virtual router from running.
package struct FaultStatus: Hashable, Sendable, Codable {
    /// `fault`: its word, `no-carrier` or `check`.
    package var fault: String
    /// `check`: the name of the check, if it is one; else null.
    @OrNull package var check: String?
    /// `reason`: why the check, gate or claim failed; null for the others.
    @OrNull package var reason: String?
    /// `text`: the sentence.
    package var text: String

    package init(fault: String, check: String? = nil, reason: String? = nil, text: String) {
        self.fault = fault
        _check = OrNull(wrappedValue: check)
        _reason = OrNull(wrappedValue: reason)
        self.text = text
    }
}

/// The present master.
package struct MasterStatus: Hashable, Sendable, Codable {
    /// `address`: the one its adverts come from; null when this host is master and has lost its address.
    @OrNull package var address: String?
    /// `priority`: in its adverts.
    package var priority: UInt8
    /// `self`: it is this host.
    package var isSelf: Bool

    private enum CodingKeys: String, CodingKey {
        case address, priority
        case isSelf = "self"
    }

    package init(address: String?, priority: UInt8, isSelf: Bool) {
        _address = OrNull(wrappedValue: address)
        self.priority = priority
        self.isSelf = isSelf
    }
}

/// A configured address.
package struct AddressStatus: Hashable, Sendable, Codable {
    /// `address`: with its prefix length.
    package var address: String
    /// `present`: it is on the interface now.
    package var present: Bool
    /// `advertised`: adverts list it; not where the configuration says `advertise: no`.
    package var advertised: Bool
    /// `interface`: the one that the configuration puts it on.
    package var interface: String

    package init(address: String, present: Bool, advertised: Bool = true, interface: String) {
        self.address = address
        self.present = present
        self.advertised = advertised
        self.interface = interface
    }
}

/// A change of state and its reason.
package struct TransitionStatus: Hashable, Sendable, Codable {
    /// `from` and `to`: states.
    package var from: RouterState
    package var to: RouterState
    /// `at`: when.
    package var at: Timestamp
    /// `cause`: its word, `master-silent`.
    package var cause: String
    /// `text`: the evidence in a sentence.
    package var text: String

    package init(from: RouterState, to: RouterState, at: Timestamp, cause: String, text: String) {
        self.from = from
        self.to = to
        self.at = at
        self.cause = cause
        self.text = text
    }
}

/// A check that a virtual router depends on.
package struct CheckStatus: Hashable, Sendable, Codable {
    /// `check`: its name.
    package var check: String
    /// `state`: `passing`, `failing`, or `pending` before the first verdict.
    package var state: String
    /// `reason`: why it does not pass; null when it passes.
    @OrNull package var reason: String?
    /// `on-failure`: what its failure does, `fault`, `weight -60` or `last-resort`.
    package var onFailure: String

    private enum CodingKeys: String, CodingKey {
        case check, state, reason
        case onFailure = "on-failure"
    }

    package init(check: String, state: String, reason: String?, onFailure: String) {
        self.check = check
        self.state = state
        _reason = OrNull(wrappedValue: reason)
        self.onFailure = onFailure
    }
}
