// Time as an argument: a point on the monotonic clock. The core never asks what time it is.

/// A point on the monotonic clock of one host, in nanoseconds; differences are `Duration`.
package struct Instant: Hashable, Comparable, Sendable {
    package var nanoseconds: Int64

    package init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

    package static func < (left: Self, right: Self) -> Bool { left.nanoseconds < right.nanoseconds }
    package static func + (instant: Self, span: Duration) -> Self {
        Instant(nanoseconds: instant.nanoseconds + span.nanoseconds)
    }
    package static func - (instant: Self, span: Duration) -> Self {
        Instant(nanoseconds: instant.nanoseconds - span.nanoseconds)
    }
    package static func - (left: Self, right: Self) -> Duration {
        .nanoseconds(left.nanoseconds - right.nanoseconds)
    }
}

extension Duration {
    /// Whole nanoseconds, rounded towards zero. Spans beyond 292 years do not occur here.
    package var nanoseconds: Int64 {
        let parts = components
        return parts.seconds * 1_000_000_000 + parts.attoseconds / 1_000_000_000
    }

    /// So many times the span, exact to the nanosecond. Multiplying a Duration goes through generic 128-bit arithmetic, which shows
    /// where it is done for each advert.
    func times(_ count: Int) -> Duration { .nanoseconds(nanoseconds * Int64(count)) }

    /// VRRP's unit on the wire: hundredths of a second (RFC 9568 §5.2.7).
    package static func centiseconds(_ count: Int) -> Duration { .milliseconds(count * 10) }
}
