// Who else says that he has our addresses, and whose adverts pass by unheard: RFC 5227 §2.4 (c), checklist ACD-05 and ACD-11 to ACD-14. A
// master never gives up for it, or any host could knock the addresses out: it tells the neighbours again. VRRP itself decides between those
// who speak it.

import Wire

/// What is done when 3 intervals have passed without an advert: somebody may hold the addresses whose adverts do not come through.
package enum ConflictCheck: UInt8, Hashable, Sendable {
    case off
    /// Ask who has them, and tell if somebody answers.
    case warn
    /// And if somebody does, wait for another master-down interval, once.
    case hold
}

extension VirtualRouter {
    /// DEFEND_INTERVAL of RFC 5227 §1.1, for each address.
    static let defendInterval = Duration.seconds(10)
    /// An advert and the announcements of who sent it come together; the election answers for both.
    static let advertGrace = Duration.milliseconds(20)
    /// Who was master until then, or is about to know that he is not, may still speak of the addresses.
    static let moveGrace = Duration.seconds(1)
    /// So many addresses are asked for at the beginning of the skew time.
    static let probedAddresses = 16

    /// A master announces the address again, at most once in 10 s, and tells who it was.
    mutating func defend(
        _ master: Master, against claim: AddressClaim, _ speakers: SpeakerTable, _ now: Instant,
        _ actions: inout [Action]
    ) {
        // Who claims them for the address that we share is of our election, and adverts decide (ACD-13).
        guard !(configuration.usesVirtualMAC && isVirtual(claim.hardware)), master.claiming == nil,
            !isOfElection(claim, speakers, now),
            let place = configuration.addresses.firstIndex(where: { $0.address == claim.address }),
            !lacks(configuration.addresses[place])
        else { return }
        counters[.addressConflicts] += 1
        if disputes.defended[claim.address].map({ now - $0 >= Self.defendInterval }) ?? true {
            disputes.defended[claim.address] = now
            actions.append(.announce(place..<place + 1))
        }
        actions.append(.addressClaimed(claim))
    }

    /// A backup tells of those who are not the master (ACD-14: and does nothing else). While the master is silent and the addresses have
    /// been asked for, anybody who answers holds them.
    mutating func consider(
        _ claim: AddressClaim, _ speakers: SpeakerTable, _ backup: Backup, _ now: Instant, _ actions: inout [Action]
    ) {
        if backup.hasAsked, backup.takeover == .silence {
            if configuration.conflictCheck == .hold, !backup.hasHeld {
                var backup = backup
                backup.hasHeld = true
                backup.masterDown = now + masterDownInterval
                state = .backup(backup)
            }
        } else {
            // Nothing can be said before it is known where the master speaks from.
            guard let master, believes(master, at: now), let hardware = speakers.hardware(of: master),
                claim.hardware != hardware, !isVirtual(claim.hardware), !isOfElection(claim, speakers, now)
            else { return }
        }
        counters[.addressConflicts] += 1
        actions.append(.addressClaimed(claim))
    }

    private func isVirtual(_ hardware: MACAddress) -> Bool {
        hardware == .virtualRouter(configuration.vrid, family: configuration.family)
    }

    /// The claim comes from a router of this election, of which there is an advert beside it, or a change of master.
    private func isOfElection(_ claim: AddressClaim, _ speakers: SpeakerTable, _ now: Instant) -> Bool {
        guard isVirtual(claim.hardware) || speakers.speakers.contains(where: { $0.hardware == claim.hardware }) else {
            return false
        }
        if let lastTransition, now - lastTransition.at < Self.moveGrace { return true }
        if let masterSince, now - masterSince < Self.moveGrace { return true }
        guard let lastSource, let lastHeard, now - lastHeard < Self.advertGrace else { return false }
        return isVirtual(claim.hardware) || speakers.hardware(of: lastSource) == claim.hardware
    }

    // MARK: - Before a takeover

    /// When a silent master's addresses are asked for: the beginning of the skew time, which costs no time.
    func conflictCheckDue(_ backup: Backup) -> Instant? {
        guard configuration.conflictCheck != .off, !backup.hasAsked, backup.gate == nil,
            backup.takeover == .silence
        else { return nil }
        return backup.masterDown - skewTime
    }

    mutating func ask(_ backup: Backup, _ now: Instant, _ actions: inout [Action]) {
        guard let due = conflictCheckDue(backup), due <= now else { return }
        var backup = backup
        backup.hasAsked = true
        state = .backup(backup)
        actions.append(.ask(0..<min(configuration.addresses.count, Self.probedAddresses)))
    }

    // MARK: - What passes by

    /// An advert is on the wire that no socket of ours gets: what it would be if one did. As long as such come nobody is preempted, so that a host
    /// that cannot hear does not claim what another one holds.
    mutating func assume(_ advert: AdvertGlimpse, at now: Instant) -> Advertisement {
        let interval = min(advert.interval, configuration.longestInterval)
        deafUntil =
            now
            + Timing.masterDown(
                configuration.version, priority: standing.effectivePriority, interval: interval)
        return Advertisement(
            version: ProtocolVersion(rawValue: advert.version) ?? configuration.version, vrid: advert.vrid,
            priority: advert.priority, addressCount: UInt8(truncatingIfNeeded: advertised.count),
            interval: advert.interval, checksumForm: checksumForm, addressDigest: addressDigest)
    }

    /// Whether a router that advertises less than this master goes on doing so though it is answered: it does not hear.
    mutating func judgeContender(
        _ advert: Advertisement, _ source: IPAddress, _ heardAt: Instant, _ actions: inout [Action]
    ) {
        let interval = max(believedInterval(of: advert), configuration.advertisementInterval)
        guard let contender = disputes.contender, heardAt - contender.last <= interval * 3 else {
            disputes.contender = Contender(source: source, since: heardAt, last: heardAt)
            return
        }
        // Of several the first one is followed.
        guard contender.source == source else { return }
        disputes.contender?.last = heardAt
        guard heardAt - contender.since >= interval * Self.patience else { return }
        actions.append(.peerDiffers(source, .doesNotHear(priority: advert.priority)))
    }

    /// Intervals for which a lower master is given time to hear an answer.
    static let patience = 5

    /// A router that advertises less than this master.
    struct Contender: Hashable, Sendable {
        var source: IPAddress
        var since: Instant
        var last: Instant
    }
}
