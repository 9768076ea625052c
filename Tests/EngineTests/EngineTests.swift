// The engine as a process against the real kernel: it elects, claims, resigns, and hands over to the next engine. What it does
// on the wire with peers of other makes is the integration suite's business.

import Election
import Glibc
import Kernel
import Messages
import Namespaces
import System
import Testing
import Wire

func configuration(
    _ family: AddressFamily, interval: Duration = .milliseconds(100), gatesRelease: Bool = false
) -> VirtualRouterConfiguration {
    let text = family == .ipv4 ? "10.9.0.100/32" : "fe80::5e:a/128"
    return VirtualRouterConfiguration(
        interface: "va", vrid: 10, priority: 200, advertisementInterval: interval,
        addresses: [InterfaceAddress(text)].compactMap { $0 }, gatesRelease: gatesRelease)
}

/// Whether the address of `configuration` is on the interface now.
func isHeld(_ configuration: VirtualRouterConfiguration) throws -> Bool {
    let text = "\(configuration.addresses[0].address)"
    return try sh("ip address show dev va").contains(" \(text)/")
}

/// An engine that has just become master.
func master(_ configuration: VirtualRouterConfiguration) throws -> EngineProcess {
    let engine = try EngineProcess()
    engine.tell(.configure(RouterID(1), configuration, disabled: false))
    engine.tell(.commit)
    guard engine.reaches(.master) else { throw LabError("no master: \(engine.reports)") }
    return engine
}

private func isPresent(
    _ address: InterfaceAddress, _ index: UInt32, _ requests: borrowing NetlinkRequests
) throws -> Bool {
    try requests.addresses(on: index).contains { $0.address == address }
}

/// An advert socket on the other host.
private func listener(on hosts: borrowing TwoHosts) throws -> AdvertSocket {
    try hosts.onB {
        let socket = try AdvertSocket(opening: .ipv4, interface: "vb", index: unsafe if_nametoindex("vb"))
        try socket.listenToGroup(true)
        return socket
    }
}

/// The priorities of the adverts that are queued at a listener, in their order.
func priorities(at listener: borrowing AdvertSocket) throws -> [UInt8] {
    var buffer = PacketBuffer()
    var priorities: [UInt8] = []
    while let packet = try listener.receive(into: &buffer) {
        priorities.append(buffer.bytes[packet.payload.lowerBound + 2])
    }
    return priorities
}

@Suite(.enabled(if: canMakeNamespaces), .serialized)
struct EngineTests {
    @Test(arguments: AddressFamily.allCases)
    func `a lone engine becomes master, holds the address, and gives it up on stop`(_ family: AddressFamily)
        async throws
    {
        try await withTwoHosts { hosts in
            let wanted = configuration(family)
            let engine = try master(wanted)
            #expect(try isHeld(wanted))
            engine.tell(.stop)
            let ending = engine.waitForExit()
            engine.listen()
            #expect(ending == .exited(0))
            #expect(engine.reports.last == .stopped)
            #expect(try !isHeld(wanted))
            #expect(engine.lastSnapshot?.counters[.priorityZeroSent] == 3)
        }
    }

    @Test func `the end of the supervisor ends the engine with a resignation, even behind a release gate`() async throws
    {
        try await withTwoHosts { hosts in
            let wanted = configuration(.ipv4, gatesRelease: true)
            let engine = try master(wanted)
            let peer = try listener(on: hosts)
            engine.abandon()
            let ending = engine.waitForExit()
            let held = try isHeld(wanted)
            #expect(ending == .exited(0) && !held)
            let sent = try priorities(at: peer)
            #expect(sent.last == 0)
        }
    }

    @Test func `a killed engine's address stays, and the next engine continues as master without a word to the peer`()
        async throws
    {
        try await withTwoHosts { hosts in
            let wanted = configuration(.ipv4, interval: .milliseconds(500))
            let first = try master(wanted)
            _ = first.hears { if case .socket = $0 { true } else { false } }
            first.kill()
            let snapshot = try #require(first.lastSnapshot)
            let socket = try #require(first.sockets.first)
            #expect(snapshot.state == .master)
            #expect(try isHeld(wanted))

            let second = try EngineProcess()
            second.tell(.adopt(socket.tag), descriptor: socket.descriptor)
            second.tell(.resume(snapshot))
            second.tell(.configure(RouterID(1), wanted, disabled: false))
            second.tell(.commit)
            let continued = second.reaches(.master)
            #expect(continued)
            #expect(second.transitions.map(\.cause) == [.resumed])
            #expect(try isHeld(wanted))
            #expect(second.sockets.isEmpty, "the adopted socket is used, none is opened")
        }
    }

    @Test func `a killed engine's master that was to be disabled still waits for its release gate`() async throws {
        try await withTwoHosts { hosts in
            let wanted = configuration(.ipv4, interval: .milliseconds(500), gatesRelease: true)
            let first = try master(wanted)
            first.kill()
            let snapshot = try #require(first.lastSnapshot)

            let second = try EngineProcess()
            second.tell(.resume(snapshot))
            second.tell(.configure(RouterID(1), wanted, disabled: true))
            second.tell(.commit)
            let asked = second.hears { $0 == .gateWanted(RouterID(1), .release, sequence: 1, cause: .disabled) }
            let held = try isHeld(wanted)
            #expect(asked && held)
            second.tell(.gate(RouterID(1), sequence: 1, failure: nil))
            let disabled = second.reaches(.disabled)
            let stillHeld = try isHeld(wanted)
            #expect(disabled && !stillHeld)
            #expect(second.lastSnapshot?.counters[.priorityZeroSent] == 1)
        }
    }

    @Test func `a snapshot older than three intervals is not continued: the address goes and a backup starts`()
        async throws
    {
        try await withTwoHosts { hosts in
            let wanted = configuration(.ipv4)
            let first = try master(wanted)
            first.kill()
            var snapshot = try #require(first.lastSnapshot)
            snapshot.lastAdvertSent = Clock.boottime() - 300_000_001

            let second = try EngineProcess()
            second.tell(.resume(snapshot))
            second.tell(.configure(RouterID(1), wanted, disabled: false))
            second.tell(.commit)
            let ready = second.hears { $0 == .ready }
            #expect(ready)
            #expect(second.transitions.map(\.to) == [.backup])
            #expect(second.reports.contains(.notice(.leftoverRemoved(wanted.addresses[0], interface: "va"))))
            #expect(try !isHeld(wanted))
        }
    }

    @Test func `a resumed master that finds a better one in its queue yields before it sends`() async throws {
        try await withTwoHosts { hosts in
            let wanted = configuration(.ipv4, interval: .milliseconds(500))
            let first = try master(wanted)
            _ = first.hears { if case .socket = $0 { true } else { false } }
            let socket = try #require(first.sockets.first)
            let snapshot = try #require(first.lastSnapshot)
            first.kill()
            let peer = try listener(on: hosts)
            var payload: [UInt8] = []
            let source = try #require(IPAddress("10.9.0.2"))
            OutgoingAdvertisement(
                version: .v3, vrid: 10, priority: 250, interval: .milliseconds(500),
                addresses: wanted.addresses.map(\.address)
            ).encode(into: &payload, source: source, destination: .vrrpGroup(.ipv4))
            try peer.send(payload, from: source, to: .vrrpGroup(.ipv4))

            let second = try EngineProcess()
            second.tell(.adopt(socket.tag), descriptor: socket.descriptor)
            second.tell(.resume(snapshot))
            second.tell(.configure(RouterID(1), wanted, disabled: false))
            second.tell(.commit)
            let yielded = second.reaches(.backup)
            let held = try isHeld(wanted)
            #expect(yielded && !held)
            #expect(second.transitions.last?.cause == .higherPriority(source, priority: 250))
            // The queue was read first: the only advert of this engine is the last word of priority 1.
            let sent = try priorities(at: peer)
            #expect(sent == [1])
        }
    }

    @Test func `promise 8: a deleted address comes back, and somebody else's stays untouched`() async throws {
        try await withTwoHosts { hosts in
            let wanted = configuration(.ipv4)
            try sh("ip address add 10.9.0.200/32 dev va")
            let engine = try master(wanted)
            try sh("ip address del 10.9.0.100/32 dev va")
            let back = try eventually { try isHeld(wanted) }
            #expect(back)
            #expect(engine.transitions.map(\.to) == [.backup, .master])
            engine.tell(.stop)
            _ = engine.waitForExit()
            #expect(try sh("ip address show dev va").contains("10.9.0.200/32"))
        }
    }

    @Test func `promise 2: an address that somebody else put there is refused, and nothing is announced`() async throws
    {
        try await withTwoHosts { hosts in
            let wanted = configuration(.ipv4)
            try sh("ip address add 10.9.0.100/32 dev va")
            let engine = try EngineProcess()
            engine.tell(.configure(RouterID(1), wanted, disabled: false))
            engine.tell(.commit)
            let failed = engine.reaches(.fault)
            #expect(failed)
            #expect(engine.transitions.allSatisfy { $0.to != .master })
            let told = engine.hears {
                if case .notice(.kernel(_, _, _, _, let explanation)) = $0 {
                    explanation.contains("not put there by vipd")
                } else {
                    false
                }
            }
            #expect(told)
            #expect(try isHeld(wanted), "it is not ours to remove")
        }
    }

    @Test func `carrier loss is a fault with the address gone, and its return a backup`() async throws {
        try await withTwoHosts { hosts in
            let wanted = configuration(.ipv4)
            let engine = try master(wanted)
            try hosts.onB { _ = try sh("ip link set vb down") }
            let fault = engine.reaches(.fault)
            #expect(fault)
            let gone = try eventually { try !isHeld(wanted) }
            #expect(gone)
            // The kernel tells of the carrier up to a second later, and adverts fail at once.
            let cause = engine.transitions.last?.cause
            #expect(cause == .fault(.noCarrier) || cause == .fault(.cannotSend(ENOBUFS)))
            let named = engine.hears {
                if case .snapshot(let snapshot) = $0 { snapshot.faults == [.noCarrier] } else { false }
            }
            #expect(named)
            try hosts.onB { _ = try sh("ip link set vb up") }
            let again = engine.hears { if case .transition(_, let it) = $0 { it.cause == .recovered } else { false } }
            #expect(again)
        }
    }

    @Test func `a renamed interface keeps no address of ours`() async throws {
        try await withTwoHosts { hosts in
            let wanted = configuration(.ipv4)
            let engine = try master(wanted)
            try sh("ip link set va name wan0 2>/dev/null || { ip link set va down; ip link set va name wan0; }")
            let fault = engine.reaches(.fault)
            #expect(fault)
            let gone = try eventually { try !sh("ip address show dev wan0").contains("10.9.0.100/") }
            #expect(gone)
        }
    }

    @Test func `an interface that comes back under its name with the same index is served anew`() async throws {
        try await withTwoHosts { hosts in
            let wanted = configuration(.ipv4)
            let engine = try master(wanted)
            let index = unsafe if_nametoindex("va")
            try sh("ip link del va; ip link add name va index \(index) type veth peer name vc; ip link set vc up")
            try sh("ip link set va up; ip address add 10.9.0.1/24 dev va")
            let again = eventually {
                engine.listen()
                return engine.transitions.last?.to == .master && engine.transitions.count { $0.to == .master } == 2
            }
            let held = try isHeld(wanted)
            #expect(again && held, "\(engine.transitions)")
        }
    }

    @Test func `a master counts its adverts and announcements, and those that could not be sent`() async throws {
        try await withTwoHosts { hosts in
            let engine = try master(configuration(.ipv4))
            let counted = engine.hears {
                guard case .snapshot(let snapshot) = $0 else { return false }
                return snapshot.counters[.advertsSent] > 2 && snapshot.counters[.announcementsSent] > 1
            }
            #expect(counted)
            let good = try #require(engine.lastSnapshot)
            #expect(good.counters[.advertSendErrors] == 0)
            #expect(good.upSince > 0 && good.countingSince > 0 && good.countingSince <= good.upSince)
            try sh(
                "nft 'add table ip t; add chain ip t o { type filter hook output priority 0; };"
                    + " add rule ip t o ip protocol 112 drop'")
            let failed = engine.hears {
                guard case .snapshot(let snapshot) = $0 else { return false }
                return snapshot.counters[.advertSendErrors] > 2
            }
            #expect(failed)
            let told = engine.reports.count { if case .notice(.kernel) = $0 { true } else { false } }
            #expect(told == 1, "once until one goes out again")
        }
    }

    @Test func `an address that cannot be put on or taken off is counted`() async throws {
        try await withTwoHosts { hosts in
            let wanted = configuration(.ipv4, interval: .milliseconds(500))
            let first = try master(wanted)
            first.kill()
            let snapshot = try #require(first.lastSnapshot)
            // The next one may send and hear, and change no address.
            let second = try EngineProcess(prefix: [
                "/usr/bin/setpriv", "--bounding-set", "-net_admin", "--inh-caps", "-net_admin",
            ])
            second.tell(.resume(snapshot))
            second.tell(.configure(RouterID(1), wanted, disabled: false))
            second.tell(.commit)
            let fault = second.reaches(.fault)
            #expect(fault, "\(second.reports)")
            let counted = second.hears {
                guard case .snapshot(let snapshot) = $0 else { return false }
                return snapshot.counters[.addressAddErrors] > 0 && snapshot.counters[.addressDeleteErrors] > 0
            }
            #expect(counted, "\(second.reports)")
            let counters = second.lastSnapshot?.countingSince
            #expect(counters == snapshot.countingSince, "the counters go on from engine to engine")
        }
    }

    @Test func `a backup that waits for its start delay says until when`() async throws {
        try await withTwoHosts { hosts in
            var wanted = configuration(.ipv4)
            wanted.startDelay = .seconds(600)
            let begun = Clock.boottime()
            let engine = try EngineProcess()
            engine.tell(.configure(RouterID(1), wanted, disabled: false))
            engine.tell(.commit)
            let waits = engine.reaches(.backup)
            let until = try #require(engine.lastSnapshot).delayedUntil - begun
            #expect(waits && (600_000_000_000...610_000_000_000).contains(until))
        }
    }

    @Test(arguments: AddressFamily.allCases)
    func `promise 8: an address that somebody deletes is put back, also where no lease would do it`(
        _ family: AddressFamily
    ) async throws {
        try await withTwoHosts { hosts in
            var wanted = configuration(family)
            wanted.lease = .off
            let engine = try master(wanted)
            for _ in 0..<3 {
                #expect(try isHeld(wanted))
                _ = try sh("ip address del \(wanted.addresses[0]) dev va")
                let isBack = try eventually { try isHeld(wanted) }
                #expect(isBack)
            }
            engine.listen()
            #expect(engine.transitions.last?.to == .master)
        }
    }

    @Test func `promise 8: what is deleted of a large claim before it is done is put on again`() async throws {
        try await withTwoHosts { hosts in
            var wanted = configuration(.ipv6)
            wanted.lease = .off
            let many = (1...600).map { number in
                let address = IPv6Address(high: 0x2001_0DB8_0000_0001, low: UInt64(number))
                return InterfaceAddress(address: .ipv6(address), prefixLength: 128)
            }
            wanted.addresses += many
            wanted.unadvertised = many.count
            let engine = try EngineProcess()
            engine.tell(.configure(RouterID(1), wanted, disabled: false))
            engine.tell(.commit)
            let index = unsafe if_nametoindex("va")
            let requests = try NetlinkRequests()
            let begins = try eventually { try isPresent(many[0], index, requests) }
            #expect(begins)
            try requests.remove(many[0], index: index)
            #expect(try !isPresent(many[599], index, requests), "the claim is under way")
            #expect(engine.reaches(.master))
            let isBack = try eventually { try many.allSatisfy { try isPresent($0, index, requests) } }
            #expect(isBack)
        }
    }

    @Test func `promote_secondaries is seen to before a claim, and once more after it`() async throws {
        try await withTwoHosts { hosts in
            let setting = "/proc/sys/net/ipv4/conf/va/promote_secondaries"
            func isOn() throws -> Bool { try sh("cat \(setting)").hasPrefix("1") }
            _ = try sh("echo 0 >\(setting)")
            var wanted = configuration(.ipv4)
            wanted.addresses = [InterfaceAddress("10.9.0.100/24")].compactMap { $0 }
            let engine = try EngineProcess()
            engine.tell(.configure(RouterID(1), wanted, disabled: false))
            engine.tell(.commit)
            let isSeenTo = try eventually { try isOn() }
            #expect(isSeenTo)
            // Somebody else does not know what it is for.
            _ = try sh("echo 0 >\(setting)")
            let isMaster = engine.reaches(.master)
            let isOnAgain = try eventually { try isOn() }
            #expect(isMaster && isOnAgain)
        }
    }

    @Test func `promise 1: a claim of many addresses that is given up half-way leaves none`() async throws {
        try await withTwoHosts { hosts in
            var halves = 0
            for round in 0..<10 {
                var wanted = configuration(.ipv6, interval: .milliseconds(10))
                wanted.addresses += (1...250).map { number in
                    let address = IPv6Address(high: 0x2001_0DB8_0000_0000, low: UInt64(number))
                    return InterfaceAddress(address: .ipv6(address), prefixLength: 128)
                }
                let engine = try EngineProcess()
                engine.tell(.configure(RouterID(1), wanted, disabled: false))
                engine.tell(.commit)
                func held() throws -> Int { try sh("ip -6 -o address show dev va").split(separator: "\n").count - 1 }
                let begun = try eventually { try held() > round * 20 }
                #expect(begun)
                engine.tell(.disable(RouterID(1), true))
                let disabled = engine.reaches(.disabled)
                #expect(disabled)
                if !engine.transitions.contains(where: { $0.to == .master }) { halves += 1 }
                let left = try held()
                usleep(20_000)
                let later = try held()
                #expect(left == 0 && later == 0, "round \(round)")
            }
            // Where the machine is so slow that every claim has ended before it is given up this shows nothing, and says so.
            print("\(halves) of 10 claims were given up half-way")
        }
    }

    @Test func `an engine of another version ends`() async throws {
        try await withTwoHosts { hosts in
            let engine = try EngineProcess()
            engine.tell(.hello(version: messagesVersion + 1))
            let ending = engine.waitForExit()
            #expect(ending == .exited(0))
        }
    }
}
