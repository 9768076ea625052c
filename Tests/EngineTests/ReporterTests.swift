// The way up when nobody reads: heartbeats are left out, the rest waits or is counted, and nothing blocks.

import Election
import Messages
import System
import Testing

@testable import Engine

@Suite struct ReporterTests {
    /// Reads everything that is there.
    func read(_ socket: borrowing MessageSocket) throws -> [Report] {
        var reports: [Report] = []
        var buffer = [UInt8](repeating: 0, count: MessageSocket.maximumLength)
        while case .message(let length) = try socket.receive(into: &buffer).kind {
            reports.append(try Report(decoding: buffer.span.extracting(0..<length)))
        }
        return reports
    }

    @Test func `a full pair costs heartbeats, then counts what is lost, and says so when it is read again`() throws {
        var pair = try MessageSocket.pair()
        let reader = pair.takeFirst()
        var reporter = Reporter(pair.takeSecond())
        let beat = Report.heartbeat(at: 1, advertised: [], heard: [])
        for _ in 0..<200_000 { reporter.beat(beat) }
        let wanted = Report.gateWanted(RouterID(1), .claim, sequence: 1, cause: .owner)
        for _ in 0..<(Reporter.queueLimit + 5) { reporter.send(wanted) }
        let beats = try read(reader)
        #expect(beats.allSatisfy { $0 == beat } && beats.count < 200_000)
        reporter.flush()
        let rest = try read(reader)
        #expect(rest.count { $0 == wanted } == Reporter.queueLimit)
        #expect(rest.last == .lost(5))
        let recovered = reporter.takeRecovery()
        let again = reporter.takeRecovery()
        #expect(recovered && !again)
    }
}

extension ReporterTests {
    @Test func `snapshots of many routers go in slices, each router once`() throws {
        var pair = try MessageSocket.pair()
        let reader = pair.takeFirst()
        var reporter = Reporter(pair.takeSecond())
        let routers = (1...100).map { RouterID(UInt32($0)) }
        reporter.markDirty(routers)
        reporter.markDirty(routers)
        var slices = 0
        // The deadline has passed: one at a time.
        while reporter.flushSnapshots(until: 0, { RouterSnapshot(router: $0, state: .backup) }) {
            slices += 1
            if slices == 10 { reporter.markDirty(RouterID(1)) }
        }
        let sent = try read(reader).compactMap { report -> RouterID? in
            if case .snapshot(let snapshot) = report { snapshot.router } else { nil }
        }
        #expect(slices == 100)
        #expect(sent == routers + [RouterID(1)])
        let isMore = reporter.flushSnapshots { RouterSnapshot(router: $0, state: .backup) }
        let rest = try read(reader)
        #expect(!isMore && rest.isEmpty)
    }
}
