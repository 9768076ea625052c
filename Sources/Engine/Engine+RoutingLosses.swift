// When routes and rules of a master may be gone: events of the kernel's that concern them, heard only while a router has any, and changes of
// interfaces and addresses, with which the kernel drops routes without a word. Each is a reason to look, and nothing more.

import Election
import Kernel
import Messages
import System
import Wire

extension Engine {
    /// Listens for removals as long as a router of the configuration has routes or rules, and for those of their prefix lengths alone.
    func watchRouting() {
        var lengths: Set<UInt8> = []
        var isWanted = false
        for record in records.values {
            for entry in record.configuration.routing {
                isWanted = true
                if case .route(let route) = entry { lengths.insert(route.destination.prefixLength) }
            }
        }
        guard isWanted else {
            if let routingMonitor { poller.unwatch(routingMonitor.monitor.number) }
            routingMonitor = nil
            return
        }
        do throws(SystemError) {
            if let routingMonitor {
                try routingMonitor.monitor.hear(routesOf: lengths.sorted(), ownPort: requests.port)
                return
            }
            let monitor = try NetlinkMonitor(routesOf: lengths.sorted(), ownPort: requests.port)
            try poller.watch(monitor.number, token: Token.routing)
            routingMonitor = RoutingMonitor(monitor)
        } catch {
            tell(error, for: nil)
        }
    }

    /// Reads what the kernel tells of routes and rules, and looks at the tables if it concerns what a router has.
    func readRoutingEvents() {
        guard let routingMonitor else { return }
        var events: [KernelEvent] = []
        do throws(SystemError) {
            try routingMonitor.monitor.receive(into: &events)
        } catch {
            events.append(.eventsLost)
        }
        var culprit: UInt32?
        for event in events {
            switch event {
            case .eventsLost: culprit = culprit ?? 0
            case .routeRemoved(let state, let port) where hasRoute(at: state.key): culprit = port
            case .route(let state) where hasRoute(at: state.key): culprit = culprit ?? 0
            case .ruleRemoved(let state, let port) where hasRule(state.rule): culprit = port
            case .route, .routeRemoved, .rule, .ruleRemoved, .link, .linkRemoved, .address, .addressRemoved,
                .peersToNotify:
                break
            }
        }
        if let culprit { doubtRouting(because: culprit) }
    }

    private func hasRoute(at key: RouteKey) -> Bool {
        records.values.contains { record in
            record.routed.contains { if case .route(let route) = $0.entry { route.key == key } else { false } }
        }
    }

    private func hasRule(_ rule: PolicyRule) -> Bool {
        records.values.contains { record in record.routed.contains { $0.entry == .rule(rule) } }
    }

    /// Whether the kernel may have dropped a route with these changes: it has an interface that changed or that lost an address, or its source was
    /// taken off.
    func concernsRouting(interfaces: [String], removed: Set<PlacedAddress>) -> Bool {
        guard records.values.contains(where: { !$0.routed.isEmpty }) else { return false }
        let (changed, poorer) = (Set(interfaces), Set(removed.lazy.map(\.index)))
        let gone = Set(removed.lazy.map(\.address.address))
        return records.values.contains { record in
            record.routed.contains { routed in
                guard case .route(let route) = routed.entry else { return false }
                return changed.contains(route.device) || poorer.contains(routed.index)
                    || route.source.map { gone.contains($0) } ?? false
            }
        }
    }

    /// So long after there was reason to the tables are looked at, nanoseconds. `ip route flush` goes on until it finds nothing any more: what is put
    /// back at once it takes off again and again.
    static let routingPatience: Int64 = 20_000_000

    /// Something may be gone; `port` is the netlink port of who removed it, 0 for nobody in particular.
    func doubtRouting(because port: UInt32 = 0) {
        if routingLook == .max { routingLook = Clock.monotonic() + Self.routingPatience }
        if port != 0 { routingCulprit = port }
    }

    /// If it is time to look.
    func lookForRouting() {
        guard routingLook < .max, !hasYielded, Clock.monotonic() >= routingLook else { return }
        let culprit = routingCulprit
        routingLook = .max
        routingCulprit = 0
        verifyRouting(by: culprit)
    }

    /// Looks whether what routers have is in the kernel's tables, and tells the elections what is not.
    private func verifyRouting(by port: UInt32) {
        var look = RoutingLook()
        var process: String?
        for id in records.keys.filter({ !(records[$0]?.routed.isEmpty ?? true) }).sorted() {
            mark(.kernelEvents, id)
            var lost: [RoutedEntry] = []
            do throws(KernelError) {
                for routed in records[id]?.routed ?? [] where !(try look.contains(routed, requests)) {
                    lost.append(routed)
                }
            } catch {
                routingLook = Clock.monotonic() + Self.snapshotPeriod
                tell(error, for: id)
                return
            }
            guard !lost.isEmpty else { continue }
            let gone = Set(lost)
            records[id]?.routed.removeAll { gone.contains($0) }
            reporter.markDirty(id)
            // What is left of them: the kernel may have taken the source out, or somebody may have appended a second way.
            for routed in lost { takeOff(routed, of: id) }
            let name = process ?? (port == 0 ? "" : processName(ofPort: port))
            process = name
            node.routingLost(id, lost.map(\.entry), by: name, at: now, appendingTo: &actions)
            perform()
        }
    }

    /// Once a second: what could not be done before.
    func tendRouting() {
        retryRoutingRemovals()
        if seeksRoutingLeftovers { removeRoutingLeftovers() }
    }
}

/// The monitor while it is needed; a class only because it owns a descriptor.
final class RoutingMonitor {
    let monitor: NetlinkMonitor

    init(_ monitor: consuming NetlinkMonitor) { self.monitor = monitor }
}
