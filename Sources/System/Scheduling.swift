// How a process is scheduled, where it may run, how much of it is locked in memory, and how likely the kernel ends it when memory
// runs out: read and set from outside, for a child. It knows no wishes and no defaults, and nothing here waits.

import CLinux
import Glibc

/// What is in force for a process, as the kernel says.
package struct SchedulingState: Hashable, Sendable {
    /// SCHED_* of sched(7) without flags.
    package var policy: Int32
    /// 1...99 for SCHED_FIFO and SCHED_RR, 0 for the others.
    package var priority: Int32
    /// Ascending numbers of processors.
    package var processors: [UInt32]
    /// Locked memory in KiB; address space, of which only what is touched is in memory.
    package var lockedKiB: Int
    /// -1000...1000, proc_pid_oom_score_adj(5).
    package var oomScore: Int32

    package init(policy: Int32, priority: Int32, processors: [UInt32], lockedKiB: Int, oomScore: Int32) {
        self.policy = policy
        self.priority = priority
        self.processors = processors
        self.lockedKiB = lockedKiB
        self.oomScore = oomScore
    }
}

/// The calls; those that set something need to be of the same user as the process, or the capability that is named.
package enum ProcessScheduling {
    /// Processors beyond this number are not known (CPU_SETSIZE of glibc).
    package static let processorLimit = 1_024
    private static let threadLimit = 64

    /// The threads of a process, itself first; empty when it is gone.
    package static func threads(of process: Int32) -> [Int32] {
        var threads = [Int32](repeating: 0, count: threadLimit)
        let count = unsafe threads.withUnsafeMutableBufferPointer { buffer in
            unsafe vipd_threads(process, buffer.baseAddress, Int32(threadLimit))
        }
        return threads.prefix(max(0, Int(count))).sorted { ($0 != process ? 1 : 0, $0) < ($1 != process ? 1 : 0, $1) }
    }

    /// SCHED_FIFO at 1...99, or SCHED_OTHER with 0; what the thread starts is SCHED_OTHER in any case. EPERM above RLIMIT_RTPRIO
    /// without CAP_SYS_NICE.
    package static func setPriority(_ priority: Int32, of thread: Int32) throws(SystemError) {
        guard vipd_set_real_time(thread, priority) == 0 else { throw SystemError("sched_setscheduler") }
    }

    /// EINVAL when none of them is there for this process.
    package static func setProcessors(_ processors: [UInt32], of thread: Int32) throws(SystemError) {
        let result = unsafe processors.withUnsafeBufferPointer { buffer in
            unsafe vipd_set_processors(thread, buffer.baseAddress, Int32(buffer.count))
        }
        guard result == 0 else { throw SystemError("sched_setaffinity") }
    }

    /// -1000...1000. EACCES below what this process was given itself, without CAP_SYS_RESOURCE.
    package static func setOOMScore(_ score: Int32, of process: Int32) throws(SystemError) {
        guard vipd_set_oom_score(process, score) == 0 else { throw SystemError("write", "oom_score_adj") }
    }

    package static func processors(of thread: Int32) -> [UInt32] {
        var processors = [UInt32](repeating: 0, count: processorLimit)
        let count = unsafe processors.withUnsafeMutableBufferPointer { buffer in
            unsafe vipd_get_processors(thread, buffer.baseAddress, Int32(processorLimit))
        }
        return Array(processors.prefix(max(0, Int(count))))
    }

    /// Of the first thread where threads differ. ESRCH when the process is gone.
    package static func state(of process: Int32) throws(SystemError) -> SchedulingState {
        var policy: Int32 = 0
        var priority: Int32 = 0
        guard unsafe vipd_get_real_time(process, &policy, &priority) == 0 else {
            throw SystemError("sched_getscheduler")
        }
        var score: Int32 = 0
        guard unsafe vipd_get_oom_score(process, &score) == 0 else { throw SystemError("read", "oom_score_adj") }
        return SchedulingState(
            policy: policy, priority: priority, processors: processors(of: process),
            lockedKiB: max(0, vipd_locked_memory(process)), oomScore: score)
    }
}

/// What a real-time process does to itself when it starts.
package enum RealTimeProcess {
    /// A thread that runs at real-time priority for so long without waiting once is ended: first by SIGXCPU, which leaves a core, then by
    /// SIGKILL. Microseconds. Far above the longest piece of work there is (taking off or putting on a thousand IPv6 addresses: 0.3 s),
    /// and far below what would make a machine unreachable whose every processor a mistake keeps busy.
    package static let patience: (soft: UInt64, hard: UInt64) = (2_000_000, 3_000_000)

    /// Limits itself and takes its memory. Before there are threads.
    package static func prepare() {
        _ = vipd_limit_real_time(patience.soft, patience.hard)
        vipd_reserve_heap()
    }

    /// Has everything in memory that the process works with; after it was locked, that stays so.
    package static func touchWorkingSet() { vipd_touch_working_set() }

    /// Names the calling thread for ps(1), at most 15 octets.
    package static func nameThread(_ name: String) { unsafe vipd_name_thread(name) }
}
