// When the verdicts are written down: at once when one is another, else every few seconds while checks run. By a thread of its
// own, one write at a time: a hung disk costs the next supervisor what it could have known, and this one nothing.

import System

/// Writes verdicts.
final class VerdictKeeper {
    /// A verdict that was only renewed is written this much later at the most.
    static let interval = Duration.seconds(5)

    var store: VerdictStore
    private let loop: Loop
    private let errands: Errands
    private let verdicts: () -> [StoredVerdict]
    private let failed: (SystemError) -> Void
    private var isWriting = false
    /// Another verdict came while one was being written.
    private var isWanted = false
    private var hasFailed = false
    private var next: Loop.Token?

    /// `verdicts` gives what is to be written; `failed` is told when that fails, once until it succeeds again.
    init(
        _ store: VerdictStore, loop: Loop, verdicts: @escaping () -> [StoredVerdict],
        failed: @escaping (SystemError) -> Void
    ) throws(SystemError) {
        self.store = store
        self.loop = loop
        errands = try Errands(loop: loop)
        self.verdicts = verdicts
        self.failed = failed
    }

    /// A run ended, and the verdict is another or only younger.
    func judged(changed: Bool) {
        if changed {
            write()
        } else if next == nil {
            next = loop.after(Self.interval) { [unowned self] in write() }
        }
    }

    private func write() {
        loop.cancel(next)
        next = nil
        guard !isWriting else {
            isWanted = true
            return
        }
        isWriting = true
        let (store, verdicts) = (store, verdicts())
        errands.run(
            { () -> SystemError? in
                do throws(SystemError) { try store.write(verdicts) } catch { return error }
                return nil
            },
            then: { [unowned self] (error: SystemError?) in
                isWriting = false
                if let error, !hasFailed { failed(error) }
                hasFailed = error != nil
                guard isWanted else { return }
                isWanted = false
                write()
            })
    }
}
