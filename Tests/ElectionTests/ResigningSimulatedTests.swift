// What simulated worlds have found in the rows of resigning, absence and muteness, each as a short story of its own.

import Testing
import Wire

@testable import Election

@Suite struct ResigningSimulatedTests {
    private static let second = InterfaceAddress(address: .ipv4(IPv4Address(192, 0, 2, 101)), prefixLength: 24)

    private func handedOver(_ configuration: VirtualRouterConfiguration = Bench.configuration()) -> Bench {
        var bench = Bench.master(configuration)
        bench.send(.handOver(patience: .zero))
        return bench
    }

    private func sleep(_ bench: inout Bench, _ span: Duration, suspended: Duration = .zero) {
        bench.now = bench.now + span - suspended
        bench.send(.wokeUp(absence: span, suspended: suspended))
    }

    @Test(arguments: [false, true])
    func `away for three intervals while it resigns: nothing is taken back, and it listens first`(_ suspended: Bool) {
        var bench = handedOver()
        sleep(&bench, .seconds(3), suspended: suspended ? .seconds(3) : .zero)
        #expect(bench.released && bench.sentPriorities.isEmpty && bench.state == .backup)
        #expect(bench.transitions.last?.cause == .handedOver)
        #expect(bench.actions.contains(.handover(.interrupted)))
        // An interval and the skew time of priority 100.
        #expect(bench.untilDeadline == .seconds(1) + .nanoseconds(609_375_000))
    }

    @Test func `away for less the queue is read before the end is judged`() {
        var bench = handedOver()
        sleep(&bench, .milliseconds(2_500))
        #expect(bench.actions.isEmpty && bench.state == .resigning)
        let advert = Advertisement(version: .v3, vrid: 10, priority: 90, addressCount: 1, interval: .seconds(1))
        bench.send(.advert(advert, from: Bench.greaterPeer, heardAt: bench.now - .seconds(1)))
        bench.send(.deadline)
        #expect(bench.released && bench.state == .backup)
        #expect(bench.sentPriorities.isEmpty)
    }

    @Test func `a short suspension ends no overlap that has not begun`() {
        var bench = handedOver()
        sleep(&bench, .milliseconds(500), suspended: .milliseconds(500))
        #expect(bench.actions.isEmpty && bench.state == .resigning)
        bench.advert(90)
        sleep(&bench, .milliseconds(500), suspended: .milliseconds(500))
        #expect(bench.released && bench.state == .backup)
    }

    @Test func `the last word of one that yields makes no successor`() {
        var bench = Bench.master()
        bench.facts { $0.isLeaving = true }
        // It had begun as master, heard us, and says priority 1.
        bench.advert(1)
        _ = bench.run(for: .milliseconds(100))
        #expect(bench.state == .resigning && bench.router.wantedAddresses == [Bench.vip])
        // The real one.
        bench.advert(90, from: Bench.lowerPeer)
        let log = bench.run(for: .milliseconds(50)).map(\.action)
        #expect(log.contains(.release([Bench.vip])) && bench.state == .initialize)
    }

    @Test func `a master of priority 1 says so twice`() {
        var bench = handedOver()
        bench.wait(.milliseconds(990))
        bench.advert(1)
        bench.wait(.seconds(1))
        #expect(bench.state == .resigning)
        bench.advert(1)
        bench.wait(.milliseconds(50))
        #expect(bench.released && bench.state == .backup)
        let isTaken = bench.actions.contains { action in
            if case .handover(.taken(by: Bench.greaterPeer, after: _, overlap: .milliseconds(50))) = action {
                true
            } else {
                false
            }
        }
        #expect(isTaken)
    }

    @Test func `a master of priority 1 with a longer interval has the time to say so twice`() {
        var bench = handedOver()
        bench.wait(.milliseconds(990))
        bench.advert(1, interval: .seconds(2))
        bench.wait(.seconds(2))
        #expect(bench.state == .resigning && bench.router.wantedAddresses == [Bench.vip])
        bench.advert(1, interval: .seconds(2))
        bench.wait(.milliseconds(50))
        #expect(bench.released && bench.state == .backup)
    }

    @Test func `silence counts from the successor's last advert, whoever else was heard`() {
        var bench = handedOver(Bench.configuration(interval: .milliseconds(100)))
        bench.advert(90)
        let heard = bench.now
        bench.now = bench.now + .milliseconds(40)
        bench.advert(0, from: Bench.lowerPeer)
        bench.wait(.milliseconds(10))
        #expect(bench.state == .backup)
        #expect(bench.router.deadline == heard + bench.router.masterDownInterval)
    }

    @Test func `an address that was deleted meanwhile is claimed when it stays master`() {
        var bench = handedOver(Bench.configuration(addresses: [Bench.vip, Self.second]))
        bench.send(.addressesLost([Self.second]))
        #expect(bench.actions.isEmpty)
        let log = bench.run(for: .milliseconds(1_250)).map(\.action)
        #expect(bench.state == .master && log.contains(.claim([Bench.vip, Self.second])))
    }

    @Test func `behind a gate a lower master ends the handover, even if it is preempted afterwards`() {
        var bench = Bench.master(Bench.configuration(gatesRelease: true))
        bench.send(.handOver(patience: .zero))
        bench.send(.gate(sequence: 1, failure: nil))
        #expect(bench.state == .backup)
        bench.wait(.milliseconds(700))
        bench.advert(90)
        let gap = HandoverOutcome.taken(
            by: Bench.greaterPeer, after: .milliseconds(700), overlap: .zero - .milliseconds(700))
        #expect(bench.actions == [.handover(gap)])
    }

    @Test
    func `an advert of a new priority is an advert: the master is not late four intervals after the one before it`() {
        var bench = Bench.master()
        bench.send(.deadline)
        bench.now = bench.now + .milliseconds(900)
        bench.facts { $0.effectivePriority = 120 }
        #expect(bench.sentPriorities == [120])
        // Not away for three intervals, and not silent for four.
        bench.now = bench.now + .milliseconds(3_900)
        bench.send(.wokeUp(absence: .milliseconds(2_900), suspended: .zero))
        #expect(bench.actions.isEmpty && bench.state == .master)
        bench.now = bench.now + .milliseconds(100)
        bench.send(.wokeUp(absence: .milliseconds(100), suspended: .zero))
        #expect(bench.released && bench.state == .backup)
    }
}
