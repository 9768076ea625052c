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
    /// follows the IP header. Returns a notice if the packet was dropped and the reason has not been told lately.
    package mutating func receive(
        _ payload: Span<UInt8>, from origin: PacketOrigin, interfaceIndex: UInt32, heardAt: Instant, at now: Instant,
        appendingTo actions: inout [RouterAction]
    ) -> DropNotice? {
        guard let index = slot(for: payload, origin, interfaceIndex) else {
            return dropStray(payload, origin, at: now)
        }
        do throws(DropReason) {
            let advert = try Advertisement(parsing: payload, from: origin, expecting: slots[index].rules)
            if !heard.contains(slots[index].id) { heard.append(slots[index].id) }
            send(.advert(advert, from: origin.source, heardAt: heardAt), to: index, now, &actions)
            return nil
        } catch {
            slots[index].router.counters[error.counter] += 1
            if origin.source == slots[index].rules.localAddress {
                slots[index].router.counters[.ownAdvertsHeard] += 1
            }
            guard let count = slots[index].notices.admits(.drop(error), at: now) else { return nil }
            return DropNotice(router: slots[index].id, reason: error, count: count)
        }
    }

    private func slot(for payload: Span<UInt8>, _ origin: PacketOrigin, _ interfaceIndex: UInt32) -> Int? {
        guard payload.count >= 2 else { return nil }
        let vrid = payload[1]
        return slots.firstIndex { slot in
            slot.rules.vrid == vrid && slot.rules.family == origin.source.family
                && interfaces[slot.router.configuration.interface]?.index == interfaceIndex
        }
    }

    /// A packet for no router of ours is judged by the checks that need none, so that its reason is counted all the same.
    private mutating func dropStray(
        _ payload: Span<UInt8>, _ origin: PacketOrigin, at now: Instant
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
        strayCounters[reason.counter] += 1
        guard let count = strayNotices.admits(.drop(reason), at: now) else { return nil }
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

/// One notice per kind and 10 s, with the number of those not told in between (checklist V3-RX-19). The kinds are few and
/// none depends on what a sender writes, so no sender can make more.
struct NoticeLimiter: Hashable, Sendable {
    enum Kind: Hashable, Sendable {
        case drop(DropReason)
        case interval, addresses, checksumForm, firstAddress, bothOwner, ownerHears
    }

    static let period = Duration.seconds(10)

    private struct Entry: Hashable, Sendable {
        let kind: Kind
        var told: Instant
        var untold: UInt32
    }

    private var entries: [Entry] = []

    /// The number to tell, this one included; nil to stay silent.
    mutating func admits(_ kind: Kind, at now: Instant) -> UInt32? {
        guard let index = entries.firstIndex(where: { $0.kind == kind }) else {
            entries.append(Entry(kind: kind, told: now, untold: 0))
            return 1
        }
        guard now - entries[index].told >= Self.period else {
            entries[index].untold &+= 1
            return nil
        }
        let count = entries[index].untold &+ 1
        entries[index] = Entry(kind: kind, told: now, untold: 0)
        return count
    }

    mutating func allows(_ kind: Kind, at now: Instant) -> Bool { admits(kind, at: now) != nil }
}

extension PeerDifference {
    var kind: NoticeLimiter.Kind {
        switch self {
        case .interval: .interval
        case .addresses: .addresses
        case .checksumForm: .checksumForm
        case .firstAddressNotLinkLocal: .firstAddress
        case .bothOwner: .bothOwner
        case .ownerHears: .ownerHears
        }
    }
}
