// How much may be sent, and what waits for its turn: for whatever could drown a segment if it went out at once. Neither sends anything.

/// So many at once, and one more each time that a period has passed. What was not used is not saved up.
struct Allowance {
    /// Nanoseconds.
    private(set) var period: Int64
    private(set) var atOnce: Int64
    /// When it is whole again, CLOCK_MONOTONIC in nanoseconds.
    private var restored = Int64.min / 2

    init(period: Int64, atOnce: Int64) {
        self.period = period
        self.atOnce = atOnce
    }

    /// Another one from now on; what has been taken comes back when it would have.
    mutating func change(to other: Allowance) { (period, atOnce) = (other.period, other.atOnce) }

    /// From when on so many are allowed, at most `atOnce`.
    func next(_ count: Int64 = 1) -> Int64 { restored - (atOnce - count) * period }

    /// Takes so many, or none.
    mutating func take(_ count: Int64 = 1, at now: Int64) -> Bool {
        guard now >= next(count) else { return false }
        restored = max(restored, now) + count * period
        return true
    }
}

/// First in, first out, however many there are.
struct Line<Element> {
    private var elements: [Element] = []
    /// Those before it have gone.
    private var head = 0

    var first: Element? { head < elements.count ? elements[head] : nil }
    var isEmpty: Bool { head == elements.count }

    mutating func append(_ element: Element) { elements.append(element) }

    mutating func removeFirst() {
        head += 1
        guard head > elements.count / 2 else { return }
        elements.removeFirst(head)
        head = 0
    }

    mutating func removeAll(where isUnwanted: (Element) -> Bool) {
        elements.removeFirst(head)
        elements.removeAll(where: isUnwanted)
        head = 0
    }
}
