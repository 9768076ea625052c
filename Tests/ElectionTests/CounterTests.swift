// Every counter has something that moves it: a table over all of them, so that a new counter does not compile without.

import Testing
import Wire

@testable import Election

private let other = IPAddress.ipv4(IPv4Address(192, 0, 2, 4))
private let otherAddress = IPAddress.ipv4(IPv4Address(192, 0, 2, 101))
private let global = IPAddress.ipv6(IPv6Address(high: 0x2001_0DB8 << 32, low: 1))
private let password = Array("secret".utf8)

/// How a router must be configured for a counter, and what moves it then.
private struct Mover {
    var router: (inout VirtualRouterConfiguration) -> Void = { _ in }
    /// It has become master before.
    var asMaster = false
    var move: (inout NodeBench) -> Void
}

extension Counter {
    /// Nil for those that only the engine moves; EngineTests has them.
    fileprivate var mover: Mover? {
        switch self {
        case .advertsSent, .advertSendErrors, .announcementsSent, .announcementsDelayed, .addressAddErrors,
            .addressDeleteErrors:
            nil
        case .priorityZeroReceived, .priorityZeroFromOther, .priorityZeroSent, .masterTransitions, .backupTransitions,
            .lowerPriorityDiscarded, .assertAdvertsSent, .assertAdvertsSuppressed, .advertsReceived:
            electionMover
        default: dropMover
        }
    }

    private var electionMover: Mover {
        switch self {
        case .priorityZeroReceived: Mover { $0.receive(0) }
        case .priorityZeroFromOther:
            Mover {
                $0.receive(200)
                $0.receive(0, from: other)
            }
        case .priorityZeroSent:
            Mover(asMaster: true) { bench in
                bench.step { node, now, actions in
                    node.setDisabled(RouterID(1), true, at: now, appendingTo: &actions)
                }
            }
        case .masterTransitions: Mover { $0.wait(.seconds(4)) }
        case .backupTransitions:
            Mover(asMaster: true) {
                $0.receive(200)
                $0.wait(.milliseconds(50))
            }
        case .lowerPriorityDiscarded: Mover { $0.receive(50) }
        case .assertAdvertsSent: Mover(asMaster: true) { $0.receive(50) }
        case .assertAdvertsSuppressed:
            Mover(asMaster: true) {
                $0.receive(50)
                $0.receive(50)
            }
        default: Mover { $0.receive(200) }
        }
    }

    private var dropMover: Mover? {
        switch self {
        case .checksumErrors: Mover { $0.receive(200) { $0[2] ^= 1 } }
        case .versionErrors: Mover { $0.receive(200, version: .v2) }
        case .vridErrors: Mover { $0.receive(200, vrid: 99) }
        case .ttlErrors: Mover { $0.receive(200, hopLimit: 254) }
        case .typeErrors: Mover { $0.receive(200) { $0[0] = 0x32 } }
        case .lengthErrors: Mover { $0.receive(200) { $0.removeLast() } }
        case .addressListErrors: Mover { $0.receive(200, addresses: [otherAddress]) }
        case .intervalErrors: Mover { $0.receive(200, interval: .seconds(2)) }
        case .sourceErrors: Mover { $0.receive(200, from: .ipv4(IPv4Address(224, 0, 0, 1))) }
        case .destinationErrors: Mover { $0.receive(200, to: Bench.me) }
        case .authenticationTypeErrors:
            Mover(router: { $0.version = .v2 }) { $0.receive(200, version: .v2, password: password) }
        case .authenticationDataErrors:
            Mover(router: {
                $0.version = .v2
                $0.password = Array("other".utf8)
            }) { $0.receive(200, version: .v2, password: password) }
        case .notLinkLocalErrors:
            Mover(router: {
                $0.addresses = [InterfaceAddress(address: global, prefixLength: 64)]
                $0.strictFirstAddress = true
            }) { $0.receive(200, from: NodeBench.peer6, addresses: [global]) }
        case .firstAddressNotLinkLocal:
            Mover(router: { $0.addresses = [InterfaceAddress(address: global, prefixLength: 64)] }) {
                $0.receive(200, from: NodeBench.peer6, addresses: [global])
            }
        case .ownAdvertsHeard: Mover { $0.receive(200, from: Bench.me) }
        case .trailingOctets: Mover { $0.receive(200) { $0.append(0) } }
        case .otherChecksumForm: Mover { $0.receive(200, form: .pseudoHeader) }
        case .version2Twins:
            Mover(router: { $0.alsoVersion2 = true }) {
                $0.receive(200)
                $0.receive(200, version: .v2)
            }
        case .lateWakeUps:
            Mover(asMaster: true) {
                $0.now = $0.now + .seconds(4)
                $0.step { node, now, actions in
                    node.wakeUp(after: .seconds(4), suspended: .zero, at: now, appendingTo: &actions)
                }
            }
        case .addressConflicts: Mover(asMaster: true) { $0.claim(Bench.vip.address) }
        case .filteredAdverts: Mover { $0.miss(200, inARow: 2) }
        default: nil
        }
    }
}

@Suite struct CounterTests {
    private static let engineOnly: Set<Counter> = [
        .advertsSent, .advertSendErrors, .announcementsSent, .announcementsDelayed, .addressAddErrors,
        .addressDeleteErrors,
    ]

    @Test(arguments: Counter.allCases)
    func `every counter has something that moves it, and it moves by one`(_ counter: Counter) throws {
        guard let mover = counter.mover else {
            #expect(Self.engineOnly.contains(counter), "\(counter) has no mover")
            return
        }
        var bench = NodeBench()
        bench.add(1, mover.router)
        if mover.asMaster { bench.wait(.seconds(4)) }
        func value() -> UInt64 { (bench.counter(counter) ?? 0) + bench.node.strayCounters(on: 7)[counter] }
        let before = value()
        mover.move(&bench)
        #expect(value() == before + 1)
    }

    @Test func `ST-02: each reason to drop raises exactly the counter of its reason, of a router or of the interface`()
    {
        for reason in DropReason.allCases {
            let counter = reason.counter
            guard let mover = counter.mover else {
                Issue.record("\(reason) has no mover")
                continue
            }
            var bench = NodeBench()
            bench.add(1, mover.router)
            let before = bench.node.router(RouterID(1))?.counters ?? Counters()
            mover.move(&bench)
            let after = bench.node.router(RouterID(1))?.counters ?? Counters()
            let moved = Counter.allCases.filter { after[$0] != before[$0] && $0 != .advertsReceived }
            #expect(moved == (reason == .vrid ? [] : [counter]), "\(reason)")
            #expect(bench.node.strayCounters(on: 7)[.vridErrors] == (reason == .vrid ? 1 : 0))
        }
    }

    @Test func `ST-03: what is wrong in front of the VRID counts for the interface when nobody has it`() {
        var bench = NodeBench()
        bench.add(1)
        let movers: [(Counter, (inout NodeBench) -> Void)] = [
            (.ttlErrors, { $0.receive(200, vrid: 99, hopLimit: 1) }),
            (.checksumErrors, { $0.receive(200, vrid: 99) { $0[2] ^= 1 } }),
            (.typeErrors, { $0.receive(200, vrid: 99) { $0[0] = 0x32 } }),
            (.lengthErrors, { $0.receive(200, vrid: 99) { $0.removeLast() } }),
            (.destinationErrors, { $0.receive(200, vrid: 99, to: Bench.me) }),
            (.vridErrors, { $0.receive(200, vrid: 99) }),
        ]
        for (counter, move) in movers {
            move(&bench)
            #expect(bench.node.strayCounters(on: 7)[counter] == 1, "\(counter)")
            #expect(bench.counter(counter) == 0)
        }
    }

    @Test func `counters add up`() {
        var sum = Counters()
        var part = Counters()
        part[.advertsSent] = 3
        part[.addressDeleteErrors] = 1
        sum.add(part)
        sum.add(part)
        #expect(sum[.advertsSent] == 6 && sum[.addressDeleteErrors] == 2 && sum[.advertsReceived] == 0)
    }

    @Test func `of protocol errors the last one is kept, and the latest timer`() {
        var bench = NodeBench()
        bench.add(1)
        bench.receive(200, hopLimit: 1)
        #expect(bench.node.router(RouterID(1))?.lastProtocolError == .ttl)
        bench.receive(200) { $0[2] ^= 1 }
        #expect(bench.node.router(RouterID(1))?.lastProtocolError == .checksum)
        bench.receive(200) { $0.removeLast() }
        #expect(bench.node.router(RouterID(1))?.lastProtocolError == .checksum, "a length is none of RFC 6527's")
        bench.receive(200, version: .v2)
        #expect(bench.node.router(RouterID(1))?.lastProtocolError == .version)
        #expect(bench.node.router(RouterID(1))?.timerLateMax == .zero)
        bench.wait(.nanoseconds(3_609_375_000 + 7_000_000))
        #expect(bench.node.router(RouterID(1))?.timerLateMax == .milliseconds(7))
        bench.wait(.milliseconds(101))
        #expect(bench.node.router(RouterID(1))?.timerLateMax == .milliseconds(7), "it is the latest, not the last")
    }
}
