// What the engine tells the supervisor. Decisions and observations; the engine never waits for them to be read.

import Election
import Wire

/// Something worth a line in the log that is not a transition. The engine limits each kind to one per router and 10 s.
package enum Notice: Hashable, Sendable {
    /// A packet was dropped; why, from whom, and how many since the last notice of this reason.
    case dropped(RouterID?, interface: UInt32, reason: DropReason, source: IPAddress?, count: UInt32)
    /// A peer advertises something else than our configuration.
    case peerDiffers(RouterID, peer: IPAddress, what: PeerDifference)
    /// Another host claims an address of ours, while this is our state.
    case addressClaimed(RouterID, IPAddress, by: MACAddress, state: StateName)
    /// A kernel request failed: the call, what it was for, errno and the kernel's own explanation (may be empty).
    case kernel(RouterID?, call: String, subject: String, code: Int32, explanation: String)
    /// An address of an earlier run was removed.
    case leftoverRemoved(InterfaceAddress, interface: String)
    /// The same of a route or a rule.
    case routingLeftoverRemoved(RoutingEntry)
    /// Somebody else has put there what this router wants: it serves, and stays when the router goes.
    case routingNotOurs(RouterID, RoutingEntry)
    /// A master serves without these, as the faults that they would be otherwise, from now on; empty for one that has everything again.
    case degraded(RouterID, [Fault])
    /// So many packets came in that nobody here expects that the kernel now lets in only a sample of them; or no longer.
    case flood(SocketTag, isFiltering: Bool)
    /// So many connections of addresses that were released have been ended.
    case connectionsReset(count: UInt32)
    /// Netlink events were lost and everything was read again.
    case resynchronised
    /// The engine's memory is not locked, for this errno; or only what it had at its start is.
    case memoryNotLocked(Int32, isPartly: Bool)
    /// A release gate failed; the router goes on as master if the move was optional.
    case releaseGateFailed(RouterID, CheckFailure, stopping: Bool)
    /// Master came and went so often within this time.
    case unsteady(RouterID, transitions: UInt32, within: Duration)
}

/// A message from the engine to the supervisor.
package enum Report: Hashable, Sendable {
    /// First message.
    case hello(version: UInt16)
    /// A socket was opened; the descriptor travels with the message.
    case socket(SocketTag)
    /// A socket was closed; the duplicate can go too.
    case socketClosed(SocketTag)
    /// Everything up to `Command.commit` is in force.
    case ready
    /// Still alive, and these routers sent or heard an advert since the last heartbeat, at this boot time in nanoseconds.
    case heartbeat(at: Int64, advertised: [RouterID], heard: [RouterID])
    case transition(RouterID, Transition)
    case snapshot(RouterSnapshot)
    /// A gate must be run, for this reason; its result is awaited under this sequence number.
    case gateWanted(RouterID, GateKind, sequence: UInt32, cause: Cause)
    /// The result of this gate is no longer wanted; end it.
    case gateCancelled(RouterID, sequence: UInt32)
    /// Whether a takeover arrived, as far as is known: when those who are expected to answer have, and at the end. `began` is boot time.
    case verification(RouterID, Verification)
    /// What came of `Command.handOver`.
    case handover(RouterID, HandoverOutcome)
    case notice(Notice)
    /// What was dropped on an interface and belongs to no router here; sent when it changed, once a second at most.
    case interfaceCounters(String, Counters)
    /// So many reports were lost because the supervisor did not read.
    case lost(UInt32)
    /// All routers are released; the engine exits.
    case stopped
    /// What can be opened before anything is configured is open.
    case prepared
    /// The last report of an engine that leaves everything to the next one, at this boot time in nanoseconds.
    case yielded(at: Int64)
}
