// What each command of the supervisor does.

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
}
