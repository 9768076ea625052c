// A host's engine as Sources/Engine drives it: what arrived is read before a timer is judged, then the kernel's events and the
// supervisor's orders, then the timers; each action is done in its order and a claim is answered at once. A new engine gets
// the verdicts and the snapshots, continues as master inside 3 × interval, and takes away what nobody wants.

import Election
import Wire

extension World {
    /// How an engine comes to be.
    enum Start {
        /// Boot, or a new supervisor: nothing is known.
        case cold
        /// The supervisor starts a new engine with what the last one reported.
        case resumed
    }

    mutating func start(_ host: Int, _ start: Start) {
        hosts[host].node = Node(firstPlace: plan.places[host])
        hosts[host].generation += 1
        hosts[host].isUp = true
        hosts[host].isListening = true
        hosts[host].isStopping = false
        hosts[host].stopsWithoutGates = false
        hosts[host].isCommitted = false
        hosts[host].downBy = nil
        hosts[host].pausedSince = -1
        hosts[host].suspendedFor = 0
        run(host)
        hosts[host].inbox.removeAll()
        note(host) { start == .cold ? "the agent starts" : "a new engine starts" }
        for check in plan.checks.indices { define(check, host, start) }
        for router in plan.routers.indices {
            let place = plan.seat(host, router)
            guard let configuration = seats[place].wanted else { continue }
            configure(host, router, configuration, start)
        }
        removeLeftovers(host)
        hosts[host].isCommitted = true
        turn(host)
    }

    private mutating func define(_ check: Int, _ host: Int, _ start: Start) {
        var known = CheckTable.Known.cold
        let timeToLive = plan.checks[check].timeToLive
        if start == .cold { hosts[host].checks[check] = CheckState() }
        if let verdict = hosts[host].checks[check].verdict {
            let age = now - hosts[host].checks[check].judged
            known = .known(verdict, age: .nanoseconds(age))
            hosts[host].checks[check].failure = age < timeToLive.nanoseconds ? verdict.failure : .stale
            hosts[host].checks[check].expires = hosts[host].checks[check].judged + timeToLive.nanoseconds
        } else {
            hosts[host].checks[check].failure = .pending
            hosts[host].checks[check].expires = now + timeToLive.nanoseconds
        }
        hosts[host].node.define(
            check: CheckID(UInt32(check)), timeToLive: timeToLive, known: known, at: clock(host),
            appendingTo: &actions)
        perform(host)
    }

    private mutating func configure(
        _ host: Int, _ router: Int, _ configuration: VirtualRouterConfiguration, _ start: Start
    ) {
        let place = plan.seat(host, router)
        var snapshot: RouterSnapshot?
        var isFresh = false
        if start == .resumed {
            snapshot = RouterSnapshot(router: id(host, router), state: seats[place].state)
            let age = now - seats[place].lastAdvertSent
            isFresh =
                seats[place].state == .master && seats[place].lastAdvertSent >= 0
                && age < (configuration.advertisementInterval * 3).nanoseconds
        }
        let missing = seats[place].isDegraded ? seats[place].configuration?.addresses.last : nil
        seats[place].forget(configuration)
        seats[place].isResuming = isFresh
        if start == .resumed, let missing {
            snapshot?.degraded = [.claim(ClaimFailure(address: missing, code: 22))]
            seats[place].isDoubtful = true
            seats[place].isDegraded = isFresh && seats[place].servesInPart
        }
        tell(host, .interface(plan.routers[router].segment))
        if hosts[host].hasCarrier[plan.routers[router].segment] {
            // The link is not new to a new engine.
            seats[place].linkSince = start == .resumed && !isFresh ? .min / 2 : now
        }
        if isFresh {
            seats[place].masterSince = now
            seats[place].lastAdvertTried = now
            seats[place].phase = Seat.resumedPhase
        }
        let isDisabled = seats[place].wantsDisabled
        hosts[host].node.configure(
            id(host, router), configuration, disabled: isDisabled && !isFresh, resuming: snapshot, asMaster: isFresh,
            at: clock(host), appendingTo: &actions)
        perform(host)
        seats[place].isResuming = false
        if isDisabled, isFresh {
            hosts[host].node.setDisabled(id(host, router), true, at: clock(host), appendingTo: &actions)
            perform(host)
        }
        seats[place].isDisabled = isDisabled
        seats[place].isHeld = seats[place].wantsHeld
        hosts[host].node.setHeld(id(host, router), seats[place].isHeld, at: clock(host), appendingTo: &actions)
        perform(host)
    }

    /// Addresses that no master of this engine wants were left by an earlier one.
    private mutating func removeLeftovers(_ host: Int) {
        for router in plan.routers.indices {
            let wanted = hosts[host].node.router(id(host, router))?.wantedAddresses ?? []
            seats[plan.seat(host, router)].held.removeAll { !wanted.contains($0) }
        }
    }

    /// The engine is gone; what it held stays in the kernel.
    mutating func stopEngine(_ host: Int) {
        hosts[host].isUp = false
        hosts[host].inbox.removeAll()
        idle(host)
        for router in plan.routers.indices {
            let place = plan.seat(host, router)
            seats[place].isAdvertising = false
            if seats[place].wanted == nil { seats[place].vanish() }
        }
    }

    mutating func closeSockets(_ host: Int) {
        hosts[host].isListening = false
        for waiting in hosts[host].socket { consume(waiting.packet) }
        hosts[host].socket.removeAll()
    }

    /// A host that runs takes an order at once; one that is paused finds it when it wakes.
    mutating func order(_ host: Int, _ order: Order) {
        guard hosts[host].isUp else { return }
        hosts[host].inbox.append(order)
        turn(host)
    }

    /// The engine runs, and renews its leases.
    mutating func run(_ host: Int) {
        hosts[host].runnableSince = now
        hosts[host].idleSince = -1
        hosts[host].idleCount += 1
    }

    /// The engine does not run, and nobody renews its leases: each ends between two thirds of it and the whole from now, and the
    /// kernel may take half a second to notice.
    mutating func idle(_ host: Int) {
        guard hosts[host].idleSince < 0 else { return }
        hosts[host].idleSince = now
        hosts[host].idleCount += 1
        guard plan.hasLeases else { return }
        for router in plan.routers.indices where !seats[plan.seat(host, router)].held.isEmpty {
            let lease = seats[plan.seat(host, router)].lease
            let end = random.within(lease * 2 / 3...lease) + random.within(0...500_000_000)
            queue.add(.lease, at: now + end, host: host, index: hosts[host].idleCount << 3 | router)
        }
    }

    mutating func expireLeases(of host: Int, _ index: Int) {
        let router = index & 7
        guard index >> 3 == hosts[host].idleCount, hosts[host].idleSince >= 0 else { return }
        judgeBounds()
        let gone = seats[plan.seat(host, router)].held
        note(host, router) { "the kernel takes \(gone.count) address(es) away that nobody has renewed" }
        seats[plan.seat(host, router)].held.removeAll()
        // A paused engine is told by netlink when it runs again.
        if hosts[host].isUp { for address in gone { hosts[host].inbox.append(.addressLost(router: router, address)) } }
    }

    // MARK: - A turn of the engine's loop

    mutating func turn(_ host: Int) {
        guard hosts[host].isUp, hosts[host].pausedUntil <= now, violation == nil else { return }
        judgeBounds()
        noteAbsence(host)
        drain(host)
        var isQuick = hosts[host].inbox.isEmpty
        var position = 0
        while position < hosts[host].inbox.count, violation == nil {
            tell(host, hosts[host].inbox[position])
            position += 1
        }
        hosts[host].inbox.removeAll(keepingCapacity: true)
        var rounds = 0
        while let deadline = hosts[host].node.deadline, deadline <= clock(host), violation == nil {
            isQuick = false
            rounds += 1
            timerRound = rounds
            for check in plan.checks.indices where hosts[host].checks[check].expires <= now {
                hosts[host].checks[check].failure = .stale
                hosts[host].checks[check].expires = .max
            }
            hosts[host].node.wake(at: clock(host), appendingTo: &actions)
            perform(host)
            if rounds > 100 { fail(.movesOn, nil, host) { "its deadline does not move" } }
        }
        timerRound = 0
        forgetRemoved(host)
        if hosts[host].node.hasStopped {
            note(host) { "the agent has stopped" }
            stopEngine(host)
            closeSockets(host)
            for router in plan.routers.indices {
                seats[plan.seat(host, router)].state = .initialize
                seats[plan.seat(host, router)].leaving = nil
            }
            hosts[host].wake = .max
            return
        }
        if !isQuick { for router in plan.routers.indices { judgeStanding(host, router) } }
        let wake = hosts[host].node.deadline.map { $0.nanoseconds - hosts[host].offset } ?? .max
        if wake != hosts[host].wake {
            hosts[host].wake = wake
            if wake < .max { queue.add(.wake, at: wake, host: host) }
        }
    }

    private mutating func drain(_ host: Int) {
        var position = 0
        while position < hosts[host].socket.count, violation == nil {
            let waiting = hosts[host].socket[position]
            position += 1
            let packet = packets[waiting.packet]
            consume(waiting.packet)
            let before = expectation(of: packet, at: waiting.heardAt, host)
            let family = plan.routers[packet.router].family
            let origin = PacketOrigin(
                source: plan.source(packet.sender, packet.segment, family),
                destination: packet.destination < 0
                    ? .vrrpGroup(family) : plan.source(packet.destination, packet.segment, family), hopLimit: 255)
            let notice = hosts[host].node.receive(
                packet.payload.span, from: origin, interfaceIndex: UInt32(packet.segment + 1),
                heardAt: Instant(nanoseconds: waiting.heardAt + hosts[host].offset), at: clock(host),
                appendingTo: &actions)
            if let notice, seats[plan.seat(host, packet.router)].configuration != nil,
                notice.reason != .intervalMismatch
            {
                fail(.understandsPeers, packet.router, host) { "an advert of host \(packet.sender + 1) is dropped" }
            }
            perform(host, only: packet.router)
            judge(before, packet, host)
        }
        hosts[host].socket.removeAll(keepingCapacity: true)
    }

    private mutating func tell(_ host: Int, _ order: Order) {
        let time = clock(host)
        switch order {
        case .verdict(let check, let verdict):
            hosts[host].checks[check].failure = verdict.failure
            hosts[host].checks[check].expires = now + plan.checks[check].timeToLive.nanoseconds
            hosts[host].node.verdict(verdict, of: CheckID(UInt32(check)), at: time, appendingTo: &actions)
        case .gate(let router, let sequence, let failure):
            seats[plan.seat(host, router)].gateEnds(sequence, passed: failure == nil, at: now)
            hosts[host].node.gate(
                id(host, router), sequence: sequence, failure: failure, at: time, appendingTo: &actions)
        case .disable(let router, let disabled):
            seats[plan.seat(host, router)].isDisabled = disabled
            hosts[host].node.setDisabled(id(host, router), disabled, at: time, appendingTo: &actions)
        case .configure(let router):
            let place = plan.seat(host, router)
            guard let new = seats[place].wanted else { return }
            tell(host, .interface(plan.routers[router].segment))
            if seats[place].configuration == nil {
                // It comes back: a new router, which begins as any.
                seats[place].forget(new)
                seats[place].linkSince = hosts[host].hasCarrier[plan.routers[router].segment] ? now : nil
                seats[place].isDisabled = seats[place].wantsDisabled
            } else {
                seats[place].reconfigure(new)
            }
            hosts[host].node.configure(
                id(host, router), new, disabled: seats[place].isDisabled, at: time, appendingTo: &actions)
        case .remove(let router):
            seats[plan.seat(host, router)].isRemoved = true
            hosts[host].node.remove(id(host, router), at: time, appendingTo: &actions)
        case .handOver(let router):
            orderHandover(host, router)
            hosts[host].node.handOver(id(host, router), at: time, appendingTo: &actions)
        case .hold(let router, let held):
            seats[plan.seat(host, router)].isHeld = held
            hosts[host].node.setHeld(id(host, router), held, at: time, appendingTo: &actions)
        case .announced(let router, let addresses):
            hear(addresses, host, router)
            return
        case .interface(let segment):
            noteLink(host, segment)
            var facts = InterfaceFacts(index: UInt32(segment + 1), hasCarrier: hosts[host].hasCarrier[segment])
            if case .ipv4(let address) = plan.source(host, segment, .ipv4) { facts.sourceIPv4 = address }
            if case .ipv6(let address) = plan.source(host, segment, .ipv6) { facts.sourceIPv6 = address }
            hosts[host].node.interface(Plan.interfaceName(segment), facts, at: time, appendingTo: &actions)
        case .addressLost(let router, let address):
            guard hosts[host].node.router(id(host, router))?.stateName == .master else { return }
            hosts[host].node.addressesLost(id(host, router), [address], at: time, appendingTo: &actions)
        case .stop(let withoutGates):
            hosts[host].isStopping = true
            hosts[host].stopsWithoutGates = withoutGates
            hosts[host].node.stop(withoutGates: withoutGates, at: time, appendingTo: &actions)
        }
        perform(host)
    }

    private mutating func hear(_ addresses: ArraySlice<IPAddress>, _ host: Int, _ router: Int) {
        let index = UInt32(plan.routers[router].segment + 1)
        for address in addresses {
            seats[plan.seat(host, router)].leaving?.announced.append(address)
            // Nobody claims what he has not won here, so it is enough that those who resign hear it.
            let claim = AddressClaim(address: address, hardware: .zero, isAnnouncement: true)
            hosts[host].node.claimHeard(
                claim, speakers: SpeakerTable(), interfaceIndex: index, at: clock(host), appendingTo: &actions)
            perform(host, only: router)
        }
    }

    /// A start delay counts from when adverts can be sent and heard.
    private mutating func noteLink(_ host: Int, _ segment: Int) {
        for router in plan.routers.indices where plan.routers[router].segment == segment {
            let place = plan.seat(host, router)
            if !hosts[host].hasCarrier[segment] {
                seats[place].linkSince = nil
                // Its own fault says why adverts did not leave.
                seats[place].isSendDoubtful = false
            } else if seats[place].linkSince == nil {
                seats[place].linkSince = now
            }
        }
    }

    /// The engine drops what has left the configuration and has come to rest.
    private mutating func forgetRemoved(_ host: Int) {
        guard hosts[host].node.forgetRemoved(at: clock(host), appendingTo: &actions) else { return }
        perform(host)
        for router in plan.routers.indices {
            let place = plan.seat(host, router)
            guard seats[place].isRemoved, hosts[host].node.router(id(host, router)) == nil else { continue }
            note(host, router) { "the engine has forgotten it" }
            if !seats[place].held.isEmpty {
                fail(.othersHoldNothing, router, host) { "it is forgotten and holds \(seats[place].held[0])" }
            }
            seats[place].vanish()
        }
    }
}
