// What becomes of the engine's notices: a log line each, an event for those that users act on, and what they change here.

import Election
import Messages
import Status
import System

extension Supervisor {
    func noticed(_ notice: Notice) {
        if case .memoryNotLocked(let code, let isPartly) = notice {
            memoryNotLocked(code, isPartly: isPartly)
            return
        }
        let preempts = { (router: RouterID) in self.records[router]?.configuration.election.preempt ?? true }
        log.write(LogLine(notice, name: name, checks: inForce.checkNames, preempts: preempts))
        switch notice {
        case .peerDiffers(let router, let peer, let difference):
            events.publish(.peerDiffers(router: name(router), peer: peer, what: difference, at: Clock.wall()))
        case .addressClaimed(let router, let address, let hardware, let state):
            events.publish(
                .addressClaimed(
                    router: name(router), address: address, by: hardware, state: state, at: Clock.wall()))
        case .degraded(let router, let missing):
            let text = degradedSentence(missing, inForce.checkNames)
            events.publish(.degraded(router: name(router), missing: missing.count, text: text, at: Clock.wall()))
        case .unsteady(let router, let transitions, let window):
            let text = LogLine.unsteadyText(transitions, within: window)
            events.publish(
                .unsteady(
                    router: name(router), transitions: transitions, within: window, text: text, at: Clock.wall()))
        case .dropped(nil, _, .vrid, _, _):
            break
        case .dropped(let router, _, let reason, let source, let count):
            events.publish(
                .dropped(router: router.map(name), reason: reason, source: source, count: count, at: Clock.wall()))
        case .resynchronised:
            mirror.update { $0.netlinkResyncs += 1 }
        case .releaseGateFailed(let router, let failure, stopping: false):
            staysEnabled(router, failure)
        case .kernel, .connectionsReset, .leftoverRemoved, .routingLeftoverRemoved, .routingNotOurs, .releaseGateFailed,
            .flood, .memoryNotLocked:
            break
        }
    }
}
