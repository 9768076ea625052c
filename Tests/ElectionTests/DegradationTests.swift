// A master that goes without what the kernel refuses it, because nobody else serves (`claim: any`).

import Testing
import Wire

@testable import Election

@Suite struct DegradationTests {
    static let other = InterfaceAddress(address: .ipv4(IPv4Address(192, 0, 2, 101)), prefixLength: 24)
    static let refusal = Fault.claim(ClaimFailure(address: other, code: 13))

    private static func configuration(_ claim: ClaimPolicy = .any) -> VirtualRouterConfiguration {
        var configuration = Bench.configuration(priority: 200, addresses: [Bench.vip, other])
        configuration.claim = claim
        configuration.announcements.rounds = [.zero]
        return configuration
    }

    /// Alone, of two addresses one refused: it has resigned once and serves the other one; the last step is that in which it came to.
    private static func degraded() -> Bench {
        var bench = Bench(configuration())
        bench.claims = .refuse([other])
        bench.start()
        while bench.state != .master, let deadline = bench.router.deadline {
            bench.now = deadline
            bench.send(.deadline)
        }
        return bench
    }

    @Test func `the first refusal is a fault as ever, so that another host can try`() {
        var bench = Bench(Self.configuration())
        bench.claims = .refuse([Self.other])
        bench.start()
        let log = bench.run(for: .seconds(4)).map(\.action)
        #expect(bench.state == .fault && bench.router.faults == [Self.refusal])
        #expect(log.contains(.sendAdvert(priority: 0)))
        #expect(!log.contains { if case .degraded = $0 { true } else { false } })
    }

    @Test func `the second time it serves the rest, says so, and stands behind everybody else`() {
        var bench = Self.degraded()
        #expect(bench.state == .master && bench.router.faults.isEmpty)
        #expect(bench.router.degraded == [Self.refusal] && bench.router.effectivePriority == 1)
        #expect(bench.router.configuration.addresses.map { bench.router.lacks($0) } == [false, true])
        #expect(bench.sentPriorities == [1], "from the first advert on: see `effectivePriority`")
        #expect(bench.announced == [0..<2])
        #expect(bench.transitions.map(\.effectivePriority) == [1])
        #expect(bench.actions.last == .degraded([Self.refusal]), "behind the transition")
        bench.wait(.seconds(1))
        #expect(bench.sentPriorities == [1])
    }

    @Test func `with all, it never does`() {
        var bench = Bench(Self.configuration(.all))
        bench.claims = .refuse([Self.other])
        bench.start()
        let log = bench.run(for: .seconds(100)).map(\.action)
        #expect(!log.contains { if case .transition(let move) = $0 { move.to == .master } else { false } })
    }

    @Test func `without one address it serves nothing`() {
        var bench = Bench(Self.configuration())
        bench.claims = .refuse([Self.other, Bench.vip])
        bench.start()
        let log = bench.run(for: .seconds(100)).map(\.action)
        #expect(!log.contains { if case .transition(let move) = $0 { move.to == .master } else { false } })
        #expect(log.count { if case .claim = $0 { true } else { false } } > 2)
    }

    @Test func `any other host takes over, with an overlap, and is left alone afterwards`() {
        var bench = Self.degraded()
        bench.advert(50)
        #expect(bench.state == .resigning && bench.sentPriorities == [1])
        bench.finishResigning()
        #expect(bench.state == .backup && bench.router.degraded.isEmpty && bench.router.effectivePriority == 200)
        bench.advert(50)
        _ = bench.run(for: .seconds(2))
        bench.advert(50)
        _ = bench.run(for: .seconds(2))
        #expect(bench.state == .backup)
    }

    @Test func `what is missing is tried again after pauses that double, without a word to anybody`() {
        var bench = Self.degraded()
        var claims: [Duration] = []
        let begin = bench.now
        while bench.now - begin < .seconds(15), let deadline = bench.router.deadline {
            bench.now = deadline
            bench.send(.deadline)
            if bench.actions.contains(.claim([Self.other])) { claims.append(bench.now - begin) }
            #expect(bench.announced.isEmpty && bench.sentPriorities.allSatisfy { $0 == 1 })
            #expect(!bench.actions.contains { if case .degraded = $0 { true } else { false } })
        }
        // The first pause was that of the fault, 1 s.
        #expect(claims == [.seconds(2), .seconds(6), .seconds(14)])
    }

    @Test func `with everything it is what it was before`() {
        var bench = Self.degraded()
        bench.claims = .succeed
        let log = bench.run(for: .seconds(2)).map(\.action)
        #expect(
            bench.router.degraded.isEmpty && !bench.router.lacks(Self.other) && bench.router.effectivePriority == 200)
        #expect(log.suffix(4) == [.claim([Self.other]), .announce(0..<2), .sendAdvert(priority: 200), .degraded([])])
        bench.advert(150)
        #expect(bench.state == .master && !bench.router.servesInPart)
    }

    @Test func `an address that is taken off comes back, and is announced`() {
        var bench = Self.degraded()
        bench.wait(.milliseconds(500))
        bench.send(.addressesLost([Bench.vip]))
        #expect(bench.actions == [.claim([Bench.vip, Self.other]), .announce(0..<2)])
        #expect(bench.state == .master && bench.router.degraded == [Self.refusal])
    }

    @Test func `when the rest is refused, too, it gives up`() {
        var bench = Self.degraded()
        bench.claims = .refuse([Self.other, Bench.vip])
        bench.send(.addressesLost([Bench.vip]))
        #expect(bench.state == .fault && bench.sentPriorities == [0] && bench.released)
    }

    @Test func `a reload tries again, and one to all gives up`() {
        var bench = Self.degraded()
        var changed = bench.router.configuration
        changed.announcements.rounds = [.zero, .seconds(1)]
        bench.send(.reconfigured(changed))
        #expect(bench.actions.contains(.claim([Self.other])) && bench.state == .master)
        changed.claim = .all
        bench.send(.reconfigured(changed))
        #expect(bench.state == .fault && bench.router.faults == [Self.refusal] && bench.released)
    }

    @Test func `what a reload takes out is not missing any more, and that is told`() {
        var bench = Self.degraded()
        var changed = bench.router.configuration
        changed.addresses = [Bench.vip]
        bench.send(.reconfigured(changed))
        #expect(bench.state == .master && bench.router.degraded.isEmpty && bench.router.effectivePriority == 200)
        #expect(bench.actions.last == .degraded([]) && bench.sentPriorities.last == 200)
    }

    @Test func `what is refused to a claim that a reload has changed meanwhile does not count`() {
        var bench = Self.degraded()
        bench.claims = .stay
        _ = bench.run(for: .seconds(2))
        bench.send(.claimFailed(ClaimFailure(address: Self.other, code: 13)))
        var changed = bench.router.configuration
        changed.addresses = [Bench.vip]
        bench.send(.reconfigured(changed))
        bench.send(.claimed)
        #expect(bench.router.degraded.isEmpty && bench.router.effectivePriority == 200)
    }

    @Test func `who leaves degraded leaves with the priority that it was compared by`() {
        var bench = Self.degraded()
        bench.advert(50)
        #expect(bench.transitions.map(\.effectivePriority) == [1])
    }

    @Test func `a reload to all while a claim in part is under way is no way to serve in part`() {
        func bench(_ refused: Bool) -> Bench {
            var bench = Self.degraded()
            bench.advert(150)
            bench.finishResigning()
            bench.claims = .stay
            while !bench.actions.contains(where: { if case .claim = $0 { true } else { false } }),
                let deadline = bench.router.deadline
            {
                bench.now = deadline
                bench.send(.deadline)
            }
            if refused { bench.send(.claimFailed(ClaimFailure(address: Self.other, code: 13))) }
            bench.send(.reconfigured(Self.configuration(.all)))
            return bench
        }
        let refused = bench(true)
        #expect(refused.state == .fault && refused.router.faults == [Self.refusal] && refused.released)
        var pending = bench(false)
        #expect(pending.router.effectivePriority == 200)
        pending.send(.claimFailed(ClaimFailure(address: Self.other, code: 13)))
        #expect(pending.state == .fault && pending.router.degraded.isEmpty)
    }

    @Test func `it goes without a route that is refused, and without its addresses it does not`() {
        let route = RoutingEntry.route(
            Route(
                destination: InterfaceAddress("198.51.100.0/24") ?? Bench.vip, gateway: nil, device: "eth0", source: nil
            ))
        var configuration = Self.configuration()
        configuration.routing = [route]
        let failure = RoutingFailure(entry: route, code: 101)
        var bench = Bench(configuration)
        bench.claims = .stay
        bench.start()
        func claim(_ bench: inout Bench) {
            while !bench.actions.contains(where: { if case .claim = $0 { true } else { false } }),
                let deadline = bench.router.deadline
            {
                bench.now = deadline
                bench.send(.deadline)
            }
        }
        claim(&bench)
        bench.send(.routingFailed(failure))
        #expect(bench.state == .fault)
        claim(&bench)
        bench.send(.routingFailed(failure))
        bench.send(.claimed)
        #expect(bench.state == .master && bench.router.degraded == [.routing(failure)])
        #expect(bench.router.wantedRouting == [route], "it is tried again")
        bench.send(.routingLost([route]))
        #expect(bench.actions == [.claim([])], "who goes without something has to know how it ended")
    }

    @Test func `nobody is told that an address is here which is not`() {
        var bench = Self.degraded()
        _ = bench.run(for: .milliseconds(1_500))
        let claim = AddressClaim(address: Self.other.address, hardware: .zero, isAnnouncement: true)
        bench.send(.addressClaimed(claim, by: SpeakerTable()))
        #expect(bench.actions.isEmpty)
        bench.announcement(Bench.vip.address)
        #expect(bench.announced == [0..<1])
    }

    @Test func `a new engine goes on without it`() {
        var snapshot = RouterSnapshot(router: RouterID(1), state: .master)
        snapshot.degraded = [Self.refusal]
        var bench = Bench(Self.configuration())
        bench.claims = .refuse([Self.other])
        bench.router.restore(snapshot)
        bench.router.standing = bench.standing
        bench.send(.resumeMaster)
        #expect(bench.state == .master && bench.router.degraded == [Self.refusal])
        #expect(!bench.actions.contains { if case .degraded = $0 { true } else { false } }, "that is no news")
        bench.claims = .succeed
        let log = bench.run(for: .seconds(3)).map(\.action)
        #expect(log.contains(.degraded([])))
    }
}
