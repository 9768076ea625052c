// How each action of the elections is done in a world: adverts, addresses, announcements, gates. The rules that concern a
// single action look at it here, before it is done.

import Election
import Wire

extension World {
    /// Performs everything in `actions`, and what that causes.
    mutating func perform(_ host: Int, only router: Int? = nil) {
        var position = 0
        while position < actions.count, violation == nil {
            let item = actions[position]
            position += 1
            perform(item.action, host, self.router(of: item.router))
            if position > 1_000 { fail(.movesOn, nil, host) { "one event causes actions without end" } }
        }
        actions.removeAll(keepingCapacity: true)
        if let router {
            refresh(host, router)
        } else {
            for router in plan.routers.indices { refresh(host, router) }
        }
    }

    private mutating func perform(_ action: Action, _ host: Int, _ router: Int) {
        let place = plan.seat(host, router)
        switch action {
        case .sendAdvert(let priority):
            sendAdvert(priority, host, router)
        case .claim(let addresses):
            claim(addresses, host, router)
        case .release(let addresses):
            note(host, router) { "releases \(addresses.count) address(es)" }
            judgeRelease(addresses, host, router)
            seats[place].held.removeAll { addresses.contains($0) }
        case .announce(let range):
            // The advert before it was the last that could not be sent.
            if seats[place].mustFallSilent { return }
            note(host, router) { "announces \(range.lowerBound + 1)...\(range.upperBound)" }
            judgeAnnouncement(range, host, router)
            announce(range, host, router)
        case .runGate(let kind, let sequence, _):
            runGate(kind, sequence, host, router)
        case .handover(let outcome):
            note(host, router) { "the handover has ended: \(outcome.word)" }
            judge(outcome, host, router)
        case .cancelGate(let sequence):
            note(host, router) { "cancels gate \(sequence)" }
            seats[place].cancelGate(sequence)
            for index in gates.indices
            where gates[index].host == host && gates[index].router == router && gates[index].sequence == sequence
                && gates[index].generation == hosts[host].generation
            {
                gates[index].isCancelled = true
            }
        case .transition(let transition):
            note(host, router) { "\(transition.from.word) -> \(transition.to.word): \(transition.cause.word)" }
            judge(transition, host, router)
        case .releaseGateFailed(_, let leaving):
            // The operator's wish is taken back, as the supervisor learns from the report.
            guard !leaving, seats[place].isDisabled else { return }
            seats[place].wantsDisabled = false
            seats[place].isDisabled = false
        case .degraded(let missing):
            note(host, router) { missing.isEmpty ? "has everything again" : "goes without \(missing.count)" }
        case .peerDiffers, .unsteady, .verify, .ask, .addressClaimed, .settleRouting:
            break
        }
    }

    private mutating func sendAdvert(_ priority: UInt8, _ host: Int, _ router: Int) {
        let place = plan.seat(host, router)
        let segment = plan.routers[router].segment
        note(host, router) { "sends an advert of priority \(priority)" }
        guard let election = hosts[host].node.router(id(host, router)) else { return }
        judgeAdvert(priority, election, host, router)
        guard let source = election.standing.localAddress else { return }
        seats[place].lastAdvertTried = now
        seats[place].adverts += 1
        if priority > 0 { seats[place].lastSpoken = now }
        let awaitsSending = election.awaitsSending
        guard segments[segment].mute >> UInt8(host) & 1 == 0 else {
            noteFailedSending(election.isAdvertising, place)
            hosts[host].node.sendingEnded(id(host, router), failure: 1, at: clock(host), appendingTo: &actions)
            return
        }
        // Without carrier the kernel takes it all the same.
        if hosts[host].hasCarrier[segment] {
            seats[place].lastAdvertSent = now
            send(priority, election, from: source, host, router)
        }
        guard seats[place].isMute || awaitsSending else { return }
        seats[place].isMute = false
        if seats[place].muteSince >= 0 { seats[place].spokeAgain = now }
        seats[place].muteSince = -1
        if election.isAdvertising { seats[place].isSendDoubtful = false }
        hosts[host].node.sendingEnded(id(host, router), failure: nil, at: clock(host), appendingTo: &actions)
    }

    /// What the election says, to whom it says it.
    private mutating func send(
        _ priority: UInt8, _ election: VirtualRouter, from source: IPAddress, _ host: Int, _ router: Int
    ) {
        let segment = plan.routers[router].segment
        let (advert, twin) = election.adverts(priority: priority)
        var destinations: [IPAddress] = []
        election.configuration.forEachDestination(from: source) { destinations.append($0) }
        for advert in twin.map({ [advert, $0] }) ?? [advert] {
            var packet = Packet(
                payload: [], sender: host, router: router, segment: segment, sent: now, version: advert.version,
                priority: priority, interval: advert.interval.nanoseconds)
            for destination in destinations {
                advert.encode(into: &packet.payload, source: source, destination: destination)
                packet.destination =
                    (0..<plan.hosts).first { plan.source($0, segment, plan.routers[router].family) == destination }
                    ?? -1
                transmit(packet)
            }
        }
    }

    private mutating func claim(_ addresses: [InterfaceAddress], _ host: Int, _ router: Int) {
        let place = plan.seat(host, router)
        let isRefused = seats[place].refusesClaims
        note(host, router) { "claims \(addresses.count) address(es)\(isRefused ? ", which is refused" : "")" }
        judgeClaim(host, router)
        // The last one is refused, so that those before it are on the interface already.
        let last = seats[place].configuration?.addresses.last
        let refused = isRefused ? addresses.first { $0 == last } : nil
        for address in addresses where address != refused && !seats[place].held.contains(address) {
            seats[place].held.append(address)
        }
        seats[place].isDoubtful = refused != nil
        if refused == nil, seats[place].isDegraded {
            seats[place].isDegraded = false
            seats[place].owesPriority = seats[place].priority > 1 && !seats[place].isResuming
        }
        if refused == nil || seats[place].isDegraded, !seats[place].isResuming {
            seats[place].owes = addresses.filter { $0 != refused }
        }
        if let refused {
            let failure = ClaimFailure(address: refused, code: 22)
            hosts[host].node.claimed(id(host, router), failure: failure, at: clock(host), appendingTo: &actions)
            guard hosts[host].node.look(at: id(host, router), { $0.servesInPart }) ?? false else { return }
        }
        hosts[host].node.claimed(id(host, router), failure: nil, at: clock(host), appendingTo: &actions)
    }

    // MARK: - Gates

    private mutating func runGate(_ kind: GateKind, _ sequence: UInt32, _ host: Int, _ router: Int) {
        let place = plan.seat(host, router)
        judgeGate(kind, sequence, host, router)
        var time = random.within(0...plan.gateTime)
        var failure: CheckFailure?
        if seats[place].gatesHang {
            time = plan.gateTime
            failure = .timedOut
        } else if seats[place].gatesFail {
            failure = .exited(1)
        }
        note(host, router) { "runs \(kind == .claim ? "claim" : "release") gate \(sequence)" }
        gates.append(
            RunningGate(
                host: host, router: router, sequence: sequence, generation: hosts[host].generation, failure: failure,
                isLate: random.chance(250)))
        queue.add(.gate, at: now + time, index: gates.count - 1)
    }

    mutating func finishGate(_ index: Int) {
        let gate = gates[index]
        guard gate.generation == hosts[gate.host].generation, !gate.isCancelled || gate.isLate else { return }
        let failed = gate.failure != nil
        note(gate.host, gate.router) {
            "gate \(gate.sequence) \(failed ? "fails" : "passes")\(gate.isCancelled ? ", though cancelled" : "")"
        }
        order(gate.host, .gate(router: gate.router, sequence: gate.sequence, gate.failure))
    }

    // MARK: - Checks

    mutating func runCheck(_ check: Int, of host: Int) {
        queue.add(.check, at: now + plan.checks[check].period, host: host, index: check)
        guard hosts[host].isListening, hosts[host].pausedUntil <= now else { return }
        var verdict = Verdict.passing
        for index in plan.faults.indices where activeFaults[index] && plan.faults[index].host == host {
            let fault = plan.faults[index]
            if fault.kind == .checkHangs, fault.value == check { return }
            if fault.kind == .checkFails, fault.value == check { verdict = .failing(.exited(1)) }
        }
        if hosts[host].checks[check].verdict != verdict {
            note(host) { "check \(check + 1) \(verdict.failure == nil ? "passes" : "fails")" }
        }
        hosts[host].checks[check].verdict = verdict
        hosts[host].checks[check].judged = now
        order(host, .verdict(check, verdict))
    }
}
