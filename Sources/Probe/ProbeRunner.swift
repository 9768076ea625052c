// The loop of `vipd probe`: sends a probe at each interval, hears the answers with their kernel stamps, and prints what
// the log finds.

import System
import Wire

/// Probes until the count, the duration, SIGINT or SIGTERM ends it, and returns what was seen.
///
/// `output` gets each line as it becomes known, without a line end; the summary is the last. Needs CAP_NET_RAW. Call it
/// where no other thread takes the two signals. When the interface goes away the summary is printed and then thrown why.
package func runProbe(_ options: ProbeOptions, output: (String) -> Void) throws(ProbeError) -> ProbeSummary {
    guard ProbeOptions.intervals.contains(options.interval) else {
        throw ProbeError("the interval must be from 1ms to 1h")
    }
    if let count = options.count, count < 1 { throw ProbeError("the count must be at least 1") }
    if let duration = options.duration, duration <= .zero || duration > ProbeOptions.longestDuration {
        throw ProbeError("the duration must be above 0 and at most 24h")
    }
    let path = try ProbePath(to: options.address, interface: options.interface)
    var runner: ProbeRunner
    do throws(SystemError) {
        runner = try ProbeRunner(options, path)
    } catch {
        throw cannotBegin("probe", on: path.interface, error)
    }
    output(runner.text.opening(interval: options.interval))
    let failure = runner.run(output)
    output(runner.text.closing(runner.log.summary))
    if let failure { throw ProbeError("probing on \(path.interface) ended early: \(failure)") }
    return runner.log.summary
}

private struct ProbeRunner: ~Copyable {
    let text: ProbeText
    private(set) var log = ProbeLog()
    private let path: ProbePath
    private var segment: Segment
    private let interval: Int64
    private let count: Int
    /// Readings of the monotonic clock.
    private let start: Int64
    private let end: Int64
    private var events: [ProbeEvent] = []
    /// The last failure to send, so that it is printed once.
    private var sendFailure: Int32 = 0

    init(_ options: ProbeOptions, _ path: ProbePath) throws(SystemError) {
        segment = try Segment(interface: path.interface, filter: path.filter)
        self.path = path
        interval = nanoseconds(options.interval)
        count = options.count ?? .max
        start = Clock.monotonic()
        let limit = options.duration ?? (options.count == nil ? ProbeOptions.longest : .seconds(1 << 30))
        end = start + nanoseconds(limit)
        text = ProbeText(
            address: options.address, interface: path.interface, isJSON: options.json, start: Clock.wall())
    }

    /// Returns why it could not go on, or nil when it ended as asked.
    mutating func run(_ output: (String) -> Void) -> SystemError? {
        var next = start
        var last = start
        var due = start
        var attempts = 0
        var failure: SystemError?
        do throws(SystemError) {
            while true {
                try segment.wait(until: due)
                // Answers first: one that waits belongs to the probe before the one that is due.
                try hear()
                if segment.isInterrupted() { break }
                let now = Clock.monotonic()
                if now >= next, attempts < count, next < end {
                    send(output)
                    attempts += 1
                    last = now
                    // A late turn shifts the rest: probes are never sent in a bunch.
                    next = max(next + interval, now + interval / 2)
                }
                let isLast = attempts == count || next >= end
                // The last probe gets as much time for its answer as the others, within reason.
                due = isLast ? last + min(max(interval, 100_000_000), 1_000_000_000) : next
                if isLast, now >= due { break }
            }
        } catch {
            failure = error
        }
        log.finish(at: elapsed(Clock.monotonic()), appendingTo: &events)
        flush(output)
        return failure
    }

    private mutating func send(_ output: (String) -> Void) {
        let now = Clock.monotonic()
        do throws(SystemError) {
            try segment.send(path.frame)
            sendFailure = 0
            log.sent(at: elapsed(now), appendingTo: &events)
        } catch {
            // Our own trouble is no silence of the holder.
            if error.code != sendFailure { output(text.trouble("cannot send: \(error.reason)", at: elapsed(now))) }
            sendFailure = error.code
        }
        flush(output)
    }

    private mutating func hear() throws(SystemError) {
        let path = self.path
        var answers: [(hardware: MACAddress, arrival: Int64)] = []
        try segment.hear { frame, arrival in
            if let hardware = path.responder(in: frame) { answers.append((hardware, arrival)) }
        }
        for answer in answers { log.heard(answer.hardware, at: elapsed(answer.arrival)) }
    }

    private mutating func flush(_ output: (String) -> Void) {
        for event in events { output(text.line(event)) }
        events.removeAll(keepingCapacity: true)
    }

    private func elapsed(_ instant: Int64) -> Duration { .nanoseconds(max(0, instant - start)) }
}
