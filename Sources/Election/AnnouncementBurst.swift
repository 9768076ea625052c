// When the addresses of a master are announced: rounds after the claim, then an optional refresh. The first round goes out
// at once, because it is what moves the clients, in slices between which adverts are sent; repeats of many addresses are spread
// (checklist GARP-03, NA-07).

/// The progress of one series of announcements. It ends with its owner: leaving master forgets it.
struct AnnouncementBurst: Hashable, Sendable {
    /// More addresses than this are repeated one by one.
    static let unpacedAddresses = 16
    /// So many of a first round go out in one go: about a slice of the engine's time.
    static let firstSlice = 256

    let started: Instant
    private(set) var due: Instant?
    private var round = 0
    private var position = 0

    /// The first round has not been announced whole.
    var isInFirstRound: Bool { round == 0 }

    /// A series whose first round is due `plan.rounds[0]` after `now`.
    init(startingAt now: Instant, _ plan: AnnouncementPlan) {
        started = now
        due = plan.rounds.first.map { now + $0 } ?? plan.refresh.map { now + $0 }
    }

    /// A master that continues where another engine stopped announces nothing but its refresh.
    init(resumingAt now: Instant, _ plan: AnnouncementPlan) {
        started = now
        round = plan.rounds.count
        due = plan.refresh.map { now + $0 }
    }

    /// A reload changed the plan of a series that began at `started`: what of the new plan is still to come.
    init(continuing started: Instant, at now: Instant, _ plan: AnnouncementPlan) {
        self.started = started
        round = plan.rounds.firstIndex { started + $0 > now } ?? plan.rounds.count
        due = round < plan.rounds.count ? started + plan.rounds[round] : plan.refresh.map { now + $0 }
    }

    /// Every one of `count` addresses will be announced in a round that begins later, and by `latest`. Of paced rounds the last address
    /// counts, and the one that is under way comes to its end before.
    func repeats(by latest: Instant, addresses count: Int, _ plan: AnnouncementPlan) -> Bool {
        let next = position == 0 ? round : round + 1
        guard next < plan.rounds.count else { return false }
        let pace = Self.isPaced(count, plan) ? plan.pacing : .zero
        var begin = started + plan.rounds[next]
        if round > 0, position > 0, let due { begin = max(begin, due + pace.times(count - position)) }
        return begin + (next > 0 ? pace.times(count - 1) : .zero) <= latest
    }

    /// The addresses of a repeat are announced one by one.
    private static func isPaced(_ count: Int, _ plan: AnnouncementPlan) -> Bool {
        count > unpacedAddresses && plan.pacing > .zero
    }

    /// The addresses to announce now, as a range of their list; nil if nothing is due. Only the first `prompt` of `all` are announced in
    /// rounds that do not suit neighbour advertisements.
    mutating func next(
        at now: Instant, addresses all: Int, prompt: Int, _ plan: AnnouncementPlan
    ) -> Range<Int>? {
        guard let due, due <= now, all > 0 else { return nil }
        if round >= plan.rounds.count { return refresh(after: due, at: now, all, plan) }
        let count = prompt == all || plan.suitsNeighbors(round: round) ? all : prompt
        let first = min(position, count - 1)
        // What is left of a sliced round stays due, and comes as soon as the engine has done what else is.
        let isUnpaced = round == 0 || !Self.isPaced(count, plan)
        let last = min(first + (isUnpaced ? Self.firstSlice : 1), count)
        position = last
        if last == count {
            finishRound(plan)
        } else if !isUnpaced {
            self.due = max(due, now - plan.pacing) + plan.pacing
        }
        return first..<last
    }

    private mutating func finishRound(_ plan: AnnouncementPlan) {
        position = 0
        round += 1
        if round < plan.rounds.count {
            due = started + plan.rounds[round]
        } else {
            due = plan.refresh.map { (due ?? started) + $0 }
        }
    }

    /// At most 16 addresses at a time, in turn (checklist GARP-04).
    private mutating func refresh(
        after previous: Instant, at now: Instant, _ count: Int, _ plan: AnnouncementPlan
    ) -> Range<Int> {
        let first = position < count ? position : 0
        let last = min(first + Self.unpacedAddresses, count)
        position = last < count ? last : 0
        // After a pause one refresh is enough.
        due = plan.refresh.map { previous + $0 <= now ? now + $0 : previous + $0 }
        return first..<last
    }
}
