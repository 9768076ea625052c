// The status document: everything that `GET /v1/status` says, typed and documented in this one place. The server encodes
// it, the command line decodes it, scripts read it with jq. It holds words and numbers only; it decides nothing.
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
    /// `virtual-routers`: in the order of the configuration.
    package var virtualRouters: [RouterStatus]

    private enum CodingKeys: String, CodingKey {
        case version, hostname, pid, started, engine
        case asOf = "as-of"
        case virtualRouters = "virtual-routers"
    }

    package init(
        version: String, hostname: String, pid: Int32, started: Timestamp, engine: EngineStatus, asOf: Timestamp,
        virtualRouters: [RouterStatus]
    ) {
        self.version = version
        self.hostname = hostname
        self.pid = pid
        self.started = started
        self.engine = engine
        self.asOf = asOf
        self.virtualRouters = virtualRouters
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

    package init(state: State, pid: Int32?, since: Timestamp, restarts: Int) {
        self.state = state
        _pid = OrNull(wrappedValue: pid)
        self.since = since
        self.restarts = restarts
    }
}

/// The state of a virtual router as it is shown.
package enum RouterState: String, Hashable, Sendable, Codable, CaseIterable {
    /// Not started, or stopping.
    case initialize
    case backup
    case master
    /// RFC Initialize with a present reason, see `faults`.
    case fault
    /// Given up by the operator, until `vipd enable`.
    case disabled
    /// The engine is down or has not been heard for 5 s; everything else in the object is what was last known.
    case unknown
}

/// One virtual router; also the answer to `GET /v1/status/NAME`.
package struct RouterStatus: Hashable, Sendable, Codable {
    /// `name`: from the configuration.
    package var name: String
    /// `interface`: name of the Linux interface.
    package var interface: String
    /// `vrid`: 1...255.
    package var vrid: UInt8
    /// `family`: `ipv4` or `ipv6`.
    package var family: String
    /// `version`: of VRRP, 3 or 2.
    package var version: UInt8
    /// `state`.
    package var state: RouterState
    /// `since`: when the last known state began; null before the engine has said anything.
    @OrNull package var since: Timestamp?
    /// `unknown-since`: the last time the state was known, when `state` is `unknown`; else null.
    @OrNull package var unknownSince: Timestamp?
    /// `priority`: configured, 1...255.
    package var priority: UInt8
    /// `effective-priority`: configured, with the contributions applied.
    package var effectivePriority: UInt8
    /// `contributions`: the checks that change the priority now; empty when it is the configured one.
    package var contributions: [ContributionStatus]
    /// `faults`: the present reasons that keep the router from running; empty when it may run.
    package var faults: [FaultStatus]
    /// `preempt`: whether it takes over from a lower priority.
    package var preempt: Bool
    /// `advertisement-interval-ms`: configured.
    package var advertisementIntervalMs: Double
    /// `master-down-interval-ms`: the silence after which a backup takes over.
    package var masterDownIntervalMs: Double
    /// `skew-time-us`: the part of it that depends on the priority.
    package var skewTimeUs: Int64
    /// `local-address`: the address adverts are sent from; null while there is none.
    @OrNull package var localAddress: String?
    /// `master`: who holds the addresses as far as this host knows; null while nobody is known.
    @OrNull package var master: MasterStatus?
    /// `addresses`: the configured ones, in the order of the advert.
    package var addresses: [AddressStatus]
    /// `last-transition`: the last change of state; null before the first.
    @OrNull package var lastTransition: TransitionStatus?
    /// `last-advert-heard-ms-ago`: time from the last valid advert of another host until `as-of`, exact to the second in
    /// which the engine tells who was heard; null when there was none.
    @OrNull package var lastAdvertHeardMsAgo: Double?
    /// `gate-release-timeout-ms`: how long a planned move may wait for the release gate; null when there is none.
    @OrNull package var gateReleaseTimeoutMs: Double?
    /// `statistics`: a number for every counter; the names are those of `Counter.name`.
    package var statistics: [String: UInt64]
    /// `checks`: the checks this router depends on, in the order of the configuration.
    package var checks: [CheckStatus]

    private enum CodingKeys: String, CodingKey {
        case name, interface, vrid, family, version, state, since, priority, contributions, faults, preempt, master
        case addresses, statistics, checks
        case unknownSince = "unknown-since"
        case effectivePriority = "effective-priority"
        case advertisementIntervalMs = "advertisement-interval-ms"
        case masterDownIntervalMs = "master-down-interval-ms"
        case skewTimeUs = "skew-time-us"
        case localAddress = "local-address"
        case lastTransition = "last-transition"
        case lastAdvertHeardMsAgo = "last-advert-heard-ms-ago"
        case gateReleaseTimeoutMs = "gate-release-timeout-ms"
    }

    /// A router of which nothing is known but its configuration.
    package init(
        name: String, interface: String, vrid: UInt8, family: String, version: UInt8, state: RouterState,
        priority: UInt8, preempt: Bool, advertisementIntervalMs: Double
    ) {
        self.name = name
        self.interface = interface
        self.vrid = vrid
        self.family = family
        self.version = version
        self.state = state
        self.priority = priority
        self.preempt = preempt
        self.advertisementIntervalMs = advertisementIntervalMs
        effectivePriority = priority
        contributions = []
        faults = []
        masterDownIntervalMs = 0
        skewTimeUs = 0
        addresses = []
        statistics = [:]
        checks = []
    }

    /// How long a request that gives the router up may take beyond any other: until its release gate must have ended.
    package var releasePatience: Duration {
        // An hour is the longest timeout there is; a foreign number must not overflow.
        .milliseconds(Int64(min(max(gateReleaseTimeoutMs ?? 0, 0), 3_600_000)))
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

    package init(address: String, present: Bool) {
        self.address = address
        self.present = present
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
