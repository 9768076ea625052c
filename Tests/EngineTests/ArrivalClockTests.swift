// Receive stamps of the wall clock on the monotonic one, whatever the wall clock does.

import Election
import Testing

@testable import Engine

@Suite struct ArrivalClockTests {
    private static let second: Int64 = 1_000_000_000
    private static let wall: Int64 = 1_700_000_000 * second

    /// Drains at 10 s and 12 s of the monotonic clock; the wall clock steps by `step` in between.
    private func clock(step: Int64 = 0) -> ArrivalClock {
        var clock = ArrivalClock()
        clock.beginDrain(monotonic: 10 * Self.second, wall: Self.wall)
        clock.endDrain()
        clock.beginDrain(monotonic: 12 * Self.second, wall: Self.wall + 2 * Self.second + step)
        return clock
    }

    @Test func `a packet that waited is heard when it came`() {
        let heard = clock().arrival(Self.wall + Self.second)
        #expect(heard == Instant(nanoseconds: 11 * Self.second))
    }

    @Test(arguments: [3_600, -3_600] as [Int64])
    func `V3-TM-04: a step of the wall clock moves an arrival no further than to the drains around it`(_ seconds: Int64)
    {
        let heard = clock(step: seconds * Self.second).arrival(Self.wall + Self.second)
        #expect(heard >= Instant(nanoseconds: 10 * Self.second) && heard <= Instant(nanoseconds: 12 * Self.second))
    }

    @Test(arguments: [3_600, -3_600, 0] as [Int64])
    func `V3-TM-04: what came before a step is heard when it came, and what came after it too`(_ seconds: Int64) {
        let clock = clock(step: seconds * Self.second)
        #expect(clock.arrival(Self.wall + Self.second) == Instant(nanoseconds: 11 * Self.second))
        let after = Self.wall + (2 + seconds) * Self.second
        #expect(clock.arrival(after - Self.second / 2) == Instant(nanoseconds: 11 * Self.second + Self.second / 2))
    }

    @Test(arguments: [3_600, -3_600, 0] as [Int64])
    func `a drain ends with what came after it began, not with what came before a step`(_ seconds: Int64) {
        let clock = clock(step: seconds * Self.second)
        let began = Self.wall + (2 + seconds) * Self.second
        #expect(!clock.isLater(Self.wall + Self.second))
        #expect(!clock.isLater(began - 1) && clock.isLater(began) && clock.isLater(began + Self.second / 10))
        #expect(!clock.isLater(0))
    }

    @Test func `a packet that an unfinished drain left behind does not look new`() {
        var clock = ArrivalClock()
        clock.beginDrain(monotonic: 10 * Self.second, wall: Self.wall)
        clock.endDrain()
        for later in [14, 15] as [Int64] {
            clock.beginDrain(monotonic: later * Self.second, wall: Self.wall + (later - 10) * Self.second)
        }
        #expect(clock.arrival(Self.wall + Self.second) == Instant(nanoseconds: 11 * Self.second))
    }

    @Test func `a packet without a stamp is heard now`() {
        #expect(clock().arrival(0) == Instant(nanoseconds: 12 * Self.second))
    }
}
