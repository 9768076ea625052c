// Points in time as people and JSON see them: RFC 3339, UTC, whole milliseconds. It exists so that the status document
// needs neither a calendar nor a time zone; it must not be used to decide anything, the wall clock may jump.

/// A wall clock time, in milliseconds since 1970-01-01T00:00:00Z.
package struct Timestamp: Hashable, Comparable, Sendable {
    package var milliseconds: Int64

    package init(milliseconds: Int64) { self.milliseconds = milliseconds }

    /// From a reading of CLOCK_REALTIME in nanoseconds, rounded down to the millisecond.
    package init(wallNanoseconds: Int64) {
        milliseconds = divide(wallNanoseconds, by: 1_000_000).quotient
    }

    package static func < (left: Self, right: Self) -> Bool { left.milliseconds < right.milliseconds }

    /// The span from `earlier` to this time; negative when the clock was set back between them.
    package func since(_ earlier: Timestamp) -> Duration { .milliseconds(milliseconds - earlier.milliseconds) }
}

extension Timestamp: CustomStringConvertible {
    /// `2026-11-21T03:00:00.000Z`.
    package var description: String { "\(date)T\(timeOfDay(milliseconds: true))Z" }

    /// `2026-11-21`.
    package var date: String {
        let civil = civilDate(daysSince1970: divide(milliseconds, by: 86_400_000).quotient)
        return "\(padded(civil.year, 4))-\(padded(civil.month, 2))-\(padded(civil.day, 2))"
    }

    /// `03:00:00`, or `03:00:00.000` with milliseconds.
    package func timeOfDay(milliseconds withMilliseconds: Bool) -> String {
        let rest = divide(milliseconds, by: 86_400_000).remainder
        let seconds = rest / 1000
        let text = "\(padded(seconds / 3600, 2)):\(padded(seconds / 60 % 60, 2)):\(padded(seconds % 60, 2))"
        return withMilliseconds ? "\(text).\(padded(rest % 1000, 3))" : text
    }

    /// Exactly the form of `description`; anything else is nil.
    package init?(_ text: String) {
        let octets = Array(text.utf8)
        guard octets.count == 24 else { return nil }
        let marks: [(Int, Character)] = [(4, "-"), (7, "-"), (10, "T"), (13, ":"), (16, ":"), (19, "."), (23, "Z")]
        for (index, mark) in marks where octets[index] != mark.asciiValue { return nil }
        guard let year = number(octets[0..<4]), let month = number(octets[5..<7]), let day = number(octets[8..<10]),
            let hour = number(octets[11..<13]), let minute = number(octets[14..<16]),
            let second = number(octets[17..<19]), let fraction = number(octets[20..<23]),
            (1...12).contains(month), (1...31).contains(day), hour < 24, minute < 60, second < 60
        else { return nil }
        let days = daysSince1970(year: year, month: month, day: day)
        milliseconds = ((days * 24 + hour) * 60 + minute) * 60_000 + second * 1000 + fraction
        guard civilDate(daysSince1970: days).day == day else { return nil }
    }
}

extension Timestamp: Codable {
    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let value = Timestamp(text) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "not an RFC 3339 time: \(text)")
        }
        self = value
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

private func padded(_ value: Int64, _ width: Int) -> String {
    let digits = String(value)
    return digits.count < width ? String(repeating: "0", count: width - digits.count) + digits : digits
}

/// Division that rounds down, so that times before 1970 fall on the right day.
private func divide(_ value: Int64, by divisor: Int64) -> (quotient: Int64, remainder: Int64) {
    let (quotient, remainder) = value.quotientAndRemainder(dividingBy: divisor)
    return remainder < 0 ? (quotient - 1, remainder + divisor) : (quotient, remainder)
}

private func number(_ digits: ArraySlice<UInt8>) -> Int64? {
    var value: Int64 = 0
    for digit in digits {
        guard digit >= UInt8(ascii: "0"), digit <= UInt8(ascii: "9") else { return nil }
        value = value * 10 + Int64(digit - UInt8(ascii: "0"))
    }
    return value
}

/// The proleptic Gregorian date, with years that start in March so that the leap day is the last of its year and eras of
/// 400 years that are all alike.
private func civilDate(daysSince1970 days: Int64) -> (year: Int64, month: Int64, day: Int64) {
    let (era, dayOfEra) = divide(days + 719_468, by: 146_097)
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let shiftedMonth = (5 * dayOfYear + 2) / 153
    let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
    return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * shiftedMonth + 2) / 5 + 1)
}

private func daysSince1970(year: Int64, month: Int64, day: Int64) -> Int64 {
    let shifted = month <= 2 ? year - 1 : year
    let (era, yearOfEra) = divide(shifted, by: 400)
    let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
    return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
}
