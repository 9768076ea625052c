// Threads for what may block: a log's descriptor, a disk, a name service. No pools and no futures: a thread runs one body, or
// takes jobs in order, and whoever waits for a result is woken by a descriptor.

import CLinux
import Glibc
import Synchronization

/// A detached thread.
package enum BackgroundThread {
    private final class Body: Sendable {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }

    /// Runs `body` on a new thread that nobody waits for. It has the signal mask of the caller.
    package static func start(_ body: @escaping @Sendable () -> Void) throws(SystemError) {
        var thread = pthread_t()
        let context = unsafe Unmanaged.passRetained(Body(body)).toOpaque()
        let code = unsafe pthread_create(
            &thread, nil,
            { context in
                guard let context = unsafe context else { return nil }
                unsafe Unmanaged<Body>.fromOpaque(context).takeRetainedValue().run()
                return nil
            }, context)
        guard code == 0 else {
            unsafe Unmanaged<Body>.fromOpaque(context).release()
            throw SystemError("pthread_create", code: code)
        }
        pthread_detach(thread)
    }
}

/// Does jobs in order on a thread of its own, and tells by number which are done.
package final class Worker: Sendable {
    private let jobs = Mutex<[(number: UInt64, job: @Sendable () -> Void)]>([])
    private let done = Mutex<[UInt64]>([])
    private let wanted: WakeDescriptor
    private let finished: WakeDescriptor

    /// `name` is the thread's for ps(1), at most 15 octets; nil for that of the process.
    package init(name: String? = nil) throws(SystemError) {
        wanted = try WakeDescriptor()
        finished = try WakeDescriptor()
        try BackgroundThread.start { [self] in
            if let name { RealTimeProcess.nameThread(name) }
            work()
        }
    }

    /// Readable when `takeDone` has something to tell.
    package var number: Int32 { finished.number }

    /// Queues a job, which may block.
    package func post(_ number: UInt64, _ job: @escaping @Sendable () -> Void) {
        jobs.withLock { $0.append((number, job)) }
        wanted.wake()
    }

    /// The numbers of the jobs that were done since the last call.
    package func takeDone() -> [UInt64] {
        finished.drain()
        return done.withLock { done in
            let taken = done
            done = []
            return taken
        }
    }

    private func work() {
        while true {
            wanted.wait()
            let taken = jobs.withLock { jobs in
                let taken = jobs
                jobs = []
                return taken
            }
            for (number, job) in taken {
                job()
                done.withLock { $0.append(number) }
                finished.wake()
            }
        }
    }
}

extension WakeDescriptor {
    /// Blocks the calling thread until somebody wakes it.
    package func wait() {
        var entry = pollfd(fd: number, events: Int16(POLLIN), revents: 0)
        _ = unsafe poll(&entry, 1, -1)
        drain()
    }

    /// The same, and no longer than until this reading of `Clock.boottime()`; a stop of the process may have made it later.
    package func wait(until boottime: Int64) {
        let left = boottime == .max ? -1 : max(0, (boottime - Clock.boottime() + 999_999) / 1_000_000)
        var entry = pollfd(fd: number, events: Int16(POLLIN), revents: 0)
        if unsafe poll(&entry, 1, Int32(clamping: left)) > 0 { drain() }
    }
}

/// What a process does with its own signals.
package enum Signals {
    /// A write to a closed pipe or socket becomes EPIPE instead of the end of the process; children get the default back.
    package static func ignoreBrokenPipes() { vipd_ignore_broken_pipes() }
}
