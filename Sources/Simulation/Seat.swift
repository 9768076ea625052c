// The part of one host in one virtual router, as the world sees it from outside: the kernel's addresses, what the operator
// wants, and a second, simple account of the election's timer that the rules compare the real one with.

import Election
import Wire

struct Seat {
    /// What the supervisor has configured, and what the engine has been told of it.
    var wanted: VirtualRouterConfiguration?
    var configuration: VirtualRouterConfiguration? {
        didSet { interval = configuration?.advertisementInterval.nanoseconds ?? -1 }
    }
    /// Of `configuration`, nanoseconds; -1 without one. Asked after each step of every host.
    private(set) var interval: Int64 = -1
    var wantsDisabled = false
    var isDisabled = false
    var wantsHeld = false
    var isHeld = false
    /// A reload has taken the router away and has not brought it back: what will come back, by which fault, and whether the
    /// engine knows.
    var taken: VirtualRouterConfiguration?
    var takenBy: Int?
    var isRemoved = false
    /// How often it came back: each time under another number.
    var lives = 0
    var advertised: [IPAddress] = []

    // The kernel and the supervisor.
    var held: [InterfaceAddress] = []
    var refusesClaims = false
    var gatesFail = false
    var gatesHang = false
    /// The engine's note that its last advert could not be sent.
    var isMute = false

    // The election as it was last seen.
    var state = StateName.initialize
    var isAdvertising = false
    var priority: UInt8 = 0
    var lastAdvertSent: Int64 = -1
    /// Sent or not.
    var lastAdvertTried: Int64 = -1
    /// The last that was no resignation.
    var lastSpoken: Int64 = -1
    /// Counts its adverts, sent or not.
    var adverts = 0
    /// Since when it is in this state.
    var since: Int64 = 0
    /// When it first heard another master since it last announced; -1 for not.
    var conflict: Int64 = -1
    /// Claimed and not announced yet.
    var owes: [InterfaceAddress] = []
    /// A new engine continues as master.
    var isResuming = false

    // The rules' own account of it (RFC 9568 §6.4.2).
    /// When silence ends, on the world's clock.
    var due = Int64.max
    /// Active_Adver_Interval.
    var learned: Int64 = 0
    /// The first lower advert since the start.
    var firstLower: Int64?
    /// The last claim was refused.
    var isDoubtful = false
    /// It serves without what was refused, or is about to.
    var isDegraded = false
    /// It is so no more, and has not advertised that yet.
    var owesPriority = false
    var claimGate: UInt32?
    var hasPassedGate = false
    var releaseGate: UInt32?
    /// When the release gate last ended.
    var releasedAt: Int64 = -1
    /// When it last sent its first advert as master.
    var masterSince: Int64 = -1
    /// The part of the interval in which its timer sends adverts; `unknownPhase` or below before the first.
    var phase = Self.unknownPhase
    /// Since when adverts can be sent and heard; nil while they cannot.
    var linkSince: Int64?
    /// The end of a start delay that is being waited for.
    var delayedUntil: Int64?
    /// When the last advert was heard that it had to obey, and whose it was.
    var lastObeyed: Int64 = -1
    var lastMaster = -1
    /// While both versions are believed: when each host was last heard in version 3.
    var versionThree: [Int64] = []
    /// On the way out with its addresses.
    var leaving: Leaving?
    /// It was away for three intervals or longer, and has just been told so.
    var isLate = false
    /// Since when no advert of this master leaves; -1 while they do.
    var muteSince: Int64 = -1
    /// When the first left again.
    var spokeAgain: Int64 = -1
    /// None has left for three intervals: this step must end it.
    var mustFallSilent = false
    var fellSilent: Int64 = -1
    /// None left the last time it was master.
    var isSendDoubtful = false
    /// Handovers that were ordered and have not ended, and since when there are any.
    var handovers = 0
    var handoverSince: Int64 = -1
    /// When another master was last heard, obeyed or not.
    var lastRival: Int64 = -1
    /// A check of last resort failed when the facts were last looked at.
    var wasLast = false
    /// Per other host: when the last of its adverts that this one heard as master was sent and heard.
    var rivalSent: [Int64] = []
    var rivalHeard: [Int64] = []

    static let unknownPhase: Int64 = -1
    /// A new engine that continues sends its first advert at once, whatever the phase.
    static let resumedPhase: Int64 = -2

    init(_ configuration: VirtualRouterConfiguration?) {
        wanted = configuration
        advertised = configuration?.addresses.map { $0.address } ?? []
    }

    /// A new engine knows nothing of the last one's gates and timers.
    mutating func forget(_ new: VirtualRouterConfiguration) {
        configuration = new
        advertised = new.addresses.map { $0.address }
        state = .initialize
        isAdvertising = false
        priority = 0
        owes = []
        conflict = -1
        due = .max
        learned = new.advertisementInterval.nanoseconds
        firstLower = nil
        isDoubtful = false
        isDegraded = false
        owesPriority = false
        claimGate = nil
        hasPassedGate = false
        releaseGate = nil
        wasLast = false
        phase = Self.unknownPhase
        delayedUntil = nil
        versionThree = []
        leaving = nil
        isHeld = false
        isMute = false
        muteSince = -1
        isSendDoubtful = false
        handovers = 0
        handoverSince = -1
    }

    /// What the next claim is refused is gone without.
    var servesInPart: Bool { isDoubtful && configuration?.claim == .any }

    /// What its adverts have to say as long as it is master.
    var spokenPriority: UInt8 { isDegraded ? 1 : priority }

    /// The engine has forgotten a router that was removed, or died before it did.
    mutating func vanish() {
        configuration = nil
        isRemoved = false
        state = .initialize
        isAdvertising = false
        leaving = nil
    }

    mutating func reconfigure(_ new: VirtualRouterConfiguration) {
        if learned == configuration?.advertisementInterval.nanoseconds {
            learned = new.advertisementInterval.nanoseconds
        }
        learned = min(learned, new.longestInterval.nanoseconds)
        if new.advertisementInterval != configuration?.advertisementInterval { phase = Self.unknownPhase }
        configuration = new
        advertised = new.addresses.map { $0.address }
    }

    mutating func gateEnds(_ sequence: UInt32, passed: Bool, at time: Int64) {
        if claimGate == sequence {
            claimGate = nil
            hasPassedGate = passed
        }
        if releaseGate == sequence {
            releaseGate = nil
            releasedAt = time
        }
    }

    mutating func cancelGate(_ sequence: UInt32) {
        if claimGate == sequence { claimGate = nil }
        if releaseGate == sequence { releaseGate = nil }
    }

    mutating func noteRival(_ host: Int, sent: Int64, heard: Int64, of hosts: Int) {
        if rivalSent.isEmpty {
            rivalSent = [Int64](repeating: -1, count: hosts)
            rivalHeard = rivalSent
        }
        rivalSent[host] = max(rivalSent[host], sent)
        rivalHeard[host] = max(rivalHeard[host], heard)
    }

    /// (256 − priority) × interval / 256, of one second in version 2.
    func skew(_ version: ProtocolVersion) -> Int64 { skew(version, learned) }

    private func skew(_ version: ProtocolVersion, _ interval: Int64) -> Int64 {
        let base: Int64 = version == .v3 ? interval : 1_000_000_000
        return base * (256 - Int64(priority)) / 256
    }

    /// How long silence is believed in with this interval; 0 without a configuration.
    func masterDown(_ interval: Int64) -> Int64 {
        guard let configuration else { return 0 }
        return 3 * interval + skew(configuration.version, interval)
    }

    /// Whether a backup has to stay behind an advert of this priority, not 0.
    mutating func obeys(_ other: UInt8, heardAt: Int64) -> Bool {
        if other >= priority { return true }
        guard priority < 255, let configuration else { return false }
        if !configuration.preempt || isDoubtful || isSendDoubtful || isHeld { return true }
        guard configuration.preemptDelay > .zero else { return false }
        let first = firstLower ?? heardAt
        firstLower = first
        return heardAt - first < configuration.preemptDelay.nanoseconds
    }
}
