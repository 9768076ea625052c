// What the engine tells its supervisor at the end of a turn: heartbeats, what it counted, and snapshots from which another engine could go
// on. Nothing here decides anything, and none of it may hold up an advert.

import Election
import Kernel
import Messages
import System
import Wire

extension Engine {
    func report() {
        let monotonic = Clock.monotonic()
        let isDue = monotonic >= nextSnapshot
        beat(monotonic, isDue: isDue)
        if isDue {
            nextSnapshot = monotonic + Self.snapshotPeriod
            watchFloods()
            tendTaps()
            if needsResynchronisation {
                resynchronise()
                applyInterfaceChanges()
            }
            retryRemovals()
            tendRouting()
            tellLeaseFailures()
            tendVirtualLinks()
            reportStrays()
            if let name = framesAwaited.popLast(), let link = table.link(named: name) { ports.prepareFrames(on: link) }
            markNextRouters()
        }
        reporter.flush()
        if reporter.takeRecovery() {
            // A gate that nobody heard asking for would be waited for without end.
            for gate in node.awaitedGates {
                reporter.send(.gateWanted(gate.router, gate.kind, sequence: gate.sequence, cause: gate.cause))
            }
        }
        let moment = Clock.monotonic()
        // Snapshots wait while adverts and takeovers do: one a turn shows that they go on.
        let isBusy = isCommitted && node.deadline.map { $0.nanoseconds <= moment } ?? false
        let end = isBusy ? moment : moment + Self.slice
        // Of one whose addresses are being taken off it would say that it holds none any more.
        let isMore = reporter.flushSnapshots(until: end) { releases.isPending(of: $0) ? nil : snapshot(of: $0) }
        nextSlice = isMore ? end + Self.slice : .max
    }

    private func markNextRouters() {
        let routers = node.routerIDs
        for _ in 0..<min(routers.count, Self.snapshotsPerPeriod) {
            if nextReported >= routers.count { nextReported = 0 }
            reporter.markDirty(routers[nextReported])
            nextReported += 1
        }
    }

    var nextBeat: Int64 { lastBeat + (advertised.isEmpty ? Self.hearsayPeriod : beatPeriod) }

    /// Tells who sent and heard adverts; what falls between two heartbeats goes with the next. It is dated by its first advert: a new
    /// engine must not think an advert younger than it is.
    private func beat(_ monotonic: Int64, isDue: Bool) {
        if advertisedSince == nil, !advertised.isEmpty { advertisedSince = Clock.boottime() }
        let isWanted = !advertised.isEmpty || node.hasHeard
        guard isDue || isWanted && monotonic >= nextBeat else { return }
        node.takeHeard(into: &heard)
        reporter.beat(.heartbeat(at: advertisedSince ?? Clock.boottime(), advertised: advertised, heard: heard))
        advertised.removeAll(keepingCapacity: true)
        heard.removeAll(keepingCapacity: true)
        advertisedSince = nil
        lastBeat = monotonic
    }

    /// What was dropped on each interface for nobody here, where that changed.
    private func reportStrays() {
        for port in ports.adverts {
            let index = port.tag.interfaceIndex
            guard let name = table.links[index]?.name else { continue }
            let counters = node.strayCounters(on: index)
            guard strays[name] ?? Counters() != counters else { continue }
            strays[name] = counters
            reporter.send(.interfaceCounters(name, counters))
        }
    }

    // MARK: - Snapshots

    func snapshot(of id: RouterID) -> RouterSnapshot? {
        guard let router = node.router(id), let record = records[id] else { return nil }
        let boottime = Clock.boottime()
        let offset = boottime - Clock.monotonic()
        var snapshot = RouterSnapshot(router: id, state: router.stateName)
        snapshot.since = record.stateSince
        snapshot.taken = boottime
        snapshot.effectivePriority = router.effectivePriority
        snapshot.contributions = router.standing.contributions
        snapshot.faults = router.faults
        snapshot.degraded = router.degraded
        snapshot.localAddress = router.standing.localAddress
        snapshot.master = router.master
        snapshot.masterPriority = router.masterPriority
        snapshot.masterInterval = router.masterInterval
        snapshot.masterDownInterval = router.masterDownInterval
        snapshot.skewTime = router.skewTime
        snapshot.lastAdvertHeard = router.lastHeard.map { $0.nanoseconds + offset } ?? 0
        snapshot.lastAdvertSent = record.lastAdvertSent
        snapshot.held = states(of: record.configuration.addresses, record).map(\.address)
        snapshot.leaseExpires = leases.expiry(of: places(of: record.configuration.addresses, record))
        snapshot.routing = record.routed.map(\.entry)
        snapshot.lastTransition = router.lastTransition
        snapshot.counters = router.counters
        snapshot.countingSince = record.countingSince
        snapshot.upSince = record.upSince
        snapshot.delayedUntil = router.delayedUntil.map { $0.nanoseconds + offset } ?? 0
        snapshot.lastProtocolError = router.lastProtocolError
        snapshot.timerLateMax = router.timerLateMax
        snapshot.differences = node.differences(of: id, at: now).map { $0.shifted(by: .nanoseconds(offset)) }
        snapshot.conflicts = node.conflicts(of: id, at: now).map { $0.shifted(by: .nanoseconds(offset)) }
        return snapshot
    }
}
