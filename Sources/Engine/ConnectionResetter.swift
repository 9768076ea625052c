// Ends the TCP connections of addresses that are about to leave this host, so that clients see a reset at once and no address goes before.
// Looking through a host's connections takes as long as there are many, so a thread of its own does it, without the loop's priority, and the
// loop waits for it no longer than it can afford.

import Election
import Glibc
import Kernel
import Synchronization
import System
import Wire

/// The thread and what it was asked for. Its methods are for the loop's thread.
final class ConnectionResetter {
    /// So long the addresses wait for it at most, nanoseconds.
    static let patience: Int64 = 20_000_000

    /// This kernel cannot do it or does not let us: without CONFIG_INET_DIAG_DESTROY it says EOPNOTSUPP, without inet_diag ENOENT (sock_diag(7)).
    /// Whatever else goes wrong may go right the next time.
    private static let endless: [Int32] = [EOPNOTSUPP, EPERM, ENOENT, EPROTONOSUPPORT]

    /// What came of one look.
    struct Outcome: Sendable {
        var count = 0
        var failure: KernelError?
    }

    /// From the thread to the loop.
    private final class Result: Sendable { let outcome = Mutex(Outcome()) }

    private let worker: Worker
    private let result = Result()
    /// The look that is under way, and the one that will be next.
    private var running: UInt64?
    private var next: UInt64 = 1
    /// What the next look is for.
    private var waiting: [IPAddress] = []
    /// The kernel cannot do it: nobody waits for it any more.
    private(set) var isUseless = false

    /// Starts the thread.
    init() throws(SystemError) { worker = try Worker(name: "reset") }

    /// For the poller: readable when `takeDone` has something to tell.
    var number: Int32 { worker.number }

    /// Orders it for these addresses; returns the number of the look that will be for them. All that is ordered while one is under way is for
    /// the next: a thousand routers that leave together need a few of them.
    func reset(_ addresses: [IPAddress]) -> UInt64 {
        waiting += addresses
        let number = next
        begin()
        return number
    }

    private func begin() {
        guard running == nil, !waiting.isEmpty else { return }
        let addresses = waiting
        let number = next
        waiting = []
        running = number
        next += 1
        let result = result
        worker.post(number) {
            // The supervisor gives every thread of the engine the loop's class of priority; what takes as long as it takes must not
            // have it. A thread may always give it up.
            try? ProcessScheduling.setPriority(0, of: 0)
            var outcome = Outcome()
            do throws(KernelError) {
                outcome.count = try Connections.reset(of: addresses)
            } catch {
                outcome.failure = error
            }
            result.outcome.withLock { $0 = outcome }
        }
    }

    /// The look that has ended, if one has, and what came of it.
    func takeDone() -> (look: UInt64, outcome: Outcome)? {
        guard let look = worker.takeDone().last else { return nil }
        running = nil
        let outcome = result.outcome.withLock { $0 }
        if let failure = outcome.failure, Self.endless.contains(failure.code) { isUseless = true }
        begin()
        return (look, outcome)
    }
}
