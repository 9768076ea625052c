// One test per row of RFC 9568 §6.4, named by the checklist's row.

import Testing
import Wire

@testable import Election

@Suite struct InitializeRows {
    @Test func `FSM-I-1: the owner starts as master with advert, addresses, announcement`() {
        var bench = Bench(Bench.configuration(priority: 255, preempt: false))
        bench.start()
        #expect(bench.state == .master)
        let order = bench.actions.filter { if case .transition = $0 { false } else { true } }
        #expect(order == [.sendAdvert(priority: 255), .claim([Bench.vip]), .announce(0..<1)])
        #expect(bench.transitions.last?.cause == .owner)
        #expect(bench.untilDeadline == .milliseconds(100), "the second round comes before the next advert")
    }

    @Test func `FSM-I-2: anybody else starts as backup for a master-down interval`() {
        var bench = Bench()
        bench.start()
        #expect(bench.state == .backup)
        #expect(bench.untilDeadline == .nanoseconds(3_609_375_000))
        #expect(bench.sentPriorities.isEmpty)
    }

    @Test func `FSM-I-3: in initialize adverts and deadlines are ignored`() {
        var bench = Bench()
        bench.advert(0)
        #expect(bench.actions.isEmpty)
        bench.wait(.seconds(100))
        #expect(bench.actions.isEmpty && bench.state == .initialize)
    }

    @Test func `FSM-I-4: leaving initialize on shutdown sends nothing`() {
        var bench = Bench()
        bench.facts { $0.isLeaving = true }
        #expect(bench.actions.isEmpty && bench.state == .initialize)
    }
}

@Suite struct BackupRows {
    private func backup(_ configuration: VirtualRouterConfiguration = Bench.configuration()) -> Bench {
        var bench = Bench(configuration)
        bench.start()
        return bench
    }

    @Test func `FSM-B-1: shutdown of a backup sends nothing`() {
        var bench = backup()
        bench.facts { $0.isLeaving = true }
        #expect(bench.state == .initialize)
        #expect(bench.sentPriorities.isEmpty && bench.router.deadline == nil)
    }

    @Test func `FSM-B-2: after the master-down interval advert, claim, announcement, report in this order`() {
        var bench = backup()
        bench.wait(.nanoseconds(3_609_374_999))
        #expect(bench.state == .backup)
        bench.wait(.nanoseconds(1))
        #expect(bench.state == .master)
        #expect(bench.actions.prefix(3) == [.sendAdvert(priority: 100), .claim([Bench.vip]), .announce(0..<1)])
        #expect(bench.transitions.map(\.cause) == [.masterSilent(master: nil, silence: nil, late: .zero)])
    }

    @Test func `FSM-B-3: priority 0 leaves only the skew time and teaches no interval`() {
        var bench = backup()
        bench.advert(0, interval: .milliseconds(500))
        #expect(bench.untilDeadline == .nanoseconds(609_375_000))
        #expect(bench.router.masterInterval == .seconds(1))
        bench.wait(.nanoseconds(609_375_000))
        #expect(bench.transitions.map(\.cause) == [.masterResigned(Bench.greaterPeer)])
    }

    @Test func `FSM-B-4: without preemption a lower advert is obeyed and its interval learned`() {
        var bench = backup(Bench.configuration(preempt: false))
        bench.advert(50, interval: .milliseconds(500))
        #expect(bench.router.masterInterval == .milliseconds(500))
        #expect(bench.untilDeadline == .nanoseconds(1_500_000_000 + 304_687_500))
    }

    @Test(arguments: [UInt8(100), 101, 254, 255])
    func `FSM-B-5: an advert of equal or higher priority is obeyed and its interval learned`(_ priority: UInt8) {
        var bench = backup()
        bench.now = bench.now + .seconds(3)
        bench.advert(priority, from: Bench.lowerPeer, interval: .milliseconds(500))
        #expect(bench.untilDeadline == .nanoseconds(1_500_000_000 + 304_687_500))
        // V3-CH-07: the skew is recomputed too.
        bench.advert(0)
        #expect(bench.untilDeadline == .nanoseconds(304_687_500))
    }

    @Test func `FSM-B-6: with preemption a lower advert changes no timer and teaches nothing`() {
        var bench = backup()
        bench.now = bench.now + .seconds(1)
        bench.advert(99, interval: .milliseconds(500))
        #expect(bench.untilDeadline == .nanoseconds(2_609_375_000))
        #expect(bench.router.masterInterval == .seconds(1))
        #expect(bench.router.counters[.lowerPriorityDiscarded] == 1)
        #expect(bench.actions.allSatisfy { if case .peerDiffers = $0 { true } else { false } })
    }

    @Test func `FSM-08: preemption waits for the whole master-down interval since the start`() {
        var bench = backup()
        for _ in 0..<3 {
            bench.wait(.seconds(1))
            bench.advert(50)
            #expect(bench.state == .backup)
        }
        bench.wait(.nanoseconds(609_375_000))
        #expect(bench.state == .master)
        #expect(bench.transitions.map(\.cause) == [.preemptedLower(Bench.greaterPeer, priority: 50)])
    }

    @Test func `FSM-15: an owner in backup discards lower adverts even without preemption`() {
        var bench = Bench.master(Bench.configuration(priority: 255, preempt: false))
        bench.advert(255, from: Bench.greaterPeer)
        bench.wait(.milliseconds(50))
        #expect(bench.state == .backup)
        let deadline = bench.router.deadline
        bench.advert(100)
        #expect(bench.router.deadline == deadline)
    }

    @Test func `V2-05: version 2 learns no interval and V2-04 its skew is a part of a second`() {
        var bench = backup(Bench.configuration(version: .v2, interval: .seconds(3)))
        bench.advert(200, interval: .seconds(3))
        #expect(bench.untilDeadline == .nanoseconds(9_609_375_000))
    }

    @Test func `a takeover from silence names the master, how long it was silent and how late we are`() {
        var bench = backup()
        bench.advert(200)
        bench.wait(.nanoseconds(3_609_375_000) + .milliseconds(2))
        let expected = Cause.masterSilent(
            master: Bench.greaterPeer, silence: .nanoseconds(3_611_375_000), late: .milliseconds(2))
        #expect(bench.transitions.map(\.cause) == [expected])
    }

    @Test func `timers run from when the kernel heard the advert, not from when we read it`() {
        var bench = backup()
        let heard = bench.now
        bench.now = bench.now + .milliseconds(300)
        let advert = Advertisement(version: .v3, vrid: 10, priority: 200, addressCount: 1, interval: .seconds(1))
        bench.send(.advert(advert, from: Bench.greaterPeer, heardAt: heard))
        #expect(bench.router.deadline == heard + .nanoseconds(3_609_375_000))
    }
}

@Suite struct MasterRows {
    @Test func `FSM-A-1: shutdown sends priority 0, then the addresses go`() {
        var bench = Bench.master()
        bench.facts { $0.isLeaving = true }
        #expect(bench.sentPriorities == [0] && bench.state == .resigning && !bench.released)
        #expect(bench.transitions.map(\.cause) == [.stopped])
        bench.finishResigning()
        #expect(bench.released && bench.sentPriorities == [0, 0])
        #expect(bench.state == .initialize && bench.router.deadline == nil)
        #expect(bench.transitions.map(\.cause) == [.stopped])
        #expect(bench.router.counters[.priorityZeroSent] == 3)
    }

    @Test func `FSM-A-2: an advert every interval, without drift`() {
        var bench = Bench.master()
        let first = bench.router.deadline
        bench.wait(.milliseconds(500) + .milliseconds(3))
        #expect(bench.sentPriorities == [100])
        #expect(bench.router.deadline == first.map { $0 + .seconds(1) }, "due at start + n × interval")
    }

    @Test func `FSM-A-2: after a long delay one advert goes out, not a burst, and the next in the old rhythm`() {
        var bench = Bench.master()
        bench.wait(.milliseconds(3_000))
        #expect(bench.sentPriorities == [100])
        #expect(bench.untilDeadline == .milliseconds(500), "start + n × interval")
    }

    @Test func `FSM-A-3: priority 0 is answered at once and the timer restarts`() {
        var bench = Bench.master()
        bench.advert(0)
        #expect(bench.sentPriorities == [100])
        #expect(bench.state == .master)
        // Announcements come in between.
        let log = bench.run(for: .milliseconds(1_999))
        #expect(log.filter { $0.action == .sendAdvert(priority: 100) }.map(\.after) == [.seconds(1)])
    }

    @Test(arguments: [true, false])
    func `FSM-A-4 and FSM-02: a higher priority wins whether preemption is on or not`(_ preempt: Bool) {
        var bench = Bench.master(Bench.configuration(preempt: preempt))
        bench.advert(101, from: Bench.lowerPeer, interval: .milliseconds(500))
        #expect(bench.state == .resigning)
        #expect(bench.router.masterInterval == .milliseconds(500))
        #expect(bench.transitions.map(\.cause) == [.higherPriority(Bench.lowerPeer, priority: 101)])
        bench.wait(.milliseconds(50))
        #expect(bench.state == .backup)
        #expect(bench.untilDeadline == .nanoseconds(1_804_687_500) - .milliseconds(50), "from when it was heard")
        #expect(bench.transitions.map(\.cause) == [.higherPriority(Bench.lowerPeer, priority: 101)])
        #expect(bench.released)
    }

    /// The sockets outlive the engine; the next one finds in them what came while there was none.
    @Test(arguments: [ProtocolVersion.v2, .v3])
    func `a better advert of somebody who has been silent since for a master-down interval ends nothing`(
        _ version: ProtocolVersion
    ) {
        var bench = Bench.master(Bench.configuration(version: version))
        let wait = bench.router.masterDownInterval
        bench.advert(200, heardAt: bench.now - wait)
        #expect(bench.state == .master && bench.actions == [])
        bench.advert(200, heardAt: bench.now - wait + .nanoseconds(1))
        #expect(bench.state == .resigning)
    }

    @Test func `a master that yields sends one last advert that cannot win before its addresses go`() {
        var bench = Bench.master()
        bench.advert(101)
        #expect(bench.sentPriorities == [1] && !bench.released)
        bench.announcement(Bench.vip.address)
        #expect(bench.sentPriorities == [] && bench.released && bench.state == .backup)
    }

    @Test func `FSM-A-5: equal priority and a greater address wins`() {
        var bench = Bench.master()
        bench.advert(100, from: Bench.greaterPeer)
        #expect(bench.state == .resigning)
        #expect(bench.transitions.map(\.cause) == [.greaterAddress(Bench.greaterPeer, priority: 100)])
    }

    @Test(arguments: [(99, Bench.greaterPeer), (100, Bench.lowerPeer), (100, Bench.me)] as [(UInt8, IPAddress)])
    func `FSM-A-6 and FSM-04: a lower advert is answered at once, the timer keeps running`(
        _ priority: UInt8, _ peer: IPAddress
    ) {
        var bench = Bench.master()
        bench.advert(priority, from: peer)
        #expect(bench.state == .master)
        #expect(bench.sentPriorities == [100])
        // The new announcement rounds come first; the advert stays where it was.
        let log = bench.run(for: .milliseconds(500))
        #expect(log.filter { $0.action == .sendAdvert(priority: 100) }.map(\.after) == [.milliseconds(500)])
    }

    @Test func `V2-07: version 2 only discards a lower advert, and still announces again`() {
        var bench = Bench.master(Bench.configuration(version: .v2))
        bench.advert(99)
        #expect(bench.sentPriorities.isEmpty)
        #expect(bench.announced == [0..<1])
    }

    @Test func `FSM-06: a thousand lower adverts in a second get at most four adverts`() {
        var bench = Bench.master()
        var sent = 0
        for _ in 0..<1_000 {
            bench.advert(50)
            sent += bench.sentPriorities.count
            bench.wait(.milliseconds(1))
            sent += bench.sentPriorities.count
        }
        #expect(sent <= 4)
        #expect(bench.router.counters[.assertAdvertsSent] == 3)
        #expect(bench.router.counters[.assertAdvertsSuppressed] == 997)
    }

    @Test func `FSM-07: the master announces again after a lower advert, at most once a second`() {
        var bench = Bench.master()
        var rounds = 0
        for _ in 0..<90 {
            bench.advert(50)
            rounds += bench.announced.count
            bench.now = bench.now + .milliseconds(10)
        }
        #expect(rounds == 1)
        bench.now = bench.now + .milliseconds(200)
        bench.advert(50)
        #expect(bench.announced == [0..<1])
    }

    @Test func `V3-TX-03: the own interval is advertised after another one was learned`() {
        var bench = Bench()
        bench.start()
        bench.advert(200, interval: .milliseconds(500))
        _ = bench.run(for: .seconds(5))
        #expect(bench.state == .master)
        bench.actions = []
        let next = bench.run(for: .seconds(2)).filter { $0.action == .sendAdvert(priority: 100) }
        #expect(next.count == 2, "one per own interval, not per learned one")
    }

    @Test func `two owners are decided by their addresses and named`() {
        var bench = Bench.master(Bench.configuration(priority: 255))
        bench.advert(255, from: Bench.lowerPeer)
        #expect(bench.state == .master)
        #expect(bench.actions.contains(.peerDiffers(Bench.lowerPeer, .bothOwner)))
        bench.advert(255, from: Bench.greaterPeer)
        #expect(bench.state == .resigning)
    }
}
