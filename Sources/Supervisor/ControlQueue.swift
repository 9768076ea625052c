// Requests that change something, from the status server's thread to the supervisor's. The one posts and goes on; the other
// is woken, does it, and calls back. Bounded, so that clients cannot make it grow.

import Configuration
import Status
import Synchronization
import System

/// What a client may ask for.
package enum ControlRequest: Hashable, Sendable {
    /// Read the configuration again.
    case reload
    /// Give up this virtual router on this host and stay out, across restarts.
    case disable(String)
    /// Take part in it again, and no longer hold it back.
    case enable(String)
    /// Let another host be master of it, and do not preempt that one for this long; nil: until it is master again.
    case handOver(String, holdFor: Duration?)
    /// Announce its addresses again, as their master.
    case announce(String)
    /// Ask neighbours whether they send here what they send to its addresses.
    case verify(String)
    /// Let the program that is installed now take over.
    case upgrade

    /// How long a handed over router may be held back.
    package static let holds = Duration.seconds(1) ... .seconds(30 * 86_400)
}

/// What a reload touched: names of virtual routers, each list in the order of the configuration.
package struct ReloadSummary: Hashable, Sendable {
    package var changed: [String]
    package var added: [String]
    package var removed: [String]
    /// What is in force now and may not be meant so, `file:line:column: warning: message` each.
    package var warnings: [String]

    package init(changed: [String] = [], added: [String] = [], removed: [String] = [], warnings: [String] = []) {
        self.changed = changed
        self.added = added
        self.removed = removed
        self.warnings = warnings
    }
}

/// A handover that succeeded.
package struct HandoverResult: Hashable, Sendable {
    /// Who is master now, as its adverts name it.
    package var successor: String
    /// From the order to its first advert.
    package var after: Duration
    /// How long both answered; negative for the gap in which nobody did.
    package var overlap: Duration
    /// How this host is held back now; nil when that has ended already.
    package var hold: Hold?
    /// All of it in a sentence.
    package var text: String

    package init(successor: String, after: Duration, overlap: Duration, hold: Hold?, text: String) {
        self.successor = successor
        self.after = after
        self.overlap = overlap
        self.hold = hold
        self.text = text
    }
}

/// What came of a request.
package enum ControlReply: Hashable, Sendable {
    /// The reload is in force.
    case reloaded(ReloadSummary)
    /// The configuration has errors, `file:line:column: message` each; nothing was changed.
    case invalid([String])
    /// The router is disabled or enabled.
    case done
    /// Another host is master.
    case handedOver(HandoverResult)
    /// So many addresses are announced within a second.
    case announcing(addresses: Int)
    /// Who answered.
    case verified(VerificationStatus)
    /// The upgrade begins; the status tells its end.
    case upgrading(UpgradeStatus)
    /// No virtual router has this name.
    case unknownRouter
    /// It could not be done; one clear sentence.
    case refused(String)
    /// It cannot be told what came of it, or what is so; one clear sentence.
    case untold(String)
}

/// Requests that wait for the supervisor.
package final class ControlQueue: Sendable {
    package typealias Answer = @Sendable (ControlReply) -> Void

    /// More requests than this at a time are refused.
    package static let limit = 64

    private let waiting = Mutex<[(request: ControlRequest, answer: Answer)]>([])
    private let wake: WakeDescriptor

    package init() throws(SystemError) { wake = try WakeDescriptor() }

    /// Any thread: asks for `request`; `answer` is called once, on the supervisor's thread (or at once when there are too
    /// many), and must not block.
    package func post(_ request: ControlRequest, answer: @escaping Answer) {
        let accepted = waiting.withLock { waiting in
            guard waiting.count < Self.limit else { return false }
            waiting.append((request, answer))
            return true
        }
        if accepted {
            wake.wake()
        } else {
            answer(.refused("too many requests are waiting"))
        }
    }

    /// The supervisor watches this descriptor.
    var number: Int32 { wake.number }

    /// The supervisor's thread: takes what was posted since the last call.
    func take() -> [(request: ControlRequest, answer: Answer)] {
        wake.drain()
        return waiting.withLock { waiting in
            let taken = waiting
            waiting = []
            return taken
        }
    }
}
