// The resigning state (promise 9): one test per sentence of what a planned move promises, and of what it must not do.

import Testing
import Wire

@testable import Election

@Suite struct ResigningTests {
    private static let second = InterfaceAddress(address: .ipv4(IPv4Address(192, 0, 2, 101)), prefixLength: 24)

    private func stopping(_ configuration: VirtualRouterConfiguration = Bench.configuration()) -> Bench {
        var bench = Bench.master(configuration)
        bench.facts { $0.isLeaving = true }
        return bench
    }

    @Test func `priority 0 goes out three times, 5 ms apart`() {
        var bench = stopping()
        #expect(bench.sentPriorities == [0])
        let log = bench.run(for: .seconds(1)).filter { $0.action == .sendAdvert(priority: 0) }
        #expect(log.map(\.after) == [.milliseconds(5), .milliseconds(10)])
        #expect(bench.router.counters[.priorityZeroSent] == 3)
    }

    @Test(arguments: [(ProtocolVersion.v3, 100, 350), (.v3, 1_000, 1_250), (.v2, 3_000, 1_250)])
    func `without a successor it ends after an interval and 250 ms, in version 2 after 1.25 s`(
        _ version: ProtocolVersion, _ interval: Int, _ end: Int
    ) {
        var bench = stopping(Bench.configuration(version: version, interval: .milliseconds(interval)))
        let log = bench.run(for: .seconds(5))
        #expect(log.first { $0.action == .release([Bench.vip]) }?.after == .milliseconds(end))
        #expect(bench.state == .initialize)
    }

    @Test func `with a successor it ends 50 ms after that one's advert`() {
        var bench = stopping()
        bench.wait(.milliseconds(600))
        bench.advert(90)
        #expect(bench.actions.isEmpty && bench.state == .resigning)
        bench.wait(.milliseconds(49))
        #expect(bench.state == .resigning)
        bench.wait(.milliseconds(1))
        #expect(bench.released && bench.state == .initialize && bench.sentPriorities.isEmpty)
    }

    @Test func `an advert that waited to be read counts from when it was heard`() {
        var bench = stopping()
        let heard = bench.now
        bench.now = bench.now + .milliseconds(30)
        let advert = Advertisement(version: .v3, vrid: 10, priority: 90, addressCount: 1, interval: .seconds(1))
        bench.send(.advert(advert, from: Bench.greaterPeer, heardAt: heard))
        #expect(bench.router.deadline == heard + .milliseconds(50))
    }

    @Test func `each address goes when the successor has announced it`() {
        var bench = stopping(Bench.configuration(addresses: [Bench.vip, Self.second]))
        bench.advert(90)
        bench.announcement(Self.second.address)
        #expect(bench.actions == [.release([Self.second])])
        #expect(bench.router.wantedAddresses == [Bench.vip])
        bench.announcement(Self.second.address)
        #expect(bench.actions.isEmpty, "once")
        bench.announcement(Bench.vip.address)
        #expect(bench.actions.first == .release([Bench.vip]) && bench.state == .initialize)
    }

    @Test func `an announcement without an advert releases nothing until the advert comes`() {
        var bench = stopping()
        bench.announcement(Bench.vip.address)
        #expect(bench.actions.isEmpty && bench.state == .resigning)
        bench.advert(90)
        #expect(bench.actions.first == .release([Bench.vip]) && bench.state == .initialize)
    }

    @Test func `an announcement of something else is nothing`() {
        var bench = stopping()
        bench.advert(90)
        bench.announcement(Self.second.address)
        #expect(bench.actions.isEmpty && bench.state == .resigning)
    }

    @Test(arguments: [2, 50, 100, 200, 255] as [UInt8])
    func `no advert is answered, nothing is announced, nothing is fought`(_ priority: UInt8) {
        var bench = stopping()
        bench.advert(priority)
        let quiet = bench.actions.allSatisfy { if case .peerDiffers = $0 { true } else { false } }
        #expect(quiet)
        let log = bench.run(for: .seconds(3)).map(\.action)
        #expect(!log.contains { if case .announce = $0 { true } else { false } })
        #expect(!log.contains { if case .sendAdvert = $0 { true } else { false } }, "it hears that we go")
    }

    @Test func `a successor that resigns is none`() {
        var bench = stopping()
        bench.advert(90)
        bench.advert(0)
        bench.wait(.milliseconds(200))
        #expect(bench.state == .resigning)
        bench.advert(80, from: Bench.lowerPeer)
        bench.wait(.milliseconds(50))
        #expect(bench.state == .initialize)
    }

    @Test func `an address that somebody deletes meanwhile is not put back`() {
        var bench = stopping()
        bench.send(.addressesLost([Bench.vip]))
        #expect(bench.actions.isEmpty)
    }

    @Test func `a wish that is taken back is no gap: it serves on when nobody took over`() {
        var bench = Bench.master()
        bench.facts { $0.isDisabled = true }
        bench.facts { $0.isDisabled = false }
        #expect(bench.state == .resigning)
        let log = bench.run(for: .milliseconds(1_250)).map(\.action)
        #expect(bench.state == .master && !log.contains(.release([Bench.vip])))
        #expect(log.contains(.announce(0..<1)) && log.contains(.sendAdvert(priority: 100)))
        let last = log.compactMap { if case .transition(let transition) = $0 { transition } else { nil } }.last
        #expect(last?.from == .resigning && last?.to == .master)
        #expect(bench.router.lastTransition?.cause == .nobodyTookOver)
    }

    @Test func `taking back claims anew, because somebody may have deleted an address meanwhile`() {
        var bench = Bench.master()
        bench.facts { $0.isDisabled = true }
        bench.facts { $0.isDisabled = false }
        bench.claims = .fail
        let log = bench.run(for: .milliseconds(1_250)).map(\.action)
        #expect(log.contains(.claim([Bench.vip])) && bench.state == .fault, "a refused claim is no mastership")
    }

    @Test func `taking back claims what a reload brought meanwhile`() {
        var bench = Bench.master()
        bench.facts { $0.isDisabled = true }
        bench.facts { $0.isDisabled = false }
        bench.send(.reconfigured(Bench.configuration(addresses: [Self.second])))
        #expect(bench.actions.contains(.release([Bench.vip])))
        let log = bench.run(for: .milliseconds(1_250)).map(\.action)
        #expect(log.contains(.claim([Self.second])) && bench.state == .master)
    }

    @Test func `a fault in which it cannot serve releases at once, also in the middle`() {
        var bench = stopping()
        bench.facts { $0.faults = [.noCarrier] }
        #expect(bench.released && bench.state == .initialize)
    }

    @Test func `behind a release gate there is no overlap`() {
        var bench = Bench.master(Bench.configuration(gatesRelease: true))
        bench.facts { $0.isDisabled = true }
        #expect(bench.state == .master && bench.sentPriorities.isEmpty)
        bench.send(.gate(sequence: 1, failure: nil))
        #expect(bench.sentPriorities == [0] && bench.released && bench.state == .disabled)
    }

    @Test func `a router with a release gate yields without an overlap`() {
        var bench = Bench.master(Bench.configuration(gatesRelease: true))
        bench.advert(200)
        #expect(bench.sentPriorities == [1] && bench.released && bench.state == .backup)
    }

    @Test func `who slept through the end is not master again before it has listened`() {
        for suspended in [Duration.zero, .seconds(3_600)] {
            var bench = Bench.master()
            bench.send(.handOver(patience: .zero))
            if suspended == .zero { bench.now = bench.now + .seconds(5) }
            bench.send(.wokeUp(absence: .seconds(5), suspended: suspended))
            #expect(bench.released && bench.sentPriorities.isEmpty && bench.announced.isEmpty)
            #expect(bench.state == .backup && bench.untilDeadline == .nanoseconds(1_609_375_000))
            #expect(bench.actions.contains(.handover(.interrupted)))
        }
    }

    @Test func `a moment's absence late in it changes nothing`() {
        var bench = stopping(Bench.configuration(interval: .milliseconds(100)))
        _ = bench.run(for: .milliseconds(330))
        bench.send(.wokeUp(absence: .milliseconds(15), suspended: .zero))
        #expect(bench.actions.isEmpty && bench.state == .resigning)
    }

    @Test func `with both versions a successor of version 2 has its second`() {
        var configuration = Bench.configuration(interval: .milliseconds(100))
        configuration.alsoVersion2 = true
        #expect(configuration.resigningTime == .milliseconds(1_250))
        var bench = stopping(configuration)
        let log = bench.run(for: .seconds(5))
        #expect(log.first { $0.action == .release([Bench.vip]) }?.after == .milliseconds(1_250))
    }

    @Test func `the last word of one that yields does not take the successor's name`() {
        var bench = Bench.master()
        bench.send(.handOver(patience: .zero))
        bench.advert(90)
        bench.advert(1, from: Bench.lowerPeer)
        bench.wait(.milliseconds(50))
        let names = bench.actions.compactMap { action -> IPAddress? in
            if case .handover(.taken(let peer, _, _)) = action { peer } else { nil }
        }
        #expect(names == [Bench.greaterPeer])
    }

    @Test func `the rest of an absence is not spent with the addresses`() {
        var bench = stopping()
        bench.advert(90)
        bench.now = bench.now + .milliseconds(400)
        bench.send(.wokeUp(absence: .milliseconds(400), suspended: .zero))
        #expect(bench.released && bench.sentPriorities.isEmpty && bench.state == .initialize)
    }
}

@Suite struct HandoverTests {
    private var outcomes: (Bench) -> [HandoverOutcome] {
        { $0.actions.compactMap { if case .handover(let outcome) = $0 { outcome } else { nil } } }
    }

    private func handingOver(_ configuration: VirtualRouterConfiguration = Bench.configuration()) -> Bench {
        var bench = Bench.master(configuration)
        bench.send(.handOver(patience: .zero))
        return bench
    }

    @Test func `it ends with the successor's name, when it came and how long both answered`() {
        var bench = handingOver()
        #expect(bench.state == .resigning && bench.transitions.map(\.cause) == [.handedOver])
        bench.wait(.milliseconds(609))
        bench.advert(90)
        bench.wait(.milliseconds(2))
        bench.announcement(Bench.vip.address)
        #expect(
            outcomes(bench)
                == [.taken(by: Bench.greaterPeer, after: .milliseconds(609), overlap: .milliseconds(2))])
        #expect(bench.state == .backup && bench.router.lastTransition?.cause == .handedOver)
    }

    @Test func `nobody there: taken back, the addresses never removed`() {
        var bench = handingOver()
        let log = bench.run(for: .milliseconds(1_250)).map(\.action)
        #expect(log.contains(.handover(.nobody)) && bench.state == .master)
        #expect(!log.contains { if case .release = $0 { true } else { false } })
    }

    @Test func `a backup and an owner have nothing to hand over`() {
        var backup = Bench()
        backup.start()
        backup.send(.handOver(patience: .zero))
        #expect(backup.actions == [.handover(.notMaster)])
        var owner = Bench.master(Bench.configuration(priority: 255))
        owner.send(.handOver(patience: .zero))
        #expect(owner.actions == [.handover(.isOwner)] && owner.state == .master)
    }

    @Test func `behind a release gate: fenced first, a gap, and told when another master is heard`() {
        var bench = handingOver(Bench.configuration(gatesRelease: true))
        #expect(bench.state == .master && bench.actions == [.runGate(.release, sequence: 1, cause: .handedOver)])
        bench.send(.gate(sequence: 1, failure: nil))
        #expect(bench.sentPriorities == [0] && bench.released && bench.state == .backup && outcomes(bench).isEmpty)
        bench.wait(.milliseconds(700))
        bench.advert(200)
        #expect(
            outcomes(bench)
                == [.taken(by: Bench.greaterPeer, after: .milliseconds(700), overlap: .milliseconds(-700))])
    }

    @Test func `a release gate that fails moves nothing`() {
        var bench = handingOver(Bench.configuration(gatesRelease: true))
        bench.send(.gate(sequence: 1, failure: .exited(1)))
        #expect(outcomes(bench) == [.gateFailed(.exited(1))] && bench.state == .master && bench.sentPriorities.isEmpty)
        bench.send(.handOver(patience: .zero))
        #expect(bench.actions == [.runGate(.release, sequence: 2, cause: .handedOver)], "it may be tried again")
    }

    @Test func `fenced, and nobody took over: it serves again and says so`() {
        var bench = handingOver(Bench.configuration(gatesRelease: true))
        bench.send(.gate(sequence: 1, failure: nil))
        let log = bench.run(for: .seconds(4)).map(\.action)
        #expect(bench.state == .master && log.contains(.handover(.nobody)))
    }

    @Test func `a successor's claim gate has its time before this host takes over again`() {
        var fenced = Bench.master(Bench.configuration(gatesRelease: true))
        fenced.send(.handOver(patience: .seconds(30)))
        fenced.send(.gate(sequence: 1, failure: nil))
        _ = fenced.run(for: .seconds(33))
        #expect(fenced.state == .backup)
        var unfenced = Bench.master()
        unfenced.send(.handOver(patience: .seconds(30)))
        #expect(unfenced.released && unfenced.sentPriorities == [0])
        _ = unfenced.run(for: .seconds(33))
        #expect(unfenced.state == .backup)
    }

    @Test func `a gate that fails answers also where the router is to be disabled meanwhile`() {
        var bench = handingOver(Bench.configuration(gatesRelease: true))
        bench.facts { $0.isDisabled = true }
        bench.send(.gate(sequence: 1, failure: .exited(1)))
        #expect(outcomes(bench) == [.gateFailed(.exited(1))] && bench.state == .master)
        bench.facts { $0.isDisabled = false }
        bench.send(.handOver(patience: .zero))
        #expect(outcomes(bench).isEmpty, "it may be tried again")
    }

    @Test func `a fault ends it`() {
        var bench = handingOver()
        bench.facts { $0.faults = [.noCarrier] }
        #expect(outcomes(bench) == [.interrupted] && bench.state == .fault)
        var fenced = handingOver(Bench.configuration(gatesRelease: true))
        fenced.facts { $0.faults = [.noCarrier] }
        #expect(outcomes(fenced) == [.interrupted])
    }

    @Test func `held back it stays behind a lower master, and takes over from silence and from a resignation`() {
        for resigns in [true, false] {
            var bench = Bench(Bench.configuration(priority: 200))
            bench.standing.isHeld = true
            bench.start()
            for _ in 0..<8 {
                bench.wait(.seconds(1))
                bench.advert(50)
                #expect(bench.state == .backup)
            }
            if resigns { bench.advert(0) }
            bench.wait(resigns ? .milliseconds(219) : .milliseconds(3_219))
            #expect(bench.state == .master)
        }
    }

    @Test func `a hold that ends lets it preempt`() {
        var bench = Bench(Bench.configuration(priority: 200))
        bench.standing.isHeld = true
        bench.start()
        bench.wait(.seconds(1))
        bench.advert(50)
        bench.facts { $0.isHeld = false }
        for _ in 0..<4 {
            bench.wait(.milliseconds(900))
            if bench.state == .backup { bench.advert(50) }
        }
        #expect(bench.state == .master)
    }
}
