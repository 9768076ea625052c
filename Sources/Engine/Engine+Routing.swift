// Routes and rules of masters: what is wanted of them is put on behind the addresses, and what is not wanted any more goes before them. The
// kernel drops routes by itself, when an interface goes down or a source goes, often without a word, and others remove and replace them; so what
// counts is what a look at its tables finds, and events say only when to look. What others have put there is used where it is the same, and stays.

import Election
import Glibc
import Kernel
import Messages
import System
import Wire

/// A route or a rule that is there for a router.
struct RoutedEntry: Hashable {
    let entry: RoutingEntry
    /// Of a route's interface; 0 for a rule.
    let index: UInt32
    /// It carries our tag. Otherwise somebody else has put the same there, and it is not ours to remove.
    let isOurs: Bool

    /// It is this one, whoever put it there.
    func isSame(as other: RoutedEntry) -> Bool { entry == other.entry && index == other.index }
}

/// What is in the kernel's tables, read when it is asked for.
struct RoutingLook {
    private struct Table: Hashable {
        var family: AddressFamily
        var number: UInt32
        var onlyOurs: Bool
    }

    private var routes: [Table: [RouteKey: [RouteState]]] = [:]
    private var rules: [AddressFamily: [RuleState]] = [:]

    /// The routes at the place of this one.
    mutating func states(of route: Route, onlyOurs: Bool, _ requests: borrowing NetlinkRequests) throws(KernelError)
        -> [RouteState]
    {
        let table = Table(family: route.family, number: route.table, onlyOurs: onlyOurs)
        if routes[table] == nil {
            var found: [RouteKey: [RouteState]] = [:]
            for state in try requests.routes(route.family, table: route.table, onlyOurs: onlyOurs) {
                found[state.key, default: []].append(state)
            }
            routes[table] = found
        }
        return routes[table]?[route.key] ?? []
    }

    mutating func states(of rule: PolicyRule, _ requests: borrowing NetlinkRequests) throws(KernelError) -> [RuleState]
    {
        if rules[rule.family] == nil { rules[rule.family] = try requests.rules(rule.family) }
        return (rules[rule.family] ?? []).filter { $0.suits(rule) }
    }

    mutating func contains(_ routed: RoutedEntry, _ requests: borrowing NetlinkRequests) throws(KernelError) -> Bool {
        switch routed.entry {
        case .route(let route):
            return try states(of: route, onlyOurs: routed.isOurs, requests).contains {
                $0.suits(route, index: routed.index) && ($0.isOurs || !routed.isOurs)
            }
        case .rule(let rule):
            return try states(of: rule, requests).contains { $0.isOurs || !routed.isOurs }
        }
    }
}

extension Engine {
    /// How settling has ended.
    enum Settled {
        case done
        /// Only the time ran out.
        case unfinished
        /// The kernel refused one, and the election knows.
        case refused
    }

    /// Brings routes and rules of a router in line with what it wants, without a claim of addresses.
    func settleRouting(for id: RouterID) {
        // A claim that is under way ends with it.
        guard !claims.contains(where: { $0.router == id }) else { return }
        var claim = Claim([], of: id, isAwaited: false)
        if !advance(&claim, until: Clock.monotonic() + Self.slice) { claims.append(claim) }
    }

    /// The same until this time (CLOCK_MONOTONIC, nanoseconds). Only a master has something put on.
    func settleRouting(of id: RouterID, until end: Int64) -> Settled {
        guard let record = records[id], !(record.configuration.routing.isEmpty && record.routed.isEmpty),
            let (wanted, isMaster) = node.look(at: id, { ($0.wantedRouting, $0.isAdvertising) })
        else { return .done }
        remove([], behind: takeUnwanted(of: id), for: id)
        guard isMaster else { return .done }
        let present = Set(records[id]?.routed.map(\.entry) ?? [])
        var look = RoutingLook()
        for entry in wanted where !present.contains(entry) && !isRefused(entry, to: id) {
            if Clock.monotonic() >= end { return .unfinished }
            mark(.claim, id)
            do throws(KernelError) {
                let routed = try put(entry, &look)
                records[id]?.routed.append(routed)
                if !routed.isOurs { reporter.send(.notice(.routingNotOurs(id, entry))) }
            } catch {
                node.count(.addressAddErrors, for: id)
                tellRefusal(error, for: id)
                let failure = RoutingFailure(entry: entry, code: error.code)
                node.routingFailed(id, failure, at: now, appendingTo: &actions)
                guard servesInPart(id) else { return .refused }
            }
        }
        return .done
    }

    /// By the claim that is under way: the next slice of it goes on behind.
    private func isRefused(_ entry: RoutingEntry, to id: RouterID) -> Bool {
        node.look(at: id) { $0.isRefused(entry) } ?? false
    }

    /// Those of a router that it does not want any more, or that are at an interface which has another index by now; they no longer count as
    /// there. The last ones first: rules before the routes that they lead to.
    func takeUnwanted(of id: RouterID) -> [RoutedEntry] {
        guard let routed = records[id]?.routed, !routed.isEmpty else { return [] }
        let wanted = Set(node.look(at: id) { $0.wantedRouting } ?? [])
        let unwanted = routed.filter { !wanted.contains($0.entry) || index(of: $0.entry) != $0.index }
        guard !unwanted.isEmpty else { return [] }
        let gone = Set(unwanted)
        records[id]?.routed.removeAll { gone.contains($0) }
        return unwanted.reversed()
    }

    private func index(of entry: RoutingEntry) -> UInt32? {
        switch entry {
        case .route(let route): table.link(named: route.device)?.index
        case .rule: 0
        }
    }

    private func put(_ entry: RoutingEntry, _ look: inout RoutingLook) throws(KernelError) -> RoutedEntry {
        guard let index = index(of: entry) else { throw KernelError("RTM_NEWROUTE", "\(entry)", code: ENODEV) }
        let wanted = RoutedEntry(entry: entry, index: index, isOurs: true)
        do throws(KernelError) {
            try requests.add(entry, index: index)
            return wanted
        } catch {
            guard error.code == EEXIST else { throw error }
            return try settle(wanted, refusal: error, &look)
        }
    }

    /// What EEXIST means: ours as wanted, ours that somebody has changed, the same of somebody else, or another one of theirs.
    private func settle(_ wanted: RoutedEntry, refusal: KernelError, _ look: inout RoutingLook) throws(KernelError)
        -> RoutedEntry
    {
        switch wanted.entry {
        case .rule(let rule):
            let isOurs = try look.states(of: rule, requests).contains { $0.isOurs }
            return RoutedEntry(entry: wanted.entry, index: 0, isOurs: isOurs)
        case .route(let route):
            let states = try look.states(of: route, onlyOurs: false, requests)
            if let same = states.first(where: { $0.suits(route, index: wanted.index) }) {
                return RoutedEntry(entry: wanted.entry, index: wanted.index, isOurs: same.isOurs)
            }
            let altered = states.filter { $0.isOurs && $0.isPlain }
            guard !altered.isEmpty else {
                let explanation =
                    "another route with this destination and metric is there, and vipd did not put it there"
                throw KernelError(refusal.call, refusal.subject, code: EEXIST, explanation: explanation)
            }
            for state in altered {
                try requests.remove(.route(state.route(device: route.device)), index: state.index)
            }
            try requests.add(wanted.entry, index: wanted.index)
            return wanted
        }
    }

    // MARK: - Taking off

    /// Takes off what no router has any more. One that another router has taken over meanwhile stays, and so does what is not ours.
    func takeOff(_ routed: RoutedEntry, of id: RouterID) {
        guard routed.isOurs, !isRouted(routed) else { return }
        mark(.release, id)
        do throws(KernelError) {
            try requests.remove(routed.entry, index: routed.index)
        } catch {
            node.count(.addressDeleteErrors, for: id)
            tell(error, for: id)
            refusedRouting.append(routed)
        }
    }

    private func isRouted(_ routed: RoutedEntry) -> Bool {
        records.values.contains { $0.routed.contains { $0.isSame(as: routed) } }
    }

    /// Tries again what could not be removed, unless it is wanted there by now.
    func retryRoutingRemovals() {
        guard !refusedRouting.isEmpty else { return }
        let again = refusedRouting
        refusedRouting = []
        for routed in again where !isRouted(routed) {
            do throws(KernelError) {
                try requests.remove(routed.entry, index: routed.index)
            } catch {
                refusedRouting.append(routed)
            }
        }
    }

    /// The time to leave is over: what is left of a router's routes and rules goes all the same.
    func takeOffRouting(of id: RouterID) {
        guard let routed = records[id]?.routed, !routed.isEmpty else { return }
        records[id]?.routed = []
        for item in routed.reversed() { takeOff(item, of: id) }
    }

    /// What carries our tag and belongs to no master of this engine was left by an earlier run.
    func removeRoutingLeftovers() {
        seeksRoutingLeftovers = false
        for family in AddressFamily.allCases {
            do throws(KernelError) {
                // Of several ways to one destination all would go, and not all need be ours.
                for state in try requests.routes(family, onlyOurs: true) where state.isPlain {
                    let device = table.links[state.index]?.name ?? "\(state.index)"
                    try removeLeftover(.route(state.route(device: device)), index: state.index)
                }
                for state in try requests.rules(family) where state.isOurs {
                    try removeLeftover(.rule(state.rule), index: 0)
                }
            } catch {
                tell(error, for: nil)
            }
        }
    }

    private func removeLeftover(_ entry: RoutingEntry, index: UInt32) throws(KernelError) {
        let isWanted = node.routerIDs.contains { id in
            node.look(at: id) { $0.wantedRouting.contains(entry) } ?? false
        }
        guard !isWanted else { return }
        mark(.release)
        try requests.remove(entry, index: index)
        reporter.send(.notice(.routingLeftoverRemoved(entry)))
    }
}
