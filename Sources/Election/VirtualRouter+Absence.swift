// A master that was away, or whose adverts do not leave: its peers have replaced it, or will, so it stops being one before it
// does anything else (promise 5).

import Wire

extension VirtualRouter {
    /// No backup of any priority waits for four intervals; silent for so long this one cannot still be the only master.
    func isOverdue(_ silence: Duration) -> Bool { silence >= configuration.advertisementInterval * 4 }

    /// Away for longer than its peers' patience. The addresses go at once, without a word: whoever is master now must not be
    /// disturbed. What waits in the queues is heard next; if that is nothing, an interval and the skew time pass first.
    mutating func giveUp(_ master: Master, after silence: Duration, _ now: Instant, _ actions: inout [Action]) {
        if let sequence = master.releaseGate { actions.append(.cancelGate(sequence: sequence)) }
        counters[.lateWakeUps] += 1
        if !master.awaitsSending { actions.append(.release(configuration.addresses)) }
        interruptHandover(&actions)
        masterInterval = configuration.advertisementInterval
        self.master = nil
        enter(
            .backup(Backup(masterDown: now + masterInterval + skewTime)), because: .late(silence), now, &actions)
        if !mayRun { reconsider(previous: standing, now, &actions) }
    }

    /// No advert left this host. After three intervals without one it leaves the election for a pause, and a first advert
    /// must go out before it claims anything again.
    mutating func sendFailed(_ master: Master, _ code: Int32, _ now: Instant, _ actions: inout [Action]) {
        var master = master
        let since = master.muteSince ?? now
        master.muteSince = since
        state = .master(master)
        // The first that failed was due an interval after the last that did not.
        guard master.awaitsSending || now - since >= configuration.advertisementInterval * 2 else { return }
        if let sequence = master.releaseGate { actions.append(.cancelGate(sequence: sequence)) }
        if !master.awaitsSending { actions.append(.release(configuration.addresses)) }
        isSendDoubtful = true
        pause(for: .cannotSend(code), now, &actions)
    }

    /// The interface turns out to be the reason why adverts did not leave: its own fault says more, and its end is the end.
    mutating func forgetMuteness() {
        isSendDoubtful = false
        if case .cannotSend? = pause?.fault { pause = nil }
    }

    /// Adverts go out again.
    mutating func sent(_ master: Master, _ actions: inout [Action]) {
        var master = master
        master.muteSince = nil
        isSendDoubtful = false
        let mayClaim = master.awaitsSending
        master.awaitsSending = false
        state = .master(master)
        if mayClaim { claim(configuration.addresses, &actions) }
    }
}

/// The place of a router among those of its host. Hundreds that became master at one moment would send their adverts in one
/// burst for ever; in groups they fall on different parts of the interval, and each keeps its own period. Only of its first eighth: as far
/// as their last adverts are apart, so far apart are the moments at which a backup may take them over, and the host is gone as a whole. Where
/// it dies while it sends them, that is a whole interval.
package struct Turn: Hashable, Sendable {
    /// So many share a part of the interval: a burst of them costs a backup less than as many wake-ups would.
    static let groupSize = 64

    /// Bits of the group's number, mirrored: the groups divide an eighth of the interval evenly, however many there are.
    private let fraction: UInt16

    /// `place` counts the routers of the host.
    init(_ place: Int) {
        var group = UInt16(truncatingIfNeeded: place / Self.groupSize)
        var mirrored: UInt16 = 0
        for _ in 0..<16 {
            mirrored = mirrored << 1 | group & 1
            group >>= 1
        }
        fraction = mirrored
    }

    /// By how much the first interval is shorter; 0 ..< interval / 8, 0 for the first group.
    func advance(in interval: Duration) -> Duration {
        .nanoseconds(interval.nanoseconds / 524_288 * Int64(fraction))
    }
}
