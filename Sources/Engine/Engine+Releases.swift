// Taking addresses off, a slice at a time: hundreds of addresses take tens of milliseconds, and adverts of other routers are due meanwhile.
// From the moment a release is ordered no renewal brings its addresses back, and what the supervisor is told of the router waits until the
// last of them is off. Where connections are to be reset the addresses wait for that, some milliseconds at most. Whoever claims an address
// that is still to be taken off takes it off first.

import Election
import Kernel
import Messages
import System
import Wire

/// Addresses of a router that are still to be taken off their interfaces.
struct Release {
    /// So few addresses are not put behind others that wait.
    static let small = 8

    let router: RouterID
    private(set) var addresses: ArraySlice<PlacedAddress>
    /// Routes and rules that go before them.
    private(set) var routing: ArraySlice<RoutedEntry>
    /// What is told of the router when the last one is off, in this order.
    var afterwards: [Action] = []
    /// The look at connections that it waits for, and until when, CLOCK_MONOTONIC in nanoseconds.
    private var hold: (look: UInt64, until: Int64)?
    /// Something of it may have been taken off.
    private var hasBegun = false

    init(_ addresses: [PlacedAddress], behind routing: [RoutedEntry] = [], of router: RouterID) {
        self.router = router
        self.addresses = addresses[...]
        self.routing = routing[...]
    }

    /// Whether this is the beginning.
    mutating func begin() -> Bool {
        defer { hasBegun = true }
        return !hasBegun
    }

    mutating func hold(for look: UInt64, until moment: Int64) { hold = (look, moment) }

    mutating func lookEnded(_ look: UInt64) { if let hold, hold.look <= look { self.hold = nil } }

    /// Until when nothing is taken off; nil when it may be.
    func held(at now: Int64) -> Int64? { hold.flatMap { $0.until > now ? $0.until : nil } }

    /// The next one, which then counts as taken off; nil when all are.
    mutating func next() -> PlacedAddress? { addresses.popFirst() }

    mutating func nextRouting() -> RoutedEntry? { routing.popFirst() }

    var isEmpty: Bool { addresses.isEmpty && routing.isEmpty }

    /// Whether it waits for this one, which then counts as taken off.
    mutating func take(_ address: PlacedAddress) -> Bool {
        guard let place = addresses.firstIndex(of: address) else { return false }
        addresses.remove(at: place)
        return true
    }

    /// An interface is gone, and what waits there with it.
    mutating func drop(index: UInt32) { addresses.removeAll { $0.index == index } }
}

/// What waits to be taken off.
struct Releases {
    /// The oldest first.
    var pending: [Release] = []
    /// How long this turn may go on with it, CLOCK_MONOTONIC in nanoseconds; nil while nothing was taken off in it.
    var end: Int64?

    var isEmpty: Bool { pending.isEmpty }

    /// Whether some of this router's addresses are still to be taken off.
    func isPending(of router: RouterID) -> Bool { pending.contains { $0.router == router } }

    /// When something can be taken off, CLOCK_MONOTONIC in nanoseconds: at once, or when the first of what is held is held no longer; `.max`
    /// for never.
    func due(at now: Int64) -> Int64 {
        var due = Int64.max
        for release in pending { due = min(due, release.held(at: now) ?? now) }
        return due
    }

    /// Keeps what is to be told of a router until its addresses are off; false when none of them waits.
    mutating func postpone(_ action: Action, of router: RouterID) -> Bool {
        guard let place = pending.lastIndex(where: { $0.router == router }) else { return false }
        pending[place].afterwards.append(action)
        return true
    }
}

extension Engine {
    func release(_ addresses: [InterfaceAddress], for id: RouterID) {
        guard let record = records[id] else { return }
        let home = homes(of: record)
        let placed = addresses.compactMap { address in
            (record.places[address] ?? home(address)).map { PlacedAddress(address: address, index: $0) }
        }
        // A reset from the shared hardware address would lead the switch back to this host, when another one is master already.
        let isResetting =
            record.configuration.resetsConnections && !record.configuration.usesVirtualMAC && !resetter.isUseless
        let routing = takeUnwanted(of: id)
        remove(dropFromClaim(placed, of: id), behind: routing, resetting: isResetting, for: id)
        for address in addresses { records[id]?.places[address] = nil }
        reporter.markDirty(id)
    }

    /// Takes these off, as far as this turn has time for it, and the rest in the turns that follow; first the routes and rules, by which the
    /// resets leave.
    func remove(
        _ addresses: [PlacedAddress], behind routing: [RoutedEntry] = [], resetting: Bool = false, for id: RouterID
    ) {
        guard !(addresses.isEmpty && routing.isEmpty) else { return }
        leases.forget(addresses)
        let begin = Clock.monotonic()
        if resetting {
            let look = resetter.reset(addresses.map(\.address.address))
            if releases.end != .max {
                var release = Release(addresses, behind: routing, of: id)
                release.hold(for: look, until: begin + ConnectionResetter.patience)
                releases.pending.append(release)
                return
            }
        }
        let end = releases.end ?? begin + Self.slice
        releases.end = end
        var release = Release(addresses, behind: routing, of: id)
        let isSmall = addresses.count + routing.count <= Release.small
        let mayBegin = releases.isEmpty || isSmall || end == .max
        if begin < end, mayBegin, advance(&release, until: isSmall ? .max : end) { return }
        releases.pending.append(release)
    }

    /// A slice of what waits, the oldest first; after the timers of each turn that has not taken anything off yet.
    func continueReleases() {
        defer { releases.end = nil }
        guard !releases.isEmpty, releases.end == nil else { return }
        let begin = Clock.monotonic()
        if releases.due(at: begin) <= begin { takeOff(until: begin + Self.slice) }
    }

    /// Everything that waits, at once: for who must not leave anything behind.
    func finishReleases() { takeOff(until: .max) }

    /// What a master does before anything else, because its peers have replaced it: all that it orders to be taken off is off when it
    /// returns, however much it is.
    func withoutSlices(_ body: () -> Void) {
        releases.end = .max
        body()
        releases.end = nil
    }

    private func takeOff(until end: Int64) {
        let begin = Clock.monotonic()
        for place in releases.pending.indices where end == .max || releases.pending[place].held(at: begin) == nil {
            guard advance(&releases.pending[place], until: end), Clock.monotonic() < end else { break }
        }
        endReleases { $0.isEmpty }
    }

    /// Goes on until this time (CLOCK_MONOTONIC, nanoseconds); false when only the time ran out.
    private func advance(_ release: inout Release, until end: Int64) -> Bool {
        if release.begin() { lowerAfter(release.addresses, of: release.router) }
        while let routed = release.nextRouting() {
            takeOff(routed, of: release.router)
            if !release.isEmpty, Clock.monotonic() >= end { return false }
        }
        while let address = release.next() {
            takeOff(address, of: release.router)
            if !release.isEmpty, Clock.monotonic() >= end { return false }
        }
        return true
    }

    private func takeOff(_ placed: PlacedAddress, of id: RouterID) {
        mark(.release, id)
        do throws(KernelError) {
            try requests.remove(placed.address, index: placed.index)
        } catch {
            node.count(.addressDeleteErrors, for: id)
            tell(error, for: id)
            refusedRemovals.append(placed)
        }
    }

    /// The thread that resets connections has looked: what waited for that waits no longer.
    func readResets() {
        guard let (look, outcome) = resetter.takeDone() else { return }
        for place in releases.pending.indices { releases.pending[place].lookEnded(look) }
        if let failure = outcome.failure { tell(failure, for: nil) }
        if outcome.count > 0 { reporter.send(.notice(.connectionsReset(count: UInt32(clamping: outcome.count)))) }
    }

    /// An address is about to be put on: where it still waits to be taken off, for whomever, that is done first, or it would take away what
    /// was claimed.
    func finishRelease(of address: PlacedAddress) {
        guard !releases.isEmpty else { return }
        var isWaiting = false
        for place in releases.pending.indices {
            guard releases.pending[place].take(address), !isWaiting else { continue }
            isWaiting = true
            takeOff(address, of: releases.pending[place].router)
        }
        guard isWaiting else { return }
        endReleases { $0.isEmpty }
    }

    /// An interface is gone, and its addresses with it; its number may be given to another one.
    func dropReleases(index: UInt32) {
        guard !releases.isEmpty else { return }
        for place in releases.pending.indices { releases.pending[place].drop(index: index) }
        endReleases { $0.isEmpty }
    }

    private func endReleases(where hasEnded: (Release) -> Bool) {
        let ended = releases.pending.filter(hasEnded)
        releases.pending.removeAll(where: hasEnded)
        reporter.markDirty(ended.map(\.router))
        for release in ended { tellAfterwards(release) }
    }

    /// Behind what is told of the router before: where more of its addresses wait it is postponed once more.
    private func tellAfterwards(_ release: Release) {
        for action in release.afterwards where !releases.postpone(action, of: release.router) {
            tell(action, for: release.router)
        }
    }
}
