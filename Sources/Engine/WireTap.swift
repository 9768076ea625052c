// What the engine hears on the wire of one interface beside its sockets: who claims our addresses, who sends adverts from where, and who
// answers our questions.

import Election
import Kernel
import System
import Wire

/// A tap on one interface; a class only because it owns a descriptor.
final class WireTap {
    /// Some dozens of frames; what finds no room is not missed: an announcement is repeated, and an advert comes again.
    static let ring: Int32 = 32 << 10
    /// Frames that are read in one second at most. Whoever sends more is not heard any more until the next.
    static let framesPerSecond = 4_096

    let index: UInt32
    /// The interface is in promiscuous mode for it.
    let hearsAll: Bool
    private let tap: FrameTap
    private var filter: TapFilter
    /// Whose claims are let through.
    var addresses: Set<IPAddress> = [] {
        didSet { isStale = isStale || addresses != oldValue }
    }
    /// Who may claim them unheard: the one master that every router here is behind.
    var holder: MACAddress? {
        didSet { isStale = isStale || holder != oldValue }
    }
    /// Who are listened to as well, to learn where they are.
    var hosts: Set<IPAddress> = [] {
        didSet { isStale = isStale || hosts != oldValue }
    }
    private let echoes: UInt16
    private(set) var speakers = SpeakerTable()
    /// The filter may have to be another one.
    private var isStale = false
    var isWatched = false
    var framesLeft = WireTap.framesPerSecond

    /// `echoes` is the identifier of our echo requests.
    init(interface: String, index: UInt32, echoes: UInt16, hearsAll: Bool) throws(SystemError) {
        self.hearsAll = hearsAll
        self.echoes = echoes
        filter = TapFilter(claimsOf: [], advertsExceptOf: [], echoes: echoes)
        tap = try FrameTap(interface: interface, filter: filter, ring: Self.ring, hearsAll: hearsAll)
        self.index = index
    }

    var number: Int32 { tap.number }

    /// The next frame that concerns us, and when it came in (CLOCK_REALTIME, nanoseconds); nil when none waits. Throws when the
    /// interface went away.
    func next() throws(SystemError) -> (heard: Overheard, stamp: Int64)? {
        while framesLeft > 0 {
            var found: (heard: Overheard, stamp: Int64)?
            let isMore = try tap.next { frame, stamp in
                found = Overheard(frame: frame).map { (heard: $0, stamp: stamp) }
            }
            guard isMore else { return nil }
            framesLeft -= 1
            if let found { return found }
        }
        return nil
    }

    /// Throws away what waits; false when the interface has gone under it.
    func empty() -> Bool {
        do throws(SystemError) {
            for _ in 0..<Self.framesPerSecond {
                guard try tap.next({ _, _ in }) else { break }
            }
            return true
        } catch {
            return false
        }
    }

    /// Returns how many of this speaker's adverts have been missed in a row.
    func see(_ advert: AdvertGlimpse, arrived: Bool, isOurs: Bool, at now: Instant) -> Int {
        let (missed, isNews) = speakers.see(advert, arrived: arrived, isOurs: isOurs, at: now)
        isStale = isStale || isNews
        return missed
    }

    /// Looks for the adverts of a speaker that no socket has heard of for too long.
    func suspect(_ source: IPAddress, at now: Instant) {
        speakers.suspect(source, at: now)
        isStale = true
    }

    func forget(_ source: IPAddress) {
        speakers.forget(source)
        isStale = true
    }

    /// Puts the filter in force that is wanted now.
    func refilter() throws(SystemError) {
        guard isStale else { return }
        // While one is looked for the others are let through, too: it may be that the master has moved.
        let isLooking = speakers.speakers.contains { $0.suspected != nil }
        let known = speakers.speakers.filter { !isLooking && $0.isHeard }
        let wanted = TapFilter(
            claimsOf: addresses.union(hosts), exceptBy: hosts.isEmpty ? holder : nil,
            advertsExceptOf: known.map { TapFilter.Speaker(source: $0.source, hardware: $0.hardware) },
            echoes: echoes)
        if wanted != filter {
            try tap.change(to: wanted)
            filter = wanted
        }
        isStale = false
    }
}
