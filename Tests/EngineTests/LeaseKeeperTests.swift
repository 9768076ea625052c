// Renewals against the real kernel: they go on while the loop is on time and stop when it is not, and above all none of them brings
// back what was taken off. The races run with renewals that follow each other without a pause.

import Election
import Glibc
import Kernel
import Namespaces
import System
import Testing
import Wire

@testable import Engine

private let router = RouterID(1)

/// A router of `count` addresses on `va`.
private func configuration(
    _ family: AddressFamily, count: Int, lease: LeasePolicy = .seconds(2), interval: Duration = .seconds(1)
) -> VirtualRouterConfiguration {
    let addresses = (0..<count).map { number in
        let address: IPAddress =
            switch family {
            case .ipv4: .ipv4(IPv4Address(10, 20, UInt8(number >> 8), UInt8(number & 255)))
            case .ipv6: .ipv6(IPv6Address(high: 0x2001_0DB8_0000_0000, low: UInt64(number + 1)))
            }
        return InterfaceAddress(address: address, prefixLength: family.hostPrefixLength)
    }
    return VirtualRouterConfiguration(
        interface: "va", vrid: 10, advertisementInterval: interval, addresses: addresses, lease: lease)
}

/// Puts the addresses on as the engine does.
private func claim(
    _ configuration: VirtualRouterConfiguration, _ requests: borrowing NetlinkRequests, _ leases: LeaseKeeper,
    _ mark: LeaseMark, index: UInt32
) throws {
    var held: [(address: PlacedAddress, since: Int64)] = []
    for address in configuration.addresses {
        let since = Clock.boottime()
        try requests.add(address, index: index, lifetime: configuration.leaseSeconds)
        held.append((PlacedAddress(address: address, index: index), since))
    }
    leases.hold(held, of: router, mark, configuration)
    leases.beginRenewals()
}

/// How many addresses of ours are on the interface.
private func count(on index: UInt32, _ requests: borrowing NetlinkRequests) throws -> Int {
    try requests.addresses(on: index).count { $0.isOurs }
}

/// The seconds that the kernel says are left of the first address of ours; nil where it stays for ever.
private func secondsLeft(_ address: String) throws -> Int? {
    let text = try sh("ip -o address show dev va | grep -F ' \(address)/'")
    guard let left = text.split(separator: " ").first(where: { $0.hasSuffix("sec") }) else { return nil }
    return Int(left.dropLast(3))
}

@Suite(.enabled(if: canMakeNamespaces), .serialized)
struct LeaseKeeperTests {
    @Test(arguments: AddressFamily.allCases)
    func `an address stays while adverts go out, and is gone a lease after the last`(_ family: AddressFamily)
        async throws
    {
        try await withTwoHosts { _ in
            let wanted = configuration(family, count: 3)
            let requests = try NetlinkRequests()
            let leases = try LeaseKeeper()
            let mark = LeaseMark()
            defer { leases.stop() }
            let index = unsafe if_nametoindex("va")
            mark.advertised(at: Clock.boottime())
            try claim(wanted, requests, leases, mark, index: index)
            // Two leases and a half.
            var isLost = false
            let end = Clock.boottime() + 5_000_000_000
            while Clock.boottime() < end {
                mark.advertised(at: Clock.boottime())
                if try count(on: index, requests) != 3 { isLost = true }
                usleep(100_000)
            }
            #expect(!isLost)
            #expect(leases.expiry(of: wanted.addresses.placed(on: index)) > Clock.boottime())
            // One advert is believed for three intervals, and the lease follows: 5 s and the kernel's slack.
            let last = Clock.boottime()
            mark.advertised(at: last)
            let gone = try eventually(within: 12) { try count(on: index, requests) == 0 }
            let after = Clock.boottime() - last
            #expect(gone && after > 1_900_000_000 && after < 8_000_000_000, "gone after \(after) ns")
            #expect(leases.takeFailures().isEmpty)
        }
    }

    @Test func `without an advert lately nothing is renewed`() async throws {
        try await withTwoHosts { _ in
            let wanted = configuration(.ipv4, count: 2, interval: .milliseconds(10))
            let requests = try NetlinkRequests()
            let leases = try LeaseKeeper()
            let mark = LeaseMark()
            defer { leases.stop() }
            let index = unsafe if_nametoindex("va")
            mark.advertised(at: Clock.boottime() - 40_000_000)
            let begin = Clock.boottime()
            try claim(wanted, requests, leases, mark, index: index)
            let gone = try eventually(within: 10) { try count(on: index, requests) == 0 }
            let after = Clock.boottime() - begin
            #expect(gone && after < 4_000_000_000, "a renewal would have made it 2.7 s and more: \(after) ns")
            // The loop wakes up and sends again: what is over stays so, for nobody but the loop may decide otherwise.
            mark.advertised(at: Clock.boottime())
            usleep(300_000)
            #expect(try count(on: index, requests) == 0)
        }
    }

    @Test(arguments: AddressFamily.allCases)
    func `no renewal brings back what was released meanwhile`(_ family: AddressFamily) async throws {
        try await withTwoHosts { _ in
            let wanted = configuration(family, count: 120)
            // Each is due again at once, so that the thread is always in the midst of one.
            let requests = try NetlinkRequests()
            let mark = LeaseMark()
            let leases = try LeaseKeeper(renewalsPerLease: 1_000_000)
            defer { leases.stop() }
            let index = unsafe if_nametoindex("va")
            for round in 0..<25 {
                mark.advertised(at: Clock.boottime())
                try claim(wanted, requests, leases, mark, index: index)
                usleep(UInt32(round * 211 % 4_000))
                // All at once, or one by one, as engines do.
                if round % 2 == 0 { leases.forget(wanted.addresses.placed(on: index)) }
                for address in wanted.addresses {
                    if round % 2 == 1 { leases.forget([address].placed(on: index)) }
                    try requests.remove(address, index: index)
                    mark.advertised(at: Clock.boottime())
                }
                #expect(try count(on: index, requests) == 0, "round \(round)")
                usleep(2_000)
                #expect(try count(on: index, requests) == 0, "round \(round), later")
            }
            #expect(leases.takeFailures().isEmpty)
        }
    }

    @Test func `another lease is in force at once, and none means for ever`() async throws {
        try await withTwoHosts { _ in
            var wanted = configuration(.ipv4, count: 1)
            let requests = try NetlinkRequests()
            let leases = try LeaseKeeper()
            let mark = LeaseMark()
            defer { leases.stop() }
            let index = unsafe if_nametoindex("va")
            mark.advertised(at: Clock.boottime())
            try claim(wanted, requests, leases, mark, index: index)
            wanted.lease = .seconds(60)
            leases.change(wanted.addresses.placed(on: index), of: router, mark, wanted, after: wanted)
            let isLong = try eventually(within: 2) { try secondsLeft("10.20.0.0") ?? 0 > 50 }
            #expect(isLong)
            wanted.lease = .off
            mark.advertised(at: Clock.boottime())
            leases.change(wanted.addresses.placed(on: index), of: router, mark, wanted, after: wanted)
            let isForEver = try eventually(within: 2) { try secondsLeft("10.20.0.0") == nil }
            #expect(isForEver)
            #expect(leases.expiry(of: wanted.addresses.placed(on: index)) == 0)
            wanted.lease = .seconds(3)
            mark.advertised(at: Clock.boottime())
            leases.change(wanted.addresses.placed(on: index), of: router, mark, wanted, after: wanted)
            let isShort = try eventually(within: 2) { try secondsLeft("10.20.0.0") ?? 99 <= 3 }
            #expect(isShort)
        }
    }

    @Test func `without a lease the kernel is told of another preference, and of nothing else`() async throws {
        try await withTwoHosts { _ in
            let old = configuration(.ipv6, count: 2, lease: .off)
            let requests = try NetlinkRequests()
            let leases = try LeaseKeeper()
            let mark = LeaseMark()
            defer { leases.stop() }
            let index = unsafe if_nametoindex("va")
            for address in old.addresses { try requests.add(address, index: index, old.options(of: address)) }
            mark.advertised(at: Clock.boottime())
            var new = old
            new.addressOptions[old.addresses[0]] = AddressOptions(isPreferred: true)
            // If the second one was told of, too, it would come back.
            try requests.remove(old.addresses[1], index: index)
            leases.change(old.addresses.placed(on: index), of: router, mark, new, after: old)
            let isPreferred = try eventually {
                try requests.addresses(on: index).contains { $0.address == old.addresses[0] && !$0.isPassing }
            }
            #expect(isPreferred)
            usleep(200_000)
            #expect(try count(on: index, requests) == 1)
            #expect(leases.expiry(of: old.addresses.placed(on: index)) == 0)
        }
    }

    @Test func `an interface that is gone is let go of`() async throws {
        try await withTwoHosts { _ in
            let wanted = configuration(.ipv4, count: 1)
            let requests = try NetlinkRequests()
            let leases = try LeaseKeeper()
            let mark = LeaseMark()
            defer { leases.stop() }
            let index = unsafe if_nametoindex("va")
            mark.advertised(at: Clock.boottime())
            try claim(wanted, requests, leases, mark, index: index)
            try sh("ip link delete va")
            // Told once, with the kernel's reason, and then forgotten; the engine forgets it before, as a rule.
            var failures = 0
            let isForgotten = eventually(within: 3) {
                mark.advertised(at: Clock.boottime())
                failures += leases.takeFailures().count { $0.error.code == ENODEV }
                return leases.expiry(of: wanted.addresses.placed(on: index)) == 0
            }
            #expect(isForgotten)
            failures += leases.takeFailures().count
            #expect(failures == 1)
        }
    }

    @Test func `an engine's renewals change nothing but the lifetime, and an engine that is stopped makes none`()
        async throws
    {
        try await withTwoHosts { _ in
            let wanted = VirtualRouterConfiguration(
                interface: "va", vrid: 10, priority: 200, advertisementInterval: .milliseconds(100),
                addresses: [InterfaceAddress("10.9.0.100/24")].compactMap { $0 })
            let engine = try EngineProcess()
            engine.tell(.configure(RouterID(1), wanted, disabled: false))
            engine.tell(.commit)
            let isMaster = engine.reaches(.master)
            #expect(isMaster)
            func state() throws -> AddressState? {
                try NetlinkRequests().addresses().first { $0.address == wanted.addresses[0] }
            }
            let first = try state()
            let isExpiring = engine.hears {
                if case .snapshot(let snapshot) = $0 { snapshot.leaseExpires > Clock.boottime() } else { false }
            }
            #expect(isExpiring)
            usleep(2_500_000)
            #expect(try state() == first)
            #expect((first?.flags ?? AddressFlag.permanent) & AddressFlag.permanent == 0)
            engine.signal(SIGSTOP)
            let stopped = Clock.boottime()
            let gone = try eventually(within: 10) { try state() == nil }
            let after = Clock.boottime() - stopped
            #expect(gone && after < 4_000_000_000, "gone after \(after) ns")
            engine.signal(SIGCONT)
        }
    }
}
