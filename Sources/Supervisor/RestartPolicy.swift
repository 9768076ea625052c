// When a new engine is started after one has died, and with what. At once as a rule, because its addresses are on the interface
// and nobody speaks for them; but what killed two may be what the second was told, and one that dies again and again gets pauses,
// in which the addresses are off.

import Election

/// Decides over restarts; a plain value.
struct RestartPolicy: Hashable {
    /// What to do now that the engine is gone.
    struct Restart: Hashable {
        var after: Duration
        /// The new engine continues from sockets and snapshots; otherwise it starts as backup.
        var resuming: Bool
        /// The addresses are removed before the pause, because there is one.
        var cleaning: Bool

        init(after: Duration, resuming: Bool, cleaning: Bool = false) {
            self.after = after
            self.resuming = resuming
            self.cleaning = cleaning
        }
    }

    /// Of the deaths within `window` the first is a mishap, the second ends the trust in what the engine knew, and with the third
    /// the pauses begin.
    static let window = Duration.seconds(10)
    static let longestPause = Duration.seconds(60)

    private var deaths: [Nanoseconds] = []
    private var pause: Duration?

    /// The engine that was started at `started` died at `now`, both on the monotonic clock.
    mutating func died(started: Nanoseconds, now: Nanoseconds) -> Restart {
        let window = Self.window.nanoseconds
        if now - started >= window { pause = nil }
        deaths.removeAll { now - $0 >= window }
        deaths.append(now)
        if let previous = pause {
            pause = min(previous * 2, Self.longestPause)
        } else if deaths.count > 2 {
            pause = .seconds(1)
        }
        if let pause { return Restart(after: pause, resuming: false, cleaning: true) }
        return Restart(after: .zero, resuming: deaths.count == 1)
    }
}
