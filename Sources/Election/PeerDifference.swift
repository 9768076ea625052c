// What a peer is configured with that differs from us: named with both values, remembered while it is heard, and told without
// flooding anybody. A difference never decides anything; the state machine goes on as RFC 9568 allows.

import Wire

/// How a peer's adverts differ from our configuration; own value first.
package enum PeerDifference: Hashable, Sendable {
    /// The advertised intervals. Ours follows the peer's up to `limit` (version 3); zero means that such adverts are dropped
    /// (version 2).
    case interval(own: Duration, peer: Duration, limit: Duration)
    /// The address lists, by their lengths, with the first address of ours that the peer lacks and the first of its that we
    /// lack; both nil for a list that only names an address twice.
    case addresses(own: Int, peer: Int, missing: IPAddress?, unexpected: IPAddress?)
    /// The peer's version as it stands in its first octet, 0...15; its adverts are dropped.
    case version(own: ProtocolVersion, peer: UInt8)
    /// The IPv4 checksum form of version 3.
    case checksumForm(own: ChecksumForm, peer: ChecksumForm)
    /// Authentication types of version 2 (0 none, 1 simple password); both 1 when the passwords differ. The adverts are dropped.
    case authentication(own: UInt8, peer: UInt8)
    /// Both claim to own the addresses (priority 255, RFC 9568 §8.3.2).
    case bothOwner
    /// We own the addresses and hear somebody of this lower priority advertise them (checklist FSM-14).
    case ownerHears(priority: UInt8)
    /// Both have this priority, so that the greater address decides (RFC 9568 §8.3.2).
    case equalPriority(UInt8)
    /// Its adverts come from our own address: a second host has it, or a loop returns ours. They are dropped (FSM-05).
    case ourAddress
    /// Its first address is not link-local (RFC 9568 §5.2.9).
    case firstAddressNotLinkLocal
    /// Its adverts reach the interface and no socket: the local firewall drops them. They are obeyed all the same, or not.
    case filtered(isObeyed: Bool)
    /// It goes on advertising this priority, though a higher one answers.
    case doesNotHear(priority: UInt8)

    /// The kinds without their values: each is told by itself.
    package enum Kind: UInt8, CaseIterable, Hashable, Sendable {
        case interval = 1
        case addresses, version, checksumForm, authentication, bothOwner, ownerHears, equalPriority, ourAddress,
            firstAddressNotLinkLocal, filtered, doesNotHear
    }

    package var kind: Kind {
        switch self {
        case .interval: .interval
        case .addresses: .addresses
        case .version: .version
        case .checksumForm: .checksumForm
        case .authentication: .authentication
        case .bothOwner: .bothOwner
        case .ownerHears: .ownerHears
        case .equalPriority: .equalPriority
        case .ourAddress: .ourAddress
        case .firstAddressNotLinkLocal: .firstAddressNotLinkLocal
        case .filtered: .filtered
        case .doesNotHear: .doesNotHear
        }
    }
}

/// A difference, from whom, since when and how often.
package struct HeardDifference: Hashable, Sendable {
    package var peer: IPAddress
    package var what: PeerDifference
    /// When it was heard first and last. In a snapshot these are boot time, as its other times are.
    package var first: Instant
    package var last: Instant
    /// Adverts that differed so.
    package var count: UInt64

    package init(peer: IPAddress, what: PeerDifference, first: Instant, last: Instant, count: UInt64) {
        self.peer = peer
        self.what = what
        self.first = first
        self.last = last
        self.count = count
    }

    /// The same on a clock that is ahead by `offset`.
    package func shifted(by offset: Duration) -> HeardDifference {
        HeardDifference(peer: peer, what: what, first: first + offset, last: last + offset, count: count)
    }
}

extension HeardDifference: Hearing {
    static var memory: Duration { .seconds(60) }
    func concerns(_ other: Self) -> Bool { peer == other.peer && what.kind == other.what.kind }
    func says(_ other: Self) -> Bool { what == other.what }
    var kindNumber: Int { Int(what.kind.rawValue) }
}

typealias DifferenceTable = HearingTable<HeardDifference>

extension HearingTable<HeardDifference> {
    /// Notes one advert that differs. True when it should be told now.
    mutating func hear(_ what: PeerDifference, from peer: IPAddress, at now: Instant) -> Bool {
        hear(HeardDifference(peer: peer, what: what, first: now, last: now, count: 1), at: now)
    }

    /// How adverts of `peer` were lately found to differ in this kind.
    func known(_ kind: PeerDifference.Kind, of peer: IPAddress, at now: Instant) -> PeerDifference? {
        present(at: now).first { $0.what.kind == kind && $0.peer == peer }?.what
    }

    func mayTell(_ kind: PeerDifference.Kind, at now: Instant) -> Bool { mayTell(kind: Int(kind.rawValue), at: now) }
}
