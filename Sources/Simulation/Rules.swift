// What must hold in every world, each rule with its bound. All bounds are RFC arithmetic over the longest interval L that any
// host of the virtual router has, plus the longest delay D of the network and the longest gate G; a bound counts from the last
// fault or operator's act on the segment. While adverts are lost or late by more than D nothing is promised about who is
// master, everything else holds.
//
//   skew             (256 - priority) x interval / 256; in version 2 of one second      (RFC 9568 and RFC 3768 section 6.1)
//   master down      3 x interval + skew                                                (the same)
//   two masters      L + D: the better one's next advert ends the other
//   no master        3 L + greatest skew + D + G, behind a start delay
//   two holders      L + D + 50 ms: the worse one yields after L + D, and waits 50 ms for the better one's announcement
//   resigning        L + 250 ms without a successor (v2: 1 s + 250 ms), 50 ms with one; both exact, by the host's own clock
//   left behind      the lease, max(2 s, ⌊3 x interval⌋), + 0.5 s
//   a handover       its gate, then no master, or resigning and no master
//   rest             preempt delay + 2 x no master + L + 4 D + 1 s (the limit of repeated announcements), behind the last
//                    pause after a failed claim or gate

import Election
import Wire

/// A rule that a world can break.
package enum Rule: UInt8, CaseIterable, Sendable {
    /// At rest every virtual router has exactly one master on its segment if any of its hosts may run, else none.
    case oneMaster
    /// At rest no host that may run, preempts and whose last claim was not refused has a higher priority than the master.
    case fittest
    /// Two masters that hear each other, or of which the worse hears the better, do not last longer than L + D.
    case twoMasters
    /// Hosts that may run and hear each other are not without a master for longer than 3 L + skew + D + G, behind a start delay.
    case noMaster
    /// A backup takes over when its timer ends: not before the master-down interval after the last advert that it had to
    /// obey, or the skew time after a resignation, and at that moment unless it was paused.
    case takesOverOnTime
    /// A master leaves at once for a higher priority, or for an equal one from a greater address, and for no other.
    case yieldsToTheBetter
    /// A master sends an advert at least every interval, at once when another resigns, and after a pause one, not many.
    case advertsInTime
    /// Adverts come from masters and carry the effective priority; who stops being one sends one last with priority 0 or 1.
    case advertsFromMasters
    /// A claim follows an advert and a gate that passed, and nothing else; a planned move follows its release gate.
    case claimsInOrder
    /// A master has announced every address that it claimed, at once.
    case announcesClaims
    /// Nobody announces who is not master.
    case announcesAsMaster
    /// A master holds all its addresses, but for those that it goes without as it says.
    case masterHolds
    /// Who is neither master nor resigning holds none.
    case othersHoldNothing
    /// A host that may not run (fault, disabled, stopping) is not master, except behind its release gate; its faults and its
    /// effective priority are those of the present facts, and a check of last resort that fails makes it step down.
    case obeysFacts
    /// A master that heard another master of its segment announces within a second.
    case lastWord
    /// At rest the neighbours send to the master, unless it could not know that they do not.
    case neighbours
    /// At rest nothing changes; after each fault every host changes its mind a few times at most.
    case comesToRest
    /// No event causes actions without end, no deadline stands still.
    case movesOn
    /// Adverts of a peer with the same configuration are accepted.
    case understandsPeers
    /// Adverts are due at start + n × interval, with at most the first interval shorter.
    case keepsItsPeriod
    /// Two hosts of which the worse hears the better do not both hold an address for longer than L + D + 50 ms.
    case oneHolder
    /// A resigning master repeats priority 0 twice, 5 ms apart, and ends when it must: no later than 50 ms after its
    /// successor's advert, or an interval and 250 ms after it began.
    case leavesInTime
    /// And no earlier, unless a fault, a reload or the successor's announcement lets an address go: when it goes another host
    /// holds it, and where one could take over the resignation does not end without it. Without one, it is master again
    /// at that moment.
    case makesBeforeBreak
    /// A master that was away for three intervals, or has sent nothing for four, holds nothing any more before it sends or hears
    /// anything, nor does one that slept through the end of its resignation; one that was not away for so long stays.
    case leavesWhenLate
    /// A master whose adverts have not left for three intervals leaves, no earlier and no later, and claims nothing before one has.
    case leavesWhenMute
    /// Addresses of a host whose engine does not run are gone at the end of their lease and 0.5 s.
    case leasesEnd
    /// An ordered handover ends, once, and says truly how.
    case handoversEnd

    /// As the command line prints it.
    package var name: String {
        switch self {
        case .oneMaster: "one-master"
        case .fittest: "fittest"
        case .twoMasters: "two-masters"
        case .noMaster: "no-master"
        case .takesOverOnTime: "takes-over-on-time"
        case .yieldsToTheBetter: "yields-to-the-better"
        case .advertsInTime: "adverts-in-time"
        case .advertsFromMasters: "adverts-from-masters"
        case .claimsInOrder: "claims-in-order"
        case .announcesClaims: "announces-claims"
        case .announcesAsMaster: "announces-as-master"
        case .masterHolds: "master-holds"
        case .othersHoldNothing: "others-hold-nothing"
        case .obeysFacts: "obeys-facts"
        case .lastWord: "last-word"
        case .neighbours: "neighbours"
        case .comesToRest: "comes-to-rest"
        case .movesOn: "moves-on"
        case .understandsPeers: "understands-peers"
        case .keepsItsPeriod: "keeps-its-period"
        case .oneHolder: "one-holder"
        case .leavesInTime: "leaves-in-time"
        case .makesBeforeBreak: "makes-before-break"
        case .leavesWhenLate: "leaves-when-late"
        case .leavesWhenMute: "leaves-when-mute"
        case .leasesEnd: "leases-end"
        case .handoversEnd: "handovers-end"
        }
    }
}

/// A broken rule.
package struct Violation: Sendable {
    package var rule: Rule
    /// On the world's clock, nanoseconds.
    package var time: Int64
    package var text: String
}

/// What the rules remember of a virtual router across hosts.
struct Match {
    /// Since when it has two masters that ought to be one; -1 for not now.
    var twoSince: Int64 = -1
    /// Per part of the segment, by its first host: since when nobody is master there.
    var noneSince: [Int64]
    /// Since when two hosts hold an address of which one ought to let go; -1 for not now.
    var bothSince: Int64 = -1
    /// Changes between backup and master since the last fault.
    var moves = 0

    init(groups: Int) { noneSince = [Int64](repeating: -1, count: groups) }
}

extension World {
    /// 3 L + the skew of priority 1 + D + G, behind the start delay.
    func takeoverBound(_ router: Int) -> Int64 {
        let longest = plan.routers[router].longestInterval
        let skew = plan.routers[router].version == .v3 ? longest : 1_000_000_000
        return 3 * longest + skew + plan.delay.upperBound + plan.gateTime + plan.routers[router].longestStartDelay
    }

    /// L + D.
    func conflictBound(_ router: Int) -> Int64 { plan.routers[router].longestInterval + plan.delay.upperBound }

    /// After one fault each host may go to backup and master this often without having lost its way.
    var movesPerFault: Int { 6 * plan.hosts }
}
