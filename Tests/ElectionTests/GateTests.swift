// Gates: what has to pass before a claim, and before a planned move; what goes on meanwhile, and what ends one.

import Testing
import Wire

@testable import Election

@Suite struct GateRules {
    private let silent = Cause.masterSilent(master: nil, silence: nil, late: .zero)

    @Test func `the claim gate runs before advert and claim`() {
        var bench = Bench(Bench.configuration(gatesClaim: true))
        bench.start()
        bench.wait(.nanoseconds(3_609_375_000))
        #expect(bench.actions == [.runGate(.claim, sequence: 1, cause: silent)])
        #expect(bench.state == .backup && bench.router.deadline == nil)
        bench.send(.gate(sequence: 1, failure: nil))
        #expect(bench.actions.prefix(2) == [.sendAdvert(priority: 100), .claim([Bench.vip])])
        #expect(bench.state == .master)
    }

    @Test func `a failed claim gate is a fault, and is tried again after a pause`() {
        var bench = Bench(Bench.configuration(gatesClaim: true))
        bench.start()
        bench.wait(.nanoseconds(3_609_375_000))
        bench.send(.gate(sequence: 1, failure: .timedOut))
        #expect(bench.state == .fault)
        #expect(bench.transitions.map(\.cause) == [.fault(.gate(.timedOut))])
        #expect(bench.sentPriorities.isEmpty)
        bench.wait(.seconds(1))
        #expect(bench.state == .backup)
    }

    @Test func `a master that appears while the gate runs ends it, and its result is ignored`() {
        var bench = Bench(Bench.configuration(gatesClaim: true))
        bench.start()
        bench.wait(.nanoseconds(3_609_375_000))
        bench.advert(200)
        #expect(bench.actions.contains(.cancelGate(sequence: 1)))
        bench.send(.gate(sequence: 1, failure: nil))
        #expect(bench.actions.isEmpty && bench.state == .backup)
    }

    @Test func `an owner with a gate waits for it`() {
        var bench = Bench(Bench.configuration(priority: 255, gatesClaim: true))
        bench.start()
        #expect(bench.actions.contains(.runGate(.claim, sequence: 1, cause: .owner)))
        #expect(bench.sentPriorities.isEmpty)
    }

    @Test func `a planned move waits for the release gate and goes on advertising`() {
        var bench = Bench.master(Bench.configuration(gatesRelease: true))
        bench.facts { $0.isLeaving = true }
        #expect(bench.actions == [.runGate(.release, sequence: 1, cause: .stopped)])
        bench.wait(.milliseconds(500))
        #expect(bench.sentPriorities == [100] && bench.state == .master)
        bench.send(.gate(sequence: 1, failure: nil))
        #expect(bench.actions.prefix(2) == [.sendAdvert(priority: 0), .release([Bench.vip])])
        #expect(bench.state == .initialize)
    }

    @Test func `a failed release gate keeps a router that was to be disabled, and does not keep one that stops`() {
        var bench = Bench.master(Bench.configuration(gatesRelease: true))
        bench.facts { $0.isDisabled = true }
        bench.send(.gate(sequence: 1, failure: .exited(1)))
        #expect(bench.actions == [.releaseGateFailed(.exited(1), leaving: false)])
        #expect(bench.state == .master)

        bench = Bench.master(Bench.configuration(gatesRelease: true))
        bench.facts { $0.isLeaving = true }
        bench.send(.gate(sequence: 1, failure: .exited(1)))
        #expect(bench.actions.first == .releaseGateFailed(.exited(1), leaving: true))
        #expect(bench.state == .initialize)
    }

    @Test func `a check that fails, or goes with its router, does not cut a release gate short`() {
        var bench = Bench.master(Bench.configuration(gatesRelease: true))
        bench.facts { $0.isLeaving = true }
        bench.facts { $0.faults = [.check(CheckID(1), .stale)] }
        #expect(bench.actions.isEmpty && bench.state == .master)
        bench.send(.gate(sequence: 1, failure: nil))
        #expect(bench.state == .initialize)
    }

    @Test func `a handover's release gate goes on when the priority changes, and ends with a last-resort check`() {
        var bench = Bench.master(Bench.configuration(gatesRelease: true))
        bench.send(.handOver(patience: .zero))
        #expect(bench.actions == [.runGate(.release, sequence: 1, cause: .handedOver)])
        #expect(bench.router.awaitedGate?.cause == .handedOver)
        bench.facts { $0.effectivePriority = 90 }
        #expect(bench.actions == [.sendAdvert(priority: 90)])
        bench.send(.gate(sequence: 1, failure: nil))
        #expect(bench.released && bench.state == .backup && bench.transitions.map(\.cause) == [.handedOver])

        bench = Bench.master(Bench.configuration(gatesRelease: true))
        bench.send(.handOver(patience: .zero))
        bench.facts { $0.lastResort = Contribution(check: CheckID(1), effect: .lastResort, failure: .stale) }
        #expect(bench.actions.prefix(2) == [.cancelGate(sequence: 1), .handover(.interrupted)])
        #expect(bench.released && bench.state == .backup)
    }

    @Test func `a fault of the interface does not wait for a release gate`() {
        var bench = Bench.master(Bench.configuration(gatesRelease: true))
        bench.facts { $0.isLeaving = true }
        bench.facts { $0.faults = [.noCarrier] }
        #expect(bench.actions.contains(.cancelGate(sequence: 1)))
        #expect(bench.released && bench.state == .initialize)
    }

    @Test func `a higher priority does not wait for a release gate`() {
        var bench = Bench.master(Bench.configuration(gatesRelease: true))
        bench.facts { $0.isLeaving = true }
        bench.advert(200)
        #expect(bench.actions.contains(.cancelGate(sequence: 1)) && bench.released)
        #expect(bench.state == .initialize)
    }
}
