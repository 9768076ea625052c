// What frames of other hosts say that concerns our addresses: who claims one in ARP or neighbour discovery, who sends adverts, and who
// answers an echo request. They are looked at as they are on the wire, in front of every firewall and every socket, and say no more than
// that somebody sent them.

/// Somebody says in ARP (RFC 826) or neighbour discovery (RFC 4861) that an address is at a hardware address.
package struct AddressClaim: Hashable, Sendable {
    package var address: IPAddress
    package var hardware: MACAddress
    /// Every neighbour that knows the address believes it at once: gratuitous ARP, or an advertisement to all nodes that overrides.
    package var isAnnouncement: Bool

    package init(address: IPAddress, hardware: MACAddress, isAnnouncement: Bool) {
        self.address = address
        self.hardware = hardware
        self.isAnnouncement = isAnnouncement
    }

    /// The claim in a frame; nil for one that makes none. Probes (RFC 5227 §1.1, RFC 4862 §5.4.2) only ask.
    package init?(frame: Span<UInt8>) {
        if let packet = ARPPacket(frame: frame) {
            guard packet.operation == .request || packet.operation == .reply, packet.senderProtocol.bits != 0 else {
                return nil
            }
            self.init(
                address: .ipv4(packet.senderProtocol), hardware: packet.senderHardware,
                isAnnouncement: packet.senderProtocol == packet.targetProtocol)
        } else if let advertisement = NeighborAdvertisement(frame: frame) {
            guard let hardware = advertisement.targetHardware ?? EthernetHeader(frame: frame)?.source else {
                return nil
            }
            self.init(
                address: .ipv6(advertisement.target), hardware: hardware,
                isAnnouncement: advertisement.overrides && advertisement.targetHardware != nil
                    && advertisement.destination == .allNodes)
        } else if let solicitation = NeighborSolicitation(frame: frame), let hardware = solicitation.sourceHardware,
            !solicitation.source.isUnspecified
        {
            self.init(address: .ipv6(solicitation.source), hardware: hardware, isAnnouncement: false)
        } else {
            return nil
        }
    }
}

/// The beginning of an advert as it is on the wire. Its checksum, its addresses and its password are not looked at.
package struct AdvertGlimpse: Hashable, Sendable {
    /// Ethernet source and destination.
    package var hardware: MACAddress
    package var destination: MACAddress
    package var origin: PacketOrigin
    /// As it stands in the first octet, 0...15.
    package var version: UInt8
    package var vrid: UInt8
    package var priority: UInt8
    /// The advertised interval, at least 10 ms.
    package var interval: Duration

    package init(
        hardware: MACAddress, destination: MACAddress, origin: PacketOrigin, version: UInt8, vrid: UInt8,
        priority: UInt8, interval: Duration
    ) {
        self.hardware = hardware
        self.destination = destination
        self.origin = origin
        self.version = version
        self.vrid = vrid
        self.priority = priority
        self.interval = interval
    }

    /// The advert that a frame begins with; nil for any other frame, and for a fragment.
    package init?(frame: Span<UInt8>) {
        guard let ethernet = EthernetHeader(frame: frame), let header = IPHeader(frame: frame),
            header.protocolNumber == vrrpProtocolNumber
        else { return nil }
        let start = header.start
        guard frame.count >= start + Advertisement.addressOffset, frame[start] & 0x0F == 1 else { return nil }
        let origin = PacketOrigin(
            source: header.source, destination: header.destination, hopLimit: header.hopLimit)
        let version = frame[start] >> 4
        let interval: Duration =
            version == ProtocolVersion.v2.rawValue
            ? .seconds(Int(frame[start + 5])) : .milliseconds(Int(frame.word(at: start + 4) & 0x0FFF) * 10)
        self.init(
            hardware: ethernet.source, destination: ethernet.destination, origin: origin, version: version,
            vrid: frame[start + 1], priority: frame[start + 2], interval: max(interval, .milliseconds(10)))
    }
}

/// One of the three.
package enum Overheard: Hashable, Sendable {
    case claim(AddressClaim)
    case advert(AdvertGlimpse)
    /// An echo reply, and the hardware address that it was sent to: an interface that hears everything hears those for other hosts, too.
    case answer(EchoMessage, at: MACAddress)

    /// Nil for a frame that is none of them.
    package init?(frame: Span<UInt8>) {
        if let claim = AddressClaim(frame: frame) {
            self = .claim(claim)
        } else if let advert = AdvertGlimpse(frame: frame) {
            self = .advert(advert)
        } else if let message = EchoMessage(frame: frame), message.kind == .reply,
            let destination = EthernetHeader(frame: frame)?.destination
        {
            self = .answer(message, at: destination)
        } else {
            return nil
        }
    }
}
