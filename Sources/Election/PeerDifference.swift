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

/// The differences that one virtual router hears, at most `capacity` of them.
///
/// A new or changed one is told at once and one that stays every 10 minutes, but of each kind at most one in 10 s: a sender
/// that changes its address or its values cannot make more (checklist V3-RX-19).
struct DifferenceTable: Hashable, Sendable {
    static let capacity = 16
    static let period = Duration.seconds(10)
    static let reminder = Duration.seconds(600)
    /// One that was not heard for so long is over.
    static let memory = Duration.seconds(60)

    private struct Entry: Hashable, Sendable {
        var heard: HeardDifference
        var told: Instant?
    }

    private var entries: [Entry] = []
    private var lastTold: [Instant?] = []

    /// Notes one advert that differs. True when it should be told now.
    mutating func hear(_ what: PeerDifference, from peer: IPAddress, at now: Instant) -> Bool {
        let index = place(of: what.kind, peer) ?? makeRoom()
        if let index, entries[index].heard.peer == peer, entries[index].heard.what.kind == what.kind {
            let isOver = now - entries[index].heard.last >= Self.memory
            if entries[index].heard.what != what || isOver { entries[index].told = nil }
            if isOver { entries[index].heard.first = now }
            entries[index].heard.what = what
            entries[index].heard.last = now
            entries[index].heard.count &+= 1
            return tell(index, at: now)
        }
        let entry = Entry(heard: HeardDifference(peer: peer, what: what, first: now, last: now, count: 1), told: nil)
        guard let index else {
            entries.append(entry)
            return tell(entries.count - 1, at: now)
        }
        entries[index] = entry
        return tell(index, at: now)
    }

    /// Whether one of this kind from anybody could be told now. What is dear to find out can wait until it can.
    func mayTell(_ kind: PeerDifference.Kind, at now: Instant) -> Bool {
        let number = Int(kind.rawValue)
        guard number < lastTold.count, let last = lastTold[number] else { return true }
        return now - last >= Self.period
    }

    /// Notes one more advert that differs as one did before; false if none did.
    mutating func hearAgain(_ kind: PeerDifference.Kind, from peer: IPAddress, at now: Instant) -> Bool {
        guard let index = place(of: kind, peer), now - entries[index].heard.last < Self.memory else { return false }
        entries[index].heard.last = now
        entries[index].heard.count &+= 1
        return true
    }

    /// Those that were heard lately, in the order of their first hearing.
    func present(at now: Instant) -> [HeardDifference] {
        entries.filter { now - $0.heard.last < Self.memory }.map { $0.heard }
    }

    private func place(of kind: PeerDifference.Kind, _ peer: IPAddress) -> Int? {
        entries.firstIndex { $0.heard.what.kind == kind && $0.heard.peer == peer }
    }

    /// The place of the one that was heard the longest ago, when there is no free one.
    private func makeRoom() -> Int? {
        guard entries.count >= Self.capacity else { return nil }
        return entries.indices.min { entries[$0].heard.last < entries[$1].heard.last }
    }

    private mutating func tell(_ index: Int, at now: Instant) -> Bool {
        if let told = entries[index].told, now - told < Self.reminder { return false }
        let kind = entries[index].heard.what.kind
        guard mayTell(kind, at: now) else { return false }
        while lastTold.count <= Int(kind.rawValue) { lastTold.append(nil) }
        lastTold[Int(kind.rawValue)] = now
        entries[index].told = now
        return true
    }
}
