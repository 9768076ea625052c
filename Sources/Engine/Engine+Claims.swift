// Putting addresses on, a slice at a time: hundreds of addresses take tens of milliseconds, and adverts of other routers are due
// meanwhile. The election hears `claimed` when the last is on. What is taken off, or claimed anew, meanwhile changes the claim that is
// under way, so that it never puts on what nobody wants any more.

import Election
import Glibc
import Kernel
import System
import Wire

/// A claim that is under way.
struct Claim {
    /// So many addresses are put on in one go: about a slice, or two in IPv6.
    static let small = 8

    let router: RouterID
    /// Those before `position` are on; each address once.
    private(set) var addresses: [PlacedAddress] = []
    private(set) var position = 0
    /// What of them was given a lease, and the boot time before that.
    var leased: [(address: PlacedAddress, since: Int64)] = []
    /// The election waits for it.
    private(set) var isAwaited = false

    init(_ addresses: [PlacedAddress], of router: RouterID, isAwaited: Bool) {
        self.router = router
        add(addresses, isAwaited: isAwaited)
    }

    /// The next address that is to be put on; nil when all are.
    var next: PlacedAddress? { position < addresses.count ? addresses[position] : nil }

    mutating func advance() { position += 1 }

    /// Interfaces on which some may be followed by secondary ones.
    var subnets: Set<UInt32> { Set(addresses.lazy.filter { $0.address.isInSubnet }.map(\.index)) }

    func awaits(_ address: PlacedAddress) -> Bool { addresses[position...].contains(address) }

    /// These are wanted, too; one that was on already has been lost.
    mutating func add(_ more: [PlacedAddress], isAwaited: Bool) {
        self.isAwaited = self.isAwaited || isAwaited
        drop(more.filter { !awaits($0) })
        addresses += more.filter { !awaits($0) }
    }

    /// These are not wanted any more.
    mutating func drop(_ unwanted: [PlacedAddress]) {
        guard !unwanted.isEmpty else { return }
        position = addresses[..<position].count { !unwanted.contains($0) }
        addresses.removeAll { unwanted.contains($0) }
        leased.removeAll { unwanted.contains($0.address) }
    }
}

extension Engine {
    func claim(_ addresses: [InterfaceAddress], for id: RouterID) {
        guard let record = records[id] else { return }
        var wanted = addresses
        do throws(KernelError) {
            try raise(for: record, addresses)
        } catch {
            tell(error, for: id)
            for address in addresses where !goesOn(without: address, error.code, for: id) { return }
            wanted = []
        }
        let home = homes(of: record)
        var placed: [PlacedAddress] = []
        var left: [PlacedAddress] = []
        placed.reserveCapacity(wanted.count)
        for address in wanted {
            guard let index = home(address) else {
                guard goesOn(without: address, ENODEV, for: id) else { return }
                continue
            }
            placed.append(PlacedAddress(address: address, index: index))
            if let old = record.places[address], old != index {
                left.append(PlacedAddress(address: address, index: old))
            }
        }
        if !left.isEmpty {
            remove(dropFromClaim(left, of: id), for: id)
        }
        for place in placed {
            records[id]?.places[place.address] = place.index
            claimants[place] = id
        }
        if let place = claims.firstIndex(where: { $0.router == id }) {
            claims[place].add(placed, isAwaited: true)
            return
        }
        var claim = Claim(placed, of: id, isAwaited: true)
        // Behind a large one nobody has to wait who needs a few addresses only.
        let isSmall = addresses.count + record.configuration.routing.count <= Claim.small
        let mayBegin = claims.isEmpty || isSmall
        let isDone = mayBegin && advance(&claim, until: isSmall ? .max : Clock.monotonic() + Self.slice)
        if !isDone { claims.append(claim) }
    }

    /// A slice of the claims that are under way, the oldest first; after the timers of each turn.
    func continueClaims() {
        guard !claims.isEmpty else { return }
        let end = Clock.monotonic() + Self.slice
        while !claims.isEmpty {
            var claim = claims.removeFirst()
            guard advance(&claim, until: end) else {
                claims.insert(claim, at: 0)
                break
            }
        }
        perform()
    }

    /// Goes on with a claim until this time (CLOCK_MONOTONIC, nanoseconds); false when only the time ran out.
    func advance(_ claim: inout Claim, until end: Int64) -> Bool {
        let id = claim.router
        guard let record = records[id] else { return true }
        let lease = lease(for: record.configuration)
        while let address = claim.next {
            mark(.claim, id)
            finishRelease(of: address)
            let since = Clock.boottime()
            let options = record.configuration.options(of: address.address)
            // Before the first commit a claim is a resumption, and the table has just been read.
            let isOurs = !isCommitted && table.isOurs(address.address, on: address.index, as: options)
            do throws(KernelError) {
                try requests.add(address.address, index: address.index, options, lifetime: lease, isOurs: isOurs)
                if lease != nil { claim.leased.append((address, since)) }
            } catch {
                // The owner's addresses are its own and were there before us (RFC 9568 §1.7).
                if error.code != EEXIST || !record.configuration.isOwner {
                    node.count(.addressAddErrors, for: id)
                    tellRefusal(error, for: id)
                    if !goesOn(without: address.address, error.code, for: id) { return true }
                }
            }
            claim.advance()
            if claim.next != nil, Clock.monotonic() >= end { return false }
        }
        switch settleRouting(of: id, until: end) {
        case .done: break
        case .unfinished: return false
        case .refused: return true
        }
        guard claim.isAwaited else {
            reporter.markDirty(id)
            return true
        }
        subnets.formUnion(claim.subnets)
        leases.hold(claim.leased, of: id, record.mark, record.configuration)
        node.claimed(id, failure: nil, at: now, appendingTo: &actions)
        return true
    }

    /// After the announcements of this turn: others may have changed the setting since it was last seen to.
    func promoteSecondaries() {
        guard !subnets.isEmpty else { return }
        for index in subnets { requests.promoteSecondaries(on: index) }
        subnets.removeAll(keepingCapacity: true)
    }

    /// The kernel refused this one. False when the claim is over with that.
    private func goesOn(without address: InterfaceAddress, _ code: Int32, for id: RouterID) -> Bool {
        let failure = ClaimFailure(address: address, code: code)
        node.claimed(id, failure: failure, at: now, appendingTo: &actions)
        return servesInPart(id)
    }

    func servesInPart(_ id: RouterID) -> Bool { node.look(at: id) { $0.servesInPart } ?? false }

    /// In the kernel's words the first refusal of a claim; the election tells of all.
    func tellRefusal(_ error: KernelError, for id: RouterID) {
        if !(node.look(at: id, { $0.isRefused }) ?? false) { tell(error, for: id) }
    }

    /// Takes these out of the claim that is under way, and returns those that are to be taken off: not what was never put on.
    func dropFromClaim(_ addresses: [PlacedAddress], of id: RouterID) -> [PlacedAddress] {
        guard let place = claims.firstIndex(where: { $0.router == id }) else { return addresses }
        let claim = claims[place]
        claims[place].drop(addresses)
        // Of the rest the election hears that it is claimed, and of nothing that nothing is.
        if !claim.addresses.isEmpty, claims[place].addresses.isEmpty { claims.remove(at: place) }
        return addresses.filter { !claim.awaits($0) || table.isPresent($0.address, on: $0.index) }
    }
}
