// How long the loop was away, from readings of two clocks.

import Testing

@testable import Engine

@Suite struct AbsenceMeterTests {
    private let millisecond: Int64 = 1_000_000

    private func meter() -> (AbsenceMeter, Int64) {
        let start: Int64 = 1_000_000_000_000
        return (AbsenceMeter(monotonic: start, suspended: 0), start)
    }

    @Test func `a turn that comes before it is expected is no absence`() {
        var (meter, start) = meter()
        let (absence, suspended) = meter.turnBegins(
            expected: start + 100 * millisecond, monotonic: start + 40 * millisecond,
            suspended: 0)
        #expect(absence == 0 && suspended == 0)
    }

    @Test func `a turn that comes later is one of so long`() {
        var (meter, start) = meter()
        let (absence, suspended) = meter.turnBegins(
            expected: start + 100 * millisecond, monotonic: start + 350 * millisecond,
            suspended: 0)
        #expect(absence == 250 * millisecond && suspended == 0)
    }

    @Test func `work that was left for this turn is not`() {
        var (meter, start) = meter()
        let (absence, _) = meter.turnBegins(
            expected: start - 400 * millisecond, monotonic: start + millisecond, suspended: 0)
        #expect(absence == millisecond)
    }

    @Test func `a suspension shows in the other clock, once`() {
        var (meter, start) = meter()
        let hour: Int64 = 3_600_000_000_000
        var seen = meter.turnBegins(
            expected: start + 100 * millisecond, monotonic: start + 100 * millisecond,
            suspended: hour)
        #expect(seen.absence == hour && seen.suspended == hour)
        seen = meter.turnBegins(
            expected: start + 200 * millisecond, monotonic: start + 200 * millisecond,
            suspended: hour)
        #expect(seen.absence == 0 && seen.suspended == 0)
    }
}
