// Routes and rules through rtnetlink: puts ours there, finds them and takes them off. A request says what it means so exactly, our tag included,
// that it cannot meet what somebody else has put there.

import CNetlink
import Glibc
import Wire

extension NetlinkRequest {
    /// RTM_NEWROUTE that creates and never replaces or adds a second way, or RTM_DELROUTE of a route with our tag.
    static func route(_ route: Route, index: UInt32, adding: Bool) throws(KernelError) -> NetlinkRequest {
        var wanted = vipd_route()
        wanted.family = route.family.domain
        wanted.address_length = Int32(route.family.addressLength)
        wanted.prefix_length = Int32(route.destination.prefixLength)
        wanted.has_gateway = route.gateway != nil
        // IPv6 forgets it of a route whose source has gone.
        wanted.has_source = adding && route.source != nil
        wanted.interface_index = index
        wanted.table = route.table
        wanted.metric = route.metric
        // RT_SCOPE_NOWHERE: whatever it is.
        wanted.scope = adding ? route.scope.rawValue : 255
        wanted.protocol = RoutingTag.value
        wanted.is_on_link = route.isOnLink
        var octets = route.destination.address.octets + (route.gateway?.octets ?? [])
        if wanted.has_source { octets += route.source?.octets ?? [] }
        let message = unsafe octets.withUnsafeBytes { bytes in
            unsafe vipd_build_route_request(adding, bytes.baseAddress, &wanted)
        }
        return unsafe try NetlinkRequest(
            adding ? "RTM_NEWROUTE" : "RTM_DELROUTE", .routing(.route(route)), message)
    }

    /// RTM_NEWRULE that creates, or RTM_DELRULE of a rule with our tag.
    static func rule(_ rule: PolicyRule, adding: Bool) throws(KernelError) -> NetlinkRequest {
        let nobody = [UInt8](repeating: 0, count: rule.family.addressLength)
        let octets = (rule.from?.address.octets ?? nobody) + (rule.to?.address.octets ?? nobody)
        let message = unsafe octets.withUnsafeBytes { bytes in
            unsafe vipd_build_rule_request(
                adding, rule.family.domain, bytes.baseAddress, Int32(rule.family.addressLength),
                Int32(rule.from?.prefixLength ?? 0), Int32(rule.to?.prefixLength ?? 0), rule.priority, rule.table,
                RoutingTag.value)
        }
        return unsafe try NetlinkRequest(adding ? "RTM_NEWRULE" : "RTM_DELRULE", .routing(.rule(rule)), message)
    }

    /// The routes of a family in one table (0: in all), of everybody (0) or with one tag.
    static func routeDump(_ family: AddressFamily, table: UInt32, tag: UInt8) throws(KernelError) -> NetlinkRequest {
        unsafe try NetlinkRequest("RTM_GETROUTE", .routes, vipd_build_route_dump(family.domain, table, tag))
    }

    /// The rules of a family.
    static func ruleDump(_ family: AddressFamily) throws(KernelError) -> NetlinkRequest {
        unsafe try NetlinkRequest("RTM_GETRULE", .rules, vipd_build_rule_dump(family.domain))
    }
}

extension NetlinkRequests {
    /// Puts a route or a rule there, with our tag; a route out of the interface with this index. EEXIST when the place is taken: by a route of the
    /// same table, destination and metric, or by the same rule.
    package borrowing func add(_ entry: RoutingEntry, index: UInt32) throws(KernelError) {
        if let refusal = try change(entry, index: index, adding: true) { throw refusal }
    }

    /// Takes off what carries our tag. Success, too, when it, its table or its interface is not there any more; what others have put there stays.
    package borrowing func remove(_ entry: RoutingEntry, index: UInt32) throws(KernelError) {
        guard let refusal = try change(entry, index: index, adding: false) else { return }
        switch refusal.code {
        case ESRCH, ENOENT, ENODEV: return
        default: throw refusal
        }
    }

    private borrowing func change(_ entry: RoutingEntry, index: UInt32, adding: Bool) throws(KernelError)
        -> KernelError?
    {
        var answers: [UInt8] = []
        switch entry {
        case .route(let route):
            return try exchange(try NetlinkRequest.route(route, index: index, adding: adding), keeping: &answers)
        case .rule(let rule):
            return try exchange(try NetlinkRequest.rule(rule, adding: adding), keeping: &answers)
        }
    }

    /// The routes of a family in one table, none where there is no such table, or (nil) in all; those of everybody, or `onlyOurs`. The kernel looks
    /// through the whole of the table, so this is not for every day.
    package borrowing func routes(_ family: AddressFamily, table: UInt32? = nil, onlyOurs: Bool) throws(KernelError)
        -> [RouteState]
    {
        let events: [KernelEvent]
        do throws(KernelError) {
            events = try dump(
                try NetlinkRequest.routeDump(family, table: table ?? 0, tag: onlyOurs ? RoutingTag.value : 0))
        } catch {
            // No such table; no such family here.
            if error.code == ENOENT && table != nil || error.code == EAFNOSUPPORT { return [] }
            throw error
        }
        // Kernels without strict checking dump everything.
        return events.compactMap {
            guard case .route(let state) = $0, state.key.destination.address.family == family,
                table == nil || state.key.table == table, state.isOurs || !onlyOurs
            else { return nil }
            return state
        }
    }

    /// The rules of a family.
    package borrowing func rules(_ family: AddressFamily) throws(KernelError) -> [RuleState] {
        let events: [KernelEvent]
        do throws(KernelError) {
            events = try dump(try NetlinkRequest.ruleDump(family))
        } catch {
            if error.code == EAFNOSUPPORT { return [] }
            throw error
        }
        return events.compactMap {
            guard case .rule(let state) = $0, state.rule.family == family else { return nil }
            return state
        }
    }
}
