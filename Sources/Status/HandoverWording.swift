// What became of an operator's handover, in words: for the answer on the socket, the command line and the log.

import Election

extension HandoverOutcome {
    /// One word, for the log.
    package var word: String {
        switch self {
        case .notMaster: "not-master"
        case .isOwner: "owner"
        case .taken: "handed-over"
        case .nobody: "nobody-took-over"
        case .gateFailed: "gate-failed"
        case .interrupted: "interrupted"
        }
    }

    /// What happened to the router `name`, which is in `state` now, as a sentence without a full stop. `fencesFirst`: it has a
    /// release gate, behind which it leaves before another host comes.
    package func sentence(_ name: String, state: StateName, fencesFirst: Bool) -> String {
        switch self {
        case .notMaster:
            "\(name) is \(state.word) on this host, which has nothing to hand over"
        case .isOwner:
            "\(name) cannot be handed over: an owner (priority 255) takes its addresses back from everybody; vipd disable "
                + "\(name) gives it up, and with another priority it can be handed over"
        case .taken(let successor, let after, let overlap):
            "handed over to \(successor) after \(after.spoken); \(Self.overlapText(overlap))"
        case .nobody:
            fencesFirst ? "nobody took over; this host serves again" : "nobody took over; this host serves on"
        case .gateFailed(let failure):
            "gate-release of \(name) failed (\(failure.reason)); it stays master here"
        case .interrupted:
            "the handover of \(name) was interrupted; it is \(state.word) on this host now"
        }
    }

    private static func overlapText(_ overlap: Duration) -> String {
        if overlap < .zero { return "nobody answered for \((Duration.zero - overlap).spoken)" }
        return overlap == .zero ? "no gap" : "both answered for \(overlap.spoken), no gap"
    }
}
