// What the supervisor knows of a virtual router: its mirror for the status socket, and what a new engine continues from
// when the last one died.

import Wire

/// The state of one virtual router at a moment. Times are CLOCK_BOOTTIME, because another process compares them.
package struct RouterSnapshot: Hashable, Sendable {
    package var router: RouterID
    package var state: StateName
    /// When this state began, boot time in nanoseconds.
    package var since: Int64
    /// When the snapshot was taken, boot time in nanoseconds.
    package var taken: Int64
    package var effectivePriority: UInt8
    package var contributions: [Contribution]
    package var faults: [Fault]
    /// What a master goes without, as the faults that it would be of one that needs everything.
    package var degraded: [Fault]
    /// The address adverts are sent from; nil while there is none.
    package var localAddress: IPAddress?
    /// The last master heard (not ourselves), its priority and interval.
    package var master: IPAddress?
    package var masterPriority: UInt8
    package var masterInterval: Duration
    package var masterDownInterval: Duration
    package var skewTime: Duration
    /// Boot time in nanoseconds of the last advert heard or sent; 0 for never.
    package var lastAdvertHeard: Int64
    package var lastAdvertSent: Int64
    /// The configured addresses that are on the interface now.
    package var held: [InterfaceAddress]
    /// The routes and rules that are there now.
    package var routing: [RoutingEntry]
    /// When the first of them goes unless it is renewed, boot time in nanoseconds; 0 when none has a lease.
    package var leaseExpires: Int64
    package var lastTransition: Transition?
    package var counters: Counters
    /// When these began to count, boot time in nanoseconds.
    package var countingSince: Int64
    /// When it last began to take part in the election, boot time in nanoseconds; 0 while it does not.
    package var upSince: Int64
    /// Of a backup that has heard nothing since its start: the end of its start delay, boot time in nanoseconds; else 0.
    package var delayedUntil: Int64
    /// Of hop limit, version and checksum the last error that was heard.
    package var lastProtocolError: DropReason?
    /// By how much a deadline was served too late at most, since the counters began.
    package var timerLateMax: Duration
    /// What peers are configured with that differs from us; times are boot time.
    package var differences: [HeardDifference]
    /// Who else claims our addresses; times are boot time.
    package var conflicts: [HeardClaim]

    package init(router: RouterID, state: StateName) {
        self.router = router
        self.state = state
        since = 0
        taken = 0
        effectivePriority = 0
        contributions = []
        faults = []
        degraded = []
        localAddress = nil
        master = nil
        masterPriority = 0
        masterInterval = .zero
        masterDownInterval = .zero
        skewTime = .zero
        lastAdvertHeard = 0
        lastAdvertSent = 0
        held = []
        routing = []
        leaseExpires = 0
        lastTransition = nil
        counters = Counters()
        countingSince = 0
        upSince = 0
        delayedUntil = 0
        lastProtocolError = nil
        timerLateMax = .zero
        differences = []
        conflicts = []
    }
}
