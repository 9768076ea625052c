// Is an engine that gives no sign of life hanging? Plain values: what was read of it, and what follows. Late is not dead: when the
// one who looks was late itself, when the machine gives the engine no processor, or when the kernel does not let it go, the silence
// says nothing of it.

import Election

/// Judges one engine by the signs of life that it has promised.
struct HeartbeatJudge: Hashable {
    /// No promise is believed beyond these, nanoseconds: a page that is overwritten must not make the watchdog spin or sleep.
    static let leastLimit: Nanoseconds = 100_000_000
    static let mostLimit: Nanoseconds = 10_000_000_000
    /// So many times within the limit it is looked.
    static let looksPerLimit: Nanoseconds = 4

    enum Verdict: Hashable {
        /// It promises nothing; it will be told when that changes.
        case unwatched
        /// Look again at this time.
        case alive(lookAt: Nanoseconds)
        /// It has been silent for longer than it promised: find out what it does, and look again then.
        case silent(Nanoseconds, limit: Nanoseconds, lookAt: Nanoseconds)
    }

    private var due: Nanoseconds?
    /// Silence is counted from here at the earliest.
    private var grace: Nanoseconds

    init(since: Nanoseconds) { grace = since }

    /// Looks at `now`; `beat` and `limit` are what the engine's page says. All on the monotonic clock.
    mutating func look(at now: Nanoseconds, beat: Nanoseconds, limit promised: Nanoseconds) -> Verdict {
        guard promised > 0 else {
            due = nil
            return .unwatched
        }
        let limit = min(Self.mostLimit, max(Self.leastLimit, promised))
        let period = limit / Self.looksPerLimit
        // This process was away: so may have been the engine, and what it sent meanwhile counts from now.
        if let due, now - due > period / 2 { grace = now }
        if due == nil { grace = max(grace, now) }
        due = now + period
        let silence = now - max(grace, min(beat, now))
        return silence > limit
            ? .silent(silence, limit: limit, lookAt: now + period) : .alive(lookAt: now + period)
    }
}

/// What the kernel says of a process that is silent.
struct ProcessActivity: Hashable {
    /// The letter of proc_pid_stat(5).
    var state: UInt8
    /// The time that it had on a processor, nanoseconds.
    var ran: Nanoseconds

    /// Whether it hangs, as against `earlier`, a look before this one during the same silence and nil at the first. One that sleeps
    /// or was stopped does. One that wants to run (R) does when it does run, for half of the time between the two looks or more. One
    /// in the kernel (D) cannot be ended by any signal before the kernel lets it go.
    func isHanging(since earlier: ProcessActivity?, after span: Nanoseconds) -> Bool {
        switch state {
        case UInt8(ascii: "D"): false
        case UInt8(ascii: "R"): earlier.map { ran - $0.ran > span / 2 } ?? false
        default: true
        }
    }
}
