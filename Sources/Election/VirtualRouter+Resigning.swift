// The rows of the resigning state: a planned move is make-before-break (promise 9). Priority 0 goes out three times, the
// addresses stay and are answered for, and they go when another master has claimed them. Until then no advert is answered and
// nothing is defended: who resigns fights nobody.

import Wire

extension VirtualRouter {
    /// On the way out, with addresses still held.
    struct Resigning: Hashable, Sendable {
        /// Adverts of priority 0, the first included, and how far they are apart.
        static let repetitions = 3
        static let spacing = Duration.milliseconds(5)
        /// After the successor's advert the addresses stay at most so long: its announcement follows the advert at once.
        static let overlap = Duration.milliseconds(50)
        /// Beyond an interval a successor may need this for its own delays.
        static let margin = Duration.milliseconds(250)

        var cause: Cause
        /// Configured addresses that have not been released yet.
        var held: [InterfaceAddress]
        /// When the next advert of priority 0 goes out, and how many are left.
        var nextAdvert: Instant?
        var advertsLeft = 0
        /// When it ends though nobody took over, or, with a successor, though not all addresses were announced.
        var end: Instant
        /// The master that was heard, when first, and when last.
        var successor: IPAddress?
        var successorHeard: Instant?
        var lastAdvert: Instant?
        /// Who was heard once with priority 1: a master, or one that yields to us and says its last word.
        var doubtful: IPAddress?
        /// Of `held`, those that another host has announced before its advert was heard.
        var announced: [IPAddress] = []

        /// A resignation begins; without a successor it lasts for `patience`.
        init(at now: Instant, patience: Duration, _ cause: Cause, _ addresses: [InterfaceAddress]) {
            self.cause = cause
            held = addresses
            nextAdvert = now + Self.spacing
            advertsLeft = Self.repetitions - 1
            end = now + patience
        }

        /// Another master was heard already and is better.
        init(
            yieldingTo source: IPAddress, at heardAt: Instant, _ now: Instant, _ cause: Cause,
            _ addresses: [InterfaceAddress]
        ) {
            self.cause = cause
            held = addresses
            successor = source
            successorHeard = heardAt
            lastAdvert = heardAt
            end = max(now, heardAt + Self.overlap)
        }

        var deadline: Instant { nextAdvert.map { min($0, end) } ?? end }
    }

    /// Whether the addresses may stay until another host has claimed them. Not where a gate fences what this host serves: two
    /// writers are worse than a gap. Nor where adverts cannot be sent, or nothing is held yet.
    func mayOverlap(_ master: Master) -> Bool {
        standing.canSend && standing.canServe && pause == nil && !configuration.gatesRelease && master.claiming == nil
            && master.muteSince == nil
    }

    mutating func beginResigning(because cause: Cause, _ now: Instant, _ actions: inout [Action]) {
        counters[.priorityZeroSent] += 1
        actions.append(.sendAdvert(priority: 0))
        let resigning = Resigning(at: now, patience: configuration.resigningTime, cause, configuration.addresses)
        enter(.resigning(resigning), because: cause, now, &actions)
    }

    /// Out of a mastership at once: priority 0, the addresses go, and others come first.
    mutating func stepDown(because cause: Cause, _ now: Instant, _ actions: inout [Action]) {
        resign(&actions)
        handover?.released = now
        let masterDown = now + masterDownInterval + (handover?.patience ?? .zero)
        enter(.backup(Backup(masterDown: masterDown)), because: cause, now, &actions)
    }

    // MARK: - Rows

    mutating func handle(_ resigning: Resigning, _ event: Event, _ now: Instant, _ actions: inout [Action]) {
        switch event {
        case .advert(let advert, let source, let heardAt):
            guard hear(advert, from: source, at: heardAt, &actions) else { return }
            handle(resigning, advert, from: source, at: heardAt, now, &actions)
        case .addressClaimed(let claim, _):
            // Only what neighbours believe shows that it need not be answered for any longer.
            if claim.isAnnouncement { release(claim.address, of: resigning, now, &actions) }
        case .deadline:
            if resigning.end <= now { finish(resigning, now, &actions) } else { repeatZero(resigning, now, &actions) }
        case .wokeUp(let absence, let suspended):
            if sleptThrough(resigning, absence, suspended, now) { abandon(resigning, now, &actions) }
        case .handOver:
            actions.append(.handover(.notMaster))
        case .claimed, .claimFailed, .addressesLost, .routingFailed, .routingLost, .standing, .reconfigured,
            .resumeMaster, .gate, .sendFailed, .sent, .announcementWanted:
            break
        }
    }

    private mutating func repeatZero(_ resigning: Resigning, _ now: Instant, _ actions: inout [Action]) {
        guard let due = resigning.nextAdvert, due <= now else { return }
        var resigning = resigning
        resigning.advertsLeft -= 1
        resigning.nextAdvert = resigning.advertsLeft > 0 ? now + Resigning.spacing : nil
        state = .resigning(resigning)
        counters[.priorityZeroSent] += 1
        actions.append(.sendAdvert(priority: 0))
    }

    private mutating func handle(
        _ resigning: Resigning, _ advert: Advertisement, from source: IPAddress, at heardAt: Instant, _ now: Instant,
        _ actions: inout [Action]
    ) {
        var resigning = resigning
        guard advert.priority > 0 else {
            // Who resigns, too, is no successor.
            if resigning.successor == source {
                resigning.successor = nil
                resigning.successorHeard = nil
                resigning.end = max(resigning.end, now + configuration.resigningTime)
                state = .resigning(resigning)
            }
            return
        }
        if advert.priority == 1, resigning.successor != source, resigning.doubtful != source {
            // A master says so again. One that yielded a moment ago does not, and without it nobody would hold the addresses.
            resigning.doubtful = source
            if resigning.successor == nil {
                let again = max(configuration.resigningTime, believedInterval(of: advert) + Resigning.margin)
                resigning.end = max(resigning.end, now + again)
            }
            state = .resigning(resigning)
            return
        }
        learn(advert, from: source, at: heardAt)
        resigning.lastAdvert = heardAt
        guard resigning.successor == nil else {
            resigning.successor = source
            state = .resigning(resigning)
            return
        }
        resigning.successor = source
        resigning.successorHeard = heardAt
        // It hears that we go; more would only make it start again.
        resigning.nextAdvert = nil
        resigning.end = max(now, heardAt + Resigning.overlap)
        let gone = resigning.held.filter { resigning.announced.contains($0.address) }
        resigning.held.removeAll { resigning.announced.contains($0.address) }
        state = .resigning(resigning)
        if !gone.isEmpty { actions.append(.release(gone)) }
        if resigning.held.isEmpty { finish(resigning, now, &actions) }
    }

    /// Another host has announced an address: neighbours send to it, so it need not be answered for any longer.
    private mutating func release(
        _ address: IPAddress, of resigning: Resigning, _ now: Instant, _ actions: inout [Action]
    ) {
        var resigning = resigning
        guard let place = resigning.held.firstIndex(where: { $0.address == address }) else { return }
        guard resigning.successor != nil else {
            if !resigning.announced.contains(address) { resigning.announced.append(address) }
            state = .resigning(resigning)
            return
        }
        actions.append(.release([resigning.held.remove(at: place)]))
        state = .resigning(resigning)
        if resigning.held.isEmpty { finish(resigning, now, &actions) }
    }

    // MARK: - The end

    /// With a successor the rest of the addresses goes. Without one a router that may run serves on as if nothing had been, and
    /// one that may not leaves a gap: it has no choice.
    mutating func finish(_ resigning: Resigning, _ now: Instant, _ actions: inout [Action]) {
        if resigning.successor == nil, mayRun {
            takeBack(now, &actions)
            return
        }
        if !resigning.held.isEmpty { actions.append(.release(resigning.held)) }
        if let successor = resigning.successor, let heard = resigning.successorHeard {
            handover?.released = now
            endHandover(to: successor, at: heard, &actions)
        }
        guard mayRun else {
            let target = idleState
            enter(target.state, because: target.cause, now, &actions)
            return
        }
        let backup = Backup(masterDown: (resigning.lastAdvert ?? now) + masterDownInterval)
        enter(.backup(backup), because: resigning.cause, now, &actions)
    }

    /// The addresses never went, but somebody may have deleted one, or a reload brought others: it is master when the claim has
    /// ended. What a successor that we do not hear may have told the neighbours is put right then.
    private mutating func takeBack(_ now: Instant, _ actions: inout [Action]) {
        let interval = configuration.advertisementInterval
        let next = now + interval - turn.advance(in: interval)
        state = .master(Master(nextAdvert: next, lastAdvert: now, claiming: .nobodyTookOver))
        expectRefusals()
        actions.append(.sendAdvert(priority: effectivePriority))
        claim(configuration.addresses, &actions)
    }

    /// What waits in the queues is heard before the end is judged, so a pause that its peers have not noticed changes nothing; unless
    /// the end is known to be over, because a successor was there already, or a suspension has lost what would be waiting.
    private func sleptThrough(
        _ resigning: Resigning, _ absence: Duration, _ suspended: Duration, _ now: Instant
    ) -> Bool {
        if resigning.successor != nil, suspended > .zero || resigning.end + Resigning.margin <= now { return true }
        if suspended > .zero, resigning.end <= now + suspended { return true }
        return absence >= configuration.advertisementInterval * 3
    }

    /// It slept through the end: who took over meanwhile has not been heard yet. The addresses go without a word, and at least an
    /// interval and the skew time pass before silence is believed (promise 5).
    private mutating func abandon(_ resigning: Resigning, _ now: Instant, _ actions: inout [Action]) {
        if !resigning.held.isEmpty { actions.append(.release(resigning.held)) }
        if resigning.successor == nil { interruptHandover(&actions) }
        guard mayRun else {
            let target = idleState
            enter(target.state, because: target.cause, now, &actions)
            return
        }
        handover?.released = now
        if let successor = resigning.successor, let heard = resigning.successorHeard {
            endHandover(to: successor, at: heard, &actions)
        }
        enter(
            .backup(Backup(masterDown: now + masterInterval + skewTime)), because: resigning.cause, now, &actions)
    }

    /// A reload took addresses out: they go at once. New ones are the next master's.
    mutating func keep(_ resigning: Resigning, _ actions: inout [Action]) {
        var resigning = resigning
        let gone = resigning.held.filter { !configuration.addresses.contains($0) }
        guard !gone.isEmpty else { return }
        resigning.held.removeAll { gone.contains($0) }
        state = .resigning(resigning)
        actions.append(.release(gone))
    }

    // MARK: - The operator's handover

    /// Fences first where there is a release gate; otherwise the addresses stay until another host has them, unless its claim
    /// gate may take longer than adverts may be missing.
    mutating func handOver(
        _ master: Master, patience: Duration, _ now: Instant, _ actions: inout [Action]
    ) {
        guard master.claiming == nil, master.releaseGate == nil, handover == nil else {
            actions.append(.handover(.notMaster))
            return
        }
        guard !configuration.isOwner else {
            actions.append(.handover(.isOwner))
            return
        }
        handover = Handover(began: now, patience: patience)
        if configuration.gatesRelease {
            runReleaseGate(master, because: .handedOver, &actions)
        } else if mayOverlap(master), patience == .zero {
            beginResigning(because: .handedOver, now, &actions)
        } else {
            stepDown(because: .handedOver, now, &actions)
        }
    }

    /// Another master was heard: the handover, if there is one, has come to its end.
    mutating func endHandover(to source: IPAddress, at heardAt: Instant, _ actions: inout [Action]) {
        guard let handover, let released = handover.released else { return }
        self.handover = nil
        actions.append(
            .handover(.taken(by: source, after: heardAt - handover.began, overlap: released - heardAt)))
    }

    mutating func interruptHandover(_ actions: inout [Action]) {
        guard handover != nil else { return }
        handover = nil
        actions.append(.handover(.interrupted))
    }
}
