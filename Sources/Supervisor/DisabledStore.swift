// The names of the virtual routers that the operator disabled on this host, kept across restarts: one a line in
// STATE-DIRECTORY/disabled. It may block on the disk and is therefore called by the worker, except at start.

import System

/// The file of disabled virtual routers.
struct DisabledStore: Sendable {
    private let file: StateFile

    init(directory: String) { file = StateFile(directory: directory, name: "disabled") }

    /// The names; none when there is no file.
    func read() throws(SystemError) -> Set<String> {
        let lines = try file.read()?.split(separator: UInt8(ascii: "\n")) ?? []
        return Set(lines.map { String(decoding: $0, as: UTF8.self) })
    }

    /// Replaces the list; when this returns it survives a power cut.
    func write(_ names: Set<String>) throws(SystemError) {
        try file.write(Array(names.sorted().map { "\($0)\n" }.joined().utf8), durable: true)
    }
}
