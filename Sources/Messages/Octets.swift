// The binary form that the messages share: little-endian numbers, lengths before lists and texts. Writing cannot fail;
// reading checks every length and names what was wrong. It is between two processes of one build on one machine, so there is
// no negotiation beyond the version in the hello.

import Election
import Wire

/// A message that cannot be read.
package enum MessageError: Error, Hashable, Sendable {
    /// The octets end before the message does.
    case truncated
    /// A number that stands for no case.
    case unknown(UInt8)
    /// There are octets behind the message.
    case trailing
    /// A text that is not UTF-8.
    case text
}

/// Appends values to a buffer.
struct Writer {
    var octets: [UInt8]

    /// Replaces the content of `octets` by what `body` writes, in the room they have already.
    static func rewrite(_ octets: inout [UInt8], _ body: (inout Writer) -> Void) {
        octets.removeAll(keepingCapacity: true)
        var writer = Writer(octets: octets)
        octets = []
        body(&writer)
        octets = writer.octets
    }

    mutating func write(_ value: UInt8) { octets.append(value) }

    mutating func write(_ value: some FixedWidthInteger) {
        var rest = value
        for _ in 0..<(value.bitWidth / 8) {
            octets.append(UInt8(truncatingIfNeeded: rest))
            rest >>= 8
        }
    }

    mutating func write(_ value: Bool) { octets.append(value ? 1 : 0) }

    mutating func write(_ text: String) { write(Array(text.utf8)) }

    mutating func write(_ list: [UInt8]) {
        write(UInt16(truncatingIfNeeded: min(list.count, 65_535)))
        octets.append(contentsOf: list.prefix(65_535))
    }

    mutating func write(_ span: Duration) { write(span.nanoseconds) }
    mutating func write(_ instant: Instant) { write(instant.nanoseconds) }
    mutating func write(_ id: RouterID) { write(id.number) }
    mutating func write(_ id: CheckID) { write(id.number) }

    mutating func write(_ address: IPAddress) {
        switch address {
        case .ipv4(let ipv4):
            write(UInt8(4))
            write(ipv4.bits)
        case .ipv6(let ipv6):
            write(UInt8(6))
            write(ipv6.high)
            write(ipv6.low)
        }
    }

    mutating func write(_ address: MACAddress) { write(address.bits) }

    mutating func write(_ address: InterfaceAddress) {
        write(address.address)
        write(address.prefixLength)
    }

    mutating func write<Value>(_ value: Value?, _ body: (inout Writer, Value) -> Void) {
        write(value != nil)
        if let value { body(&self, value) }
    }

    mutating func write<Value>(list: [Value], _ body: (inout Writer, Value) -> Void) {
        write(UInt16(truncatingIfNeeded: min(list.count, 65_535)))
        for value in list.prefix(65_535) { body(&self, value) }
    }
}

/// Takes values from the front of a message.
struct Reader {
    let octets: [UInt8]
    var position = 0

    init(_ span: Span<UInt8>) {
        var octets: [UInt8] = []
        octets.reserveCapacity(span.count)
        for index in span.indices { octets.append(span[index]) }
        self.octets = octets
    }

    mutating func finish() throws(MessageError) {
        guard position == octets.count else { throw .trailing }
    }

    mutating func byte() throws(MessageError) -> UInt8 {
        guard position < octets.count else { throw .truncated }
        position += 1
        return octets[position - 1]
    }

    mutating func integer<Number: FixedWidthInteger>(_: Number.Type) throws(MessageError) -> Number {
        let width = Number.bitWidth / 8
        guard octets.count - position >= width else { throw .truncated }
        var value: Number = 0
        for index in (0..<width).reversed() {
            value = (width == 1 ? 0 : value << 8) | Number(truncatingIfNeeded: octets[position + index])
        }
        position += width
        return value
    }

    mutating func bool() throws(MessageError) -> Bool {
        let value = try byte()
        guard value <= 1 else { throw .unknown(value) }
        return value == 1
    }

    mutating func bytes() throws(MessageError) -> [UInt8] {
        let count = Int(try integer(UInt16.self))
        guard octets.count - position >= count else { throw .truncated }
        position += count
        return Array(octets[(position - count)..<position])
    }

    mutating func text() throws(MessageError) -> String {
        guard let text = String(validating: try bytes(), as: UTF8.self) else { throw .text }
        return text
    }

    mutating func duration() throws(MessageError) -> Duration { .nanoseconds(try integer(Int64.self)) }
    mutating func instant() throws(MessageError) -> Instant { Instant(nanoseconds: try integer(Int64.self)) }
    mutating func router() throws(MessageError) -> RouterID { RouterID(try integer(UInt32.self)) }
    mutating func check() throws(MessageError) -> CheckID { CheckID(try integer(UInt32.self)) }

    mutating func family() throws(MessageError) -> AddressFamily {
        let value = try byte()
        guard let family = AddressFamily(rawValue: value) else { throw .unknown(value) }
        return family
    }

    mutating func address() throws(MessageError) -> IPAddress {
        switch try family() {
        case .ipv4: return .ipv4(IPv4Address(bits: try integer(UInt32.self)))
        case .ipv6:
            let high = try integer(UInt64.self)
            return .ipv6(IPv6Address(high: high, low: try integer(UInt64.self)))
        }
    }

    mutating func hardware() throws(MessageError) -> MACAddress {
        let bits = try integer(UInt64.self)
        guard bits <= MACAddress.broadcast.bits else { throw .unknown(UInt8(truncatingIfNeeded: bits >> 48)) }
        return MACAddress(bits: bits)
    }

    mutating func interfaceAddress() throws(MessageError) -> InterfaceAddress {
        let address = try address()
        return InterfaceAddress(address: address, prefixLength: try byte())
    }

    mutating func optional<Value>(
        _ body: (inout Reader) throws(MessageError) -> Value
    ) throws(MessageError) -> Value? {
        try bool() ? try body(&self) : nil
    }

    mutating func list<Value>(
        _ body: (inout Reader) throws(MessageError) -> Value
    ) throws(MessageError) -> [Value] {
        var values: [Value] = []
        for _ in 0..<Int(try integer(UInt16.self)) { values.append(try body(&self)) }
        return values
    }
}
