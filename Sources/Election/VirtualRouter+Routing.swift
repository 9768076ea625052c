// Routes and rules of a master. They are put on behind its addresses, because a preferred source must be there first, and go before them; the
// engine does that with every claim and every release. Here is what is wanted of them at any moment, and what follows when the kernel refuses
// one, or somebody takes one off: the same as for addresses (promises 2 and 8).

import Wire

/// The kernel refused a route or a rule.
package struct RoutingFailure: Hashable, Sendable {
    package var entry: RoutingEntry
    /// errno(3).
    package var code: Int32

    package init(entry: RoutingEntry, code: Int32) {
        self.entry = entry
        self.code = code
    }
}

extension VirtualRouter {
    /// The routes and rules that ought to be there now: those of a master, and of one that resigns as long as it holds what they need.
    package var wantedRouting: [RoutingEntry] {
        guard !configuration.routing.isEmpty else { return [] }
        switch state {
        case .initialize, .fault, .disabled, .backup: return []
        case .master(let master): return master.awaitsSending ? [] : configuration.routing
        case .resigning(let resigning):
            return configuration.routing.filter { entry in
                guard let source = entry.source, configuration.addresses.contains(where: { $0.address == source })
                else { return !resigning.held.isEmpty }
                return resigning.held.contains { $0.address == source }
            }
        }
    }

    /// Somebody else took these off, `process` as far as the kernel tells. They are put back, but not for ever: see `lose`.
    mutating func loseRouting(
        _ entries: [RoutingEntry], to process: String, _ master: Master, _ now: Instant, _ actions: inout [Action]
    ) {
        // One that a reload has taken out meanwhile is not wanted any more.
        let wanted = entries.filter { configuration.routing.contains($0) }
        guard !wanted.isEmpty else { return }
        let taken = Self.note(wanted, in: &disputes.routingLosses, now)
        guard let taken else {
            settleRouting(&actions)
            return
        }
        lastTaken = now
        giveUp(master, for: .routingRemoved(taken, by: process), now, &actions)
    }
}
