// Durations as people write them: a number and its unit. A number alone is refused, because seconds and milliseconds are
// mixed up exactly once, at night.

/// Why a text is no duration.
package enum DurationError: Error, Equatable {
    /// A number alone.
    case noUnit
    /// Anything else.
    case malformed
}

extension Duration {
    private static let units: [(name: String, nanoseconds: Int64)] = [
        ("ms", 1_000_000), ("s", 1_000_000_000), ("m", 60_000_000_000), ("h", 3_600_000_000_000),
    ]

    /// `100ms`, `1s`, `1.5s`, `2m`, `1h`: up to nine digits, a fraction of up to nine digits, and the unit, without spaces.
    package init(written text: String) throws(DurationError) {
        var whole: Int64 = 0
        var fraction: Int64 = 0
        var scale: Int64 = 1
        var digits = 0
        var isFraction = false
        var rest = Substring(text)
        while let character = rest.utf8.first {
            if character == UInt8(ascii: "."), !isFraction, digits > 0 {
                isFraction = true
                digits = 0
            } else if character >= UInt8(ascii: "0"), character <= UInt8(ascii: "9"), digits < 9 {
                digits += 1
                let digit = Int64(character - UInt8(ascii: "0"))
                if isFraction {
                    fraction = fraction * 10 + digit
                    scale *= 10
                } else {
                    whole = whole * 10 + digit
                }
            } else {
                break
            }
            rest = rest.dropFirst()
        }
        guard digits > 0 else { throw .malformed }
        guard !rest.isEmpty else { throw .noUnit }
        guard let unit = Self.units.first(where: { $0.name == rest }) else { throw .malformed }
        // At most 10^9 hours: 3.6 * 10^21 ns do not fit in 64 bits, so whole and fraction go by seconds and nanoseconds.
        let perSecond: Int64 = 1_000_000_000
        let seconds: Duration =
            unit.nanoseconds >= perSecond
            ? .seconds(whole * (unit.nanoseconds / perSecond)) : .milliseconds(whole)
        let (high, low) = fraction.multipliedFullWidth(by: unit.nanoseconds)
        self = seconds + .nanoseconds(scale.dividingFullWidth((high, low)).quotient)
    }

    /// The same, in the largest unit that needs no fraction, or in seconds or milliseconds with one.
    package var written: String {
        let (seconds, attoseconds) = components
        let nanoseconds = attoseconds / 1_000_000_000
        if nanoseconds == 0 {
            if seconds != 0, seconds % 3600 == 0 { return "\(seconds / 3600)h" }
            if seconds != 0, seconds % 60 == 0 { return "\(seconds / 60)m" }
            return "\(seconds)s"
        }
        if seconds == 0 {
            return Self.decimal(nanoseconds / 1_000_000, nanoseconds % 1_000_000, digits: 6) + "ms"
        }
        return Self.decimal(seconds, nanoseconds, digits: 9) + "s"
    }

    /// `whole.fraction` without closing zeros; `fraction` counts units of 10 to the power of -`digits`.
    private static func decimal(_ whole: Int64, _ fraction: Int64, digits: Int) -> String {
        guard fraction != 0 else { return "\(whole)" }
        var text = String(fraction.magnitude)
        text = String(repeating: "0", count: max(0, digits - text.utf8.count)) + text
        while text.last == "0" { text.removeLast() }
        return "\(whole).\(text)"
    }
}
