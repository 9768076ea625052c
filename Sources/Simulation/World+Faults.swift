// What faults and operators do to a world. What lasts is derived anew from the faults that are active, never counted up and
// down, so that two of a kind may overlap.

import Election
import Wire

extension World {
    mutating func begin(_ fault: PlannedFault, _ index: Int) {
        note { "BEGINS: \(plan.words(fault))" }
        queue.add(.faultEnds, at: fault.end, index: index)
        change()
        let host = fault.host
        let place = plan.seat(host, fault.router)
        switch fault.kind {
        case .loss, .duplication, .slowness, .oneWayCut, .partition, .claimRefused, .gateFails, .gateHangs, .checkFails,
            .checkHangs, .muteness:
            break
        case .carrierLoss:
            order(host, .interface(fault.segment))
        case .pause:
            pause(host, until: fault.end)
        case .suspension:
            suspend(host, index)
        case .engineDeath, .agentDeath, .hostDeath, .stop, .supervisorDeath:
            takeDown(host, fault.kind, index)
        case .addressDeleted:
            // The third within 10 s ends a mastership, which is for the unit tests.
            let before = plan.faults[..<index].count {
                $0.kind == .addressDeleted && $0.host == host && $0.router == fault.router
            }
            guard before < 2, !seats[place].held.isEmpty else { return }
            let address = seats[place].held.remove(at: fault.value % seats[place].held.count)
            order(host, .addressLost(router: fault.router, address))
        case .disable:
            seats[place].wantsDisabled = true
            order(host, .disable(router: fault.router, true))
        case .handover:
            // With a hold, as `--for` asks for one, that comes first.
            if fault.value % 2 == 0 {
                seats[place].wantsHeld = true
                order(host, .hold(router: fault.router, true))
            }
            order(host, .handOver(router: fault.router))
        case .removal:
            guard seats[place].wanted != nil else { return }
            seats[place].taken = seats[place].wanted
            seats[place].takenBy = index
            seats[place].wanted = nil
            order(host, .remove(router: fault.router))
            if !hosts[host].isUp { seats[place].vanish() }
        case .priority, .interval, .addresses, .preempt:
            reload(fault, host)
        }
    }

    mutating func end(_ fault: PlannedFault, _ index: Int) {
        let host = fault.host
        switch fault.kind {
        case .engineDeath, .agentDeath, .hostDeath, .stop, .supervisorDeath:
            guard hosts[host].downBy == index else { return }
            if hosts[host].isUp || hosts[host].pausedUntil > now {
                // It has not stopped yet, or nobody runs who could start it.
                let later = max(now + max(plan.gateTime / 2, 1), hosts[host].pausedUntil + 1)
                queue.add(.faultEnds, at: later, index: index)
                return
            }
        case .removal:
            let place = plan.seat(host, fault.router)
            guard seats[place].takenBy == index else { return }
            if seats[place].configuration != nil || hosts[host].pausedUntil > now {
                // It is not forgotten yet.
                queue.add(.faultEnds, at: now + plan.interval, index: index)
                return
            }
        default:
            break
        }
        note { "ENDS: \(plan.words(fault))" }
        change()
        switch fault.kind {
        case .slowness:
            for segment in segments.indices { disturb(segment, until: now + plan.slowDelay) }
        case .carrierLoss:
            order(host, .interface(fault.segment))
        case .pause:
            guard hosts[host].pausedUntil <= now, hosts[host].isUp else { return }
            run(host)
            turn(host)
        case .suspension:
            resume(host, index)
        case .handover where fault.value % 2 == 0:
            seats[plan.seat(host, fault.router)].wantsHeld = false
            order(host, .hold(router: fault.router, false))
        case .removal:
            let place = plan.seat(host, fault.router)
            seats[place].wanted = seats[place].taken
            seats[place].taken = nil
            seats[place].takenBy = nil
            seats[place].lives += 1
            order(host, .configure(router: fault.router))
        case .engineDeath:
            start(host, .resumed)
        case .agentDeath, .hostDeath, .stop, .supervisorDeath:
            start(host, .cold)
        case .disable where fault.value % 10 < 7:
            seats[plan.seat(host, fault.router)].wantsDisabled = false
            order(host, .disable(router: fault.router, false))
        case .interval where plan.routers[fault.router].version == .v2:
            // In version 2 routers of different intervals do not hear each other: the others follow.
            for other in 0..<plan.hosts { reload(fault, other) }
        default:
            break
        }
    }

    /// Both processes stand still; the kernel does not.
    private mutating func pause(_ host: Int, until end: Int64) {
        if hosts[host].pausedUntil <= now || hosts[host].suspendedBy != nil, hosts[host].isUp {
            hosts[host].pausedSince = now
        }
        hosts[host].pausedUntil = max(hosts[host].pausedUntil, end)
        if hosts[host].isUp { idle(host) }
    }

    /// The machine stands still and its monotonic clock with it; what is sent to it is lost.
    private mutating func suspend(_ host: Int, _ index: Int) {
        // One that is paused stays so: what waits in its sockets would get another time.
        guard hosts[host].pausedUntil <= now else { return }
        hosts[host].pausedUntil = plan.faults[index].end
        hosts[host].suspendedBy = index
        hosts[host].suspendedSince = now
    }

    /// The engine's timer counts the suspension: what should have fired meanwhile fires at once, and so does its once-a-second
    /// work; what has not come yet fires when it would have.
    private mutating func resume(_ host: Int, _ index: Int) {
        guard hosts[host].suspendedBy == index else { return }
        let length = now - hosts[host].suspendedSince
        hosts[host].suspendedBy = nil
        hosts[host].suspendedFor += length
        hosts[host].offset -= length
        for check in plan.checks.indices where hosts[host].checks[check].expires < .max {
            hosts[host].checks[check].expires += length
        }
        for router in plan.routers.indices { seats[plan.seat(host, router)].shift(by: length) }
        if hosts[host].pausedSince >= 0 { hosts[host].pausedSince = now }
        guard hosts[host].isUp else { return }
        guard hosts[host].pausedUntil <= now else { return }
        run(host)
        if hosts[host].wake <= now || length >= 1_000_000_000 { turn(host) }
    }

    private mutating func takeDown(_ host: Int, _ kind: PlannedFault.Kind, _ index: Int) {
        guard hosts[host].isUp, !hosts[host].isStopping else { return }
        hosts[host].downBy = index
        switch kind {
        case .stop: order(host, .stop(withoutGates: false))
        case .supervisorDeath: order(host, .stop(withoutGates: true))
        default:
            stopEngine(host)
            guard kind != .engineDeath else { return }
            closeSockets(host)
            for router in plan.routers.indices where kind == .hostDeath {
                seats[plan.seat(host, router)].held.removeAll()
            }
        }
    }

    private mutating func reload(_ fault: PlannedFault, _ host: Int) {
        let place = plan.seat(host, fault.router)
        guard var new = seats[place].wanted ?? seats[place].taken else { return }
        let old = new
        switch fault.kind {
        case .priority:
            guard !new.isOwner else { return }
            new.priority = UInt8(fault.value)
        case .interval:
            new.advertisementInterval = .nanoseconds(plan.interval * Int64(fault.value))
        case .preempt:
            new.preempt.toggle()
        default:
            if fault.value % 2 == 0 || new.addresses.count == 1 {
                let last = plan.routers[fault.router].family == .ipv4 ? 100 + fault.router : 500
                new.addresses.append(Plan.address(last, of: fault.router, new.family))
                guard !old.addresses.contains(new.addresses[new.addresses.count - 1]) else { return }
            } else {
                new.addresses.removeLast()
            }
        }
        guard new != old else { return }
        guard seats[place].wanted != nil else {
            seats[place].taken = new
            return
        }
        seats[place].wanted = new
        order(host, .configure(router: fault.router))
    }

    /// Derives what lasts from the active faults, and lets all bounds begin anew.
    private mutating func change() {
        for segment in segments.indices {
            let disturbed = segments[segment].disturbed
            segments[segment] = Segment(hosts: plan.hosts)
            segments[segment].disturbed = max(disturbed, now)
            segments[segment].changed = now
        }
        for place in seats.indices {
            seats[place].refusesClaims = false
            seats[place].gatesFail = false
            seats[place].gatesHang = false
        }
        for router in matches.indices { matches[router].moves = 0 }
        for host in hosts.indices {
            for segment in segments.indices { hosts[host].hasCarrier[segment] = true }
        }
        for index in plan.faults.indices where activeFaults[index] { apply(plan.faults[index]) }
    }

    private mutating func apply(_ fault: PlannedFault) {
        let place = plan.seat(fault.host, fault.router)
        switch fault.kind {
        case .loss: segments[fault.segment].loss = 100 + fault.value % 700
        case .duplication: segments[fault.segment].duplication = 100 + fault.value % 500
        case .slowness: segments[fault.segment].isSlow = true
        case .oneWayCut:
            segments[fault.segment].blocked[fault.host] |= 1 << UInt8(fault.value)
            segments[fault.segment].isLopsided = true
        case .partition: divide(fault)
        case .carrierLoss: hosts[fault.host].hasCarrier[fault.segment] = false
        case .muteness:
            segments[fault.segment].mute |= 1 << UInt8(fault.host)
            segments[fault.segment].isLopsided = true
        case .claimRefused:
            for host in 0..<plan.hosts where host == fault.host || fault.concernsAllHosts {
                seats[plan.seat(host, fault.router)].refusesClaims = true
            }
        case .gateFails: seats[place].gatesFail = true
        case .gateHangs: seats[place].gatesHang = true
        case .pause, .suspension, .removal, .handover, .engineDeath, .agentDeath, .hostDeath, .stop, .supervisorDeath,
            .addressDeleted, .checkFails,
            .checkHangs, .priority, .disable, .interval, .addresses, .preempt:
            break
        }
    }

    private mutating func divide(_ fault: PlannedFault) {
        let segment = fault.segment
        let count = plan.hosts + 1
        for member in 0..<count where fault.value >> member & 1 == 1 {
            segments[segment].group[member] |= 1 << segments[segment].divisions
        }
        segments[segment].divisions += 1
        for from in 0..<plan.hosts {
            for to in 0..<count where segments[segment].group[from] != segments[segment].group[to] {
                segments[segment].blocked[from] |= 1 << UInt8(to)
            }
        }
    }
}
