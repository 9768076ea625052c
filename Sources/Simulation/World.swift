// A world in virtual time: hosts with the real elections in them, segments between them, and one queue of what will happen.
// This file holds its state and its loop; the extensions hold the hosts (the engine's part), the network, the faults and the
// rules. It must be deterministic: no clock, no Set or Dictionary is walked, one stream of chance.

import Election
import Wire

/// A packet on its way: an advert's octets, or an announcement.
struct Packet {
    var payload: [UInt8]
    var sender: Int
    var router: Int
    var segment: Int
    var sent: Int64
    /// Of an advert, read by the rules; the elections parse the octets.
    var version = ProtocolVersion.v3
    var priority: UInt8 = 0
    var interval: Int64 = 0
    /// The one host that it is for; -1 for the group.
    var destination = -1
    /// Of an announcement: places in the list of addresses, the addresses, and the hosts that it reaches, a bit each.
    var announced: Range<Int> = 0..<0
    var addresses: ArraySlice<IPAddress> = []
    var reach: UInt8 = 0
    /// How many hosts have it still before them.
    var copies = 0
}

/// What waits in a host's socket.
struct Waiting {
    var packet: Int
    var heardAt: Int64
}

/// What the kernel or the supervisor tells an engine.
enum Order {
    case verdict(Int, Verdict)
    case gate(router: Int, sequence: UInt32, CheckFailure?)
    case disable(router: Int, Bool)
    case configure(router: Int)
    case remove(router: Int)
    case handOver(router: Int)
    case hold(router: Int, Bool)
    case announced(router: Int, ArraySlice<IPAddress>)
    case interface(Int)
    case addressLost(router: Int, InterfaceAddress)
    case stop(withoutGates: Bool)
}

/// One machine with its kernel, its supervisor and its engine.
struct Host {
    var node = Node()
    /// The engine runs.
    var isUp = false
    /// The advert sockets are open: the engine has them, or the supervisor keeps them for the next one.
    var isListening = false
    /// The fault that took the engine down.
    var downBy: Int?
    var isStopping = false
    /// Its supervisor is gone, so nobody runs gates.
    var stopsWithoutGates = false
    /// The engine has read its whole configuration and taken away what was left behind.
    var isCommitted = false
    var pausedUntil: Int64 = 0
    /// When a pause began that the engine has not noticed yet; -1 for none.
    var pausedSince: Int64 = -1
    /// The fault that suspends the machine, since when, and for how long it was since the engine last ran.
    var suspendedBy: Int?
    var suspendedSince: Int64 = 0
    var suspendedFor: Int64 = 0
    /// What is added to the world's time on its monotonic clock.
    var offset: Int64 = 0
    /// Since when nobody renews its leases; -1 while the engine runs. Counted, so that an old lease is known.
    var idleSince: Int64 = -1
    var idleCount = 0
    /// Since when the engine runs without a pause.
    var runnableSince: Int64 = 0
    /// Counts the engines; what was meant for an earlier one is for nobody.
    var generation = 0
    var wake = Int64.max
    var socket: [Waiting] = []
    var inbox: [Order] = []
    var hasCarrier: [Bool] = []
    var checks: [CheckState] = []
}

/// The truth about a check, beside what the node makes of it.
struct CheckState {
    /// What the last run said; nil before the first.
    var verdict: Verdict?
    var judged: Int64 = 0
    /// What the engine knows: nil is no failure.
    var failure: CheckFailure? = .pending
    var expires: Int64 = 0
}

/// A gate that runs.
struct RunningGate {
    var host: Int
    var router: Int
    var sequence: UInt32
    var generation: Int
    var failure: CheckFailure?
    var isCancelled = false
    /// The result of a cancelled gate is on its way all the same.
    var isLate: Bool
}

/// Somebody on the segment that uses an address: whom it sends to, and when that host said so.
struct Neighbour {
    var holder = -1
    var told: Int64 = -1
}

/// What is written down of a world. A reference, so that a line can be made of the world while the world is changing.
final class Record {
    let isWriting: Bool
    var transcript: [String] = []
    /// The first one; the world ends with it.
    var violation: Violation?

    init(isWriting: Bool) { self.isWriting = isWriting }
}

struct World {
    let plan: Plan
    var now: Int64 = 0
    var queue = EventQueue()
    var random: Randomness
    var hosts: [Host] = []
    var seats: [Seat] = []
    var segments: [Segment] = []
    var matches: [Match] = []
    var packets: [Packet] = []
    var freePackets: [Int] = []
    var gates: [RunningGate] = []
    /// Per router, the neighbour of each of its addresses.
    var neighbours: [[Neighbour]] = []
    var activeFaults: [Bool]
    var actions: [RouterAction] = []
    /// How often the timers of one turn have been served.
    var timerRound = 0
    /// When the bounds were last looked at: what holds now holds since then.
    var judged: Int64 = 0
    /// When the last fault ends.
    var quiet: Int64 = 0
    var isCalm = false
    var isSettled = false
    var isOver = false

    let record: Record
    var eventCount = 0

    init(_ plan: Plan, isRecording: Bool) {
        self.plan = plan
        record = Record(isWriting: isRecording)
        random = Randomness(seed: plan.seed &+ 0x5EED)
        activeFaults = [Bool](repeating: false, count: plan.faults.count)
        for host in 0..<plan.hosts {
            hosts.append(
                Host(
                    offset: plan.clocks[host], hasCarrier: [Bool](repeating: true, count: plan.segments),
                    checks: [CheckState](repeating: CheckState(), count: plan.checks.count)))
            for router in plan.routers.indices { seats.append(Seat(plan.seats[plan.seat(host, router)])) }
        }
        for _ in 0..<plan.segments { segments.append(Segment(hosts: plan.hosts)) }
        for router in plan.routers.indices {
            matches.append(Match(groups: plan.hosts))
            let count = (0..<plan.hosts).reduce(0) { max($0, seats[plan.seat($1, router)].advertised.count) }
            neighbours.append([Neighbour](repeating: Neighbour(), count: count))
        }
    }

    /// Runs it to its end, or to the first violation.
    mutating func run() {
        if record.isWriting { describePlan() }
        begin()
        while violation == nil, !isOver, let next = queue.next() {
            now = next.time
            eventCount += 1
            happen(next)
        }
    }

    private mutating func begin() {
        for index in plan.faults.indices {
            queue.add(.faultBegins, at: plan.faults[index].at, index: index)
            quiet = max(quiet, plan.faults[index].end)
        }
        quiet += plan.slowDelay + 2 * plan.gateTime + longestPeriod
        queue.add(.calm, at: quiet)
        for host in 0..<plan.hosts {
            for check in plan.checks.indices {
                queue.add(.check, at: random.within(0...plan.checks[check].period), host: host, index: check)
            }
            start(host, .cold)
        }
    }

    private var longestPeriod: Int64 { plan.checks.reduce(0) { max($0, $1.period) } }

    private mutating func happen(_ next: Happening) {
        let host = Int(next.host)
        let index = Int(next.index)
        switch next.kind {
        case .delivery: deliver(index, to: host)
        case .announcement: announceArrives(index)
        case .wake:
            // One that is paused finds it when it runs again.
            guard hosts[host].wake == next.time, hosts[host].pausedUntil <= now else { return }
            hosts[host].wake = .max
            turn(host)
        case .faultBegins:
            activeFaults[index] = true
            begin(plan.faults[index], index)
        case .faultEnds:
            activeFaults[index] = false
            end(plan.faults[index], index)
        case .check: runCheck(index, of: host)
        case .gate: finishGate(index)
        case .lease: expireLeases(of: host, index)
        case .calm: becomeCalm()
        case .settled:
            isSettled = true
            judgeSettled()
            queue.add(.end, at: now + longestInterval * 2 + plan.delay.upperBound)
        case .end:
            judgeBounds()
            judgeSettled()
            isOver = true
        }
    }

    var longestInterval: Int64 { plan.routers.reduce(0) { max($0, $1.longestInterval) } }

    /// The faults are over, and so are gates and runs of checks that began before. What pauses are left is known now, and the
    /// time to rest is that of a preempt delay, two changes of master and the last announcements.
    private mutating func becomeCalm() {
        // A stop that ended a moment ago may still wait for its gates and its successors.
        guard !hosts.contains(where: { $0.downBy != nil }), !seats.contains(where: { $0.takenBy != nil }) else {
            queue.add(.calm, at: now + longestInterval)
            return
        }
        isCalm = true
        var rest = now
        var delay: Int64 = 0
        for host in 0..<plan.hosts {
            for router in plan.routers.indices {
                let seat = seats[plan.seat(host, router)]
                guard let configuration = seat.configuration else { continue }
                delay = max(delay, configuration.preemptDelay.nanoseconds)
                if let until = hosts[host].node.router(id(host, router))?.nextTry {
                    rest = max(rest, until.nanoseconds - hosts[host].offset)
                }
            }
        }
        let slowest = plan.routers.indices.reduce(0) { max($0, takeoverBound($1)) }
        rest += delay + 2 * slowest + longestInterval + 4 * plan.delay.upperBound + 1_000_000_000
        note { "all faults are over; all must rest at \(seconds(rest))" }
        queue.add(.settled, at: rest)
    }

    var violation: Violation? { record.violation }

    // MARK: - Words

    /// The number of a router on a host, which is another one each time that a reload has brought it back.
    func id(_ host: Int, _ router: Int) -> RouterID {
        RouterID(UInt32(router + 1 + seats[plan.seat(host, router)].lives * plan.routers.count))
    }

    func router(of id: RouterID) -> Int { (Int(id.number) - 1) % plan.routers.count }

    /// The time on a host's clock.
    func clock(_ host: Int) -> Instant { Instant(nanoseconds: now + hosts[host].offset) }

    /// A line of the transcript; costs nothing when none is written.
    func note(_ host: Int? = nil, _ router: Int? = nil, _ text: () -> String) {
        guard record.isWriting else { return }
        var line = seconds(now) + "  "
        line += host.map { "host \($0 + 1)  " } ?? "        "
        if let router { line += "router \(router + 1)  " }
        record.transcript.append(line + text())
    }

    func fail(_ rule: Rule, _ router: Int?, _ host: Int? = nil, _ text: () -> String) {
        guard violation == nil else { return }
        record.violation = Violation(rule: rule, time: now, text: text())
        note(host, router) { "VIOLATION of \(rule.name): \(text())" }
    }
}
