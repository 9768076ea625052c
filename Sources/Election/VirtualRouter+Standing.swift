// Whether a virtual router takes part in its election at all, by what its host knows of itself: when it begins, and how it leaves, at
// once, with a gate first, or with an overlap. What happens while it takes part is in the files of the states.

extension VirtualRouter {
    var mayRun: Bool { !standing.isLeaving && !standing.isDisabled && faults.isEmpty }

    /// Brings the state in line with the standing: the only place that starts and stops the election.
    mutating func reconsider(previous: Standing, _ now: Instant, _ actions: inout [Action]) {
        guard mayRun else {
            leave(now, &actions)
            return
        }
        switch state {
        case .initialize: start(.started, now, &actions)
        case .disabled: start(.enabled, now, &actions)
        case .fault: start(.recovered, now, &actions)
        case .backup: break
        case .master(let master): reconsider(master, previous: previous, now, &actions)
        // A wish to leave that was taken back shows at the end.
        case .resigning: break
        }
    }

    /// FSM-I-1 and FSM-I-2, after what is left of the start delay: the link may be up before frames pass.
    mutating func start(_ cause: Cause, _ now: Instant, _ actions: inout [Action]) {
        masterInterval = configuration.advertisementInterval
        firstLower = nil
        master = nil
        masterPriority = 0
        lastHeard = nil
        version3Heard = []
        let begin = max(now, (linkSince ?? now) + configuration.startDelay)
        let isOwner = standing.effectivePriority == 255
        var backup = Backup(masterDown: isOwner ? begin : begin + masterDownInterval)
        if begin > now { backup.delayedUntil = begin }
        enter(.backup(backup), because: cause, now, &actions)
        if isOwner, begin == now { takeOver(because: .owner, due: begin, now, &actions) }
    }

    /// Away from the election, with a resignation where a master can still send one. A planned move of a master waits for
    /// its release gate; a fault does not.
    private mutating func leave(_ now: Instant, _ actions: inout [Action]) {
        let target = idleState
        switch state {
        case .initialize, .disabled, .fault:
            if target.state != state { enter(target.state, because: target.cause, now, &actions) }
        case .backup(let backup):
            cancelGate(of: backup, &actions)
            enter(target.state, because: target.cause, now, &actions)
        case .master(let master):
            let planned = (standing.isLeaving || standing.isDisabled) && standing.canServe && pause == nil
            let awaitsGate = configuration.gatesRelease && !standing.skipsGates
            if planned, awaitsGate, !master.mayLeave, master.claiming == nil {
                if master.releaseGate == nil { runReleaseGate(master, because: target.cause, &actions) }
                return
            }
            if let sequence = master.releaseGate { actions.append(.cancelGate(sequence: sequence)) }
            if mayOverlap(master) {
                beginResigning(because: target.cause, now, &actions)
            } else {
                resign(&actions)
                enter(target.state, because: target.cause, now, &actions)
            }
        case .resigning(let resigning):
            // Where it can serve it goes on to the end of its overlap, whatever it does afterwards.
            if !standing.canServe || pause != nil { finish(resigning, now, &actions) }
        }
    }

    /// A planned move waits for the gate that fences what this host serves.
    mutating func runReleaseGate(_ master: Master, because cause: Cause, _ actions: inout [Action]) {
        var master = master
        gateSequence += 1
        master.releaseGate = gateSequence
        state = .master(master)
        actions.append(.runGate(.release, sequence: gateSequence, cause: cause))
    }

    /// Where the standing sends a router that may not run.
    var idleState: (state: State, cause: Cause) {
        if standing.isLeaving { return (.initialize, standing.isRemoved ? .reconfigured : .stopped) }
        if standing.isDisabled { return (.disabled, .disabled) }
        return (.fault, faults.first.map { .fault($0) } ?? .stopped)
    }

    /// FSM-A-1: priority 0, then the addresses go.
    mutating func resign(_ actions: inout [Action]) {
        if standing.canSend {
            counters[.priorityZeroSent] += 1
            actions.append(.sendAdvert(priority: 0))
        }
        actions.append(.release(configuration.addresses))
    }

    mutating func cancelGate(of backup: Backup, _ actions: inout [Action]) {
        if let gate = backup.gate { actions.append(.cancelGate(sequence: gate.sequence)) }
    }

    /// A fault of its own: out of the election for a pause that doubles while it goes on failing.
    mutating func pause(for fault: Fault, _ now: Instant, _ actions: inout [Action]) {
        pause = Pause(fault: fault, until: now + pauseLength)
        pauseLength = min(pauseLength * 2, .seconds(60))
        enter(.fault, because: .fault(fault), now, &actions)
    }
}
