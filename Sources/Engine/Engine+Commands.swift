// What each command of the supervisor does, and how interfaces become facts for the elections.

import Election
import Kernel
import Messages
import System
import Wire

extension Engine {
    /// Reads and obeys one message. One that cannot be read ends the engine: the two processes are not of one build.
    func obey(_ octets: Span<UInt8>, with descriptor: consuming Descriptor?) {
        do throws(MessageError) {
            obey(try Command(decoding: octets), with: descriptor)
        } catch {
            beginStop(withoutGates: true)
        }
    }

    private func obey(_ command: Command, with descriptor: consuming Descriptor?) {
        mark(.command)
        switch command {
        case .hello(let version):
            if version != messagesVersion { beginStop(withoutGates: true) }
            if let descriptor { share(descriptor) }
        case .adopt(let tag):
            if let descriptor { adopt(descriptor, tag) }
        case .resume(let snapshot):
            resumable[snapshot.router] = snapshot
        case .check(let definition):
            node.define(
                check: definition.check, timeToLive: definition.timeToLive, known: definition.verdict, at: now,
                appendingTo: &actions)
        case .removeCheck(let check):
            node.removeCheck(check)
        case .configure(let id, let configuration, let disabled):
            configure(id, configuration, disabled: disabled)
        case .remove(let id):
            node.remove(id, at: now, appendingTo: &actions)
        case .commit:
            commit()
        case .verdict(let check, let verdict):
            node.verdict(verdict, of: check, at: now, appendingTo: &actions)
        case .gate(let id, let sequence, let failure):
            node.gate(id, sequence: sequence, failure: failure, at: now, appendingTo: &actions)
        case .disable(let id, let disabled):
            node.setDisabled(id, disabled, at: now, appendingTo: &actions)
            reporter.markDirty(id)
        case .handOver(let id, let patience):
            node.handOver(id, patience: patience, at: now, appendingTo: &actions)
        case .hold(let id, let held):
            records[id]?.isHeld = held
            node.setHeld(id, held, at: now, appendingTo: &actions)
            reporter.markDirty(id)
        case .announce(let id):
            node.announce(id, at: now, appendingTo: &actions)
        case .limitAnnouncements(let limit):
            limitAnnouncements(perSecond: limit)
        case .verify(let id):
            verify(id, isOrdered: true)
        case .stop:
            beginStop(withoutGates: false)
        case .prepare(let interfaces):
            prepare(interfaces)
        case .yield:
            yield()
            return
        }
        perform()
    }

    private func adopt(_ descriptor: consuming Descriptor, _ tag: SocketTag) {
        guard ports.advertPort(tag) == nil else { return }
        let port = ports.adopt(descriptor, tag)
        do throws(SystemError) {
            try watch(port)
        } catch {
            tell(error, for: nil)
        }
    }

    private func configure(_ id: RouterID, _ configuration: VirtualRouterConfiguration, disabled: Bool) {
        let old = records[id]
        if old == nil {
            records[id] = RouterRecord(configuration)
        } else {
            records[id]?.configuration = configuration
        }
        join(id, configuration, after: old?.configuration)
        guard isCommitted else {
            // All at once with the commit: each look at an interface asks all its routers, and a master that is resumed is
            // silent until the last of them has been looked at.
            awaitingCommit.append((id, disabled))
            return
        }
        if configuration.routing != old?.configuration.routing ?? [] { watchRouting() }
        // A new virtual address may have been the source of somebody's adverts, so every interface is looked at again.
        let left = (old?.configuration.usedInterfaces ?? []).filter { members[$0]?.isEmpty == false }
        for name in Set(configuration.usedInterfaces + left).sorted() { refreshFacts(of: name) }
        enter(id, configuration, disabled: disabled, after: old?.configuration)
    }

    /// The elections take a router in, or its new configuration in place of the `old` one.
    private func enter(
        _ id: RouterID, _ configuration: VirtualRouterConfiguration, disabled: Bool,
        after old: VirtualRouterConfiguration?
    ) {
        let snapshot = old == nil ? resumable.removeValue(forKey: id) : nil
        if let snapshot {
            records[id]?.stateSince = snapshot.since
            records[id]?.upSince = snapshot.upSince
            records[id]?.countingSince = snapshot.countingSince
        }
        // A master that is to be disabled goes on first and is disabled then, behind its release gate and with a resignation,
        // as if no engine had died.
        let asMaster = isFresh(snapshot, configuration)
        node.configure(
            id, configuration, disabled: disabled && !asMaster, resuming: snapshot, asMaster: asMaster, at: now,
            appendingTo: &actions)
        if disabled, asMaster {
            perform()
            node.setDisabled(id, true, at: now, appendingTo: &actions)
        }
        if let old { changeLease(of: id, after: old) }
        reporter.markDirty(id)
    }

    /// Whether a master of an earlier engine may go on: its last advert is younger than 3 × interval, so no peer has begun to
    /// take over.
    private func isFresh(_ snapshot: RouterSnapshot?, _ configuration: VirtualRouterConfiguration) -> Bool {
        guard let snapshot, snapshot.state == .master, snapshot.lastAdvertSent > 0 else { return false }
        let age = Clock.boottime() - snapshot.lastAdvertSent
        return age >= 0 && age < (configuration.advertisementInterval * 3).nanoseconds
    }

    private func commit() {
        if !isCommitted {
            watchRouting()
            enterAll()
            isCommitted = true
            lowerIdleVirtualLinks()
            removeUnwantedVirtualLinks()
            removeLeftovers()
            // Tables may be long, and masters that are resumed are silent meanwhile.
            if resumable.isEmpty { removeRoutingLeftovers() } else { seeksRoutingLeftovers = true }
        }
        resumable.removeAll()
        closeUnusedPorts()
        // A heartbeat tells a new engine how fresh a master's last advert is, so it is late by a fraction of an interval only.
        let shortest = records.values.lazy.map { $0.configuration.advertisementInterval.nanoseconds / 4 }.min()
        beatPeriod = min(Self.beatPeriod, shortest ?? Self.beatPeriod)
        promiseSigns()
        reporter.send(.ready)
    }

    /// The routers of the first commit, in their order.
    private func enterAll() {
        for name in members.keys.sorted() { refreshFacts(of: name) }
        for (id, disabled) in awaitingCommit {
            guard let configuration = records[id]?.configuration else { continue }
            enter(id, configuration, disabled: disabled, after: nil)
            if records[id]?.isHeld ?? false { node.setHeld(id, true, at: now, appendingTo: &actions) }
            perform()
        }
        awaitingCommit = []
    }

    /// Addresses with our tag that no master of this engine wants were left by an earlier run (promise 1).
    private func removeLeftovers() {
        var wanted: Set<PlacedAddress> = []
        for id in node.routerIDs {
            guard let router = node.router(id), let record = records[id] else { continue }
            wanted.formUnion(places(of: router.wantedAddresses, record))
        }
        for state in table.ours + unmarked() where !wanted.contains(state.placed) {
            mark(.release)
            if state.isOurs { requests.adopt(state.address, index: state.interfaceIndex) }
            do throws(KernelError) {
                try requests.remove(state.address, index: state.interfaceIndex)
                let name = table.links[state.interfaceIndex]?.name ?? "\(state.interfaceIndex)"
                reporter.send(.notice(.leftoverRemoved(state.address, interface: name)))
            } catch {
                tell(error, for: nil)
            }
        }
    }

    /// Configured addresses that are on their interface on a kernel that cannot mark them.
    private func unmarked() -> [AddressState] {
        var found: [AddressState] = []
        for record in records.values
        where cannotMarkAll(record.configuration) && !record.configuration.isOwner {
            found += states(of: record.configuration.addresses, record).filter {
                !$0.isOurs && requests.cannotMark($0.address.address.family)
            }
        }
        return found
    }

    /// Drops what belongs to routers that left the configuration and have come to rest.
    func forgetRemoved() {
        // What waits for one that is removed would find its addresses on the interface.
        guard releases.isEmpty, node.forgetRemoved(at: now, appendingTo: &actions) else { return }
        perform()
        let present = Set(node.routerIDs)
        var interfaces: Set<String> = []
        for (id, record) in records where !present.contains(id) {
            for name in record.configuration.usedInterfaces {
                interfaces.insert(name)
                members[name]?.remove(id)
            }
            records[id] = nil
        }
        claimants = claimants.filter { present.contains($0.value) }
        watchRouting()
        // The group may have to be left, and an address of a router that is gone may be a source of adverts again.
        for name in interfaces { refreshFacts(of: name) }
        perform()
        closeUnusedPorts()
    }

    // MARK: - Interfaces

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
        for id in touched {
            // Also while others of a claim are still being put on: what is lost of it is then put on again.
            guard let router = node.router(id), router.isAdvertising, let record = records[id] else { continue }
            let virtual = virtualLink(of: record)
            let gone = places(of: router.wantedAddresses, record).filter { placed in
                if router.lacks(placed.address) { return false }
                if let last = record.places[placed.address], last != placed.index { return true }
                // Somebody put it down, which has taken those of IPv6 off.
                if virtual?.index == placed.index, virtual?.isRaised == false { return true }
                return changes.removed.contains(placed) && !table.isPresent(placed.address, on: placed.index)
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

    private func refreshFacts(of name: String) {
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

    private func closeUnusedPorts() {
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
