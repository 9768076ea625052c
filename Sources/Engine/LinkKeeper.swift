// Puts macvlans down and removes them, on a thread of its own: either takes the kernel 10 to 30 ms, in which an engine that waited would be late
// with its adverts. What is to be silent is silent before it comes here; this only makes it down, and later gone. It decides nothing.

import Glibc
import Kernel
import Synchronization
import System

/// Its methods are for the loop's thread.
final class LinkKeeper: Sendable {
    /// So long after the order it is done, nanoseconds, and so long nothing is done after that: the kernel's configuration lock is held for
    /// all of it, and the claims of others, and of other hosts' failures, come first.
    static let patience: Int64 = 50_000_000
    static let rest: Int64 = 20_000_000

    private struct Job: Sendable {
        let index: UInt32
        var removes: Bool
        var due: Int64
    }

    private struct Table: Sendable {
        /// The oldest first.
        var jobs: [Job] = []
        /// The interface that is being worked on.
        var inFlight: UInt32?
        var failures: [KernelError] = []
        var isEnding = false
    }

    private let table = Mutex(Table())
    /// Held for the length of each request.
    private let gate: Mutex<NetlinkRequests>
    private let wake: WakeDescriptor

    init() throws(EngineError) {
        do throws(KernelError) {
            gate = Mutex(try NetlinkRequests())
        } catch {
            throw .kernel(error)
        }
        do throws(SystemError) {
            wake = try WakeDescriptor()
            try BackgroundThread.start { [self] in work() }
        } catch {
            throw .system(error)
        }
    }

    func lower(_ index: UInt32) { order(index, removes: false) }

    func remove(_ index: UInt32) { order(index, removes: true) }

    private func order(_ index: UInt32, removes: Bool) {
        table.withLock { table in
            if let place = table.jobs.firstIndex(where: { $0.index == index }) {
                table.jobs[place].removes = table.jobs[place].removes || removes
                return
            }
            table.jobs.append(Job(index: index, removes: removes, due: Clock.boottime() + Self.patience))
        }
        wake.wake()
    }

    /// The interface is wanted after all. When this returns nothing is under way that could put it down.
    func cancel(_ index: UInt32) {
        let mustWait = table.withLock { table in
            table.jobs.removeAll { $0.index == index }
            return table.inFlight == index
        }
        if mustWait { gate.withLock { _ in } }
    }

    /// What the kernel refused since the last call.
    func takeFailures() -> [KernelError] {
        table.withLock { table in
            defer { table.failures = [] }
            return table.failures
        }
    }

    /// Another engine goes on, and decides anew: nothing more is done here.
    func abandon() {
        table.withLock { table in
            table.isEnding = true
            table.jobs = []
        }
        wake.wake()
        gate.withLock { _ in }
    }

    /// Ends the thread after what it is doing, and does what is left: for who must not leave anything behind.
    func finish(with requests: borrowing NetlinkRequests) {
        let jobs = table.withLock { table in
            table.isEnding = true
            defer { table.jobs = [] }
            return table.jobs
        }
        wake.wake()
        gate.withLock { _ in }
        for job in jobs where job.removes { try? requests.removeLink(job.index) }
    }

    // MARK: - The thread's side

    private func work() {
        RealTimeProcess.nameThread("link")
        while true {
            let (due, isEnding) = table.withLock { table in (table.jobs.first?.due ?? .max, table.isEnding) }
            if isEnding { return }
            wake.wait(until: due)
            gate.withLock { requests in
                let job = table.withLock { table -> Job? in
                    guard let first = table.jobs.first, first.due <= Clock.boottime(), !table.isEnding else {
                        return nil
                    }
                    table.inFlight = first.index
                    return table.jobs.removeFirst()
                }
                guard let job else { return }
                do throws(KernelError) {
                    if job.removes {
                        try requests.removeLink(job.index)
                    } else {
                        try requests.set(job.index, up: false)
                    }
                } catch {
                    if error.code != ENODEV { table.withLock { $0.failures.append(error) } }
                }
                table.withLock { $0.inFlight = nil }
            }
            Clock.pause(nanoseconds: Self.rest)
        }
    }
}
