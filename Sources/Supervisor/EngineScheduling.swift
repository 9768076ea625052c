// The engine's scheduling: set from here, on the child's process id, and not by the engine itself. The engine keeps two capabilities
// and neither is for this; the supervisor keeps CAP_SYS_NICE (or the unit's limits) for its whole life, so that a reload can raise what
// the start did not, every engine that follows gets the same, and nothing of it depends on a process that may be hung. What is not
// permitted is told and never a reason to stop.

import Configuration
import Glibc
import Status
import System

/// Something that the engine did not get.
struct EngineLimit: Hashable {
    /// `priority`, `cpus`, `oom-score-adjust` or `locked-memory`.
    var what: String
    /// What the configuration asks for; empty where it is no matter of configuration.
    var wanted: String
    /// Why, in the words of the system.
    var reason: String
    /// What to do.
    var advice: String
}

enum EngineScheduling {
    /// Brings the process to what is wanted as far as that is permitted; nil when it is gone.
    static func apply(_ wanted: EngineConfiguration, to process: Int32) -> (
        state: SchedulingState, limits: [EngineLimit]
    )? {
        var limits: [EngineLimit] = []
        setPriority(wanted, process, &limits)
        setProcessors(wanted, process, &limits)
        do throws(SystemError) {
            try ProcessScheduling.setOOMScore(wanted.oomScoreAdjust, of: process)
        } catch {
            limits.append(
                EngineLimit(
                    what: "oom-score-adjust", wanted: "\(wanted.oomScoreAdjust)", reason: error.reason,
                    advice: "set OOMScoreAdjust=\(wanted.oomScoreAdjust) in the unit, or give the supervisor"
                        + " CAP_SYS_RESOURCE"))
        }
        guard let state = try? ProcessScheduling.state(of: process) else { return nil }
        let missing = wanted.cpus.filter { !state.processors.contains($0) }
        if !missing.isEmpty, !limits.contains(where: { $0.what == "cpus" }) {
            limits.append(limit(cpus: wanted, "not there: \(missing.map { "\($0)" }.joined(separator: ", "))"))
        }
        return (state, limits)
    }

    /// The loop gets the priority, and other threads (the one that renews leases) the next lower one: they must not be starved either,
    /// and never hold the loop up.
    private static func setPriority(_ wanted: EngineConfiguration, _ process: Int32, _ limits: inout [EngineLimit]) {
        for thread in ProcessScheduling.threads(of: process) {
            let priority = wanted.priority ?? 0
            do throws(SystemError) {
                try ProcessScheduling.setPriority(
                    thread == process || priority == 0 ? priority : max(1, priority - 1), of: thread)
            } catch {
                // A thread may have ended meanwhile.
                guard error.code != ESRCH else { continue }
                limits.append(
                    EngineLimit(
                        what: "priority", wanted: "\(priority)", reason: error.reason,
                        advice:
                            "give the supervisor CAP_SYS_NICE or set LimitRTPRIO=\(priority), and see that its control"
                            + " group may run real-time processes; or set 'priority: no'"))
                return
            }
        }
    }

    /// Without a list: where this process may run itself.
    private static func setProcessors(_ wanted: EngineConfiguration, _ process: Int32, _ limits: inout [EngineLimit]) {
        let processors = wanted.cpus.isEmpty ? ProcessScheduling.processors(of: 0) : wanted.cpus
        for thread in ProcessScheduling.threads(of: process) {
            do throws(SystemError) {
                try ProcessScheduling.setProcessors(processors, of: thread)
            } catch {
                guard error.code != ESRCH else { continue }
                limits.append(limit(cpus: wanted, error.code == EINVAL ? "none of them is there" : error.reason))
                return
            }
        }
    }

    private static func limit(cpus wanted: EngineConfiguration, _ reason: String) -> EngineLimit {
        EngineLimit(
            what: "cpus", wanted: wanted.cpus.map { "\($0)" }.joined(separator: ","), reason: reason,
            advice: "name processors that this machine has and the unit allows (CPUAffinity=, AllowedCPUs=)")
    }

    /// The engine could not lock its memory, or not all of it.
    static func limit(lockingMemory code: Int32, isPartly: Bool) -> EngineLimit {
        EngineLimit(
            what: "locked-memory", wanted: isPartly ? "later memory, too" : "",
            reason: SystemError("mlockall", code: code).reason,
            advice: (isPartly ? "set LimitMEMLOCK=infinity" : "set LimitMEMLOCK=infinity, or give it CAP_IPC_LOCK")
                + "; until then the engine may have to wait for memory")
    }
}

extension LogLine {
    init(_ limit: EngineLimit) {
        self.init(
            .warning, "engine-limited",
            [("what", limit.what), ("wanted", limit.wanted), ("error", limit.reason), ("text", limit.advice)])
    }
}

extension Supervisor {
    /// Sets and mirrors the engine's scheduling; each thing that is not permitted is told once until it is another.
    func scheduleEngine() {
        guard let process = mirror.read().engine.process,
            let outcome = EngineScheduling.apply(inForce.configuration.engine, to: process)
        else { return }
        for limit in outcome.limits where !toldLimits.contains(limit) { log.write(LogLine(limit)) }
        toldLimits = toldLimits.filter { $0.what == "locked-memory" } + outcome.limits
        mirror.update { $0.engine.scheduling = outcome.state }
    }

    /// The engine says that its memory is not all locked.
    func memoryNotLocked(_ code: Int32, isPartly: Bool) {
        let limit = EngineScheduling.limit(lockingMemory: code, isPartly: isPartly)
        guard !toldLimits.contains(limit) else { return }
        toldLimits.append(limit)
        log.write(LogLine(limit))
    }
}

extension SchedulingStatus {
    init(_ state: SchedulingState) {
        let policies = [SCHED_OTHER: "other", SCHED_FIFO: "fifo", SCHED_RR: "rr", 3: "batch", 5: "idle", 6: "deadline"]
        self.init(
            policy: policies[state.policy] ?? "\(state.policy)", priority: state.priority,
            cpus: state.processors, lockedKiB: state.lockedKiB, oomScoreAdjust: state.oomScore)
    }
}
