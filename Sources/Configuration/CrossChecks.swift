// What virtual routers and checks say to each other: identities and addresses that collide, checks that do not exist or
// that nobody uses, weights that could never move the master.

import Election
import Wire

extension Problems {
    /// Everything that needs more than one router or check to be seen. `isComplete`: all files could be read; if not, what
    /// seems to be missing may be in the others.
    mutating func crossCheck(_ routers: [RouterDraft], _ checks: [CheckDraft], isComplete: Bool) {
        checkIdentities(routers)
        checkAddresses(routers)
        checkRouting(routers)
        checkPeers(routers)
        var used: Set<String> = []
        for router in routers {
            for use in router.checks {
                used.insert(use.name.value)
                checkUse(use, of: router, checks, isComplete: isComplete)
            }
        }
        // After any other error the list that names it may be what is wrong.
        guard isEmpty else { return }
        for check in checks where !used.contains(check.name) {
            let name = quotable(check.name)
            add(check.place, "check '\(name)' has no effect: no virtual router names it in 'checks'")
        }
    }

    /// VRID, interface and family are one election (RFC 9568 §6.1), by multicast one at most. Among peers there may be
    /// several, as long as each peer's adverts can only be for one of them.
    private mutating func checkIdentities(_ routers: [RouterDraft]) {
        struct Identity: Hashable {
            var interface: String
            var vrid: UInt8
            var family: AddressFamily
        }
        var seen: [Identity: [RouterDraft]] = [:]
        for router in routers {
            guard let interface = router.interface, let vrid = router.vrid, let family = router.family else { continue }
            let identity = Identity(interface: interface, vrid: vrid, family: family)
            for first in seen[identity] ?? [] { compare(router, first, vrid, interface) }
            seen[identity, default: []].append(router)
        }
    }

    private mutating func compare(_ router: RouterDraft, _ first: RouterDraft, _ vrid: UInt8, _ interface: String) {
        if !first.isUnicast, !router.isUnicast {
            let line = reference(to: first.place, from: router.place)
            add(
                router.place,
                "virtual router '\(quotable(router.name))' has the same vrid \(vrid), interface \(quotable(interface)) and"
                    + " family as '\(quotable(first.name))' on \(line)")
            return
        }
        for peer in router.peers {
            guard let other = first.peers.first(where: { $0.value.address == peer.value.address }) else { continue }
            let line = reference(to: other.place, from: peer.place)
            add(
                peer.place,
                "peer \(peer.value.address) is already one of virtual router '\(quotable(first.name))' on \(line), which has"
                    + " the same vrid \(vrid), interface \(quotable(interface)) and family; its adverts could be for either"
            )
        }
    }

    /// A peer is a host; an address that hosts hand each other is none.
    private mutating func checkPeers(_ routers: [RouterDraft]) {
        for router in routers {
            for peer in router.peers {
                let ip = peer.value.address
                let owner = routers.first { other in
                    (!ip.isLinkLocal || other.interface == router.interface)
                        && other.served.contains { $0.value.address == ip }
                }
                guard let owner, let address = owner.served.first(where: { $0.value.address == ip }) else {
                    continue
                }
                let line = reference(to: address.place, from: peer.place)
                add(
                    peer.place,
                    "peer \(ip) is a virtual address, of '\(quotable(owner.name))' on \(line); give the address that the"
                        + " host itself has")
            }
        }
    }

    /// One address belongs to one router; a link-local one to one router of each interface.
    private mutating func checkAddresses(_ routers: [RouterDraft]) {
        struct Scope: Hashable {
            var address: IPAddress
            var interface: String?
        }
        var seen: [Scope: (router: String, place: Place)] = [:]
        for router in routers {
            for address in router.served {
                let ip = address.value.address
                let interface = router.addressOptions[address.value]?.interface ?? router.interface
                let scope = Scope(address: ip, interface: ip.isLinkLocal ? interface : nil)
                if let first = seen[scope] {
                    let line = reference(to: first.place, from: address.place)
                    add(
                        address.place,
                        "address \(ip) already belongs to virtual router '\(quotable(first.router))', \(line)")
                } else {
                    seen[scope] = (router.name, address.place)
                }
            }
        }
    }

    private mutating func checkUse(_ use: CheckUse, of router: RouterDraft, _ checks: [CheckDraft], isComplete: Bool) {
        let name = use.name.value
        guard let check = checks.first(where: { $0.name == name }) else {
            guard isComplete else { return }
            let known = checks.map(\.name)
            let list =
                known.isEmpty
                ? "there are no checks" : "known: \(known.prefix(20).map(quotable).joined(separator: ", "))"
            add(use.name.place, "unknown check '\(quotable(name))'\(suggestion(for: name, among: known)) \(list)")
            return
        }
        guard case .weight(let weight) = (use.effect ?? check.effect).value else { return }
        let place = use.effect?.place ?? use.name.place
        let subject = "weight \(weight) of check '\(quotable(name))' cannot change the order: "
        switch router.priority {
        case 255:
            add(place, subject + "the owner's priority stays 255 (RFC 9568 section 5.2.4); use fault")
        case 1:
            add(place, subject + "priority 1 is the lowest already; use fault, or a higher priority")
        default:
            break
        }
        if router.preempt == false {
            add(
                place,
                subject + "with 'preempt: no' nobody takes over from a master whose priority falls; use fault")
        }
    }
}
