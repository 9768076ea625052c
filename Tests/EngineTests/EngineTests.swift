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

    @Test func `an engine of another version ends`() async throws {
        try await withTwoHosts { hosts in
            let engine = try EngineProcess()
            engine.tell(.hello(version: messagesVersion + 1))
            let ending = engine.waitForExit()
            #expect(ending == .exited(0))
        }
    }
}
