// ARP and RARP over Ethernet for IPv4 (RFC 826, RFC 903, RFC 5227): the packet as a value, the forms that announce an
// address, and whole frames. It decides nothing about when they are sent.

/// An ARP or RARP packet with 48-bit hardware and IPv4 protocol addresses.
package struct ARPPacket: Hashable, Sendable {
    package enum Operation: UInt16, Hashable, Sendable {
        case request = 1
        case reply = 2
        case reverseRequest = 3
        case reverseReply = 4
    }

    package var operation: Operation
    package var senderHardware: MACAddress
    package var senderProtocol: IPv4Address
    package var targetHardware: MACAddress
    package var targetProtocol: IPv4Address

    package init(
        operation: Operation, senderHardware: MACAddress, senderProtocol: IPv4Address, targetHardware: MACAddress,
        targetProtocol: IPv4Address
    ) {
        self.operation = operation
        self.senderHardware = senderHardware
        self.senderProtocol = senderProtocol
        self.targetHardware = targetHardware
        self.targetProtocol = targetProtocol
    }

    /// The gratuitous request of a new master: sender and target are the address, both hardware fields its MAC
    /// (RFC 9568 §6.4.1 with errata 7947 and 7949; checklist GARP-02).
    package static func gratuitousRequest(_ address: IPv4Address, at hardware: MACAddress) -> ARPPacket {
        ARPPacket(
            operation: .request, senderHardware: hardware, senderProtocol: address, targetHardware: hardware,
            targetProtocol: address)
    }

    /// The gratuitous reply. The target hardware address is the sender's: zero or broadcast loses on Linux inside its
    /// locktime (checklist GARP-05).
    package static func gratuitousReply(_ address: IPv4Address, at hardware: MACAddress) -> ARPPacket {
        ARPPacket(
            operation: .reply, senderHardware: hardware, senderProtocol: address, targetHardware: hardware,
            targetProtocol: address)
    }

    /// The probe that asks who holds an address and touches no cache: sender address 0.0.0.0 (RFC 5227 §2.1.1).
    package static func probe(for address: IPv4Address, from hardware: MACAddress) -> ARPPacket {
        ARPPacket(
            operation: .request, senderHardware: hardware, senderProtocol: IPv4Address(bits: 0), targetHardware: .zero,
            targetProtocol: address)
    }

    /// The announcement of address conflict detection: target hardware zero (RFC 5227 §1.1).
    package static func announcement(_ address: IPv4Address, at hardware: MACAddress) -> ARPPacket {
        ARPPacket(
            operation: .request, senderHardware: hardware, senderProtocol: address, targetHardware: .zero,
            targetProtocol: address)
    }

    /// The reverse request that teaches switches where a MAC is and touches no ARP cache (RFC 903; checklist RARP-01).
    package static func reverseAnnouncement(of hardware: MACAddress) -> ARPPacket {
        ARPPacket(
            operation: .reverseRequest, senderHardware: hardware, senderProtocol: IPv4Address(bits: 0),
            targetHardware: hardware, targetProtocol: IPv4Address(bits: 0))
    }

    /// Octets of the packet behind the Ethernet header.
    package static let length = 28

    /// The whole frame, 42 octets, not padded: the driver pads. The Ethernet source should be the sender hardware
    /// address so that bridges learn from the same frame (checklist GARP-01).
    package func frame(destination: MACAddress = .broadcast, source: MACAddress? = nil) -> [UInt8] {
        var frame: [UInt8] = []
        frame.reserveCapacity(EthernetHeader.length + Self.length)
        let type = operation.rawValue >= Operation.reverseRequest.rawValue ? EtherType.rarp : EtherType.arp
        EthernetHeader(destination: destination, source: source ?? senderHardware, type: type).append(to: &frame)
        frame.append(word: 1)
        frame.append(word: EtherType.ipv4)
        frame.append(6)
        frame.append(4)
        frame.append(word: operation.rawValue)
        frame.append(senderHardware)
        frame.append(.ipv4(senderProtocol))
        frame.append(targetHardware)
        frame.append(.ipv4(targetProtocol))
        return frame
    }

    /// The packet in an ARP or RARP frame; nil for anything else: other types, other hardware, too short, an operation
    /// that does not belong to the type.
    package init?(frame: Span<UInt8>) {
        guard let ethernet = EthernetHeader(frame: frame), frame.count >= EthernetHeader.length + Self.length,
            ethernet.type == EtherType.arp || ethernet.type == EtherType.rarp
        else { return nil }
        let start = EthernetHeader.length
        guard frame.word(at: start) == 1, frame.word(at: start + 2) == EtherType.ipv4, frame[start + 4] == 6,
            frame[start + 5] == 4, let operation = Operation(rawValue: frame.word(at: start + 6)),
            (ethernet.type == EtherType.rarp) == (operation.rawValue >= Operation.reverseRequest.rawValue)
        else { return nil }
        self.init(
            operation: operation, senderHardware: frame.mac(at: start + 8), senderProtocol: frame.ipv4(at: start + 14),
            targetHardware: frame.mac(at: start + 18), targetProtocol: frame.ipv4(at: start + 24))
    }
}
