// The rows of the master state: RFC 9568 §6.4.3, checklist FSM-A-1 to FSM-A-6, the claim of the addresses and their announcement.

import Wire

extension VirtualRouter {
    /// Advert first, then the addresses; announcements and the report wait for `claimed` (checklist FSM-01).
    ///
    /// The adverts that follow are counted from when it ought to have been: where hundreds are taken over in a row the last of them would
    /// else advertise so much later than the first for ever, and be taken over so much later, too.
    mutating func becomeMaster(because cause: Cause, due: Instant, _ now: Instant, _ actions: inout [Action]) {
        let interval = configuration.advertisementInterval
        let begin = now - due < interval ? due : now
        let soonest = now + .nanoseconds(interval.nanoseconds / 10)
        let next = max(begin + interval - turn.advance(in: interval), soonest)
        var master = Master(nextAdvert: next, lastAdvert: now, claiming: cause)
        master.awaitsSending = isSendDoubtful
        state = .master(master)
        expectRefusals()
        actions.append(.sendAdvert(priority: effectivePriority))
        if !isSendDoubtful { claim(configuration.addresses, &actions) }
    }

    mutating func handle(_ master: Master, _ event: Event, _ now: Instant, _ actions: inout [Action]) {
        switch event {
        case .advert(let advert, let source, let heardAt):
            guard hear(advert, from: source, at: heardAt, &actions) else { return }
            handle(master, advert, from: source, at: heardAt, now, &actions)
        case .deadline:
            advertise(master, now, &actions)
        case .claimed:
            finishClaim(master, now, &actions)
        case .claimFailed(let failure):
            refuse(.claim(failure), master, now, &actions)
        case .routingFailed(let failure):
            refuse(.routing(failure), master, now, &actions)
        case .routingLost(let entries, let process):
            loseRouting(entries, to: process, master, now, &actions)
        case .addressesLost(let addresses, let process):
            lose(addresses, to: process, master, now, &actions)
        case .gate(let sequence, let failure):
            finishReleaseGate(master, sequence, failure, now, &actions)
        case .wokeUp(let absence, let suspended):
            let silence = now - master.lastAdvert + suspended
            if absence >= configuration.advertisementInterval * 3 || isOverdue(silence) {
                giveUp(master, after: silence, now, &actions)
            } else if suspended > .zero {
                // The monotonic clock stood still; its peers' patience did not, so what they wait for is due so much earlier.
                var master = master
                master.lastAdvert = master.lastAdvert - suspended
                master.nextAdvert = master.nextAdvert - suspended
                state = .master(master)
            }
        case .sendFailed(let code):
            sendFailed(master, code, now, &actions)
        case .sent:
            sent(master, &actions)
        case .handOver(let patience):
            handOver(master, patience: patience, now, &actions)
        case .announcementWanted:
            var master = master
            announceAgain(&master, now, &actions)
            state = .master(master)
        case .addressClaimed(let claim, let speakers):
            defend(master, against: claim, speakers, now, &actions)
        case .standing, .reconfigured, .resumeMaster:
            break
        }
    }

    private mutating func handle(
        _ master: Master, _ advert: Advertisement, from source: IPAddress, at heardAt: Instant, _ now: Instant,
        _ actions: inout [Action]
    ) {
        let own = effectivePriority
        var master = master
        // A new engine finds in its sockets what came while there was none: a master that has been silent ever since is gone.
        if advert.priority >= own, isOver(advert, heardAt: heardAt, now) { return }
        if advert.priority == 0 {  // FSM-A-3
            master.nextAdvert = now + configuration.advertisementInterval
            master.spreads = false
            master.lastAdvert = now
            actions.append(.sendAdvert(priority: own))
            // Who resigns was master, too, and announced (promise 3).
            announceAgain(&master, now, &actions)
            state = .master(master)
        } else if advert.priority > own {  // FSM-A-4
            yield(to: advert, from: source, at: heardAt, master, now, &actions)
        } else if advert.priority == own, let local = standing.localAddress, source > local {  // FSM-A-5
            yield(to: advert, from: source, at: heardAt, master, now, &actions)
        } else {  // FSM-A-6
            judgeContender(advert, source, heardAt, &actions)
            answerLower(&master, now, &actions)
            state = .master(master)
        }
    }

    /// Whether a backup that had heard nothing since this advert would be master now.
    private func isOver(_ advert: Advertisement, heardAt: Instant, _ now: Instant) -> Bool {
        let interval = believedInterval(of: advert)
        let wait = Timing.masterDown(configuration.version, priority: standing.effectivePriority, interval: interval)
        return heardAt + wait <= now
    }

    /// One last advert that cannot win, so that the winner hears us and announces again; then the addresses go, at once or
    /// behind that announcement.
    private mutating func yield(
        to advert: Advertisement, from source: IPAddress, at heardAt: Instant, _ master: Master, _ now: Instant,
        _ actions: inout [Action]
    ) {
        if let sequence = master.releaseGate { actions.append(.cancelGate(sequence: sequence)) }
        let cause: Cause =
            advert.priority > effectivePriority
            ? .higherPriority(source, priority: advert.priority) : .greaterAddress(source, priority: advert.priority)
        actions.append(.sendAdvert(priority: 1))
        learn(advert, from: source, at: heardAt)
        if mayOverlap(master) {
            // It answers for the addresses until the winner has announced them.
            enter(
                .resigning(Resigning(yieldingTo: source, at: heardAt, now, cause, configuration.addresses)),
                because: cause, now, &actions)
            return
        }
        actions.append(.release(configuration.addresses))
        handover?.released = now
        enter(.backup(Backup(masterDown: heardAt + masterDownInterval)), because: cause, now, &actions)
        endHandover(to: source, at: heardAt, &actions)
        // A planned move was waiting for its gate: nothing holds it back any more.
        if !mayRun { reconsider(previous: standing, now, &actions) }
    }

    /// Version 3 answers at once (FSM-A-6), version 2 only discards (V2-07); both announce again, at most once a second,
    /// because neighbours may have taken the other router's binding (FSM-07, promise 3).
    private mutating func answerLower(_ master: inout Master, _ now: Instant, _ actions: inout [Action]) {
        counters[.lowerPriorityDiscarded] += 1
        if configuration.version == .v3 {
            if master.answers.allows(at: now, interval: configuration.advertisementInterval) {
                counters[.assertAdvertsSent] += 1
                master.lastAdvert = now
                actions.append(.sendAdvert(priority: effectivePriority))
            } else {
                counters[.assertAdvertsSuppressed] += 1
            }
        }
        announceAgain(&master, now, &actions)
    }

    /// Neighbours may have taken the binding of another master. At most one series begins in a second; where no round of the
    /// present one is still to come in its first second, the next begins then, so that this master's announcement is the last.
    private func announceAgain(_ master: inout Master, _ now: Instant, _ actions: inout [Action]) {
        let plan = configuration.announcements
        guard master.claiming == nil, master.lastWord == nil, !plan.rounds.isEmpty else { return }
        if let burst = master.burst, now - burst.started < .seconds(1) {
            let end = burst.started + .seconds(1)
            if !burst.repeats(by: end, addresses: configuration.addresses.count, plan) { master.lastWord = end }
        } else {
            speakUp(&master, now, &actions)
        }
    }

    /// A new series that begins with an announcement at once, even where the plan's first round is later.
    private func speakUp(_ master: inout Master, _ now: Instant, _ actions: inout [Action]) {
        master.lastWord = nil
        let isLate = configuration.announcements.rounds.first.map { $0 > .zero } ?? true
        if isLate { actions.append(.announce(configuration.addresses.indices)) }
        startBurst(&master, now, &actions)
    }

    /// FSM-A-2 and the announcements. Adverts are due at start + n × interval; those that a delay has passed over are left out,
    /// never sent in a burst.
    private mutating func advertise(_ master: Master, _ now: Instant, _ actions: inout [Action]) {
        var master = master
        let silence = now - master.lastAdvert
        guard !isOverdue(silence) else {
            giveUp(master, after: silence, now, &actions)
            return
        }
        if master.nextAdvert <= now {
            actions.append(.sendAdvert(priority: effectivePriority))
            master.lastAdvert = now
            let interval = configuration.advertisementInterval
            let passed = (now - master.nextAdvert).nanoseconds / interval.nanoseconds
            master.nextAdvert = master.nextAdvert + interval * Int(passed + 1)
            if master.spreads { master.nextAdvert = master.nextAdvert - turn.advance(in: interval) }
            master.spreads = false
        }
        announce(&master, now, &actions)
        state = .master(master)
        if let due = degradation?.retry, due <= now { claim([], &actions) }
    }

    private func announce(_ master: inout Master, _ now: Instant, _ actions: inout [Action]) {
        guard master.claiming == nil else { return }
        if let due = master.lastWord, due <= now {
            speakUp(&master, now, &actions)
            return
        }
        let wasFirst = master.burst?.isInFirstRound ?? false
        let range = master.burst?.next(
            at: now, addresses: configuration.addresses.count, prompt: promptAddresses, configuration.announcements)
        guard let range else { return }
        actions.append(.announce(range))
        if wasFirst, master.burst?.isInFirstRound == false, configuration.verification.isOn { actions.append(.verify) }
    }

    func startBurst(_ master: inout Master, _ now: Instant, _ actions: inout [Action]) {
        master.burst = AnnouncementBurst(startingAt: now, configuration.announcements)
        announce(&master, now, &actions)
    }

    /// The addresses are on the interface: announce, then say so. A resumed master's neighbours never lost it.
    private mutating func finishClaim(_ master: Master, _ now: Instant, _ actions: inout [Action]) {
        var master = master
        let old = stateName
        let cause = master.claiming
        let priority = effectivePriority
        let hasNews: Bool
        switch concludeClaim(now) {
        case .served(let news): hasNews = news
        case .nothing(let fault):
            giveUp(master, for: fault, now, &actions)
            return
        }
        master.claiming = nil
        if degradation == nil {
            if lastTaken.map({ now - $0 >= Self.lossMemory }) ?? true { pauseLength = .seconds(1) }
            isClaimDoubtful = false
        }
        if cause != .resumed, hasNews { startBurst(&master, now, &actions) }
        // A resumed master's first advert is due at once, behind what waits to be read.
        if effectivePriority != priority, cause != .resumed {
            master.lastAdvert = now
            actions.append(.sendAdvert(priority: effectivePriority))
        }
        state = .master(master)
        if let cause { report(from: old, because: cause, effectivePriority, now, &actions) }
        tellDegraded(&actions)
        if cause != nil, handover != nil {
            handover = nil
            actions.append(.handover(.nobody))
        }
        if !mayRun { reconsider(previous: standing, now, &actions) }
    }

    private mutating func finishReleaseGate(
        _ master: Master, _ sequence: UInt32, _ failure: CheckFailure?, _ now: Instant, _ actions: inout [Action]
    ) {
        guard master.releaseGate == sequence else { return }
        var master = master
        master.releaseGate = nil
        master.mayLeave = failure == nil || standing.isLeaving
        state = .master(master)
        if handover != nil, let failure {
            handover = nil
            actions.append(.handover(.gateFailed(failure)))
        }
        if handover != nil, mayRun {
            // No wish to leave, only to move: fenced, it goes without an overlap.
            stepDown(because: .handedOver, now, &actions)
            return
        }
        if let failure { actions.append(.releaseGateFailed(failure, leaving: standing.isLeaving)) }
        // Without success a router that was only to be disabled stays master; Node takes the wish back.
        if master.mayLeave { reconsider(previous: standing, now, &actions) }
    }

    /// A running master whose standing changed: a new priority is advertised at once (V3-CFG-10), a failed last-resort
    /// check steps down and lets others come first.
    mutating func reconsider(_ master: Master, previous: Standing, _ now: Instant, _ actions: inout [Action]) {
        var master = master
        let stepsDown = standing.lastResort != nil && previous.lastResort == nil
        // The gate of a handover goes on whatever else changes: half a fence is worse than a late one.
        if let sequence = master.releaseGate, handover == nil || stepsDown {
            // The wish to leave was taken back.
            actions.append(.cancelGate(sequence: sequence))
            master.releaseGate = nil
            interruptHandover(&actions)
        }
        master.mayLeave = false
        state = .master(master)
        if let reason = standing.lastResort, previous.lastResort == nil {
            let cause = Cause.lastResort(reason.check, reason.failure)
            if mayOverlap(master) {
                beginResigning(because: cause, now, &actions)
            } else {
                stepDown(because: cause, now, &actions)
            }
        } else if standing.effectivePriority != previous.effectivePriority {
            master.lastAdvert = now
            state = .master(master)
            actions.append(.sendAdvert(priority: effectivePriority))
        }
    }

    // MARK: - Adverts in every running state

    /// Counts an advert, follows its checksum form and names what differs from our configuration (V3-RX-15, V3-RX-16); the
    /// address list is compared by Node, which has the octets. False for the version 2 twin of an advert that a master sent
    /// in version 3 too: it is ignored (RFC 9568 §8.4.2, checklist IO-06).
    mutating func hear(
        _ advert: Advertisement, from source: IPAddress, at heardAt: Instant, _ actions: inout [Action]
    ) -> Bool {
        counters[.advertsReceived] += 1
        if isTwin(advert, from: source, at: heardAt) {
            counters[.version2Twins] += 1
            return false
        }
        lastHeard = heardAt
        lastSource = source
        if advert.priority == 0 {
            counters[.priorityZeroReceived] += 1
            if let master, master != source { counters[.priorityZeroFromOther] += 1 }
        }
        if advert.hasTrailingOctets { counters[.trailingOctets] += 1 }
        if advert.addressDigest != addressDigest { counters[.addressListErrors] += 1 }
        comparePriority(advert, source, &actions)
        let ownInterval =
            advert.version == configuration.version
            ? configuration.advertisementInterval : configuration.version2Interval
        if advert.version == .v3 || configuration.alsoVersion2, advert.interval != ownInterval, advert.priority != 0 {
            counters[.intervalErrors] += 1
            let difference = PeerDifference.interval(
                own: ownInterval, peer: advert.interval, limit: configuration.longestInterval)
            actions.append(.peerDiffers(source, difference))
        }
        if !advert.beginsLinkLocal {
            counters[.firstAddressNotLinkLocal] += 1
            actions.append(.peerDiffers(source, .firstAddressNotLinkLocal))
        }
        guard advert.version == .v3, configuration.family == .ipv4 else { return true }
        if advert.checksumForm != checksumForm {
            counters[.otherChecksumForm] += 1
            actions.append(.peerDiffers(source, .checksumForm(own: checksumForm, peer: advert.checksumForm)))
        }
        checksum.heard(advert.checksumForm, at: heardAt)
        return true
    }

    private mutating func isTwin(_ advert: Advertisement, from source: IPAddress, at heardAt: Instant) -> Bool {
        guard configuration.alsoVersion2 else { return false }
        if advert.version == .v2 {
            return version3Heard.contains { $0.source == source && heardAt - $0.at < masterDownInterval }
        }
        version3Heard.removeAll { $0.source == source }
        if version3Heard.count == 4 { version3Heard.removeFirst() }
        version3Heard.append(Heard(source: source, at: heardAt))
        return false
    }

    private func comparePriority(_ advert: Advertisement, _ source: IPAddress, _ actions: inout [Action]) {
        // 1 is also the last word of a master that yields, and says nothing of its configuration.
        guard advert.priority > 1 else { return }
        if configuration.isOwner {
            let lower = PeerDifference.ownerHears(priority: advert.priority)
            actions.append(.peerDiffers(source, advert.priority == 255 ? .bothOwner : lower))
        } else if advert.priority == configuration.priority,
            standing.effectivePriority == configuration.priority
        {
            actions.append(.peerDiffers(source, .equalPriority(advert.priority)))
        }
    }
}
