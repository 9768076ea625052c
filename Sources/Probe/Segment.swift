// The way to a segment for the commands that ask and listen there: frames out, frames in with the moment of their arrival, and a wait that a
// frame, a moment or the user ends. One thread, three descriptors.

import Glibc
import Kernel
import System

/// One interface, for one run.
struct Segment: ~Copyable {
    private let port: AnnouncementPort
    private let tap: FrameTap
    private let timer: TimerDescriptor
    private let signals: SignalDescriptor
    private var poller: Poller
    private var tokens: [UInt64] = []

    private enum Token {
        static let frames: UInt64 = 1
        static let timer: UInt64 = 2
        static let signals: UInt64 = 3
    }

    /// Hears the frames that match `filter`, in the language of pcap-filter(7), from now on, and takes SIGINT and SIGTERM.
    init(interface: String, filter: String) throws(SystemError) {
        let signals = try SignalDescriptor([SIGINT, SIGTERM])
        let port = try AnnouncementPort(interface: interface)
        let tap = try FrameTap(interface: interface, filter: filter)
        let timer = try TimerDescriptor()
        let poller = try Poller()
        try poller.watch(tap.number, token: Token.frames)
        try poller.watch(timer.number, token: Token.timer)
        try poller.watch(signals.number, token: Token.signals)
        self.signals = signals
        self.port = port
        self.tap = tap
        self.timer = timer
        self.poller = poller
    }

    func send(_ frame: [UInt8]) throws(SystemError) { try port.send(frame: frame) }

    /// Returns at `moment` (CLOCK_MONOTONIC, nanoseconds), or when a frame or a signal has come.
    mutating func wait(until moment: Int64) throws(SystemError) {
        timer.set(moment)
        try poller.wait(milliseconds: -1, into: &tokens)
    }

    /// Calls `body` with every frame that waits, at most some hundred, and when it arrived (CLOCK_MONOTONIC, nanoseconds).
    func hear(_ body: (_ frame: Span<UInt8>, _ arrival: Int64) -> Void) throws(SystemError) {
        let offset = Clock.monotonic() - Clock.wall()
        for _ in 0..<256 {
            let isMore = try tap.next { frame, stamp in body(frame, min(stamp + offset, Clock.monotonic())) }
            guard isMore else { return }
        }
    }

    /// The user wants an end; true once for each time.
    func isInterrupted() -> Bool { signals.next() != nil }
}

/// Why a run on an interface could not begin, for the user.
func cannotBegin(_ what: String, on interface: String, _ error: SystemError) -> ProbeError {
    let hint = error.code == EPERM ? "; root or CAP_NET_RAW is needed" : ""
    return ProbeError("cannot \(what) on \(interface): \(error)\(hint)")
}
