// How each action of the elections is done: adverts, addresses, announcements, reports. Actions are performed in their order;
// what a claim answers is fed back at once and its consequences join the end of the list.

import Election
import Glibc
import Kernel
import Messages
import System
import Wire

extension Engine {
    /// Performs everything in `actions`, and what that causes.
    func perform() {
        var position = 0
        while position < actions.count {
            let item = actions[position]
            position += 1
            perform(item.action, for: item.router)
        }
        actions.removeAll(keepingCapacity: true)
    }

    private func perform(_ action: Action, for id: RouterID) {
        vitals?.note(action.work, id.number)
        switch action {
        case .sendAdvert(let priority):
            sendAdvert(priority, for: id)
        case .claim(let addresses):
            claim(addresses, for: id)
        case .release(let addresses):
            release(addresses, for: id)
        case .settleRouting:
            settleRouting(for: id)
        case .announce(let range):
            announce(range, for: id)
        case .verify:
            verify(id, isOrdered: false)
        case .ask(let range):
            ask(range, for: id)
        case .addressClaimed(let claim):
            let state = node.look(at: id) { $0.stateName } ?? .initialize
            reporter.send(.notice(.addressClaimed(id, claim.address, by: claim.hardware, state: state)))
        case .runGate(let kind, let sequence, let cause):
            reporter.send(.gateWanted(id, kind, sequence: sequence, cause: cause))
        case .cancelGate(let sequence):
            reporter.send(.gateCancelled(id, sequence: sequence))
        case .transition(let transition):
            records[id]?.note(transition)
            if transition.to != .master { verifier.end(id) }
            if !releases.postpone(action, of: id) { tell(action, for: id) }
        case .degraded(let missing):
            if let snapshot = snapshot(of: id) { reporter.send(.snapshot(snapshot)) }
            reporter.send(.notice(.degraded(id, missing)))
        case .handover:
            if !releases.postpone(action, of: id) { tell(action, for: id) }
        case .peerDiffers(let peer, let difference):
            reporter.send(.notice(.peerDiffers(id, peer: peer, what: difference)))
        case .unsteady(let transitions, let window):
            reporter.send(.notice(.unsteady(id, transitions: transitions, within: window)))
        case .releaseGateFailed(let failure, let leaving):
            reporter.send(.notice(.releaseGateFailed(id, failure, stopping: leaving)))
        }
    }

    /// Tells the supervisor what became of a router, now that its addresses are where they belong.
    func tell(_ action: Action, for id: RouterID) {
        switch action {
        case .transition(let transition):
            // The snapshot first: whoever acts on the transition finds the new state in the mirror.
            if let snapshot = snapshot(of: id) { reporter.send(.snapshot(snapshot)) }
            reporter.send(.transition(id, transition))
        case .handover(let outcome):
            reporter.send(.handover(id, outcome))
        case .sendAdvert, .claim, .release, .settleRouting, .announce, .verify, .ask, .addressClaimed, .runGate,
            .cancelGate, .peerDiffers, .unsteady, .degraded, .releaseGateFailed:
            break
        }
    }

    // MARK: - Adverts

    private func sendAdvert(_ priority: UInt8, for id: RouterID) {
        // Not the router itself: while a copy of it is at hand, counting an advert would copy all its counters.
        guard let outgoing = Outgoing(priority, of: id, in: node), let source = outgoing.source,
            let port = advertPort(of: id, outgoing.configuration)
        else {
            node.count(.advertSendErrors, for: id)
            return
        }
        sending = Sending()
        send(outgoing.advert, of: id, outgoing.configuration, from: source, through: port)
        if let twin = outgoing.twin { send(twin, of: id, outgoing.configuration, from: source, through: port) }
        judgeSending(of: id, awaited: outgoing.awaited)
    }

    /// Where the adverts of a router leave: its virtual hardware address, which is put up for the first of them, or its interface.
    private func advertPort(of id: RouterID, _ configuration: VirtualRouterConfiguration) -> AdvertPort? {
        if configuration.usesVirtualMAC, let record = records[id], let link = virtualLink(of: record) {
            do throws(KernelError) {
                try raise(link, needsIPv6: configuration.family == .ipv6)
                return link.port
            } catch {
                tell(error, for: id)
                return nil
            }
        }
        guard let link = table.link(named: configuration.interface) else { return nil }
        return ports.advertPort(SocketTag(family: configuration.family, interfaceIndex: link.index))
    }

    /// Tells the election when nobody could be sent to, and when somebody can again.
    private func judgeSending(of id: RouterID, awaited: Bool) {
        let wasMute = records[id]?.isMute ?? false
        if sending.successes > 0 {
            guard wasMute || awaited else { return }
            records[id]?.isMute = false
            node.sendingEnded(id, failure: nil, at: now, appendingTo: &actions)
        } else if let code = sending.failure {
            records[id]?.isMute = true
            node.sendingEnded(id, failure: code, at: now, appendingTo: &actions)
        }
    }

    private func send(
        _ advert: OutgoingAdvertisement, of id: RouterID, _ configuration: VirtualRouterConfiguration,
        from source: IPAddress, through port: AdvertPort
    ) {
        configuration.forEachDestination(from: source) { destination in
            send(advert, of: id, from: source, to: destination, through: port)
        }
    }

    private func send(
        _ advert: OutgoingAdvertisement, of id: RouterID, from source: IPAddress, to destination: IPAddress,
        through port: AdvertPort
    ) {
        advert.encode(into: &payload, source: source, destination: destination)
        do throws(SystemError) {
            try port.socket.send(payload, from: source, to: destination)
            sending.successes += 1
            node.count(.advertsSent, for: id)
            noteAdvert(of: id)
            if advertised.last != id { advertised.append(id) }
        } catch {
            sending.failure = error.code
            // Tried again with the next advert (checklist V3-TX-05); told at most once in 10 s, whatever other peers hear.
            node.count(.advertSendErrors, for: id)
            let monotonic = Clock.monotonic()
            if let told = records[id]?.sendErrorTold, monotonic - told < Self.sendErrorPeriod { return }
            records[id]?.sendErrorTold = monotonic
            tell(error, for: id)
        }
    }

    // MARK: - Addresses

    /// Tries again what could not be removed, unless it is wanted there by now (promise 1).
    func retryRemovals() {
        guard !refusedRemovals.isEmpty else { return }
        let again = refusedRemovals
        refusedRemovals = []
        for placed in again {
            let isWanted = node.routerIDs.contains { id in
                records[id]?.places[placed.address] == placed.index
                    && node.router(id)?.wantedAddresses.contains(placed.address) ?? false
            }
            guard !isWanted, !refusedRemovals.contains(placed) else { continue }
            do throws(KernelError) {
                try requests.remove(placed.address, index: placed.index)
            } catch {
                refusedRemovals.append(placed)
            }
        }
    }

    // MARK: - Errors of the kernel

    func tell(_ error: KernelError, for id: RouterID?) {
        reporter.send(
            .notice(
                .kernel(
                    id, call: error.call, subject: error.subject, code: error.code, explanation: error.explanation)))
    }

    func tell(_ error: SystemError, for id: RouterID?) {
        reporter.send(.notice(.kernel(id, call: error.call, subject: error.subject, code: error.code, explanation: "")))
    }
}

/// What sending an advert needs to know of a router; nil for one that is not known.
struct Outgoing {
    var source: IPAddress?
    var configuration: VirtualRouterConfiguration
    var advert: OutgoingAdvertisement
    /// The same in version 2.
    var twin: OutgoingAdvertisement?
    /// Its addresses wait for the advert.
    var awaited: Bool
}

extension Outgoing {
    init?(_ priority: UInt8, of id: RouterID, in node: borrowing Node) {
        let found = node.look(at: id) { router in
            let (advert, twin) = router.adverts(priority: priority)
            return Outgoing(
                source: router.standing.localAddress, configuration: router.configuration, advert: advert, twin: twin,
                awaited: router.awaitsSending)
        }
        guard let found else { return nil }
        self = found
    }
}
