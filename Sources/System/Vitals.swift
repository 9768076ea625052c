// The page that an engine shares with its supervisor: when its loop was last alive and what it was doing. A heartbeat is a
// store into memory, so it costs the engine no message and no wait, and whoever reads it waits for nobody either. It holds facts
// only; how long a silence is too long is the watchdog's business.

import CLinux
import Glibc

/// What an engine was doing when it last said that it lives. The numbers are those of `vipd_work_word`.
package enum Work: UInt32, Hashable, Sendable, CaseIterable {
    case starting = 0
    case waiting, adverts, kernelEvents, command, timers, report, advert, claim, release, announcement, gate, transition
    case leaving

    /// For the log, after "in".
    package var word: String { Self.word(rawValue) }

    fileprivate static func word(_ number: UInt32) -> String {
        guard let text = unsafe vipd_work_word(number) else { return "unknown" }
        return unsafe String(cString: text)
    }
}

/// One shared page, in either process.
package final class Vitals: Sendable {
    private let page: UInt
    /// The memfd, for the other process; nil where this process got it from there.
    private let memory: SharedMemory?

    /// The descriptor in a box that many may hold.
    private final class SharedMemory: Sendable {
        let descriptor: Int32
        init(_ descriptor: consuming Descriptor) { self.descriptor = descriptor.release() }
        deinit { _ = Descriptor(taking: descriptor) }
    }

    /// A new page, for an engine that is to be started.
    package init() throws(SystemError) {
        let number = vipd_vitals_make()
        guard number >= 0 else { throw SystemError("memfd_create", "vitals") }
        let descriptor = Descriptor(taking: number)
        page = vipd_vitals_map(number)
        guard page != 0 else { throw SystemError("mmap", "vitals") }
        memory = SharedMemory(descriptor)
    }

    /// The page of the process that made it. EINVAL where the descriptor is none.
    package init(mapping descriptor: consuming Descriptor, keeping: Bool = false) throws(SystemError) {
        page = vipd_vitals_map(descriptor.number)
        guard page != 0 else { throw SystemError("mmap", "vitals") }
        memory = keeping ? SharedMemory(descriptor) : nil
    }

    deinit { vipd_vitals_unmap(page) }

    /// The memfd that the other process maps; nil in the process that got it.
    package var number: Int32? { memory?.descriptor }

    // MARK: The engine's side

    /// It lives, and does this for the virtual router of this number (0: for none).
    package func mark(_ work: Work, _ router: UInt32 = 0) { mark(work, router, at: Clock.monotonic()) }

    /// The same, at this reading of the monotonic clock in nanoseconds.
    package func mark(_ work: Work, _ router: UInt32 = 0, at now: Int64) {
        vipd_vitals_mark(page, now, UInt64(work.rawValue) << 32 | UInt64(router))
    }

    /// What it does, without a sign of life: for what is done thousands of times a second, where even a look at the clock counts.
    package func note(_ work: Work, _ router: UInt32 = 0) {
        vipd_vitals_note(page, UInt64(work.rawValue) << 32 | UInt64(router))
    }

    /// From now on it will not be silent for longer than `limit` nanoseconds; 0 takes the promise back.
    package func promise(_ limit: Int64) { vipd_vitals_promise(page, limit) }

    /// A fatal signal of this process tells of this page.
    package func speakLast() { vipd_tell_fatal_signals(page) }

    // MARK: The supervisor's side

    /// The monotonic clock at the last sign of life, nanoseconds; 0 before the first.
    package var beat: Int64 { vipd_vitals_beat(page) }

    /// What it promised, nanoseconds; 0 for nothing.
    package var limit: Int64 { vipd_vitals_limit(page) }

    /// What it last said it was doing.
    package var lastWords: LastWords {
        let work = vipd_vitals_work(page)
        return LastWords(
            word: Work.word(UInt32(truncatingIfNeeded: work >> 32)), router: UInt32(truncatingIfNeeded: work),
            beat: beat)
    }

    package struct LastWords: Hashable, Sendable {
        /// As `Work.word`.
        package var word: String
        /// 0 for none.
        package var router: UInt32
        /// When, as `Vitals.beat`.
        package var beat: Int64

        package init(word: String, router: UInt32, beat: Int64) {
            self.word = word
            self.router = router
            self.beat = beat
        }
    }
}

/// What a process tells of its own fatal signal.
package enum FatalSignals {
    /// One line on standard error, then the signal's own effect. A page adds to it later what was being done.
    package static func tell() { vipd_tell_fatal_signals(0) }
}
