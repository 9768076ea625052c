// `vipd arping`: asks once or a few times who has an address, checks whether it is free as a host does before it takes it, or announces it.
// It shares path and segment with `vipd probe`, which goes on asking.

import Kernel
import Status
import System
import Wire

/// What to ask or say, and how often.
package struct ArpingOptions: Hashable, Sendable {
    package var address: IPAddress
    /// Nil: the one that the route to the address leaves by, or that it is on.
    package var interface: String?
    package var purpose: ProbePurpose
    /// How many frames; nil: what the standard says for the purpose. 1...1000.
    package var count: Int?
    /// Between two frames, and how long the last one's answers are waited for; nil: what the standard says. 1 ms...1 h.
    package var interval: Duration?
    /// Lines of JSON instead of text.
    package var json: Bool

    package static let counts = 1...1_000

    package init(
        address: IPAddress, interface: String? = nil, purpose: ProbePurpose = .ask, count: Int? = nil,
        interval: Duration? = nil, json: Bool = false
    ) {
        self.address = address
        self.interface = interface
        self.purpose = purpose
        self.count = count
        self.interval = interval
        self.json = json
    }
}

/// What came of it.
package struct ArpingResult: Hashable, Sendable {
    package var sent = 0
    /// Who answered, or claimed the address, in the order of their first words; times are since the start.
    package var holders: [ProbeResponder] = []

    package var isAnswered: Bool { !holders.isEmpty }
}

/// When frames are sent: offsets from the beginning, and when it ends.
struct ArpingPlan: Hashable {
    var frames: [Duration]
    var end: Duration
    /// The first word of another host ends it.
    var endsWithAnswer: Bool

    /// `random` is one of 0...1 for each of the waits that the standards leave to chance.
    init(_ options: ArpingOptions, random: () -> Double) {
        var frames: [Duration] = []
        var next = Duration.zero
        let isIPv4 = options.address.family == .ipv4
        let count: Int
        let wait: Duration
        switch options.purpose {
        case .ask:
            count = options.count ?? 3
            wait = options.interval ?? .seconds(1)
        case .check:
            // RFC 5227 §2.1.1: PROBE_WAIT, PROBE_NUM, PROBE_MIN...PROBE_MAX, ANNOUNCE_WAIT. RFC 4862 §5.1: one, and a second.
            count = options.count ?? (isIPv4 ? 3 : 1)
            wait = options.interval ?? (isIPv4 ? .seconds(2) : .seconds(1))
            if options.interval == nil { next = Duration.seconds(1) * random() }
        case .announce:
            // RFC 5227 §2.3: ANNOUNCE_NUM, ANNOUNCE_INTERVAL. RFC 4861 §7.2.6 and §10.
            count = options.count ?? (isIPv4 ? 2 : 3)
            wait = options.interval ?? (isIPv4 ? .seconds(2) : .seconds(1))
        }
        let isLeftToChance = options.purpose == .check && options.interval == nil
        for _ in 0..<count {
            frames.append(next)
            let gap: Duration = isLeftToChance ? Duration.seconds(1) + Duration.seconds(1) * random() : wait
            next += gap
        }
        self.frames = frames
        let last = frames.last ?? .zero
        end = options.purpose == .announce ? last : last + wait
        endsWithAnswer = options.purpose == .check
    }
}

/// Asks, checks or announces. `output` gets each line as it becomes known, the result last. Needs CAP_NET_RAW; SIGINT and SIGTERM end it.
package func runArping(_ options: ArpingOptions, output: (String) -> Void) throws(ProbeError) -> ArpingResult {
    if let count = options.count, !ArpingOptions.counts.contains(count) {
        throw ProbeError("the count must be from 1 to 1000")
    }
    if let interval = options.interval, !ProbeOptions.intervals.contains(interval) {
        throw ProbeError("the interval must be from 1ms to 1h")
    }
    let path = try ProbePath(to: options.address, interface: options.interface, for: options.purpose)
    let verb = options.purpose == .announce ? "announce" : "ask"
    var segment: Segment
    do throws(SystemError) {
        segment = try Segment(interface: path.interface, filter: path.filter)
    } catch {
        throw cannotBegin(verb, on: path.interface, error)
    }
    let text = ArpingText(options, path)
    var result = ArpingResult()
    do throws(SystemError) {
        try run(ArpingPlan(options) { Double.random(in: 0...1) }, path, &segment, text, &result, output)
    } catch {
        throw ProbeError("cannot \(verb) on \(path.interface): \(error)")
    }
    output(text.closing(result))
    return result
}

private func run(
    _ plan: ArpingPlan, _ path: ProbePath, _ segment: inout Segment, _ text: ArpingText, _ result: inout ArpingResult,
    _ output: (String) -> Void
) throws(SystemError) {
    let start = Clock.monotonic()
    var sentAt = start
    while true {
        let next = result.sent < plan.frames.count ? plan.frames[result.sent] : plan.end
        try segment.wait(until: start + nanoseconds(next))
        var answers: [(hardware: MACAddress, arrival: Int64)] = []
        try segment.hear { frame, arrival in
            if let hardware = path.responder(in: frame) { answers.append((hardware, arrival)) }
        }
        for answer in answers {
            let before = result.holders.count
            result.holders.record(answer.hardware, at: .nanoseconds(max(0, answer.arrival - start)))
            let isAnother = before > 0 && result.holders.count > before
            let after = Duration.nanoseconds(max(0, answer.arrival - sentAt))
            output(text.answer(answer.hardware, after: after, isAnother: isAnother))
        }
        if segment.isInterrupted() || plan.endsWithAnswer && result.isAnswered { return }
        guard Clock.monotonic() >= start + nanoseconds(next) else { continue }
        guard result.sent < plan.frames.count else { return }
        sentAt = Clock.monotonic()
        try segment.send(path.frame)
        result.sent += 1
        if result.sent == plan.frames.count, plan.end == plan.frames.last { return }
    }
}
