// When a new engine is started after one has died. At once as a rule, because its addresses are on the interface and nobody
// speaks for them; but an engine that dies again and again gets pauses, in which the addresses are off, and starts from nothing.

import Election

/// Decides over restarts; a plain value.
struct RestartPolicy: Hashable {
    /// What to do now that the engine is gone.
    struct Restart: Hashable {
        var after: Duration
        /// The new engine continues from sockets and snapshots.
        /// Otherwise its addresses are removed before the pause.
        var resuming: Bool
    }

    /// More deaths than this within `window` are too many.
    static let deathsAllowed = 5
    static let window = Duration.seconds(10)
    static let longestPause = Duration.seconds(60)

    private var deaths: [Nanoseconds] = []
    private var pause: Duration?

    /// The engine that was started at `started` died at `now`, both on the monotonic clock.
    mutating func died(started: Nanoseconds, now: Nanoseconds) -> Restart {
        let window = Self.window.nanoseconds
        if now - started >= window { pause = nil }
        deaths.append(now)
        deaths.removeAll { now - $0 >= window }
        if let previous = pause {
            pause = min(previous * 2, Self.longestPause)
        } else if deaths.count > Self.deathsAllowed {
            pause = .seconds(1)
        }
        return Restart(after: pause ?? .zero, resuming: pause == nil)
    }
}
