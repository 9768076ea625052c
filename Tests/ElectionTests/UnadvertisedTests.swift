// Addresses that adverts do not list: held, claimed, announced and released like the others, and no matter between peers.

import Testing
import Wire

@testable import Election

private let listed = InterfaceAddress(address: .ipv4(IPv4Address(192, 0, 2, 101)), prefixLength: 32)
private let hidden = InterfaceAddress(address: .ipv4(IPv4Address(192, 0, 2, 102)), prefixLength: 32)
private let foreign = InterfaceAddress(
    address: .ipv6(IPv6Address(high: 0x2001_0DB8 << 32, low: 1)), prefixLength: 128)

private func configuration(
    _ addresses: [InterfaceAddress] = [Bench.vip, listed, hidden, foreign], unadvertised: Int = 2
) -> VirtualRouterConfiguration {
    var configuration = Bench.configuration(addresses: addresses)
    configuration.unadvertised = unadvertised
    return configuration
}

private func addresses(_ count: Int) -> [InterfaceAddress] {
    (0..<count).map {
        InterfaceAddress(address: .ipv4(IPv4Address(bits: 0x0A00_0000 + UInt32($0))), prefixLength: 32)
    }
}

@Suite struct UnadvertisedTests {
    @Test func `a master claims, announces and releases all, and its adverts list the others`() {
        var bench = Bench(configuration())
        bench.start()
        bench.wait(.nanoseconds(3_609_375_000))
        #expect(bench.actions.contains(.claim([Bench.vip, listed, hidden, foreign])))
        #expect(bench.announced == [0..<4])
        #expect(bench.router.advertised == [Bench.vip.address, listed.address])
        #expect(bench.router.adverts(priority: 100).advert.addresses == [Bench.vip.address, listed.address])
        #expect(bench.router.wantedAddresses.count == 4)
        bench.facts { $0.faults = [.noCarrier] }
        #expect(bench.released)
    }

    @Test func `a reload takes off and puts on anew what lifetimes alone do not change`() {
        var bench = Bench(configuration())
        bench.start()
        bench.wait(.nanoseconds(3_609_375_000))
        var other = configuration()
        other.addressOptions[foreign] = AddressOptions(isPreferred: true)
        bench.send(.reconfigured(other))
        #expect(bench.actions.isEmpty, "the leases see to that")
        other.addressOptions[listed] = AddressOptions(scope: .link)
        bench.send(.reconfigured(other))
        #expect(Array(bench.actions.prefix(2)) == [.release([listed]), .claim([listed])])
        #expect(bench.router.stateName == .master)
        bench.send(.reconfigured(configuration()))
        #expect(Array(bench.actions.prefix(2)) == [.release([listed]), .claim([listed])])
    }

    @Test func `peers are compared by what is advertised`() {
        var bench = NodeBench()
        bench.add(1) {
            $0.addresses = [Bench.vip, hidden]
            $0.unadvertised = 1
        }
        bench.receive(200, addresses: [Bench.vip.address])
        #expect(bench.counter(.addressListErrors) == 0)
        #expect(bench.node.differences(of: RouterID(1), at: bench.now).isEmpty)
        bench.receive(200, addresses: [Bench.vip.address, hidden.address])
        #expect(bench.counter(.addressListErrors) == 1)
        #expect(
            bench.node.differences(of: RouterID(1), at: bench.now).map(\.what) == [
                .addresses(own: 1, peer: 2, missing: nil, unexpected: hidden.address)
            ])
    }

    @Test func `NA-06: IPv6 addresses of an IPv4 router leave out rounds that come too soon for them`() {
        let plan = AnnouncementPlan.standard(for: .ipv4)
        #expect((0..<5).map { plan.suitsNeighbors(round: $0) } == [true, false, true, true, false])
        var bench = Bench(configuration())
        bench.start()
        bench.now = bench.now + .nanoseconds(3_609_375_000)
        let log = bench.run(for: .seconds(20)).compactMap { entry -> (Duration, Range<Int>)? in
            if case .announce(let range) = entry.action { (entry.after, range) } else { nil }
        }
        #expect(log.map(\.0) == [.zero, .milliseconds(100), .seconds(1), .seconds(3)])
        #expect(log.map(\.1) == [0..<4, 0..<3, 0..<4, 0..<4])
    }

    @Test func `NA-06: at most three rounds, however many there are`() {
        let plan = AnnouncementPlan(rounds: (0..<16).map { .milliseconds(500 * $0) }, refresh: nil)
        #expect((0..<16).filter { plan.suitsNeighbors(round: $0) } == [0, 2, 4])
    }

    @Test func `a first round of a thousand goes out at once, in slices between which adverts may be sent`() {
        var bench = Bench(configuration(addresses(1_000), unadvertised: 745))
        bench.start()
        bench.now = bench.now + .nanoseconds(3_609_375_000)
        let log = bench.run(for: .milliseconds(99)).compactMap { entry -> Range<Int>? in
            if case .announce(let range) = entry.action, entry.after == .zero { range } else { nil }
        }
        #expect(log == [0..<256, 256..<512, 512..<768, 768..<1_000])
        #expect(bench.router.deadline.map { $0 - bench.now } == .milliseconds(1))
    }

    @Test func `a reload that only stops to advertise an address leaves it where it is`() {
        var bench = Bench.master(configuration([Bench.vip, listed], unadvertised: 0))
        var changed = bench.router.configuration
        changed.unadvertised = 1
        bench.send(.reconfigured(changed))
        #expect(bench.actions == [.sendAdvert(priority: 100)])
        #expect(bench.router.advertised == [Bench.vip.address])
        #expect(bench.router.addressDigest == AddressDigest([Bench.vip.address]))
        changed.addresses.append(hidden)
        changed.unadvertised = 2
        bench.send(.reconfigured(changed))
        #expect(bench.actions.first == .claim([hidden]), "no advert: nothing of it has changed")
        #expect(bench.sentPriorities.isEmpty)
    }
}
