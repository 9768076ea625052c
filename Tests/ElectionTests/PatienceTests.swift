// How long a backup waits: the start delay, the limit of an advertised interval, and versions 2 and 3 together.

import Testing
import Wire

@testable import Election

private let masterDown = Duration.nanoseconds(3_609_375_000)

private func delayed(_ priority: UInt8 = 100, _ delay: Duration = .seconds(5)) -> Bench {
    var configuration = Bench.configuration(priority: priority)
    configuration.startDelay = delay
    var bench = Bench(configuration)
    bench.start()
    return bench
}

@Suite struct StartDelayTests {
    @Test func `silence counts after it`() {
        var bench = delayed()
        #expect(bench.state == .backup && bench.untilDeadline == .seconds(5) + masterDown)
        let log = bench.run(for: .seconds(9))
        let move = log.first { if case .transition = $0.action { true } else { false } }
        #expect(move?.after == .seconds(5) + masterDown)
        #expect(delayed(100, .zero).untilDeadline == masterDown)
    }

    @Test(arguments: [50, 200] as [UInt8])
    func `any advert of this virtual router ends it`(_ priority: UInt8) {
        var bench = delayed()
        #expect(bench.router.delayedUntil == bench.now + .seconds(5))
        bench.now = bench.now + .seconds(1)
        bench.advert(priority)
        #expect(bench.router.delayedUntil == nil)
        #expect(bench.untilDeadline == masterDown)
        // Only the first one does.
        bench.now = bench.now + .seconds(1)
        bench.advert(50)
        #expect(bench.untilDeadline == masterDown - .seconds(1))
    }

    @Test func `a resignation ends it too, and only the skew time is left`() {
        var bench = delayed()
        bench.now = bench.now + .seconds(1)
        bench.advert(0)
        #expect(bench.untilDeadline == .nanoseconds(609_375_000))
    }

    @Test func `a reload of it counts for the delay that is being waited for`() {
        var bench = delayed(100, .seconds(3_600))
        bench.now = bench.now + .seconds(1)
        var configuration = bench.router.configuration
        configuration.startDelay = .seconds(5)
        bench.send(.reconfigured(configuration))
        #expect(bench.untilDeadline == .seconds(4) + masterDown)
        configuration.startDelay = .zero
        bench.send(.reconfigured(configuration))
        #expect(bench.untilDeadline == masterDown)
    }

    @Test func `a new engine does not begin it anew`() {
        var configuration = Bench.configuration()
        configuration.startDelay = .seconds(60)
        var bench = Bench(configuration)
        bench.router.restore(RouterSnapshot(router: RouterID(1), state: .backup))
        bench.start()
        #expect(bench.untilDeadline == masterDown)
    }

    @Test func `after its end an advert is like any other`() {
        var bench = delayed()
        bench.now = bench.now + .seconds(6)
        bench.advert(50)
        #expect(bench.untilDeadline == masterDown - .seconds(1))
    }

    @Test func `an owner waits for it and for nothing else`() {
        var bench = delayed(255)
        #expect(bench.state == .backup && bench.untilDeadline == .seconds(5))
        bench.wait(.milliseconds(4_999))
        #expect(bench.state == .backup)
        bench.wait(.milliseconds(1))
        #expect(bench.state == .master && bench.transitions.map(\.cause) == [.owner])
        var heard = delayed(255)
        heard.now = heard.now + .seconds(1)
        heard.advert(200)
        #expect(heard.untilDeadline == .zero)
        heard.wait(.zero)
        #expect(heard.state == .master)
        #expect(delayed(255, .zero).state == .master)
    }

    @Test func `the return of the link starts it again, the end of a check's fault does not`() {
        var bench = delayed()
        bench.now = bench.now + .seconds(60)
        bench.facts { $0.faults = [.noCarrier] }
        bench.now = bench.now + .seconds(60)
        bench.facts { $0.faults = [] }
        #expect(bench.untilDeadline == .seconds(5) + masterDown)
        bench.now = bench.now + .seconds(2)
        bench.facts { $0.faults = [.check(CheckID(1), .timedOut)] }
        bench.now = bench.now + .seconds(1)
        bench.facts { $0.faults = [] }
        #expect(bench.untilDeadline == .seconds(2) + masterDown, "the link is up for 3 s")
        bench.now = bench.now + .seconds(10)
        bench.facts { $0.faults = [.check(CheckID(1), .timedOut)] }
        bench.facts { $0.faults = [] }
        #expect(bench.untilDeadline == masterDown)
    }
}

@Suite struct IntervalLimitTests {
    @Test(arguments: [(10, 10), (1, 1), (4095, 40.95)] as [(UInt16, Double)])
    func `a longer interval is obeyed up to the limit`(_ limit: UInt16, _ seconds: Double) {
        var configuration = Bench.configuration()
        configuration.intervalLimit = limit
        var bench = Bench(configuration)
        bench.start()
        bench.advert(200, interval: .milliseconds(40_950))
        let obeyed = Duration.milliseconds(Int(seconds * 1000))
        #expect(bench.router.masterInterval == obeyed)
        #expect(bench.untilDeadline == obeyed * 3 + .nanoseconds(obeyed.nanoseconds * 156 / 256))
        let told = PeerDifference.interval(
            own: .seconds(1), peer: .milliseconds(40_950), limit: .seconds(Int(limit)))
        #expect(bench.actions.contains(.peerDiffers(Bench.greaterPeer, told)))
    }

    @Test func `a master at the default interval is obeyed whatever ours is`() {
        var configuration = Bench.configuration(interval: .milliseconds(10))
        configuration.intervalLimit = 1
        #expect(configuration.longestInterval == .seconds(1))
        configuration.alsoVersion2 = true
        #expect(configuration.longestInterval == .seconds(10))
    }

    @Test func `a shorter interval is obeyed whatever the limit is`() {
        var configuration = Bench.configuration()
        configuration.intervalLimit = 1
        var bench = Bench(configuration)
        bench.start()
        bench.advert(200, interval: .milliseconds(10))
        #expect(bench.router.masterInterval == .milliseconds(10))
    }
}

@Suite struct BothVersionsTests {
    private func both() -> Bench {
        var configuration = Bench.configuration()
        configuration.alsoVersion2 = true
        var bench = Bench(configuration)
        bench.start()
        return bench
    }

    private func hear(
        _ bench: inout Bench, _ version: ProtocolVersion, _ priority: UInt8, every interval: Duration = .seconds(1),
        from peer: IPAddress = Bench.greaterPeer
    ) {
        let advert = Advertisement(
            version: version, vrid: 10, priority: priority, addressCount: 1, interval: interval,
            checksumForm: .message, addressDigest: AddressDigest([Bench.vip.address]))
        bench.send(.advert(advert, from: peer, heardAt: bench.now))
    }

    @Test func `IO-05: a version 2 master of 3 s is waited for as one of 300 cs`() {
        var bench = both()
        hear(&bench, .v2, 200, every: .seconds(3))
        #expect(bench.untilDeadline == .seconds(9) + .nanoseconds(1_828_125_000))
        #expect(bench.router.counters[.intervalErrors] == 1)
    }

    @Test func `IO-06: the version 2 twin of a version 3 advert is ignored`() {
        var bench = both()
        hear(&bench, .v3, 200)
        bench.now = bench.now + .milliseconds(1)
        let before = bench.router.deadline
        hear(&bench, .v2, 200, every: .seconds(3))
        #expect(bench.router.deadline == before && bench.actions.isEmpty)
        #expect(bench.router.counters[.version2Twins] == 1 && bench.router.counters[.advertsReceived] == 2)
        // Somebody else's version 3 does not make it another's.
        hear(&bench, .v3, 50, from: Bench.lowerPeer)
        hear(&bench, .v2, 200, every: .seconds(3))
        #expect(bench.router.counters[.version2Twins] == 2 && bench.router.masterInterval == .seconds(1))
        bench.router.version3Heard.removeAll { $0.source == Bench.lowerPeer }
        bench.router.counters[.version2Twins] = 1
        // Another sender's is none.
        hear(&bench, .v2, 210, from: Bench.lowerPeer)
        #expect(bench.router.master == Bench.lowerPeer && bench.router.counters[.version2Twins] == 1)
    }

    @Test func `IO-06: a twin of priority 0 is ignored as well, the version 3 one counts`() {
        var bench = both()
        hear(&bench, .v3, 200)
        let before = bench.router.deadline
        hear(&bench, .v2, 0)
        #expect(bench.router.deadline == before && bench.router.counters[.priorityZeroReceived] == 0)
        hear(&bench, .v3, 0)
        #expect(bench.untilDeadline == .nanoseconds(609_375_000))
        #expect(bench.router.counters[.priorityZeroReceived] == 1)
    }

    @Test func `a master that stops sending version 3 is believed in version 2 after a master-down interval`() {
        var bench = both()
        hear(&bench, .v3, 200)
        for _ in 0..<5 {
            bench.now = bench.now + .seconds(1)
            hear(&bench, .v2, 200)
        }
        // 1, 2 and 3 s after it they are twins; then nothing else says that the master lives.
        #expect(bench.router.counters[.version2Twins] == 3)
        #expect(bench.untilDeadline == masterDown)
    }

    @Test func `a master has one advert to send; that it goes out twice is the engine's business`() {
        var bench = both()
        _ = bench.run(for: .seconds(4))
        #expect(bench.state == .master)
        bench.wait(.seconds(1))
        #expect(bench.sentPriorities == [100])
    }

    @Test func `a version 2 backup of higher priority preempts, and is yielded to`() {
        var bench = both()
        _ = bench.run(for: .seconds(4))
        hear(&bench, .v2, 200)
        #expect(bench.state == .resigning && bench.transitions.first?.to == .resigning)
        bench.wait(.milliseconds(50))
        #expect(bench.state == .backup)
    }

    @Test func `IO-01: without the key version 2 is dropped`() {
        var bench = NodeBench()
        bench.add(1)
        bench.receive(200, version: .v2)
        #expect(bench.counter(.versionErrors) == 1 && bench.counter(.advertsReceived) == 0)
        bench.add(1) { $0.alsoVersion2 = true }
        bench.receive(200, version: .v2)
        #expect(bench.counter(.versionErrors) == 1 && bench.counter(.advertsReceived) == 1)
    }

    @Test(arguments: [(10, 1), (990, 1), (1_000, 1), (2_500, 2), (40_950, 40)])
    func `IO-04: version 2 says whole seconds, at least one`(_ milliseconds: Int, _ seconds: Int) {
        let configuration = Bench.configuration(interval: .milliseconds(milliseconds))
        #expect(configuration.version2Interval == .seconds(seconds))
    }
}
