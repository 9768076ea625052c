// One engine as its keeper holds it: the process, the pair, the shared page, and what was not sent yet. It decides nothing.

import Glibc
import Messages
import System

/// A descriptor that waits in an outbox, or for the next engine.
final class KeptSocket {
    let descriptor: Descriptor
    init(_ descriptor: consuming Descriptor) { self.descriptor = descriptor }
}

final class KeptEngine {
    var child: ChildProcess
    let socket: MessageSocket
    /// nil where it cannot be had, and of one that only cleans.
    let vitals: Vitals?
    /// On the monotonic clock, nanoseconds.
    let started: Int64
    var tokens: [Loop.Token] = []
    /// Messages with the descriptor that travels with each, and who owns it until then.
    var outbox: [(message: [UInt8], descriptor: Int32?, owner: AnyObject?)] = []
    var retry: Loop.Token?
    /// Seconds without any report.
    var silentTicks = 0
    var ready = false
    /// It reported `stopped`: nothing is left on the interfaces.
    var hasReleased = false
    /// It knows no virtual router and only removes what a dead one left behind.
    let onlyCleans: Bool

    init(
        _ child: consuming ChildProcess, _ socket: consuming MessageSocket, vitals: Vitals?, onlyCleans: Bool = false,
        started: Int64 = Clock.monotonic()
    ) {
        self.child = child
        self.socket = socket
        self.vitals = vitals
        self.onlyCleans = onlyCleans
        self.started = started
    }
}

/// How an engine ended, beside by what.
struct EngineDeath {
    /// The end of what it wrote.
    var output: String
    /// What it was doing; nil where nobody can know.
    var lastWords: Vitals.LastWords?
    var leftCore: Bool
    /// On the monotonic clock, nanoseconds.
    var at: Int64
}

/// What the next program of this process must know of a running engine. Numbers of descriptors, which stay open.
struct EngineInheritance: Hashable, Codable {
    struct Socket: Hashable, Codable {
        var isIPv6: Bool
        var interface: UInt32
        var descriptor: Int32
    }

    var process: Int32
    var pair: Int32
    var ending: Int32
    var output: Int32
    /// nil where it has none.
    var vitals: Int32?
    /// On the monotonic clock, nanoseconds.
    var started: Int64
    var sockets: [Socket]

    var descriptors: [Int32] { [pair, ending, output] + [vitals].compactMap { $0 } + sockets.map(\.descriptor) }
}
