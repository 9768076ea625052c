// How much may be sent of what could drown a segment if it went out at once. It sends nothing.

/// So many at once, and one more each time that a period has passed. What was not used is not saved up.
struct Allowance {
    /// Nanoseconds.
    private(set) var period: Int64
    private(set) var atOnce: Int64
    /// When it is whole again, CLOCK_MONOTONIC in nanoseconds.
    private var restored = Int64.min / 2

    init(period: Int64, atOnce: Int64) {
        self.period = period
        self.atOnce = atOnce
    }

    /// Another one from now on; what has been taken comes back when it would have.
    mutating func change(to other: Allowance) { (period, atOnce) = (other.period, other.atOnce) }

    /// From when on so many are allowed, at most `atOnce`.
    func next(_ count: Int64 = 1) -> Int64 { restored - (atOnce - count) * period }

    /// Takes so many, or none.
    mutating func take(_ count: Int64 = 1, at now: Int64) -> Bool {
        guard now >= next(count) else { return false }
        restored = max(restored, now) + count * period
        return true
    }
}
