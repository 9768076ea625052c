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
    /// Take part in it again.
    case enable(String)
    /// Let the program that is installed now take over.
    case upgrade
}

/// The names of the virtual routers that a reload touched, each in the order of the configuration.
package struct ReloadSummary: Hashable, Sendable {
    package var changed: [String]
    package var added: [String]
    package var removed: [String]

    package init(changed: [String] = [], added: [String] = [], removed: [String] = []) {
        self.changed = changed
        self.added = added
        self.removed = removed
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
    /// The upgrade begins; the status tells its end.
    case upgrading(UpgradeStatus)
    /// No virtual router has this name.
    case unknownRouter
    /// It could not be done; one clear sentence.
    case refused(String)
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
