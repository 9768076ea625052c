// One election on one interface for one family: the state machine of RFC 9568 §6.4 and RFC 3768 §6.4. Values in, values out:
// it owns no socket, no timer and no clock. The states are switched outside, the events inside, and each state's timers live
// in its case. This file holds the states and the ways between them; VirtualRouter+Backup, +Master and +Resigning hold the rows.

import Wire

/// A virtual router and its state.
package struct VirtualRouter: Hashable, Sendable {
    /// The state machine's own states. `fault` and `disabled` are RFC 9568's Initialize with a reason.
    enum State: Hashable, Sendable {
        case initialize
        case fault
        case disabled
        case backup(Backup)
        case master(Master)
        case resigning(Resigning)
    }

    /// What ends a backup: who was there last.
    enum Takeover: Hashable, Sendable {
        case silence
        case resigned(IPAddress)
        case lower(IPAddress, priority: UInt8)
    }

    /// Active_Down_Timer runs, or a claim gate does.
    struct Backup: Hashable, Sendable {
        var masterDown: Instant
        var takeover = Takeover.silence
        /// Nothing was heard since the start, and the start delay is still being waited for: the end of it.
        var delayedUntil: Instant?
        /// The gate that is awaited since the timer ran out, and what it was for.
        var gate: Gate?
        /// It was asked who has the addresses, because nobody advertises them; and somebody said so and was given time.
        var hasAsked = false
        var hasHeld = false
    }

    struct Gate: Hashable, Sendable {
        var sequence: UInt32
        var cause: Cause
    }

    /// Adver_Timer runs.
    struct Master: Hashable, Sendable {
        var nextAdvert: Instant
        /// When the last advert was sent.
        var lastAdvert: Instant
        /// The next interval is shorter, so that adverts of many routers do not go out in one burst.
        var spreads = false
        /// Since when no advert could be sent; nil while they can.
        var muteSince: Instant?
        /// The addresses wait until the first advert is known to be sent, because the last time none could.
        var awaitsSending = false
        /// Why, until the addresses are on the interface; nil afterwards.
        var claiming: Cause?
        var burst: AnnouncementBurst?
        /// When every address is to be announced once more, whatever the series does, because another master was heard.
        var lastWord: Instant?
        var answers = AnswerLimiter()
        /// The release gate that is awaited before leaving.
        var releaseGate: UInt32?
        /// The release gate passed or does not matter any more.
        var mayLeave = false
    }

    /// What a master remembers of others. Not in its state, which is copied with each advert.
    struct Disputes: Hashable, Sendable {
        /// When each address was last announced because another host claimed it.
        var defended: [IPAddress: Instant] = [:]
        /// When each was taken off the interface by somebody else.
        var losses: [InterfaceAddress: [Instant]] = [:]
        /// The same for routes and rules.
        var routingLosses: [RoutingEntry: [Instant]] = [:]
        /// Who goes on advertising a lower priority.
        var contender: Contender?
    }

    /// What an operator's handover waits for, and when it was ordered; told when somebody else is master.
    struct Handover: Hashable, Sendable {
        var began: Instant
        /// How much longer than without it a successor may need, for its claim gate.
        var patience: Duration
        /// When the last address went; nil while it stays.
        var released: Instant?
    }

    /// A fault of its own making, tried again after a pause that doubles from 1 s to 60 s.
    struct Pause: Hashable, Sendable {
        var fault: Fault
        var until: Instant
    }

    struct Heard: Hashable, Sendable {
        var source: IPAddress
        var at: Instant
    }

    package internal(set) var configuration: VirtualRouterConfiguration {
        didSet {
            advertised = configuration.advertisedAddresses.map { $0.address }
            addressDigest = AddressDigest(advertised)
            promptAddresses = configuration.promptAddresses
            otherInterfaces = configuration.otherInterfaces
        }
    }
    /// The addresses that adverts list, as they list them.
    package private(set) var advertised: [IPAddress]
    /// Of these, to compare those of each advert with.
    var addressDigest: AddressDigest
    /// How many addresses, from the first on, are announced in every round.
    private(set) var promptAddresses: Int
    /// The interfaces beside its own that addresses are put on.
    private(set) var otherInterfaces: [String]
    package internal(set) var standing = Standing()
    package internal(set) var counters = Counters()
    package internal(set) var lastTransition: Transition?
    /// Of the errors that RFC 6527 calls protocol errors (hop limit, version, checksum) the last one that was heard.
    package internal(set) var lastProtocolError: DropReason?
    /// By how much a deadline was served too late at most.
    package internal(set) var timerLateMax = Duration.zero
    var state = State.initialize
    var disputes = Disputes()
    /// What it goes without as master, or is about to; nil for who claims everything.
    package internal(set) var degradation: Degradation?
    /// What was last told of that.
    var toldDegraded: [Fault] = []
    /// When it next wants `Event.deadline`; nil for never. Kept, because to ask a value of this size means to copy it.
    package private(set) var deadline: Instant?
    var pause: Pause?
    var pauseLength = Duration.seconds(1)
    /// When it was last given up because addresses were taken off again and again.
    var lastTaken: Instant?
    var gateSequence: UInt32 = 0
    /// Active_Adver_Interval: the own interval until an advert teaches another (version 3).
    package internal(set) var masterInterval: Duration
    /// The last other router that was believed as master, and when it was heard.
    package internal(set) var master: IPAddress?
    package internal(set) var masterPriority: UInt8 = 0
    /// Since when it is the one.
    var masterSince: Instant?
    /// When an advert was last heard, and from whom.
    package internal(set) var lastHeard: Instant?
    var lastSource: IPAddress?
    /// Adverts of others pass by that no socket gets: until then nobody is preempted, for who cannot hear does not know whom.
    var deafUntil: Instant?
    /// Who was lately heard in version 3, and when, while version 2 is believed too; a few at most.
    var version3Heard: [Heard] = []
    /// Since when adverts can be sent and heard here; nil while they cannot.
    var linkSince: Instant?
    /// Start of the preempt delay: the first lower advert since the router started (checklist V3-CFG-09).
    var firstLower: Instant?
    var checksum = ChecksumFollower()
    /// The last claim was refused: until one succeeds a lower master is left alone, who can at least serve.
    var isClaimDoubtful = false
    /// The last advert as master could not be sent: the next time one must go out before anything is claimed.
    var isSendDoubtful = false
    /// An operator's handover that has not come to its end.
    var handover: Handover?
    /// Which part of the interval its adverts fall into beside those of the other routers of the host, set by Node.
    package internal(set) var turn = Turn(0)
    /// The state in which an earlier engine left off; coming into it again is a resumption and no news.
    private var resumes: StateName?

    package init(_ configuration: VirtualRouterConfiguration) {
        self.configuration = configuration
        advertised = configuration.advertisedAddresses.map { $0.address }
        addressDigest = AddressDigest(advertised)
        promptAddresses = configuration.promptAddresses
        otherInterfaces = configuration.otherInterfaces
        masterInterval = configuration.advertisementInterval
    }

    /// Takes over what an earlier engine knew of this router: its counters, its last transition and the state it was in.
    package mutating func restore(_ snapshot: RouterSnapshot) {
        counters = snapshot.counters
        lastTransition = snapshot.lastTransition
        lastProtocolError = snapshot.lastProtocolError
        timerLateMax = snapshot.timerLateMax
        resumes = snapshot.state
        isClaimDoubtful = !snapshot.degraded.isEmpty
        toldDegraded = snapshot.degraded
        // The link is not new; only the engine is.
        linkSince = Instant(nanoseconds: .min / 2)
    }

    // MARK: - What others see

    /// The state as users see it. A master whose addresses are not on the interface yet is still a backup.
    package var stateName: StateName {
        switch state {
        case .initialize: .initialize
        case .fault: .fault
        case .disabled: .disabled
        case .backup: .backup
        case .master(let master):
            // One that takes its addresses back was not backup in between.
            master.claiming == nil ? .master : master.claiming == .nobodyTookOver ? .resigning : .backup
        case .resigning: .resigning
        }
    }

    /// All present faults, its own included.
    package var faults: [Fault] { standing.faults + (pause.map { [$0.fault] } ?? []) }

    /// The addresses that ought to be on the interface now: those of a master, claimed or being claimed, and those that one
    /// which resigns has not released yet.
    package var wantedAddresses: [InterfaceAddress] {
        switch state {
        case .initialize, .fault, .disabled, .backup: []
        case .master(let master): master.awaitsSending ? [] : configuration.addresses
        case .resigning(let resigning): resigning.held
        }
    }

    /// Where nothing was heard since the start: when the start delay ends, or ended. The master-down interval counts from there.
    package var delayedUntil: Instant? {
        if case .backup(let backup) = state { backup.delayedUntil } else { nil }
    }

    /// It speaks on this interface or puts addresses on it.
    func uses(_ interface: String) -> Bool {
        configuration.interface == interface || otherInterfaces.contains(interface)
    }

    /// The interface that this one of its addresses is put on.
    func interface(of address: IPAddress) -> String {
        guard !otherInterfaces.isEmpty, let full = configuration.addresses.first(where: { $0.address == address })
        else {
            return configuration.interface
        }
        return configuration.interface(of: full)
    }

    /// It is in the election: hears adverts, or sends them.
    var isTakingPart: Bool {
        switch state {
        case .initialize, .fault, .disabled: false
        case .backup, .master, .resigning: true
        }
    }

    /// It sends adverts.
    package var isAdvertising: Bool {
        if case .master = state { true } else { false }
    }

    /// It is master in all but its addresses, which wait until its first advert is known to be sent.
    package var awaitsSending: Bool {
        if case .master(let master) = state { master.awaitsSending } else { false }
    }

    package var skewTime: Duration {
        Timing.skew(configuration.version, priority: standing.effectivePriority, interval: masterInterval)
    }

    package var masterDownInterval: Duration {
        Timing.masterDown(configuration.version, priority: standing.effectivePriority, interval: masterInterval)
    }

    /// The last master is `source`, and its silence has not ended it.
    func believes(_ source: IPAddress, at now: Instant) -> Bool {
        master == source && lastHeard.map { now - $0 < masterDownInterval } ?? false
    }

    /// The master that this backup is behind; nil for who is none, and while its master is silent.
    package func followedMaster(at now: Instant) -> IPAddress? {
        guard case .backup = state, let master, believes(master, at: now) else { return nil }
        return master
    }

    /// The form of checksum to send over IPv4.
    package var checksumForm: ChecksumForm {
        switch configuration.checksum {
        case .automatic: configuration.version == .v3 ? checksum.form : .message
        case .message: .message
        case .pseudoHeader: .pseudoHeader
        }
    }

    /// What reception expects for this router.
    package var receptionRules: ReceptionRules {
        ReceptionRules(
            version: configuration.version, family: configuration.family, vrid: configuration.vrid,
            localAddress: standing.localAddress, interval: configuration.advertisementInterval,
            password: configuration.password, addressDigest: addressDigest,
            unicastPeers: configuration.peers, firstAddressMustBeLinkLocal: configuration.strictFirstAddress,
            alsoVersion2: configuration.alsoVersion2)
    }

    private var nextDeadline: Instant? {
        switch state {
        case .initialize, .disabled: nil
        case .fault: pause?.until
        case .backup(let backup):
            backup.gate == nil ? min(backup.masterDown, conflictCheckDue(backup) ?? backup.masterDown) : nil
        case .master(let master):
            // Of four at once the last would be put into an array, with each advert.
            min(
                min(master.nextAdvert, master.burst?.due ?? master.nextAdvert),
                min(master.lastWord ?? master.nextAdvert, degradation?.retry ?? master.nextAdvert))
        case .resigning(let resigning): resigning.deadline
        }
    }

    /// The gate that is awaited now, to be asked for again when the request may have been lost.
    package var awaitedGate: (kind: GateKind, sequence: UInt32, cause: Cause)? {
        switch state {
        case .backup(let backup): backup.gate.map { (.claim, $0.sequence, $0.cause) }
        case .master(let master):
            master.releaseGate.map { (.release, $0, handover != nil && mayRun ? .handedOver : idleState.cause) }
        case .initialize, .fault, .disabled, .resigning: nil
        }
    }

    // MARK: - Events

    /// The one entrance. Appends what is to be done, in order.
    package mutating func handle(_ event: Event, at now: Instant, appendingTo actions: inout [Action]) {
        defer { deadline = nextDeadline }
        switch event {
        case .standing(let new):
            let old = standing
            standing = new
            if !new.canSend {
                linkSince = nil
                forgetMuteness()
            } else if linkSince == nil {
                linkSince = now
            }
            reconsider(previous: old, now, &actions)
            return
        case .reconfigured(let new):
            reconfigure(new, now, &actions)
            return
        default:
            break
        }
        switch state {
        case .initialize, .disabled: handleIdle(event, now, &actions)
        case .fault: handleFault(event, now, &actions)
        case .backup(let backup): handle(backup, event, now, &actions)
        case .master(let master): handle(master, event, now, &actions)
        case .resigning(let resigning): handle(resigning, event, now, &actions)
        }
    }

    /// FSM-I-3: nothing is listened to; only a resumption begins something.
    private mutating func handleIdle(_ event: Event, _ now: Instant, _ actions: inout [Action]) {
        guard case .resumeMaster = event, case .initialize = state, mayRun else { return }
        linkSince = now
        // The advert is due at once but goes out with the first deadline, after what is queued has been read.
        let burst = AnnouncementBurst(resumingAt: now, configuration.announcements)
        state = .master(
            Master(nextAdvert: now, lastAdvert: now, spreads: true, claiming: .resumed, burst: burst))
        claim(configuration.addresses, &actions)
    }

    private mutating func handleFault(_ event: Event, _ now: Instant, _ actions: inout [Action]) {
        guard case .deadline = event, let pause, pause.until <= now else { return }
        self.pause = nil
        reconsider(previous: standing, now, &actions)
    }

    // MARK: - From state to state

    /// The only way from state to state. The transition is reported unless users see no difference.
    mutating func enter(_ new: State, because cause: Cause, _ now: Instant, _ actions: inout [Action]) {
        let old = stateName
        // What a degraded master leaves with is what it was compared by.
        let priority = effectivePriority
        state = new
        disputes = Disputes()
        degradation = nil
        toldDegraded = []
        switch new {
        case .initialize, .fault, .disabled: interruptHandover(&actions)
        case .backup, .master, .resigning: break
        }
        report(from: old, because: cause, priority, now, &actions)
    }

    mutating func report(
        from old: StateName, because cause: Cause, _ priority: UInt8, _ now: Instant, _ actions: inout [Action]
    ) {
        guard stateName != old else { return }
        let resumed = resumes == stateName
        resumes = nil
        guard !resumed else {
            actions.append(
                .transition(
                    Transition(from: old, to: stateName, cause: .resumed, at: now, effectivePriority: priority)))
            return
        }
        switch stateName {
        case .master: counters[.masterTransitions] += 1
        case .backup: counters[.backupTransitions] += 1
        case .initialize, .fault, .disabled, .resigning: break
        }
        let transition = Transition(
            from: old, to: stateName, cause: cause, at: now, effectivePriority: priority)
        lastTransition = transition
        actions.append(.transition(transition))
    }
}
