// The way up: reports to the supervisor, which the engine never waits for. Snapshots only mark their router dirty while the
// pair is full, heartbeats are left out, everything else waits in a bounded queue, and what does not fit is reported as a
// number.

import Election
import Messages
import System

/// Sends reports, and remembers those that found no room.
struct Reporter: ~Copyable {
    /// Reports that wait while the supervisor does not read.
    static let queueLimit = 1_024

    let socket: MessageSocket
    private var queue = Line<Report>()
    private var lost: UInt32 = 0
    private var hasRecovered = false
    /// Routers whose snapshot is to be sent, each once, in the order in which they were marked.
    private var dirty = Line<RouterID>()
    private var marked: Set<RouterID> = []
    private var buffer: [UInt8] = []
    /// The supervisor is gone.
    private(set) var isClosed = false

    init(_ socket: consuming MessageSocket) { self.socket = socket }

    mutating func send(_ report: Report) {
        flush()
        if queue.isEmpty, transmit(report, descriptor: nil) { return }
        guard queue.count < Self.queueLimit else {
            lost &+= 1
            return
        }
        queue.append(report)
    }

    /// A heartbeat; one that finds no room is left out, the next says the same.
    mutating func beat(_ report: Report) {
        flush()
        if queue.isEmpty { _ = transmit(report, descriptor: nil) }
    }

    /// A socket with its descriptor; if there is no room now the supervisor goes without this duplicate, which costs a new
    /// engine its queue and nothing else.
    mutating func send(_ report: Report, descriptor: Int32) { _ = transmit(report, descriptor: descriptor) }

    mutating func markDirty(_ router: RouterID) {
        if marked.insert(router).inserted { dirty.append(router) }
    }

    mutating func markDirty(_ routers: [RouterID]) {
        for router in routers { markDirty(router) }
    }

    /// Sends what waits, oldest first, as far as there is room.
    mutating func flush() {
        while let first = queue.first, transmit(first, descriptor: nil) { queue.removeFirst() }
        if lost > 0, queue.isEmpty, transmit(.lost(lost), descriptor: nil) {
            lost = 0
            hasRecovered = true
        }
    }

    /// Whether a loss has been reported since the last call: what is still wanted should be said again.
    mutating func takeRecovery() -> Bool {
        defer { hasRecovered = false }
        return hasRecovered
    }

    /// Sends the snapshots of dirty routers while there is room, until `deadline` (CLOCK_MONOTONIC in nanoseconds) has come;
    /// `snapshot` is nil for a router that is gone. True when only the time ran out.
    mutating func flushSnapshots(until deadline: Int64 = .max, _ snapshot: (RouterID) -> RouterSnapshot?) -> Bool {
        while let router = dirty.first {
            if let value = snapshot(router), !transmit(.snapshot(value), descriptor: nil) { return false }
            marked.remove(router)
            dirty.removeFirst()
            if Clock.monotonic() >= deadline, !dirty.isEmpty { return true }
        }
        return false
    }

    /// Sends everything that waits, all dirty snapshots, and then the last report; false while there is no room for all of it.
    mutating func finish(with last: Report, _ snapshot: (RouterID) -> RouterSnapshot?) -> Bool {
        flush()
        guard queue.isEmpty, lost == 0 else { return false }
        _ = flushSnapshots(snapshot)
        return dirty.isEmpty && transmit(last, descriptor: nil)
    }

    private mutating func transmit(_ report: Report, descriptor: Int32?) -> Bool {
        if isClosed { return true }
        report.encode(into: &buffer)
        do throws(SystemError) {
            return try socket.send(buffer, descriptor: descriptor)
        } catch {
            // The reading side learns of the end by end-of-file and decides what it means.
            isClosed = true
            return true
        }
    }
}
