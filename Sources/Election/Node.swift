// All virtual routers of one host: interfaces, checks and the operator's wishes become each router's standing; packets and
// deadlines find their router; everything to be done comes out as one list. The engine owns exactly one Node.

import Wire

/// An action and the router it is for.
package struct RouterAction: Hashable, Sendable {
    package var router: RouterID
    package var action: Action

    package init(_ router: RouterID, _ action: Action) {
        self.router = router
        self.action = action
    }
}

/// The elections of one host.
package struct Node: Hashable, Sendable {
    /// A router with the facts that are its own.
    struct Slot: Hashable, Sendable {
        let id: RouterID
        var router: VirtualRouter
        var isDisabled: Bool
        var isHeld = false
        /// Left the configuration; forgotten when it has come to rest.
        var isRemoved = false
        var rules: ReceptionRules
        var notices = NoticeLimiter()
        var differences = DifferenceTable()
        var conflicts = ConflictTable()
        var steadiness = Steadiness()
        /// When a peer's list of addresses was compared with ours, one by one.
        var addressesCompared: Instant?
        /// It heard a valid advert since `takeHeard`.
        var isHeard = false
    }

    /// In the order of their arrival.
    var slots: [Slot] = []
    /// Whether a slot is removed: hardly ever, and asked all the time.
    private var hasRemoved = false
    var checks = CheckTable() {
        didSet { findDeadline() }
    }
    var interfaces: [String: InterfaceFacts] = [:]
    var isStopping = false
    private var skipsGates = false
    /// Where each router is in `slots`, and who listens for a VRID on an interface.
    private var places: [RouterID: Int] = [:]
    var listeners = ListenerTable()
    private var deadlines = DeadlineQueue() {
        didSet { findDeadline() }
    }
    /// When `wake` is wanted next; nil for never. Kept, because to ask a value of this size means to copy it.
    package private(set) var deadline: Instant?
    private var due: [Int] = []
    /// Per interface index: drops that belong to no router, and packets for VRIDs that nobody here has.
    var strayCounters: [UInt32: Counters] = [:]
    var strayNotices = NoticeLimiter()
    var noticeBudget = NoticeBudget()
    /// Routers that heard a valid advert since `takeHeard`.
    var heard: [RouterID] = []
    private var scratch: [Action] = []
    /// Who has an address in its list; nil after a change, until it is asked for again.
    private var holders: [IPAddress: [Int]]?
    /// The place of the first router among those whose adverts are spread over the interval.
    private let firstPlace: Int

    /// `firstPlace` is 0 but in a simulation, whose few routers would all be in the first group.
    package init(firstPlace: Int = 0) { self.firstPlace = firstPlace }

    // MARK: - Configuration

    /// Adds a router, or changes one in place. Interface, VRID, family and version of an existing one must not differ: such
    /// a change is a removal and a new router. `snapshot` is what an earlier engine knew of a new one; with `asMaster` it
    /// continues as master.
    package mutating func configure(
        _ id: RouterID, _ configuration: VirtualRouterConfiguration, disabled: Bool,
        resuming snapshot: RouterSnapshot? = nil, asMaster: Bool = false, at now: Instant,
        appendingTo actions: inout [RouterAction]
    ) {
        holders = nil
        if let index = index(of: id) {
            slots[index].isDisabled = disabled
            slots[index].isRemoved = false
            hasRemoved = hasRemoved && slots.contains { $0.isRemoved }
            send(.reconfigured(configuration), to: index, now, &actions)
            slots[index].rules = slots[index].router.receptionRules
            listen()
            refresh(index, now, &actions)
            return
        }
        var router = VirtualRouter(configuration)
        router.turn = Turn(firstPlace + slots.count)
        if let snapshot { router.restore(snapshot) }
        slots.append(Slot(id: id, router: router, isDisabled: disabled, rules: router.receptionRules))
        let index = slots.count - 1
        places[id] = index
        deadlines.append()
        listen(index)
        let standing = standing(of: slots[index])
        slots[index].router.standing = standing
        slots[index].rules = slots[index].router.receptionRules
        if asMaster { send(.resumeMaster, to: index, now, &actions) }
        if !slots[index].router.isAdvertising { send(.standing(standing), to: index, now, &actions) }
    }

    /// The router left the configuration: it resigns, behind its release gate if it has one. Call `forgetRemoved` when the
    /// actions have been performed, which still need it.
    package mutating func remove(_ id: RouterID, at now: Instant, appendingTo actions: inout [RouterAction]) {
        guard let index = index(of: id) else { return }
        slots[index].isRemoved = true
        hasRemoved = true
        refresh(index, now, &actions)
    }

    /// The operator gives the router up, or wants it back.
    package mutating func setDisabled(
        _ id: RouterID, _ disabled: Bool, at now: Instant, appendingTo actions: inout [RouterAction]
    ) {
        guard let index = index(of: id), slots[index].isDisabled != disabled else { return }
        slots[index].isDisabled = disabled
        refresh(index, now, &actions)
    }

    /// The operator wants another host to be master; `Action.handover` tells what came of it.
    /// `patience` is how long its claim gate may take.
    package mutating func handOver(
        _ id: RouterID, patience: Duration = .zero, at now: Instant, appendingTo actions: inout [RouterAction]
    ) {
        guard let index = index(of: id) else { return }
        switch slots[index].router.stateName {
        case .initialize, .fault, .disabled: actions.append(RouterAction(id, .handover(.notMaster)))
        case .backup, .master, .resigning: send(.handOver(patience: patience), to: index, now, &actions)
        }
    }

    /// A router that was handed over is held back from preemption, or no longer.
    package mutating func setHeld(
        _ id: RouterID, _ held: Bool, at now: Instant, appendingTo actions: inout [RouterAction]
    ) {
        guard let index = index(of: id), slots[index].isHeld != held else { return }
        slots[index].isHeld = held
        refresh(index, now, &actions)
    }

    /// Resigns everything; `hasStopped` tells when all have come to rest. Without gates (nobody is there to run them) the
    /// release gates are passed over.
    package mutating func stop(withoutGates: Bool, at now: Instant, appendingTo actions: inout [RouterAction]) {
        isStopping = true
        skipsGates = skipsGates || withoutGates
        refreshAll(now, &actions)
    }

    /// Forgets routers that left the configuration and have come to rest, and lets begin what waited for them; true if there
    /// were any.
    package mutating func forgetRemoved(at now: Instant, appendingTo actions: inout [RouterAction]) -> Bool {
        guard hasRemoved else { return false }
        let count = slots.count
        slots.removeAll { $0.isRemoved && $0.router.stateName == .initialize }
        hasRemoved = slots.contains { $0.isRemoved }
        guard slots.count != count else { return false }
        holders = nil
        places.removeAll(keepingCapacity: true)
        deadlines.reset(count: slots.count)
        for index in slots.indices {
            places[slots[index].id] = index
            deadlines.set(slots[index].router.deadline, of: index)
        }
        listen()
        refreshAll(now, &actions)
        return true
    }

    /// Every router has left the election after `stop`.
    package var hasStopped: Bool { isStopping && slots.allSatisfy { $0.router.stateName == .initialize } }

    // MARK: - Time

    /// The engine runs again after it was away for `absence`, of which the machine was suspended for `suspended`. Called before
    /// anything that happened meanwhile is told.
    package mutating func wakeUp(
        after absence: Duration, suspended: Duration, at now: Instant, appendingTo actions: inout [RouterAction]
    ) {
        for index in slots.indices {
            send(.wokeUp(absence: absence, suspended: suspended), to: index, now, &actions)
        }
    }

    private mutating func findDeadline() {
        deadline = deadlines.first
        if let verdict = checks.deadline { deadline = min(verdict, deadline ?? verdict) }
    }

    /// Whether the next deadline is that of a backup: when it comes, a silent master is taken over from.
    package var isTakeoverNext: Bool {
        guard let index = deadlines.firstRouter, deadline == deadlines.first else { return false }
        if case .backup = slots[index].router.state { return true }
        return false
    }

    /// Serves every deadline that has come, at most `limit` of them, the longest overdue; then `deadline` has not moved on.
    package mutating func wake(at now: Instant, atMost limit: Int = .max, appendingTo actions: inout [RouterAction]) {
        if checks.expire(at: now) { refreshAll(now, &actions) }
        deadlines.due(at: now, atMost: limit, into: &due)
        for index in due {
            if let deadline = slots[index].router.deadline {
                slots[index].router.timerLateMax = max(slots[index].router.timerLateMax, now - deadline)
            }
            send(.deadline, to: index, now, &actions)
        }
    }

    // MARK: - Reading

    /// Whether a router heard a valid advert since the last `takeHeard`.
    package var hasHeard: Bool { !heard.isEmpty }

    /// The routers that heard a valid advert since the last call, each once.
    package mutating func takeHeard(into list: inout [RouterID]) {
        list.append(contentsOf: heard)
        for id in heard {
            if let index = index(of: id) { slots[index].isHeard = false }
        }
        heard.removeAll(keepingCapacity: true)
    }

    package var routerIDs: [RouterID] { slots.map { $0.id } }

    package func router(_ id: RouterID) -> VirtualRouter? { index(of: id).map { slots[$0].router } }

    /// What `body` finds at a router, nil for one that is not known. It looks at it in its place: a copy counts references of a dozen lists.
    package func look<Result>(at id: RouterID, _ body: (borrowing VirtualRouter) -> Result) -> Result? {
        index(of: id).map { body(slots[$0].router) }
    }

    /// What a router's peers are configured with that differs from it, as heard in the last minute.
    package func differences(of id: RouterID, at now: Instant) -> [HeardDifference] {
        index(of: id).map { slots[$0].differences.present(at: now) } ?? []
    }

    /// Who else claims a router's addresses, as heard lately.
    package func conflicts(of id: RouterID, at now: Instant) -> [HeardClaim] {
        index(of: id).map { slots[$0].conflicts.present(at: now) } ?? []
    }

    /// What is known of an interface; nil if it is not there.
    package func facts(of interface: String) -> InterfaceFacts? { interfaces[interface] }

    /// What was dropped on an interface and belongs to no router here.
    package func strayCounters(on interfaceIndex: UInt32) -> Counters {
        strayCounters[interfaceIndex] ?? Counters()
    }

    /// The gates that routers wait for.
    package var awaitedGates: [(router: RouterID, kind: GateKind, sequence: UInt32, cause: Cause)] {
        slots.compactMap { slot in
            slot.router.awaitedGate.map { (slot.id, $0.kind, $0.sequence, $0.cause) }
        }
    }

    /// Counts something that only the engine sees: adverts sent, errors of the kernel.
    package mutating func count(_ counter: Counter, for id: RouterID, by amount: UInt64 = 1) {
        guard let index = index(of: id) else { return }
        slots[index].router.counters[counter] += amount
    }

    // MARK: - Inside

    func index(of id: RouterID) -> Int? { places[id] }

    /// The places of the routers that have an address in their list.
    mutating func holders(of address: IPAddress) -> [Int] {
        if let holders { return holders[address] ?? [] }
        var found: [IPAddress: [Int]] = [:]
        for index in slots.indices {
            for held in slots[index].router.configuration.addresses { found[held.address, default: []].append(index) }
        }
        holders = found
        return found[address] ?? []
    }

    mutating func listen() {
        listeners.removeAll()
        for index in slots.indices { listen(index) }
    }

    private mutating func listen(_ index: Int) {
        guard let interface = interfaces[slots[index].router.configuration.interface]?.index else { return }
        listeners.add(index, interface, slots[index].rules.family, slots[index].rules.vrid)
    }

    private func standing(of slot: Slot) -> Standing {
        let configuration = slot.router.configuration
        var standing = Standing(
            configuration, interface: interfaces[configuration.interface],
            others: slot.router.otherInterfaces.map { ($0, interfaces[$0]) }
        ) { checks.failure(of: $0) }
        standing.isDisabled = slot.isDisabled
        standing.isHeld = slot.isHeld
        standing.skipsGates = skipsGates
        standing.isLeaving = isStopping || slot.isRemoved || hasPredecessor(slot)
        standing.isRemoved = slot.isRemoved && !isStopping
        return standing
    }

    /// A removed router of the same election, or with one of the same addresses, is still leaving, perhaps behind its release
    /// gate: the new one waits, or both would be the one that packets are for, and the old one's release would take away
    /// what the new one claimed.
    private func hasPredecessor(_ slot: Slot) -> Bool {
        // One that runs already is not stopped for it.
        guard hasRemoved, !slot.isRemoved, case .initialize = slot.router.state else { return false }
        let new = slot.router.configuration
        return slots.contains { other in
            let old = other.router.configuration
            return other.isRemoved && (old.isSameElection(as: new) || old.sharesAddress(with: new))
        }
    }

    mutating func refreshAll(_ now: Instant, _ actions: inout [RouterAction]) {
        for index in slots.indices { refresh(index, now, &actions) }
    }

    /// Derives the standing anew and tells the router if it differs.
    mutating func refresh(_ index: Int, _ now: Instant, _ actions: inout [RouterAction]) {
        let slot = slots[index]
        let standing = standing(of: slot)
        guard standing != slot.router.standing else { return }
        let moved = standing.localAddress != slot.router.standing.localAddress
        send(.standing(standing), to: index, now, &actions)
        if moved { slots[index].rules = slots[index].router.receptionRules }
    }

    mutating func send(_ event: Event, to index: Int, _ now: Instant, _ actions: inout [RouterAction]) {
        scratch.removeAll(keepingCapacity: true)
        slots[index].router.handle(event, at: now, appendingTo: &scratch)
        deadlines.set(slots[index].router.deadline, of: index)
        let id = slots[index].id
        for action in scratch {
            switch action {
            case .peerDiffers(let peer, let difference):
                differ(difference, from: peer, index, now, &actions)
            case .addressClaimed(let claim):
                if slots[index].conflicts.hear(claim, at: now) { actions.append(RouterAction(id, action)) }
            case .transition(let transition):
                actions.append(RouterAction(id, action))
                if let count = slots[index].steadiness.passes(transition) {
                    let action = Action.unsteady(transitions: count, within: Steadiness.window)
                    actions.append(RouterAction(id, action))
                }
            default:
                actions.append(RouterAction(id, action))
            }
        }
    }

    /// Notes a difference of a peer, and tells it when it is time.
    mutating func differ(
        _ what: PeerDifference, from peer: IPAddress, _ index: Int, _ now: Instant, _ actions: inout [RouterAction]
    ) {
        guard slots[index].differences.hear(what, from: peer, at: now) else { return }
        actions.append(RouterAction(slots[index].id, .peerDiffers(peer, what)))
    }
}
