// How long did this process not run? A master that was away longer than its peers' patience must know before it reads or sends
// anything (promise 5). And what becomes of one advert, for the same purpose: a master that nobody can hear is none either.

import System

/// Measures at each turn of the loop how late it is.
struct AbsenceMeter {
    /// For how long the machine had been suspended at the last turn.
    private var suspendedBefore: Int64
    private var lastTurn: Int64

    /// Begins at these readings, nanoseconds.
    init(monotonic: Int64 = Clock.monotonic(), suspended: Int64 = Clock.suspended()) {
        suspendedBefore = suspended
        lastTurn = monotonic
    }

    /// A turn begins that was `expected` at this reading of CLOCK_MONOTONIC at the latest. How long the loop was away beyond
    /// that, and how much of it the machine was suspended; nanoseconds.
    mutating func turnBegins(expected: Int64) -> (absence: Int64, suspended: Int64) {
        turnBegins(expected: expected, monotonic: Clock.monotonic(), suspended: Clock.suspended())
    }

    /// The same at given readings.
    mutating func turnBegins(expected: Int64, monotonic: Int64, suspended: Int64) -> (absence: Int64, suspended: Int64)
    {
        // The clocks are read one after the other; less than a millisecond is that.
        let difference = suspended - suspendedBefore
        let asleep = difference < 1_000_000 ? 0 : difference
        suspendedBefore = suspended
        let late = max(0, monotonic - max(expected, lastTurn))
        lastTurn = monotonic
        return (late + asleep, asleep)
    }
}

/// One advert on its way to the group or to several peers, in one or two versions.
struct Sending {
    var successes = 0
    /// The errno of the last failure.
    var failure: Int32?
}
