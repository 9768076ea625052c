// The two neighbour discovery messages that the agent sends and reads (RFC 4861 §4.3, §4.4), as values and whole frames.
// Only what announces or asks for an address is here; router discovery is not the agent's business.

/// A neighbour advertisement with its target link-layer option.
package struct NeighborAdvertisement: Hashable, Sendable {
    package var source: IPv6Address
    package var destination: IPv6Address
    package var target: IPv6Address
    /// The target link-layer address option; nil if a received message has none.
    package var targetHardware: MACAddress?
    /// R: the sender is a router.
    package var isRouter: Bool
    /// S: an answer to a solicitation.
    package var isSolicited: Bool
    /// O: replaces what a cache holds.
    package var overrides: Bool

    package init(
        source: IPv6Address, destination: IPv6Address, target: IPv6Address, targetHardware: MACAddress?,
        isRouter: Bool, isSolicited: Bool, overrides: Bool
    ) {
        self.source = source
        self.destination = destination
        self.target = target
        self.targetHardware = targetHardware
        self.isRouter = isRouter
        self.isSolicited = isSolicited
        self.overrides = overrides
    }

    /// The unsolicited advertisement of a new master: from the address itself to all nodes, override set (RFC 9568
    /// §6.4.2; checklist NA-01...NA-05, NA-10).
    package static func unsolicited(
        _ address: IPv6Address, at hardware: MACAddress, isRouter: Bool, to destination: IPv6Address = .allNodes,
        overrides: Bool = true
    ) -> NeighborAdvertisement {
        NeighborAdvertisement(
            source: address, destination: destination, target: address, targetHardware: hardware, isRouter: isRouter,
            isSolicited: false, overrides: overrides)
    }

    /// The whole frame with hop limit 255 and checksum. The Ethernet destination is that of the multicast group unless
    /// one is given for a unicast destination.
    package func frame(source hardware: MACAddress, destination ethernet: MACAddress? = nil) -> [UInt8] {
        let flags: UInt8 = (isRouter ? 0x80 : 0) | (isSolicited ? 0x40 : 0) | (overrides ? 0x20 : 0)
        let message = NeighborMessage(
            type: NeighborMessage.advertisement, flags: flags, target: target, option: 2, hardware: targetHardware)
        return message.frame(
            source: source, destination: destination,
            ethernet: EthernetHeader(
                destination: ethernet ?? .multicast(for: destination), source: hardware, type: EtherType.ipv6))
    }

    /// The advertisement in a frame; nil unless hop limit, checksum, code and length are valid (RFC 4861 §7.1.2).
    package init?(frame: Span<UInt8>) {
        guard let (header, message) = NeighborMessage.parse(frame, type: NeighborMessage.advertisement, option: 2)
        else { return nil }
        self.init(
            source: header.source, destination: header.destination, target: message.target,
            targetHardware: message.hardware, isRouter: message.flags & 0x80 != 0,
            isSolicited: message.flags & 0x40 != 0, overrides: message.flags & 0x20 != 0)
    }
}

/// A neighbour solicitation with its source link-layer option.
package struct NeighborSolicitation: Hashable, Sendable {
    package var source: IPv6Address
    package var destination: IPv6Address
    package var target: IPv6Address
    /// The source link-layer address option; nil if a received message has none.
    package var sourceHardware: MACAddress?

    package init(
        source: IPv6Address, destination: IPv6Address, target: IPv6Address, sourceHardware: MACAddress?
    ) {
        self.source = source
        self.destination = destination
        self.target = target
        self.sourceHardware = sourceHardware
    }

    /// Asks the solicited-node group who holds `target`.
    package static func asking(
        for target: IPv6Address, from source: IPv6Address, at hardware: MACAddress
    ) -> NeighborSolicitation {
        NeighborSolicitation(
            source: source, destination: target.solicitedNode, target: target, sourceHardware: hardware)
    }

    /// The whole frame with hop limit 255 and checksum.
    package func frame(source hardware: MACAddress, destination ethernet: MACAddress? = nil) -> [UInt8] {
        NeighborMessage(
            type: NeighborMessage.solicitation, flags: 0, target: target, option: 1, hardware: sourceHardware
        ).frame(
            source: source, destination: destination,
            ethernet: EthernetHeader(
                destination: ethernet ?? .multicast(for: destination), source: hardware, type: EtherType.ipv6))
    }

    /// The solicitation in a frame; nil unless hop limit, checksum, code and length are valid (RFC 4861 §7.1.1).
    package init?(frame: Span<UInt8>) {
        guard let (header, message) = NeighborMessage.parse(frame, type: NeighborMessage.solicitation, option: 1)
        else { return nil }
        self.init(
            source: header.source, destination: header.destination, target: message.target,
            sourceHardware: message.hardware)
    }
}

/// What both messages share: 24 octets of ICMPv6 and one link-layer option of 8.
private struct NeighborMessage {
    static let solicitation: UInt8 = 135
    static let advertisement: UInt8 = 136

    var type: UInt8
    var flags: UInt8
    var target: IPv6Address
    var option: UInt8
    var hardware: MACAddress?

    func frame(source: IPv6Address, destination: IPv6Address, ethernet: EthernetHeader) -> [UInt8] {
        let length = hardware == nil ? 24 : 32
        var frame: [UInt8] = []
        frame.reserveCapacity(EthernetHeader.length + IPHeader.ipv6Length + length)
        ethernet.append(to: &frame)
        let header = IPHeader(
            from: .ipv6(source), to: .ipv6(destination), hopLimit: 255, protocolNumber: ProtocolNumber.icmpv6,
            length: length)
        header.append(to: &frame)
        let start = frame.count
        frame.append(type)
        frame.append(0)
        frame.append(word: 0)
        frame.append(contentsOf: [flags, 0, 0, 0])
        frame.append(.ipv6(target))
        if let hardware {
            frame.append(option)
            frame.append(1)
            frame.append(hardware)
        }
        var checksum = header.checksum
        checksum.add(frame.span.extracting(start...), count: length)
        frame.replace(wordAt: start + 2, with: checksum.field)
        return frame
    }

    static func parse(
        _ frame: Span<UInt8>, type: UInt8, option: UInt8
    ) -> (header: (source: IPv6Address, destination: IPv6Address), message: NeighborMessage)? {
        guard let header = IPHeader(frame: frame), header.protocolNumber == ProtocolNumber.icmpv6,
            header.hopLimit == 255, case .ipv6(let source) = header.source,
            case .ipv6(let destination) = header.destination
        else { return nil }
        let (start, length) = (header.start, header.length)
        guard length >= 24, frame.count >= start + length, frame[start] == type, frame[start + 1] == 0 else {
            return nil
        }
        var checksum = header.checksum
        checksum.add(frame.extracting(start..<(start + length)), count: length)
        guard checksum.folded == 0xFFFF else { return nil }
        var message = NeighborMessage(
            type: type, flags: frame[start + 4], target: frame.ipv6(at: start + 8), option: option, hardware: nil)
        var place = start + 24
        while place + 8 <= start + length {
            let octets = Int(frame[place + 1]) * 8
            guard octets > 0 else { return nil }
            if frame[place] == option { message.hardware = frame.mac(at: place + 2) }
            place += octets
        }
        return ((source, destination), message)
    }
}
