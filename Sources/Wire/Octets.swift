// Big-endian reading and writing. Readers are given a place that was checked before; a wrong place traps in the span's own
// bounds check and never reads foreign memory.

extension Span where Element == UInt8 {
    func word(at index: Int) -> UInt16 { UInt16(self[index]) << 8 | UInt16(self[index + 1]) }

    func ipv4(at index: Int) -> IPv4Address {
        IPv4Address(self[index], self[index + 1], self[index + 2], self[index + 3])
    }

    func ipv6(at index: Int) -> IPv6Address {
        IPv6Address(high: quad(at: index), low: quad(at: index + 8))
    }

    func mac(at index: Int) -> MACAddress {
        MACAddress(self[index], self[index + 1], self[index + 2], self[index + 3], self[index + 4], self[index + 5])
    }

    private func quad(at index: Int) -> UInt64 {
        var value: UInt64 = 0
        for offset in 0..<8 { value = value << 8 | UInt64(self[index + offset]) }
        return value
    }
}

extension [UInt8] {
    mutating func append(word: UInt16) {
        append(UInt8(word >> 8))
        append(UInt8(word & 0xFF))
    }

    mutating func append(_ address: IPAddress) {
        for index in 0..<address.family.addressLength { append(address.octet(index)) }
    }

    mutating func append(_ address: MACAddress) {
        for index in 0..<6 { append(address.octet(index)) }
    }

    /// Writes `word` over the two octets at `index`.
    mutating func replace(wordAt index: Int, with word: UInt16) {
        self[index] = UInt8(word >> 8)
        self[index + 1] = UInt8(word & 0xFF)
    }
}
