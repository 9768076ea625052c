// How many announcements leave an interface in a second, and what waits its turn there: a takeover of thousands of addresses must not drown a
// segment, or a switch's processor, in broadcasts. What was to be announced while its last announcement still waits is announced once. It sends
// nothing.

import Election
import Wire

extension Allowance {
    /// So many in any second, whenever it begins: half of them at once, and they come back within a second.
    init(perSecond limit: UInt32) {
        let half = Int64(max(limit, 10)) / 2
        self.init(period: (1_000_000_000 + half - 1) / half, atOnce: half)
    }
}

/// The announcements of one interface.
struct AnnouncementQueue {
    struct Entry: Hashable {
        let router: RouterID
        let address: InterfaceAddress
    }

    /// An announcement has so many frames at most.
    private static let most: Int64 = 3
    /// What has come back meanwhile leaves together, nanoseconds, or a wake-up would be needed for each frame.
    private static let pause: Int64 = 10_000_000

    private var allowance: Allowance
    private var waiting = Line<Entry>()
    private var present: Set<Entry> = []

    /// `limit`: frames a second, at least 10.
    init(_ limit: UInt32) { allowance = Allowance(perSecond: limit) }

    var isEmpty: Bool { waiting.isEmpty }

    /// When what waits may go on, CLOCK_MONOTONIC in nanoseconds.
    var due: Int64 {
        let together = max(Self.most, Self.pause / allowance.period)
        return isEmpty ? .max : allowance.next(min(allowance.atOnce, together))
    }

    /// Whether an announcement of so many frames may leave now: not before those that wait.
    mutating func admits(_ frames: Int, at now: Int64) -> Bool { isEmpty && allowance.take(Int64(frames), at: now) }

    mutating func wait(_ entry: Entry) {
        if present.insert(entry).inserted { waiting.append(entry) }
    }

    /// The one that waits longest.
    var next: Entry? { waiting.first }

    /// Takes `next` out, which is not wanted any more.
    mutating func drop() {
        guard let entry = next else { return }
        present.remove(entry)
        waiting.removeFirst()
    }

    /// Takes out all of a router.
    mutating func drop(_ router: RouterID) {
        present = present.filter { $0.router != router }
        waiting.removeAll { $0.router == router }
    }

    /// Takes `next` out to be sent, if so many frames may leave now.
    mutating func send(_ frames: Int, at now: Int64) -> Bool {
        guard allowance.take(Int64(frames), at: now) else { return false }
        drop()
        return true
    }

    /// Another limit from now on. What has left has left, and what waits goes on waiting.
    mutating func change(to limit: UInt32) { allowance.change(to: Allowance(perSecond: limit)) }
}
