// ICMP and ICMPv6 echo messages as whole frames (RFC 792, RFC 4443 §4.1 and §4.2). A new master asks with them, from its addresses, whether a
// neighbour sends to it what it sends to those: the answer to an ARP request would go to the address in the request and prove nothing.
// Only that is here; what others ask the kernel answers.

/// An echo request or reply without data.
package struct EchoMessage: Hashable, Sendable {
    package enum Kind: Hashable, Sendable { case request, reply }

    package var kind: Kind
    /// Of one family, here and below.
    package var source: IPAddress
    package var destination: IPAddress
    /// By it the sender of a request knows its answers, whatever else pings on its host.
    package var identifier: UInt16
    package var sequence: UInt16

    package init(
        _ kind: Kind, from source: IPAddress, to destination: IPAddress, identifier: UInt16, sequence: UInt16
    ) {
        self.kind = kind
        self.source = source
        self.destination = destination
        self.identifier = identifier
        self.sequence = sequence
    }

    private static let length = 8

    /// The whole frame, not padded.
    package func frame(from hardware: MACAddress, to neighbor: MACAddress) -> [UInt8] {
        var frame: [UInt8] = []
        frame.reserveCapacity(EthernetHeader.length + 40 + Self.length)
        let isIPv4 = source.family == .ipv4
        EthernetHeader(
            destination: neighbor, source: hardware, type: isIPv4 ? EtherType.ipv4 : EtherType.ipv6
        ).append(to: &frame)
        // By a minimum of 64 hops nobody on the link is shut out.
        let header = IPHeader(
            from: source, to: destination, hopLimit: 64,
            protocolNumber: isIPv4 ? ProtocolNumber.icmp : ProtocolNumber.icmpv6, length: Self.length)
        header.append(to: &frame)
        let start = frame.count
        frame.append(type)
        frame.append(0)
        frame.append(word: 0)
        frame.append(word: identifier)
        frame.append(word: sequence)
        var checksum = header.checksum
        checksum.add(frame.span.extracting(start...), count: Self.length)
        frame.replace(wordAt: start + 2, with: checksum.field)
        return frame
    }

    private var type: UInt8 {
        switch (kind, source.family) {
        case (.request, .ipv4): 8
        case (.reply, .ipv4): 0
        case (.request, .ipv6): 128
        case (.reply, .ipv6): 129
        }
    }

    /// The echo message in a frame, whatever data follows it; nil for every other frame, for one with options or extension headers, for a
    /// fragment, and for one whose checksum is wrong. Of one that is cut short behind the message the checksum is not looked at.
    package init?(frame: Span<UInt8>) {
        guard let header = IPHeader(frame: frame), !header.hasOptions, header.length >= Self.length else { return nil }
        let start = header.start
        guard frame.count >= start + Self.length, frame[start + 1] == 0 else { return nil }
        switch (header.source.family, header.protocolNumber, frame[start]) {
        case (.ipv4, ProtocolNumber.icmp, 8), (.ipv6, ProtocolNumber.icmpv6, 128): kind = .request
        case (.ipv4, ProtocolNumber.icmp, 0), (.ipv6, ProtocolNumber.icmpv6, 129): kind = .reply
        default: return nil
        }
        (source, destination) = (header.source, header.destination)
        identifier = frame.word(at: start + 4)
        sequence = frame.word(at: start + 6)
        guard frame.count >= start + header.length else { return }
        var checksum = header.checksum
        checksum.add(frame.extracting(start..<(start + header.length)), count: header.length)
        guard checksum.folded == 0xFFFF else { return nil }
    }
}
