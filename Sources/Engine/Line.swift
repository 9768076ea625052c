// What waits for its turn.

/// First in, first out: the first is taken out without moving the others, however many there are.
struct Line<Element> {
    private var elements: [Element] = []
    /// Those before it have gone.
    private var head = 0

    var first: Element? { head < elements.count ? elements[head] : nil }
    var isEmpty: Bool { head == elements.count }

    var count: Int { elements.count - head }

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
