// What will happen in a world, in the order of time; what happens at one moment keeps the order in which it was decided.
// A binary heap of small values, because a world is thousands of these and a proof a million of worlds.

/// Something that will happen.
struct Happening {
    enum Kind: UInt8 {
        /// A packet reaches a host's network card.
        case delivery
        /// An announcement reaches the neighbours of its segment.
        case announcement
        /// The engine's timer.
        case wake
        case faultBegins
        case faultEnds
        /// A check of a host ends a run.
        case check
        /// A gate ends.
        case gate
        /// The kernel takes away what nobody has renewed.
        case lease
        /// All faults are over: what remains to wait for is known.
        case calm
        /// Everything must have come to rest.
        case settled
        case end
    }

    /// Nanoseconds of the world.
    var time: Int64
    var order: UInt32 = 0
    var kind: Kind
    var host: UInt8 = 0
    /// Which packet, fault, check or gate.
    var index: UInt32 = 0

    static func < (left: Self, right: Self) -> Bool {
        left.time != right.time ? left.time < right.time : left.order < right.order
    }
}

struct EventQueue {
    private var heap: [Happening] = []
    private var count: UInt32 = 0

    mutating func add(_ kind: Happening.Kind, at time: Int64, host: Int = 0, index: Int = 0) {
        count += 1
        heap.append(
            Happening(
                time: time, order: count, kind: kind, host: UInt8(truncatingIfNeeded: host),
                index: UInt32(truncatingIfNeeded: index)))
        var child = heap.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard heap[child] < heap[parent] else { return }
            heap.swapAt(child, parent)
            child = parent
        }
    }

    mutating func next() -> Happening? {
        guard let first = heap.first else { return nil }
        let last = heap.removeLast()
        guard !heap.isEmpty else { return first }
        heap[0] = last
        var parent = 0
        while true {
            var least = parent
            let left = 2 * parent + 1
            if left < heap.count, heap[left] < heap[least] { least = left }
            if left + 1 < heap.count, heap[left + 1] < heap[least] { least = left + 1 }
            guard least != parent else { return first }
            heap.swapAt(parent, least)
            parent = least
        }
    }
}
