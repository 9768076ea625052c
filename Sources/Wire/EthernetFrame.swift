// The Ethernet II header that every announcement begins with.

/// The types of Ethernet payload that the agent sends or reads.
package enum EtherType {
    package static let ipv4: UInt16 = 0x0800
    package static let arp: UInt16 = 0x0806
    package static let rarp: UInt16 = 0x8035
    package static let ipv6: UInt16 = 0x86DD
}

/// Destination, source and type: 14 octets, no VLAN tag.
package struct EthernetHeader: Hashable, Sendable {
    package static let length = 14

    package var destination: MACAddress
    package var source: MACAddress
    package var type: UInt16

    package init(destination: MACAddress, source: MACAddress, type: UInt16) {
        self.destination = destination
        self.source = source
        self.type = type
    }

    /// The header of a frame; nil if there are fewer than 14 octets.
    package init?(frame: Span<UInt8>) {
        guard frame.count >= Self.length else { return nil }
        self.init(destination: frame.mac(at: 0), source: frame.mac(at: 6), type: frame.word(at: 12))
    }

    func append(to frame: inout [UInt8]) {
        frame.append(destination)
        frame.append(source)
        frame.append(word: type)
    }
}
