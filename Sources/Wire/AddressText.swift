// The written form of addresses: dotted quads, RFC 4291 input and RFC 5952 output for IPv6, colons for MAC addresses.
// Pure, because configuration, status and transcripts need it where no C library is.

extension IPv4Address: CustomStringConvertible {
    package var description: String { "\(octet(0)).\(octet(1)).\(octet(2)).\(octet(3))" }

    /// Exactly four decimal numbers 0...255 without leading zeros; anything else is nil.
    package init?(_ text: String) {
        var value: UInt32 = 0
        var parts = 0
        for part in text.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false) {
            guard let number = decimal(part), number <= 255, parts < 4 else { return nil }
            value = value << 8 | UInt32(number)
            parts += 1
        }
        guard parts == 4 else { return nil }
        bits = value
    }
}

extension IPv6Address: CustomStringConvertible {
    /// RFC 5952: lower case, no leading zeros, the longest run of two or more zero groups as `::`.
    package var description: String {
        var longestStart = 8
        var longestLength = 1
        var start = 0
        while start < 8 {
            var end = start
            while end < 8, group(end) == 0 { end += 1 }
            if end - start > longestLength {
                longestStart = start
                longestLength = end - start
            }
            start = max(end, start + 1)
        }
        var text = ""
        var index = 0
        while index < 8 {
            if index == longestStart {
                text += "::"
                index += longestLength
                continue
            }
            if index > 0 && index != longestStart + longestLength { text += ":" }
            text += String(group(index), radix: 16)
            index += 1
        }
        return text
    }

    /// RFC 4291 §2.2: eight groups, one `::`, and a dotted quad at the end. No zone, no prefix.
    package init?(_ text: String) {
        let octets = Array(text.utf8)
        let colon = UInt8(ascii: ":")
        var groups: [UInt16] = []
        var gap: Int?
        var index = 0
        if octets.count >= 2, octets[0] == colon, octets[1] == colon {
            gap = 0
            index = 2
        } else if octets.first == colon {
            return nil
        }
        while index < octets.count {
            guard groups.count < 8 else { return nil }
            let end = octets[index...].firstIndex(of: colon) ?? octets.count
            let part = octets[index..<end]
            if end == octets.count, part.contains(UInt8(ascii: ".")) {
                guard groups.count <= 6, let quad = IPv4Address(String(decoding: part, as: UTF8.self)) else {
                    return nil
                }
                groups.append(UInt16(quad.bits >> 16))
                groups.append(UInt16(quad.bits & 0xFFFF))
                index = end
                break
            }
            guard let value = hexadecimal(part, digits: 4) else { return nil }
            groups.append(UInt16(value))
            index = end
            if index < octets.count {
                index += 1
                if index < octets.count, octets[index] == colon {
                    guard gap == nil else { return nil }
                    gap = groups.count
                    index += 1
                } else if index == octets.count {
                    return nil
                }
            }
        }
        if let gap {
            guard groups.count <= 7 else { return nil }
            groups.insert(contentsOf: [UInt16](repeating: 0, count: 8 - groups.count), at: gap)
        }
        guard groups.count == 8 else { return nil }
        self.init(high: Self.join(groups[0..<4]), low: Self.join(groups[4..<8]))
    }

    private static func join(_ groups: ArraySlice<UInt16>) -> UInt64 {
        groups.reduce(0) { $0 << 16 | UInt64($1) }
    }
}

extension IPAddress: CustomStringConvertible {
    package var description: String {
        switch self {
        case .ipv4(let address): address.description
        case .ipv6(let address): address.description
        }
    }

    /// Either family, told apart by the colon.
    package init?(_ text: String) {
        if text.utf8.contains(UInt8(ascii: ":")) {
            guard let address = IPv6Address(text) else { return nil }
            self = .ipv6(address)
        } else {
            guard let address = IPv4Address(text) else { return nil }
            self = .ipv4(address)
        }
    }
}

extension InterfaceAddress: CustomStringConvertible {
    package var description: String { "\(address)/\(prefixLength)" }

    /// `ADDRESS` or `ADDRESS/LENGTH`; without a length the prefix covers the one address.
    package init?(_ text: String) {
        let slash = UInt8(ascii: "/")
        let octets = Array(text.utf8)
        let end = octets.firstIndex(of: slash) ?? octets.count
        guard let address = IPAddress(String(decoding: octets[..<end], as: UTF8.self)) else { return nil }
        var length = Int(address.family.hostPrefixLength)
        if end < octets.count {
            guard let given = decimal(octets[(end + 1)...]), given <= length else { return nil }
            length = given
        }
        self.init(address: address, prefixLength: UInt8(length))
    }
}

extension MACAddress: CustomStringConvertible {
    package var description: String {
        var text = ""
        for index in 0..<6 {
            if index > 0 { text += ":" }
            let value = octet(index)
            if value < 16 { text += "0" }
            text += String(value, radix: 16)
        }
        return text
    }

    /// Six groups of one or two hexadecimal digits between colons.
    package init?(_ text: String) {
        var value: UInt64 = 0
        var parts = 0
        for part in text.utf8.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false) {
            guard parts < 6, let octet = hexadecimal(part, digits: 2) else { return nil }
            value = value << 8 | UInt64(octet)
            parts += 1
        }
        guard parts == 6 else { return nil }
        bits = value
    }
}

/// One to three decimal digits without a leading zero.
private func decimal(_ digits: some Collection<UInt8>) -> Int? {
    guard !digits.isEmpty, digits.count <= 3, digits.count == 1 || digits.first != UInt8(ascii: "0") else { return nil }
    var value = 0
    for digit in digits {
        guard digit >= UInt8(ascii: "0"), digit <= UInt8(ascii: "9") else { return nil }
        value = value * 10 + Int(digit - UInt8(ascii: "0"))
    }
    return value
}

private func hexadecimal(_ digits: some Collection<UInt8>, digits limit: Int) -> Int? {
    guard !digits.isEmpty, digits.count <= limit else { return nil }
    var value = 0
    for digit in digits {
        let nibble: UInt8
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): nibble = digit - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): nibble = digit - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): nibble = digit - UInt8(ascii: "A") + 10
        default: return nil
        }
        value = value << 4 | Int(nibble)
    }
    return value
}
