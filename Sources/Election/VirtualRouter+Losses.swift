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
        var taken: InterfaceAddress?
        for address in wanted {
            var times = disputes.losses[address, default: []].filter { now - $0 < Self.lossWindow }
            if times.count >= Self.lossesBorne { taken = taken ?? address }
            times.append(now)
            disputes.losses[address] = times
        }
        guard let taken else {
            actions.append(.claim(wanted))
            return
        }
        lastTaken = now
        giveUp(master, for: .addressRemoved(taken, by: process), now, &actions)
    }
}
