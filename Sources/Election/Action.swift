// What the state machine wants done, and what it is told. Plain values: the engine performs actions in their order, tests
// and transcripts read them.

import Wire

/// What happens to one virtual router.
package enum Event: Hashable, Sendable {
    /// An advert that passed reception, and when the kernel got it.
    case advert(Advertisement, from: IPAddress, heardAt: Instant)
    /// `deadline` may have come; early calls do nothing.
    case deadline
    /// The facts mean something else now.
    case standing(Standing)
    /// The engine put all wanted addresses on the interface, but for those that it told of.
    case claimed
    /// The kernel refused one.
    case claimFailed(ClaimFailure)
    /// Somebody else removed addresses that a master needs; who, as far as the kernel tells.
    case addressesLost([InterfaceAddress], by: String = "")
    /// The kernel refused a route or a rule.
    case routingFailed(RoutingFailure)
    /// Somebody else removed routes or rules that a master needs; who, as far as the kernel tells.
    case routingLost([RoutingEntry], by: String = "")
    /// The gate with this number ended; nil is success.
    case gate(sequence: UInt32, failure: CheckFailure?)
    /// A reload changed what can be changed in place: everything but interface, VRID, family and version.
    case reconfigured(VirtualRouterConfiguration)
    /// Continue as master where an earlier engine stopped; only while in initialize.
    case resumeMaster
    /// This host did not run for `absence`; of that the machine was suspended for `suspended`, in which the monotonic clock
    /// stood still. Told before anything else that happened meanwhile.
    case wokeUp(absence: Duration, suspended: Duration)
    /// No advert of the last `sendAdvert` went out; the errno.
    case sendFailed(Int32)
    /// An advert went out, after one that did not.
    case sent
    /// Another host says in ARP or neighbour discovery that one of the addresses is its own; and who is known to send adverts from where.
    case addressClaimed(AddressClaim, by: SpeakerTable)
    /// The operator wants another host to be master, whose claim gate may need `patience`.
    case handOver(patience: Duration)
    /// Neighbours and switches may have lost the addresses, or the operator wants to be sure that they have not.
    case announcementWanted
}

/// What became of an operator's handover.
package enum HandoverOutcome: Hashable, Sendable {
    /// This host is not master, so there is nothing to hand over.
    case notMaster
    /// The owner of the addresses (priority 255) takes them back from everybody, so it cannot hand them over.
    case isOwner
    /// Another router is master, `after` the order; the addresses were released `overlap` after its advert was heard. A
    /// negative overlap is the gap in which nobody answered.
    case taken(by: IPAddress, after: Duration, overlap: Duration)
    /// Nobody did, and this host serves on.
    case nobody
    /// The release gate failed, so nothing was moved.
    case gateFailed(CheckFailure)
    /// Something else ended it: a fault, a stop.
    case interrupted
}

/// Which gate of a virtual router.
package enum GateKind: UInt8, Hashable, Sendable {
    /// Before advert and claim.
    case claim = 1
    /// Before a planned resignation.
    case release = 2
}

/// What the engine has to do for one virtual router.
package enum Action: Hashable, Sendable {
    case sendAdvert(priority: UInt8)
    /// Put these on the interface, see to the routes and rules that are wanted now, then tell `claimed`. Of the first that the kernel refuses
    /// tell `claimFailed` or `routingFailed`, and no more; where the router `servesInPart`, of each, and `claimed` at the end.
    case claim([InterfaceAddress])
    /// Take off the routes and rules that are not wanted any more, then these.
    case release([InterfaceAddress])
    /// Bring routes and rules in line with `wantedRouting`, and tell `routingFailed` when that cannot be.
    case settleRouting
    /// Announce these of the configured addresses, by place in their list.
    case announce(Range<Int>)
    /// The first round of announcements is out: see whether it arrived.
    case verify
    /// Ask the segment who has these of the configured addresses, by place in their list.
    case ask(Range<Int>)
    /// Another host claims one of the addresses; Node keeps the rest back.
    case addressClaimed(AddressClaim)
    /// Run a gate; the cause is that of the transition it stands before.
    case runGate(GateKind, sequence: UInt32, cause: Cause)
    case cancelGate(sequence: UInt32)
    case transition(Transition)
    /// Worth a warning; Node keeps the rest back.
    case peerDiffers(IPAddress, PeerDifference)
    /// Master came and went so often within this time (RFC 9568 §2.5).
    case unsteady(transitions: UInt32, within: Duration)
    case handover(HandoverOutcome)
    /// A master serves without these from now on; empty for one that has everything again.
    case degraded([Fault])
    /// A release gate failed; `leaving` tells whether the router resigns all the same.
    case releaseGateFailed(CheckFailure, leaving: Bool)
}
