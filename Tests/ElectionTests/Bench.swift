// A virtual router on a bench: a clock that moves when told, adverts by hand, and the actions of each step in the open.

import Election
import Wire

/// One router, driven by hand. The claim is answered at once unless `claims` says otherwise.
struct Bench {
    static let me = IPAddress.ipv4(IPv4Address(192, 0, 2, 2))
    static let lowerPeer = IPAddress.ipv4(IPv4Address(192, 0, 2, 1))
    static let greaterPeer = IPAddress.ipv4(IPv4Address(192, 0, 2, 3))
    static let vip = InterfaceAddress(address: .ipv4(IPv4Address(192, 0, 2, 100)), prefixLength: 24)

    enum Claims {
        case succeed, fail, stay
        /// All but these succeed.
        case refuse(Set<InterfaceAddress>)
    }

    var router: VirtualRouter
    var now = Instant(nanoseconds: 1_000_000_000_000)
    var standing = Standing()
    var claims = Claims.succeed
    /// Adverts cannot be sent.
    var isMute = false
    /// What the last step wanted done.
    var actions: [Action] = []

    init(_ configuration: VirtualRouterConfiguration = Bench.configuration()) {
        router = VirtualRouter(configuration)
        standing.effectivePriority = configuration.priority
        standing.localAddress = Self.me
    }

    static func configuration(
        priority: UInt8 = 100, version: ProtocolVersion = .v3, preempt: Bool = true,
        preemptDelay: Duration = .zero, interval: Duration = .seconds(1), gatesClaim: Bool = false,
        gatesRelease: Bool = false, addresses: [InterfaceAddress] = [Bench.vip]
    ) -> VirtualRouterConfiguration {
        VirtualRouterConfiguration(
            interface: "eth0", vrid: 10, version: version, priority: priority, advertisementInterval: interval,
            preempt: preempt, preemptDelay: preemptDelay, addresses: addresses, gatesClaim: gatesClaim,
            gatesRelease: gatesRelease)
    }

    // MARK: - Steps

    mutating func send(_ event: Event) {
        actions = []
        router.handle(event, at: now, appendingTo: &actions)
        var position = 0
        while position < actions.count {
            if case .sendAdvert = actions[position] {
                router.handle(isMute ? .sendFailed(1) : .sent, at: now, appendingTo: &actions)
            }
            if case .claim(let addresses) = actions[position] {
                switch claims {
                case .succeed: router.handle(.claimed, at: now, appendingTo: &actions)
                case .fail:
                    let failure = ClaimFailure(address: addresses[0], code: 13)
                    router.handle(.claimFailed(failure), at: now, appendingTo: &actions)
                case .stay: break
                case .refuse(let refused):
                    let failures = addresses.filter(refused.contains).map { ClaimFailure(address: $0, code: 13) }
                    for failure in router.servesInPart ? failures : Array(failures.prefix(1)) {
                        router.handle(.claimFailed(failure), at: now, appendingTo: &actions)
                    }
                    if failures.isEmpty || router.servesInPart {
                        router.handle(.claimed, at: now, appendingTo: &actions)
                    }
                }
            }
            position += 1
        }
    }

    /// Another host announces an address.
    mutating func announcement(_ address: IPAddress) {
        let claim = AddressClaim(address: address, hardware: .zero, isAnnouncement: true)
        send(.addressClaimed(claim, by: SpeakerTable()))
    }

    mutating func start() { send(.standing(standing)) }

    /// Changes the facts and tells the router.
    mutating func facts(_ change: (inout Standing) -> Void) {
        change(&standing)
        send(.standing(standing))
    }

    mutating func advert(
        _ priority: UInt8, from peer: IPAddress = Bench.greaterPeer, interval: Duration? = nil,
        form: ChecksumForm = .message, addresses: [IPAddress] = [Bench.vip.address], heardAt: Instant? = nil
    ) {
        let advert = Advertisement(
            version: router.configuration.version, vrid: 10, priority: priority, addressCount: 1,
            interval: interval ?? router.configuration.advertisementInterval, checksumForm: form,
            addressDigest: AddressDigest(addresses))
        send(.advert(advert, from: peer, heardAt: heardAt ?? now))
    }

    /// Moves the clock and serves the deadline if it has come.
    mutating func wait(_ span: Duration) {
        now = now + span
        send(.deadline)
    }

    /// Serves every deadline on the way; returns all actions with their distance from the start.
    mutating func run(for span: Duration) -> [(after: Duration, action: Action)] {
        let start = now
        let end = now + span
        var log: [(Duration, Action)] = []
        while let deadline = router.deadline, deadline <= end {
            now = max(now, deadline)
            send(.deadline)
            log += actions.map { (now - start, $0) }
        }
        now = end
        return log
    }

    /// A bench whose router is master and past its announcements.
    static func master(_ configuration: VirtualRouterConfiguration = Bench.configuration()) -> Bench {
        var bench = Bench(configuration)
        bench.start()
        _ = bench.run(for: .seconds(10))
        if let deadline = bench.router.deadline { bench.now = deadline - .milliseconds(500) }
        bench.actions = []
        return bench
    }

    // MARK: - Readings

    var state: StateName { router.stateName }

    var sentPriorities: [UInt8] {
        actions.compactMap { if case .sendAdvert(let priority) = $0 { priority } else { nil } }
    }

    var transitions: [Transition] { actions.compactMap { if case .transition(let value) = $0 { value } else { nil } } }

    var announced: [Range<Int>] { actions.compactMap { if case .announce(let range) = $0 { range } else { nil } } }

    var released: Bool { actions.contains(.release(router.configuration.addresses)) }

    /// A master that just began to resign comes to its end: its successor's overlap is over, or nobody took over.
    mutating func finishResigning() {
        guard state == .resigning else { return }
        let log = run(for: .seconds(2))
        // `run` goes on with what follows; the end is what counts here.
        actions = log.map(\.action)
    }

    /// How far away the next deadline is.
    var untilDeadline: Duration? { router.deadline.map { $0 - now } }
}
