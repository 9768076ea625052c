// The log: `key=value` lines on standard error, written by a thread of their own from a bounded queue. A full pipe or a hung
// disk behind it costs lines, which are counted, and never the time of the one who logs.

import Configuration
import Glibc
import Status
import Synchronization
import System

/// Writes log lines.
final class Log: Sendable {
    /// Lines that may wait; further ones are dropped and counted.
    static let limit = 2_048

    private struct Queue {
        var lines: [[UInt8]] = []
        var dropped = 0
        var threshold: LogLevel
        var writing = false
    }

    private let queue: Mutex<Queue>
    private let wake: WakeDescriptor
    private let descriptor: Int32
    private let priorities: Bool

    /// Lines go to `descriptor`, which stays the caller's; `priorities` puts the `<N>` of sd-daemon(3) before each line, else
    /// the time is put there.
    init(descriptor: Int32 = 2, threshold: LogLevel, priorities: Bool) throws(SystemError) {
        queue = Mutex(Queue(threshold: threshold))
        wake = try WakeDescriptor()
        self.descriptor = descriptor
        self.priorities = priorities
        try BackgroundThread.start { [self] in work() }
    }

    /// The least important level that is written from now on.
    func setThreshold(_ threshold: LogLevel) { queue.withLock { $0.threshold = threshold } }

    /// One line: `event=EVENT` and the fields in their order; those with an empty value are left out.
    func write(_ level: LogLevel, _ event: String, _ fields: KeyValuePairs<String, String> = [:]) {
        write(level, event, fields.map { ($0.key, $0.value) })
    }

    func write(_ level: LogLevel, _ event: String, _ fields: [(String, String)]) {
        guard queue.withLock({ level <= $0.threshold }) else { return }
        var line = [UInt8]()
        if priorities {
            line += "<\(level.rawValue)>".utf8
        } else {
            line += "\(Timestamp(wallNanoseconds: Clock.wall())) level=\(level.word) ".utf8
        }
        line += "event=\(event)".utf8
        for (key, value) in fields where !value.isEmpty {
            line += " \(key)=".utf8
            Self.append(value, to: &line)
        }
        line.append(UInt8(ascii: "\n"))
        let accepted = queue.withLock { queue in
            guard queue.lines.count < Self.limit else {
                queue.dropped += 1
                return false
            }
            queue.lines.append(line)
            return true
        }
        if accepted { wake.wake() }
    }

    /// Waits until all lines are out, at most this long; for the end of the process.
    func flush(atMost limit: Duration) {
        let end = Clock.monotonic() + limit.nanoseconds
        while Clock.monotonic() < end {
            if queue.withLock({ $0.lines.isEmpty && $0.dropped == 0 && !$0.writing }) { return }
            usleep(1_000)
        }
    }

    /// A value as it is, or in quotes with backslashes when it has spaces, quotes, equals signs or control characters.
    static func append(_ value: String, to line: inout [UInt8]) {
        let plain = value.utf8.allSatisfy {
            $0 > 0x20 && $0 != 0x7F && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\") && $0 != UInt8(ascii: "=")
        }
        if plain {
            line += value.utf8
            return
        }
        line.append(UInt8(ascii: "\""))
        for octet in value.utf8 {
            switch octet {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): line += [UInt8(ascii: "\\"), octet]
            case UInt8(ascii: "\n"): line += "\\n".utf8
            case UInt8(ascii: "\t"): line += "\\t".utf8
            case 0..<0x20, 0x7F: line.append(UInt8(ascii: "?"))
            default: line.append(octet)
            }
        }
        line.append(UInt8(ascii: "\""))
    }

    private func work() {
        while true {
            wake.wait()
            while true {
                let (lines, dropped) = queue.withLock { queue in
                    let taken = (queue.lines, queue.dropped)
                    queue.lines = []
                    queue.dropped = 0
                    queue.writing = !taken.0.isEmpty || taken.1 > 0
                    return taken
                }
                if lines.isEmpty && dropped == 0 { break }
                for line in lines { put(line) }
                if dropped > 0 {
                    let mark = priorities ? "<4>" : "\(Timestamp(wallNanoseconds: Clock.wall())) level=warning "
                    put(Array("\(mark)event=log-lines-dropped count=\(dropped)\n".utf8))
                }
            }
        }
    }

    /// Writes all of it, however long that takes; gives up only when nobody can ever read it.
    private func put(_ line: [UInt8]) {
        var rest = line[...]
        while !rest.isEmpty {
            let written = unsafe rest.withUnsafeBytes { unsafe Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if written > 0 {
                rest = rest.dropFirst(written)
            } else if errno == EAGAIN {
                var entry = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                _ = unsafe poll(&entry, 1, -1)
            } else if errno != EINTR {
                return
            }
        }
    }
}

extension LogLevel {
    /// As the configuration spells it.
    var word: String {
        switch self {
        case .error: "error"
        case .warning: "warning"
        case .notice: "notice"
        case .info: "info"
        case .debug: "debug"
        }
    }
}
