// Who sends adverts from which hardware address, as seen on the wire of one interface. By it a claim of an address is known for the
// master's, or for another host's; and adverts that pass by are noticed which no socket here ever gets.

import Wire

/// One that sends adverts.
package struct Speaker: Hashable, Sendable {
    package let source: IPAddress
    package fileprivate(set) var hardware: MACAddress
    /// What it last advertised.
    package fileprivate(set) var interval: Duration
    /// Its election is one of this host's, too.
    package fileprivate(set) var isOurs: Bool
    /// So many of its last adverts, in a row, were on the wire and reached no socket.
    package fileprivate(set) var missed = 0
    /// When one was last looked at on the wire. Known ones are not looked at, but for those that are `suspected`.
    package fileprivate(set) var seen: Instant
    /// Since when its adverts are looked for on the wire, because no socket has got one for too long.
    package fileprivate(set) var suspected: Instant?

    /// It sends, and it is heard.
    package var isHeard: Bool { missed == 0 && suspected == nil }
}

/// The speakers of one interface.
package struct SpeakerTable: Hashable, Sendable {
    /// Of more than this those are forgotten that were not seen for the longest time, and those of other elections first.
    package static let capacity = 32

    package private(set) var speakers: [Speaker] = []

    package init() {}

    /// An advert was seen on the wire; `arrived` tells whether a socket has got it, too. Returns how many of this speaker's adverts have
    /// been missed in a row, and whether something else than before is known of it.
    package mutating func see(
        _ advert: AdvertGlimpse, arrived: Bool, isOurs: Bool = true, at now: Instant
    ) -> (missed: Int, isNews: Bool) {
        let source = advert.origin.source
        guard let place = speakers.firstIndex(where: { $0.source == source }) else {
            let speaker = Speaker(
                source: source, hardware: advert.hardware, interval: advert.interval, isOurs: isOurs,
                missed: arrived ? 0 : 1, seen: now)
            if speakers.count < Self.capacity { speakers.append(speaker) } else { speakers[leastWanted] = speaker }
            return (speaker.missed, true)
        }
        let old = speakers[place]
        speakers[place].hardware = advert.hardware
        speakers[place].interval = advert.interval
        // One address may speak for several elections.
        speakers[place].isOurs = old.isOurs || isOurs
        speakers[place].seen = now
        speakers[place].suspected = nil
        speakers[place].missed = arrived ? 0 : old.missed + 1
        let new = speakers[place]
        return (new.missed, new.hardware != old.hardware || new.isHeard != old.isHeard)
    }

    private var leastWanted: Int {
        var least = 0
        for place in speakers.indices.dropFirst() {
            let (one, other) = (speakers[place], speakers[least])
            if one.isOurs == other.isOurs ? one.seen < other.seen : !one.isOurs { least = place }
        }
        return least
    }

    /// No socket has got an advert of this speaker for too long: they are looked for on the wire from now on.
    package mutating func suspect(_ source: IPAddress, at now: Instant) {
        for place in speakers.indices where speakers[place].source == source { speakers[place].suspected = now }
    }

    /// It does not send any more.
    package mutating func forget(_ source: IPAddress) { speakers.removeAll { $0.source == source } }

    /// Where the adverts of `source` come from; nil while that has not been seen.
    package func hardware(of source: IPAddress) -> MACAddress? { speakers.first { $0.source == source }?.hardware }
}
