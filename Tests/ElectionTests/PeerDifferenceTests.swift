// What a peer is configured with otherwise: each kind is told with both values, once, and no sender can make more of it.

import Testing
import Wire

@testable import Election

private let vip = Bench.vip.address
private let otherAddress = IPAddress.ipv4(IPv4Address(192, 0, 2, 101))

/// The differences that a step told.
private func told(_ actions: [RouterAction]) -> [PeerDifference] {
    actions.compactMap { if case .peerDiffers(_, let difference) = $0.action { difference } else { nil } }
}

/// One mistake: the router that hears it, the advert, and how it is named.
private struct Mistake {
    var router: (inout VirtualRouterConfiguration) -> Void = { _ in }
    var advert: (inout NodeBench) -> Void
    var difference: PeerDifference
    var peer = NodeBench.peer
}

private func mistake(_ kind: PeerDifference.Kind) -> Mistake {
    switch kind {
    case .interval:
        Mistake(
            advert: { $0.receive(200, interval: .seconds(2)) },
            difference: .interval(own: .seconds(1), peer: .seconds(2), limit: .seconds(10)))
    case .addresses:
        Mistake(
            advert: { $0.receive(200, addresses: [otherAddress, NodeBench.peer]) },
            difference: .addresses(own: 1, peer: 2, missing: vip, unexpected: otherAddress))
    case .version:
        Mistake(advert: { $0.receive(200, version: .v2) }, difference: .version(own: .v3, peer: 2))
    case .checksumForm:
        Mistake(
            advert: { $0.receive(200, form: .pseudoHeader) },
            difference: .checksumForm(own: .message, peer: .pseudoHeader))
    case .authentication:
        Mistake(
            router: { $0.version = .v2 }, advert: { $0.receive(200, version: .v2, password: Array("x".utf8)) },
            difference: .authentication(own: 0, peer: 1))
    case .bothOwner:
        Mistake(router: { $0.priority = 255 }, advert: { $0.receive(255) }, difference: .bothOwner)
    case .ownerHears:
        Mistake(
            router: { $0.priority = 255 }, advert: { $0.receive(100) }, difference: .ownerHears(priority: 100))
    case .equalPriority:
        Mistake(advert: { $0.receive(100) }, difference: .equalPriority(100))
    case .ourAddress:
        Mistake(advert: { $0.receive(200, from: Bench.me) }, difference: .ourAddress, peer: Bench.me)
    case .firstAddressNotLinkLocal:
        Mistake(
            router: { $0.addresses = [InterfaceAddress(address: global, prefixLength: 64)] },
            advert: { $0.receive(200, from: NodeBench.peer6, addresses: [global]) },
            difference: .firstAddressNotLinkLocal, peer: NodeBench.peer6)
    case .filtered:
        Mistake(advert: { $0.miss(200, inARow: 2) }, difference: .filtered(isObeyed: true))
    case .doesNotHear:
        Mistake(router: { $0.priority = 255 }, advert: { $0.receive(50) }, difference: .doesNotHear(priority: 50))
    }
}

private let global = IPAddress.ipv6(IPv6Address(high: 0x2001_0DB8 << 32, low: 1))

@Suite struct PeerDifferenceTests {
    @Test(arguments: PeerDifference.Kind.allCases)
    func `each kind is told once with both values, and kept with its count`(_ kind: PeerDifference.Kind) {
        let mistake = mistake(kind)
        #expect(mistake.difference.kind == kind)
        var bench = NodeBench()
        bench.add(1, mistake.router)
        var all: [PeerDifference] = []
        for _ in 0..<90 {
            mistake.advert(&bench)
            all += told(bench.actions)
            bench.now = bench.now + .milliseconds(100)
        }
        #expect(all.filter { $0.kind == kind } == [mistake.difference])
        let kept = bench.node.differences(of: RouterID(1), at: bench.now).first { $0.what.kind == kind }
        #expect(kept?.what == mistake.difference && kept?.peer == mistake.peer)
        // Our checksum form follows the peer's with the first advert, and who does not hear is known after five intervals.
        let count: UInt64 =
            switch kind {
            case .checksumForm: 1
            case .doesNotHear: 40
            default: 90
            }
        #expect(kept?.count == count)
        #expect(bench.node.differences(of: RouterID(1), at: bench.now + .seconds(61)).isEmpty, "over when unheard")
    }

    @Test func `an interval that version 2 drops is named as not obeyed at all`() {
        var bench = NodeBench()
        bench.add(1) { $0.version = .v2 }
        bench.receive(200, version: .v2, interval: .seconds(3))
        #expect(told(bench.actions) == [.interval(own: .seconds(1), peer: .seconds(3), limit: .zero)])
        #expect(bench.counter(.advertsReceived) == 0)
    }

    @Test func `V3-RX-19: senders that change their address make no more of it`() {
        var bench = NodeBench()
        bench.add(1)
        var count = 0
        for index in 0..<3_000 {
            let source = IPAddress.ipv4(IPv4Address(192, 0, 2, UInt8(3 + index % 200)))
            bench.receive(200, from: source, interval: .milliseconds(1_010 + 10 * (index % 300)))
            count += told(bench.actions).count
            bench.now = bench.now + .milliseconds(10)
        }
        #expect(count == 3, "one in 10 s for 30 s")
        #expect(bench.node.differences(of: RouterID(1), at: bench.now).count == DifferenceTable.capacity)
    }

    @Test func `a difference that lasts is told every ten minutes, one that changes when it may be`() {
        var bench = NodeBench()
        bench.add(1)
        func tell(_ interval: Duration, for seconds: Int) -> [Int] {
            var times: [Int] = []
            for second in 0..<seconds {
                bench.receive(200, interval: interval)
                if !told(bench.actions).isEmpty { times.append(second) }
                bench.now = bench.now + .seconds(1)
            }
            return times
        }
        #expect(tell(.seconds(2), for: 5) == [0])
        #expect(tell(.seconds(3), for: 10) == [5], "another value, 10 s after the last one")
        #expect(tell(.seconds(3), for: 1_300) == [595, 1_195])
    }

    @Test func `a difference that went away and came back is told again, as new`() {
        var bench = NodeBench()
        bench.add(1)
        bench.receive(200, interval: .seconds(2))
        bench.now = bench.now + .seconds(61)
        bench.receive(200, interval: .seconds(2))
        #expect(told(bench.actions).count == 1)
        let kept = bench.node.differences(of: RouterID(1), at: bench.now)
        #expect(kept.map(\.first) == [bench.now])
    }

    @Test func `each kind has its own limit`() {
        var bench = NodeBench()
        bench.add(1)
        bench.receive(100, addresses: [otherAddress], interval: .seconds(2), form: .pseudoHeader)
        let kinds = Set(told(bench.actions).map(\.kind))
        #expect(kinds == [.interval, .addresses, .checksumForm, .equalPriority])
    }

    @Test func `a peer that is configured as we are differs in nothing`() {
        var bench = NodeBench()
        bench.add(1)
        bench.receive(200)
        bench.receive(0)
        #expect(told(bench.actions).isEmpty && bench.node.differences(of: RouterID(1), at: bench.now).isEmpty)
    }
}

@Suite struct SteadinessTests {
    /// An owner is master at once, so that each toggle is a transition from or to master.
    private func toggle(_ bench: inout NodeBench, _ count: Int) -> [UInt32] {
        var told: [UInt32] = []
        for _ in 0..<count {
            let isDisabled = bench.state(1) == .disabled
            bench.step { node, now, actions in
                node.setDisabled(RouterID(1), !isDisabled, at: now, appendingTo: &actions)
            }
            told += bench.actions.compactMap {
                if case .unsteady(let transitions, .seconds(60)) = $0.action { transitions } else { nil }
            }
            bench.wait(.milliseconds(1_250))
        }
        return told
    }

    @Test func `the seventh transition in 60 s is told, once`() {
        var bench = NodeBench()
        bench.add(1) { $0.priority = 255 }
        #expect(bench.state(1) == .master)
        #expect(toggle(&bench, 5) == [], "with the first one these are six")
        #expect(toggle(&bench, 1) == [7])
        #expect(toggle(&bench, 40) == [])
        bench.now = bench.now + .seconds(60)
        #expect(toggle(&bench, 7) == [7], "another minute")
    }

    @Test func `six in a minute are steady enough`() {
        var bench = NodeBench()
        bench.add(1) { $0.priority = 255 }
        for _ in 0..<10 {
            #expect(toggle(&bench, 5) == [])
            bench.now = bench.now + .seconds(60)
        }
    }
}
