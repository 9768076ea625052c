// The timer rows of the vector file.

import Foundation
import Testing
import Wire

@testable import Election

@Suite struct TimingTests {
    struct Row: Decodable, Sendable {
        let version: Int
        let priority: UInt8
        let activeAdverIntervalCs: Int?
        let advertisementIntervalS: Int?
        let skewNanoseconds: Int64
        let activeDownNanoseconds: Int64
    }

    struct Rows: Decodable { let timers: [Row] }

    static let rows: [Row] = {
        let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        do {
            let data = try Data(contentsOf: tests.appendingPathComponent("WireTests/vectors.json"))
            return try JSONDecoder().decode(Rows.self, from: data).timers
        } catch {
            preconditionFailure("vectors.json: \(error)")
        }
    }()

    @Test(arguments: rows)
    func `V3-TM-01, V3-TM-02, V2-04: skew and master-down interval are exact`(_ row: Row) throws {
        let version: ProtocolVersion = row.version == 2 ? .v2 : .v3
        let interval: Duration =
            try row.activeAdverIntervalCs.map { .centiseconds($0) } ?? .seconds(#require(row.advertisementIntervalS))
        let skew = Timing.skew(version, priority: row.priority, interval: interval)
        #expect(skew.nanoseconds == row.skewNanoseconds)
        let down = Timing.masterDown(version, priority: row.priority, interval: interval)
        #expect(down.nanoseconds == row.activeDownNanoseconds)
    }
}
