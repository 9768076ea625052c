// What the engine keeps for a virtual router beside its election: when things began, on which interfaces its addresses are. It
// decides nothing.

import Election
import System
import Wire

/// What the engine keeps for a router beside its election.
struct RouterRecord {
    var configuration: VirtualRouterConfiguration
    /// Boot time in nanoseconds.
    var stateSince: Int64
    /// When it last began to take part in the election, boot time in nanoseconds; 0 while it does not.
    var upSince: Int64 = 0
    /// When its counters began, boot time in nanoseconds.
    var countingSince: Int64
    /// The interfaces that addresses were last put on. What is to be taken off is there and nowhere else.
    var places: [InterfaceAddress: UInt32] = [:]
    /// Its routes and rules that are there, in the order in which they were put on.
    var routed: [RoutedEntry] = []
    var lastAdvertSent: Int64 = 0
    /// The same for the thread that renews leases.
    let mark = LeaseMark()
    /// When an advert could not be sent and that was told.
    var sendErrorTold: Int64?
    /// Held back from preemption, as the supervisor said before the elections knew the router.
    var isHeld = false
    /// The last advert could not be sent to anybody.
    var isMute = false

    init(_ configuration: VirtualRouterConfiguration) {
        self.configuration = configuration
        stateSince = Clock.boottime()
        countingSince = stateSince
    }
}

extension RouterRecord {
    /// Keeps since when this state lasts; a resumption only goes on with it.
    mutating func note(_ transition: Transition) {
        guard transition.cause != .resumed else { return }
        let now = Clock.boottime()
        stateSince = now
        switch (transition.from, transition.to) {
        case (_, .initialize), (_, .fault), (_, .disabled): upSince = 0
        case (.initialize, _), (.fault, _), (.disabled, _): upSince = now
        case (.backup, _), (.master, _), (.resigning, _): break
        }
    }
}
