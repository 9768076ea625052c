// The rows of the backup state: RFC 9568 §6.4.2, checklist FSM-B-1 to FSM-B-6, with preempt delay and the claim gate.

import Wire

extension VirtualRouter {
    mutating func handle(_ backup: Backup, _ event: Event, _ now: Instant, _ actions: inout [Action]) {
        switch event {
        case .advert(let advert, let source, let heardAt):
            guard hear(advert, from: source, at: heardAt, &actions) else { return }
            handle(backup, advert, from: source, at: heardAt, now, &actions)
        case .deadline:
            guard backup.gate == nil else { return }
            guard backup.masterDown <= now else {
                ask(backup, now, &actions)
                return
            }
            takeOver(because: cause(of: backup, now), due: backup.masterDown, now, &actions)
        case .gate(let sequence, let failure):
            guard let gate = backup.gate, gate.sequence == sequence else { return }
            if let failure {
                pause(for: .gate(failure), now, &actions)
            } else {
                becomeMaster(because: gate.cause, due: now, now, &actions)
            }
        case .wokeUp(let absence, _):
            wakeUp(backup, absence, now, &actions)
        case .handOver:
            actions.append(.handover(.notMaster))
        case .addressClaimed(let claim, let speakers):
            consider(claim, speakers, backup, now, &actions)
        case .claimed, .claimFailed, .addressesLost, .routingFailed, .routingLost, .standing, .reconfigured,
            .resumeMaster, .sendFailed, .sent, .announcementWanted:
            break
        }
    }

    /// Promise 5: what we did not hear while we were away is no silence. What waits in the queues is heard next; after that at
    /// least an interval and the skew time pass before silence is believed.
    private mutating func wakeUp(
        _ backup: Backup, _ absence: Duration, _ now: Instant, _ actions: inout [Action]
    ) {
        guard absence >= masterInterval * 2 else { return }
        var backup = backup
        let patience = now + masterInterval + skewTime
        if let gate = backup.gate {
            // What its gate was for may be over.
            guard absence >= masterInterval * 3 else { return }
            actions.append(.cancelGate(sequence: gate.sequence))
            state = .backup(Backup(masterDown: patience))
            return
        }
        backup.masterDown = max(backup.masterDown, min(backup.masterDown + absence, patience))
        state = .backup(backup)
    }

    private mutating func handle(
        _ backup: Backup, _ advert: Advertisement, from source: IPAddress, at heardAt: Instant, _ now: Instant,
        _ actions: inout [Action]
    ) {
        var backup = backup
        if let end = backup.delayedUntil {
            // Frames pass: the rest of the start delay is not needed, and the master-down interval counts from here.
            backup.delayedUntil = nil
            if heardAt < end { backup.masterDown = backup.masterDown - (end - heardAt) }
        }
        if advert.priority == 0 {  // FSM-B-3
            backup.masterDown = heardAt + skewTime
            backup.takeover = .resigned(source)
            state = .backup(backup)
        } else if obeys(advert, at: heardAt) {  // FSM-B-4, FSM-B-5
            cancelGate(of: backup, &actions)
            learn(advert, from: source, at: heardAt)
            state = .backup(Backup(masterDown: heardAt + masterDownInterval))
            endHandover(to: source, at: heardAt, &actions)
        } else {  // FSM-B-6
            counters[.lowerPriorityDiscarded] += 1
            backup.takeover = .lower(source, priority: advert.priority)
            state = .backup(backup)
            // It did take over, whoever may preempt it afterwards.
            endHandover(to: source, at: heardAt, &actions)
        }
    }

    /// Whether a backup stays behind the sender of this advert. The owner acts as if preempting (FSM-15).
    private mutating func obeys(_ advert: Advertisement, at heardAt: Instant) -> Bool {
        let own = standing.effectivePriority
        if advert.priority >= own { return true }
        if own == 255 { return false }
        // Who cannot hear does not claim what another one holds.
        if let deafUntil, heardAt < deafUntil { return true }
        guard configuration.preempt, !isClaimDoubtful, !isSendDoubtful, !standing.isHeld else { return true }
        guard configuration.preemptDelay > .zero else { return false }
        let first = firstLower ?? heardAt
        firstLower = first
        return heardAt - first < configuration.preemptDelay
    }

    /// FSM-B-4: Active_Adver_Interval := received (version 3), and who the master is.
    mutating func learn(_ advert: Advertisement, from source: IPAddress, at heardAt: Instant) {
        masterInterval = believedInterval(of: advert)
        if master != source { masterSince = heardAt }
        master = source
        masterPriority = advert.priority
        lastHeard = heardAt
    }

    /// Active_Adver_Interval as this advert has it; version 2 knows only the configured one.
    func believedInterval(of advert: Advertisement) -> Duration {
        configuration.version == .v3 ? min(advert.interval, configuration.longestInterval) : masterInterval
    }

    private func cause(of backup: Backup, _ now: Instant) -> Cause {
        if standing.effectivePriority == 255, backup.takeover == .silence, master == nil { return .owner }
        switch backup.takeover {
        case .silence:
            return .masterSilent(master: master, silence: lastHeard.map { now - $0 }, late: now - backup.masterDown)
        case .resigned(let source): return .masterResigned(source)
        case .lower(let source, let priority): return .preemptedLower(source, priority: priority)
        }
    }

    /// FSM-B-2 and FSM-I-1, behind the claim gate if there is one. `due`: when that ought to have been.
    mutating func takeOver(because cause: Cause, due: Instant, _ now: Instant, _ actions: inout [Action]) {
        guard configuration.gatesClaim else {
            becomeMaster(because: cause, due: due, now, &actions)
            return
        }
        gateSequence += 1
        state = .backup(Backup(masterDown: now, gate: Gate(sequence: gateSequence, cause: cause)))
        actions.append(.runGate(.claim, sequence: gateSequence, cause: cause))
    }
}
