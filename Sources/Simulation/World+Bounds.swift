// The rules that concern several hosts: never two masters for long, never none for long, adverts in time, and how a world must
// look at rest.

import Election
import Wire

extension World {
    /// The engine runs and is not paused.
    func isRunning(_ host: Int) -> Bool { hosts[host].isUp && hosts[host].pausedUntil <= now }

    /// Looks at what has held since the last step of any host. Called before every step.
    mutating func judgeBounds() {
        guard violation == nil, judged < now || isOver else { return }
        for router in plan.routers.indices {
            let segment = plan.routers[router].segment
            if segments[segment].isUnruly { disturb(segment, until: now) }
            judgeConflict(router, segments[segment].disturbed)
            judgeVacancy(router, segments[segment].disturbed)
            judgePunctuality(router)
            judgeHolders(router, segments[segment].disturbed)
            for host in 0..<plan.hosts { judgeLeaving(host, router, segments[segment].disturbed) }
        }
        judged = now
    }

    private mutating func judgeConflict(_ router: Int, _ disturbed: Int64) {
        let segment = plan.routers[router].segment
        var pair: (Int, Int)?
        for better in 0..<plan.hosts where isMasterNow(better, router) {
            for worse in 0..<plan.hosts where worse != better && isMasterNow(worse, router) {
                let first = seats[plan.seat(better, router)]
                let second = seats[plan.seat(worse, router)]
                guard
                    first.spokenPriority > second.spokenPriority
                        || (first.spokenPriority == second.spokenPriority && better > worse),
                    segments[segment].isHeard(better, by: worse), hears(second, first)
                else { continue }
                pair = (better, worse)
            }
        }
        guard let pair else {
            matches[router].twoSince = -1
            return
        }
        if matches[router].twoSince < 0 { matches[router].twoSince = judged }
        let since = max(matches[router].twoSince, disturbed)
        if now - since > conflictBound(router) {
            fail(.twoMasters, router) { "hosts \(pair.0 + 1) and \(pair.1 + 1) since \(seconds(since))" }
        }
    }

    private func isMasterNow(_ host: Int, _ router: Int) -> Bool {
        seats[plan.seat(host, router)].isAdvertising && isRunning(host)
            && hosts[host].hasCarrier[plan.routers[router].segment]
    }

    /// Version 2 drops adverts of another interval (RFC 3768 §7.1).
    func hears(_ listener: Seat, _ speaker: Seat) -> Bool {
        listener.configuration?.version != .v2
            || listener.configuration?.advertisementInterval == speaker.configuration?.advertisementInterval
    }

    private mutating func judgeVacancy(_ router: Int, _ disturbed: Int64) {
        let segment = plan.routers[router].segment
        for leader in 0..<plan.hosts {
            let group = segments[segment].group[leader]
            var isFirst = true
            for other in 0..<leader where segments[segment].group[other] == group { isFirst = false }
            guard isFirst, !segments[segment].isLopsided else {
                matches[router].noneSince[leader] = -1
                continue
            }
            var candidate: Int?
            var hasMaster = false
            for host in 0..<plan.hosts where segments[segment].group[host] == group && isRunning(host) {
                let place = plan.seat(host, router)
                if seats[place].isAdvertising { hasMaster = true }
                if seats[place].state == .backup, seats[place].interval >= 0 { candidate = host }
            }
            guard let candidate, !hasMaster else {
                matches[router].noneSince[leader] = -1
                continue
            }
            if matches[router].noneSince[leader] < 0 { matches[router].noneSince[leader] = judged }
            let since = max(matches[router].noneSince[leader], disturbed)
            if now - since > takeoverBound(router) {
                fail(.noMaster, router, candidate) { "it could be master; nobody is since \(seconds(since))" }
            }
        }
    }

    private func judgePunctuality(_ router: Int) {
        for host in 0..<plan.hosts where isMasterNow(host, router) {
            let place = plan.seat(host, router)
            guard seats[place].interval >= 0 else { continue }
            let last = max(seats[place].lastAdvertTried, hosts[host].runnableSince)
            if now - last > seats[place].interval {
                fail(.advertsInTime, router, host) { "the last advert was at \(seconds(last))" }
            }
            guard seats[place].conflict >= 0 else { continue }
            let heard = max(seats[place].conflict, hosts[host].runnableSince)
            if now - heard > 1_000_000_000 {
                fail(.lastWord, router, host) { "it heard another master at \(seconds(heard)) and has not announced" }
            }
        }
    }

    // MARK: - At rest

    func judgeSettled() {
        for router in plan.routers.indices where violation == nil {
            var masters: [Int] = []
            var candidates: [Int] = []
            for host in 0..<plan.hosts where hosts[host].isUp {
                let seat = seats[plan.seat(host, router)]
                guard seat.configuration != nil else { continue }
                if seat.isAdvertising { masters.append(host) }
                if seat.state == .backup || seat.state == .master { candidates.append(host) }
                if seat.state == .fault {
                    fail(.oneMaster, router, host) { "it is in fault though all faults are over" }
                }
            }
            guard !candidates.isEmpty || !masters.isEmpty else { continue }
            guard masters.count == 1 else {
                fail(.oneMaster, router) { "\(masters.count) masters at rest" }
                return
            }
            if seats[plan.seat(masters[0], router)].isDegraded {
                fail(.masterHolds, router, masters[0]) { "it goes without an address though none is refused any more" }
            }
            judgeFitness(masters[0], candidates, router)
            judgeNeighbours(masters[0], router)
        }
    }

    private func judgeFitness(_ master: Int, _ candidates: [Int], _ router: Int) {
        let priority = seats[plan.seat(master, router)].spokenPriority
        for host in candidates where host != master {
            let seat = seats[plan.seat(host, router)]
            guard seat.priority > priority, !seat.isDoubtful, !seat.isSendDoubtful, !seat.isHeld,
                let configuration = seat.configuration,
                configuration.preempt || seat.priority == 255
            else { continue }
            fail(.fittest, router, host) {
                "priority \(seat.priority) stays behind priority \(priority) of host \(master + 1)"
            }
        }
    }

    /// The neighbours must send to the master, unless they were told otherwise by somebody whom the master did not hear
    /// afterwards, or not since the segment is whole.
    private func judgeNeighbours(_ master: Int, _ router: Int) {
        let seat = seats[plan.seat(master, router)]
        let changed = segments[plan.routers[router].segment].changed
        for place in seat.advertised.indices where place < neighbours[router].count {
            let neighbour = neighbours[router][place]
            guard neighbour.holder >= 0, neighbour.holder != master, !seat.rivalSent.isEmpty else { continue }
            if seat.rivalSent[neighbour.holder] >= neighbour.told, seat.rivalHeard[neighbour.holder] >= changed {
                fail(.neighbours, router, master) {
                    "the neighbours send to host \(neighbour.holder + 1), which it heard after that"
                }
            }
        }
    }
}
