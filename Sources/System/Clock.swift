// The three clocks of Linux that the agent reads. Decisions use the monotonic one; boot time counts through suspend and is
// what two processes compare; the wall clock is for people and for kernel receive stamps only.

import CLinux
import Glibc

/// Nanosecond readings of clock_gettime(2).
package enum Clock {
    /// CLOCK_MONOTONIC: what deadlines are measured in.
    package static func monotonic() -> Int64 { read(CLOCK_MONOTONIC) }
    /// CLOCK_BOOTTIME: as monotonic, and goes on while the machine is suspended.
    package static func boottime() -> Int64 { read(CLOCK_BOOTTIME) }
    /// CLOCK_REALTIME: nanoseconds since 1970, may jump.
    package static func wall() -> Int64 { read(CLOCK_REALTIME) }

    /// For how long the machine has been suspended since it started, nanoseconds: the difference of the two clocks above.
    package static func suspended() -> Int64 { vipd_suspended() }

    private static func read(_ clock: clockid_t) -> Int64 {
        var time = timespec()
        _ = unsafe clock_gettime(clock, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }

    /// Does nothing for about so long, less than a second; a signal may end it early.
    package static func pause(nanoseconds: Int64) {
        var span = timespec(tv_sec: 0, tv_nsec: Int(nanoseconds))
        _ = unsafe nanosleep(&span, nil)
    }
}
