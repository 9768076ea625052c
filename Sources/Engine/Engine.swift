// The engine's loop: readiness becomes events, Node decides, actions become kernel calls and reports. One thread; nothing here
// waits but for the poller, and for a moment where adverts come too close to be waited for one by one. It opens no file,
// starts no process and writes no log: what is worth a line is a report.

import Election
import Glibc
import Kernel
import Messages
import System
import Wire

/// The engine. Made once, run once.
package final class Engine {
    /// What is read of one socket in one turn at most; the rest waits for the next turn, so that a flood cannot hold the
    /// timers.
    static let packetsPerDrain = 256
    /// Deadlines that are served in one turn at most: with all that a takeover needs they take about a slice. More are served
    /// by the next turns, in the order in which they were due.
    static let deadlinesPerTurn = 32
    /// Commands that are obeyed in one turn at most.
    static let commandsPerTurn = 32
    /// How often every router's snapshot and counters go up, of how many at most, the others waiting for the next time, and how long
    /// a turn may be busy with that; nanoseconds. What changes about a router's state goes up at once, whatever this says.
    static let snapshotPeriod: Int64 = 1_000_000_000
    static let snapshotsPerPeriod = 256
    static let slice: Int64 = 1_000_000
    /// Less than this is nobody's absence: the shortest interval between adverts, nanoseconds.
    static let shortestAbsence: Int64 = 10_000_000
    /// How often a router's failure to send an advert is told at most.
    static let sendErrorPeriod: Int64 = 10_000_000_000
    /// How far heartbeats are apart at least while no router advertises more often than four times as often, nanoseconds.
    static let beatPeriod: Int64 = 10_000_000
    /// The same for what was only heard, which nobody but people asks for.
    static let hearsayPeriod: Int64 = 100_000_000
    /// Where adverts of hundreds of virtual routers come in a row, being woken for each costs more than reading it. After so
    /// many turns for adverts alone, none further than `moderationGap` from the last, the engine lets more come for
    /// `moderation` before it looks again, unless a deadline is near. All in nanoseconds.
    static let turnsInARow = 2
    static let moderationGap: Int64 = 500_000
    static let moderation: Int64 = 2_000_000

    enum Token {
        static let supervisor: UInt64 = 1
        static let timer: UInt64 = 2
        static let netlink: UInt64 = 3
        static let resets: UInt64 = 4
        static let routing: UInt64 = 5
        /// Advert sockets: this plus the descriptor number.
        static let firstSocket: UInt64 = 1_000
        /// Taps: this plus the descriptor number.
        static let firstTap: UInt64 = 1 << 32
    }

    var node = Node()
    var actions: [RouterAction] = []
    var records: [RouterID: RouterRecord] = [:]
    var resumable: [RouterID: RouterSnapshot] = [:]
    var table = InterfaceTable()
    var ports = Ports()
    /// Hear what is on the wire and in no socket, one on each interface.
    var taps: [WireTap] = []
    /// When to ask next who of those that send adverts has not been heard for too long, CLOCK_MONOTONIC in nanoseconds.
    var nextListen = Int64.max
    /// Whether takeovers arrived.
    var verifier = Verifier(identifier: UInt16(truncatingIfNeeded: getpid()))
    /// Announcements that an interface may send in a second, as the supervisor says before anything is configured, and what waits, by its index.
    var announcementLimit = UInt32.max
    var announcementQueues: [UInt32: AnnouncementQueue] = [:]
    var surroundings: [SocketTag: Surroundings] = [:]
    var reporter: Reporter
    let requests: NetlinkRequests
    let leases: LeaseKeeper
    let resetter: ConnectionResetter
    /// Macvlans of virtual hardware addresses, who puts them down, and those that are being removed.
    var virtualLinks: [VirtualLinkKey: VirtualLink] = [:]
    var linkKeeper: LinkKeeper?
    var removedLinks: Set<UInt32> = []
    /// Claims that are under way, each of another router, the oldest first.
    var claims: [Claim] = []
    /// Releases that are under way.
    var releases = Releases()
    /// Interfaces on which addresses with a subnet were put in this turn.
    var subnets: Set<UInt32> = []
    /// When a takeover was last rehearsed, CLOCK_MONOTONIC in nanoseconds.
    var lastRunUp: Int64 = 0
    var advertised: [RouterID] = []
    /// What becomes of the advert that is being sent.
    var sending = Sending()
    /// Removals that the kernel refused; tried again with each snapshot.
    var refusedRemovals: [PlacedAddress] = []
    var needsResynchronisation = false
    /// Routes and rules that the kernel did not remove; tried again with each snapshot.
    var refusedRouting: [RoutedEntry] = []
    /// When to look whether routes and rules are still there, CLOCK_MONOTONIC in nanoseconds, and the netlink port of who gave reason to.
    var routingLook = Int64.max
    var routingCulprit: UInt32 = 0
    /// Routes and rules of an earlier run are still to be looked for.
    var seeksRoutingLeftovers = false
    /// Hears of routes and rules that others remove, while a router has any.
    var routingMonitor: RoutingMonitor?
    /// What was last reported of each interface's strays.
    var strays: [String: Counters] = [:]
    var heard: [RouterID] = []
    /// When the first of the adverts went out that the next heartbeat tells of, boot time in nanoseconds; nil while there is none.
    var advertisedSince: Int64?
    var lastBeat: Int64 = 0
    /// At least so far are heartbeats apart, nanoseconds.
    var beatPeriod = Engine.beatPeriod
    /// The place of the router whose snapshot goes up first the next time.
    var nextReported = 0
    /// When snapshots that found no time are gone on with.
    var nextSlice = Int64.max
    /// Who put an address on an interface last.
    var claimants: [PlacedAddress: RouterID] = [:]
    /// Who uses an interface.
    var members: [String: Set<RouterID>] = [:]
    /// Nothing is sent and no timer served before the first commit.
    var isCommitted = false
    /// What was configured before the first commit.
    var awaitingCommit: [(router: RouterID, disabled: Bool)] = []
    /// Interfaces whose announcement ports are opened later, one with each snapshot, unless they are needed before.
    var framesAwaited: [String] = []
    var isStopping = false
    /// What the supervisor's watchdog reads; nil before it was handed over.
    var vitals: Vitals?
    /// What was promised to the watchdog: no longer silence, nanoseconds.
    var promise: Int64 = 0
    /// Another engine goes on; nothing more is done here.
    var hasYielded = false
    /// Since the supervisor is gone: when this engine ends, whatever is left to do, CLOCK_MONOTONIC in nanoseconds.
    var leaveBy = Int64.max

    var poller: Poller
    private let timer: TimerDescriptor
    /// When the timer fires, CLOCK_MONOTONIC in nanoseconds.
    private var timerSet = Int64.max
    /// Counts the looks at all advert sockets.
    var look: UInt64 = 0
    var readable: [UInt64] = []
    /// Turns for adverts alone in close succession, and when the last ended.
    private var inARow = 0
    private var lastTurn: Int64 = 0
    private var absences = AbsenceMeter()
    private let monitor: NetlinkMonitor
    private var events: [KernelEvent] = []
    var packet = PacketBuffer()
    private var message = [UInt8](repeating: 0, count: MessageSocket.maximumLength)
    var payload: [UInt8] = []
    var nextSnapshot = Clock.monotonic() + snapshotPeriod

    /// Opens what the loop needs and reads the kernel's present state. Throws when netlink cannot be had.
    package init(supervisor: consuming MessageSocket) throws(EngineError) {
        reporter = Reporter(supervisor)
        do throws(SystemError) {
            poller = try Poller()
            timer = try TimerDescriptor()
            monitor = try NetlinkMonitor()
            resetter = try ConnectionResetter()
            try poller.watch(reporter.socket.number, token: Token.supervisor)
            try poller.watch(timer.number, token: Token.timer)
            try poller.watch(monitor.number, token: Token.netlink)
            try poller.watch(resetter.number, token: Token.resets)
        } catch {
            throw .system(error)
        }
        do throws(KernelError) {
            requests = try NetlinkRequests()
        } catch {
            throw .kernel(error)
        }
        leases = try LeaseKeeper()
        rehearse()
        reporter.send(.hello(version: messagesVersion))
        resynchronise()
    }

    /// Runs until all is released after a stop, or after the supervisor's end.
    package func run() {
        var tokens: [UInt64] = []
        while !(isStopping && node.hasStopped && releases.isEmpty) {
            // The clock was read when the last turn ended.
            vitals?.mark(.waiting, at: lastTurn)
            let isBusy = hasWork
            if !isBusy { setTimer() }
            do throws(SystemError) {
                try poller.wait(milliseconds: isBusy ? 0 : -1, into: &tokens)
            } catch {
                // A poller that fails cannot be waited on: leave the election while that is still possible.
                beginStop(withoutGates: true)
            }
            vitals?.note(.adverts)
            turn(tokens)
            if hasYielded { return }
            moderate(tokens)
            if leaveBy < .max, Clock.monotonic() >= leaveBy { break }
        }
        finishReleases()
        releaseWhatIsLeft()
        removeVirtualLinks()
        vitals?.promise(0)
        reporter.markDirty(Array(records.keys))
        _ = reporter.flushSnapshots { snapshot(of: $0) }
        reporter.send(.stopped)
    }

    private func moderate(_ tokens: [UInt64]) {
        let monotonic = Clock.monotonic()
        let isClose = monotonic - lastTurn < Self.moderationGap
        lastTurn = monotonic
        inARow = isClose && !tokens.isEmpty && tokens.allSatisfy { $0 >= Token.firstSocket } ? inARow + 1 : 0
        guard inARow >= Self.turnsInARow, !hasWork, nextWake - monotonic > 3 * Self.moderation else { return }
        Clock.pause(nanoseconds: Self.moderation)
        lastTurn = Clock.monotonic()
    }

    /// Reports that memory could not be locked for this errno, or only what is mapped at the start.
    package func tellMemoryNotLocked(_ code: Int32, isPartly: Bool) {
        reporter.send(.notice(.memoryNotLocked(code, isPartly: isPartly)))
    }

    /// Claims or releases go on in the next turn, which nothing has to call.
    private var hasWork: Bool { !claims.isEmpty || releases.due(at: lastTurn) <= lastTurn }

    private var nextWake: Int64 {
        var wake = min(nextSnapshot, nextSlice, leaveBy, nextSign, nextListen, verifier.due, releases.due(at: lastTurn))
        wake = min(wake, routingLook, announcementsDue)
        if !advertised.isEmpty || node.hasHeard { wake = min(wake, nextBeat) }
        guard isCommitted, let deadline = node.deadline else { return wake }
        return min(wake, deadline.nanoseconds - (wantsRunUp(to: deadline) ? Self.runUp : 0))
    }

    /// Adverts put one deadline off after the other. A timer that fires too early costs an empty turn now and then; setting it anew
    /// for each advert would cost much more.
    private func setTimer() {
        let wake = nextWake
        guard wake < timerSet else { return }
        timer.set(wake)
        timerSet = wake
    }

    var now: Instant { Instant(nanoseconds: Clock.monotonic()) }

    /// One turn: packets, then the kernel's events and the supervisor's commands, then the timers.
    private func turn(_ tokens: [UInt64]) {
        noteAbsence()
        var commands = false
        var kernelEvents = false
        var routing = false
        var overheard = false
        for token in tokens {
            switch token {
            case Token.supervisor: commands = true
            // Setting it makes it unreadable, and it is set before the next wait.
            case Token.timer: timerSet = .max
            case Token.netlink: kernelEvents = true
            case Token.resets: readResets()
            case Token.routing: routing = true
            case Token.firstTap...: overheard = true
            default:
                if let port = port(token) { drain(port, atMost: Self.packetsPerDrain) }
            }
        }
        if overheard { overhear() }
        if kernelEvents { readKernelEvents() }
        if routing { readRoutingEvents() }
        if commands { readCommands() }
        lookForRouting()
        guard !hasYielded else { return }
        if isCommitted {
            runUp()
            serveTimers()
            listenForSilent()
        }
        continueReleases()
        continueClaims()
        continueAnnouncements()
        forgetRemoved()
        leases.beginRenewals()
        promoteSecondaries()
        continueVerification()
        report()
    }

    /// Before anything is read: what was missed while this process or the machine stood still is not judged as if it had not.
    private func noteAbsence() {
        let (absence, suspended) = absences.turnBegins(expected: hasWork ? 0 : timerSet)
        guard isCommitted, absence >= Self.shortestAbsence else { return }
        node.wakeUp(
            after: .nanoseconds(absence), suspended: .nanoseconds(suspended), at: now, appendingTo: &actions)
        withoutSlices { perform() }
    }

    private func serveTimers() {
        let moment = now
        guard let deadline = node.deadline, deadline <= moment else { return }
        drainAll()
        node.wake(at: moment, atMost: Self.deadlinesPerTurn, appendingTo: &actions)
        perform()
    }

    // MARK: - The kernel's events

    private func readKernelEvents() {
        events.removeAll(keepingCapacity: true)
        do throws(SystemError) {
            try monitor.receive(into: &events)
        } catch {
            events.append(.eventsLost)
        }
        var lost = false
        for event in events {
            if case .eventsLost = event { lost = true } else { table.apply(event) }
            // A new interface may get the same index at once; sockets of the old one hear nothing any more.
            if case .linkRemoved(let index, _) = event { closePorts(index: index) }
        }
        if lost {
            resynchronise()
            reporter.send(.notice(.resynchronised))
        }
        applyInterfaceChanges()
    }

    /// Reads links and addresses anew (checklist LX-53); tried again with the next snapshot if that fails.
    func resynchronise() {
        do throws(KernelError) {
            table.replace(links: try requests.links(), addresses: try requests.addresses())
            needsResynchronisation = false
        } catch {
            needsResynchronisation = true
            tell(error, for: nil)
        }
    }

    // MARK: - The supervisor's commands

    private func readCommands() {
        for _ in 0..<Self.commandsPerTurn where !hasYielded {
            do throws(SystemError) {
                var received = try reporter.socket.receive(into: &message)
                switch received.kind {
                case .nothing:
                    return
                case .end:
                    poller.unwatch(reporter.socket.number)
                    boundLeaving()
                    beginStop(withoutGates: true)
                    return
                case .message(let length):
                    obey(message.span.extracting(0..<length), with: received.descriptor.take())
                }
            } catch {
                poller.unwatch(reporter.socket.number)
                boundLeaving()
                beginStop(withoutGates: true)
                return
            }
        }
    }

    func beginStop(withoutGates: Bool) {
        isStopping = true
        node.stop(withoutGates: withoutGates, at: now, appendingTo: &actions)
        perform()
    }

    // MARK: - Watching sockets

    func watch(_ port: AdvertPort) throws(SystemError) {
        try poller.watch(port.socket.number, token: Token.firstSocket + UInt64(port.socket.number))
    }

    /// Closes advert sockets and says so.
    func closePorts(where unwanted: (SocketTag) -> Bool) {
        for port in ports.takeAdverts(where: unwanted) {
            poller.unwatch(port.socket.number)
            reporter.send(.socketClosed(port.tag))
        }
    }

    /// Closes everything that was opened on an interface that is gone.
    private func closePorts(index: UInt32) {
        closePorts { $0.interfaceIndex == index }
        claimants = claimants.filter { $0.key.index != index }
        leases.forget(index: index)
        requests.forget(index: index)
        dropReleases(index: index)
        ports.closeFrames(index: index)
        announcementQueues[index] = nil
        closeTaps(exceptOn: Set(taps.lazy.map(\.index).filter { $0 != index }))
    }
}

/// Why an engine could not begin.
package enum EngineError: Error {
    case system(SystemError)
    case kernel(KernelError)
}
