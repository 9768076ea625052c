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
        if isIPv4 { appendIPv4Header(to: &frame) } else { appendIPv6Header(to: &frame) }
        let start = frame.count
        frame.append(type)
        frame.append(0)
        frame.append(word: 0)
        frame.append(word: identifier)
        frame.append(word: sequence)
        var checksum = InternetChecksum()
        if !isIPv4 {
            checksum.addPseudoHeader(
                source: source, destination: destination, length: Self.length, nextHeader: ProtocolNumber.icmpv6)
        }
        checksum.add(frame.span.extracting(start...), count: Self.length)
        frame.replace(wordAt: start + 2, with: checksum.field)
        return frame
    }

    private func appendIPv4Header(to frame: inout [UInt8]) {
        let start = frame.count
        frame.append(contentsOf: [0x45, 0])
        frame.append(word: UInt16(20 + Self.length))
        // Don't fragment; 64 hops, and by their minimum nobody on the link may be shut out.
        frame.append(contentsOf: [0, 0, 0x40, 0, 64, ProtocolNumber.icmp, 0, 0])
        frame.append(source)
        frame.append(destination)
        var checksum = InternetChecksum()
        checksum.add(frame.span.extracting(start...), count: 20)
        frame.replace(wordAt: start + 10, with: checksum.field)
    }

    private func appendIPv6Header(to frame: inout [UInt8]) {
        frame.append(contentsOf: [0x60, 0, 0, 0])
        frame.append(word: UInt16(Self.length))
        frame.append(contentsOf: [ProtocolNumber.icmpv6, 64])
        frame.append(source)
        frame.append(destination)
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
        guard let ethernet = EthernetHeader(frame: frame) else { return nil }
        let ip = EthernetHeader.length
        let (start, length): (Int, Int)
        switch ethernet.type {
        case EtherType.ipv4:
            guard frame.count >= ip + 20 + Self.length, frame[ip] == 0x45, frame[ip + 9] == ProtocolNumber.icmp,
                frame.word(at: ip + 6) & 0x3FFF == 0
            else { return nil }
            (start, length) = (ip + 20, Int(frame.word(at: ip + 2)) - 20)
            (source, destination) = (.ipv4(frame.ipv4(at: ip + 12)), .ipv4(frame.ipv4(at: ip + 16)))
        case EtherType.ipv6:
            guard frame.count >= ip + 40 + Self.length, frame[ip] >> 4 == 6, frame[ip + 6] == ProtocolNumber.icmpv6
            else { return nil }
            (start, length) = (ip + 40, Int(frame.word(at: ip + 4)))
            (source, destination) = (.ipv6(frame.ipv6(at: ip + 8)), .ipv6(frame.ipv6(at: ip + 24)))
        default: return nil
        }
        guard length >= Self.length, frame[start + 1] == 0 else { return nil }
        switch (frame[start], source.family) {
        case (8, .ipv4), (128, .ipv6): kind = .request
        case (0, .ipv4), (129, .ipv6): kind = .reply
        default: return nil
        }
        identifier = frame.word(at: start + 4)
        sequence = frame.word(at: start + 6)
        guard frame.count >= start + length else { return }
        var checksum = InternetChecksum()
        if source.family == .ipv6 {
            checksum.addPseudoHeader(
                source: source, destination: destination, length: length, nextHeader: ProtocolNumber.icmpv6)
        }
        checksum.add(frame.extracting(start..<(start + length)), count: length)
        guard checksum.folded == 0xFFFF else { return nil }
    }
}

/// Numbers of protocols over IP that are read in whole frames.
enum ProtocolNumber {
    static let icmp: UInt8 = 1
    static let icmpv6: UInt8 = 58
}
