// How many announcements leave an interface in a second, and what waits its turn there: a takeover of thousands of addresses must not drown a
// segment, or a switch's processor, in broadcasts. What was to be announced while its last announcement still waits is announced once. It sends
// nothing.

import Election
import Wire

/// Frames that may leave in any second, whenever it begins. Half of them at once, and they come back within a second.
struct AnnouncementAllowance {
    private static let second: Int64 = 1_000_000_000
    /// So much has to have come back before what waits goes on, nanoseconds, or a wake-up would be needed for each frame.
    private static let pause: Int64 = 10_000_000

    /// What a frame costs, nanoseconds of `second`.
    private var cost: Int64
    private var credit = second
    /// When it was that, CLOCK_MONOTONIC in nanoseconds.
    private var asOf: Int64

    /// `limit`: frames a second, at least 10.
    init(_ limit: UInt32, at now: Int64) {
        cost = Self.cost(limit)
        asOf = now
    }

    private static func cost(_ limit: UInt32) -> Int64 {
        let rate = Int64(max(limit, 10)) / 2
        return (second + rate - 1) / rate
    }

    /// Another limit from now on; what has left has left.
    mutating func change(to limit: UInt32) { cost = Self.cost(limit) }

    /// Takes so many, three at most, or none.
    mutating func take(_ frames: Int, at now: Int64) -> Bool {
        credit = min(Self.second, credit + max(0, now - asOf))
        asOf = max(asOf, now)
        guard credit >= cost * Int64(frames) else { return false }
        credit -= cost * Int64(frames)
        return true
    }

    /// When three frames may leave again, and as many as come back in `pause`.
    var due: Int64 { asOf + max(0, min(Self.second, max(3 * cost, Self.pause)) - credit) }
}

/// The announcements of one interface.
struct AnnouncementQueue {
    struct Entry: Hashable {
        let router: RouterID
        let address: InterfaceAddress
    }

    private var allowance: AnnouncementAllowance
    private var waiting: [Entry] = []
    /// Those before it have gone.
    private var first = 0
    private var present: Set<Entry> = []

    init(_ limit: UInt32, at now: Int64) { allowance = AnnouncementAllowance(limit, at: now) }

    var isEmpty: Bool { present.isEmpty }

    /// When what waits may go on, CLOCK_MONOTONIC in nanoseconds.
    var due: Int64 { isEmpty ? .max : allowance.due }

    /// Whether an announcement of so many frames may leave now: not before those that wait.
    mutating func admits(_ frames: Int, at now: Int64) -> Bool { isEmpty && allowance.take(frames, at: now) }

    mutating func wait(_ entry: Entry) {
        if present.insert(entry).inserted { waiting.append(entry) }
    }

    /// The one that waits longest.
    var next: Entry? { first < waiting.count ? waiting[first] : nil }

    /// Takes `next` out, which is not wanted any more.
    mutating func drop() {
        guard let entry = next else { return }
        present.remove(entry)
        first += 1
        guard first > waiting.count / 2 else { return }
        waiting.removeFirst(first)
        first = 0
    }

    /// Takes out all of a router.
    mutating func drop(_ router: RouterID) {
        waiting = waiting[first...].filter { $0.router != router }
        first = 0
        present = Set(waiting)
    }

    /// Takes `next` out to be sent, if so many frames may leave now.
    mutating func send(_ frames: Int, at now: Int64) -> Bool {
        guard allowance.take(frames, at: now) else { return false }
        drop()
        return true
    }

    /// Another limit from now on; what waits goes on waiting.
    mutating func change(to limit: UInt32) { allowance.change(to: limit) }
}
