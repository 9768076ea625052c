// The IP header in a whole Ethernet frame (RFC 791 §3.1, RFC 8200 §3), for the few messages that are read and sent beside the kernel's own stack.

/// Numbers of protocols over IP that are read in whole frames.
enum ProtocolNumber {
    static let icmp: UInt8 = 1
    static let icmpv6: UInt8 = 58
}

/// What is needed of the header of a packet that is no fragment.
struct IPHeader {
    static let ipv4Length = 20
    static let ipv6Length = 40

    /// Of one family.
    var source: IPAddress
    var destination: IPAddress
    /// TTL in IPv4.
    var hopLimit: UInt8
    var protocolNumber: UInt8
    /// Octets behind the header, as it says.
    var length: Int

    /// Where the first octet behind it is in a frame; extension headers of IPv6 are behind it.
    private(set) var start = 0
    /// An IPv4 header with options.
    var hasOptions: Bool { source.family == .ipv4 && start > EthernetHeader.length + Self.ipv4Length }

    init(
        from source: IPAddress, to destination: IPAddress, hopLimit: UInt8, protocolNumber: UInt8, length: Int
    ) {
        self.source = source
        self.destination = destination
        self.hopLimit = hopLimit
        self.protocolNumber = protocolNumber
        self.length = length
    }

    /// The header in a frame; nil for other frames and for fragments, which are no packets yet, not even the first ones.
    init?(frame: Span<UInt8>) {
        let ip = EthernetHeader.length
        switch EthernetHeader(frame: frame)?.type {
        case EtherType.ipv4:
            guard frame.count >= ip + Self.ipv4Length, frame[ip] >> 4 == 4, frame.word(at: ip + 6) & 0x3FFF == 0 else {
                return nil
            }
            let header = Int(frame[ip] & 0x0F) * 4
            guard header >= Self.ipv4Length else { return nil }
            self.init(
                from: .ipv4(frame.ipv4(at: ip + 12)), to: .ipv4(frame.ipv4(at: ip + 16)), hopLimit: frame[ip + 8],
                protocolNumber: frame[ip + 9], length: Int(frame.word(at: ip + 2)) - header)
            start = ip + header
        case EtherType.ipv6:
            guard frame.count >= ip + Self.ipv6Length, frame[ip] >> 4 == 6 else { return nil }
            self.init(
                from: .ipv6(frame.ipv6(at: ip + 8)), to: .ipv6(frame.ipv6(at: ip + 24)), hopLimit: frame[ip + 7],
                protocolNumber: frame[ip + 6], length: Int(frame.word(at: ip + 4)))
            start = ip + Self.ipv6Length
        default: return nil
        }
    }

    /// Without options, and for IPv4 not to be fragmented.
    func append(to frame: inout [UInt8]) {
        switch source.family {
        case .ipv4:
            let begin = frame.count
            frame.append(contentsOf: [0x45, 0])
            frame.append(word: UInt16(Self.ipv4Length + length))
            frame.append(contentsOf: [0, 0, 0x40, 0, hopLimit, protocolNumber, 0, 0])
            frame.append(source)
            frame.append(destination)
            var checksum = InternetChecksum()
            checksum.add(frame.span.extracting(begin...), count: Self.ipv4Length)
            frame.replace(wordAt: begin + 10, with: checksum.field)
        case .ipv6:
            frame.append(contentsOf: [0x60, 0, 0, 0])
            frame.append(word: UInt16(length))
            frame.append(contentsOf: [protocolNumber, hopLimit])
            frame.append(source)
            frame.append(destination)
        }
    }

    /// Begins the checksum of what is behind it; in ICMP of IPv4 (RFC 792) the header is no part of that.
    var checksum: InternetChecksum {
        var checksum = InternetChecksum()
        if protocolNumber != ProtocolNumber.icmp {
            checksum.addPseudoHeader(
                source: source, destination: destination, length: length, nextHeader: protocolNumber)
        }
        return checksum
    }
}
