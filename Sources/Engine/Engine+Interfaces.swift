// How interfaces become facts for the elections, and what somebody else took off them a loss.

import Election
import Kernel
import Messages
import System
import Wire

extension Engine {
    private func claimants(of addresses: Set<PlacedAddress>) -> [RouterID] {
        guard !addresses.isEmpty else { return [] }
        return Set(addresses.compactMap { claimants[$0] }).sorted()
    }

    /// Tells the elections what became of the interfaces since the last look.
    func applyInterfaceChanges() {
        let changes = table.takeChanges()
        // What a takeover does itself, hundreds of times, is no reason to look at all routers of the interface again, nor at each
        // slice of a claim to tell how far it is.
        let claiming = Set(claims.map(\.router))
        reporter.markDirty(claimants(of: changes.byUs).filter { !claiming.contains($0) })
        guard !changes.interfaces.isEmpty || !changes.removed.isEmpty || !changes.moved.isEmpty else { return }
        var touched: [RouterID] = []
        for name in changes.interfaces + parents(of: changes.interfaces) {
            guard let users = members[name], !users.isEmpty else { continue }
            refreshFacts(of: name)
            touched += users
        }
        touched.sort()
        reporter.markDirty(touched)
        for name in changes.moved { node.announce(interface: name, at: now, appendingTo: &actions) }
        perform()
        touched = Set(touched).union(claimants(of: changes.removed)).sorted()
        // Whoever flushes an interface takes addresses of hundreds of routers: it is asked once who it was.
        var processes: [UInt32: String] = [:]
        var present: Set<PlacedAddress>?
        for id in touched {
            // Also while others of a claim are still being put on: what is lost of it is then put on again.
            guard let router = node.router(id), router.isAdvertising, let record = records[id] else { continue }
            let virtual = virtualLink(of: record)
            let gone = places(of: router.wantedAddresses, record).filter { placed in
                if router.lacks(placed.address) { return false }
                if let last = record.places[placed.address], last != placed.index { return true }
                // Somebody put it down, which has taken those of IPv6 off.
                if virtual?.index == placed.index, virtual?.isRaised == false { return true }
                guard changes.removed.contains(placed), !table.isPresent(placed.address, on: placed.index) else {
                    return false
                }
                guard virtual?.index == placed.index else { return true }
                // The kernel tells of what went with a macvlan that was put down behind that, when it may be on again: it
                // would be counted twice.
                let known = present ?? Set((try? requests.addresses())?.map(\.placed) ?? [])
                present = known
                return !known.contains(placed)
            }
            guard !gone.isEmpty else { continue }
            let port = gone.lazy.compactMap { changes.removers[$0] }.first ?? 0
            let process = processes[port] ?? processName(ofPort: port)
            processes[port] = process
            node.addressesLost(id, gone.map(\.address), by: process, at: now, appendingTo: &actions)
            perform()
        }
        if !changes.interfaces.isEmpty { closeUnusedPorts() }
        if concernsRouting(interfaces: changes.interfaces, removed: changes.removed) { doubtRouting() }
    }

    func refreshFacts(of name: String) {
        guard let link = table.link(named: name) else {
            node.interface(name, nil, at: now, appendingTo: &actions)
            return
        }
        let users = (members[name] ?? []).compactMap { records[$0] }
        var virtual: Set<IPAddress> = []
        for record in users where !record.configuration.isOwner {
            for address in record.configuration.addresses { virtual.insert(address.address) }
        }
        var facts = InterfaceFacts(index: link.index, isUp: link.isUp, hasCarrier: link.hasCarrier)
        if case .ipv4(let address)? = table.source(on: link.index, .ipv4, excluding: virtual) {
            facts.sourceIPv4 = address
        }
        if case .ipv6(let address)? = table.source(on: link.index, .ipv6, isLinkLocal: true, excluding: virtual) {
            facts.sourceIPv6 = address
        }
        let present = node.facts(of: name)?.globalIPv6.map { IPAddress.ipv6($0) }
        if case .ipv6(let address)? = table.source(on: link.index, .ipv6, preferring: present, excluding: virtual) {
            facts.globalIPv6 = address
        }
        facts.foreign = foreign(virtual, on: link.index)
        let speakers = users.filter { $0.configuration.interface == name }
        facts.virtualMACErrors = makeVirtualLinks(for: speakers, on: link)
        for record in speakers {
            if let macvlan = virtualLink(of: record) { facts.foreign += foreign(virtual, on: macvlan.index) }
        }
        facts.foreign.sort()
        if speakers.contains(where: { $0.configuration.isUnicast }) {
            facts.networks = table.networks(on: link.index, excluding: virtual)
        }
        if speakers.contains(where: { $0.configuration.family == .ipv4 }) {
            facts.socketErrorIPv4 = openSocket(.ipv4, link, for: speakers, hasSource: facts.sourceIPv4 != nil)
        }
        if speakers.contains(where: { $0.configuration.family == .ipv6 }) {
            facts.socketErrorIPv6 = openSocket(.ipv6, link, for: speakers, hasSource: facts.sourceIPv6 != nil)
        }
        let holdsSubnet = users.contains { record in
            record.configuration.addresses.contains {
                $0.isInSubnet && record.configuration.interface(of: $0) == name
                    && !record.configuration.isBehindVirtualMAC($0)
            }
        }
        if holdsSubnet, !requests.hasPromotedSecondaries(on: link.index) { requests.promoteSecondaries(on: link.index) }
        openTap(on: link)
        if isCommitted || resumable.isEmpty {
            ports.prepareFrames(on: link)
        } else {
            // It takes about 15 ms, and masters that are to be resumed are silent meanwhile.
            framesAwaited.append(name)
        }
        node.interface(name, facts, at: now, appendingTo: &actions)
    }

    /// Those of `virtual` that somebody else has put on the interface. One that we hold is ours: somebody has changed it and our tag with it,
    /// and it is put right.
    private func foreign(_ virtual: Set<IPAddress>, on index: UInt32) -> [IPAddress] {
        table.untagged(virtual, on: index).compactMap { address in
            guard !requests.cannotMark(address.address.family) else { return nil }
            let placed = PlacedAddress(address: address, index: index)
            guard let id = claimants[placed], let record = records[id],
                node.look(at: id, { $0.wantedAddresses.contains(address) && !$0.lacks(address) }) ?? false
            else { return address.address }
            table.mark(placed)
            leases.change([placed], of: id, record.mark, record.configuration, after: nil)
            return nil
        }
    }

    /// Makes sure that there is an advert socket and that it hears the group if somebody wants that; the errno if there cannot
    /// be one. Without a source the family may be gone from the interface, and with it the membership, of which the socket
    /// knows nothing: it leaves, and joins anew when there is a source again. A group that nobody wants any more is left in
    /// `closeUnusedPorts`, when all routers are known.
    private func openSocket(
        _ family: AddressFamily, _ link: LinkState, for users: [RouterRecord], hasSource: Bool
    ) -> Int32? {
        let tag = SocketTag(family: family, interfaceIndex: link.index)
        var needsGroup = false
        var expected = FloodFilter()
        for record in users where record.configuration.family == family {
            let configuration = record.configuration
            needsGroup = needsGroup || !configuration.isUnicast
            if !configuration.isUnicast { expected.expect(vrid: configuration.vrid, leastHops: 255) }
            for peer in configuration.peers {
                expected.expect(vrid: configuration.vrid, leastHops: peer.minimumHopLimit)
            }
        }
        do throws(SystemError) {
            if let port = ports.advertPort(tag) {
                expect(expected, on: port)
                if !hasSource {
                    port.leaveGroup()
                } else if needsGroup {
                    try port.listenToGroup(true)
                }
                return nil
            }
            let port = try ports.open(tag, interface: link.name)
            expect(expected, on: port)
            do throws(SystemError) {
                if hasSource, needsGroup { try port.listenToGroup(true) }
                try watch(port)
            } catch {
                // One that is not watched must not be taken for one that hears.
                closePorts { $0 == tag }
                throw error
            }
            reporter.send(.socket(tag), descriptor: port.socket.number)
            return nil
        } catch {
            return error.code
        }
    }

    func closeUnusedPorts() {
        guard isCommitted else { return }
        var wanted: Set<SocketTag> = []
        var used: Set<UInt32> = []
        for record in records.values {
            for name in record.configuration.usedInterfaces {
                if let link = table.link(named: name) { used.insert(link.index) }
            }
            guard let link = table.link(named: record.configuration.interface) else { continue }
            wanted.insert(SocketTag(family: record.configuration.family, interfaceIndex: link.index))
        }
        closePorts { !wanted.contains($0) }
        closeTaps(exceptOn: used)
        addressTaps()
        removeUnwantedVirtualLinks()
        leaveUnwantedGroups()
    }

    private func leaveUnwantedGroups() {
        var wanted: Set<SocketTag> = []
        for record in records.values where !record.configuration.isUnicast {
            guard let link = table.link(named: record.configuration.interface) else { continue }
            wanted.insert(SocketTag(family: record.configuration.family, interfaceIndex: link.index))
        }
        for port in ports.adverts where !wanted.contains(port.tag) { port.leaveGroup() }
    }
}
