// When did a packet arrive? The kernel stamps with the wall clock, decisions are made on the monotonic one. The difference to
// now is what counts. It came between the last time the socket was found empty and now: a stamp that says otherwise is from before a step
// of the wall clock, and is read by the clock as it was then; failing that it is clamped. So a step in between cannot invent an arrival, and a
// packet that waited long does not look new (promise 5).

import Election
import System

/// Maps receive stamps to instants, for one socket.
struct ArrivalClock {
    /// When the drain began that last found nothing more to read.
    private var emptied: Int64 = 0
    /// By how much the wall clock was ahead of the monotonic one then.
    private var ahead: Int64 = 0
    private var monotonic: Int64 = 0
    /// CLOCK_REALTIME when the present drain began, nanoseconds.
    private var wall: Int64 = 0

    /// Takes both clocks at the beginning of a drain.
    mutating func beginDrain() { beginDrain(monotonic: Clock.monotonic(), wall: Clock.wall()) }

    /// A drain begins at these readings, nanoseconds.
    mutating func beginDrain(monotonic: Int64, wall: Int64) {
        self.monotonic = monotonic
        self.wall = wall
    }

    /// The drain has read everything.
    mutating func endDrain() {
        emptied = monotonic
        ahead = wall - monotonic
    }

    /// The arrival of a packet with this kernel stamp (0 for none) during this drain.
    func arrival(_ stamp: Int64) -> Instant {
        guard stamp > 0 else { return Instant(nanoseconds: monotonic) }
        let possible = emptied...max(emptied, monotonic)
        let (present, former) = (monotonic - (wall - stamp), stamp - ahead)
        let read = !possible.contains(present) && possible.contains(former) ? former : present
        return Instant(nanoseconds: min(monotonic, max(emptied, read)))
    }

    /// It came after this drain began.
    func isLater(_ stamp: Int64) -> Bool { stamp > 0 && arrival(stamp).nanoseconds >= monotonic }
}
