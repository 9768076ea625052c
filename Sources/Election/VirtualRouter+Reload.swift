// What a reload changes in a router that goes on: everything but interface, VRID, family and version, in place (promise 8). Nothing else moves.

import Wire

extension VirtualRouter {
    /// A reload. New addresses are claimed and announced, gone ones released, timers follow; nothing else moves.
    mutating func reconfigure(_ new: VirtualRouterConfiguration, _ now: Instant, _ actions: inout [Action]) {
        let old = configuration
        let listed = advertised
        configuration = new
        if masterInterval == old.advertisementInterval { masterInterval = new.advertisementInterval }
        masterInterval = min(masterInterval, new.longestInterval)
        if new.startDelay != old.startDelay { changeStartDelay(now) }
        if case .resigning(let resigning) = state { keep(resigning, &actions) }
        guard case .master(var master) = state else { return }
        let (gone, added) = new.changedAddresses(since: old)
        if new.advertisementInterval != old.advertisementInterval {
            let advance = turn.advance(in: new.advertisementInterval)
            master.nextAdvert = min(master.nextAdvert, now + new.advertisementInterval - advance)
        }
        if new.announcements != old.announcements {
            master.burst = master.burst.map {
                AnnouncementBurst(continuing: $0.started, at: now, new.announcements)
            }
        }
        let priority = effectivePriority
        let refusal = reconsiderDegradation()
        let differs =
            effectivePriority != priority || advertised != listed
            || new.advertisementInterval != old.advertisementInterval
            || new.password != old.password || new.checksum != old.checksum || new.peers != old.peers
            || new.alsoVersion2 != old.alsoVersion2
        if differs, refusal == nil {
            master.lastAdvert = now
            actions.append(.sendAdvert(priority: effectivePriority))
        }
        state = .master(master)
        if !gone.isEmpty { actions.append(.release(gone)) }
        if let refusal {
            giveUp(master, for: refusal, now, &actions)
            return
        }
        // The claim comes with the first advert.
        guard !master.awaitsSending else { return }
        // Whoever changes something may have done so for what is missing.
        if !added.isEmpty || degradation != nil { claim(added, &actions) }
        if new.routing != old.routing { settleRouting(&actions) }
    }

    /// The start delay that is being waited for became another one, or none.
    private mutating func changeStartDelay(_ now: Instant) {
        guard case .backup(var backup) = state, let end = backup.delayedUntil, let linkSince else { return }
        let begin = max(now, linkSince + configuration.startDelay)
        backup.masterDown = backup.masterDown + (begin - end)
        backup.delayedUntil = begin > now ? begin : nil
        state = .backup(backup)
    }
}
