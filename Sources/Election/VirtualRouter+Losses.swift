// Addresses that somebody else takes off a master's interface. They are put back and announced (promise 8): an operator who means it uses
// `vipd disable`. Whoever goes on taking them off would make this host come and go for the clients, so others may try.

import Wire

extension VirtualRouter {
    /// So often within `lossWindow` one address is put back; the next time the router resigns.
    static let lossesBorne = 2
    static let lossWindow = Duration.seconds(10)
    /// A claim that succeeds sooner after a router was given up for it proves nothing: the pauses go on doubling.
    static let lossMemory = Duration.seconds(120)

    /// `process` is who took them off, as far as the kernel tells.
    mutating func lose(
        _ addresses: [InterfaceAddress], to process: String, _ master: Master, _ now: Instant,
        _ actions: inout [Action]
    ) {
        // One that a reload has taken out meanwhile is not wanted any more.
        let wanted = addresses.filter { configuration.addresses.contains($0) }
        guard !wanted.isEmpty else { return }
        let taken = Self.note(wanted, in: &disputes.losses, now)
        guard let taken else {
            claim(wanted, &actions)
            return
        }
        lastTaken = now
        giveUp(master, for: .addressRemoved(taken, by: process), now, &actions)
    }

    /// Remembers when each of these was taken off. Returns the first that this happens to too often.
    static func note<Taken: Hashable>(
        _ wanted: [Taken], in losses: inout [Taken: [Instant]], _ now: Instant
    ) -> Taken? {
        var tooOften: Taken?
        for one in wanted {
            var times = losses[one, default: []].filter { now - $0 < lossWindow }
            if times.count >= lossesBorne { tooOften = tooOften ?? one }
            times.append(now)
            losses[one] = times
        }
        return tooOften
    }

    /// A master that cannot have what it needs is none: others may try.
    mutating func giveUp(_ master: Master, for fault: Fault, _ now: Instant, _ actions: inout [Action]) {
        if let sequence = master.releaseGate { actions.append(.cancelGate(sequence: sequence)) }
        resign(&actions)
        isClaimDoubtful = true
        pause(for: fault, now, &actions)
    }
}
