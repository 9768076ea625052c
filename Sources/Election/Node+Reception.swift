// From a received packet to the router it is for: which rules apply, what is counted when it is dropped, and what is worth
// a notice. A dropped packet moves no timer and changes no state (checklist V3-RX-17).

import Wire

extension Node {
    /// A drop that should be told: the first of its reason, then at most one per 10 s with the number since.
    package struct DropNotice: Hashable, Sendable {
        /// nil when no router here has the packet's VRID.
        package var router: RouterID?
        package var reason: DropReason
        package var count: UInt32
    }

    /// Takes a packet that the kernel received at `heardAt` on the interface with `interfaceIndex`; `payload` is what
    /// follows the IP header. Returns a notice if the packet was dropped and the reason has not been told lately. `weight` is
    /// how many packets a dropped one stands for, where only a sample of them gets this far.
    package mutating func receive(
        _ payload: Span<UInt8>, from origin: PacketOrigin, interfaceIndex: UInt32, heardAt: Instant, at now: Instant,
        weight: UInt32 = 1, appendingTo actions: inout [RouterAction]
    ) -> DropNotice? {
        guard let index = slot(for: payload, origin, interfaceIndex) else {
            return dropStray(payload, origin, interfaceIndex, weight: weight, at: now)
        }
        do throws(DropReason) {
            let advert = try Advertisement(parsing: payload, from: origin, expecting: slots[index].rules)
            if !slots[index].isHeard {
                slots[index].isHeard = true
                heard.append(slots[index].id)
            }
            if advert.addressDigest != slots[index].rules.addressDigest {
                compareAddresses(payload, advert, origin.source, index, now, &actions)
            }
            send(.advert(advert, from: origin.source, heardAt: heardAt), to: index, now, &actions)
            return nil
        } catch {
            slots[index].router.counters[error.counter] += UInt64(weight)
            if error == .ttl || error == .version || error == .checksum {
                slots[index].router.lastProtocolError = error
            }
            if origin.source == slots[index].rules.localAddress {
                slots[index].router.counters[.ownAdvertsHeard] += UInt64(weight)
            }
            // The other half of what a master in a migration sends.
            if error == .version, slots[index].router.believes(origin.source, at: heardAt) { return nil }
            if let difference = difference(behind: error, payload, origin, index) {
                differ(difference, from: origin.source, index, now, &actions)
                return nil
            }
            guard let count = slots[index].notices.admits(error, weight, within: &noticeBudget, at: now) else {
                return nil
            }
            return DropNotice(router: slots[index].id, reason: error, count: count)
        }
    }

    private func slot(for payload: Span<UInt8>, _ origin: PacketOrigin, _ interfaceIndex: UInt32) -> Int? {
        guard payload.count >= 2 else { return nil }
        let candidates = listeners.slots(interfaceIndex, origin.source.family, vrid: payload[1])
        guard candidates.count > 1 else { return candidates.first }
        // One VRID, several elections: by multicast, and among peers, who are in one list only.
        let isGroup = origin.destination == .vrrpGroup(origin.source.family)
        for index in candidates {
            let rules = slots[index].rules
            let fits =
                rules.unicastPeers.isEmpty ? isGroup : !isGroup && rules.minimumHopLimit(from: origin.source) != nil
            if fits { return index }
        }
        return candidates.first
    }

    /// Names the addresses that only one of the two lists has. The search is dear: once in 10 s, and when it may be told.
    private mutating func compareAddresses(
        _ payload: Span<UInt8>, _ advert: Advertisement, _ peer: IPAddress, _ index: Int, _ now: Instant,
        _ actions: inout [RouterAction]
    ) {
        let isRecent = slots[index].addressesCompared.map { now - $0 < DifferenceTable.period } ?? false
        guard !isRecent, slots[index].differences.mayTell(.addresses, at: now) else {
            // It is taken for the one that was found then.
            if let known = slots[index].differences.known(.addresses, of: peer, at: now) {
                differ(known, from: peer, index, now, &actions)
            }
            return
        }
        slots[index].addressesCompared = now
        let family = slots[index].rules.family
        let own = slots[index].router.configuration.advertisedAddresses
        let count = Int(advert.addressCount)
        var missing: IPAddress?
        for address in own where missing == nil {
            var place = 0
            while place < count, Advertisement.address(at: place, in: payload, family) != address.address { place += 1 }
            if place == count { missing = address.address }
        }
        var unexpected: IPAddress?
        for place in 0..<count where unexpected == nil {
            let address = Advertisement.address(at: place, in: payload, family)
            if !own.contains(where: { $0.address == address }) { unexpected = address }
        }
        let difference = PeerDifference.addresses(
            own: own.count, peer: count, missing: missing, unexpected: unexpected)
        differ(difference, from: peer, index, now, &actions)
    }

    /// The mistake of configuration that a drop shows, if it shows one.
    private func difference(
        behind reason: DropReason, _ payload: Span<UInt8>, _ origin: PacketOrigin, _ index: Int
    ) -> PeerDifference? {
        let configuration = slots[index].router.configuration
        switch reason {
        case .source:
            return origin.source == slots[index].rules.localAddress ? .ourAddress : nil
        case .version:
            return .version(own: configuration.version, peer: payload[0] >> 4)
        case .authenticationType, .authenticationData:
            return .authentication(own: configuration.password == nil ? 0 : 1, peer: payload[4])
        case .intervalMismatch:
            let own = configuration.advertisementInterval
            return .interval(own: own, peer: .seconds(Int(payload[5])), limit: .zero)
        case .destination, .ttl, .truncated, .type, .checksum, .vrid, .addressCount, .intervalZero, .notLinkLocal,
            .addressList:
            return nil
        }
    }

    /// A packet for no router of ours is judged by the checks that need none, so that its reason is counted all the same.
    private mutating func dropStray(
        _ payload: Span<UInt8>, _ origin: PacketOrigin, _ interfaceIndex: UInt32, weight: UInt32, at now: Instant
    ) -> DropNotice? {
        let version: ProtocolVersion = payload.count > 0 && payload[0] >> 4 == 2 ? .v2 : .v3
        // VRID 0 is nobody's, so a packet that is otherwise whole is dropped for its VRID; 0 itself is as unknown as any.
        let rules = ReceptionRules(
            version: version, family: origin.source.family, vrid: 0, localAddress: nil, interval: .zero)
        var reason = DropReason.vrid
        do throws(DropReason) {
            _ = try Advertisement(parsing: payload, from: origin, expecting: rules)
        } catch {
            if !(payload.count >= 2 && payload[1] == 0) || error.precedesVRID { reason = error }
        }
        strayCounters[interfaceIndex, default: Counters()][reason.counter] += UInt64(weight)
        guard let count = strayNotices.admits(reason, weight, within: &noticeBudget, at: now) else { return nil }
        return DropNotice(router: nil, reason: reason, count: count)
    }
}

extension DropReason {
    /// Checked before the VRID is.
    var precedesVRID: Bool {
        switch self {
        case .destination, .source, .ttl, .truncated, .version, .type, .checksum: true
        case .vrid, .addressCount, .intervalZero, .notLinkLocal, .authenticationType, .authenticationData,
            .intervalMismatch, .addressList:
            false
        }
    }

    /// The counter that a drop moves (checklist ST-02).
    package var counter: Counter {
        switch self {
        case .destination: .destinationErrors
        case .source: .sourceErrors
        case .ttl: .ttlErrors
        case .truncated: .lengthErrors
        case .version: .versionErrors
        case .type: .typeErrors
        case .checksum: .checksumErrors
        case .vrid: .vridErrors
        case .addressCount, .addressList: .addressListErrors
        case .intervalZero, .intervalMismatch: .intervalErrors
        case .notLinkLocal: .notLinkLocalErrors
        case .authenticationType: .authenticationTypeErrors
        case .authenticationData: .authenticationDataErrors
        }
    }
}

/// One notice per reason and 10 s, with the number of those not told in between (checklist V3-RX-19). The reasons are
/// few and none depends on what a sender writes, so no sender can make more.
struct NoticeLimiter: Hashable, Sendable {
    static let period = Duration.seconds(10)

    private struct Entry: Hashable, Sendable {
        let reason: DropReason
        /// nil when the budget never allowed it.
        var told: Instant?
        var untold: UInt32 = 0
    }

    private var entries: [Entry] = []

    /// The number to tell, this one's `weight` included; nil to stay silent.
    mutating func admits(
        _ reason: DropReason, _ weight: UInt32, within budget: inout NoticeBudget, at now: Instant
    ) -> UInt32? {
        var place = 0
        while place < entries.count, entries[place].reason != reason { place += 1 }
        if place == entries.count { entries.append(Entry(reason: reason)) }
        let (sum, isOver) = entries[place].untold.addingReportingOverflow(weight)
        entries[place].untold = isOver ? .max : sum
        if let told = entries[place].told, now - told < Self.period { return nil }
        guard budget.admits(at: now) else { return nil }
        entries[place].told = now
        defer { entries[place].untold = 0 }
        return entries[place].untold
    }
}

/// How many notices of drops the routers of a host have together: one flood may reach the VRIDs of all of them in turn, and the log must
/// not pay for it. What is not told is counted all the same.
struct NoticeBudget: Hashable, Sendable {
    static let limit = 30

    private var begin: Instant?
    private var count = 0

    mutating func admits(at now: Instant) -> Bool {
        if begin.map({ now - $0 >= NoticeLimiter.period }) ?? true {
            begin = now
            count = 0
        }
        count += 1
        return count <= Self.limit
    }
}

/// Counts how often a router becomes master or stops being it; queues and hosts that stall make it flap (RFC 9568 §2.5).
struct Steadiness: Hashable, Sendable {
    static let window = Duration.seconds(60)
    /// More than this in one window is worth a warning.
    static let limit: UInt32 = 6

    /// The latest changes, at most one more than the limit.
    private var recent: [Instant] = []
    private var told: Instant?

    /// The number of transitions within the last window, when that is to be told: once a window.
    mutating func passes(_ transition: Transition) -> UInt32? {
        let now = transition.at
        guard transition.to == .master || transition.from == .master, transition.cause != .resumed else { return nil }
        recent.removeAll { now - $0 >= Self.window }
        if recent.count > Self.limit { recent.removeFirst() }
        recent.append(now)
        guard recent.count > Self.limit, told.map({ now - $0 >= Self.window }) ?? true else { return nil }
        told = now
        return UInt32(recent.count)
    }
}
