// Routes and rules of a master: when they are wanted, and what follows when one is refused or taken off (promises 2 and 8).

import Testing
import Wire

@testable import Election

private let other = InterfaceAddress(address: .ipv4(IPv4Address(192, 0, 2, 101)), prefixLength: 24)
private let anywhere = InterfaceAddress(address: .ipv4(IPv4Address(bits: 0)), prefixLength: 0)

private func route(metric: UInt32 = 0, source: IPAddress? = nil) -> RoutingEntry {
    .route(Route(destination: anywhere, gateway: Bench.greaterPeer, device: "eth0", source: source, metric: metric))
}

private let rule = RoutingEntry.rule(
    PolicyRule(family: .ipv4, priority: 1000, from: Bench.vip.network, to: nil, table: 100))

private func configuration(_ routing: [RoutingEntry] = [route(), rule], gatesRelease: Bool = false)
    -> VirtualRouterConfiguration
{
    var configuration = Bench.configuration(gatesRelease: gatesRelease, addresses: [Bench.vip, other])
    configuration.routing = routing
    return configuration
}

@Suite struct RoutingTests {
    @Test func `they are wanted from the claim to the release`() {
        var bench = Bench(configuration())
        #expect(bench.router.wantedRouting == [])
        bench.claims = .stay
        bench.start()
        #expect(bench.router.wantedRouting == [])
        _ = bench.run(for: .seconds(4))
        #expect(bench.state == .backup && bench.router.wantedRouting == [route(), rule], "the claim brings them")
        bench.send(.claimed)
        #expect(bench.state == .master && bench.router.wantedRouting == [route(), rule])
        bench.advert(200)
        bench.finishResigning()
        #expect(bench.state == .backup && bench.router.wantedRouting == [])
    }

    @Test func `a master that does not know yet whether it can send wants none`() {
        var bench = Bench.master(configuration())
        bench.isMute = true
        for _ in 0..<4 where bench.state == .master { _ = bench.run(for: .seconds(1)) }
        #expect(bench.state == .fault && bench.router.wantedRouting == [])
        bench.send(.routingLost([route()]))
        #expect(bench.actions.isEmpty)
        for _ in 0..<20 {
            bench.wait(.milliseconds(500))
            #expect(bench.router.wantedRouting == [])
        }
    }

    @Test func `who resigns keeps them as long as it holds what they need`() {
        let mine = route(metric: 1, source: Bench.vip.address)
        let yours = route(metric: 2, source: other.address)
        let foreign = route(metric: 3, source: Bench.me)
        var bench = Bench.master(configuration([mine, yours, foreign, rule]))
        bench.facts { $0.isDisabled = true }
        #expect(bench.state == .resigning && bench.router.wantedRouting == [mine, yours, foreign, rule])
        bench.advert(90)
        bench.announcement(Bench.vip.address)
        #expect(bench.actions.contains(.release([Bench.vip])))
        #expect(bench.router.wantedRouting == [yours, foreign, rule])
        bench.announcement(other.address)
        #expect(bench.state == .disabled && bench.router.wantedRouting == [])
    }

    @Test func `promise 2: a refused route makes it resign, name it, and try again later`() {
        var bench = Bench.master(configuration())
        let failure = RoutingFailure(entry: route(), code: 101)
        bench.send(.routingFailed(failure))
        #expect(bench.state == .fault && bench.sentPriorities == [0] && bench.released)
        #expect(bench.router.faults == [.routing(failure)])
        #expect(bench.transitions.last?.cause == .fault(.routing(failure)))
        #expect(bench.untilDeadline == .seconds(1))
        _ = bench.run(for: .seconds(1))
        #expect(bench.state == .backup)
        // Others can at least serve.
        bench.advert(50)
        #expect(bench.state == .backup)
        _ = bench.run(for: .seconds(4))
        #expect(bench.state == .master)
    }

    @Test func `a refusal ends a release gate, too`() {
        var bench = Bench.master(configuration(gatesRelease: true))
        bench.facts { $0.isDisabled = true }
        bench.send(.routingFailed(RoutingFailure(entry: rule, code: 1)))
        #expect(bench.actions.contains { if case .cancelGate = $0 { true } else { false } })
        #expect(bench.released)
    }

    @Test func `promise 8: what is taken off is put back twice within 10 s, and given up the third time`() {
        var bench = Bench.master(configuration())
        for _ in 0..<2 {
            bench.send(.routingLost([rule]))
            #expect(bench.actions == [.settleRouting] && bench.state == .master, "nothing is announced for it")
            bench.now = bench.now + .seconds(3)
        }
        bench.send(.routingLost([route()]))
        #expect(bench.state == .master, "each counts for itself")
        bench.send(.routingLost([rule, route()], by: "ip (process 7)"))
        #expect(bench.state == .fault && bench.released)
        #expect(bench.router.faults == [.routingRemoved(rule, by: "ip (process 7)")])
    }

    @Test func `now and then is no reason, and what a reload took out is no loss`() {
        var bench = Bench.master(configuration())
        for _ in 0..<20 {
            bench.send(.routingLost([route()]))
            #expect(bench.actions == [.settleRouting])
            bench.now = bench.now + .seconds(5)
        }
        bench.send(.reconfigured(configuration([rule])))
        for _ in 0..<5 {
            bench.send(.routingLost([route()]))
            #expect(bench.actions.isEmpty)
        }
    }

    @Test func `a reload settles what changed behind the addresses, and nothing else`() {
        var bench = Bench.master(configuration())
        bench.send(.reconfigured(configuration()))
        #expect(bench.actions.isEmpty)
        bench.send(.reconfigured(configuration([rule])))
        #expect(bench.actions == [.settleRouting])
        var fewer = configuration([])
        fewer.addresses = [Bench.vip]
        bench.send(.reconfigured(fewer))
        let (release, settle) = (
            bench.actions.firstIndex(of: .release([other])), bench.actions.firstIndex(of: .settleRouting)
        )
        #expect(release != nil && settle != nil && release! < settle!)
    }

    @Test func `a backup wants nothing of a reload, and hears of no loss`() {
        var bench = Bench(configuration())
        bench.start()
        bench.advert(200)
        bench.send(.reconfigured(configuration([rule])))
        #expect(bench.actions.isEmpty)
        for event in [Event.routingLost([rule]), .routingFailed(RoutingFailure(entry: rule, code: 1))] {
            bench.send(event)
            #expect(bench.actions.isEmpty && bench.state == .backup)
        }
    }
}
