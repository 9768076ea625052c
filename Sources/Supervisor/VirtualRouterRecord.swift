// What the supervisor keeps of one virtual router beside its mirror: its hooks, its sequence number, and what the commands
// around the election are told in their environment.

import Configuration
import Election
import Messages
import Status
import System

/// A virtual router that the engine knows, or still knows: one that left the configuration stays until it has ended.
final class VirtualRouterRecord {
    let router: RouterID
    var configuration: RouterConfiguration
    /// That of its name: a record that takes the place of another goes on in its queue.
    let hooks: HookQueue
    /// The last state that was reported, by a transition or a snapshot; nil before the first.
    var state: StateName?
    /// The last state that was news; never `resigning`, of which nobody is told. A snapshot of a new engine may show the router before it
    /// has resumed, so the last reported state does not tell whether a resumption changes anything for those outside.
    var told: StateName?
    /// It left the configuration and its end is awaited.
    var departing = false
    /// Its on-stop hook was run after its last other transition.
    var stopped = false
    /// It is in fault only because a check has not run yet, which is not told to on-fault: that may fence a healthy service.
    var awaitsFirstResult = false
    /// When the verification began of which everybody was told, boot time; each is told once.
    var toldVerification: Instant?
    /// The last news for its hooks that came while another record of this name had not ended: the end is told first.
    var held: Transition?

    init(_ router: NumberedRouter, hooks: HookQueue) {
        self.router = router.router
        configuration = router.configuration
        self.hooks = hooks
    }

    var name: String { configuration.name }

    /// By its last reported state its addresses are on the interface.
    var mayHold: Bool { state == .master || state == .resigning }

    /// What a command learns of the moment it is run for.
    struct Moment {
        var kind: String
        var state: StateName
        var previous: StateName
        var cause: Cause
        var priority: UInt8
    }

    /// The environment of a gate or a hook, `NAME=value` each. Each call counts the sequence number up.
    func variables(_ moment: Moment, _ checks: CheckNames) -> [String] {
        let sequence = hooks.nextNumber()
        let addresses = configuration.election.addresses.map { "\($0)" }.joined(separator: " ")
        return [
            "VIPD_ROUTER=\(name)",
            "VIPD_KIND=\(moment.kind)",
            "VIPD_STATE=\(moment.state.word)",
            "VIPD_PREVIOUS_STATE=\(moment.previous.word)",
            "VIPD_CAUSE=\(moment.cause.word)",
            "VIPD_CAUSE_TEXT=\(moment.cause.sentence(checks))",
            "VIPD_ADDRESSES=\(addresses)",
            "VIPD_INTERFACE=\(configuration.election.interface)",
            "VIPD_PRIORITY=\(moment.priority)",
            "VIPD_SEQUENCE=\(sequence)",
        ]
    }
}

extension GateKind {
    /// As the configuration names it.
    var word: String {
        switch self {
        case .claim: "gate-claim"
        case .release: "gate-release"
        }
    }
}

extension Fault {
    /// It may be none: the check's first run has not ended.
    var isPending: Bool {
        if case .check(_, .pending) = self { true } else { false }
    }
}

extension Transition {
    /// The state is fault, and so far only for want of a first result.
    var isPendingFault: Bool {
        if to == .fault, case .fault(let fault) = cause { fault.isPending } else { false }
    }
}
