// The rules' own account of a router that resigns: when adverts of priority 0 are due, who follows, and when the addresses must
// be gone; and what else a seat knows of its absences. Kept beside the election and made of the same events, never of its state.

import Election
import Wire

/// A resignation that keeps its addresses for a while.
struct Leaving {
    static let spacing: Int64 = 5_000_000
    static let overlap: Int64 = 50_000_000
    static let margin: Int64 = 250_000_000

    var began: Int64
    /// When the addresses go, or are taken back.
    var end: Int64
    /// Another master was there already.
    var isYield = false
    /// Adverts of priority 0 that are still due, and when the next one is.
    var advertsLeft = 0
    var nextAdvert: Int64 = .max
    /// The host that is master now; -1 for none.
    var successor = -1
    /// When the advert was sent that showed this.
    var followedSince: Int64 = -1
    /// Whose priority 1 was heard once; -1 for nobody's.
    var doubtful = -1
    /// Somebody was master since it began.
    var wasFollowed = false
    /// What others announced.
    var announced: [IPAddress] = []

    /// Another host is master now, since `heardAt`.
    mutating func isFollowed(by host: Int, heardAt: Int64, now: Int64) {
        wasFollowed = true
        if successor < 0 {
            end = max(now, heardAt + Self.overlap)
            advertsLeft = 0
        }
        successor = host
    }
}

extension Seat {
    /// What the resignation of a master waits for, the longest skew time: one interval, in version 2 a second, and where both are
    /// spoken the longer of them.
    var patience: Int64 {
        guard let configuration, configuration.version == .v3 else { return 1_000_000_000 }
        let interval = configuration.advertisementInterval.nanoseconds
        return configuration.alsoVersion2 ? max(interval, 1_000_000_000) : interval
    }

    /// It has slept through the end of its resignation: a successor was there, or is likely to be and was not heard. `suspended` is
    /// part of `absence`, and the end has been put off by it.
    func isAsleep(_ absence: Int64, _ suspended: Int64, at now: Int64) -> Bool {
        guard let leaving, let configuration else { return false }
        if leaving.successor >= 0, suspended > 0 || leaving.end + Leaving.margin <= now { return true }
        if suspended > 0, leaving.end - suspended <= now { return true }
        return absence >= 3 * configuration.advertisementInterval.nanoseconds
    }

    /// How long the kernel keeps an address that nobody renews: max(2 s, ⌊3 × interval⌋).
    var lease: Int64 {
        let second: Int64 = 1_000_000_000
        let interval = (configuration ?? taken ?? wanted)?.advertisementInterval.nanoseconds ?? 0
        return max(2 * second, 3 * interval / second * second)
    }

    /// The version 2 twin of an advert that was heard in version 3 too is not heard (RFC 9568 §8.4.2).
    mutating func isTwin(_ packet: Packet, heardAt: Int64, hosts: Int) -> Bool {
        guard let configuration, configuration.alsoVersion2 else { return false }
        if versionThree.isEmpty { versionThree = [Int64](repeating: -1, count: hosts) }
        if packet.version == .v3 {
            versionThree[packet.sender] = heardAt
            return false
        }
        let last = versionThree[packet.sender]
        return last >= 0 && heardAt - last < masterDown(learned)
    }

    /// Takes an advert as the master's, and lets silence count from it.
    mutating func follow(_ packet: Packet, heardAt: Int64) {
        guard configuration != nil else { return }
        learned = interval(of: packet)
        lastObeyed = heardAt
        lastMaster = packet.sender
        waitForSilence()
    }

    /// The interval of this advert as far as it is obeyed; version 2 knows only the configured one.
    func interval(of packet: Packet) -> Int64 {
        guard let configuration, configuration.version == .v3 else { return learned }
        return min(packet.interval, configuration.longestInterval.nanoseconds)
    }

    /// The master-down interval after the last advert that was obeyed.
    mutating func waitForSilence() {
        guard configuration != nil else { return }
        due = lastObeyed + masterDown(learned)
    }

    /// The monotonic clock of the host stood still: what is measured by it comes so much later.
    mutating func shift(by length: Int64) {
        if due < .max { due += length }
        firstLower = firstLower.map { $0 + length }
        linkSince = linkSince.map { $0 + length }
        delayedUntil = delayedUntil.map { $0 + length }
        if muteSince >= 0 { muteSince += length }
        lastObeyed += length
        for host in versionThree.indices where versionThree[host] >= 0 { versionThree[host] += length }
        guard leaving != nil else { return }
        leaving?.end += length
        if let next = leaving?.nextAdvert, next < .max { leaving?.nextAdvert = next + length }
    }
}
