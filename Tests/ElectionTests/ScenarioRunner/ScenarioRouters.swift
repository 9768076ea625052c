// The longer commands of a transcript: the configuration of a virtual router, adverts of strangers, an engine that dies and
// returns, and what is shown of a router.

import Election
import Wire

extension ScenarioWorld {
    /// A new router, or a reload that changes the keys that are given.
    mutating func configure(
        _ words: inout ScenarioWords, _ host: Int, _ actions: inout [RouterAction]
    ) throws(ScenarioError) {
        let name = try words.next("router")
        let existing = hosts[host].routers.firstIndex { $0.name == name }
        var configuration =
            existing.map { hosts[host].routers[$0].configuration }
            ?? VirtualRouterConfiguration(interface: "eth0", vrid: 10, addresses: [])
        var announcesStandard = existing == nil
        while !words.isEmpty {
            let key = try words.next("key")
            if key == "announce" || key == "refresh" { announcesStandard = false }
            try set(key, &words, in: &configuration)
        }
        guard !configuration.addresses.isEmpty else { throw ScenarioError("a router needs addresses") }
        if announcesStandard { configuration.announcements = .standard(for: configuration.family) }
        let id: RouterID
        if let existing {
            id = hosts[host].routers[existing].id
            hosts[host].routers[existing].configuration = configuration
        } else {
            id = RouterID(nextRouter)
            nextRouter += 1
            hosts[host].routers.append((name, id, configuration))
        }
        hosts[host].node.configure(id, configuration, disabled: false, at: now, appendingTo: &actions)
    }

    /// One key with its value; new keys belong here and into Scenarios/README.md.
    private mutating func set(
        _ key: String, _ words: inout ScenarioWords, in configuration: inout VirtualRouterConfiguration
    ) throws(ScenarioError) {
        switch key {
        case "vrid": configuration.vrid = try words.number(key)
        case "version":
            let word = try words.next(key)
            configuration.alsoVersion2 = word == "both"
            configuration.version = word == "both" ? .v3 : try Self.version(word)
        case "peers": configuration.peers = try Self.peers(words.next(key))
        case "priority": configuration.priority = try words.number(key)
        case "interval": configuration.advertisementInterval = try words.duration(key)
        case "preempt": configuration.preempt = try words.flag(key)
        case "preempt-delay": configuration.preemptDelay = try words.duration(key)
        case "start-delay": configuration.startDelay = try words.duration(key)
        case "interval-limit": configuration.intervalLimit = try words.number(key)
        case "addresses": configuration.addresses = try Self.addresses(words.next(key))
        case "password": configuration.password = Array(try words.next(key).utf8)
        case "strict-first-address": configuration.strictFirstAddress = try words.flag(key)
        case "claim":
            switch try words.next(key) {
            case "all": configuration.claim = .all
            case "any": configuration.claim = .any
            case let other: throw ScenarioError("claim is all or any, not '\(other)'")
            }
        case "refresh": configuration.announcements.refresh = try words.duration(key)
        case "gate-claim": configuration.gatesClaim = try words.flag(key)
        case "gate-release": configuration.gatesRelease = try words.flag(key)
        case "announce":
            var rounds: [Duration] = []
            for part in try words.next(key).split(separator: ",") {
                rounds.append(try Duration(transcript: String(part)))
            }
            configuration.announcements.rounds = rounds
        case "checksum":
            switch try words.next(key) {
            case "auto": configuration.checksum = .automatic
            case "message": configuration.checksum = .message
            case "pseudo": configuration.checksum = .pseudoHeader
            case let other: throw ScenarioError("checksum is auto, message or pseudo, not '\(other)'")
            }
        case "checks": configuration.checks = try checks(words.next(key))
        default: throw ScenarioError("a router has no key '\(key)'")
        }
    }

    private static func version(_ word: String) throws(ScenarioError) -> ProtocolVersion {
        guard let number = UInt8(word), let version = ProtocolVersion(rawValue: number) else {
            throw ScenarioError("version is 2, 3 or, for a router, both")
        }
        return version
    }

    /// `192.0.2.3,198.51.100.3:254`: addresses, with the least hop limit where it is not 255. IPv4 only.
    private static func peers(_ text: String) throws(ScenarioError) -> [UnicastPeer] {
        var peers: [UnicastPeer] = []
        for part in text.split(separator: ",") where part != "none" {
            let pieces = part.split(separator: ":").map(String.init)
            guard let address = pieces.first.flatMap({ IPAddress($0) }),
                let least = UInt8(pieces.count == 2 ? pieces[1] : "255")
            else { throw ScenarioError("'\(part)' is no peer") }
            peers.append(UnicastPeer(address, minimumHopLimit: least))
        }
        return peers
    }

    static func addresses(_ text: String) throws(ScenarioError) -> [InterfaceAddress] {
        var addresses: [InterfaceAddress] = []
        for part in text.split(separator: ",") {
            guard let address = InterfaceAddress(String(part)) else { throw ScenarioError("'\(part)' is no address") }
            addresses.append(address)
        }
        return addresses
    }

    /// `db:fault,web:-50,gateway:last-resort`.
    private mutating func checks(_ text: String) throws(ScenarioError) -> [CheckReference] {
        var references: [CheckReference] = []
        for part in text.split(separator: ",") where part != "none" {
            let pieces = part.split(separator: ":").map(String.init)
            guard pieces.count == 2 else { throw ScenarioError("'\(part)' is not CHECK:EFFECT") }
            let effect: CheckEffect
            switch pieces[1] {
            case "fault": effect = .fault
            case "last-resort": effect = .lastResort
            default:
                guard let weight = Int16(pieces[1]) else { throw ScenarioError("'\(pieces[1])' is no effect") }
                effect = .weight(weight)
            }
            references.append(CheckReference(check: check(named: pieces[0]), effect: effect))
        }
        return references
    }

    // MARK: - Strangers

    /// An advert from somebody who is no host of the transcript; it is as the router's own would be, but for what is given.
    mutating func hear(_ words: inout ScenarioWords, _ host: Int) throws(ScenarioError) {
        let router = try hosts[host].router(words.next("router"))
        let configuration = router.configuration
        var advert = OutgoingAdvertisement(
            version: configuration.version, vrid: configuration.vrid, priority: 100,
            interval: configuration.advertisementInterval, addresses: configuration.addresses.map(\.address),
            password: configuration.password)
        var origin: PacketOrigin?
        var destination: IPAddress?
        var hopLimit: UInt8 = 255
        var times = 1
        var distance = Duration.zero
        while !words.isEmpty {
            let key = try words.next("key")
            switch key {
            case "from":
                let source = try words.address(key)
                origin = PacketOrigin(source: source, destination: .vrrpGroup(source.family), hopLimit: 255)
            case "to": destination = try words.address(key)
            case "priority": advert.priority = try words.number(key)
            case "interval": advert.interval = try words.duration(key)
            case "version": advert.version = try Self.version(words.next(key))
            case "vrid": advert.vrid = try words.number(key)
            case "addresses": advert.addresses = try Self.addresses(words.next(key)).map(\.address)
            case "form": advert.checksumForm = try words.next(key) == "pseudo" ? .pseudoHeader : .message
            case "password": advert.password = Array(try words.next(key).utf8)
            case "no-password": advert.password = nil
            case "ttl": hopLimit = try words.number(key)
            case "times": times = try words.number(key)
            case "every": distance = try words.duration(key)
            default: throw ScenarioError("an advert has no '\(key)'")
            }
        }
        guard var origin else { throw ScenarioError("from whom?") }
        origin.hopLimit = hopLimit
        if let destination { origin.destination = destination }
        var payload: [UInt8] = []
        advert.encode(into: &payload, source: origin.source, destination: origin.destination)
        for index in 0..<times {
            packets.append(
                ScenarioPacket(host: host, arrives: now + distance * index, payload: payload, origin: origin))
        }
        try run(for: distance * (times - 1))
    }

    // MARK: - The engine

    /// `engine dies` leaves addresses and sockets, `engine returns as-master` or `as-backup` starts anew from snapshots.
    mutating func engine(_ words: inout ScenarioWords, _ host: Int) throws(ScenarioError) {
        switch try words.next("dies or returns") {
        case "dies":
            for router in hosts[host].routers {
                guard let state = hosts[host].node.router(router.id) else { continue }
                var snapshot = RouterSnapshot(router: router.id, state: state.stateName)
                snapshot.counters = state.counters
                snapshot.lastTransition = state.lastTransition
                hosts[host].snapshots[router.id] = snapshot
            }
            hosts[host].life = .engineDead
        case "returns":
            let word = try words.next("as-master or as-backup")
            guard word == "as-master" || word == "as-backup" else { throw ScenarioError("'\(word)' is not understood") }
            restart(host, asMaster: word == "as-master")
        case let other: throw ScenarioError("an engine does not '\(other)'")
        }
    }

    private mutating func restart(_ host: Int, asMaster: Bool) {
        hosts[host].life = .running
        hosts[host].node = Node()
        var actions: [RouterAction] = []
        hosts[host].node.interface("eth0", hosts[host].facts, at: now, appendingTo: &actions)
        for (check, entry) in hosts[host].verdicts {
            hosts[host].node.define(
                check: check, timeToLive: entry.timeToLive, known: entry.known, at: now, appendingTo: &actions)
        }
        for router in hosts[host].routers {
            let snapshot = hosts[host].snapshots[router.id]
            let wasMaster = snapshot?.state == .master
            if wasMaster, !asMaster {
                say("\(hosts[host].name) \(router.name): too old to resume, its addresses are removed")
                hosts[host].held[router.id] = []
            }
            hosts[host].node.configure(
                router.id, router.configuration, disabled: false, resuming: snapshot, asMaster: asMaster && wasMaster,
                at: now, appendingTo: &actions)
        }
        perform(actions, on: host)
        readInbox(host)
    }

    // MARK: - Reading

    /// State, priorities, the master as it is known, addresses, and the named counters.
    mutating func show(_ words: inout ScenarioWords, _ host: Int) throws(ScenarioError) {
        let name = try words.next("router")
        let id = try hosts[host].router(name).id
        guard let router = hosts[host].node.router(id) else { throw ScenarioError("the router has gone") }
        var text = "\(hosts[host].name) \(name): \(router.stateName), priority \(router.effectivePriority)"
        if let master = router.master, !router.isAdvertising {
            text += ", behind \(master) of priority \(router.masterPriority)"
        }
        text += ", master's interval \(router.masterInterval.transcript)"
        if router.checksumForm != .message { text += ", sends \(router.checksumForm) checksums" }
        let held = hosts[host].held[id] ?? []
        text += held.isEmpty ? ", holds nothing" : ", holds \(wording.list(held))"
        for fault in router.faults { text += ", fault: \(wording.text(fault))" }
        for fault in router.degraded { text += ", without: \(wording.text(fault))" }
        while !words.isEmpty {
            let word = try words.next("counter")
            guard let counter = Counter.allCases.first(where: { "\($0)" == word }) else {
                throw ScenarioError("there is no counter '\(word)'")
            }
            text += ", \(word) \(router.counters[counter])"
        }
        say(text)
    }
}
