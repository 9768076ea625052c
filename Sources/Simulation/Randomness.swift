// Where every choice of a simulated world comes from: one 64-bit seed and SplitMix64 (Steele, Lea, Flood 2014). No other
// source of chance, so that a seed is a world on every machine.

/// A stream of numbers that its seed decides.
package struct Randomness: Sendable {
    private var state: UInt64

    package init(seed: UInt64) { state = seed }

    package mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    /// 0 ..< `bound`, which is at least 1.
    mutating func below(_ bound: Int) -> Int {
        Int(truncatingIfNeeded: next().multipliedFullWidth(by: UInt64(bound)).high)
    }

    mutating func within(_ range: ClosedRange<Int64>) -> Int64 {
        range.lowerBound + Int64(below(Int(range.upperBound - range.lowerBound) + 1))
    }

    /// True so many times in a thousand.
    mutating func chance(_ permille: Int) -> Bool { below(1_000) < permille }

    /// One of a list that is not empty; an entry that stands there twice comes twice as often.
    mutating func pick<Element>(_ list: [Element]) -> Element { list[below(list.count)] }
}
