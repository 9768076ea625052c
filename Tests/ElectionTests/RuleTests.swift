// The rules around the state machine: preempt delay, priorities at run time, faults, claims, last resort, resumption, reloads,
// checksum forms.

import Testing
import Wire

@testable import Election

@Suite struct PreemptDelayRules {
    @Test func `V3-CFG-09: a lower master is tolerated for the delay, then for one more master-down interval`() {
        var bench = Bench(Bench.configuration(preemptDelay: .seconds(2)))
        bench.start()
        let start = bench.now
        while bench.now - start < .seconds(20), bench.state == .backup {
            bench.advert(50)
            bench.wait(.milliseconds(250))
        }
        // The last obeyed advert is the one before 2 s have passed.
        #expect(bench.now - start >= .milliseconds(1_750) + .nanoseconds(3_609_375_000))
        #expect(bench.now - start <= .milliseconds(2_250) + .nanoseconds(3_609_375_000))
    }

    @Test func `V3-CFG-09: the delay never holds back a takeover from silence`() {
        var bench = Bench(Bench.configuration(preemptDelay: .seconds(3_600)))
        bench.start()
        bench.advert(50)
        bench.wait(.nanoseconds(3_609_375_000))
        #expect(bench.state == .master)
    }

    @Test func `a router that recovers from a fault begins its delay anew`() {
        var bench = Bench(Bench.configuration(preemptDelay: .seconds(2)))
        bench.start()
        bench.advert(50)
        bench.now = bench.now + .seconds(60)
        bench.facts { $0.faults = [.noCarrier] }
        bench.facts { $0.faults = [] }
        bench.now = bench.now + .seconds(1)
        bench.advert(50)
        #expect(bench.untilDeadline == .nanoseconds(3_609_375_000), "obeyed: the delay runs again")
    }
}

@Suite struct PriorityRules {
    @Test func `V3-CFG-10: a changed priority of a master is advertised at once`() {
        var bench = Bench.master()
        bench.facts { $0.effectivePriority = 40 }
        #expect(bench.actions == [.sendAdvert(priority: 40)])
        #expect(bench.state == .master)
    }

    @Test func `V3-CFG-10: a changed priority of a backup counts from the next timer start`() {
        var bench = Bench()
        bench.start()
        let deadline = bench.router.deadline
        bench.facts { $0.effectivePriority = 200 }
        #expect(bench.router.deadline == deadline)
        bench.advert(200)
        #expect(bench.untilDeadline == .nanoseconds(3_218_750_000))
    }

    @Test func `a master obeys priorities by its effective one`() {
        var bench = Bench.master()
        bench.facts { $0.effectivePriority = 40 }
        bench.advert(50)
        #expect(bench.state == .resigning)
    }

    @Test func `a last-resort check steps down, waits as priority 1 and serves when nobody else does`() {
        let reason = Contribution(check: CheckID(1), effect: .lastResort, failure: .timedOut)
        var bench = Bench.master()
        bench.facts {
            $0.lastResort = reason
            $0.effectivePriority = 1
        }
        #expect(bench.state == .resigning && bench.sentPriorities == [0] && !bench.released)
        #expect(bench.transitions.map(\.cause) == [.lastResort(CheckID(1), .timedOut)])
        let log = bench.run(for: .milliseconds(1_250)).map(\.action)
        #expect(bench.state == .master && !log.contains(.release([Bench.vip])), "better than nobody")
        #expect(log.contains(.sendAdvert(priority: 1)))
        // It stays when facts change that do not concern it, and comes back to full priority when the check recovers.
        bench.facts { $0.contributions = [reason] }
        #expect(bench.state == .master)
        bench.facts {
            $0.lastResort = nil
            $0.effectivePriority = 100
        }
        #expect(bench.sentPriorities == [100])
    }
}

@Suite struct FaultRules {
    @Test func `FSM-11: a fault of the interface releases and sends nothing, since nothing can be sent`() {
        for fault in [Fault.interfaceMissing, .interfaceDown, .noCarrier, .noSourceAddress, .socket(1)] {
            var bench = Bench.master()
            bench.facts { $0.faults = [fault] }
            #expect(bench.state == .fault)
            #expect(bench.sentPriorities.isEmpty && bench.released)
            #expect(bench.transitions.map(\.cause) == [.fault(fault)])
        }
    }

    @Test func `a fault of a check resigns, and leaves without a successor`() {
        var bench = Bench.master()
        bench.facts { $0.faults = [.check(CheckID(1), .exited(1))] }
        #expect(bench.sentPriorities == [0] && bench.state == .resigning)
        bench.finishResigning()
        #expect(bench.released && bench.state == .fault)
    }

    @Test func `of two faults one may go and the router stays in fault`() {
        let carrier = Fault.noCarrier
        let check = Fault.check(CheckID(1), .exited(1))
        var bench = Bench.master()
        bench.facts { $0.faults = [carrier] }
        bench.facts { $0.faults = [carrier, check] }
        bench.facts { $0.faults = [check] }
        #expect(bench.state == .fault && bench.actions.isEmpty)
        bench.facts { $0.faults = [] }
        #expect(bench.state == .backup)
        #expect(bench.transitions.map(\.cause) == [.recovered])
    }

    @Test func `in fault adverts are ignored`() {
        var bench = Bench.master()
        bench.facts { $0.faults = [.noCarrier] }
        bench.advert(0)
        #expect(bench.actions.isEmpty)
    }

    @Test func `promise 2: a refused address is never reported as master; the router resigns and tries again later`() {
        var bench = Bench()
        bench.claims = .fail
        bench.start()
        bench.wait(.nanoseconds(3_609_375_000))
        #expect(bench.state == .fault)
        #expect(bench.transitions.map(\.to) == [.fault])
        #expect(bench.sentPriorities == [100, 0] && bench.released && bench.announced.isEmpty)
        // The pause doubles: 1 s, 2 s, ... and ends with a success.
        #expect(bench.untilDeadline == .seconds(1))
        bench.wait(.seconds(1))
        #expect(bench.state == .backup)
        bench.wait(.nanoseconds(3_609_375_000))
        #expect(bench.untilDeadline == .seconds(2))
        bench.claims = .succeed
        bench.wait(.seconds(2))
        bench.wait(.nanoseconds(3_609_375_000))
        #expect(bench.state == .master)
    }

    @Test func `a host that could not claim leaves a lower master alone until a claim succeeds`() {
        var bench = Bench()
        bench.claims = .fail
        bench.start()
        bench.advert(50)
        bench.wait(.nanoseconds(3_609_375_000))
        #expect(bench.state == .fault)
        bench.claims = .succeed
        bench.wait(.seconds(1))
        for _ in 0..<10 {
            bench.advert(50)
            bench.wait(.seconds(1))
        }
        #expect(bench.state == .backup, "it could preempt, but robbed the other of the address for nothing before")
        _ = bench.run(for: .seconds(5))
        #expect(bench.state == .master)
        bench.advert(200)
        for _ in 0..<5 {
            bench.advert(50)
            bench.wait(.seconds(1))
        }
        #expect(bench.state == .master, "and now it preempts again")
    }

    @Test func `a master whose claim is under way is not yet reported as master but advertises`() {
        var bench = Bench()
        bench.claims = .stay
        bench.start()
        bench.wait(.nanoseconds(3_609_375_000))
        #expect(bench.state == .backup && bench.router.isAdvertising)
        bench.wait(.seconds(1))
        #expect(bench.sentPriorities == [100])
        bench.send(.claimed)
        #expect(bench.state == .master && bench.announced == [0..<1])
    }

    @Test func `promise 8: an address that somebody deleted is put back and announced`() {
        var bench = Bench.master()
        bench.send(.addressesLost([Bench.vip]))
        #expect(bench.actions == [.claim([Bench.vip]), .announce(0..<1)])
        #expect(bench.state == .master)
    }
}

@Suite struct OperatorRules {
    @Test func `a disabled router resigns and stays out until it is enabled`() {
        var bench = Bench.master()
        bench.facts { $0.isDisabled = true }
        #expect(bench.state == .resigning && bench.sentPriorities == [0])
        bench.finishResigning()
        #expect(bench.state == .disabled && bench.released)
        bench.facts { $0.faults = [.noCarrier] }
        #expect(bench.state == .disabled)
        bench.facts { $0.faults = [] }
        bench.facts { $0.isDisabled = false }
        #expect(bench.state == .backup)
        #expect(bench.transitions.map(\.cause) == [.enabled])
    }
}

@Suite struct ReloadRules {
    @Test func `an added address is claimed and announced without a transition`() {
        var bench = Bench.master()
        let second = InterfaceAddress(address: .ipv4(IPv4Address(192, 0, 2, 101)), prefixLength: 24)
        let deadline = bench.router.deadline
        bench.send(.reconfigured(Bench.configuration(addresses: [Bench.vip, second])))
        #expect(bench.actions == [.sendAdvert(priority: 100), .claim([second]), .announce(0..<2)])
        #expect(bench.state == .master)
        let advert = bench.run(for: .seconds(1)).first { $0.action == .sendAdvert(priority: 100) }
        #expect(advert.map { bench.now - .seconds(1) + $0.after } == deadline)
    }

    @Test func `a removed address is released, the others stay`() {
        let second = InterfaceAddress(address: .ipv4(IPv4Address(192, 0, 2, 101)), prefixLength: 24)
        var bench = Bench.master(Bench.configuration(addresses: [Bench.vip, second]))
        bench.send(.reconfigured(Bench.configuration(addresses: [second])))
        #expect(bench.actions == [.sendAdvert(priority: 100), .release([Bench.vip])])
    }

    @Test func `FSM-13: the same configuration again does nothing at all`() {
        var bench = Bench.master()
        let before = bench.router
        bench.send(.reconfigured(Bench.configuration()))
        #expect(bench.actions.isEmpty && bench.router == before)
    }

    @Test func `a shorter interval takes effect at once`() {
        var bench = Bench.master()
        bench.send(.reconfigured(Bench.configuration(interval: .milliseconds(100))))
        #expect(bench.untilDeadline == .milliseconds(100))
    }
}

@Suite struct ResumptionRules {
    @Test func `a resumed master claims, announces nothing, and advertises with the first deadline`() {
        var bench = Bench()
        bench.router.standing = bench.standing
        bench.send(.resumeMaster)
        #expect(bench.state == .master)
        #expect(bench.sentPriorities.isEmpty && bench.announced.isEmpty)
        #expect(bench.transitions.map(\.cause) == [.resumed])
        #expect(bench.untilDeadline == .zero)
        bench.wait(.zero)
        #expect(bench.sentPriorities == [100])
    }

    @Test func `a resumed master that finds a higher advert in its queue yields before it sends`() {
        var bench = Bench()
        bench.router.standing = bench.standing
        bench.send(.resumeMaster)
        bench.advert(200)
        #expect(bench.state == .resigning && bench.sentPriorities == [1])
    }

    @Test func `a router in fault does not resume`() {
        var bench = Bench()
        bench.router.standing = bench.standing
        bench.router.standing.faults = [.noCarrier]
        bench.send(.resumeMaster)
        #expect(bench.actions.isEmpty && bench.state == .initialize)
    }
}

@Suite struct ChecksumRules {
    @Test func `the form that peers send is followed, but changes at most once in 10 s`() {
        var bench = Bench()
        bench.start()
        #expect(bench.router.checksumForm == .message)
        bench.advert(200, form: .pseudoHeader)
        #expect(bench.router.checksumForm == .pseudoHeader)
        bench.advert(200, form: .message)
        #expect(bench.router.checksumForm == .pseudoHeader)
        bench.now = bench.now + .seconds(10)
        bench.advert(200, form: .message)
        #expect(bench.router.checksumForm == .message)
    }

    @Test func `a forced form is sent, and both are believed`() {
        var configuration = Bench.configuration()
        configuration.checksum = .message
        var bench = Bench(configuration)
        bench.start()
        bench.advert(200, form: .pseudoHeader)
        #expect(bench.router.checksumForm == .message)
        #expect(bench.router.receptionRules.checksum == .either, "a master that is not believed makes two")
    }
}

@Suite struct NamingRules {
    @Test func `V3-RX-15 and V3-RX-16: another interval or list is counted, named and accepted`() {
        var bench = Bench()
        bench.start()
        bench.advert(200, interval: .milliseconds(500), addresses: [Bench.me])
        let difference = PeerDifference.interval(own: .seconds(1), peer: .milliseconds(500), limit: .seconds(10))
        #expect(bench.actions == [.peerDiffers(Bench.greaterPeer, difference)])
        #expect(bench.router.counters[.intervalErrors] == 1)
        #expect(bench.router.counters[.addressListErrors] == 1)
        #expect(bench.router.master == Bench.greaterPeer)
    }

    @Test func `FSM-14: an owner that hears an advert names it and goes on`() {
        var bench = Bench.master(Bench.configuration(priority: 255))
        bench.advert(100)
        #expect(bench.actions.contains(.peerDiffers(Bench.greaterPeer, .ownerHears(priority: 100))))
        #expect(bench.state == .master)
    }

    @Test func `FSM-12: priority 0 counts from whomever it comes, and apart if not from the master`() {
        var bench = Bench()
        bench.start()
        bench.advert(200, from: Bench.greaterPeer)
        bench.advert(0, from: Bench.greaterPeer)
        #expect(bench.router.counters[.priorityZeroFromOther] == 0)
        bench.advert(0, from: Bench.lowerPeer)
        #expect(bench.router.counters[.priorityZeroFromOther] == 1)
        #expect(bench.router.counters[.priorityZeroReceived] == 2)
        #expect(bench.untilDeadline == .nanoseconds(609_375_000))
    }

    @Test func `V3-TM-05: at any time one of the two timers runs, or none`() {
        var random = SystemRandomNumberGenerator()
        var bench = Bench()
        for _ in 0..<20_000 {
            switch Int.random(in: 0..<8, using: &random) {
            case 0: bench.facts { $0.faults = $0.faults.isEmpty ? [.noCarrier] : [] }
            case 1: bench.advert(.random(in: 0...255, using: &random), from: Bench.lowerPeer)
            case 2: bench.advert(.random(in: 0...255, using: &random))
            case 3: bench.facts { $0.isDisabled.toggle() }
            default: bench.wait(.milliseconds(.random(in: 0...2_000, using: &random)))
            }
            switch bench.state {
            case .backup, .master: #expect(bench.router.deadline != nil)
            case .resigning: #expect(bench.router.deadline != nil)
            case .initialize, .disabled, .fault: #expect(bench.router.deadline == nil)
            }
            #expect(bench.router.isAdvertising == (bench.state == .master), "V3-TX-02")
            let maySend = bench.state == .master || bench.state == .resigning || bench.released
            #expect(bench.sentPriorities.isEmpty || maySend)
        }
    }
}
