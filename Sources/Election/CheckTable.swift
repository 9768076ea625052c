// What is known of every check. A verdict counts for its time to live; one that is not renewed is stale, which is a failure
// like any other: unknown is not healthy (promise 6).

/// The verdicts of a host's checks.
package struct CheckTable: Hashable, Sendable {
    /// What is known of a check when it is declared.
    package enum Known: Hashable, Sendable {
        /// Cold start: counts as failing until the first success.
        case cold
        /// Added by a reload: no effect before the first verdict, or before its time to live has passed without one.
        case unjudged
        /// A verdict of this age, carried over from an earlier engine or configuration.
        case known(Verdict, age: Duration)
    }

    private struct Entry: Hashable, Sendable {
        let check: CheckID
        var timeToLive: Duration
        /// nil is no failure.
        var failure: CheckFailure?
        /// When the verdict becomes stale; nil once it has.
        var expires: Instant?
    }

    private var entries: [Entry] = [] {
        didSet { deadline = entries.lazy.compactMap { $0.expires }.min() }
    }

    /// When the next verdict becomes stale.
    private(set) var deadline: Instant?

    package init() {}

    mutating func define(_ check: CheckID, timeToLive: Duration, known: Known, at now: Instant) {
        var entry = Entry(check: check, timeToLive: timeToLive, failure: nil, expires: now + timeToLive)
        switch known {
        case .cold:
            entry.failure = .pending
        case .unjudged:
            break
        case .known(let verdict, let age):
            let expires = now - age + timeToLive
            entry.failure = expires > now ? verdict.failure : .stale
            entry.expires = expires > now ? expires : nil
        }
        if let index = entries.firstIndex(where: { $0.check == check }) {
            entries[index] = entry
        } else {
            entries.append(entry)
        }
    }

    mutating func remove(_ check: CheckID) { entries.removeAll { $0.check == check } }

    /// Takes a verdict over; true if it changes anything.
    mutating func judge(_ check: CheckID, _ verdict: Verdict, at now: Instant) -> Bool {
        guard let index = entries.firstIndex(where: { $0.check == check }) else { return false }
        entries[index].expires = now + entries[index].timeToLive
        guard entries[index].failure != verdict.failure else { return false }
        entries[index].failure = verdict.failure
        return true
    }

    /// Marks what has become stale; true if anything did.
    mutating func expire(at now: Instant) -> Bool {
        var changed = false
        for index in entries.indices {
            guard let expires = entries[index].expires, expires <= now else { continue }
            entries[index].expires = nil
            entries[index].failure = .stale
            changed = true
        }
        return changed
    }

    /// Why the check fails now; nil if it passes or has no effect. A check that was never declared fails as stale.
    func failure(of check: CheckID) -> CheckFailure? {
        guard let entry = entries.first(where: { $0.check == check }) else { return .stale }
        return entry.failure
    }
}

extension Verdict {
    /// nil for passing.
    package var failure: CheckFailure? {
        switch self {
        case .passing: nil
        case .failing(let failure): failure
        }
    }
}
