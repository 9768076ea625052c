// The Internet checksum (RFC 1071) with VRRP's and ICMPv6's pseudo-headers, as a running sum over octets.

/// A one's complement sum in progress. Add octets and words in any order of even-length pieces, then ask for the result.
package struct InternetChecksum: Sendable {
    private var sum: UInt64 = 0

    package init() {}

    /// Adds a 16-bit word.
    package mutating func add(_ word: UInt16) { sum &+= UInt64(word) }

    /// Adds the first `count` octets as big-endian words; an odd last octet is padded with zero (RFC 1071 §1).
    package mutating func add(_ octets: Span<UInt8>, count: Int) {
        var index = 0
        while index &+ 1 < count {
            sum &+= UInt64(octets[index]) << 8 | UInt64(octets[index &+ 1])
            index &+= 2
        }
        if index < count { sum &+= UInt64(octets[index]) << 8 }
    }

    /// Adds an address in network byte order.
    package mutating func add(_ address: IPAddress) {
        switch address {
        case .ipv4(let ipv4):
            add(UInt16(ipv4.bits >> 16))
            add(UInt16(ipv4.bits & 0xFFFF))
        case .ipv6(let ipv6):
            for index in 0..<8 { add(ipv6.group(index)) }
        }
    }

    /// Adds the pseudo-header: source, destination, length and next header (RFC 8200 §8.1; RFC 9293 §3.1 for IPv4).
    package mutating func addPseudoHeader(
        source: IPAddress, destination: IPAddress, length: Int, nextHeader: UInt8
    ) {
        add(source)
        add(destination)
        add(UInt16(truncatingIfNeeded: length >> 16))
        add(UInt16(truncatingIfNeeded: length))
        add(UInt16(nextHeader))
    }

    /// The sum folded to 16 bits. Over data with its checksum field included it is 0xFFFF when the data is whole, which
    /// treats the two zeros 0000 and ffff alike (checklist V3-PK-05).
    package var folded: UInt16 {
        var value = sum
        while value > 0xFFFF { value = (value & 0xFFFF) &+ (value >> 16) }
        return UInt16(truncatingIfNeeded: value)
    }

    /// What belongs into the checksum field: the complement of the sum.
    package var field: UInt16 { ~folded }
}
