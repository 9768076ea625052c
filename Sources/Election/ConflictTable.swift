// Who else claims the addresses of one virtual router, remembered and told without flooding anybody.

import Wire

/// Another host that claims one of our addresses.
package struct HeardClaim: Hashable, Sendable {
    package var address: IPAddress
    package var hardware: MACAddress
    /// When it was heard first and last. In a snapshot these are boot time, as its other times are.
    package var first: Instant
    package var last: Instant
    package var count: UInt64

    package init(address: IPAddress, hardware: MACAddress, first: Instant, last: Instant, count: UInt64) {
        self.address = address
        self.hardware = hardware
        self.first = first
        self.last = last
        self.count = count
    }

    /// The same on a clock that is ahead by `offset`.
    package func shifted(by offset: Duration) -> HeardClaim {
        HeardClaim(address: address, hardware: hardware, first: first + offset, last: last + offset, count: count)
    }
}

/// The claims of one virtual router's addresses by others, at most `capacity` of them. A new one is told at once and one that stays
/// every 10 minutes, but never two within 10 s: whoever changes its hardware address cannot make more.
struct ConflictTable: Hashable, Sendable {
    static let capacity = 16
    static let period = Duration.seconds(10)
    /// One that was not heard for so long is over; one that goes on is told again after it.
    static let memory = Duration.seconds(600)

    private struct Entry: Hashable, Sendable {
        var heard: HeardClaim
        var told: Instant?
    }

    private var entries: [Entry] = []
    private var lastTold: Instant?

    /// Notes a claim. True when it should be told now.
    mutating func hear(_ claim: AddressClaim, at now: Instant) -> Bool {
        let place = place(of: claim, at: now)
        entries[place].heard.last = now
        entries[place].heard.count &+= 1
        if let told = entries[place].told, now - told < Self.memory { return false }
        if let lastTold, now - lastTold < Self.period { return false }
        lastTold = now
        entries[place].told = now
        return true
    }

    /// Those that were heard lately, in the order of their first hearing.
    func present(at now: Instant) -> [HeardClaim] {
        entries.map { $0.heard }.filter { now - $0.last < Self.memory }.sorted { $0.first < $1.first }
    }

    /// Where this one is, or has been put with a count of 0.
    private mutating func place(of claim: AddressClaim, at now: Instant) -> Int {
        let known = entries.firstIndex { $0.heard.address == claim.address && $0.heard.hardware == claim.hardware }
        if let known, now - entries[known].heard.last < Self.memory { return known }
        let heard = HeardClaim(address: claim.address, hardware: claim.hardware, first: now, last: now, count: 0)
        let oldest = entries.indices.min { entries[$0].heard.last < entries[$1].heard.last }
        guard let free = known ?? (entries.count >= Self.capacity ? oldest : nil) else {
            entries.append(Entry(heard: heard))
            return entries.count - 1
        }
        entries[free] = Entry(heard: heard)
        return free
    }
}
