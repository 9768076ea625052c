// Which router wants to be woken first: a binary heap with a place for every router, so that a host with a thousand of them
// looks at a few and not at all of them each time something happens.

import Wire

/// The deadlines of routers 0 ..< count.
struct DeadlineQueue: Hashable, Sendable {
    /// Routers, the earliest first, as a binary heap.
    private var heap: [Int] = []
    /// Where each router is in `heap`.
    private var places: [Int] = []
    private var deadlines: [Int64] = []

    private static let never = Int64.max

    /// Forgets all and takes `count` routers without a deadline.
    mutating func reset(count: Int) {
        heap = Array(0..<count)
        places = heap
        deadlines = [Int64](repeating: Self.never, count: count)
    }

    /// One more router, without a deadline.
    mutating func append() {
        places.append(heap.count)
        heap.append(deadlines.count)
        deadlines.append(Self.never)
    }

    /// The earliest deadline.
    var first: Instant? {
        guard let router = heap.first, deadlines[router] != Self.never else { return nil }
        return Instant(nanoseconds: deadlines[router])
    }

    /// Whose it is.
    var firstRouter: Int? { first == nil ? nil : heap[0] }

    mutating func set(_ deadline: Instant?, of router: Int) {
        let value = deadline?.nanoseconds ?? Self.never
        let old = deadlines[router]
        guard value != old else { return }
        deadlines[router] = value
        if value < old { rise(places[router]) } else { sink(places[router]) }
    }

    /// Replaces the content of `routers` by those whose deadline is not after `now`, at most `limit` and then those with the earliest;
    /// in ascending order of the routers. It allocates nothing once there is room: the list is sorted as a whole, because a
    /// slice of it would be copied.
    func due(at now: Instant, atMost limit: Int = .max, into routers: inout [Int]) {
        routers.removeAll(keepingCapacity: true)
        collect(0, now, &routers)
        if routers.count > limit {
            routers.sort { (deadlines[$0], $0) < (deadlines[$1], $1) }
            routers.removeLast(routers.count - limit)
        }
        if routers.count > 1 { routers.sort() }
    }

    private func collect(_ place: Int, _ now: Instant, _ routers: inout [Int]) {
        guard place < heap.count, deadlines[heap[place]] <= now.nanoseconds else { return }
        routers.append(heap[place])
        collect(2 * place + 1, now, &routers)
        collect(2 * place + 2, now, &routers)
    }

    private mutating func rise(_ start: Int) {
        var place = start
        while place > 0 {
            let parent = (place - 1) / 2
            guard deadlines[heap[place]] < deadlines[heap[parent]] else { return }
            exchange(place, parent)
            place = parent
        }
    }

    private mutating func sink(_ start: Int) {
        var place = start
        while true {
            var least = place
            let left = 2 * place + 1
            for child in left..<max(left, min(left + 2, heap.count)) {
                if deadlines[heap[child]] < deadlines[heap[least]] { least = child }
            }
            guard least != place else { return }
            exchange(place, least)
            place = least
        }
    }

    private mutating func exchange(_ one: Int, _ other: Int) {
        heap.swapAt(one, other)
        places[heap[one]] = one
        places[heap[other]] = other
    }
}
