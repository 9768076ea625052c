// From a seed to a plan. Times are chosen in units of the world's own interval, so that a world of 10 ms and one of 5 s go
// through the same things and cost the same.

import Election
import Wire

extension Plan {
    private static let milliseconds: Int64 = 1_000_000

    /// The world of this seed.
    package init(seed: UInt64) {
        self.seed = seed
        var random = Randomness(seed: seed)
        hosts = random.pick([2, 2, 2, 3, 3, 3, 4, 5])
        segments = random.pick([1, 1, 1, 2])
        interval =
            Self.milliseconds * random.pick([10, 50, 100, 100, 200, 300, 500, 1_000, 1_000, 1_000, 2_000, 3_000])
        for _ in 0..<hosts {
            clocks.append(random.within(0...1_000_000_000_000))
            places.append(random.pick([0, 0, 62, 64, 127, 190, 1_000]))
        }
        hasLeases = random.chance(900)
        let longest = random.pick([Self.milliseconds / 10, Self.milliseconds, interval / 20, interval / 4])
        delay = longest / 10...longest
        slowDelay = interval * Int64(1 + random.below(3))
        gateTime = min(interval * 3 / 2, 2_000 * Self.milliseconds)
        if random.chance(450) {
            for _ in 0..<(1 + random.below(2)) {
                let period = interval * Int64(1 + random.below(3))
                checks.append(CheckPlan(period: period, timeToLive: .nanoseconds(period * 5 / 2)))
            }
        }
        for _ in 0..<random.pick([1, 1, 1, 2, 2, 3, 4]) { addRouter(&random) }
        for host in 0..<hosts {
            for router in routers.indices { seats.append(makeSeat(host, router, &random)) }
        }
        distinguish(&random)
        for _ in 0..<random.below(9) { addFault(&random) }
        faults.sort { $0.at < $1.at }
        measure()
    }

    private mutating func addRouter(_ random: inout Randomness) {
        let segment = random.below(segments)
        let family: AddressFamily = random.chance(600) ? .ipv4 : .ipv6
        var vrid = UInt8(1 + random.below(255))
        while routers.contains(where: { $0.segment == segment && $0.family == family && $0.vrid == vrid }) {
            vrid = vrid == 255 ? 1 : vrid + 1
        }
        let mayBeOld = family == .ipv4 && interval >= 1_000 * Self.milliseconds
        let version: ProtocolVersion = mayBeOld && random.chance(400) ? .v2 : .v3
        var router = RouterPlan(segment: segment, vrid: vrid, version: version, family: family)
        router.isUnicast = random.chance(200)
        routers.append(router)
    }

    /// What all hosts of a router share is drawn from a stream of the router's own.
    private func makeSeat(_ host: Int, _ number: Int, _ random: inout Randomness) -> VirtualRouterConfiguration? {
        let router = routers[number]
        var shared = Randomness(seed: seed ^ UInt64(number + 1) << 56)
        let count = shared.pick([1, 1, 1, 2, 3, 20])
        let factor = Int64(shared.pick([1, 1, 1, 2]))
        let password: [UInt8]? = router.version == .v2 && shared.chance(300) ? [0x6B, 0x65, 0x79] : nil
        let equal = shared.chance(200)
        let rounds = shared.chance(800)
        let refresh: Duration? = shared.chance(100) ? .nanoseconds(interval * 20) : nil
        let isMigrating = router.version == .v3 && router.family == .ipv4 && shared.chance(120)
        let startDelay = shared.chance(150) ? interval * Int64(1 + shared.below(6)) : 0
        let servesInPart = shared.chance(300)
        guard host < 2 || !random.chance(150) else { return nil }

        var configuration = VirtualRouterConfiguration(
            interface: Self.interfaceName(router.segment), vrid: router.vrid, version: router.version,
            addresses: (0..<count).map { Self.address($0, of: number, router.family) }, password: password)
        configuration.advertisementInterval = .nanoseconds(interval * factor)
        if router.version == .v3, random.chance(150) {
            configuration.advertisementInterval = .nanoseconds(interval * factor * Int64(1 + random.below(3)))
        }
        configuration.priority = equal ? 100 : random.pick([1, 50, 90, 100, 100, 101, 150, 200, 254])
        configuration.preempt = random.chance(750)
        if random.chance(200) { configuration.preemptDelay = .nanoseconds(interval * Int64(1 + random.below(8))) }
        if !rounds { configuration.announcements.rounds = [.zero, .nanoseconds(interval)] }
        configuration.announcements.refresh = refresh
        if startDelay > 0, random.chance(700) { configuration.startDelay = .nanoseconds(startDelay) }
        // Intervals of one router differ by six at most, so none of these silences a master that is heard.
        configuration.intervalLimit = random.pick([10, 10, 10, 10, 3, 4, 4_095])
        configuration.alsoVersion2 = isMigrating && random.chance(700)
        configuration.checksum = random.pick([.automatic, .automatic, .automatic, .message, .pseudoHeader])
        if router.isUnicast {
            configuration.peers = (0..<hosts).map { UnicastPeer(source($0, router.segment, router.family)) }
        }
        configuration.gatesClaim = random.chance(150)
        configuration.gatesRelease = random.chance(200)
        configuration.claim = servesInPart ? .any : .all
        for index in checks.indices where random.chance(700) {
            let effect: CheckEffect = random.pick([.fault, .fault, .weight(-30), .weight(-120), .lastResort])
            configuration.checks.append(CheckReference(check: CheckID(UInt32(index)), effect: effect))
        }
        return configuration
    }

    static func address(_ index: Int, of router: Int, _ family: AddressFamily) -> InterfaceAddress {
        switch family {
        case .ipv4:
            let address = IPv4Address(192, 0, UInt8(100 + router), UInt8(1 + index))
            return InterfaceAddress(address: .ipv4(address), prefixLength: 24)
        case .ipv6:
            let high: UInt64 = index == 0 ? 0xFE80 << 48 : 0x2001_0DB8 << 32
            let low = UInt64(router + 1) << 16 | UInt64(index + 1)
            return InterfaceAddress(address: .ipv6(IPv6Address(high: high, low: low)), prefixLength: 64)
        }
    }

    /// Some virtual routers have an owner, a few of them two by mistake.
    private mutating func distinguish(_ random: inout Randomness) {
        for router in routers.indices where random.chance(150) {
            for _ in 0..<random.pick([1, 1, 1, 1, 2]) {
                let owner = seat(random.below(hosts), router)
                seats[owner]?.priority = 255
                seats[owner]?.claim = .all
            }
        }
    }

    /// A handover only does something on the one host that is master, so it comes more often.
    private static let drawn = PlannedFault.Kind.allCases + [.handover, .handover, .handover, .suspension, .muteness]

    private mutating func addFault(_ random: inout Randomness) {
        let kind = random.pick(Self.drawn)
        let router = random.below(routers.count)
        var host = random.below(hosts)
        while seats[seat(host, router)] == nil { host = (host + 1) % hosts }
        let length = random.pick([interval / 20, interval / 2, interval * 2, interval * 4, interval * 8])
        var fault = PlannedFault(
            kind: kind, at: random.within(0...interval * 24), length: random.within(length / 2...length), host: host,
            router: router, segment: random.below(segments), value: random.below(1_000))
        switch kind {
        case .oneWayCut: fault.value = (host + 1 + random.below(hosts - 1)) % hosts
        case .checkFails, .checkHangs:
            guard !checks.isEmpty else { return }
            fault.value = random.below(checks.count)
        case .priority: fault.value = 1 + random.below(254)
        case .interval: fault.value = 1 + random.below(3)
        case .claimRefused where fault.concernsAllHosts:
            // From one of the first claims until everybody has been refused twice.
            fault.at %= interval * 6
            fault.length = 2_000_000_000 + interval * 12
        default: break
        }
        faults.append(fault)
    }

    /// The longest interval of each router, reloads to come included.
    private mutating func measure() {
        for router in routers.indices {
            for host in 0..<hosts {
                guard let seat = seats[seat(host, router)] else { continue }
                // What version 2 says of the interval counts where version 3 is lost.
                let told = seat.alsoVersion2 ? seat.version2Interval : seat.advertisementInterval
                let interval = max(told, seat.advertisementInterval).nanoseconds
                routers[router].longestInterval = max(routers[router].longestInterval, interval)
                routers[router].longestStartDelay = max(
                    routers[router].longestStartDelay, seat.startDelay.nanoseconds)
            }
            for fault in faults where fault.kind == .interval && fault.router == router {
                routers[router].longestInterval = max(routers[router].longestInterval, interval * Int64(fault.value))
            }
        }
    }
}
