// Who else claims the addresses of one virtual router.

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

extension HeardClaim: Hearing {
    /// Who has an address by mistake may say so once in minutes.
    static var memory: Duration { .seconds(600) }
    func concerns(_ other: Self) -> Bool { address == other.address && hardware == other.hardware }
    func says(_ other: Self) -> Bool { true }
    var kindNumber: Int { 0 }
}

typealias ConflictTable = HearingTable<HeardClaim>

extension HearingTable<HeardClaim> {
    /// Notes a claim. True when it should be told now.
    mutating func hear(_ claim: AddressClaim, at now: Instant) -> Bool {
        hear(
            HeardClaim(address: claim.address, hardware: claim.hardware, first: now, last: now, count: 1), at: now)
    }
}
