// What happened to a virtual router and why, complete enough to be read without the other host's log (promise 7).

import Wire

/// The states that users see (RFC 9568 §6.4 and RFC 8347; `fault` is Initialize with a present reason).
package enum StateName: UInt8, Hashable, Sendable, CaseIterable {
    case initialize = 0
    case backup = 1
    case master = 2
    case fault = 3
    case disabled = 4
    /// Was master, holds its addresses still, and lets another one claim them first.
    case resigning = 5
}

/// The reason for a transition, with its evidence.
package enum Cause: Hashable, Sendable {
    /// The agent, or this router, started.
    case started
    /// A new engine continues where the last one stopped.
    case resumed
    /// Start of the owner of the addresses, which does not wait (FSM-I-1).
    case owner
    /// No advert for a whole master-down interval. `silence` is nil when nobody was ever heard; `late` is by how much the
    /// timer was served after its deadline.
    case masterSilent(master: IPAddress?, silence: Duration?, late: Duration)
    /// The master said priority 0 and nobody better came.
    case masterResigned(IPAddress)
    /// A master of lower priority was heard and replaced.
    case preemptedLower(IPAddress, priority: UInt8)
    /// Yielded to a higher priority.
    case higherPriority(IPAddress, priority: UInt8)
    /// Yielded to an equal priority with the greater address.
    case greaterAddress(IPAddress, priority: UInt8)
    /// A fault appeared.
    case fault(Fault)
    /// The last fault disappeared.
    case recovered
    /// A last-resort check failed while master.
    case lastResort(CheckID, CheckFailure)
    /// The operator ordered a handover.
    case handedOver
    /// Nobody else became master, so this one stays.
    case nobodyTookOver
    /// It was away, as master, for so long since its last advert that its peers may have replaced it.
    case late(Duration)
    /// The operator disabled or enabled the router.
    case disabled
    case enabled
    /// The agent stops.
    case stopped
    /// A reload took the router away, or changed what cannot be changed in place.
    case reconfigured
}

/// One change of state.
package struct Transition: Hashable, Sendable {
    package var from: StateName
    package var to: StateName
    package var cause: Cause
    /// When, on the monotonic clock of this host.
    package var at: Instant
    package var effectivePriority: UInt8

    package init(from: StateName, to: StateName, cause: Cause, at: Instant, effectivePriority: UInt8) {
        self.from = from
        self.to = to
        self.cause = cause
        self.at = at
        self.effectivePriority = effectivePriority
    }
}
