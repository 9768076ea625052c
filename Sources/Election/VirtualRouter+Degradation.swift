// A master that goes without what the kernel refuses it (`claim: any`). The first refusal makes a router resign as ever, so that another host can
// try. When it comes to claim again, nobody has taken its place, or whoever did has failed as well: then part of the addresses is better than none.
// It says so, advertises a priority at which everybody else comes first, and tries the rest again and again.

import Wire

/// What becomes of a claim that the kernel refuses in part.
package enum ClaimPolicy: UInt8, Hashable, Sendable {
    /// Without all of it the router is no master (promise 2).
    case all
    /// The same, until nobody else can: then it serves what it can.
    case any
}

extension VirtualRouter {
    /// What the kernel refused, with its errno. Never iterated: what is refused is told in the order of the configuration.
    struct Refusals: Hashable, Sendable {
        var addresses: [InterfaceAddress: Int32] = [:]
        var routing: [RoutingEntry: Int32] = [:]

        var isEmpty: Bool { addresses.isEmpty && routing.isEmpty }

        /// No other fault is a refusal.
        mutating func note(_ fault: Fault) {
            if case .claim(let failure) = fault { addresses[failure.address] = failure.code }
            if case .routing(let failure) = fault { routing[failure.entry] = failure.code }
        }

        /// Those of them that `configuration` still has.
        func kept(by configuration: VirtualRouterConfiguration) -> Refusals {
            guard !isEmpty else { return self }
            var kept = Refusals()
            for address in configuration.addresses { kept.addresses[address] = addresses[address] }
            for entry in configuration.routing { kept.routing[entry] = routing[entry] }
            return kept
        }
    }

    /// What a master goes without.
    package struct Degradation: Hashable, Sendable {
        /// By the last claim that has ended.
        var missing = Refusals()
        /// So far by the claim that is under way.
        var refused = Refusals()
        /// What that claim is for.
        var tried: Set<InterfaceAddress> = []
        /// When what is missing is tried again; nil while a claim is under way.
        var retry: Instant?

        /// It goes without this address.
        package func lacks(_ address: InterfaceAddress) -> Bool {
            missing.addresses[address] != nil || refused.addresses[address] != nil
        }
    }

    /// What came of a claim.
    enum ClaimResult {
        /// Announce it, unless there is nothing new among it.
        case served(hasNews: Bool)
        /// Not one address.
        case nothing(Fault)
    }

    /// What the kernel refuses this master is gone without: the last time something was refused it resigned, and nobody else serves.
    package var servesInPart: Bool { configuration.claim == .any && isClaimDoubtful && isAdvertising }

    /// It goes without this one of its addresses.
    package func lacks(_ address: InterfaceAddress) -> Bool { degradation?.lacks(address) ?? false }

    /// The claim that is under way has been refused something, or this route or rule.
    package var isRefused: Bool { !(degradation?.refused.isEmpty ?? true) }
    package func isRefused(_ entry: RoutingEntry) -> Bool { degradation?.refused.routing[entry] != nil }

    /// What a master goes without, as the faults that it would be of one that needs everything; empty for who has everything or is no master.
    package var degraded: [Fault] {
        guard let missing = degradation?.missing, !missing.isEmpty else { return [] }
        return Self.faults(missing, of: configuration)
    }

    /// With which it advertises, 1...255. At that of a master that goes without something everybody comes first who preempts and can still hope to
    /// have everything. It is so from the first advert on: two that become master at once, and took it back afterwards, would each yield to the other.
    package var effectivePriority: UInt8 { degradation == nil ? standing.effectivePriority : 1 }

    /// When a router in a fault of its own making, or a master that goes without something, tries again; nil for all others.
    package var nextTry: Instant? { pause?.until ?? degradation?.retry }

    private static func faults(_ refusals: Refusals, of configuration: VirtualRouterConfiguration) -> [Fault] {
        configuration.addresses.compactMap { address in
            refusals.addresses[address].map { .claim(ClaimFailure(address: address, code: $0)) }
        }
            + configuration.routing.compactMap { entry in
                refusals.routing[entry].map { .routing(RoutingFailure(entry: entry, code: $0)) }
            }
    }

    /// Before the first advert of a mastership.
    mutating func expectRefusals() { degradation = servesInPart ? Degradation() : nil }

    /// The only way to a claim. Who serves in part tries what is missing with whatever else it claims.
    mutating func claim(_ addresses: [InterfaceAddress], _ actions: inout [Action]) {
        guard servesInPart else {
            actions.append(.claim(addresses))
            return
        }
        var degradation = degradation ?? Degradation()
        degradation.tried.formUnion(addresses)
        degradation.retry = nil
        let missing = configuration.addresses.filter {
            degradation.missing.addresses[$0] != nil && degradation.tried.insert($0).inserted
        }
        self.degradation = degradation
        actions.append(.claim(addresses + missing))
    }

    /// The same for routes and rules alone. Who serves in part has to know when that has ended.
    mutating func settleRouting(_ actions: inout [Action]) {
        if servesInPart { claim([], &actions) } else { actions.append(.settleRouting) }
    }

    /// The kernel refused this of a claim, which is the fault of who cannot go without it.
    mutating func refuse(_ fault: Fault, _ master: Master, _ now: Instant, _ actions: inout [Action]) {
        guard servesInPart else {
            giveUp(master, for: fault, now, &actions)
            return
        }
        if degradation == nil { degradation = Degradation() }
        degradation?.refused.note(fault)
    }

    /// Another configuration is in force. Returns what has been refused, if anything has, of a router that needs everything from now on.
    mutating func reconsiderDegradation() -> Fault? {
        guard var ended = degradation else { return nil }
        ended.missing = ended.missing.kept(by: configuration)
        ended.refused = ended.refused.kept(by: configuration)
        ended.tried = Set(configuration.addresses.filter(ended.tried.contains))
        degradation = configuration.claim == .any ? ended : nil
        guard degradation == nil else { return nil }
        let faults = Self.faults(ended.missing, of: configuration) + Self.faults(ended.refused, of: configuration)
        return faults.first
    }

    /// Where it is not what was last told.
    mutating func tellDegraded(_ actions: inout [Action]) {
        let missing = degraded
        guard missing != toldDegraded else { return }
        toldDegraded = missing
        actions.append(.degraded(missing))
    }

    /// A claim has ended.
    mutating func concludeClaim(_ now: Instant) -> ClaimResult {
        guard let ended = degradation else { return .served(hasNews: true) }
        guard !ended.refused.isEmpty else {
            degradation = nil
            return .served(hasNews: !ended.tried.isEmpty)
        }
        let refused = ended.refused.addresses
        if configuration.addresses.allSatisfy({ refused[$0] != nil }),
            let fault = Self.faults(ended.refused, of: configuration).first
        {
            return .nothing(fault)
        }
        degradation = Degradation(missing: ended.refused, retry: now + pauseLength)
        pauseLength = min(pauseLength * 2, .seconds(60))
        return .served(hasNews: ended.tried.count > refused.count)
    }
}
