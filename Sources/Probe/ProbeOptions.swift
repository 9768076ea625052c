// `vipd probe`: asks again and again who holds an address, and says who answers, when the holder changes, and how long
// nobody or more than one did. It is a target of its own because only the command line uses it: it captures frames and
// prints, which the engine must never do. It changes nothing anywhere: its probes fill no cache with an address.

import Wire

/// What to probe, and how.
package struct ProbeOptions: Hashable, Sendable {
    package var address: IPAddress
    /// Nil: the one that the route to the address leaves by.
    package var interface: String?
    /// Between two probes; within `intervals`.
    package var interval: Duration
    /// Stop after this many probes.
    package var count: Int?
    /// Stop after this long; above 0 and at most `longestDuration`.
    package var duration: Duration?
    /// Lines of JSON instead of text.
    package var json: Bool

    /// How long a run may last when neither a count nor a duration is given.
    package static let longest: Duration = .seconds(3600)

    /// What `interval` may be.
    package static let intervals: ClosedRange<Duration> = .milliseconds(1) ... .seconds(3600)
    /// What `duration` may be at most. The clock's nanoseconds would hold more, but not every span that can be written.
    package static let longestDuration: Duration = .seconds(24 * 3600)

    package init(
        address: IPAddress, interface: String? = nil, interval: Duration = .milliseconds(100), count: Int? = nil,
        duration: Duration? = nil, json: Bool = false
    ) {
        self.address = address
        self.interface = interface
        self.interval = interval
        self.count = count
        self.duration = duration
        self.json = json
    }
}

/// Why probing could not be done or could not go on, in one sentence for the user.
package struct ProbeError: Error, Hashable, Sendable, CustomStringConvertible {
    package let description: String

    package init(_ description: String) { self.description = description }
}
