// Proof that a takeover arrived: the default gateway, the hosts that the operator listed and, for information, neighbours that the kernel
// knows are told by a unicast ARP request or neighbour solicitation where an address is, and asked by an ICMP echo from it. An echo reply that
// comes in here shows that its sender sends to us what it sends to the address. It goes on behind everything else: no advert, claim or
// announcement waits for it.

import Election
import Kernel
import Messages
import System
import Wire

extension Engine {
    /// What is known of a segment for the questions of one second: a thousand routers that take over in it ask about the same hosts.
    struct Surroundings {
        static let age: Int64 = 1_000_000_000

        var read: Int64
        var gateway: IPAddress?
        var neighbors: [Neighbor]

        func hardware(of address: IPAddress) -> MACAddress? { neighbors.first { $0.address == address }?.hardware }
    }

    /// Whether the first round of announcements arrived, or, ordered, what is true now.
    func verify(_ id: RouterID, isOrdered: Bool) { verifier.want(id, isOrdered: isOrdered, at: Clock.monotonic()) }

    /// At the end of a turn: asks what is due, unless an election has something to do.
    func continueVerification() {
        let moment = Clock.monotonic()
        guard moment >= verifier.due else { return }
        if let deadline = node.deadline, deadline.nanoseconds <= moment { return }
        for wanted in verifier.takeWanted() { begin(wanted, at: moment) }
        for id in verifier.takeDue(at: moment) { advanceVerification(of: id, at: moment) }
        while let question = verifier.next(at: moment) { ask(question, at: moment) }
        for tap in taps { hear(verifier.unresolved(on: tap.index), on: tap) }
    }

    private func begin(_ wanted: Verifier.Wanted, at moment: Int64) {
        guard let record = records[wanted.router] else { return }
        var homes: [IPAddress: Verifier.Place] = [:]
        if let announced = Announced(of: wanted.router, in: node), announced.state == .master {
            for placed in places(of: announced.addresses, record) where announced.serves(placed.address) {
                guard let segment = outlet(placed.index)?.link.index else { continue }
                homes[placed.address.address] = Verifier.Place(own: placed.index, segment: segment)
            }
        }
        guard !homes.isEmpty else {
            // It is not master any more, or its interface is gone: nobody is asked, and whoever ordered it is told so.
            guard wanted.isOrdered else { return }
            let nothing = Verification(
                began: Instant(nanoseconds: Clock.boottime()), isOrdered: true, isComplete: true)
            reporter.send(.verification(wanted.router, nothing))
            return
        }
        let retries =
            wanted.isOrdered
            ? [Verifier.neighborDelay, Verifier.patience]
            : record.configuration.announcements.rounds.map(\.nanoseconds)
        verifier.begin(
            wanted.router, at: homes, isOrdered: wanted.isOrdered, retries: retries, at: wanted.at,
            bootOffset: Clock.boottime() - Clock.monotonic())
        advanceVerification(of: wanted.router, at: moment)
    }

    /// A moment of a router's run has come: whoever has not answered is asked again, or it ends.
    private func advanceVerification(of id: RouterID, at moment: Int64) {
        guard let run = verifier.runs[id] else { return }
        guard moment < run.end else {
            completeVerification(of: id)
            return
        }
        let configuration = node.look(at: id) { $0.configuration }
        let addresses = (configuration?.addresses ?? []).map(\.address)
        var verification = run.verification
        let takesNeighbors = run.isAwaitingNeighbors && moment >= run.neighborsFrom
        var interfaces: [UInt32] = []
        for address in addresses {
            if let index = run.places[address]?.segment, !interfaces.contains(index) { interfaces.append(index) }
        }
        if run.verification.questions.isEmpty {
            // First, so that a gateway that was listed is what it was listed as.
            for target in configuration?.verification.targets ?? [] {
                let index = interfaces.count > 1 ? link(towards: target, among: interfaces) : interfaces.first
                verification.ask(target, as: .listed, about: addresses.filter { run.places[$0]?.segment == index })
            }
        }
        for index in interfaces {
            let here = addresses.filter { run.places[$0]?.segment == index }
            for family in AddressFamily.allCases where here.contains(where: { $0.family == family }) {
                guard let around = surroundings(family, index: index, at: moment) else { continue }
                // The other hosts may send to everywhere by an address that this one has now.
                if let gateway = around.gateway, !addresses.contains(gateway) {
                    verification.ask(gateway, as: .gateway, about: here)
                }
                guard takesNeighbors else { continue }
                for neighbor in around.neighbors.prefix(Verifier.neighborLimit) where !table.isOwn(neighbor.hardware) {
                    verification.ask(neighbor.address, as: .neighbor, about: here)
                }
            }
        }
        verifier.change(id) { run in
            run.verification = verification
            if takesNeighbors { run.isAwaitingNeighbors = false }
        }
        verifier.enqueue(id)
        endIfAnswered(id)
    }

    /// On which of several interfaces a listed host is: that of the router itself where the kernel knows no other.
    private func link(towards target: IPAddress, among interfaces: [UInt32]) -> UInt32? {
        let route = try? requests.route(to: target)
        return interfaces.first { $0 == route?.index } ?? interfaces.first
    }

    private func surroundings(_ family: AddressFamily, index: UInt32, at moment: Int64) -> Surroundings? {
        let tag = SocketTag(family: family, interfaceIndex: index)
        if let known = surroundings[tag], moment - known.read < Surroundings.age { return known }
        do throws(KernelError) {
            let gateway = try requests.gateway(family, index: index)
            let read = Surroundings(
                read: moment, gateway: gateway.flatMap { table.isOwn($0) ? nil : $0 },
                neighbors: try requests.neighbors(family, index: index))
            surroundings[tag] = read
            return read
        } catch {
            // Only what it would have told is lost.
            surroundings[tag] = nil
            return nil
        }
    }

    // MARK: - Questions

    /// Tells the target where the address is, and asks for an answer to it; where the target is may have to be heard first.
    private func ask(_ question: Verifier.Waiting, at moment: Int64) {
        guard let run = verifier.runs[question.router], let outlet = outlet(of: question, run), isHeld(question)
        else { return }
        let (link, own) = (outlet.link, outlet.hardware)
        let around = surroundings(question.address.family, index: link.index, at: moment)
        let neighbor = around?.hardware(of: question.target)
        if neighbor == nil {
            verifier.noteUnresolved(question)
            if let tap = taps.first(where: { $0.index == link.index }) {
                hear(verifier.unresolved(on: tap.index), on: tap)
            }
        }
        let update: [UInt8]
        switch (question.address, question.target) {
        case (.ipv4(let address), .ipv4(let target)):
            update = ARPPacket(
                operation: .request, senderHardware: own, senderProtocol: address, targetHardware: .zero,
                targetProtocol: target
            ).frame(destination: neighbor ?? .broadcast)
        case (.ipv6(let address), .ipv6(let target)):
            update = NeighborSolicitation(
                source: address, destination: neighbor == nil ? target.solicitedNode : target, target: target,
                sourceHardware: own
            ).frame(source: own, destination: neighbor)
        default: return
        }
        guard send(update, on: link) else { return }
        verifier.noteAsked(question)
        if let neighbor { ping(question, at: neighbor, run, by: outlet) }
    }

    /// The echo request alone: the target has just been told where the address is.
    private func ping(_ question: Verifier.Waiting, at neighbor: MACAddress, _ run: Verifier.Run, by outlet: Outlet) {
        let request = EchoMessage(
            .request, from: question.address, to: question.target, identifier: verifier.identifier,
            sequence: run.number)
        _ = send(request.frame(from: outlet.hardware, to: neighbor), on: outlet.link)
    }

    private func outlet(of question: Verifier.Waiting, _ run: Verifier.Run) -> Outlet? {
        run.places[question.address].flatMap { outlet($0.own) }
    }

    /// Nobody is told that an address is here which is not.
    private func isHeld(_ question: Verifier.Waiting) -> Bool {
        node.look(at: question.router) { router in
            router.stateName == .master
                && router.configuration.addresses.contains { $0.address == question.address && !router.lacks($0) }
        } ?? false
    }

    private func send(_ frame: [UInt8], on link: LinkState) -> Bool {
        // Whatever keeps it from leaving keeps adverts and announcements, which say so.
        do throws(SystemError) { try ports.send(frame, on: link) } catch { return false }
        return true
    }

    // MARK: - Answers

    /// Somebody said where it is.
    func resolve(_ claim: AddressClaim, on tap: WireTap) {
        for question in verifier.takeResolved(claim.address, on: tap.index) where isHeld(question) {
            guard let run = verifier.runs[question.router], let outlet = outlet(of: question, run) else { continue }
            ping(question, at: claim.hardware, run, by: outlet)
        }
    }

    /// An echo reply came in at `stamp` (CLOCK_REALTIME, nanoseconds).
    func take(_ reply: EchoMessage, _ stamp: Int64, on tap: WireTap) {
        let moment = Clock.monotonic()
        let arrival = min(stamp + moment - Clock.wall(), moment)
        guard let id = verifier.answer(reply, on: tap.index, at: arrival) else { return }
        if let run = verifier.runs[id], !run.isTold, run.verification.verdict == .verified {
            verifier.change(id) { $0.isTold = true }
            // What follows at once has it, too.
            if !run.isAnswered { tell(run, of: id) }
        }
        endIfAnswered(id)
    }

    private func endIfAnswered(_ id: RouterID) {
        if let run = verifier.runs[id], run.isAnswered { completeVerification(of: id) }
    }

    private func completeVerification(of id: RouterID) {
        guard var run = verifier.end(id) else { return }
        run.verification.isComplete = true
        tell(run, of: id)
    }

    private func tell(_ run: Verifier.Run, of id: RouterID) {
        reporter.send(.verification(id, run.verification.shifted(by: run.bootOffset)))
    }
}
