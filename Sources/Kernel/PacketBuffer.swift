// Where a received packet lies and what the kernel says about it. One buffer serves a whole engine, so that receiving
// allocates nothing. The IPv4 header is read here; the VRRP message behind it is none of this file's business.

import Wire

/// Room for one packet, used again for each.
package struct PacketBuffer: ~Copyable {
    /// The packet as the socket gave it: with its header for IPv4, without for IPv6. Stale beyond the payload.
    package var bytes: [UInt8]
    /// Where in `bytes` the VRRP message of the last packet is.
    package internal(set) var payload: Range<Int> = 0..<0

    /// The default holds any IP packet, so none is ever cut.
    package init(capacity: Int = 65_536) {
        bytes = [UInt8](repeating: 0, count: max(capacity, 64))
    }
}

/// A packet that came in on an advert socket.
package struct ReceivedPacket: Hashable, Sendable {
    package var source: IPAddress
    package var destination: IPAddress
    /// TTL or hop limit as it arrived; the socket does not judge it (checklist LX-02, LX-07).
    package var hopLimit: UInt8
    package var interfaceIndex: UInt32
    /// When the kernel received it, CLOCK_REALTIME in nanoseconds; 0 when the kernel gave no stamp.
    package var stamp: Int64
    /// Where in the buffer the VRRP message is: behind the IPv4 header and its options, trimmed to the packet's total
    /// length. Empty when the header makes no sense.
    package var payload: Range<Int>
    /// The IPv4 header has options, such as Router Alert (checklist LX-01).
    package var hasOptions: Bool

    package init(
        source: IPAddress, destination: IPAddress, hopLimit: UInt8, interfaceIndex: UInt32, stamp: Int64,
        payload: Range<Int>, hasOptions: Bool
    ) {
        self.source = source
        self.destination = destination
        self.hopLimit = hopLimit
        self.interfaceIndex = interfaceIndex
        self.stamp = stamp
        self.payload = payload
        self.hasOptions = hasOptions
    }
}

/// The fields of an IPv4 header (RFC 791 §3.1) that an advert's reception checks need.
package struct IPv4Header: Hashable, Sendable {
    package var source: IPv4Address
    package var destination: IPv4Address
    package var timeToLive: UInt8
    /// Behind the options and within both the total length and the octets at hand.
    package var payload: Range<Int>
    package var hasOptions: Bool

    /// Nil when `bytes` do not start with a whole IPv4 header whose lengths are possible.
    package init?(_ bytes: Span<UInt8>) {
        guard bytes.count >= 20, bytes[0] >> 4 == 4 else { return nil }
        let headerLength = Int(bytes[0] & 0x0F) * 4
        let totalLength = Int(bytes[2]) << 8 | Int(bytes[3])
        guard headerLength >= 20, totalLength >= headerLength, bytes.count >= totalLength else { return nil }
        source = IPv4Address(bytes[12], bytes[13], bytes[14], bytes[15])
        destination = IPv4Address(bytes[16], bytes[17], bytes[18], bytes[19])
        timeToLive = bytes[8]
        payload = headerLength..<totalLength
        hasOptions = headerLength > 20
    }
}
