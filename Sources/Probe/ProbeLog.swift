// What the probes and their answers mean: who holds the address, when that changes, gaps and double answers. Pure: times
// are arguments, findings are values. It judges a probe when the next one is sent, because only then it is known who
// answered it.

import Wire

/// Something worth a line. Times are since the start; lengths are from the first probe that saw it to the first that did
/// not, so they are exact to about one interval.
package enum ProbeEvent: Hashable, Sendable {
    /// The first answer of all.
    case holder(MACAddress, at: Duration)
    /// Another one answers now.
    case change(from: MACAddress, to: MACAddress, at: Duration)
    /// A probe was not answered, and the one before it was (or it was the first).
    case silence(at: Duration)
    /// A silence and how long it was; not over: it lasted to the end of the run.
    case gap(from: Duration, length: Duration, probes: Int, isOver: Bool)
    /// A probe was answered by more than one, and the one before it was not.
    case double([MACAddress], at: Duration)
    /// Double answers and how long they were; not over: they lasted to the end of the run.
    case overlap(from: Duration, length: Duration, probes: Int, isOver: Bool)
}

/// One that answered.
package struct ProbeResponder: Hashable, Sendable {
    package var hardware: MACAddress
    /// How many probes it answered.
    package var answers: Int
    /// When it answered first and last.
    package var first: Duration
    package var last: Duration

    package init(hardware: MACAddress, answers: Int, first: Duration, last: Duration) {
        self.hardware = hardware
        self.answers = answers
        self.first = first
        self.last = last
    }
}

extension [ProbeResponder] {
    /// One more answer.
    mutating func record(_ hardware: MACAddress, at now: Duration) {
        if let place = firstIndex(where: { $0.hardware == hardware }) {
            self[place].answers += 1
            self[place].last = now
        } else {
            append(ProbeResponder(hardware: hardware, answers: 1, first: now, last: now))
        }
    }
}

/// The whole of a run.
package struct ProbeSummary: Hashable, Sendable {
    package var sent = 0
    /// Answered by anybody.
    package var answered = 0
    package var unanswered: Int { sent - answered }
    package var changes = 0
    package var gaps = 0
    package var longestGap: Duration = .zero
    package var totalGap: Duration = .zero
    /// Probes answered by more than one.
    package var doubleAnswered = 0
    package var overlaps = 0
    package var longestOverlap: Duration = .zero
    /// In the order of their first answers.
    package var responders: [ProbeResponder] = []
    package var duration: Duration = .zero

    package init() {}
}

/// Follows one run of probes.
package struct ProbeLog: Sendable {
    package private(set) var summary = ProbeSummary()
    private var holder: MACAddress?
    private var current: Probe?
    private var gap: Stretch?
    private var overlap: Stretch?

    private struct Probe {
        var sentAt: Duration
        var answers: [(hardware: MACAddress, at: Duration)] = []
    }

    /// A run of probes that share a trouble.
    private struct Stretch {
        var from: Duration
        var probes: Int
    }

    package init() {}

    /// A probe was sent; judges the one before it.
    package mutating func sent(at now: Duration, appendingTo events: inout [ProbeEvent]) {
        judge(appendingTo: &events)
        current = Probe(sentAt: now)
        summary.sent += 1
    }

    /// An answer came in. It counts for the last probe sent; one before the first probe is no answer. A second answer of
    /// the same one changes nothing.
    package mutating func heard(_ hardware: MACAddress, at now: Duration) {
        guard current != nil, !(current?.answers.contains { $0.hardware == hardware } ?? true) else { return }
        current?.answers.append((hardware, now))
    }

    /// Judges the last probe and closes what is open; nothing may follow.
    package mutating func finish(at now: Duration, appendingTo events: inout [ProbeEvent]) {
        judge(appendingTo: &events)
        current = nil
        if let gap { close(gap, at: now, isOver: false, appendingTo: &events) }
        if let overlap { closeOverlap(overlap, at: now, isOver: false, appendingTo: &events) }
        gap = nil
        overlap = nil
        summary.duration = now
    }

    private mutating func judge(appendingTo events: inout [ProbeEvent]) {
        guard let probe = current else { return }
        for answer in probe.answers { summary.responders.record(answer.hardware, at: answer.at) }
        if probe.answers.count < 2, let stretch = overlap {
            closeOverlap(stretch, at: probe.sentAt, isOver: true, appendingTo: &events)
            overlap = nil
        }
        guard let first = probe.answers.first else {
            if gap == nil { events.append(.silence(at: probe.sentAt)) }
            gap = Stretch(from: gap?.from ?? probe.sentAt, probes: (gap?.probes ?? 0) + 1)
            return
        }
        summary.answered += 1
        if let stretch = gap {
            close(stretch, at: probe.sentAt, isOver: true, appendingTo: &events)
            gap = nil
        }
        if probe.answers.count > 1 {
            summary.doubleAnswered += 1
            if overlap == nil { events.append(.double(probe.answers.map(\.hardware), at: probe.answers[1].at)) }
            overlap = Stretch(from: overlap?.from ?? probe.sentAt, probes: (overlap?.probes ?? 0) + 1)
        }
        guard let before = holder else {
            holder = first.hardware
            events.append(.holder(first.hardware, at: first.at))
            return
        }
        // As long as the holder is among those that answer, it holds.
        guard !probe.answers.contains(where: { $0.hardware == before }) else { return }
        holder = first.hardware
        summary.changes += 1
        events.append(.change(from: before, to: first.hardware, at: first.at))
    }

    private mutating func close(
        _ gap: Stretch, at end: Duration, isOver: Bool, appendingTo events: inout [ProbeEvent]
    ) {
        let length = end - gap.from
        summary.gaps += 1
        summary.totalGap += length
        summary.longestGap = max(summary.longestGap, length)
        events.append(.gap(from: gap.from, length: length, probes: gap.probes, isOver: isOver))
    }

    private mutating func closeOverlap(
        _ overlap: Stretch, at end: Duration, isOver: Bool, appendingTo events: inout [ProbeEvent]
    ) {
        let length = end - overlap.from
        summary.overlaps += 1
        summary.longestOverlap = max(summary.longestOverlap, length)
        events.append(.overlap(from: overlap.from, length: length, probes: overlap.probes, isOver: isOver))
    }
}
