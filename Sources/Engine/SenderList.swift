// Who sends to one advert socket, whatever becomes of it: an advert that is on the wire and not in here was dropped in between.

import Election
import Wire

/// The senders of one socket, at most `capacity`. It allocates nothing once it is made.
struct SenderList {
    static let capacity = 32

    private struct Sender {
        var source: IPAddress
        /// Of its last packet: the kernel's stamp (CLOCK_REALTIME, nanoseconds; 0 for none), and when it came.
        var stamp: Int64
        var heardAt: Instant
    }

    private var senders: [Sender] = []

    init() { senders.reserveCapacity(Self.capacity) }

    mutating func note(_ source: IPAddress, stamp: Int64, at heardAt: Instant) {
        let sender = Sender(source: source, stamp: stamp, heardAt: heardAt)
        if let place = place(of: source) {
            senders[place] = sender
        } else if senders.count < Self.capacity {
            senders.append(sender)
        } else {
            senders[oldest] = sender
        }
    }

    /// Whether a packet came from `source` at this stamp or later.
    func hasHeard(_ source: IPAddress, since stamp: Int64) -> Bool {
        place(of: source).map { senders[$0].stamp >= stamp || senders[$0].stamp == 0 } ?? false
    }

    func lastHeard(_ source: IPAddress) -> Instant? { place(of: source).map { senders[$0].heardAt } }

    /// A search written out: unoptimised the standard one allocates, and reception must not in any build.
    private func place(of source: IPAddress) -> Int? {
        var place = 0
        while place < senders.count {
            if senders[place].source == source { return place }
            place += 1
        }
        return nil
    }

    private var oldest: Int {
        var oldest = 0
        for place in 1..<senders.count where senders[place].heardAt < senders[oldest].heardAt { oldest = place }
        return oldest
    }
}
