// The part of one host in one virtual router, as the world sees it from outside: the kernel's addresses, what the operator
// wants, and a second, simple account of the election's timer that the rules compare the real one with.

import Election
import Wire

struct Seat {
    /// What the supervisor has configured, and what the engine has been told of it.
    var wanted: VirtualRouterConfiguration?
    var configuration: VirtualRouterConfiguration?
    var wantsDisabled = false
    var isDisabled = false
    var advertised: [IPAddress] = []

    // The kernel and the supervisor.
    var held: [InterfaceAddress] = []
    var refusesClaims = false
    var gatesFail = false
    var gatesHang = false

    // The election as it was last seen.
    var state = StateName.initialize
    var isAdvertising = false
    var priority: UInt8 = 0
    var lastAdvertSent: Int64 = -1
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
    var claimGate: UInt32?
    var hasPassedGate = false
    var releaseGate: UInt32?
    /// When the release gate last ended.
    var releasedAt: Int64 = -1
    /// When it last sent its first advert as master.
    var masterSince: Int64 = -1
    /// A check of last resort failed when the facts were last looked at.
    var wasLast = false
    /// Per other host: when the last of its adverts that this one heard as master was sent and heard.
    var rivalSent: [Int64] = []
    var rivalHeard: [Int64] = []

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
        claimGate = nil
        hasPassedGate = false
        releaseGate = nil
        wasLast = false
    }

    mutating func reconfigure(_ new: VirtualRouterConfiguration) {
        if learned == configuration?.advertisementInterval.nanoseconds {
            learned = new.advertisementInterval.nanoseconds
        }
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
    func skew(_ version: ProtocolVersion) -> Int64 {
        let base: Int64 = version == .v3 ? learned : 1_000_000_000
        return base * (256 - Int64(priority)) / 256
    }

    /// Whether a backup has to stay behind an advert of this priority, not 0.
    mutating func obeys(_ other: UInt8, heardAt: Int64) -> Bool {
        if other >= priority { return true }
        guard priority < 255, let configuration else { return false }
        if !configuration.preempt || isDoubtful { return true }
        guard configuration.preemptDelay > .zero else { return false }
        let first = firstLower ?? heardAt
        firstLower = first
        return heardAt - first < configuration.preemptDelay.nanoseconds
    }
}
