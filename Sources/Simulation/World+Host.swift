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
        hosts[host].node = Node()
        hosts[host].generation += 1
        hosts[host].isUp = true
        hosts[host].isListening = true
        hosts[host].isStopping = false
        hosts[host].stopsWithoutGates = false
        hosts[host].isCommitted = false
        hosts[host].downBy = nil
        hosts[host].runnableSince = now
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
            snapshot = RouterSnapshot(router: id(router), state: seats[place].state)
            let age = now - seats[place].lastAdvertSent
            isFresh =
                seats[place].state == .master && seats[place].lastAdvertSent >= 0
                && age < (configuration.advertisementInterval * 3).nanoseconds
        }
        seats[place].forget(configuration)
        seats[place].isResuming = isFresh
        if isFresh { seats[place].masterSince = now }
        tell(host, .interface(plan.routers[router].segment))
        let isDisabled = seats[place].wantsDisabled
        hosts[host].node.configure(
            id(router), configuration, disabled: isDisabled && !isFresh, resuming: snapshot, asMaster: isFresh,
            at: clock(host), appendingTo: &actions)
        perform(host)
        seats[place].isResuming = false
        if isDisabled, isFresh {
            hosts[host].node.setDisabled(id(router), true, at: clock(host), appendingTo: &actions)
            perform(host)
        }
        seats[place].isDisabled = isDisabled
    }

    /// Addresses that no master of this engine wants were left by an earlier one.
    private mutating func removeLeftovers(_ host: Int) {
        for router in plan.routers.indices {
            let wanted = hosts[host].node.router(id(router))?.wantedAddresses ?? []
            seats[plan.seat(host, router)].held.removeAll { !wanted.contains($0) }
        }
    }

    /// The engine is gone; what it held stays in the kernel.
    mutating func stopEngine(_ host: Int) {
        hosts[host].isUp = false
        hosts[host].inbox.removeAll()
        for router in plan.routers.indices { seats[plan.seat(host, router)].isAdvertising = false }
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

    // MARK: - A turn of the engine's loop

    mutating func turn(_ host: Int) {
        guard hosts[host].isUp, hosts[host].pausedUntil <= now, violation == nil else { return }
        judgeBounds()
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
        if hosts[host].node.hasStopped {
            note(host) { "the agent has stopped" }
            stopEngine(host)
            closeSockets(host)
            for router in plan.routers.indices { seats[plan.seat(host, router)].state = .initialize }
            hosts[host].wake = .max
            return
        }
        if !isQuick { for router in plan.routers.indices { judgeStanding(host, router) } }
        let wake = hosts[host].node.deadline.map { $0.nanoseconds - plan.clocks[host] } ?? .max
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
            let origin = PacketOrigin(
                source: plan.source(packet.sender, packet.segment, plan.routers[packet.router].family),
                destination: .vrrpGroup(plan.routers[packet.router].family), hopLimit: 255)
            let notice = hosts[host].node.receive(
                packet.payload.span, from: origin, interfaceIndex: UInt32(packet.segment + 1),
                heardAt: Instant(nanoseconds: waiting.heardAt + plan.clocks[host]), at: clock(host),
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
            hosts[host].node.gate(id(router), sequence: sequence, failure: failure, at: time, appendingTo: &actions)
        case .disable(let router, let disabled):
            seats[plan.seat(host, router)].isDisabled = disabled
            hosts[host].node.setDisabled(id(router), disabled, at: time, appendingTo: &actions)
        case .configure(let router):
            let place = plan.seat(host, router)
            guard let new = seats[place].wanted else { return }
            seats[place].reconfigure(new)
            hosts[host].node.configure(
                id(router), new, disabled: seats[place].isDisabled, at: time, appendingTo: &actions)
        case .interface(let segment):
            var facts = InterfaceFacts(index: UInt32(segment + 1), hasCarrier: hosts[host].hasCarrier[segment])
            if case .ipv4(let address) = plan.source(host, segment, .ipv4) { facts.sourceIPv4 = address }
            if case .ipv6(let address) = plan.source(host, segment, .ipv6) { facts.sourceIPv6 = address }
            hosts[host].node.interface(Plan.interfaceName(segment), facts, at: time, appendingTo: &actions)
        case .addressLost(let router, let address):
            guard hosts[host].node.router(id(router))?.stateName == .master else { return }
            hosts[host].node.addressesLost(id(router), [address], at: time, appendingTo: &actions)
        case .stop(let withoutGates):
            hosts[host].isStopping = true
            hosts[host].stopsWithoutGates = withoutGates
            hosts[host].node.stop(withoutGates: withoutGates, at: time, appendingTo: &actions)
        }
        perform(host)
    }
}
