// How many announcements an interface sends in a second, and in which order those go that have to wait.

import Election
import Testing
import Wire

@testable import Engine

private func entry(_ router: UInt32, _ last: UInt8) -> AnnouncementQueue.Entry {
    let address = InterfaceAddress(address: .ipv4(IPv4Address(192, 0, 2, last)), prefixLength: 32)
    return AnnouncementQueue.Entry(router: RouterID(router), address: address)
}

@Suite struct AnnouncementQueueTests {
    @Test(arguments: [10, 11, 99, 1_000, 20_000] as [UInt32])
    func `in no second more than the limit leave, and nearly so many do`(_ limit: UInt32) {
        var queue = AnnouncementQueue(limit)
        // Whoever wants to send without end, looking as often as it is worth.
        var times: [Int64] = []
        var now: Int64 = 5
        while now < 3_500_000_000 {
            while queue.isEmpty ? queue.admits(1, at: now) : queue.send(1, at: now) { times.append(now) }
            queue.wait(entry(1, 1))
            now = max(now + 1, queue.due)
        }
        var first = 0
        var most = 0
        for (place, time) in times.enumerated() {
            while times[first] <= time - 1_000_000_000 { first += 1 }
            most = max(most, place - first + 1)
        }
        #expect(most <= Int(limit) && most >= Int(limit) * 8 / 10)
    }

    @Test func `half of them leave at once, after a rest again`() {
        var allowance = Allowance(perSecond: 100)
        func burst(_ now: Int64) -> Int {
            var count = 0
            while allowance.take(2, at: now) { count += 2 }
            return count
        }
        #expect(burst(0) == 50)
        #expect(burst(0) == 0)
        #expect(burst(100_000_000) == 4)
        #expect(burst(9_000_000_000) == 50)
        allowance.change(to: Allowance(perSecond: 1_000))
        #expect(burst(9_000_000_000) == 0, "what has left has left")
        #expect(burst(9_100_000_000) == 50)
    }

    @Test func `what waits goes in its order, once, and before what comes later`() {
        var queue = AnnouncementQueue(10)
        var sent = 0
        while queue.admits(1, at: 0) { sent += 1 }
        #expect(sent == 5 && queue.isEmpty && queue.due == .max)
        queue.wait(entry(1, 1))
        queue.wait(entry(2, 1))
        queue.wait(entry(1, 1))
        #expect(queue.next == entry(1, 1) && queue.due == 600_000_000)
        #expect(!check(queue) { $0.send(1, at: 199_999_999) })
        #expect(!check(queue) { $0.admits(1, at: 9_000_000_000) }, "it stands behind the others")
        #expect(check(queue) { $0.send(1, at: 200_000_000) })
        _ = queue.send(1, at: 200_000_000)
        #expect(queue.next == entry(2, 1))
        queue.wait(entry(1, 1))
        queue.drop()
        #expect(queue.next == entry(1, 1), "which was sent once and has to be sent again")
        queue.drop()
        #expect(queue.isEmpty && queue.next == nil && queue.due == .max)
        #expect(check(queue) { $0.admits(1, at: 9_000_000_000) })
        for entry in [entry(1, 1), entry(2, 1), entry(1, 2)] { queue.wait(entry) }
        queue.drop(RouterID(1))
        #expect(queue.next == entry(2, 1))
        queue.drop()
        #expect(queue.isEmpty && queue.next == nil)
    }

    @Test func `thousands wait without a copy of each other`() {
        var queue = AnnouncementQueue(10)
        for number in 0..<5_000 as Range<UInt32> { queue.wait(entry(number, 7)) }
        for number in 0..<5_000 as Range<UInt32> {
            #expect(queue.next == entry(number, 7))
            queue.drop()
        }
        #expect(queue.isEmpty)
    }
}

/// What a change of a copy says.
private func check<Value, Result>(_ value: Value, _ change: (inout Value) -> Result) -> Result {
    var copy = value
    return change(&copy)
}
