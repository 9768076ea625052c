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
        for index in slots.indices where slots[index].router.configuration.interface == name {
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

    /// Addresses that a master needs were removed by somebody else.
    package mutating func addressesLost(
        _ id: RouterID, _ addresses: [InterfaceAddress], at now: Instant, appendingTo actions: inout [RouterAction]
    ) {
        guard let index = index(of: id) else { return }
        send(.addressesLost(addresses), to: index, now, &actions)
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
        for index in slots.indices where slots[index].router.configuration.interface == name {
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

    /// Whether a router of this interface resigns, and so waits for its successor's announcements.
    package func isResigning(on interfaceIndex: UInt32) -> Bool {
        slots.contains { slot in
            if case .resigning = slot.router.state {
                interfaces[slot.router.configuration.interface]?.index == interfaceIndex
            } else {
                false
            }
        }
    }

    /// Another host announced an address on an interface as its own.
    package mutating func announcementHeard(
        _ address: IPAddress, interfaceIndex: UInt32, at now: Instant, appendingTo actions: inout [RouterAction]
    ) {
        for index in slots.indices {
            guard case .resigning = slots[index].router.state,
                interfaces[slots[index].router.configuration.interface]?.index == interfaceIndex
            else { continue }
            send(.announcementHeard(address), to: index, now, &actions)
        }
    }
}
