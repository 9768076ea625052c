// What is heard of others again and again: remembered while it lasts, and told without flooding anybody.

import Wire

/// Something that one virtual router heard of others, since when, how lately and how often.
protocol Hearing: Hashable, Sendable {
    var first: Instant { get set }
    var last: Instant { get }
    var count: UInt64 { get set }
    /// One that was not heard for so long is over.
    static var memory: Duration { get }
    /// The two are about the same, whatever their values.
    func concerns(_ other: Self) -> Bool
    /// And have the same values.
    func says(_ other: Self) -> Bool
    /// Of those with one number one is told in 10 s at most; small numbers.
    var kindNumber: Int { get }
}

/// What one virtual router heard, at most `capacity` of it.
///
/// A new or changed one is told at once and one that stays every 10 minutes, but of each kind at most one in 10 s: a sender
/// that changes its address or its values cannot make more (checklist V3-RX-19).
struct HearingTable<Item: Hearing>: Hashable, Sendable {
    static var capacity: Int { 16 }
    static var period: Duration { .seconds(10) }
    static var reminder: Duration { .seconds(600) }

    private struct Entry: Hashable, Sendable {
        var heard: Item
        var told: Instant?
    }

    private var entries: [Entry] = []
    private var lastTold: [Instant?] = []

    /// Notes one that is heard now. True when it should be told.
    mutating func hear(_ item: Item, at now: Instant) -> Bool {
        guard let index = entries.firstIndex(where: { $0.heard.concerns(item) }) else {
            return tell(insert(item), at: now)
        }
        let old = entries[index].heard
        let isOver = now - old.last >= Item.memory
        if isOver || !old.says(item) { entries[index].told = nil }
        entries[index].heard = item
        if !isOver {
            entries[index].heard.first = old.first
            entries[index].heard.count = old.count &+ 1
        }
        return tell(index, at: now)
    }

    /// Whether one of this kind could be told now. What is dear to find out can wait until it can.
    func mayTell(kind number: Int, at now: Instant) -> Bool {
        guard number < lastTold.count, let last = lastTold[number] else { return true }
        return now - last >= Self.period
    }

    /// Those that were heard lately, in the order of their first hearing.
    func present(at now: Instant) -> [Item] { entries.map { $0.heard }.filter { now - $0.last < Item.memory } }

    /// Where it is then: behind the others, or in the place of the one that was heard the longest ago.
    private mutating func insert(_ item: Item) -> Int {
        let entry = Entry(heard: item)
        if entries.count >= Self.capacity,
            let oldest = entries.indices.min(by: { entries[$0].heard.last < entries[$1].heard.last })
        {
            entries[oldest] = entry
            return oldest
        }
        entries.append(entry)
        return entries.count - 1
    }

    private mutating func tell(_ index: Int, at now: Instant) -> Bool {
        if let told = entries[index].told, now - told < Self.reminder { return false }
        let number = entries[index].heard.kindNumber
        guard mayTell(kind: number, at: now) else { return false }
        while lastTold.count <= number { lastTold.append(nil) }
        lastTold[number] = now
        entries[index].told = now
        return true
    }
}
