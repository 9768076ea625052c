// When announcements go out: rounds, pacing, refresh, and their end.

import Testing
import Wire

@testable import Election

@Suite struct AnnouncementTests {
    private func announcements(_ bench: inout Bench, for span: Duration) -> [(after: Duration, range: Range<Int>)] {
        bench.run(for: span).compactMap { entry in
            if case .announce(let range) = entry.action { (entry.after, range) } else { nil }
        }
    }

    @Test func `GARP-03: rounds at 0, 100 ms, 1 s and 3 s, each of all addresses`() {
        var bench = Bench()
        bench.start()
        bench.now = bench.now + .nanoseconds(3_609_375_000)
        let log = announcements(&bench, for: .seconds(20))
        #expect(log.map(\.after) == [.zero, .milliseconds(100), .seconds(1), .seconds(3)])
        #expect(log.allSatisfy { $0.range == 0..<1 })
    }

    @Test func `what is wanted is announced at once where the last series is over, else within its first second`() {
        var bench = Bench()
        bench.start()
        bench.send(.announcementWanted)
        #expect(bench.actions.isEmpty, "a backup has nothing to announce")
        bench.now = bench.now + .nanoseconds(3_609_375_000)
        // The first second of the claim's own series has a round at its end.
        _ = announcements(&bench, for: .milliseconds(200))
        bench.send(.announcementWanted)
        #expect(bench.actions.isEmpty)
        #expect(announcements(&bench, for: .milliseconds(900)).count == 1)
        bench.send(.announcementWanted)
        #expect(bench.actions == [.announce(0..<1)])
        // However often it is wanted: a series a second.
        for _ in 0..<5 { bench.send(.announcementWanted) }
        #expect(bench.actions.isEmpty)
        #expect(
            announcements(&bench, for: .seconds(20)).map(\.after) == [.milliseconds(100), .seconds(1), .seconds(3)])
    }

    @Test func `no address is announced before it is claimed, or while another host takes over`() {
        var bench = Bench()
        bench.claims = .stay
        bench.start()
        bench.wait(.nanoseconds(3_609_375_000))
        bench.send(.announcementWanted)
        #expect(bench.actions.isEmpty)
        bench.send(.claimed)
        bench.send(.handOver(patience: .zero))
        bench.now = bench.now + .seconds(1)
        bench.send(.announcementWanted)
        #expect(bench.actions.isEmpty)
    }

    @Test func `NA-06: IPv6 goes three times, a second apart`() {
        let address = InterfaceAddress(address: .ipv6(IPv6Address(high: 0xFE80 << 48, low: 0x5E0A)), prefixLength: 128)
        var configuration = Bench.configuration(addresses: [address])
        configuration.announcements = .standard(for: .ipv6)
        var bench = Bench(configuration)
        bench.start()
        bench.now = bench.now + .nanoseconds(3_609_375_000)
        #expect(announcements(&bench, for: .seconds(20)).map(\.after) == [.zero, .seconds(1), .seconds(2)])
    }

    @Test func `GARP-03: leaving master ends the rounds`() {
        var bench = Bench()
        bench.start()
        bench.wait(.nanoseconds(3_609_375_000))
        bench.now = bench.now + .milliseconds(500)
        bench.facts { $0.isDisabled = true }
        #expect(announcements(&bench, for: .seconds(20)).isEmpty)
    }

    @Test func `many addresses go out at once first and 1 ms apart in repeats`() {
        let addresses = (0..<40).map {
            InterfaceAddress(address: .ipv4(IPv4Address(bits: 0xC000_0200 + UInt32($0))), prefixLength: 32)
        }
        var bench = Bench(Bench.configuration(addresses: addresses))
        bench.start()
        bench.now = bench.now + .nanoseconds(3_609_375_000)
        let log = announcements(&bench, for: .milliseconds(900))
        #expect(log.first?.range == 0..<40)
        let repeats = log.dropFirst()
        #expect(repeats.map(\.range) == (0..<40).map { $0..<($0 + 1) })
        let gaps = zip(repeats, repeats.dropFirst()).map { $1.after - $0.after }
        #expect(gaps.allSatisfy { $0 >= .milliseconds(1) })
        #expect(repeats.last.map { $0.after <= .milliseconds(141) } ?? false)
    }

    @Test func `repeats are as far apart as configured, or not at all`() {
        let addresses = (0..<40).map {
            InterfaceAddress(address: .ipv4(IPv4Address(bits: 0xC000_0200 + UInt32($0))), prefixLength: 32)
        }
        for (pacing, last) in [(Duration.milliseconds(5), Duration.milliseconds(295)), (.zero, .milliseconds(100))] {
            var configuration = Bench.configuration(addresses: addresses)
            configuration.announcements = AnnouncementPlan(
                rounds: [.zero, .milliseconds(100)], refresh: nil, pacing: pacing)
            var bench = Bench(configuration)
            bench.start()
            bench.now = bench.now + .nanoseconds(3_609_375_000)
            let log = announcements(&bench, for: .seconds(1))
            #expect(log.count == (pacing == .zero ? 2 : 41))
            #expect(log.last?.after == last)
            #expect(log.last?.range.upperBound == 40)
        }
    }

    /// A repeat that is under way, and one that begins in time and does not end in time, are no last word.
    @Test(arguments: [(1_200, 1), (40, 50)])
    func `promise 3: what is wanted while many addresses are repeated is announced within its second`(
        _ count: Int, _ pacing: Int
    ) {
        let addresses = (0..<count).map {
            InterfaceAddress(address: .ipv4(IPv4Address(bits: 0x0A00_0000 + UInt32($0))), prefixLength: 32)
        }
        var configuration = Bench.configuration(interval: .seconds(10), addresses: addresses)
        configuration.announcements.pacing = .milliseconds(pacing)
        var bench = Bench(configuration)
        bench.start()
        bench.now = bench.now + .nanoseconds(36_093_750_000)
        _ = announcements(&bench, for: .milliseconds(200))
        bench.send(.announcementWanted)
        _ = announcements(&bench, for: .milliseconds(795))
        let last = announcements(&bench, for: .milliseconds(20)).map(\.range)
        #expect(last.contains { $0.lowerBound == 0 && $0.count == min(count, AnnouncementBurst.firstSlice) })
        #expect(last.contains { $0.upperBound == count })
    }

    @Test func `GARP-04: a refresh goes on while master, at most 16 addresses in turn`() {
        let addresses = (0..<20).map {
            InterfaceAddress(address: .ipv4(IPv4Address(bits: 0xC000_0200 + UInt32($0))), prefixLength: 32)
        }
        var configuration = Bench.configuration(addresses: addresses)
        configuration.announcements = AnnouncementPlan(rounds: [.zero], refresh: .seconds(2))
        var bench = Bench(configuration)
        bench.start()
        bench.now = bench.now + .nanoseconds(3_609_375_000)
        let log = announcements(&bench, for: .seconds(7))
        #expect(log.map(\.after) == [.zero, .seconds(2), .seconds(4), .seconds(6)])
        #expect(log.map(\.range) == [0..<20, 0..<16, 16..<20, 0..<16])
        // After a pause there is one refresh, not one for each that was passed over. A longer one ends the mastership.
        bench.now = bench.now + .milliseconds(3_400)
        #expect(announcements(&bench, for: .seconds(1)).count == 1)
    }

    @Test(arguments: [1, 0] as [UInt8])
    func `promise 3: another master is followed by an announcement within a second, also where no round is left`(
        _ priority: UInt8
    ) {
        var configuration = Bench.configuration(interval: .seconds(10))
        configuration.announcements = AnnouncementPlan(rounds: [.zero, .milliseconds(100)], refresh: nil)
        var bench = Bench(configuration)
        bench.start()
        bench.wait(.seconds(40))
        _ = bench.run(for: .milliseconds(500))
        bench.advert(priority, from: Bench.lowerPeer)
        #expect(bench.announced.isEmpty, "at most one series a second")
        let log = announcements(&bench, for: .seconds(5))
        #expect(log.map(\.after) == [.milliseconds(500), .milliseconds(600)])
    }

    @Test func `promise 3: a round that comes too late does not count as the last word`() {
        var configuration = Bench.configuration(interval: .seconds(10))
        configuration.announcements = AnnouncementPlan(rounds: [.zero, .seconds(8)], refresh: nil)
        var bench = Bench(configuration)
        bench.start()
        bench.wait(.seconds(40))
        _ = bench.run(for: .milliseconds(500))
        bench.advert(1, from: Bench.lowerPeer)
        #expect(announcements(&bench, for: .seconds(5)).map(\.after) == [.milliseconds(500)])
    }

    @Test func `promise 3: adverts of another master do not put the announcement off, however late the plan begins`() {
        var configuration = Bench.configuration(interval: .seconds(10))
        configuration.announcements = AnnouncementPlan(rounds: [.milliseconds(1_500), .seconds(3)], refresh: nil)
        var bench = Bench(configuration)
        bench.start()
        bench.wait(.seconds(40))
        var count = 0
        for _ in 0..<30 {
            bench.advert(1, from: Bench.lowerPeer)
            count += bench.announced.count
            count += announcements(&bench, for: .milliseconds(300)).count
        }
        #expect(count >= 8, "one a second")
    }

    @Test func `an address that a reload took out is not put back when its loss is told late`() {
        var bench = Bench.master()
        let gone = InterfaceAddress(address: .ipv4(IPv4Address(192, 0, 2, 250)), prefixLength: 24)
        bench.send(.addressesLost([gone]))
        #expect(bench.actions.isEmpty)
        bench.send(.addressesLost([gone, Bench.vip]))
        #expect(bench.actions.contains(.claim([Bench.vip])))
    }

    @Test func `a reload of the plan keeps the rounds that are still to come`() {
        var configuration = Bench.configuration(interval: .seconds(10))
        configuration.announcements = AnnouncementPlan(rounds: [.zero, .seconds(2), .seconds(4)], refresh: nil)
        var bench = Bench(configuration)
        bench.start()
        bench.wait(.seconds(40))
        _ = bench.run(for: .milliseconds(500))
        configuration.announcements = AnnouncementPlan(rounds: [.zero, .seconds(3)], refresh: nil)
        bench.send(.reconfigured(configuration))
        #expect(announcements(&bench, for: .seconds(5)).map(\.after) == [.milliseconds(2_500)])
    }

    @Test func `promise 3: a resumed master that hears another one announces within a second`() {
        var bench = Bench()
        bench.router.standing = bench.standing
        bench.send(.resumeMaster)
        bench.advert(1, from: Bench.lowerPeer)
        #expect(announcements(&bench, for: .seconds(1)).count >= 1)
    }

    @Test func `promise 3: a master that hears a resignation announces`() {
        var bench = Bench.master()
        bench.advert(0)
        #expect(bench.announced == [0..<1])
    }
}
