// A whole Node on a bench, and what others say to it: adverts as octets, claims of its addresses, adverts that pass by.

import Testing
import Wire

@testable import Election

/// A node on a bench. Claims succeed at once.
struct NodeBench {
    var node = Node()
    var now = Instant(nanoseconds: 1_000_000_000_000)
    var actions: [RouterAction] = []

    static let peer = IPAddress.ipv4(IPv4Address(192, 0, 2, 3))
    static let peer6 = IPAddress.ipv6(IPv6Address(high: 0xFE80 << 48, low: 3))

    init() {
        var facts = InterfaceFacts(index: 7)
        facts.sourceIPv4 = IPv4Address(192, 0, 2, 2)
        facts.sourceIPv6 = IPv6Address(high: 0xFE80 << 48, low: 2)
        node.interface("eth0", facts, at: now, appendingTo: &actions)
        facts.index = 8
        node.interface("eth1", facts, at: now, appendingTo: &actions)
    }

    mutating func step(_ body: (inout Node, Instant, inout [RouterAction]) -> Void) {
        actions = []
        body(&node, now, &actions)
        var position = 0
        while position < actions.count {
            if case .claim = actions[position].action {
                node.claimed(actions[position].router, failure: nil, at: now, appendingTo: &actions)
            }
            position += 1
        }
    }

    mutating func add(_ number: UInt32, _ change: (inout VirtualRouterConfiguration) -> Void = { _ in }) {
        var configuration = Bench.configuration()
        change(&configuration)
        step { node, now, actions in
            node.configure(RouterID(number), configuration, disabled: false, at: now, appendingTo: &actions)
        }
    }

    @discardableResult
    mutating func receive(
        _ priority: UInt8, vrid: UInt8 = 10, version: ProtocolVersion = .v3, interface: UInt32 = 7,
        from source: IPAddress = NodeBench.peer, to destination: IPAddress? = nil, hopLimit: UInt8 = 255,
        addresses: [IPAddress]? = nil, interval: Duration = .seconds(1), password: [UInt8]? = nil,
        form: ChecksumForm = .message, damage: (inout [UInt8]) -> Void = { _ in }
    ) -> Node.DropNotice? {
        let group = destination ?? IPAddress.vrrpGroup(source.family)
        var payload: [UInt8] = []
        let list = addresses ?? (source.family == .ipv4 ? [Bench.vip.address] : [Self.peer6])
        OutgoingAdvertisement(
            version: version, vrid: vrid, priority: priority, interval: interval, addresses: list,
            checksumForm: form, password: password
        ).encode(into: &payload, source: source, destination: group)
        damage(&payload)
        var notice: Node.DropNotice?
        step { node, now, actions in
            notice = node.receive(
                payload.span, from: PacketOrigin(source: source, destination: group, hopLimit: hopLimit),
                interfaceIndex: interface, heardAt: now, at: now, appendingTo: &actions)
        }
        return notice
    }

    mutating func wait(_ span: Duration) {
        now = now + span
        step { node, now, actions in node.wake(at: now, appendingTo: &actions) }
    }

    static let stranger = MACAddress(2, 0, 0, 0, 0, 0x99)
    /// Where the peers send adverts from.
    static let peerHardware = MACAddress(2, 0, 0, 0, 0, 3)

    static func glimpse(
        _ priority: UInt8, vrid: UInt8 = 10, version: UInt8 = 3, from source: IPAddress = NodeBench.peer,
        at hardware: MACAddress = NodeBench.peerHardware, interval: Duration = .seconds(1), hopLimit: UInt8 = 255
    ) -> AdvertGlimpse {
        let origin = PacketOrigin(source: source, destination: .vrrpGroup(source.family), hopLimit: hopLimit)
        return AdvertGlimpse(
            hardware: hardware, destination: .broadcast, origin: origin, version: version, vrid: vrid,
            priority: priority, interval: interval)
    }

    /// The peers have been seen on the wire.
    static let speakers: SpeakerTable = {
        var table = SpeakerTable()
        _ = table.see(glimpse(100), arrived: true, at: Instant(nanoseconds: 0))
        return table
    }()

    mutating func claim(
        _ address: IPAddress, at hardware: MACAddress = NodeBench.stranger, isAnnouncement: Bool = true,
        interface: UInt32 = 7, speakers: SpeakerTable = NodeBench.speakers
    ) {
        let claim = AddressClaim(address: address, hardware: hardware, isAnnouncement: isAnnouncement)
        step { node, now, actions in
            node.claimHeard(
                claim, speakers: speakers, interfaceIndex: interface, at: now, appendingTo: &actions)
        }
    }

    mutating func miss(_ priority: UInt8, inARow count: Int, interface: UInt32 = 7) {
        miss(Self.glimpse(priority), inARow: count, interface: interface)
    }

    mutating func miss(_ advert: AdvertGlimpse, inARow count: Int, interface: UInt32 = 7) {
        step { node, now, actions in
            node.advertMissed(advert, inARow: count, interfaceIndex: interface, at: now, appendingTo: &actions)
        }
    }

    func state(_ number: UInt32) -> StateName? { node.router(RouterID(number))?.stateName }
    func counter(_ counter: Counter, _ number: UInt32 = 1) -> UInt64? {
        node.router(RouterID(number))?.counters[counter]
    }
}
