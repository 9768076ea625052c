// The rules that concern one step of one host: an advert that it hears or sends, a claim, an announcement, a gate, a
// transition, and what it looks like afterwards. They compare the election with the seat's own account of it.

import Election
import Wire

extension World {
    /// What an advert must do to the router that hears it.
    enum Expectation {
        /// It is not heard at all.
        case stays(advertising: Bool)
        case staysBackup
        case staysMaster(answers: Bool)
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
        let own = seats[place].priority
        if seats[place].isAdvertising {
            let isGreater = packet.sender > host
            guard packet.priority > own || (packet.priority == own && isGreater) else {
                if seats[place].state == .master, seats[place].conflict < 0 { seats[place].conflict = now }
                return .staysMaster(answers: packet.priority == 0)
            }
            follow(packet, heardAt, place)
            return .yields
        }
        guard seats[place].state == .backup else { return .stays(advertising: false) }
        if packet.priority == 0 {
            seats[place].due = heardAt + seats[place].skew(version)
        } else if seats[place].obeys(packet.priority, heardAt: heardAt) {
            follow(packet, heardAt, place)
        }
        return .staysBackup
    }

    private mutating func follow(_ packet: Packet, _ heardAt: Int64, _ place: Int) {
        let version = plan.routers[packet.router].version
        if version == .v3 { seats[place].learned = packet.interval }
        seats[place].due = heardAt + 3 * seats[place].learned + seats[place].skew(version)
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
        case .staysBackup:
            if isMaster { fail(.takesOverOnTime, router, host) { "an advert made it master" } }
        case .yields:
            if isMaster {
                fail(.yieldsToTheBetter, router, host) {
                    "it stays master after priority \(packet.priority) of host \(packet.sender + 1)"
                }
            }
        case .staysMaster(let answers):
            guard isMaster else {
                fail(.yieldsToTheBetter, router, host) {
                    "it left for priority \(packet.priority) of host \(packet.sender + 1)"
                }
                return
            }
            if answers, seats[place].lastAdvertSent != now {
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
            // The last word of one that was master: a resignation, or the advert that cannot win.
            if priority > 1 || !(seats[place].isAdvertising || seats[place].isResuming) {
                fail(.advertsFromMasters, router, host) { "priority \(priority) though it is not master" }
            }
            seats[place].isAdvertising = false
            return
        }
        if priority != election.standing.effectivePriority, priority != seats[place].priority {
            fail(.advertsFromMasters, router, host) {
                "priority \(priority) though its own is \(election.standing.effectivePriority)"
            }
        }
        if timerRound > 1, seats[place].lastAdvertSent == now {
            fail(.advertsInTime, router, host) { "adverts in a burst" }
        }
        if !seats[place].isAdvertising {
            if election.configuration.gatesClaim {
                if !seats[place].hasPassedGate {
                    fail(.claimsInOrder, router, host) { "it becomes master and its gate has not passed" }
                }
            } else {
                judgeTakeover(host, router)
            }
            seats[place].isAdvertising = true
            seats[place].masterSince = now
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
        guard let election = hosts[host].node.router(id(router)), election.stateName == .master else {
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
        let isMove = transition.from == .master || (transition.from == .backup && transition.to == .master)
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
        guard transition.to == .backup else {
            if transition.to != .master { seats[place].due = .max }
            return
        }
        guard let configuration = seats[place].configuration,
            let election = hosts[host].node.router(id(router))
        else { return }
        seats[place].priority = election.standing.effectivePriority
        switch transition.cause {
        case .higherPriority, .greaterAddress:
            break
        case .lastResort:
            seats[place].due = now + 3 * seats[place].learned + seats[place].skew(configuration.version)
        default:
            seats[place].firstLower = nil
            seats[place].learned = configuration.advertisementInterval.nanoseconds
            let wait = 3 * seats[place].learned + seats[place].skew(configuration.version)
            seats[place].due = seats[place].priority == 255 ? now : now + wait
        }
    }

    /// A planned move waits for its release gate.
    private func judgeReleaseGate(_ transition: Transition, _ host: Int, _ router: Int) {
        let seat = seats[plan.seat(host, router)]
        let isPlanned = transition.to == .disabled || transition.to == .initialize
        guard isPlanned, transition.from == .master, seat.configuration?.gatesRelease ?? false,
            !hosts[host].stopsWithoutGates, hosts[host].hasCarrier[plan.routers[router].segment],
            seat.releasedAt != now
        else { return }
        fail(.claimsInOrder, router, host) { "it leaves and its release gate has not ended" }
    }

    /// Takes over what the election looks like after a step.
    mutating func refresh(_ host: Int, _ router: Int) {
        let place = plan.seat(host, router)
        guard seats[place].configuration != nil, let election = hosts[host].node.router(id(router)) else { return }
        let state = election.stateName
        let priority = election.standing.effectivePriority
        let wasMaster = seats[place].state == .master
        seats[place].state = state
        if seats[place].isAdvertising, !election.isAdvertising,
            hosts[host].hasCarrier[plan.routers[router].segment]
        {
            fail(.advertsFromMasters, router, host) { "it stopped being master and said nothing" }
        }
        seats[place].isAdvertising = election.isAdvertising
        seats[place].hasPassedGate = false
        if seats[place].priority != priority {
            // Without carrier it is sent and does not leave.
            let mustTell =
                seats[place].isAdvertising && wasMaster && seats[place].releaseGate == nil
                && hosts[host].hasCarrier[plan.routers[router].segment]
            if mustTell, seats[place].lastAdvertSent != now {
                fail(.advertsFromMasters, router, host) { "its new priority \(priority) is not advertised" }
            }
            seats[place].priority = priority
            disturb(plan.routers[router].segment, until: now)
        }
        if !election.isAdvertising, hosts[host].isCommitted, !seats[place].held.isEmpty {
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
        guard let configuration = seats[place].configuration, let election = hosts[host].node.router(id(router)),
            violation == nil
        else { return }
        let facts = facts(host, router, configuration)
        if election.standing.effectivePriority != facts.priority {
            fail(.obeysFacts, router, host) {
                "its priority is \(election.standing.effectivePriority), by the facts \(facts.priority)"
            }
        }
        let isUnwanted = seats[place].isDisabled || hosts[host].isStopping
        let stepsDown = facts.isLast && !seats[place].wasLast && !isUnwanted
        if stepsDown, election.isAdvertising, seats[place].masterSince < now {
            fail(.obeysFacts, router, host) { "it does not step down for a check of last resort" }
        }
        seats[place].wasLast = facts.isLast
        if facts.hasFault || isUnwanted {
            let isLeaving = seats[place].releaseGate != nil && isUnwanted && facts.hasCarrier
            if election.isAdvertising, !isLeaving {
                fail(.obeysFacts, router, host) { "it is master though it may not run" }
            } else if election.stateName == .backup {
                fail(.obeysFacts, router, host) { "it is backup though it may not run" }
            }
        } else if election.stateName == .disabled || election.stateName == .initialize
            || (election.stateName == .fault && election.deadline == nil)
        {
            fail(.obeysFacts, router, host) { "it is \(election.stateName.word) without a reason" }
        }
        if election.isAdvertising,
            let missing = configuration.addresses.first(where: { !seats[place].held.contains($0) })
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
