// The rules of leaving: planned moves that make before they break, masters that were away or cannot be heard, handovers and
// leases. Each compares the election with the account in Leaving.swift; none looks into the election's own state.

import Election
import Wire

extension World {
    // MARK: - Resigning

    mutating func beginLeaving(_ transition: Transition, _ host: Int, _ router: Int) {
        let place = plan.seat(host, router)
        let seat = seats[place]
        if seat.configuration?.gatesRelease ?? false {
            fail(.claimsInOrder, router, host) { "it overlaps with its successor though a gate fences" }
        }
        switch transition.cause {
        case .higherPriority, .greaterAddress:
            var leaving = Leaving(began: now, end: now, isYield: true)
            leaving.isFollowed(by: seat.lastMaster, heardAt: seat.lastObeyed, now: now)
            seats[place].leaving = leaving
        default:
            seats[place].leaving = Leaving(
                began: now, end: now + seat.patience + Leaving.margin, advertsLeft: 2,
                nextAdvert: now + Leaving.spacing)
        }
    }

    /// An advert that a resigning router hears.
    mutating func noteSuccessor(_ packet: Packet, _ heardAt: Int64, _ place: Int) {
        let again = now + seats[place].patience + Leaving.margin
        if packet.priority == 1, let leaving = seats[place].leaving, leaving.successor != packet.sender,
            leaving.doubtful != packet.sender
        {
            // A master says it again after its own interval, one that yields does not.
            seats[place].leaving?.doubtful = packet.sender
            let repeated = now + seats[place].interval(of: packet) + Leaving.margin
            if leaving.successor < 0 { seats[place].leaving?.end = max(leaving.end, again, repeated) }
        } else if packet.priority > 0 {
            seats[place].follow(packet, heardAt: heardAt)
            if seats[place].leaving?.successor == -1 { seats[place].leaving?.followedSince = packet.sent }
            seats[place].leaving?.isFollowed(by: packet.sender, heardAt: heardAt, now: now)
        } else if let leaving = seats[place].leaving, leaving.successor == packet.sender {
            seats[place].leaving?.successor = -1
            seats[place].leaving?.end = max(leaving.end, again)
        }
    }

    /// What a resigning router sends: priority 0, and that when it is due.
    mutating func judgeRepetition(_ priority: UInt8, _ host: Int, _ router: Int) {
        let place = plan.seat(host, router)
        guard let leaving = seats[place].leaving else { return }
        guard priority == 0, leaving.advertsLeft > 0, now == max(leaving.nextAdvert, hosts[host].runnableSince) else {
            fail(.advertsFromMasters, router, host) { "it resigns and sends priority \(priority)" }
            return
        }
        seats[place].leaving?.advertsLeft -= 1
        seats[place].leaving?.nextAdvert = now + Leaving.spacing
    }

    /// Nobody took over, so it is master again; not before the end.
    mutating func judgeTakingBack(_ host: Int, _ router: Int) {
        guard let leaving = seats[plan.seat(host, router)].leaving else { return }
        if leaving.successor >= 0 {
            fail(.makesBeforeBreak, router, host) { "host \(leaving.successor + 1) took over, and it takes back" }
        } else if now < leaving.end {
            fail(.makesBeforeBreak, router, host) { "it takes back, and could wait until \(seconds(leaving.end))" }
        }
        endLeaving(to: .master, host, router)
    }

    /// Addresses of a resigning router go.
    func judgeRelease(_ addresses: [InterfaceAddress], _ host: Int, _ router: Int) {
        let seat = seats[plan.seat(host, router)]
        guard let leaving = seat.leaving, hosts[host].hasCarrier[plan.routers[router].segment], !seat.isLate else {
            return
        }
        if now >= leaving.end {
            judgeHeir(leaving, host, router)
            return
        }
        for address in addresses {
            let isGone = !(seat.configuration?.addresses.contains(address) ?? false)
            let isAnnounced = leaving.successor >= 0 && leaving.announced.contains(address.address)
            if !isGone, !isAnnounced {
                fail(.makesBeforeBreak, router, host) { "\(address) goes before \(seconds(leaving.end))" }
            }
        }
    }

    /// Nothing has disturbed the segment since it began to resign, nobody is cut off, and all addresses can be claimed.
    private func isUndisturbed(since time: Int64, _ router: Int) -> Bool {
        let segment = segments[plan.routers[router].segment]
        guard segment.disturbed <= time, !segment.isLopsided, !segment.isUnruly, segment.divisions == 0 else {
            return false
        }
        return (0..<plan.hosts).allSatisfy { !seats[plan.seat($0, router)].refusesClaims }
    }

    /// Its successor, or whoever came after that one, holds the address that all of them have.
    private func judgeHeir(_ leaving: Leaving, _ host: Int, _ router: Int) {
        // Whom it yields to has sent its advert before, and may be gone since; and one that was still under way when it began
        // to resign may be from before another change.
        let since = leaving.isYield ? leaving.began - plan.delay.upperBound : leaving.began
        // A master of priority 1 that yields says its regular advert once more: nobody can tell.
        guard leaving.successor >= 0, leaving.doubtful != leaving.successor,
            leaving.isYield || leaving.followedSince >= leaving.began,
            isUndisturbed(since: since, router),
            let address = seats[plan.seat(host, router)].configuration?.addresses[0]
        else { return }
        // The winner may resign at that moment, and its two adverts cross on the way.
        let winner = seats[plan.seat(leaving.successor, router)]
        if leaving.isYield, winner.state != .master, winner.since + plan.delay.upperBound >= leaving.began { return }
        // An advert from before the resignation may come after it, and the successor stands back for nobody.
        let crossing = max(leaving.began + plan.delay.upperBound, hosts[leaving.successor].runnableSince)
        let standsBack = (leaving.began...crossing + Leaving.overlap).contains(winner.since)
        if winner.state != .master, winner.lastMaster == host, standsBack { return }
        let hasHeir = (0..<plan.hosts).contains {
            $0 != host && seats[plan.seat($0, router)].held.contains(address)
        }
        if !hasHeir { fail(.makesBeforeBreak, router, host) { "\(address) goes, and nobody else holds it" } }
    }

    /// A master that serves leaves behind an overlap, unless a gate fences or its adverts do not leave.
    func judgeHaste(_ transition: Transition, _ host: Int, _ router: Int) {
        let seat = seats[plan.seat(host, router)]
        guard transition.from == .master, transition.to != .resigning, seat.muteSince < 0, !seat.isLate,
            // The advert that it leaves with was the first that left again.
            seat.spokeAgain != now, !(seat.configuration?.gatesRelease ?? true),
            hosts[host].hasCarrier[plan.routers[router].segment]
        else { return }
        switch transition.cause {
        case .fault(.check), .stopped, .disabled, .reconfigured, .handedOver, .lastResort, .higherPriority,
            .greaterAddress:
            fail(.makesBeforeBreak, router, host) { "it leaves at once, and could wait for its successor" }
        default:
            break
        }
    }

    mutating func endLeaving(to state: StateName, _ host: Int, _ router: Int) {
        let place = plan.seat(host, router)
        guard let leaving = seats[place].leaving else { return }
        seats[place].leaving = nil
        if seats[place].handovers > 0 { seats[place].handoverSince = now }
        if state == .backup, leaving.successor < 0, !seats[place].isLate {
            fail(.makesBeforeBreak, router, host) { "it gives its addresses away, and nobody takes them" }
        }
        guard !leaving.wasFollowed, !seats[place].isLate, now >= leaving.end,
            isUndisturbed(since: leaving.began, router), hosts[host].runnableSince <= leaving.began,
            // No advert of before comes after the last priority 0 and lets them wait anew.
            seats[place].lastSpoken + plan.delay.upperBound < leaving.began + 2 * Leaving.spacing
        else { return }
        for other in 0..<plan.hosts where other != host {
            let seat = seats[plan.seat(other, router)]
            guard seat.state == .backup, seat.since < leaving.began, isRunning(other),
                hosts[other].runnableSince <= leaving.began, let configuration = seat.configuration,
                !configuration.gatesClaim, hears(seat, seats[place]),
                // Its adverts are heard, too, and it takes over soon enough.
                hears(seats[place], seat),
                // Each priority 0 starts its wait anew.
                seat.skew(configuration.version) + 2 * Leaving.spacing + 2 * plan.delay.upperBound
                    < leaving.end - leaving.began
            else { continue }
            fail(.makesBeforeBreak, router, host) { "it ends, and host \(other + 1) could have taken over" }
        }
    }

    /// What has held since the last step of any host. Called by `judgeBounds`.
    mutating func judgeLeaving(_ host: Int, _ router: Int, _ disturbed: Int64) {
        let place = plan.seat(host, router)
        if plan.hasLeases, hosts[host].idleSince >= 0, hosts[host].suspendedBy == nil, !seats[place].held.isEmpty,
            now - hosts[host].idleSince > seats[place].lease + 500_000_000
        {
            fail(.leasesEnd, router, host) {
                "it holds \(seats[place].held[0]) and has not run since \(seconds(hosts[host].idleSince))"
            }
        }
        guard isRunning(host) else { return }
        if let leaving = seats[place].leaving {
            if now > max(leaving.end, hosts[host].runnableSince) {
                fail(.leavesInTime, router, host) { "it resigns since \(seconds(leaving.began))" }
            } else if leaving.advertsLeft > 0, now > max(leaving.nextAdvert, hosts[host].runnableSince) {
                fail(.leavesInTime, router, host) { "it has not repeated priority 0" }
            }
        } else if seats[place].handovers > 0, hosts[host].inbox.isEmpty {
            let since = max(seats[place].handoverSince, disturbed, hosts[host].runnableSince)
            if now - since > takeoverBound(router) + 2 * plan.gateTime {
                fail(.handoversEnd, router, host) { "it was ordered at \(seconds(since)) and has not ended" }
            }
        }
    }

    /// Of two that hold an address the worse one hears the better and lets go. A resigning one is worse than a master; two that
    /// resign wait for a third.
    mutating func judgeHolders(_ router: Int, _ disturbed: Int64) {
        var pair: (Int, Int)?
        for better in 0..<plan.hosts where seats[plan.seat(better, router)].isAdvertising && holds(better, router) {
            for worse in 0..<plan.hosts where worse != better && holds(worse, router) {
                let first = seats[plan.seat(better, router)]
                let second = seats[plan.seat(worse, router)]
                let isWorse =
                    second.leaving != nil || first.spokenPriority > second.spokenPriority
                    || (first.spokenPriority == second.spokenPriority && better > worse)
                guard isWorse, segments[plan.routers[router].segment].isHeard(better, by: worse),
                    hears(second, first)
                else { continue }
                pair = (better, worse)
            }
        }
        guard let pair else {
            matches[router].bothSince = -1
            return
        }
        if matches[router].bothSince < 0 { matches[router].bothSince = judged }
        let since = max(matches[router].bothSince, disturbed)
        // Of priority 1 a resigning one needs two adverts.
        let isDoubtful =
            seats[plan.seat(pair.0, router)].spokenPriority == 1 && seats[plan.seat(pair.1, router)].leaving != nil
        let second = isDoubtful ? plan.routers[router].longestInterval : 0
        if now - since > conflictBound(router) + Leaving.overlap + second {
            fail(.oneHolder, router) { "hosts \(pair.0 + 1) and \(pair.1 + 1) since \(seconds(since))" }
        }
    }

    /// It answers for the first address of the router, and is able to let go of it.
    private func holds(_ host: Int, _ router: Int) -> Bool {
        let place = plan.seat(host, router)
        guard seats[place].isAdvertising || seats[place].leaving != nil, isRunning(host),
            let first = seats[place].configuration?.addresses.first
        else { return false }
        return seats[place].held.contains(first) && hosts[host].hasCarrier[plan.routers[router].segment]
    }

    // MARK: - Absence

    /// As Engine does at the beginning of a turn: how much later it is than the engine wanted to run, and how long the machine was
    /// suspended. Its once-a-second work wakes it where no deadline does.
    mutating func noteAbsence(_ host: Int) {
        let suspended = hosts[host].suspendedFor
        var late: Int64 = 0
        if hosts[host].pausedSince >= 0 {
            let expected = min(hosts[host].wake, hosts[host].pausedSince + 1_000_000_000)
            late = max(0, now - max(expected, hosts[host].pausedSince))
        }
        hosts[host].pausedSince = -1
        hosts[host].suspendedFor = 0
        guard late + suspended >= 10_000_000 else {
            // Too little to be told of: the timer of its adverts goes on where it stood still.
            if suspended > 0 {
                for router in plan.routers.indices { seats[plan.seat(host, router)].phase = Seat.unknownPhase }
            }
            return
        }
        note(host) { "runs again after \(span(late + suspended))" }
        var wereMasters = [Bool](repeating: false, count: plan.routers.count)
        for router in plan.routers.indices {
            wereMasters[router] = seats[plan.seat(host, router)].isAdvertising
            noteAbsence(late + suspended, suspended, host, router)
        }
        hosts[host].node.wakeUp(
            after: .nanoseconds(late + suspended), suspended: .nanoseconds(suspended), at: clock(host),
            appendingTo: &actions)
        perform(host)
        for router in plan.routers.indices { judgeAbsence(wereMasters[router], host, router) }
    }

    private mutating func noteAbsence(_ absence: Int64, _ suspended: Int64, _ host: Int, _ router: Int) {
        let place = plan.seat(host, router)
        guard let configuration = seats[place].configuration else { return }
        let interval = configuration.advertisementInterval.nanoseconds
        let wait = now + seats[place].learned + seats[place].skew(configuration.version)
        if seats[place].isAdvertising {
            seats[place].isLate = absence >= 3 * interval || now - seats[place].lastAdvertTried >= 4 * interval
        } else if seats[place].leaving != nil {
            seats[place].isLate = seats[place].isAsleep(absence, suspended, at: now)
        } else if seats[place].state == .backup, seats[place].claimGate != nil {
            // What the gate was for may be over: it is cancelled, and silence counts anew.
            if absence >= 3 * seats[place].learned { seats[place].due = wait }
        } else if seats[place].state == .backup, absence >= 2 * seats[place].learned {
            // Silence that could not be heard is none.
            seats[place].due = max(seats[place].due, min(seats[place].due + absence, wait))
        }
    }

    private mutating func judgeAbsence(_ wasMaster: Bool, _ host: Int, _ router: Int) {
        let place = plan.seat(host, router)
        let isLate = seats[place].isLate
        seats[place].isLate = false
        if isLate {
            if seats[place].isAdvertising || seats[place].leaving != nil {
                fail(.leavesWhenLate, router, host) { "it was away for three intervals and goes on" }
            } else if seats[place].lastAdvertTried == now {
                fail(.leavesWhenLate, router, host) { "it was away for three intervals and sends an advert" }
            }
        } else if wasMaster, !seats[place].isAdvertising {
            fail(.leavesWhenLate, router, host) { "it leaves, and its last advert is young" }
        }
    }

    /// Only who is late says so, and only who is mute that it cannot send.
    func judgeAbsence(_ transition: Transition, _ host: Int, _ router: Int) {
        let seat = seats[plan.seat(host, router)]
        if case .late = transition.cause, !seat.isLate {
            fail(.leavesWhenLate, router, host) { "it was not away" }
        }
        // Enabled again while its pause lasts it is in the same fault as before.
        if case .fault(.cannotSend) = transition.cause, transition.from != .disabled, !seat.mustFallSilent {
            fail(.leavesWhenMute, router, host) { "it leaves, and adverts were sent lately" }
        }
    }

    // MARK: - Muteness

    /// An advert does not leave. The first that does not was due an interval after the last that did, so two more intervals make three;
    /// who could send none the last time leaves at once.
    mutating func noteFailedSending(_ isMaster: Bool, _ place: Int) {
        seats[place].isMute = true
        guard isMaster, let configuration = seats[place].configuration else { return }
        if seats[place].muteSince < 0 { seats[place].muteSince = now }
        let isLong = now - seats[place].muteSince >= 2 * configuration.advertisementInterval.nanoseconds
        guard seats[place].isSendDoubtful || isLong else { return }
        seats[place].mustFallSilent = true
        seats[place].fellSilent = now
        seats[place].isSendDoubtful = true
    }

    func judgeMuteness(_ election: Sight, _ host: Int, _ router: Int) {
        if seats[plan.seat(host, router)].mustFallSilent, election.isAdvertising {
            fail(.leavesWhenMute, router, host) { "no advert has left it for three intervals" }
        }
    }

    // MARK: - Handovers

    mutating func orderHandover(_ host: Int, _ router: Int) {
        let place = plan.seat(host, router)
        seats[place].handovers += 1
        if seats[place].handovers == 1 { seats[place].handoverSince = now }
    }

    /// What the operator is told.
    mutating func judge(_ outcome: HandoverOutcome, _ host: Int, _ router: Int) {
        let place = plan.seat(host, router)
        let seat = seats[place]
        seats[place].handovers -= 1
        if seat.handovers < 1 { fail(.handoversEnd, router, host) { "it ends twice" } }
        switch outcome {
        case .notMaster:
            // A second order finds the first under way.
            if seat.state == .master, seat.releaseGate == nil, seat.handovers == 1, seat.isAdvertising {
                fail(.handoversEnd, router, host) { "it is master and says that it is not" }
            }
        case .isOwner:
            if seat.priority != 255 { fail(.handoversEnd, router, host) { "it is not the owner" } }
        case .taken(_, let after, let overlap):
            if max(seat.lastRival, seat.lastObeyed) < 0 || after < .zero {
                fail(.handoversEnd, router, host) { "nobody has taken over" }
            }
            if overlap.nanoseconds > Leaving.overlap, hosts[host].runnableSince < now - Leaving.overlap {
                fail(.handoversEnd, router, host) { "the overlap is \(span(overlap.nanoseconds))" }
            }
        case .nobody:
            if !seat.isAdvertising || seat.lastRival >= seat.handoverSince {
                fail(.handoversEnd, router, host) { "it says that nobody took over" }
            }
        case .gateFailed, .interrupted:
            break
        }
    }
}
