// The arithmetic of RFC 9568 §6.1 and RFC 3768 §6.1, and the two small limiters of the state machine.

import Wire

/// Skew_Time and the master-down interval.
package enum Timing {
    /// Version 3: ((256 − priority) × interval) / 256 of the master's interval; version 2: (256 − priority) / 256 seconds.
    /// Exact to the nanosecond; integer centiseconds would give 0 for most priorities (checklist V3-TM-03, V2-04).
    package static func skew(_ version: ProtocolVersion, priority: UInt8, interval: Duration) -> Duration {
        let base: Duration = version == .v3 ? interval : .seconds(1)
        return .nanoseconds(base.nanoseconds * Int64(256 - Int(priority)) / 256)
    }

    /// Three intervals and the skew.
    package static func masterDown(_ version: ProtocolVersion, priority: UInt8, interval: Duration) -> Duration {
        interval.times(3) + skew(version, priority: priority, interval: interval)
    }
}

/// Limits the answers to lower adverts: at most 3 in one interval, at least 10 ms apart, the first never delayed
/// (checklist FSM-06).
struct AnswerLimiter: Hashable, Sendable {
    private var newest: Instant?
    private var second: Instant?
    private var third: Instant?

    /// Whether an answer may go out now; if so it is counted.
    mutating func allows(at now: Instant, interval: Duration) -> Bool {
        if let newest, now - newest < .milliseconds(10) { return false }
        if let third, now - third < interval { return false }
        third = second
        second = newest
        newest = now
        return true
    }
}

/// Which IPv4 checksum form is sent under `ChecksumPolicy.automatic`: that of the last valid advert of any peer, RFC 9568's
/// until one was heard, changed at most once in 10 s.
struct ChecksumFollower: Hashable, Sendable {
    private(set) var form = ChecksumForm.message
    private var changed: Instant?

    mutating func heard(_ other: ChecksumForm, at now: Instant) {
        guard other != form else { return }
        if let changed, now - changed < .seconds(10) { return }
        form = other
        changed = now
    }
}
