// What one election needs to know: the values that Configuration parses from YAML, Messages carries to the engine and
// VirtualRouter obeys. A value of this type is already valid; nothing here is checked a second time.

import Wire

/// The number that supervisor and engine use for a virtual router instead of its name. Given by the supervisor, never reused.
package struct RouterID: Hashable, Comparable, Sendable {
    package var number: UInt32
    package init(_ number: UInt32) { self.number = number }
    package static func < (left: Self, right: Self) -> Bool { left.number < right.number }
}

/// The number that supervisor and engine use for a check. Given by the supervisor, never reused.
package struct CheckID: Hashable, Sendable {
    package var number: UInt32
    package init(_ number: UInt32) { self.number = number }
}

/// Which IPv4 checksum version 3 adverts carry (checklist V3-PK-08). Both are believed, whatever is sent: ignoring a live
/// master makes two.
package enum ChecksumPolicy: UInt8, Sendable, Hashable {
    /// Send the form that peers were last heard to send; RFC 9568's (message only) until then.
    case automatic
    /// RFC 9568: the message alone.
    case message
    /// The other reading of RFC 5798: with the IPv4 pseudo-header.
    case pseudoHeader
}

/// What a failed check does to one virtual router.
package enum CheckEffect: Hashable, Sendable {
    /// The router is in fault while the check fails.
    case fault
    /// The effective priority changes by this number, -253 ... -1.
    case weight(Int16)
    /// The router steps down but may still take over, at priority 1, when nobody else advertises.
    case lastResort
}

/// A check that a virtual router depends on.
package struct CheckReference: Hashable, Sendable {
    package var check: CheckID
    package var effect: CheckEffect

    package init(check: CheckID, effect: CheckEffect) {
        self.check = check
        self.effect = effect
    }
}

/// The frames that announce an address. Those of the other family do not concern it.
package struct AnnouncementKinds: OptionSet, Hashable, Sendable {
    package let rawValue: UInt8
    package init(rawValue: UInt8) { self.rawValue = rawValue }

    /// IPv4: a gratuitous ARP request, which RFC 9568 §6.4.1 wants (checklist GARP-02).
    package static let garpRequest = AnnouncementKinds(rawValue: 1)
    /// IPv4: a gratuitous ARP reply, which some hosts believe that ignore requests (GARP-05).
    package static let garpReply = AnnouncementKinds(rawValue: 2)
    /// IPv6: an unsolicited neighbour advertisement (RFC 9568 §6.4.2, NA-01 to NA-05).
    package static let unsolicitedNA = AnnouncementKinds(rawValue: 4)
    /// Of either: a reverse ARP request, once a round; it teaches switches where the hardware address is, and no neighbour (RARP-01).
    package static let rarp = AnnouncementKinds(rawValue: 8)

    package static let standard: AnnouncementKinds = [.garpRequest, .unsolicitedNA]
    package static let all: AnnouncementKinds = [.garpRequest, .garpReply, .unsolicitedNA, .rarp]
}

/// When and how a new master tells the segment (checklist GARP-02, GARP-03, NA-06).
package struct AnnouncementPlan: Hashable, Sendable {
    /// Offsets of the rounds from the claim, ascending, first usually zero; at most 16 of them.
    package var rounds: [Duration]
    /// Also send every address again this often while master; nil for never.
    package var refresh: Duration?
    package var kinds: AnnouncementKinds
    /// How far addresses are apart in repeats of more than `AnnouncementBurst.unpacedAddresses`, 0 ... 1 s; zero is all at once.
    package var pacing: Duration

    package init(
        rounds: [Duration], refresh: Duration?, kinds: AnnouncementKinds = .standard,
        pacing: Duration = Self.defaultPacing
    ) {
        self.rounds = rounds
        self.refresh = refresh
        self.kinds = kinds
        self.pacing = pacing
    }

    /// A thousand addresses a second, which switches and neighbours take in beside what else they do.
    package static let defaultPacing = Duration.milliseconds(1)

    /// Neighbour advertisements may go out in this round, too: they do three times at most, at least a second apart (RFC 4861 §7.2.6).
    func suitsNeighbors(round number: Int) -> Bool {
        var sent = 0
        var last: Duration?
        for (place, offset) in rounds.enumerated() where sent < 3 {
            if let last, offset - last < .seconds(1) { continue }
            if place == number { return true }
            last = offset
            sent += 1
        }
        return false
    }

    /// IPv4: 0, 100 ms, 1 s, 3 s. IPv6: 0, 1, 2 s (RFC 4861 §7.2.6 allows three, a second apart).
    package static func standard(for family: AddressFamily) -> AnnouncementPlan {
        switch family {
        case .ipv4:
            AnnouncementPlan(rounds: [.zero, .milliseconds(100), .seconds(1), .seconds(3)], refresh: nil)
        case .ipv6:
            AnnouncementPlan(rounds: [.zero, .seconds(1), .seconds(2)], refresh: nil)
        }
    }
}

/// How long an address stays that nobody renews: the kernel takes it off when neither engine nor supervisor is left to do so
/// (promise 1).
package enum LeasePolicy: Hashable, Sendable {
    /// Three intervals, for which peers believe a silent master, rounded down to whole seconds, which is what kernels count; at least 2 s,
    /// because a machine may stall for a second.
    case automatic
    /// For ever.
    case off
    /// 2...3600.
    case seconds(UInt32)
}

/// Everything about one virtual router that the engine must know.
package struct VirtualRouterConfiguration: Hashable, Sendable {
    /// Name of the Linux interface, at most 15 octets.
    package var interface: String
    /// 1...255 (RFC 9568 §5.2.3).
    package var vrid: UInt8
    package var version: ProtocolVersion
    /// Version 3 over IPv4 only: also send version 2 adverts and believe them, for the time in which routers of both versions
    /// share the election (RFC 9568 §8.4.2).
    package var alsoVersion2: Bool
    /// 1...254, or 255 for the owner of the addresses (RFC 9568 §5.2.4).
    package var priority: UInt8
    /// Version 3: 10 ms ... 40.95 s in steps of 10 ms; version 2: 1 ... 255 s in steps of 1 s.
    package var advertisementInterval: Duration
    package var preempt: Bool
    /// Zero, or how long a lower master is tolerated first (checklist V3-CFG-09).
    package var preemptDelay: Duration
    /// From the start of the agent, or the return of the link, until the master-down interval begins to count, or until an
    /// advert shows that frames pass; a port that is up may not forward yet.
    package var startDelay: Duration
    /// A longer advertised interval than this many times the own one is obeyed only so far, 1...4095: one forged advert
    /// must not silence a backup for two minutes.
    package var intervalLimit: UInt16
    /// Who adverts are sent to and believed from; empty is multicast. All of the router's family, and for IPv6 either all
    /// link-local or none.
    package var peers: [UnicastPeer]
    /// All that a master holds, claims and announces. First those of adverts, in their order: at least one, all of one family, for IPv6 a
    /// link-local one first. Behind them the `unadvertised` ones, of either family, the router's own before the other.
    package var addresses: [InterfaceAddress]
    /// How addresses are put on the interface that are not put on as the standard is.
    package var addressOptions: [InterfaceAddress: AddressOptions]
    /// So many at the end of `addresses` are not listed in adverts: for want of room there, or of the other family.
    package var unadvertised: Int
    /// What a master has in the kernel's routing beside its addresses, the routes before the rules; each once.
    package var routing: [RoutingEntry]
    package var checksum: ChecksumPolicy
    /// RFC 2338 simple password, version 2 only: at most 8 octets, zero filled on the wire; nil for none.
    package var password: [UInt8]?
    /// Drop IPv6 adverts whose first address is not link-local (checklist V3-RX-13).
    package var strictFirstAddress: Bool
    package var announcements: AnnouncementPlan
    package var lease: LeasePolicy
    /// TCP connections of an address that is released are ended, with a reset for their peers.
    package var resetsConnections: Bool
    package var claim: ClaimPolicy
    package var conflictCheck: ConflictCheck
    package var verification: VerificationPlan
    /// Adverts that are on the wire and reach no socket keep this router from becoming master.
    package var obeysFiltered: Bool
    /// Claims are heard that other hosts send to each other, where they come here at all: the interface is in promiscuous mode.
    package var isPromiscuous: Bool
    package var checks: [CheckReference]
    /// The addresses are behind the hardware address that all routers of the election share, but for those on another interface.
    package var usesVirtualMAC: Bool
    /// A command must succeed before advert and claim.
    package var gatesClaim: Bool
    /// A command must have run before a planned resignation.
    package var gatesRelease: Bool

    package init(
        interface: String, vrid: UInt8, version: ProtocolVersion = .v3, alsoVersion2: Bool = false,
        priority: UInt8 = 100, advertisementInterval: Duration = .seconds(1), preempt: Bool = true,
        preemptDelay: Duration = .zero, startDelay: Duration = .zero, intervalLimit: UInt16 = Self.defaultIntervalLimit,
        peers: [UnicastPeer] = [], addresses: [InterfaceAddress],
        addressOptions: [InterfaceAddress: AddressOptions] = [:], unadvertised: Int = 0, routing: [RoutingEntry] = [],
        checksum: ChecksumPolicy = .automatic, password: [UInt8]? = nil,
        strictFirstAddress: Bool = false, announcements: AnnouncementPlan? = nil, lease: LeasePolicy = .automatic,
        resetsConnections: Bool = false, claim: ClaimPolicy = .all, conflictCheck: ConflictCheck = .off,
        verification: VerificationPlan = .off,
        obeysFiltered: Bool = true, isPromiscuous: Bool = false,
        checks: [CheckReference] = [], gatesClaim: Bool = false, gatesRelease: Bool = false,
        usesVirtualMAC: Bool = false
    ) {
        self.interface = interface
        self.vrid = vrid
        self.version = version
        self.alsoVersion2 = alsoVersion2
        self.priority = priority
        self.advertisementInterval = advertisementInterval
        self.preempt = preempt
        self.preemptDelay = preemptDelay
        self.startDelay = startDelay
        self.intervalLimit = intervalLimit
        self.peers = peers
        self.addresses = addresses
        self.addressOptions = addressOptions
        self.unadvertised = unadvertised
        self.routing = routing
        self.checksum = checksum
        self.password = password
        self.strictFirstAddress = strictFirstAddress
        self.announcements = announcements ?? .standard(for: addresses.first?.address.family ?? .ipv4)
        self.lease = lease
        self.resetsConnections = resetsConnections
        self.claim = claim
        self.conflictCheck = conflictCheck
        self.verification = verification
        self.obeysFiltered = obeysFiltered
        self.isPromiscuous = isPromiscuous
        self.checks = checks
        self.gatesClaim = gatesClaim
        self.gatesRelease = gatesRelease
        self.usesVirtualMAC = usesVirtualMAC
    }

    /// Ten: a master at 1 s and a backup at 100 ms, a common mistake and a common migration, still get along, and a forged
    /// 40.95 s costs a backup at 1 s half a minute instead of two.
    package static let defaultIntervalLimit: UInt16 = 10

    /// The longest advertised interval that is obeyed. Never below the default of all routers, 1 s, and with version 2, whose
    /// unit is the second, 10 s: a master that is not believed is a second master.
    package var longestInterval: Duration {
        max(advertisementInterval.times(Int(intervalLimit)), alsoVersion2 ? .seconds(10) : .seconds(1))
    }

    /// What version 2 adverts of a router that sends both versions say: whole seconds, at least one (checklist IO-04).
    package var version2Interval: Duration { .seconds(max(1, advertisementInterval.components.seconds)) }

    /// How long a master that resigns keeps its addresses at most while nobody takes over: a successor's skew time is not
    /// known, but it is less than an interval, in version 2 less than a second; and 250 ms for what it has to do.
    package var resigningTime: Duration {
        let longestSkew: Duration =
            version == .v2
            ? .seconds(1) : alsoVersion2 ? max(advertisementInterval, .seconds(1)) : advertisementInterval
        return longestSkew + .milliseconds(250)
    }

    /// The lifetime in seconds that the kernel is told; nil for ever.
    package var leaseSeconds: UInt32? {
        switch lease {
        case .automatic: UInt32(max(2, (advertisementInterval * 3).components.seconds))
        case .off: nil
        case .seconds(let seconds): seconds
        }
    }

    /// Adverts go to the peers and nowhere else.
    package var isUnicast: Bool { !peers.isEmpty }

    /// Adverts are sent from an address of the whole network rather than of the link.
    package var needsGlobalSource: Bool {
        if case .ipv6(let address)? = peers.first?.address { !address.isLinkLocal } else { false }
    }

    /// The family of the election, which is that of the first address.
    package var family: AddressFamily { addresses.first?.address.family ?? .ipv4 }

    /// The addresses that adverts list.
    package var advertisedAddresses: ArraySlice<InterfaceAddress> { addresses.dropLast(unadvertised) }

    /// How many of the addresses, from the first on, are announced in every round. Neighbour advertisements of a router of IPv4 leave out
    /// the rounds that follow one another too soon for them.
    var promptAddresses: Int {
        guard family == .ipv4, unadvertised > 0 else { return addresses.count }
        return addresses.firstIndex { $0.address.family == .ipv6 } ?? addresses.count
    }

    /// How this one of the addresses is put on the interface.
    package func options(of address: InterfaceAddress) -> AddressOptions {
        addressOptions[address] ?? .standard(for: address.address.family)
    }

    /// The interface that this one of the addresses is put on.
    package func interface(of address: InterfaceAddress) -> String { addressOptions[address]?.interface ?? interface }

    /// This one of the addresses is behind the virtual hardware address.
    package func isBehindVirtualMAC(_ address: InterfaceAddress) -> Bool {
        usesVirtualMAC && addressOptions[address]?.interface == nil
    }

    /// The interfaces beside its own that addresses are put on, each once, in the order of the addresses.
    package var otherInterfaces: [String] {
        guard !addressOptions.isEmpty else { return [] }
        var found: [String] = []
        for address in addresses {
            if let name = addressOptions[address]?.interface, !found.contains(name) { found.append(name) }
        }
        return found
    }

    /// What a reload from `old` takes out and brings, in the order of the lists. What must be put on in another way is in both.
    func changedAddresses(since old: Self) -> (gone: [InterfaceAddress], added: [InterfaceAddress]) {
        guard
            addresses != old.addresses || addressOptions != old.addressOptions || usesVirtualMAC != old.usesVirtualMAC
        else { return ([], []) }
        let before = Set(old.addresses)
        let after = Set(addresses)
        let anew = Set(
            addresses.filter {
                before.contains($0)
                    && (options(of: $0).needsNewAddress(after: old.options(of: $0))
                        || isBehindVirtualMAC($0) != old.isBehindVirtualMAC($0))
            })
        return (
            old.addresses.filter { !after.contains($0) || anew.contains($0) },
            addresses.filter { !before.contains($0) || anew.contains($0) }
        )
    }

    /// The two have an address in common, whatever its prefix and interface.
    func sharesAddress(with other: Self) -> Bool {
        addresses.contains { mine in other.addresses.contains { $0.address == mine.address } }
    }

    /// Adverts of the one could be for the other: the same VRID on an interface, both by multicast or with a peer in common.
    func isSameElection(as other: Self) -> Bool {
        guard interface == other.interface, vrid == other.vrid, family == other.family else { return false }
        if !isUnicast, !other.isUnicast { return true }
        return peers.contains { mine in other.peers.contains { $0.address == mine.address } }
    }

    /// Priority 255: this host owns the addresses (RFC 9568 §1.7).
    package var isOwner: Bool { priority == 255 }
}
