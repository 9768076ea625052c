// The rules of leaving look at what they are given, at their bounds to the nanosecond; and what a plan may say is said by some.

import Election
import Testing
import Wire

@testable import Simulation

/// The rules of leaving look at what they are given.
@Suite struct LeavingRuleTests {
    private func restingWorld(_ version: ProtocolVersion = .v3) throws -> (world: World, master: Int, backup: Int) {
        for seed in 1... as PartialRangeFrom<UInt64> {
            var plan = Plan(seed: seed)
            plan.faults = []
            guard plan.hosts == 2, plan.routers.count == 1, plan.checks.isEmpty, plan.hasLeases,
                plan.routers[0].version == version, plan.seats.allSatisfy({ $0.map { !$0.gatesRelease } ?? false })
            else { continue }
            var world = World(plan, isRecording: true)
            world.run()
            guard world.violation == nil, let master = world.seats.firstIndex(where: { $0.isAdvertising }) else {
                break
            }
            return (world, master, 1 - master)
        }
        throw Unreachable()
    }

    private struct Unreachable: Error {}

    /// The master begins to resign, as the election would say.
    private func resign(_ world: inout World, _ host: Int) {
        world.seats[host].state = .resigning
        world.seats[host].isAdvertising = false
        world.beginLeaving(
            Transition(
                from: .master, to: .resigning, cause: .handedOver, at: world.clock(host), effectivePriority: 100),
            host, 0)
    }

    @Test func `a resignation that does not end`() throws {
        var (world, master, _) = try restingWorld()
        resign(&world, master)
        let leaving = try #require(world.seats[master].leaving)
        let patience = world.seats[master].patience
        #expect(leaving.end == world.now + patience + 250_000_000)
        world.seats[master].leaving?.advertsLeft = 0
        world.now = leaving.end
        world.judgeLeaving(master, 0, 0)
        #expect(world.violation == nil)
        world.now += 1
        world.judgeLeaving(master, 0, 0)
        #expect(world.violation?.rule == .leavesInTime)
    }

    @Test func `priority 0 that is not repeated, or more often than it may be`() throws {
        var (world, master, _) = try restingWorld()
        resign(&world, master)
        world.now += 5_000_001
        world.judgeLeaving(master, 0, 0)
        #expect(world.violation?.rule == .leavesInTime)

        (world, master, _) = try restingWorld()
        resign(&world, master)
        for _ in 0..<2 {
            world.now += 5_000_000
            world.judgeRepetition(0, master, 0)
        }
        #expect(world.violation == nil)
        world.now += 5_000_000
        world.judgeRepetition(0, master, 0)
        #expect(world.violation?.rule == .advertsFromMasters)
    }

    @Test func `an address that goes before anybody holds it`() throws {
        var (world, master, backup) = try restingWorld()
        let addresses = try #require(world.seats[master].configuration).addresses
        resign(&world, master)
        world.now += 1_000_000
        world.judgeRelease(addresses, master, 0)
        #expect(world.violation?.rule == .makesBeforeBreak)

        (world, master, backup) = try restingWorld()
        resign(&world, master)
        let leaving = try #require(world.seats[master].leaving)
        world.now += 1_000_000
        world.seats[master].leaving?.followedSince = world.now
        world.seats[master].leaving?.isFollowed(by: backup, heardAt: world.now, now: world.now)
        world.now += 50_000_000
        world.seats[backup].held = addresses
        world.judgeRelease(addresses, master, 0)
        #expect(world.violation == nil && world.now < leaving.end)
        world.seats[backup].held = []
        world.judgeRelease(addresses, master, 0)
        #expect(world.violation?.rule == .makesBeforeBreak)
    }

    @Test func `two holders`() throws {
        var (world, master, backup) = try restingWorld()
        let addresses = try #require(world.seats[backup].configuration).addresses
        world.seats[backup].held = addresses
        world.seats[backup].leaving = Leaving(began: world.now, end: .max)
        world.judgeHolders(0, 0)
        let needsTwo = world.seats[master].priority == 1
        world.now += world.conflictBound(0) + 50_000_000 + (needsTwo ? world.plan.routers[0].longestInterval : 0)
        world.judgeHolders(0, 0)
        #expect(world.violation == nil)
        world.now += 1
        world.judgeHolders(0, 0)
        #expect(world.violation?.rule == .oneHolder)
    }

    @Test func `an address that its lease leaves behind`() throws {
        var (world, master, _) = try restingWorld()
        world.stopEngine(master)
        world.now += world.seats[master].lease + 500_000_000
        world.judgeLeaving(master, 0, 0)
        #expect(world.violation == nil)
        world.now += 1
        world.judgeLeaving(master, 0, 0)
        #expect(world.violation?.rule == .leasesEnd)
    }

    @Test func `a handover that is not heard of again`() throws {
        var (world, master, _) = try restingWorld()
        world.orderHandover(master, 0)
        world.now += world.takeoverBound(0) + 2 * world.plan.gateTime
        world.judgeLeaving(master, 0, 0)
        #expect(world.violation == nil)
        world.now += 1
        world.judgeLeaving(master, 0, 0)
        #expect(world.violation?.rule == .handoversEnd)
    }

    @Test func `every new draw occurs`() {
        var (unicast, both, delayed, limited, policies, places) = (0, 0, 0, 0, 0, 0)
        for seed in 1...500 as ClosedRange<UInt64> {
            let plan = Plan(seed: seed)
            places |= plan.places.reduce(0) { $0 | ($1 < 64 ? 1 : 2) }
            for seat in plan.seats.compactMap({ $0 }) {
                if seat.isUnicast { unicast += 1 }
                if seat.alsoVersion2 { both += 1 }
                if seat.startDelay > .zero { delayed += 1 }
                if seat.intervalLimit != 10 { limited += 1 }
                policies |= 1 << Int(seat.checksum.rawValue)
            }
        }
        #expect(min(unicast, both, delayed, limited) > 0)
        #expect(policies == 7)
        #expect(places == 3)
    }
}
