// Transitions and warnings of the elections for those who follow them live. The supervisor publishes; subscribers are called on its thread
// and must hand over at once (to an event loop): a slow one would hold up checks and hooks.

import Election
import Status
import Synchronization
import Wire

/// A transition, complete for whoever was not there.
package struct TransitionEvent: Hashable, Sendable {
    /// Name of the virtual router.
    package var router: String
    package var transition: Transition
    /// The cause as a sentence.
    package var text: String
    /// When it happened, wall clock in nanoseconds since 1970.
    package var at: Int64

    package init(router: String, transition: Transition, text: String, at: Int64) {
        self.router = router
        self.transition = transition
        self.text = text
        self.at = at
    }
}

/// What happens to virtual routers, for those outside.
package enum AgentEvent: Hashable, Sendable {
    case transition(TransitionEvent)
    /// A peer is configured otherwise. `at` is wall clock in nanoseconds since 1970, here and below.
    case peerDiffers(router: String, peer: IPAddress, what: PeerDifference, at: Int64)
    /// Another host claims an address; `state` is that of the virtual router here.
    case addressClaimed(router: String, address: IPAddress, by: MACAddress, state: StateName, at: Int64)
    /// Whether a takeover arrived at neighbours.
    case verified(router: String, Verification, at: Int64)
    /// Packets that were not believed; `router` is nil when nobody here has their VRID.
    case dropped(router: String?, reason: DropReason, source: IPAddress?, count: UInt32, at: Int64)
    /// A master goes without so many of its addresses, routes and rules; 0 for none any more.
    case degraded(router: String, missing: Int, text: String, at: Int64)
    case unsteady(router: String, transitions: UInt32, within: Duration, text: String, at: Int64)
}

/// Who wants to be told of events.
package final class EventHub: Sendable {
    /// Ends a subscription.
    package struct Subscription: Hashable, Sendable {
        fileprivate let number: UInt64
    }

    /// More subscribers than this are refused.
    package static let limit = 64

    private struct State {
        var next: UInt64 = 0
        var subscribers: [(number: UInt64, handler: @Sendable (AgentEvent) -> Void)] = []
    }

    private let state = Mutex(State())

    package init() {}

    /// Calls `handler` for every event from now on, on the supervisor's thread; nil when there are too many already.
    package func subscribe(_ handler: @escaping @Sendable (AgentEvent) -> Void) -> Subscription? {
        state.withLock { state in
            guard state.subscribers.count < Self.limit else { return nil }
            state.next += 1
            state.subscribers.append((state.next, handler))
            return Subscription(number: state.next)
        }
    }

    /// Ends it; a call that is under way may still come.
    package func unsubscribe(_ subscription: Subscription) {
        state.withLock { $0.subscribers.removeAll { $0.number == subscription.number } }
    }

    /// Tells all subscribers.
    package func publish(_ event: AgentEvent) {
        let handlers = state.withLock { $0.subscribers.map(\.handler) }
        for handler in handlers { handler(event) }
    }
}
