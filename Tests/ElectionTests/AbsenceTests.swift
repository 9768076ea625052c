// Late is not dead, and who cannot be heard is no master (promise 5).

import Testing
import Wire

@testable import Election

@Suite struct LateRows {
    private func asleep(_ bench: inout Bench, _ span: Duration, suspended: Bool = false) {
        // The monotonic clock stands still while the machine is suspended.
        if !suspended { bench.now = bench.now + span }
        bench.send(.wokeUp(absence: span, suspended: suspended ? span : .zero))
    }

    @Test(arguments: [true, false])
    func `a master away for three intervals releases before it does anything else`(_ suspended: Bool) {
        var bench = Bench.master()  // Its last advert was half an interval ago.
        asleep(&bench, .seconds(3), suspended: suspended)
        #expect(bench.actions.first == .release([Bench.vip]))
        #expect(bench.sentPriorities.isEmpty && bench.announced.isEmpty && bench.state == .backup)
        #expect(bench.transitions.map(\.cause) == [.late(.milliseconds(3_500))])
        #expect(bench.router.counters[.lateWakeUps] == 1)
    }

    @Test func `a master away for less goes on`() {
        var bench = Bench.master()
        asleep(&bench, .nanoseconds(2_999_999_999))
        #expect(bench.actions.isEmpty && bench.state == .master)
        bench.wait(.zero)
        #expect(bench.sentPriorities == [100])
    }

    @Test func `four intervals since its last advert are too long, however they came about`() {
        var bench = Bench.master()
        bench.now = bench.now + .milliseconds(3_500)
        bench.send(.deadline)
        #expect(bench.released && bench.sentPriorities.isEmpty && bench.state == .backup)
        var woken = Bench.master()
        woken.now = woken.now + .milliseconds(3_500)
        woken.send(.wokeUp(absence: .milliseconds(10), suspended: .zero))
        #expect(woken.released && woken.state == .backup)
    }

    @Test func `two suspensions without an advert in between add up`() {
        var bench = Bench.master()  // Its last advert was half an interval ago.
        asleep(&bench, .milliseconds(1_800), suspended: true)
        #expect(bench.state == .master && bench.actions.isEmpty)
        asleep(&bench, .milliseconds(1_800), suspended: true)
        #expect(bench.released && bench.sentPriorities.isEmpty && bench.state == .backup)
    }

    @Test func `an advert that a suspension has held up goes out at once`() {
        var bench = Bench.master()  // Its last advert was half an interval ago.
        asleep(&bench, .milliseconds(2_900), suspended: true)
        #expect(bench.state == .master && bench.actions.isEmpty && (bench.untilDeadline ?? .zero) <= .zero)
        bench.wait(.zero)
        #expect(bench.sentPriorities == [100])
        // In step with its adverts of before, by the clock of its peers.
        #expect(bench.untilDeadline == .milliseconds(600))
    }

    @Test func `a reload to a shorter interval is no silence`() {
        var bench = Bench.master(Bench.configuration(interval: .seconds(10)))
        bench.now = bench.now + .milliseconds(400)
        bench.send(.reconfigured(Bench.configuration()))
        bench.send(.wokeUp(absence: .milliseconds(10), suspended: .zero))
        bench.wait(.seconds(1))
        #expect(bench.state == .master && bench.sentPriorities == [100])
    }

    @Test func `a claim gate that ran on through an absence counts for nothing`() {
        var bench = Bench(Bench.configuration(gatesClaim: true))
        bench.start()
        bench.wait(.nanoseconds(3_609_375_000))
        #expect(bench.router.awaitedGate?.sequence == 1)
        asleep(&bench, .seconds(10))
        #expect(bench.actions == [.cancelGate(sequence: 1)] && bench.untilDeadline == .nanoseconds(1_609_375_000))
    }

    @Test func `where it hears nothing it listens for an interval and the skew time`() {
        var bench = Bench.master()
        asleep(&bench, .seconds(10))
        #expect(bench.untilDeadline == .nanoseconds(1_609_375_000))
        bench.wait(.nanoseconds(1_609_375_000))
        #expect(bench.state == .master && bench.actions.first == .sendAdvert(priority: 100))
    }

    @Test func `what waited in the queue counts from when it was heard`() {
        var bench = Bench.master()
        asleep(&bench, .seconds(10))
        let heard = bench.now - .milliseconds(200)
        let advert = Advertisement(version: .v3, vrid: 10, priority: 200, addressCount: 1, interval: .seconds(1))
        bench.send(.advert(advert, from: Bench.greaterPeer, heardAt: heard))
        #expect(bench.router.deadline == heard + .nanoseconds(3_609_375_000) && bench.sentPriorities.isEmpty)
    }

    @Test func `no-preempt is obeyed afterwards`() {
        var bench = Bench.master(Bench.configuration(priority: 200, preempt: false))
        asleep(&bench, .seconds(10))
        for _ in 0..<6 {
            bench.advert(50)
            bench.wait(.seconds(1))
            #expect(bench.state == .backup)
        }
    }

    @Test func `one that was to leave leaves`() {
        var bench = Bench.master(Bench.configuration(gatesRelease: true))
        bench.facts { $0.isLeaving = true }
        asleep(&bench, .seconds(10))
        #expect(bench.actions.contains(.cancelGate(sequence: 1)) && bench.released)
        #expect(bench.state == .initialize && bench.sentPriorities.isEmpty)
    }

    @Test func `a backup does not take its own absence for silence`() {
        var bench = Bench()
        bench.start()
        bench.advert(200)
        // The machine stood still for ten seconds and received nothing: what it missed is no silence.
        asleep(&bench, .seconds(10))
        bench.send(.deadline)
        #expect(bench.state == .backup && bench.untilDeadline == .nanoseconds(1_609_375_000))
        bench.wait(.nanoseconds(1_609_375_000))
        #expect(bench.state == .master, "but no longer than an interval and the skew time")
    }

    @Test func `a moment's absence moves no backup's timer`() {
        var bench = Bench()
        bench.start()
        bench.advert(200)
        let deadline = bench.router.deadline
        asleep(&bench, .milliseconds(1_999))
        #expect(bench.router.deadline == deadline)
    }
}

@Suite struct MuteRows {
    @Test func `three intervals without an advert that leaves are a fault, and the addresses go`() {
        var bench = Bench.master()
        bench.isMute = true
        bench.wait(.milliseconds(500))
        #expect(bench.state == .master)
        bench.wait(.seconds(1))
        #expect(bench.state == .master)
        bench.wait(.seconds(1))
        #expect(bench.state == .fault && bench.released)
        #expect(bench.router.faults == [.cannotSend(1)])
        #expect(bench.transitions.map(\.cause) == [.fault(.cannotSend(1))])
    }

    @Test func `one that leaves in between begins anew`() {
        var bench = Bench.master()
        for step in 0..<12 {
            bench.isMute = step % 3 != 2
            bench.wait(step == 0 ? .milliseconds(500) : .seconds(1))
            #expect(bench.state == .master)
        }
    }

    @Test func `afterwards nothing is claimed before an advert has left`() {
        var bench = Bench.master()
        bench.isMute = true
        _ = bench.run(for: .milliseconds(2_500))
        #expect(bench.state == .fault)
        // A pause, then backup for a master-down interval, then the try.
        let log = bench.run(for: .seconds(30)).map(\.action)
        #expect(log.contains(.sendAdvert(priority: 100)))
        #expect(!log.contains { if case .claim = $0 { true } else { false } })
        #expect(bench.router.wantedAddresses.isEmpty && bench.state != .master)
        bench.isMute = false
        let recovered = bench.run(for: .seconds(90)).map(\.action)
        #expect(recovered.contains(.claim([Bench.vip])) && bench.state == .master)
        #expect(bench.router.wantedAddresses == [Bench.vip])
    }

    @Test func `where the interface turns out to be the reason its return is enough`() {
        var bench = Bench.master()
        bench.isMute = true
        _ = bench.run(for: .milliseconds(2_500))
        bench.facts { $0.faults = [.noCarrier] }
        #expect(bench.router.faults == [.noCarrier])
        bench.isMute = false
        bench.facts { $0.faults = [] }
        #expect(bench.state == .backup)
        _ = bench.run(for: .nanoseconds(3_609_375_000))
        #expect(bench.state == .master && bench.router.wantedAddresses == [Bench.vip])
    }

    @Test func `while it may be mute it leaves a lower master alone`() {
        var bench = Bench.master(Bench.configuration(priority: 200))
        bench.isMute = true
        _ = bench.run(for: .milliseconds(3_600))
        for _ in 0..<8 {
            bench.advert(50)
            bench.wait(.seconds(1))
            #expect(bench.state == .backup)
        }
    }
}

@Suite struct SpreadTests {
    @Test func `the first group keeps the arithmetic of the RFC`() {
        for place in [0, 1, 63] { #expect(Turn(place).advance(in: .seconds(1)) == .zero) }
    }

    @Test func `groups of 64 divide an eighth of the interval, each inside it`() {
        let interval = Duration.milliseconds(100)
        let four = (0..<4).map { Turn($0 * 64).advance(in: interval) }
        let parts: [Duration] = [.zero, .microseconds(3_125), .microseconds(6_250), .microseconds(9_375)]
        #expect(Set(four) == parts.map(rounded).asSet)
        let all = (0..<16).map { Turn($0 * 64 + 5).advance(in: interval) }
        #expect(Set(all).count == 16)
        for one in all { #expect(one >= .zero && one < interval) }
    }

    /// 1/524,288 of the interval is the unit.
    private func rounded(_ span: Duration) -> Duration {
        .nanoseconds(100_000_000 / 524_288 * (span.nanoseconds * 524_288 / 100_000_000))
    }

    @Test(arguments: [(0, 100), (60, 40), (95, 10), (150, 100)])
    func `one that waited for its turn at a takeover advertises as if it had not`(_ late: Int, _ first: Int) {
        var bench = Bench(Bench.configuration(interval: .milliseconds(100)))
        bench.start()
        bench.now = bench.now + .nanoseconds(360_937_500) + .milliseconds(late)
        let log = bench.run(for: .milliseconds(450)).filter { $0.action == .sendAdvert(priority: 100) }.map(\.after)
        #expect(Array(log.prefix(3)) == [.zero, .milliseconds(first), .milliseconds(first + 100)])
    }

    @Test func `the first interval is shorter, the period is its own`() {
        var bench = Bench(Bench.configuration(interval: .milliseconds(100)))
        bench.router.turn = Turn(64)
        bench.start()
        let log = bench.run(for: .seconds(1)).filter { $0.action == .sendAdvert(priority: 100) }.map(\.after)
        #expect(log.count > 5)
        #expect(log[1] - log[0] == .milliseconds(100) - Turn(64).advance(in: .milliseconds(100)))
        for place in 2..<log.count { #expect(log[place] - log[place - 1] == .milliseconds(100)) }
    }

    @Test func `one that resumes advertises at once and falls into its place`() {
        var bench = Bench(Bench.configuration(interval: .milliseconds(100)))
        bench.router.turn = Turn(64)
        bench.router.standing = bench.standing
        bench.send(.resumeMaster)
        let log = bench.run(for: .milliseconds(400)).filter { $0.action == .sendAdvert(priority: 100) }.map(\.after)
        #expect(log.first == .zero)
        #expect(log[1] == .milliseconds(100) - Turn(64).advance(in: .milliseconds(100)))
        #expect(log[2] - log[1] == .milliseconds(100))
    }

    @Test func `a resignation in what was queued starts the timer of one that resumes, and nothing shortens it later`()
    {
        var bench = Bench(Bench.configuration(interval: .milliseconds(100)))
        bench.router.turn = Turn(64)
        bench.router.standing = bench.standing
        bench.send(.resumeMaster)
        bench.advert(0)
        let log = bench.run(for: .milliseconds(400)).filter { $0.action == .sendAdvert(priority: 100) }.map(\.after)
        #expect(log == [100, 200, 300, 400].map { .milliseconds($0) })
    }

    @Test func `one that resumes into a shorter interval takes its place in that one`() {
        var bench = Bench(Bench.configuration(interval: .seconds(10)))
        bench.router.turn = Turn(64)
        bench.router.standing = bench.standing
        bench.send(.resumeMaster)
        var new = bench.router.configuration
        new.advertisementInterval = .milliseconds(100)
        bench.actions = []
        bench.router.reconfigure(new, bench.now, &bench.actions)
        let log = bench.run(for: .milliseconds(400)).filter { $0.action == .sendAdvert(priority: 100) }.map(\.after)
        #expect(log.first == .zero)
        #expect(log[1] == .milliseconds(100) - Turn(64).advance(in: .milliseconds(100)))
        #expect(log[2] - log[1] == .milliseconds(100))
    }
}

extension [Duration] {
    fileprivate var asSet: Set<Duration> { Set(self) }
}
