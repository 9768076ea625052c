// The simulation itself: worlds hold, one seed is one world in every process, a broken rule is found, told and shrunk. That the
// rules bite on a wrong state machine is shown by Tests/Mutants.

import Election
import Glibc
import Testing

@testable import Simulation

@Suite struct SimulationTests {
    @Test func `no rule is broken in the first worlds`() {
        var broken: [UInt64] = []
        var events = 0
        for seed in 1...120 as ClosedRange<UInt64> {
            let outcome = simulate(Plan(seed: seed))
            if outcome.violation != nil { broken.append(seed) }
            events += outcome.events
        }
        #expect(broken.isEmpty)
        #expect(events > 50_000)
    }

    @Test func `every fault, family, version and size occurs`() {
        var kinds = [Int](repeating: 0, count: PlannedFault.Kind.allCases.count)
        var versions = 0
        var families = 0
        var hosts: [Int] = []
        for seed in 1...500 as ClosedRange<UInt64> {
            let plan = Plan(seed: seed)
            for fault in plan.faults { kinds[Int(fault.kind.rawValue)] += 1 }
            for router in plan.routers {
                versions |= 1 << Int(router.version.rawValue)
                families |= 1 << Int(router.family.rawValue)
            }
            if !hosts.contains(plan.hosts) { hosts.append(plan.hosts) }
        }
        let rarest = kinds.min() ?? 0
        #expect(rarest > 0)
        #expect(versions == 1 << 2 | 1 << 3)
        #expect(families == 1 << 4 | 1 << 6)
        #expect(hosts.sorted() == [2, 3, 4, 5])
    }

    @Test func `a seed is a world: the same transcript again, another one for another seed`() {
        let first = simulate(Plan(seed: 7), transcript: true)
        let again = simulate(Plan(seed: 7), transcript: true)
        let other = simulate(Plan(seed: 8), transcript: true)
        #expect(first.transcript == again.transcript)
        #expect(first.transcript != other.transcript)
        #expect(first.transcript.count > 20)
    }

    @Test(arguments: [3, 1_588, 2_391] as [UInt64])
    func `a seed gives the same transcript in two processes, whose hash seeds differ`(_ seed: UInt64) throws {
        let one = try output(of: seed)
        let two = try output(of: seed)
        #expect(one == two)
        let own = simulate(Plan(seed: seed), transcript: true).transcript
        let isOwn = one.starts(with: own.joined(separator: "\n").utf8)
        #expect(isOwn)
    }

    /// What the built program says of a world.
    private func output(of seed: UInt64) throws -> [UInt8] {
        let tests = try #require(CommandLine.arguments.first)
        let directory = tests[..<(tests.lastIndex(of: "/") ?? tests.startIndex)]
        let stream = try unsafe #require(
            popen("env -u SWIFT_DETERMINISTIC_HASHING \(directory)/vipd simulate --seed \(seed)", "r"))
        defer { _ = unsafe pclose(stream) }
        var octets: [UInt8] = []
        while true {
            let octet = unsafe fgetc(stream)
            guard octet >= 0 else { return octets }
            octets.append(UInt8(octet))
        }
    }
}

/// The rules look at what they are given: states that no correct election reaches break them.
@Suite struct RuleTests {
    /// A world of two hosts, one virtual router and no fault, at rest.
    private func restingWorld() throws -> World {
        for seed in 1... as PartialRangeFrom<UInt64> {
            var plan = Plan(seed: seed)
            plan.faults = []
            guard plan.hosts == 2, plan.routers.count == 1, plan.checks.isEmpty else { continue }
            var world = World(plan, isRecording: true)
            world.run()
            try #require(world.violation == nil)
            return world
        }
        throw Unreachable()
    }

    private struct Unreachable: Error {}

    private func master(_ world: World) throws -> Int { try #require(world.seats.firstIndex { $0.isAdvertising }) }

    @Test func `two masters`() throws {
        var world = try restingWorld()
        for place in world.seats.indices {
            world.seats[place].isAdvertising = true
            world.seats[place].lastAdvertTried = world.now
        }
        world.now += 1
        world.judgeBounds()
        #expect(world.violation == nil, "not yet")
        let bound = world.conflictBound(0)
        for place in world.seats.indices { world.seats[place].lastAdvertTried = world.now + bound }
        world.now += bound + 1
        world.judgeBounds()
        #expect(world.violation?.rule == .twoMasters)
    }

    @Test func `no master`() throws {
        var world = try restingWorld()
        world.seats[try master(world)].isAdvertising = false
        let bound = world.takeoverBound(0)
        world.now += bound
        world.judgeBounds()
        #expect(world.violation == nil, "not yet")
        world.now += 1
        world.judgeBounds()
        #expect(world.violation?.rule == .noMaster)
    }

    @Test func `nobody is master at rest`() throws {
        var world = try restingWorld()
        world.seats[try master(world)].isAdvertising = false
        world.judgeSettled()
        #expect(world.violation?.rule == .oneMaster)
    }

    @Test func `a late advert`() throws {
        var world = try restingWorld()
        let place = try master(world)
        let interval = try #require(world.seats[place].configuration).advertisementInterval.nanoseconds
        world.now = world.seats[place].lastAdvertSent + interval
        world.judgeBounds()
        #expect(world.violation == nil)
        world.now += 1
        world.judgeBounds()
        #expect(world.violation?.rule == .advertsInTime)
    }

    @Test func `an address of a backup`() throws {
        var world = try restingWorld()
        let place = 1 - (try master(world))
        world.seats[place].held = [Plan.address(0, of: 0, world.plan.routers[0].family)]
        world.refresh(place, 0)
        #expect(world.violation?.rule == .othersHoldNothing)
    }

    @Test func `an address missing at the master`() throws {
        var world = try restingWorld()
        let place = try master(world)
        world.seats[place].held = []
        world.judgeStanding(place, 0)
        #expect(world.violation?.rule == .masterHolds)
    }

    @Test func `a disabled master`() throws {
        var world = try restingWorld()
        let place = try master(world)
        world.seats[place].isDisabled = true
        world.judgeStanding(place, 0)
        #expect(world.violation?.rule == .obeysFacts)
        let told = world.record.transcript.last?.contains("VIOLATION of obeys-facts") ?? false
        #expect(told)
    }
}
