// The event loop's view of descriptors: epoll(7), level-triggered, readable only. One of these per loop, used by one
// thread; it holds no callbacks, because who is readable comes back as tokens that the loop switches on.

import CLinux
import Glibc

/// A set of watched descriptors, each known by a token.
package struct Poller: ~Copyable {
    private let epoll: Descriptor
    /// The most tokens that one `wait` gives.
    package static let capacity = 64

    package init() throws(SystemError) {
        let number = vipd_poller()
        guard number >= 0 else { throw SystemError("epoll_create1") }
        epoll = Descriptor(taking: number)
    }

    /// Reports `token` whenever `descriptor` is readable, at its end, or in error. It must not be watched already.
    package func watch(_ descriptor: Int32, token: UInt64) throws(SystemError) {
        guard vipd_poller_watch(epoll.number, descriptor, token) == 0 else {
            throw SystemError("epoll_ctl", "add descriptor \(descriptor)")
        }
    }

    /// Stops watching. Call it before the descriptor is closed: a duplicate elsewhere keeps a closed one in the set.
    package func unwatch(_ descriptor: Int32) {
        _ = vipd_poller_unwatch(epoll.number, descriptor)
    }

    /// Waits until something is readable and leaves the tokens, at most `capacity`, in `tokens`; none after `milliseconds` (-1: for
    /// ever) or when a signal handler interrupted. The array is reused; its storage is allocated by the first call only.
    package mutating func wait(milliseconds: Int32, into tokens: inout [UInt64]) throws(SystemError) {
        let capacity = Self.capacity
        if tokens.count < capacity {
            tokens.reserveCapacity(capacity)
            while tokens.count < capacity { tokens.append(0) }
        }
        let number = epoll.number
        let count = unsafe tokens.withUnsafeMutableBufferPointer { buffer in
            unsafe vipd_poller_wait(number, buffer.baseAddress, Int32(capacity), milliseconds)
        }
        let code = errno
        tokens.removeLast(capacity - max(0, Int(count)))
        guard count >= 0 || code == EINTR else { throw SystemError("epoll_wait", code: code) }
    }
}

/// A timer for the poller: readable from its moment on until it is set again. Moments are of the monotonic clock, but it fires at
/// once when the machine wakes from a suspension, in which that clock stood still: who sleeps on would go on as if nothing had been.
package struct TimerDescriptor: ~Copyable {
    private let timer: Descriptor

    package init() throws(SystemError) {
        let number = vipd_timer()
        guard number >= 0 else { throw SystemError("timerfd_create") }
        timer = Descriptor(taking: number)
    }

    /// The number to watch.
    package var number: Int32 { timer.number }

    /// Fires at this reading of `Clock.monotonic()`, at once when it has passed; nil never.
    package func set(_ monotonicNanoseconds: Int64?) {
        _ = vipd_timer_set(timer.number, monotonicNanoseconds.map { max(0, $0) } ?? -1)
    }

    /// Makes it unreadable until it fires again.
    package func drain() { vipd_drain(timer.number) }
}

/// Signals as something readable, signalfd(2).
package struct SignalDescriptor: ~Copyable {
    private let signals: Descriptor

    /// Blocks `signals` in this thread and in those it starts later; make it before any other thread exists.
    package init(_ signals: [Int32]) throws(SystemError) {
        let number = unsafe signals.withUnsafeBufferPointer { unsafe vipd_signals($0.baseAddress, $0.count) }
        guard number >= 0 else { throw SystemError("signalfd") }
        self.signals = Descriptor(taking: number)
    }

    /// The number to watch.
    package var number: Int32 { signals.number }

    /// The next signal that arrived; nil when there is none.
    package func next() -> Int32? {
        let signal = vipd_signals_next(signals.number)
        return signal > 0 ? signal : nil
    }
}

/// How another thread wakes the one that waits on a poller, eventfd(2).
package struct WakeDescriptor: ~Copyable, Sendable {
    private let event: Descriptor

    package init() throws(SystemError) {
        let number = vipd_wake()
        guard number >= 0 else { throw SystemError("eventfd") }
        event = Descriptor(taking: number)
    }

    /// The number to watch.
    package var number: Int32 { event.number }

    /// Makes it readable; any thread may.
    package func wake() { _ = vipd_wake_up(event.number) }

    /// Makes it unreadable until the next `wake`.
    package func drain() { vipd_drain(event.number) }
}
