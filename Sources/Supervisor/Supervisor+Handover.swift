// The operator's handover: another host is to be master, and this one is held back from taking the addresses again at once. The
// hold is written down and told to the engine before the order, so that no preemption comes between, and taken back when nothing
// came of it. Each request is answered exactly once, at the latest when its time is over.

import Configuration
import Election
import Glibc
import Messages
import Status
import System

/// A handover that is under way.
final class AwaitedHandover {
    let router: RouterID
    let answer: AwaitedAnswer
    /// The hold that was there before, if any: it comes back when nothing comes of this one.
    let before: Hold?
    /// How it ended, until that is answered.
    var outcome: HandoverOutcome?
    /// Its engine died while the release gate ran, which goes on: the next engine is given the order again.
    var isToRepeat = false

    init(_ router: RouterID, _ answer: AwaitedAnswer, before: Hold?) {
        self.router = router
        self.answer = answer
        self.before = before
    }
}

extension RouterConfiguration {
    /// How long the claim gate of another host may take, as far as this one knows: all are configured alike.
    var successorPatience: Duration { gateClaim?.timeout ?? .zero }

    /// How long a handover may take until the engine tells what came of it. Where nothing overlaps this host waits as any backup
    /// does until it takes the addresses again, and that has a gate, too. `masterDown`: the present interval of that name.
    func handoverLimit(masterDown: Duration) -> Duration {
        (gateRelease?.timeout ?? .zero) + max(masterDown, election.advertisementInterval * 4, election.resigningTime)
            + successorPatience * 2 + .seconds(5)
    }
}

extension Supervisor {
    // MARK: The order

    func handOver(_ name: String, holdFor span: Duration?, _ answer: @escaping (ControlReply) -> Void) {
        if let reply = obstacle(to: name) {
            answer(reply)
            return
        }
        guard let router = inForce.routers.first(where: { $0.configuration.name == name }) else {
            answer(.unknownRouter)
            return
        }
        let awaited = AwaitedHandover(router.router, AwaitedAnswer(answer), before: holds[name])
        awaitingHandover[name] = awaited
        let now = Clock.wall()
        setHold(name, Hold(since: now, until: span.map { now + $0.nanoseconds }))
        saveHolds { [unowned self] error in
            // The agent may be stopping, or the engine gone: then it was answered.
            guard awaitingHandover[name] === awaited else { return }
            if let error {
                endHandover(name, .refused("\(name) cannot be handed over: \(error)"), holds: false)
                return
            }
            // A reload may have removed it meanwhile, or given it another number.
            guard inForce.routers.contains(where: { $0.router == router.router }) else {
                endHandover(name, .refused("the configuration of \(name) has changed meanwhile"), holds: false)
                return
            }
            log.write(
                .notice, "handover-ordered",
                ["router": name, "held-until": holds[name]?.until.map { "\(Timestamp(wallNanoseconds: $0))" } ?? ""])
            keeper.send(.hold(router.router, true))
            keeper.send(.handOver(router.router, patience: router.configuration.successorPatience))
        }
        awaited.answer.limit = loop.after(handoverLimit(of: router)) { [unowned self] in
            guard awaitingHandover[name] === awaited else { return }
            endHandover(
                name,
                .untold(
                    "the engine has not said what came of the handover of \(name); vipd status \(name) tells who is master"
                ),
                holds: false)
        }
    }

    /// Why it is not even tried; nil when it is.
    private func obstacle(to name: String) -> ControlReply? {
        let router: NumberedRouter
        switch reach(name) {
        case .yes(let found): router = found
        case .no(let reply): return reply
        }
        guard awaitingHandover[name] == nil else { return .refused("a handover of \(name) is under way") }
        guard !isGivingUp(name) else { return refusal(whileGivingUp: name) }
        let state = records[router.router]?.state ?? .initialize
        let outcome: HandoverOutcome
        if router.election.isOwner {
            outcome = .isOwner
        } else if state != .master {
            outcome = .notMaster
        } else {
            return nil
        }
        return .refused(outcome.sentence(name, state: state, fencesFirst: false))
    }

    private func handoverLimit(of router: NumberedRouter) -> Duration {
        let snapshot = mirror.read().routers.first { $0.router == router.router }?.snapshot
        return router.configuration.handoverLimit(masterDown: snapshot?.masterDownInterval ?? .zero)
    }

    // MARK: What came of it

    /// The engine says how a handover ended. Where the router is still on its way out the next state follows at once; whoever
    /// reads the answer is to find that one in the status.
    func handoverEnded(_ router: RouterID, _ outcome: HandoverOutcome) {
        guard let record = records[router], let awaited = awaitingHandover[record.name], awaited.router == router else {
            return
        }
        awaited.outcome = outcome
        if record.state != .resigning, outcome != .interrupted { concludeHandover(of: record) }
    }

    /// The router has reached a state: a handover whose end was told before is answered.
    func concludeHandover(of record: VirtualRouterRecord) {
        let name = record.name
        guard let awaited = awaitingHandover[name], awaited.router == record.router, let outcome = awaited.outcome
        else {
            return
        }
        let text = outcome.sentence(
            name, state: record.state ?? .initialize, fencesFirst: record.configuration.gateRelease != nil)
        let fields = [("router", name), ("outcome", outcome.word), ("text", text)]
        guard case .taken(let successor, let after, let overlap) = outcome else {
            log.write(.warning, "handover", fields)
            endHandover(name, .refused(text), holds: false)
            return
        }
        log.write(.notice, "handover", fields)
        let result = HandoverResult(
            successor: "\(successor)", after: after, overlap: overlap, hold: holds[name], text: text)
        endHandover(name, .handedOver(result), holds: true)
    }

    /// Answers; where nothing came of it the hold is taken back.
    private func endHandover(_ name: String, _ reply: ControlReply, holds stays: Bool) {
        guard let awaited = awaitingHandover.removeValue(forKey: name) else { return }
        loop.cancel(awaited.answer.limit)
        guard !stays else {
            watchHolds()
            awaited.answer.give(reply)
            return
        }
        setHold(name, awaited.before)
        if awaited.before == nil { keeper.send(.hold(awaited.router, false)) }
        // What is answered is so: a restart must not find a hold of which nobody knows.
        saveHolds { _ in awaited.answer.give(reply) }
    }

    /// The agent ends: nobody will tell what came of any handover. It was to leave anyway, so it stays held back.
    func abandonHandovers(_ reply: ControlReply) {
        for name in awaitingHandover.keys.sorted() { endHandover(name, reply, holds: true) }
    }

    /// The engine that was to do it is gone. What its release gate fences must not be served on, so that handover is gone on with
    /// where the next engine goes on. Of the others nobody tells any more what came of them; one that was on its way
    /// out when it was last heard of stays held back, or the next engine would take back what another host has.
    func loseHandovers(continuing: Bool) {
        for (name, awaited) in awaitingHandover.sorted(by: { $0.key < $1.key }) {
            let state = records[awaited.router]?.state
            if continuing, state == .master, awaited.outcome == nil, gates.isReleasing(awaited.router) {
                awaited.isToRepeat = true
                continue
            }
            let isOut = state == .resigning || state == .backup
            let held = isOut ? "; this host stays held back, vipd enable \(name) ends that" : ""
            endHandover(
                name, .untold("the engine ended during the handover; vipd status tells who is master now\(held)"),
                holds: isOut)
        }
    }

    /// An engine is ready: what the last one could not end is ordered again.
    func repeatHandovers() {
        for (_, awaited) in awaitingHandover.sorted(by: { $0.key < $1.key }) where awaited.isToRepeat {
            awaited.isToRepeat = false
            let patience = records[awaited.router]?.configuration.successorPatience ?? .zero
            keeper.send(.handOver(awaited.router, patience: patience))
        }
    }

    // MARK: Holds

    private func setHold(_ name: String, _ hold: Hold?) {
        holds[name] = hold
        mirrorConfiguration()
        watchHolds()
    }

    /// Ends the hold of a router, if there is one.
    func release(_ name: String, because reason: String) {
        guard holds[name] != nil else { return }
        log.write(.notice, "hold-ended", ["router": name, "text": reason])
        setHold(name, nil)
        saveHolds { _ in }
        for router in inForce.routers where router.configuration.name == name {
            keeper.send(.hold(router.router, false))
        }
    }

    /// A router that was held back is master again: it has what it was kept from. While its handover is under way that is told
    /// by the handover's own end.
    func endHold(ofMaster record: VirtualRouterRecord) {
        guard !record.departing, awaitingHandover[record.name] == nil else { return }
        release(record.name, because: "it is master again")
    }

    /// Ends the holds whose time is over, and comes back for the next. The wall clock may be set and the machine suspended, so it
    /// looks again before long.
    func watchHolds() {
        loop.cancel(holdTimer)
        holdTimer = nil
        let wall = Clock.wall()
        for (name, hold) in holds.sorted(by: { $0.key < $1.key })
        where hold.isOver(at: wall) && awaitingHandover[name] == nil {
            // It comes back here, without this one.
            release(name, because: "its time is over")
            return
        }
        // A handover that is under way comes back here when it has ended.
        let waiting = holds.filter { awaitingHandover[$0.key] == nil }
        guard let next = waiting.values.compactMap(\.until).min() else { return }
        let pause = min(max(next - wall, 10_000_000), 30_000_000_000)
        holdTimer = loop.after(.nanoseconds(pause)) { [unowned self] in watchHolds() }
    }

    func saveHolds(then: @escaping (SystemError?) -> Void) {
        let (store, holds) = (holdStore, holds)
        errands.run(
            { () -> SystemError? in
                do throws(SystemError) { try store.write(holds) } catch { return error }
                return nil
            },
            then: { [unowned self] (error: SystemError?) in
                if let error { log.write(.error, "state-not-written", ["error": "\(error)"]) }
                then(error)
            })
    }
}
