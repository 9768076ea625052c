// What the host tells its elections: interfaces, verdicts of checks, and what came of what they wanted done. The list of facts, and nothing
// of what follows from them.

import Wire

extension Node {
    /// An interface appeared, changed or, with nil, disappeared.
    package mutating func interface(
        _ name: String, _ facts: InterfaceFacts?, at now: Instant, appendingTo actions: inout [RouterAction]
    ) {
        guard interfaces[name] != facts else { return }
        let old = interfaces[name]?.index
        interfaces[name] = facts
        if let old, old != facts?.index { strayCounters[old] = nil }
        if old != facts?.index { listen() }
        for index in slots.indices where slots[index].router.uses(name) {
            refresh(index, now, &actions)
        }
    }

    /// Declares a check before the routers that refer to it, or changes its time to live.
    package mutating func define(
        check: CheckID, timeToLive: Duration, known: CheckTable.Known, at now: Instant,
        appendingTo actions: inout [RouterAction]
    ) {
        checks.define(check, timeToLive: timeToLive, known: known, at: now)
        refreshAll(now, &actions)
    }

    package mutating func removeCheck(_ check: CheckID) { checks.remove(check) }

    /// A run of a check ended.
    package mutating func verdict(
        _ verdict: Verdict, of check: CheckID, at now: Instant, appendingTo actions: inout [RouterAction]
    ) {
        guard checks.judge(check, verdict, at: now) else { return }
        refreshAll(now, &actions)
    }

    /// The engine's answer to `Action.claim`.
    package mutating func claimed(
        _ id: RouterID, failure: ClaimFailure?, at now: Instant, appendingTo actions: inout [RouterAction]
    ) {
        guard let index = index(of: id) else { return }
        send(failure.map { .claimFailed($0) } ?? .claimed, to: index, now, &actions)
    }

    /// Addresses that a master needs were removed by somebody else, `process`, as far as the kernel tells.
    package mutating func addressesLost(
        _ id: RouterID, _ addresses: [InterfaceAddress], by process: String = "", at now: Instant,
        appendingTo actions: inout [RouterAction]
    ) {
        guard let index = index(of: id) else { return }
        send(.addressesLost(addresses, by: process), to: index, now, &actions)
    }

    /// The kernel refused a route or a rule that a master needs.
    package mutating func routingFailed(
        _ id: RouterID, _ failure: RoutingFailure, at now: Instant, appendingTo actions: inout [RouterAction]
    ) {
        guard let index = index(of: id) else { return }
        send(.routingFailed(failure), to: index, now, &actions)
    }

    /// Routes or rules that a master needs were removed by somebody else, `process`, as far as the kernel tells.
    package mutating func routingLost(
        _ id: RouterID, _ entries: [RoutingEntry], by process: String = "", at now: Instant,
        appendingTo actions: inout [RouterAction]
    ) {
        guard let index = index(of: id) else { return }
        send(.routingLost(entries, by: process), to: index, now, &actions)
    }

    /// A master announces its addresses again, within a second; the operator wants to be sure that neighbours and switches know them.
    package mutating func announce(_ id: RouterID, at now: Instant, appendingTo actions: inout [RouterAction]) {
        guard let index = index(of: id) else { return }
        send(.announcementWanted, to: index, now, &actions)
    }

    /// The same for all routers of an interface, behind which neighbours and switches may look for them at the wrong place: it has another
    /// hardware address, or its bond another port.
    package mutating func announce(
        interface name: String, at now: Instant, appendingTo actions: inout [RouterAction]
    ) {
        for index in slots.indices where slots[index].router.uses(name) {
            send(.announcementWanted, to: index, now, &actions)
        }
    }

    /// A gate ended. A release gate that failed takes the wish to disable back.
    package mutating func gate(
        _ id: RouterID, sequence: UInt32, failure: CheckFailure?, at now: Instant,
        appendingTo actions: inout [RouterAction]
    ) {
        guard let index = index(of: id) else { return }
        // A gate that was cancelled may end all the same; its result is not that of the one which is awaited now.
        let isAwaited = slots[index].router.awaitedGate?.sequence == sequence
        let wasMaster = slots[index].router.stateName == .master
        send(.gate(sequence: sequence, failure: failure), to: index, now, &actions)
        if failure != nil, isAwaited, wasMaster, slots[index].router.stateName == .master, slots[index].isDisabled {
            slots[index].isDisabled = false
            refresh(index, now, &actions)
        }
    }

    /// No advert of a router's last `sendAdvert` could be sent, with this errno; or, with nil, one could again.
    package mutating func sendingEnded(
        _ id: RouterID, failure: Int32?, at now: Instant, appendingTo actions: inout [RouterAction]
    ) {
        guard let index = index(of: id) else { return }
        send(failure.map { .sendFailed($0) } ?? .sent, to: index, now, &actions)
    }

    /// Another host said on an interface that an address is its own. `speakers` are those that are known to send adverts there.
    package mutating func claimHeard(
        _ claim: AddressClaim, speakers: SpeakerTable, interfaceIndex: UInt32, at now: Instant,
        appendingTo actions: inout [RouterAction]
    ) {
        for index in holders(of: claim.address)
        where interfaces[slots[index].router.interface(of: claim.address)]?.index == interfaceIndex {
            send(.addressClaimed(claim, by: speakers), to: index, now, &actions)
        }
    }

    /// Whether an election of this host hears this VRID on an interface.
    package func listens(on interfaceIndex: UInt32, _ family: AddressFamily, vrid: UInt8) -> Bool {
        !listeners.slots(interfaceIndex, family, vrid: vrid).isEmpty
    }

    /// An advert was on the wire of an interface that no socket got, the `count`th in a row of its sender.
    package mutating func advertMissed(
        _ advert: AdvertGlimpse, inARow count: Int, interfaceIndex: UInt32, at now: Instant,
        appendingTo actions: inout [RouterAction]
    ) {
        for index in listeners.slots(interfaceIndex, advert.origin.source.family, vrid: advert.vrid) {
            miss(advert, inARow: count, index, now, &actions)
        }
    }

    private mutating func miss(
        _ advert: AdvertGlimpse, inARow count: Int, _ index: Int, _ now: Instant, _ actions: inout [RouterAction]
    ) {
        let (source, rules) = (advert.origin.source, slots[index].rules)
        guard rules.believes(version: advert.version), slots[index].router.isTakingPart else { return }
        do throws(DropReason) {
            try Advertisement.checkAddressing(advert.origin, rules)
        } catch {
            // The kernel drops what comes from an address that it has itself, in front of every socket.
            if source == rules.localAddress { differ(.ourAddress, from: source, index, now, &actions) }
            return
        }
        // It may have come in between the look at the sockets and the one at the wire; a master is not ended for one.
        let isCertain = count > 1
        guard isCertain || !slots[index].router.isAdvertising else { return }
        slots[index].router.counters[.filteredAdverts] += 1
        let isObeyed = slots[index].router.configuration.obeysFiltered
        if isCertain { differ(.filtered(isObeyed: isObeyed), from: source, index, now, &actions) }
        guard isObeyed else { return }
        let assumed = slots[index].router.assume(advert, at: now)
        send(.advert(assumed, from: source, heardAt: now), to: index, now, &actions)
    }
}
