// When is it a flood? Packets that no virtual router of a socket expects are counted by the second; above a rate the kernel's
// filter is wanted, far below it no longer. It decides only that; reception, counters and notices are others' business.

import Kernel

/// Watches what comes in on one socket.
struct FloodGuard {
    /// What there is between the kernel and the socket.
    enum Filtering {
        case none
        /// Only a sample of what is not expected comes in.
        case attached
        /// The kernel would not have a filter. Everything comes in, and it is not asked again before this flood has ended.
        case refused
    }

    /// So many unexpected packets in a second are a flood: some hundred times what a badly configured segment has, and a hundredth
    /// of a processor's second to read.
    static let flood: UInt64 = 5_000
    /// So few are none any more. The sample makes it an estimate, hence the distance between the two.
    static let calm: UInt64 = 1_000
    /// It must have been calm for so many seconds: one that comes and goes must not fill the log.
    static let patience = 10

    /// What the socket's virtual routers expect.
    var expected = FloodFilter()
    private(set) var filtering = Filtering.none
    /// CLOCK_REALTIME in nanoseconds. What was queued before came in unfiltered.
    private var since: Int64 = 0
    /// Since the last `tick`.
    private var unexpected: UInt64 = 0
    /// Whole seconds of calm.
    private var calmSeconds = 0

    /// Notes a packet that the kernel received at `stamp` (CLOCK_REALTIME in nanoseconds), and returns for how many it stands
    /// in the counters if it is dropped.
    mutating func weigh(_ message: Span<UInt8>, hopLimit: UInt8, stamp: Int64) -> UInt32 {
        guard !expected.passes(message, hopLimit: hopLimit) else { return 1 }
        let weight = filtering == .attached && stamp >= since ? FloodFilter.sample : 1
        unexpected += UInt64(weight)
        return weight
    }

    /// The filter is wanted at once.
    var isFlooded: Bool { filtering == .none && unexpected >= Self.flood }

    /// A second has passed: true when the flood has ended.
    mutating func tick() -> Bool {
        calmSeconds = unexpected < Self.calm ? calmSeconds + 1 : 0
        unexpected = 0
        // The first second is not a whole one.
        return filtering != .none && calmSeconds > Self.patience
    }

    /// The filter was attached, refused or taken off, at this reading of CLOCK_REALTIME in nanoseconds.
    mutating func set(_ filtering: Filtering, at wall: Int64) {
        self.filtering = filtering
        since = wall
        unexpected = 0
        calmSeconds = 0
    }
}
