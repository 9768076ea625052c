// What the status document says of one virtual router. The leaves of RFC 8347 have their names and units here, so that what
// is known of other routers holds; the rest are the project's own words. It holds words and numbers only.

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
    /// Was master and holds its addresses until another host has claimed them.
    case resigning
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
    /// `also-version-2`: a router of version 3 that sends and believes version 2 too.
    package var alsoVersion2 = false
    /// `peers`: who adverts go to and come from; empty for multicast.
    package var peers: [PeerStatus] = []
    /// `state`.
    package var state: RouterState
    /// `since`: when the last known state began; null before the engine has said anything.
    @OrNull package var since: Timestamp?
    /// `unknown-since`: the last time the state was known, when `state` is `unknown`; else null.
    @OrNull package var unknownSince: Timestamp?
    /// `up-datetime`: when it last left initialize (or fault, or disabled) for the election; null while it takes no part.
    @OrNull package var upDatetime: Timestamp?
    /// `start-delay-until`: of a backup that waits for frames to pass: when that ends, unless an advert is heard before; else null.
    @OrNull package var startDelayUntil: Timestamp?
    /// `priority`: configured, 1...255.
    package var priority: UInt8
    /// `effective-priority`: configured, with the contributions applied.
    package var effectivePriority: UInt8
    /// `is-owner`: this host owns the addresses (priority 255).
    package var isOwner: Bool
    /// `contributions`: the checks that change the priority now; empty when it is the configured one.
    package var contributions: [ContributionStatus]
    /// `faults`: the present reasons that keep the router from running; empty when it may run.
    package var faults: [FaultStatus]
    /// `degraded`: what a master goes without because the kernel refuses it (`claim: any`), as the faults that it would be otherwise; empty for who
    /// has everything or is no master.
    package var degraded: [FaultStatus] = []
    /// `preempt`: whether it takes over from a lower priority, and after how long.
    package var preempt: PreemptStatus
    /// `accept-mode`: whether a master answers for its addresses; always true here.
    package var acceptMode = true
    /// `advertisement-interval-ms`: configured.
    package var advertisementIntervalMs: Double
    /// `advertise-interval-sec`: the same in seconds for version 2; null for version 3.
    @OrNull package var advertiseIntervalSec: Int64?
    /// `advertise-interval-centi-sec`: the same in hundredths of a second for version 3; null for version 2.
    @OrNull package var advertiseIntervalCentiSec: Int64?
    /// `master-down-interval-ms`: the silence after which a backup takes over.
    package var masterDownIntervalMs: Double
    /// `master-down-interval`: the same in hundredths of a second, as RFC 8347 has it.
    package var masterDownInterval: Int64
    /// `skew-time`: the part of it that depends on the priority, in microseconds.
    package var skewTime: Int64
    /// `local-address`: the address adverts are sent from; null while there is none.
    @OrNull package var localAddress: String?
    /// `virtual-mac`: the hardware address that the addresses are answered for with; null where it is the interface's own.
    @OrNull package var virtualMac: String?
    /// `master`: who holds the addresses as far as this host knows; null while nobody is known.
    @OrNull package var master: MasterStatus?
    /// `last-adv-source`: where the last advert of a master came from, ourselves included; null when there was none.
    @OrNull package var lastAdvSource: String?
    /// `addresses`: the configured ones, in the order of the advert, and behind them those that it does not list.
    package var addresses: [AddressStatus]
    /// `routes` and `rules`: what a master has in the kernel's routing beside its addresses.
    package var routes: [RouteStatus] = []
    package var rules: [RuleStatus] = []
    /// `lease`: seconds after which the kernel takes an address off that nobody renews; null when it stays for ever.
    @OrNull package var lease: UInt32?
    /// `lease-expires`: when that happens to the first of the addresses that are here unless it is renewed, as of the engine's last word, which
    /// is at most a second old; null when none is here under a lease.
    @OrNull package var leaseExpires: Timestamp?
    /// `address-count`: of them.
    package var addressCount: Int
    /// `virtual-ipv4-address` and `virtual-ipv6-address`: the same without prefix, by family.
    package var virtualIPv4Address: [String] = []
    package var virtualIPv6Address: [String] = []
    /// `last-transition`: the last change of state; null before the first.
    @OrNull package var lastTransition: TransitionStatus?
    /// `last-event`: what led to it, in the words of RFC 8347: see `ProtocolEvent`.
    package var lastEvent = ProtocolEvent.none.rawValue
    /// `new-master-reason`: how this host became master, in the words of RFC 8347: see `NewMasterReason`.
    package var newMasterReason = NewMasterReason.notMaster.rawValue
    /// `last-protocol-error`: `no-error`, `ip-ttl-error`, `version-error` or `checksum-error` (RFC 6527).
    package var lastProtocolError = "no-error"
    /// `last-advert-heard-ms-ago`: time from the last valid advert of another host until `as-of`, exact to the second in
    /// which the engine tells who was heard; null when there was none.
    @OrNull package var lastAdvertHeardMsAgo: Double?
    /// `gate-release-timeout-ms`: how long a planned move may wait for the release gate; null when there is none.
    @OrNull package var gateReleaseTimeoutMs: Double?
    /// `handover-limit-ms`: how long a handover may take at most until it is told what came of it.
    package var handoverLimitMs: Double = 0
    /// `held`: it was handed over, and this host does not take the addresses again unless the others are silent or resign; null
    /// when it is not so.
    @OrNull package var held: HeldStatus?
    /// `differences`: what peers are configured with that differs from this host, as heard in the last minute.
    package var differences: [DifferenceStatus] = []
    /// `conflicts`: who else claims the addresses, as heard in the last 10 minutes.
    package var conflicts: [ConflictStatus] = []
    /// `verification`: of a master, whether neighbours send to it; null while nobody was asked.
    @OrNull package var verification: VerificationStatus?
    /// `statistics`: a number for every counter; the names are those of `Counter.name`.
    package var statistics: [String: UInt64]
    /// `discontinuity-datetime`: since when they count; null before the engine has said anything.
    @OrNull package var discontinuityDatetime: Timestamp?
    /// `timer-late-max-us`: by how much a timer of this router was served too late at most since then.
    package var timerLateMaxUs: Int64 = 0
    /// `checks`: the checks this router depends on, in the order of the configuration.
    package var checks: [CheckStatus]

    private enum CodingKeys: String, CodingKey {
        case name, interface, vrid, family, version, state, since, priority, contributions, faults, preempt, master
        case addresses, statistics, checks, peers, differences, conflicts, lease, held, routes, rules
        case verification, degraded
        case leaseExpires = "lease-expires"
        case alsoVersion2 = "also-version-2"
        case unknownSince = "unknown-since"
        case upDatetime = "up-datetime"
        case startDelayUntil = "start-delay-until"
        case effectivePriority = "effective-priority"
        case isOwner = "is-owner"
        case acceptMode = "accept-mode"
        case advertisementIntervalMs = "advertisement-interval-ms"
        case advertiseIntervalSec = "advertise-interval-sec"
        case advertiseIntervalCentiSec = "advertise-interval-centi-sec"
        case masterDownIntervalMs = "master-down-interval-ms"
        case masterDownInterval = "master-down-interval"
        case skewTime = "skew-time"
        case localAddress = "local-address"
        case virtualMac = "virtual-mac"
        case lastAdvSource = "last-adv-source"
        case addressCount = "address-count"
        case virtualIPv4Address = "virtual-ipv4-address"
        case virtualIPv6Address = "virtual-ipv6-address"
        case lastTransition = "last-transition"
        case lastEvent = "last-event"
        case newMasterReason = "new-master-reason"
        case lastProtocolError = "last-protocol-error"
        case lastAdvertHeardMsAgo = "last-advert-heard-ms-ago"
        case gateReleaseTimeoutMs = "gate-release-timeout-ms"
        case handoverLimitMs = "handover-limit-ms"
        case discontinuityDatetime = "discontinuity-datetime"
        case timerLateMaxUs = "timer-late-max-us"
    }

    /// A router of which nothing is known but its configuration.
    package init(
        name: String, interface: String, vrid: UInt8, family: String, version: UInt8, state: RouterState,
        priority: UInt8, preempt: PreemptStatus, advertisementIntervalMs: Double
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
        isOwner = priority == 255
        effectivePriority = priority
        contributions = []
        faults = []
        masterDownIntervalMs = 0
        masterDownInterval = 0
        skewTime = 0
        addresses = []
        addressCount = 0
        statistics = [:]
        checks = []
        if version == 2 {
            advertiseIntervalSec = Int64(advertisementIntervalMs / 1000)
        } else {
            advertiseIntervalCentiSec = Int64(advertisementIntervalMs / 10)
        }
    }

    /// How long a request that gives the router up may take beyond any other: until its release gate must have ended.
    package var releasePatience: Duration {
        // An hour is the longest timeout there is; a foreign number must not overflow.
        .milliseconds(Int64(min(max(gateReleaseTimeoutMs ?? 0, 0), 3_600_000)))
    }

    /// The same for one that hands it over.
    package var handoverPatience: Duration {
        // Three gates of an hour and some time for the election.
        .milliseconds(Int64(min(max(handoverLimitMs, 0), 11_500_000)))
    }
}

/// Whether and when a router takes over from a lower priority.
package struct PreemptStatus: Hashable, Sendable, Codable {
    /// `enabled`.
    package var enabled: Bool
    /// `hold-time`: `preempt-delay` in seconds.
    package var holdTime: Double

    private enum CodingKeys: String, CodingKey {
        case enabled
        case holdTime = "hold-time"
    }

    package init(enabled: Bool, holdTime: Double = 0) {
        self.enabled = enabled
        self.holdTime = holdTime
    }
}

/// A virtual router that is held back from preemption.
package struct HeldStatus: Hashable, Sendable, Codable {
    /// `since`: when it was handed over.
    package var since: Timestamp
    /// `until`: when that ends by itself; null when it lasts until it is master again, or enabled.
    @OrNull package var until: Timestamp?

    package init(since: Timestamp, until: Timestamp?) {
        self.since = since
        _until = OrNull(wrappedValue: until)
    }
}

/// A listed peer of a unicast router.
package struct PeerStatus: Hashable, Sendable, Codable {
    /// `address`.
    package var address: String
    /// `minimum-ttl`: the least TTL or hop limit that its adverts may arrive with.
    package var minimumTTL: UInt8

    private enum CodingKeys: String, CodingKey {
        case address
        case minimumTTL = "minimum-ttl"
    }

    package init(address: String, minimumTTL: UInt8) {
        self.address = address
        self.minimumTTL = minimumTTL
    }
}

/// What a peer is configured with that differs from this host.
package struct DifferenceStatus: Hashable, Sendable, Codable {
    /// `peer`: the source of its adverts.
    package var peer: String
    /// `kind`: its word, `interval`.
    package var kind: String
    /// `own-value` and `peer-value`: the two that differ; null where there are none.
    @OrNull package var ownValue: String?
    @OrNull package var peerValue: String?
    /// `text`: the sentence.
    package var text: String
    /// `first` and `last`: when it was heard.
    package var first: Timestamp
    package var last: Timestamp
    /// `count`: adverts that differed so.
    package var count: UInt64

    private enum CodingKeys: String, CodingKey {
        case peer, kind, text, first, last, count
        case ownValue = "own-value"
        case peerValue = "peer-value"
    }

    package init(
        peer: String, kind: String, ownValue: String?, peerValue: String?, text: String, first: Timestamp,
        last: Timestamp, count: UInt64
    ) {
        self.peer = peer
        self.kind = kind
        _ownValue = OrNull(wrappedValue: ownValue)
        _peerValue = OrNull(wrappedValue: peerValue)
        self.text = text
        self.first = first
        self.last = last
        self.count = count
    }
}

/// Another host that claims one of the addresses.
package struct ConflictStatus: Hashable, Sendable, Codable {
    /// `address`.
    package var address: String
    /// `hardware-address`: where it is, as that host says.
    package var hardwareAddress: String
    /// `first` and `last`: when it was heard.
    package var first: Timestamp
    package var last: Timestamp
    /// `count`: how often.
    package var count: UInt64

    private enum CodingKeys: String, CodingKey {
        case address, first, last, count
        case hardwareAddress = "hardware-address"
    }

    package init(address: String, hardwareAddress: String, first: Timestamp, last: Timestamp, count: UInt64) {
        self.address = address
        self.hardwareAddress = hardwareAddress
        self.first = first
        self.last = last
        self.count = count
    }
}
