// What the supervisor knows, as one value that another thread may copy at any time. A status query is answered from here, so
// that it never reaches the engine; nothing in it decides anything.

import Configuration
import Election
import Status
import Synchronization
import System

/// How the engine is doing.
package struct EngineMirror: Hashable, Sendable {
    package enum State: String, Hashable, Sendable {
        /// Configured and reporting.
        case running
        /// Started; its first `ready` is awaited.
        case starting
        /// There is none; the next start is waited for.
        case down
    }

    package var state: State
    /// nil while it is down.
    package var process: Int32?
    /// When this state began, CLOCK_BOOTTIME in nanoseconds.
    package var since: Int64
    /// How often it was started again since the agent started.
    package var restarts: Int
    /// As it was set last; nil while it is down.
    package var scheduling: SchedulingState?

    package init(state: State = .down, process: Int32? = nil, since: Int64 = 0, restarts: Int = 0) {
        self.state = state
        self.process = process
        self.since = since
        self.restarts = restarts
    }
}

/// What is known of a check, from its own runs; the engine's opinion is in the snapshots.
package enum CheckStanding: Hashable, Sendable {
    /// No run has ended yet.
    case pending
    case passing
    case failing(CheckFailure)
}

/// One check.
package struct CheckMirror: Hashable, Sendable {
    package var check: CheckID
    package var name: String
    /// After the rise and fall counts.
    package var standing: CheckStanding
    /// When its last run ended, CLOCK_BOOTTIME in nanoseconds; nil before the first.
    package var lastRun: Int64?

    package init(check: CheckID, name: String, standing: CheckStanding = .pending, lastRun: Int64? = nil) {
        self.check = check
        self.name = name
        self.standing = standing
        self.lastRun = lastRun
    }
}

/// One virtual router.
package struct RouterMirror: Hashable, Sendable {
    package var router: RouterID
    package var configuration: RouterConfiguration
    /// The operator disabled it on this host.
    package var disabled: Bool
    /// It was handed over and is held back from preemption.
    package var hold: Hold?
    /// The engine's last; nil before the first. `lastAdvertSent` and `lastAdvertHeard` are kept up to date
    /// between snapshots by the heartbeats, to a second.
    package var snapshot: RouterSnapshot?
    /// Of a master, whether neighbours send to it, as the engine told last. Its beginning is boot time.
    package var verification: Verification?
    /// What led to the last transition, in the words of RFC 8347.
    package var lastEvent = ProtocolEvent.none
    /// The last fault there was.
    package var lastFault: Fault?

    package init(
        router: RouterID, configuration: RouterConfiguration, disabled: Bool = false, snapshot: RouterSnapshot? = nil
    ) {
        self.router = router
        self.configuration = configuration
        self.disabled = disabled
        self.snapshot = snapshot
    }
}

/// Everything a status answer needs.
package struct MirrorState: Hashable, Sendable {
    /// When the agent started, wall clock in nanoseconds since 1970.
    package var started: Int64
    package var engine: EngineMirror
    /// When the engine was last heard, CLOCK_BOOTTIME in nanoseconds; 0 for never. It reports at least once a second.
    package var heard: Int64
    /// What is in force. `statusSocket` is that of the start: it does not move with a reload.
    package var configuration: Configuration
    /// In the order of the configuration.
    package var routers: [RouterMirror]
    /// Where each router is in `routers`, as it was found last: each heartbeat asks for all of them.
    private var places: [RouterID: Int] = [:]
    package var checks: [CheckMirror]
    package var checkNames: CheckNames
    /// By interface: what was dropped there and belongs to no virtual router here, since the agent started.
    package var interfaceCounters: [String: Counters]
    /// What the present engine last said of them, from which it begins anew.
    private var reportedCounters: [String: Counters] = [:]
    /// The counters of routers that are gone, and of engines after which nothing went on.
    private var endedCounters = Counters()
    /// How often events of the kernel were lost.
    package var netlinkResyncs: UInt64 = 0
    /// The last upgrade; nil when there was none.
    package var upgrade: UpgradeStatus?

    package init(started: Int64, configuration: Configuration) {
        self.started = started
        engine = EngineMirror()
        heard = 0
        self.configuration = configuration
        routers = []
        checks = []
        checkNames = CheckNames()
        interfaceCounters = [:]
    }

    /// The engine said at boot time `at` that these routers have sent an advert since it last said so.
    package mutating func note(advertised routers: [RouterID], at: Int64) {
        for router in routers {
            guard let index = place(of: router) else { continue }
            self.routers[index].snapshot?.lastAdvertSent.rise(to: at)
        }
    }

    /// The engine said at boot time `at` that these routers have heard a valid advert since it last said so. Of snapshots
    /// and heartbeats the later one counts, in whatever order they arrive.
    package mutating func note(heard routers: [RouterID], at: Int64) {
        for router in routers {
            guard let index = place(of: router) else { continue }
            self.routers[index].snapshot?.lastAdvertHeard.rise(to: at)
        }
    }

    /// Takes the engine's snapshot. A heartbeat may have told of later adverts than the snapshot, which was taken before it.
    package mutating func note(_ snapshot: RouterSnapshot) {
        guard let index = place(of: snapshot.router) else { return }
        var newer = snapshot
        if let old = routers[index].snapshot, old.countingSince != newer.countingSince {
            endedCounters.add(old.counters)
        }
        if let fault = newer.faults.first { routers[index].lastFault = fault }
        newer.lastAdvertSent = max(newer.lastAdvertSent, routers[index].snapshot?.lastAdvertSent ?? 0)
        newer.lastAdvertHeard = max(newer.lastAdvertHeard, routers[index].snapshot?.lastAdvertHeard ?? 0)
        routers[index].snapshot = newer
    }

    /// A transition that was reported, or that the supervisor tells in place of a dead engine.
    package mutating func note(_ transition: Transition, of router: RouterID) {
        guard let index = place(of: router) else { return }
        let delays = routers[index].configuration.election.preemptDelay > .zero
        let event = ProtocolEvent(transition.cause, after: routers[index].lastFault, delaysPreemption: delays)
        if let event { routers[index].lastEvent = event }
        if transition.to != .master { routers[index].verification = nil }
        if case .fault(let fault) = transition.cause { routers[index].lastFault = fault }
    }

    /// Whether a takeover arrived, as far as is known by now.
    package mutating func note(_ verification: Verification, of router: RouterID) {
        guard let index = place(of: router) else { return }
        routers[index].verification = verification
    }

    /// The engine's counters of an interface, which begin anew with each engine and each new interface of the name.
    package mutating func note(_ counters: Counters, on interface: String) {
        let last = reportedCounters[interface] ?? Counters()
        let goesOn = Counter.allCases.allSatisfy { counters[$0] >= last[$0] }
        for counter in Counter.allCases {
            interfaceCounters[interface, default: Counters()][counter] +=
                counters[counter] - (goesOn ? last[counter] : 0)
        }
        reportedCounters[interface] = counters
    }

    /// A new engine begins; what it does not resume it counts anew.
    package mutating func beginEngine(resuming: Bool) {
        reportedCounters = [:]
        guard !resuming else { return }
        for index in routers.indices {
            if let old = routers[index].snapshot { endedCounters.add(old.counters) }
            routers[index].snapshot = nil
        }
    }

    /// Of the routers `before`, those that are gone have counted for the sums.
    package mutating func keepCounters(of before: [RouterMirror]) {
        for old in before where !routers.contains(where: { $0.router == old.router }) {
            if let snapshot = old.snapshot { endedCounters.add(snapshot.counters) }
        }
    }

    /// All that was counted since the agent started, in all routers and on all interfaces.
    package var allCounters: Counters {
        var sum = endedCounters
        for router in routers { if let snapshot = router.snapshot { sum.add(snapshot.counters) } }
        for counters in interfaceCounters.values { sum.add(counters) }
        return sum
    }

    private mutating func place(of router: RouterID) -> Int? {
        if let index = places[router], index < routers.count, routers[index].router == router { return index }
        // The list is another one.
        places.removeAll(keepingCapacity: true)
        for index in routers.indices { places[routers[index].router] = index }
        return places[router]
    }

    /// The router of this name, if it is configured.
    package func router(named name: String) -> RouterMirror? {
        routers.first { $0.configuration.name == name }
    }
}

extension Int64 {
    /// In place: hundreds of times in a heartbeat, for a value in a large one that would be copied to be read.
    fileprivate mutating func rise(to other: Int64) { self = Swift.max(self, other) }
}

/// Guards the state: the supervisor's thread writes, any thread reads.
package final class Mirror: Sendable {
    private let state: Mutex<MirrorState>

    package init(_ state: MirrorState) { self.state = Mutex(state) }

    /// A copy of the state as it is now.
    package func read() -> MirrorState { state.withLock { $0 } }

    /// Changes the state; for the supervisor's thread. `body` must be short.
    package func update<Result: Sendable>(_ body: (inout sending MirrorState) -> sending Result) -> Result {
        state.withLock { body(&$0) }
    }
}
