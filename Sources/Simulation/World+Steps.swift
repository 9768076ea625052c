// The rules that concern one step of one host: an advert that it hears or sends, a claim, an announcement, a gate, a
// transition, and what it looks like afterwards. They compare the election with the seat's own account of it.

import Election
import Wire

/// What the rules look at of an election.
struct Sight {
    var state: StateName
    var priority: UInt8
    var isAdvertising: Bool
    var awaitsSending: Bool
    var deadline: Instant?

    init(_ election: borrowing VirtualRouter) {
        state = election.stateName
        priority = election.standing.effectivePriority
        isAdvertising = election.isAdvertising
        awaitsSending = election.awaitsSending
        deadline = election.deadline
    }
}

extension World {
    /// Nil while the host does not know the router.
    func sight(of host: Int, _ router: Int) -> Sight? { hosts[host].node.look(at: id(host, router)) { Sight($0) } }

    /// What an advert must do to the router that hears it.
    enum Expectation {
        /// It is not heard at all.
        case stays(advertising: Bool)
        case staysBackup
        case staysMaster(answers: Bool)
        case staysSilent(adverts: Int)
        case yields
    }

    /// Moves the seat's own timer and says what must come of the advert.
    mutating func expectation(of packet: Packet, at heardAt: Int64, _ host: Int) -> Expectation {
        let router = packet.router
        let place = plan.seat(host, router)
        let version = plan.routers[router].version
        guard let configuration = seats[place].configuration else { return .stays(advertising: false) }
        if version == .v2, packet.interval != configuration.advertisementInterval.nanoseconds {
            return .stays(advertising: seats[place].isAdvertising)
        }
        if version == .v3, packet.version == .v2, !configuration.alsoVersion2 {
            return .stays(advertising: seats[place].isAdvertising)
        }
        let isIn = seats[place].isAdvertising || seats[place].state == .backup || seats[place].leaving != nil
        if isIn, seats[place].isTwin(packet, heardAt: heardAt, hosts: plan.hosts) {
            return .stays(advertising: seats[place].isAdvertising)
        }
        if seats[place].leaving != nil {
            noteSuccessor(packet, heardAt, place)
            return .staysSilent(adverts: seats[place].adverts)
        }
        let own = seats[place].spokenPriority
        if seats[place].isAdvertising {
            let isGreater = packet.sender > host
            guard packet.priority > own || (packet.priority == own && isGreater) else {
                if seats[place].state == .master, seats[place].conflict < 0 { seats[place].conflict = now }
                // FSM-A-3: the timer starts anew.
                if packet.priority == 0 { seats[place].phase = now % configuration.advertisementInterval.nanoseconds }
                return .staysMaster(answers: packet.priority == 0)
            }
            // It was sent before an engine was there to hear it, and nothing came of its sender since.
            if heardAt + seats[place].masterDown(seats[place].interval(of: packet)) <= now {
                return .stays(advertising: true)
            }
            seats[place].follow(packet, heardAt: heardAt)
            return .yields
        }
        guard seats[place].state == .backup else { return .stays(advertising: false) }
        if let end = seats[place].delayedUntil {
            // Frames pass: what is left of the start delay is not waited for.
            seats[place].delayedUntil = nil
            if heardAt < end { seats[place].due -= end - heardAt }
        }
        if packet.priority > 0 { seats[place].lastRival = now }
        if packet.priority == 0 {
            seats[place].due = heardAt + seats[place].skew(version)
        } else if seats[place].obeys(packet.priority, heardAt: heardAt) {
            seats[place].follow(packet, heardAt: heardAt)
        }
        return .staysBackup
    }

    mutating func judge(_ expectation: Expectation, _ packet: Packet, _ host: Int) {
        let router = packet.router
        let place = plan.seat(host, router)
        let isMaster = seats[place].isAdvertising
        switch expectation {
        case .stays(let wasMaster):
            if isMaster != wasMaster {
                fail(.understandsPeers, router, host) { "an advert that it must not hear changed its state" }
            }
        case .staysSilent(let adverts):
            if isMaster || seats[place].adverts != adverts {
                fail(.advertsFromMasters, router, host) { "it resigns and answers host \(packet.sender + 1)" }
            }
        case .staysBackup:
            if isMaster { fail(.takesOverOnTime, router, host) { "an advert made it master" } }
        case .yields:
            if isMaster {
                fail(.yieldsToTheBetter, router, host) {
                    "it stays master after priority \(packet.priority) of host \(packet.sender + 1)"
                }
            }
        case .staysMaster(let answers):
            // Its answer was the last of three intervals that did not leave.
            if seats[place].fellSilent == now { return }
            guard isMaster else {
                fail(.yieldsToTheBetter, router, host) {
                    "it left for priority \(packet.priority) of host \(packet.sender + 1)"
                }
                return
            }
            if answers, seats[place].lastAdvertTried != now {
                fail(.advertsInTime, router, host) { "no advert after a resignation" }
            }
            guard seats[place].state == .master else { return }
            seats[place].noteRival(packet.sender, sent: packet.sent, heard: now, of: plan.hosts)
        }
    }

    /// Looks at an advert before it is sent.
    mutating func judgeAdvert(_ priority: UInt8, _ election: VirtualRouter, _ host: Int, _ router: Int) {
        let place = plan.seat(host, router)
        guard election.isAdvertising else {
            if seats[place].leaving != nil {
                judgeRepetition(priority, host, router)
                return
            }
            // The last word of one that was master: a resignation, or the advert that cannot win.
            if priority > 1 || !(seats[place].isAdvertising || seats[place].isResuming) {
                fail(.advertsFromMasters, router, host) { "priority \(priority) though it is not master" }
            }
            seats[place].isAdvertising = false
            return
        }
        if !seats[place].isAdvertising, seats[place].servesInPart { seats[place].isDegraded = true }
        let own = seats[place].isDegraded ? 1 : election.standing.effectivePriority
        // An advert that was on its way out when the claim ended says what was before.
        let isOld = seats[place].owesPriority && priority == 1
        if !isOld, priority != own, priority != seats[place].spokenPriority {
            fail(.advertsFromMasters, router, host) { "priority \(priority) though its own is \(own)" }
        }
        if timerRound > 1, seats[place].lastAdvertTried == now {
            fail(.advertsInTime, router, host) { "adverts in a burst" }
        }
        if !seats[place].owesPriority { judgePhase(priority, host, router) }
        if !isOld { seats[place].owesPriority = false }
        if !seats[place].isAdvertising {
            if seats[place].leaving != nil {
                judgeTakingBack(host, router)
            } else if election.configuration.gatesClaim {
                if !seats[place].hasPassedGate {
                    fail(.claimsInOrder, router, host) { "it becomes master and its gate has not passed" }
                }
            } else {
                judgeTakeover(host, router)
            }
            seats[place].isAdvertising = true
            seats[place].masterSince = now
            seats[place].phase = Seat.unknownPhase
            seats[place].muteSince = -1
        }
    }

    /// Adverts by the timer are due at start + n × interval, whatever came late or in between; a master that has just become one
    /// may begin with a shorter interval.
    private mutating func judgePhase(_ priority: UInt8, _ host: Int, _ router: Int) {
        let place = plan.seat(host, router)
        guard timerRound > 0, seats[place].isAdvertising, priority == seats[place].spokenPriority,
            let interval = seats[place].configuration?.advertisementInterval.nanoseconds
        else { return }
        // After a pause the first one comes when it can.
        if now == hosts[host].runnableSince, seats[place].phase != Seat.resumedPhase { return }
        if seats[place].phase < 0 {
            seats[place].phase =
                seats[place].phase == Seat.resumedPhase ? Seat.unknownPhase : now % interval
        } else if now % interval != seats[place].phase {
            fail(.keepsItsPeriod, router, host) { "the advert is off by \(span(now % interval - seats[place].phase))" }
        }
    }

    /// A backup's timer ends now: is it the time?
    private func judgeTakeover(_ host: Int, _ router: Int) {
        let due = seats[plan.seat(host, router)].due
        if now < due {
            fail(.takesOverOnTime, router, host) { "due at \(seconds(due)), it took over earlier" }
        } else if now > max(due, hosts[host].runnableSince) {
            fail(.takesOverOnTime, router, host) { "due at \(seconds(due)), it took over later" }
        }
    }

    mutating func judgeGate(_ kind: GateKind, _ sequence: UInt32, _ host: Int, _ router: Int) {
        let place = plan.seat(host, router)
        switch kind {
        case .claim:
            judgeTakeover(host, router)
            seats[place].claimGate = sequence
        case .release:
            seats[place].releaseGate = sequence
        }
    }

    func judgeClaim(_ host: Int, _ router: Int) {
        let place = plan.seat(host, router)
        if !seats[place].isAdvertising, !seats[place].isResuming {
            fail(.claimsInOrder, router, host) { "a claim without an advert" }
        }
    }

    mutating func judgeAnnouncement(_ range: Range<Int>, _ host: Int, _ router: Int) {
        let place = plan.seat(host, router)
        guard sight(of: host, router)?.state == .master else {
            fail(.announcesAsMaster, router, host) { "it announces though it is not master" }
            return
        }
        seats[place].conflict = -1
        for index in range where index < seats[place].advertised.count {
            let address = seats[place].advertised[index]
            seats[place].owes.removeAll { $0.address == address }
        }
    }

    mutating func judge(_ transition: Transition, _ host: Int, _ router: Int) {
        let place = plan.seat(host, router)
        let isMove = transition.from == .master || transition.from == .resigning || transition.to == .master
        seats[place].since = now
        if isMove {
            matches[router].moves += 1
            let isUnruly = segments[plan.routers[router].segment].isUnruly
            if !isUnruly, matches[router].moves > movesPerFault + hosts[host].checks.count * 8 {
                fail(.comesToRest, router, host) { "\(matches[router].moves) changes of master since the last fault" }
            }
        }
        judgeReleaseGate(transition, host, router)
        if isSettled, transition.cause != .resumed {
            fail(.comesToRest, router, host) { "it changes though all should be at rest" }
        }
        if !isMove || transition.to == .fault { disturb(plan.routers[router].segment, until: now) }
        judgeHaste(transition, host, router)
        if transition.to == .resigning { beginLeaving(transition, host, router) }
        let leaving = seats[place].leaving
        if transition.from == .resigning { endLeaving(to: transition.to, host, router) }
        judgeAbsence(transition, host, router)
        guard transition.to == .backup else {
            if transition.to != .master { seats[place].due = .max }
            return
        }
        seats[place].delayedUntil = nil
        guard let configuration = seats[place].configuration, let election = sight(of: host, router) else { return }
        seats[place].priority = election.priority
        switch transition.cause {
        case .late:
            // What waits is heard next; if that is nothing, an interval and the skew time pass first.
            seats[place].learned = configuration.advertisementInterval.nanoseconds
            seats[place].due = now + seats[place].learned + seats[place].skew(configuration.version)
        case _ where leaving != nil:
            // The overlap may be longer than the patience with a successor that has fallen silent.
            seats[place].waitForSilence()
            seats[place].due = max(seats[place].due, now)
            guard seats[place].isLate else { break }
            seats[place].due = now + seats[place].learned + seats[place].skew(configuration.version)
        case .higherPriority, .greaterAddress:
            break
        case .lastResort, .handedOver:
            seats[place].due = now + seats[place].masterDown(seats[place].learned)
        default:
            seats[place].firstLower = nil
            seats[place].learned = configuration.advertisementInterval.nanoseconds
            seats[place].versionThree = []
            let wait = seats[place].masterDown(seats[place].learned)
            let begin = max(now, (seats[place].linkSince ?? now) + configuration.startDelay.nanoseconds)
            seats[place].due = seats[place].priority == 255 ? begin : begin + wait
            seats[place].delayedUntil = begin > now ? begin : nil
        }
    }

    /// A planned move waits for its release gate.
    private func judgeReleaseGate(_ transition: Transition, _ host: Int, _ router: Int) {
        let seat = seats[plan.seat(host, router)]
        let isPlanned =
            transition.to == .disabled || transition.to == .initialize || transition.cause == .handedOver
        guard isPlanned, transition.from == .master, seat.configuration?.gatesRelease ?? false,
            !hosts[host].stopsWithoutGates, hosts[host].hasCarrier[plan.routers[router].segment],
            seat.releasedAt != now
        else { return }
        fail(.claimsInOrder, router, host) { "it leaves and its release gate has not ended" }
    }

    /// Takes over what the election looks like after a step.
    mutating func refresh(_ host: Int, _ router: Int) {
        let place = plan.seat(host, router)
        guard seats[place].interval >= 0, let election = sight(of: host, router) else { return }
        let state = election.state
        let priority = election.priority
        let wasMaster = seats[place].state == .master
        seats[place].state = state
        judgeMuteness(election, host, router)
        // One that was away does not disturb whoever is master now, and a mute one cannot say anything.
        if seats[place].isAdvertising, !election.isAdvertising, !seats[place].isLate, !seats[place].mustFallSilent,
            hosts[host].hasCarrier[plan.routers[router].segment]
        {
            fail(.advertsFromMasters, router, host) { "it stopped being master and said nothing" }
        }
        seats[place].mustFallSilent = false
        seats[place].isAdvertising = election.isAdvertising
        if !election.isAdvertising {
            seats[place].isDegraded = false
            seats[place].owesPriority = false
        }
        if seats[place].owesPriority {
            fail(.advertsFromMasters, router, host) { "it does not advertise \(seats[place].spokenPriority)" }
        }
        seats[place].hasPassedGate = false
        if seats[place].priority != priority {
            // Without carrier it is sent and does not leave.
            let mustTell =
                seats[place].isAdvertising && wasMaster && seats[place].releaseGate == nil
                && hosts[host].hasCarrier[plan.routers[router].segment]
            if mustTell, seats[place].lastAdvertTried != now {
                fail(.advertsFromMasters, router, host) { "its new priority \(priority) is not advertised" }
            }
            seats[place].priority = priority
            disturb(plan.routers[router].segment, until: now)
        }
        let mayHold = state == .resigning || election.isAdvertising && !election.awaitsSending
        if !mayHold, hosts[host].isCommitted, !seats[place].held.isEmpty {
            fail(.othersHoldNothing, router, host) { "it holds \(seats[place].held[0]) as \(state.word)" }
        }
        guard state == .master else {
            seats[place].conflict = -1
            seats[place].owes.removeAll(keepingCapacity: true)
            return
        }
        if !seats[place].owes.isEmpty {
            fail(.announcesClaims, router, host) { "\(seats[place].owes[0]) is not announced" }
        }
    }

    /// Compares the election with the facts, once the engine has been told of all of them.
    mutating func judgeStanding(_ host: Int, _ router: Int) {
        let place = plan.seat(host, router)
        guard let configuration = seats[place].configuration, let election = sight(of: host, router), violation == nil
        else { return }
        let facts = facts(host, router, configuration)
        if election.priority != facts.priority {
            fail(.obeysFacts, router, host) {
                "its priority is \(election.priority), by the facts \(facts.priority)"
            }
        }
        let isUnwanted = seats[place].isDisabled || seats[place].isRemoved || hosts[host].isStopping
        let stepsDown = facts.isLast && !seats[place].wasLast && !isUnwanted
        if stepsDown, election.isAdvertising, seats[place].masterSince < now {
            fail(.obeysFacts, router, host) { "it does not step down for a check of last resort" }
        }
        seats[place].wasLast = facts.isLast
        if facts.hasFault || isUnwanted {
            let isLeaving = seats[place].releaseGate != nil && isUnwanted && facts.hasCarrier
            if election.isAdvertising, !isLeaving {
                fail(.obeysFacts, router, host) { "it is master though it may not run" }
            } else if election.state == .backup {
                fail(.obeysFacts, router, host) { "it is backup though it may not run" }
            }
        } else if election.state == .disabled || election.state == .initialize
            || (election.state == .fault && election.deadline == nil)
        {
            fail(.obeysFacts, router, host) { "it is \(election.state.word) without a reason" }
        }
        if election.isAdvertising, !election.awaitsSending,
            let missing = configuration.addresses.dropLast(seats[place].isDegraded ? 1 : 0)
                .first(where: { !seats[place].held.contains($0) })
        {
            fail(.masterHolds, router, host) { "\(missing) is not on the interface" }
        }
    }

    /// What the present facts mean for a router: derived from the checks' truth, not from what the node made of it.
    private func facts(
        _ host: Int, _ router: Int, _ configuration: VirtualRouterConfiguration
    ) -> (priority: UInt8, hasFault: Bool, hasCarrier: Bool, isLast: Bool) {
        let hasCarrier = hosts[host].hasCarrier[plan.routers[router].segment]
        var hasFault = !hasCarrier
        var isLast = false
        var priority = Int(configuration.priority)
        for reference in configuration.checks {
            guard hosts[host].checks[Int(reference.check.number)].failure != nil else { continue }
            switch reference.effect {
            case .fault: hasFault = true
            case .weight(let weight): priority += Int(weight)
            case .lastResort: isLast = true
            }
        }
        if isLast { return (1, hasFault, hasCarrier, true) }
        return (configuration.isOwner ? 255 : UInt8(max(1, min(254, priority))), hasFault, hasCarrier, false)
    }
}
