// The virtual routers that were handed over and are held back from preemption since, kept across restarts of the agent and of the
// machine: one a line in STATE-DIRECTORY/held. Times are of the wall clock, because no other outlives the machine. It may block
// on the disk and is therefore called by the worker, except at start.

import System

/// A virtual router is held back.
package struct Hold: Hashable, Sendable {
    /// When it was handed over, wall clock in nanoseconds since 1970.
    package var since: Int64
    /// When that ends by itself, the same; nil for not before it is master again or enabled.
    package var until: Int64?

    package init(since: Int64, until: Int64? = nil) {
        self.since = since
        self.until = until
    }

    /// Over at this wall clock time.
    func isOver(at wall: Int64) -> Bool { until.map { $0 <= wall } ?? false }
}

/// The file of held virtual routers.
struct HoldStore: Sendable {
    private let file: StateFile

    init(directory: String) { file = StateFile(directory: directory, name: "held") }

    /// By name; none when there is no file. A line that is none of ours is passed over.
    func read() throws(SystemError) -> [String: Hold] {
        var holds: [String: Hold] = [:]
        for line in try file.read()?.split(separator: UInt8(ascii: "\n")) ?? [] {
            let fields = String(decoding: line, as: UTF8.self).split(separator: " ")
            guard fields.count == 3, let since = Int64(fields[1]) else { continue }
            if fields[2] == "-" {
                holds[String(fields[0])] = Hold(since: since)
            } else if let until = Int64(fields[2]) {
                holds[String(fields[0])] = Hold(since: since, until: until)
            }
        }
        return holds
    }

    /// `NAME SINCE UNTIL` a line, `-` for no end; names have no spaces. When this returns it survives a power cut.
    func write(_ holds: [String: Hold]) throws(SystemError) {
        let lines = holds.sorted { $0.key < $1.key }.map { name, hold in
            "\(name) \(hold.since) \(hold.until.map { "\($0)" } ?? "-")\n"
        }
        try file.write(Array(lines.joined().utf8), durable: true)
    }
}
