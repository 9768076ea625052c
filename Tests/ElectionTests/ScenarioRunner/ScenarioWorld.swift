// Hosts on one perfect link in virtual time, for transcripts: each has a real Node, adverts travel as octets and are
// received by the real parser. Nothing is random and nothing is faked but kernel, commands and clock.

import Election
import Wire

/// One host of a transcript. Its only interface is eth0.
struct ScenarioHost {
    enum Claims {
        case succeed, fail, wait
        /// All but these succeed.
        case refuse([InterfaceAddress])
    }

    /// How it is between the wire and its Node.
    enum Life { case running, paused, dead, engineDead }

    var name: String
    var node = Node()
    var facts: InterfaceFacts?
    var routers: [(name: String, id: RouterID, configuration: VirtualRouterConfiguration)] = []
    /// What the supervisor knows of the checks.
    var verdicts: [CheckID: (timeToLive: Duration, known: CheckTable.Known)] = [:]
    var claims = Claims.succeed
    var life = Life.running
    /// Since when it is paused.
    var pausedAt: Instant?
    /// Its adverts do not leave.
    var isMute = false
    /// Waiting in the socket.
    var inbox: [ScenarioPacket] = []
    var held: [RouterID: [InterfaceAddress]] = [:]
    var snapshots: [RouterID: RouterSnapshot] = [:]
    /// The deadline of a backup that was last written down.
    var shown: [RouterID: Instant] = [:]

    func router(_ name: String) throws(ScenarioError) -> (id: RouterID, configuration: VirtualRouterConfiguration) {
        guard let router = routers.first(where: { $0.name == name }) else {
            throw ScenarioError("host \(self.name) has no router \(name)")
        }
        return (router.id, router.configuration)
    }

    /// What is sent there comes to this host: the group, or its own address.
    func isReached(by destination: IPAddress) -> Bool {
        guard destination != .vrrpGroup(destination.family) else { return true }
        return switch destination {
        case .ipv4(let address): facts?.sourceIPv4 == address
        case .ipv6(let address): facts?.sourceIPv6 == address
        }
    }
}

struct ScenarioPacket {
    var host: Int
    var arrives: Instant
    var payload: [UInt8]
    var origin: PacketOrigin
}

/// An address that another host announced, on its way to one host.
struct ScenarioAnnouncement {
    var sender: Int
    var host: Int
    var arrives: Instant
    var address: IPAddress
}

struct ScenarioWorld {
    /// A line of the result; adverts that follow each other are one line.
    struct Line {
        var time: Instant
        var text: String
        var isAdvert = false
        var count = 1
        var last: Instant
    }

    static let start = Instant(nanoseconds: 1_000_000_000_000)

    var now = start
    var hosts: [ScenarioHost] = []
    var wording = ScenarioWording()
    var delay = Duration.zero
    var isCut = false
    var packets: [ScenarioPacket] = []
    var announcements: [ScenarioAnnouncement] = []
    var lines: [Line] = []
    var nextRouter: UInt32 = 1

    // MARK: - Time

    /// Lets `span` pass: packets arrive, then deadlines are served, as in the engine.
    mutating func run(for span: Duration) throws(ScenarioError) {
        let end = now + span
        var turns = 0
        while let next = nextMoment, next <= end {
            turns += 1
            guard turns < 200_000 else { throw ScenarioError("too much happens in \(span.transcript)") }
            now = max(now, next)
            deliver()
            for host in hosts.indices where hosts[host].life == .running { wake(host) }
        }
        now = end
    }

    private var nextMoment: Instant? {
        var moments = packets.map(\.arrives) + announcements.map(\.arrives)
        for host in hosts where host.life == .running {
            if let deadline = host.node.deadline { moments.append(deadline) }
        }
        return moments.min()
    }

    private mutating func deliver() {
        let arrived = packets.filter { $0.arrives <= now }
        packets.removeAll { $0.arrives <= now }
        for packet in arrived {
            switch hosts[packet.host].life {
            case .running: receive(packet)
            case .paused, .engineDead: hosts[packet.host].inbox.append(packet)
            case .dead: break
            }
        }
        let heard = announcements.filter { $0.arrives <= now }
        announcements.removeAll { $0.arrives <= now }
        // Adverts before ARP, as in the engine. Who does not run forgets them.
        for announcement in heard where hosts[announcement.host].life == .running {
            guard let facts = hosts[announcement.host].facts, facts.isUp, facts.hasCarrier else { continue }
            var actions: [RouterAction] = []
            let claim = AddressClaim(
                address: announcement.address, hardware: hardware(announcement.sender), isAnnouncement: true)
            hosts[announcement.host].node.claimHeard(
                claim, speakers: speakers, interfaceIndex: facts.index, at: now, appendingTo: &actions)
            perform(actions, on: announcement.host)
        }
    }

    private func hardware(_ host: Int) -> MACAddress { MACAddress(2, 0, 0, 0, 0, UInt8(truncatingIfNeeded: host)) }

    /// What everybody has seen on the wire: each host sends adverts from a hardware address of its own.
    private var speakers: SpeakerTable {
        var table = SpeakerTable()
        for host in hosts.indices {
            let facts = hosts[host].facts
            let sources = [facts?.sourceIPv4.map(IPAddress.ipv4), facts?.sourceIPv6.map(IPAddress.ipv6)]
            for source in sources.compactMap({ $0 }) {
                let origin = PacketOrigin(source: source, destination: .vrrpGroup(source.family), hopLimit: 255)
                let advert = AdvertGlimpse(
                    hardware: hardware(host), destination: .broadcast, origin: origin, version: 3, vrid: 1,
                    priority: 100, interval: .seconds(1))
                _ = table.see(advert, arrived: true, at: now)
            }
        }
        return table
    }

    mutating func wake(_ host: Int) {
        var actions: [RouterAction] = []
        hosts[host].node.wake(at: now, appendingTo: &actions)
        perform(actions, on: host)
    }

    /// What waited is read before any deadline is served.
    mutating func readInbox(_ host: Int) {
        if let since = hosts[host].pausedAt {
            hosts[host].pausedAt = nil
            var actions: [RouterAction] = []
            hosts[host].node.wakeUp(after: now - since, suspended: .zero, at: now, appendingTo: &actions)
            perform(actions, on: host)
        }
        let waiting = hosts[host].inbox
        hosts[host].inbox = []
        for packet in waiting { receive(packet) }
        wake(host)
    }

    mutating func receive(_ packet: ScenarioPacket) {
        let host = packet.host
        guard let facts = hosts[host].facts, facts.isUp, facts.hasCarrier else { return }
        var actions: [RouterAction] = []
        let notice = hosts[host].node.receive(
            packet.payload.span, from: packet.origin, interfaceIndex: facts.index, heardAt: packet.arrives, at: now,
            appendingTo: &actions)
        if let notice {
            let router = hosts[host].routers.first { $0.id == notice.router }?.name ?? "no router"
            say("\(hosts[host].name) \(router): \(notice.reason.name), from \(packet.origin.source)")
        }
        perform(actions, on: host)
    }

    // MARK: - Actions

    /// Performs what a Node wants, as the engine does, and writes it down.
    mutating func perform(_ wanted: [RouterAction], on host: Int) {
        var actions = wanted
        var position = 0
        repeat {
            while position < actions.count {
                perform(actions[position], on: host, &actions)
                position += 1
            }
        } while hosts[host].node.forgetRemoved(at: now, appendingTo: &actions)
        let known = hosts[host].node.routerIDs
        hosts[host].routers.removeAll { !known.contains($0.id) }
    }

    private mutating func perform(_ wanted: RouterAction, on host: Int, _ actions: inout [RouterAction]) {
        let id = wanted.router
        guard let router = hosts[host].node.router(id) else { return }
        let name = hosts[host].routers.first { $0.id == id }?.name ?? "?"
        var text = "\(hosts[host].name) \(name): " + wording.text(wanted.action, of: router.configuration)
        if case .transition = wanted.action { text += until(router, id, host) }
        var isAdvert = false
        if case .sendAdvert = wanted.action { isAdvert = true }
        say(text, isAdvert: isAdvert)
        switch wanted.action {
        case .sendAdvert(let priority):
            if hosts[host].isMute {
                hosts[host].node.sendingEnded(id, failure: 1, at: now, appendingTo: &actions)
            } else {
                send(router, priority, from: host)
                hosts[host].node.sendingEnded(id, failure: nil, at: now, appendingTo: &actions)
            }
        case .claim(let addresses): claim(addresses, id, on: host, &actions)
        case .release(let addresses): hosts[host].held[id]?.removeAll { addresses.contains($0) }
        case .announce(let range): announce(range, router, from: host)
        case .verify, .ask, .addressClaimed, .settleRouting, .runGate, .cancelGate, .transition, .peerDiffers,
            .unsteady, .degraded, .handover, .releaseGateFailed:
            break
        }
    }

    private mutating func claim(
        _ addresses: [InterfaceAddress], _ id: RouterID, on host: Int, _ actions: inout [RouterAction]
    ) {
        switch hosts[host].claims {
        case .wait: break
        case .succeed:
            hosts[host].held[id, default: []] += addresses.filter { !(hosts[host].held[id] ?? []).contains($0) }
            hosts[host].node.claimed(id, failure: nil, at: now, appendingTo: &actions)
        case .fail:
            let failure = ClaimFailure(address: addresses[0], code: 13)
            hosts[host].node.claimed(id, failure: failure, at: now, appendingTo: &actions)
        case .refuse(let refused):
            for address in addresses where !(hosts[host].held[id] ?? []).contains(address) {
                guard refused.contains(address) else {
                    hosts[host].held[id, default: []].append(address)
                    continue
                }
                let failure = ClaimFailure(address: address, code: 13)
                hosts[host].node.claimed(id, failure: failure, at: now, appendingTo: &actions)
                guard hosts[host].node.router(id)?.servesInPart ?? false else { return }
            }
            hosts[host].node.claimed(id, failure: nil, at: now, appendingTo: &actions)
        }
    }

    private mutating func send(_ router: VirtualRouter, _ priority: UInt8, from host: Int) {
        guard let source = router.standing.localAddress, !isCut else { return }
        let (advert, twin) = router.adverts(priority: priority)
        for advert in [advert, twin].compactMap({ $0 }) {
            router.configuration.forEachDestination(from: source) { destination in
                var payload: [UInt8] = []
                advert.encode(into: &payload, source: source, destination: destination)
                let origin = PacketOrigin(source: source, destination: destination, hopLimit: 255)
                for other in hosts.indices where other != host && hosts[other].isReached(by: destination) {
                    packets.append(ScenarioPacket(host: other, arrives: now + delay, payload: payload, origin: origin))
                }
            }
        }
    }

    private mutating func announce(_ range: Range<Int>, _ router: VirtualRouter, from host: Int) {
        guard !isCut else { return }
        for address in router.configuration.addresses[range] where !router.lacks(address) {
            for other in hosts.indices where other != host {
                announcements.append(
                    ScenarioAnnouncement(
                        sender: host, host: other, arrives: now + delay, address: address.address))
            }
        }
    }

    // MARK: - Lines

    mutating func say(_ text: String, isAdvert: Bool = false) {
        if isAdvert, let index = lines.indices.last, lines[index].isAdvert, lines[index].text == text {
            lines[index].count += 1
            lines[index].last = now
            return
        }
        lines.append(Line(time: now, text: text, isAdvert: isAdvert, last: now))
    }

    /// When a backup will take over, or a fault be tried again.
    private mutating func until(_ router: VirtualRouter, _ id: RouterID, _ host: Int) -> String {
        guard let deadline = router.deadline, !router.isAdvertising, router.stateName != .resigning else { return "" }
        hosts[host].shown[id] = deadline
        let what = router.stateName == .fault ? "tries again" : "master-down"
        return ", \(what) at \((deadline - Self.start).transcript)"
    }

    /// Writes down the timers of backups that the last command moved; with `quietly` only takes notice of them.
    mutating func showTimers(quietly: Bool) {
        for host in hosts.indices where hosts[host].life == .running {
            for router in hosts[host].routers {
                guard let state = hosts[host].node.router(router.id), state.stateName == .backup, !state.isAdvertising,
                    let deadline = state.deadline, hosts[host].shown[router.id] != deadline
                else { continue }
                hosts[host].shown[router.id] = deadline
                guard !quietly else { continue }
                say("\(hosts[host].name) \(router.name): master-down at \((deadline - Self.start).transcript)")
            }
        }
    }

    mutating func takeLines() -> [String] {
        defer { lines = [] }
        return lines.map { line in
            let time = (line.time - Self.start).transcript
            guard line.count > 1 else { return "\(time) \(line.text)" }
            return "\(time) \(line.text), \(line.count) times until \((line.last - Self.start).transcript)"
        }
    }
}
