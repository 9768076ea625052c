// Which questions of which virtual routers are to be asked when, and whose answers are awaited. At most one question a millisecond leaves an
// engine beyond the first few, so that a takeover of a thousand routers is not held up, and its neighbours are not flooded. It sends nothing.

import Election
import Wire

/// Whether takeovers arrived, for all routers of an engine. Times are CLOCK_MONOTONIC in nanoseconds.
struct Verifier {
    /// Who else is on the segment is asked and learned so long after the beginning: until then all that matters is on its way.
    static let neighborDelay: Int64 = 100_000_000
    /// Answers to the last questions are waited for so long.
    static let patience: Int64 = 1_000_000_000
    /// So many questions may go out at once; each is given back after `pause`.
    static let atOnce = 8
    static let pause: Int64 = 1_000_000
    /// Of the neighbours that the kernel knows no more are asked.
    static let neighborLimit = 8
    /// Moments are put off to a multiple of it: runs that began one shortly after the other go on together, and are looked at once.
    static let grain: Int64 = 10_000_000

    /// A takeover, or an order, whose run has not begun.
    struct Wanted {
        var router: RouterID
        var isOrdered: Bool
        /// The announcements were out, or waited for their interface's turn, or it was ordered.
        var at: Int64
    }

    /// Where an address is.
    struct Place {
        /// Its interface.
        var own: UInt32
        /// That by which its neighbours are reached: behind a virtual hardware address it is the one below.
        var segment: UInt32
    }

    /// One router's.
    struct Run {
        /// In the sequence field of its echo requests: the answers to an earlier run's are worth nothing.
        let number: UInt16
        let places: [IPAddress: Place]
        /// By so much boot time was ahead then.
        let bootOffset: Duration
        var verification: Verification
        /// When to ask, and to ask anew whoever has not answered, ascending. The last one is the end.
        var moments: [Int64]
        /// From when on neighbours are asked, too.
        let neighborsFrom: Int64
        var isAwaitingNeighbors = true
        /// The supervisor knows that it is verified.
        var isTold = false

        var end: Int64 { moments[moments.count - 1] }

        /// There is nothing left to wait for.
        var isAnswered: Bool { !isAwaitingNeighbors && verification.questions.allSatisfy { $0.answered != nil } }
    }

    /// A question that waits for its turn, or for the hardware address of its target.
    struct Waiting: Hashable {
        var router: RouterID
        var run: UInt16
        var address: IPAddress
        var target: IPAddress

        init(_ question: Verification.Question, of router: RouterID, run: UInt16) {
            self.router = router
            self.run = run
            address = question.address
            target = question.target
        }
    }

    /// In all our echo requests.
    let identifier: UInt16
    private(set) var runs: [RouterID: Run] = [:]
    private var wanted: [Wanted] = []
    private var lastNumber: UInt16 = 0
    private var queue = Line<Waiting>()
    /// What waits until it is heard where its target is, by that.
    private var unresolved: [IPAddress: Set<Waiting>] = [:]
    /// Who was asked about which address, to find a run by its answer.
    private var asked: [Pair: RouterID] = [:]
    private var allowance = Allowance(period: pause, atOnce: Int64(atOnce))
    /// The earliest moment of all runs.
    private var nextMoment = Int64.max

    private struct Pair: Hashable {
        var address: IPAddress
        var target: IPAddress
    }

    init(identifier: UInt16) { self.identifier = identifier }

    /// When `moment` has something to do; `.max` for never.
    var due: Int64 {
        if let first = wanted.first { return first.at }
        return queue.isEmpty ? nextMoment : min(nextMoment, allowance.next())
    }

    // MARK: - Runs

    /// A router is to be verified. No more than that: others may be taken over at this moment.
    mutating func want(_ router: RouterID, isOrdered: Bool, at now: Int64) {
        wanted.append(Wanted(router: router, isOrdered: isOrdered, at: now))
    }

    mutating func takeWanted() -> [Wanted] {
        defer { wanted.removeAll(keepingCapacity: true) }
        return wanted
    }

    /// Begins a run of a router, in place of one that is under way. `retries` count from the beginning.
    mutating func begin(
        _ router: RouterID, at places: [IPAddress: Place], isOrdered: Bool, retries: [Int64], at now: Int64,
        bootOffset: Int64
    ) {
        let delay = isOrdered ? 0 : Self.neighborDelay
        end(router)
        lastNumber &+= 1
        var moments: [Int64] = []
        var last = now
        for offset in [delay] + retries + [max(delay, retries.last ?? 0) + Self.patience] where now + offset > last {
            last = (now + offset + Self.grain - 1) / Self.grain * Self.grain
            moments.append(last)
        }
        runs[router] = Run(
            number: lastNumber, places: places, bootOffset: .nanoseconds(bootOffset),
            verification: Verification(began: Instant(nanoseconds: now), isOrdered: isOrdered), moments: moments,
            neighborsFrom: now + delay)
        nextMoment = min(nextMoment, moments[0])
    }

    /// Ends it, whatever is still awaited, and returns it.
    @discardableResult
    mutating func end(_ router: RouterID) -> Run? {
        guard let run = runs.removeValue(forKey: router) else { return nil }
        for question in run.verification.questions {
            let pair = Pair(address: question.address, target: question.target)
            if asked[pair] == router { asked[pair] = nil }
            let waiting = Waiting(question, of: router, run: run.number)
            unresolved[question.target]?.remove(waiting)
            if unresolved[question.target]?.isEmpty == true { unresolved[question.target] = nil }
        }
        if runs.isEmpty {
            queue = Line()
            nextMoment = .max
        }
        return run
    }

    mutating func change(_ router: RouterID, _ body: (inout Run) -> Void) {
        guard var run = runs.removeValue(forKey: router) else { return }
        body(&run)
        runs[router] = run
    }

    /// The runs whose next moment has come, in the order of their numbers; each of them is one moment further then. The last moment
    /// of a run stays: it has to be ended.
    mutating func takeDue(at now: Int64) -> [RouterID] {
        guard now >= nextMoment else { return [] }
        nextMoment = .max
        var due: [RouterID] = []
        // In place: none of them is copied for being looked at.
        var place = runs.startIndex
        while place < runs.endIndex {
            if runs.values[place].moments[0] <= now {
                due.append(runs.keys[place])
                if runs.values[place].moments.count > 1 { runs.values[place].moments.removeFirst() }
            }
            nextMoment = min(nextMoment, runs.values[place].moments[0])
            runs.formIndex(after: &place)
        }
        return due.sorted()
    }

    // MARK: - Questions

    /// What has not been answered waits to be asked, again or for the first time.
    mutating func enqueue(_ router: RouterID) {
        guard let run = runs[router] else { return }
        for question in run.verification.questions where question.answered == nil {
            queue.append(Waiting(question, of: router, run: run.number))
        }
    }

    /// The next question that may be asked now; nil when none waits, or none may.
    mutating func next(at now: Int64) -> Waiting? {
        while let waiting = queue.first {
            let isWanted = runs[waiting.router]?.number == waiting.run
            if isWanted, !allowance.take(at: now) { return nil }
            queue.removeFirst()
            if isWanted { return waiting }
        }
        return nil
    }

    /// It went out.
    mutating func noteAsked(_ question: Waiting) {
        guard let place = runs[question.router]?.verification.place(of: question.target, about: question.address)
        else { return }
        runs[question.router]?.verification.questions[place].asked += 1
        asked[Pair(address: question.address, target: question.target)] = question.router
    }

    /// Nobody knows where its target is; whoever hears of it asks then.
    mutating func noteUnresolved(_ question: Waiting) {
        unresolved[question.target, default: []].insert(question)
    }

    /// Of whom it is to be heard on an interface where they are.
    func unresolved(on index: UInt32) -> Set<IPAddress> {
        guard !unresolved.isEmpty else { return [] }
        return Set(unresolved.filter { $0.value.contains { isPlaced($0, on: index) } }.keys)
    }

    private func isPlaced(_ question: Waiting, on index: UInt32) -> Bool {
        guard let run = runs[question.router] else { return false }
        return run.number == question.run && run.places[question.address]?.segment == index
    }

    /// Where this address is was heard on an interface: what waited for that there.
    mutating func takeResolved(_ target: IPAddress, on index: UInt32) -> Set<Waiting> {
        guard let waiting = unresolved[target] else { return [] }
        let resolved = waiting.filter { isPlaced($0, on: index) }
        let rest = waiting.subtracting(resolved)
        unresolved[target] = rest.isEmpty ? nil : rest
        return resolved
    }

    /// An echo reply that came in by an interface: whose question it answers; nil when that is no news.
    mutating func answer(_ reply: EchoMessage, on index: UInt32, at arrival: Int64) -> RouterID? {
        guard reply.identifier == identifier,
            let router = asked[Pair(address: reply.destination, target: reply.source)], let run = runs[router],
            run.number == reply.sequence, run.places[reply.destination]?.segment == index
        else { return nil }
        let isNews =
            runs[router]?.verification.answer(
                from: reply.source, to: reply.destination, at: Instant(nanoseconds: arrival)) ?? false
        return isNews ? router : nil
    }
}
