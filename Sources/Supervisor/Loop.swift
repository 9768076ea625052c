// The supervisor's event loop: descriptors and moments, each with what to do. One thread, bare epoll; everything that could
// block it (disks, name services, a full log) is done elsewhere and comes back as something readable.

import Election
import Glibc
import Synchronization
import System

/// A span in nanoseconds that deadlines are made of.
typealias Nanoseconds = Int64

/// Runs closures when descriptors are readable or moments have come. All of it belongs to one thread.
final class Loop {
    private var poller: Poller
    private let timer: TimerDescriptor
    private var next: UInt64 = 0
    private var readers: [UInt64: (number: Int32, body: () -> Void)] = [:]
    private var deadlines: [UInt64: (at: Nanoseconds, body: () -> Void)] = [:]
    private var tokens: [UInt64] = []

    init() throws(SystemError) {
        poller = try Poller()
        timer = try TimerDescriptor()
        try poller.watch(timer.number, token: 0)
    }

    /// Names a reader or a deadline.
    struct Token: Hashable {
        fileprivate let number: UInt64
    }

    private func token() -> UInt64 {
        next += 1
        return next
    }

    /// Calls `body` whenever `descriptor` is readable, until `cancel`, which must come before the descriptor is closed.
    func watch(_ descriptor: Int32, _ body: @escaping () -> Void) throws(SystemError) -> Token {
        let number = token()
        try poller.watch(descriptor, token: number)
        readers[number] = (descriptor, body)
        return Token(number: number)
    }

    /// Calls `body` once, when this reading of the monotonic clock has come; never from within this call.
    @discardableResult
    func at(_ moment: Nanoseconds, _ body: @escaping () -> Void) -> Token {
        let number = token()
        deadlines[number] = (moment, body)
        return Token(number: number)
    }

    /// Calls `body` once, after a span.
    @discardableResult
    func after(_ span: Duration, _ body: @escaping () -> Void) -> Token {
        at(Clock.monotonic() + span.nanoseconds, body)
    }

    /// Ends a watch, or forgets a moment. Harmless when it is over already.
    func cancel(_ token: Token?) {
        guard let token else { return }
        if let reader = readers.removeValue(forKey: token.number) { poller.unwatch(reader.number) }
        deadlines[token.number] = nil
    }

    /// Waits for something and does it: first what is readable, then what is due, so that a late loop judges by what arrived.
    func turn() throws(SystemError) {
        timer.set(deadlines.values.lazy.map(\.at).min())
        try poller.wait(milliseconds: -1, into: &tokens)
        let readable = tokens
        for number in readable where number != 0 {
            // It may have been cancelled by one before it.
            readers[number]?.body()
        }
        timer.drain()
        let now = Clock.monotonic()
        let due = deadlines.filter { $0.value.at <= now }.sorted { ($0.value.at, $0.key) < ($1.value.at, $1.key) }
        for (number, _) in due {
            deadlines.removeValue(forKey: number)?.body()
        }
    }
}

/// Work that may block, done by a thread of its own; what follows from it is done by the loop.
final class Errands {
    private let worker: Worker
    private var next: UInt64 = 0
    private var completions: [UInt64: () -> Void] = [:]

    /// A place for a result between the threads.
    private final class Slot<Result: Sendable>: Sendable {
        let result = Mutex<Result?>(nil)
    }

    /// Nothing is being done, and nothing waits.
    var isIdle: Bool { completions.isEmpty }

    init(loop: Loop) throws(SystemError) {
        worker = try Worker()
        _ = try loop.watch(worker.number) { [unowned self] in
            for number in worker.takeDone() { completions.removeValue(forKey: number)?() }
        }
    }

    /// Does `job` on the other thread, in turn, and then `completion` on the loop's.
    func run<Result: Sendable>(_ job: @escaping @Sendable () -> Result, then completion: @escaping (Result) -> Void) {
        let slot = Slot<Result>()
        next += 1
        completions[next] = {
            if let result = slot.result.withLock({ $0 }) { completion(result) }
        }
        worker.post(next) {
            let result = job()
            slot.result.withLock { $0 = result }
        }
    }
}
