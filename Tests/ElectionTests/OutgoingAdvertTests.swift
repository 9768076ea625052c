// What a router sends: the content of its adverts by version, checksum form and password, and the twin of version 2.

import CAllocations
import Testing
import Wire

@testable import Election

private let second = InterfaceAddress(address: .ipv4(IPv4Address(192, 0, 2, 101)), prefixLength: 32)

@Suite struct OutgoingAdvertTests {
    @Test func `version 3 says the configured interval and addresses, at the priority that is asked for`() {
        var configuration = Bench.configuration(interval: .milliseconds(250), addresses: [second, Bench.vip])
        configuration.password = Array("lab".utf8)
        let (advert, twin) = VirtualRouter(configuration).adverts(priority: 7)
        #expect(
            advert
                == OutgoingAdvertisement(
                    version: .v3, vrid: 10, priority: 7, interval: .milliseconds(250),
                    addresses: [second.address, Bench.vip.address]))
        #expect(twin == nil)
    }

    @Test func `version 2 has the password`() {
        var configuration = Bench.configuration(version: .v2)
        configuration.password = Array("lab".utf8)
        let (advert, twin) = VirtualRouter(configuration).adverts(priority: 100)
        #expect(advert.version == .v2 && advert.password == Array("lab".utf8) && twin == nil)
    }

    @Test func `RFC 9568 §8.4.2: with both versions a twin in whole seconds goes with each advert`() {
        var configuration = Bench.configuration(interval: .milliseconds(100))
        configuration.alsoVersion2 = true
        configuration.password = Array("lab".utf8)
        configuration.checksum = .pseudoHeader
        let (advert, twin) = VirtualRouter(configuration).adverts(priority: 0)
        #expect(advert.version == .v3 && advert.checksumForm == .pseudoHeader && advert.password == nil)
        #expect(
            twin
                == OutgoingAdvertisement(
                    version: .v2, vrid: 10, priority: 0, interval: .seconds(1), addresses: [Bench.vip.address],
                    checksumForm: .message, password: Array("lab".utf8)))
    }

    @Test func `the checksum form follows what was heard, and a reload changes the addresses`() {
        var bench = Bench()
        bench.start()
        bench.advert(200, form: .pseudoHeader)
        #expect(bench.router.adverts(priority: 100).advert.checksumForm == .pseudoHeader)
        var changed = bench.router.configuration
        changed.addresses = [second]
        bench.send(.reconfigured(changed))
        #expect(bench.router.adverts(priority: 100).advert.addresses == [second.address])
        #expect(bench.router.advertised == [second.address])
    }

    @Test func `adverts go to the group, or to each peer but ourselves`() {
        var configuration = Bench.configuration()
        func destinations() -> [IPAddress] {
            var found: [IPAddress] = []
            configuration.forEachDestination(from: Bench.me) { found.append($0) }
            return found
        }
        #expect(destinations() == [.vrrpGroup(.ipv4)])
        configuration.peers = [Bench.lowerPeer, Bench.me, Bench.greaterPeer].map { UnicastPeer($0) }
        #expect(destinations() == [Bench.lowerPeer, Bench.greaterPeer])
        configuration.peers = [UnicastPeer(Bench.me)]
        #expect(destinations().isEmpty, "never the group")
    }

    @Test func `saying it allocates nothing`() {
        var configuration = Bench.configuration(addresses: [Bench.vip, second])
        configuration.alsoVersion2 = true
        configuration.password = Array("lab".utf8)
        let router = VirtualRouter(configuration)
        var counts: [UInt64] = []
        var addresses = 0
        // The first use of a type may allocate what describes it, once in a process.
        for _ in 0..<2 {
            let before = vipd_allocations()
            for _ in 0..<100 {
                let (advert, twin) = router.adverts(priority: 100)
                addresses &+= advert.addresses.count &+ (twin?.addresses.count ?? 0)
            }
            counts.append(vipd_allocations() - before)
        }
        #expect(counts.last == 0 && addresses == 800, "\(counts)")
    }
}
