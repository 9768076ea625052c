// How findings are printed: a line of text or an object of JSON for each. No decision is made here.

import Status
import Wire

/// Prints one run.
package struct ProbeText: Sendable {
    private let address: IPAddress
    private let interface: String
    private let isJSON: Bool
    /// The wall clock at the start, CLOCK_REALTIME in nanoseconds.
    private let start: Int64

    package init(address: IPAddress, interface: String, isJSON: Bool, start: Int64) {
        self.address = address
        self.interface = interface
        self.isJSON = isJSON
        self.start = start
    }

    /// The first line.
    package func opening(interval: Duration) -> String {
        if isJSON {
            return json(
                ProbeRecord(
                    type: "start", at: moment(.zero), address: "\(address)", interface: interface,
                    intervalMilliseconds: milliseconds(interval)))
        }
        return "probing \(address) on \(interface) every \(text(interval)) from \(moment(.zero))"
    }

    /// Something that went wrong on this host and is not about the holder.
    package func trouble(_ words: String, at time: Duration) -> String {
        if isJSON { return json(ProbeRecord(type: "trouble", at: moment(time), text: words)) }
        return line(time, words)
    }

    package func line(_ event: ProbeEvent) -> String { isJSON ? json(record(event)) : plain(event) }

    private func plain(_ event: ProbeEvent) -> String {
        switch event {
        case .holder(let hardware, let time): return line(time, "\(hardware) answers")
        case .change(let from, let to, let time): return line(time, "\(to) answers instead of \(from)")
        case .silence(let time): return line(time, "no answer")
        case .gap(let from, let length, let probes, let isOver):
            let end = isOver ? "answered again" : "still no answer"
            return line(from + length, "\(end) after \(text(length)) (\(count(probes, "probe")) unanswered)")
        case .double(let holders, let time):
            return line(time, "double answer: \(holders.map(\.description).joined(separator: " and "))")
        case .overlap(let from, let length, let probes, let isOver):
            let end = isOver ? "no double answer any more" : "still double answers"
            return line(from + length, "\(end) after \(text(length)) (\(count(probes, "probe")) answered twice)")
        }
    }

    private func record(_ event: ProbeEvent) -> ProbeRecord {
        switch event {
        case .holder(let hardware, let time):
            return ProbeRecord(type: "holder", at: moment(time), hardwareAddress: "\(hardware)")
        case .change(let from, let to, let time):
            return ProbeRecord(type: "change", at: moment(time), from: "\(from)", to: "\(to)")
        case .silence(let time):
            return ProbeRecord(type: "silence", at: moment(time))
        case .gap(let from, let length, let probes, let isOver):
            return ProbeRecord(
                type: "gap", at: moment(from + length), since: moment(from),
                lengthMilliseconds: milliseconds(length), probes: probes, isOver: isOver)
        case .double(let holders, let time):
            return ProbeRecord(type: "double", at: moment(time), hardwareAddresses: holders.map(\.description))
        case .overlap(let from, let length, let probes, let isOver):
            return ProbeRecord(
                type: "overlap", at: moment(from + length), since: moment(from),
                lengthMilliseconds: milliseconds(length), probes: probes, isOver: isOver)
        }
    }

    /// The last line or lines.
    package func closing(_ summary: ProbeSummary) -> String {
        if isJSON { return json(SummaryRecord(self, summary)) }
        var lines = [
            "\(count(summary.sent, "probe")) in \(text(summary.duration)): \(summary.answered) answered, "
                + "\(summary.unanswered) not, \(summary.doubleAnswered) twice"
        ]
        for responder in summary.responders {
            lines.append(
                "  \(responder.hardware) answered \(responder.answers), first at \(seconds(responder.first)), "
                    + "last at \(seconds(responder.last))")
        }
        lines.append(
            "\(count(summary.changes, "change")) of holder; \(count(summary.gaps, "gap"))"
                + (summary.gaps > 0 ? ", longest \(text(summary.longestGap)), \(text(summary.totalGap)) in all" : "")
                + "; \(count(summary.overlaps, "overlap"))"
                + (summary.overlaps > 0 ? ", longest \(text(summary.longestOverlap))" : ""))
        return lines.joined(separator: "\n")
    }

    // MARK: - Forms

    fileprivate func moment(_ time: Duration) -> String {
        Timestamp(wallNanoseconds: start + nanoseconds(time)).description
    }

    private func line(_ time: Duration, _ words: String) -> String {
        let stamp = seconds(time)
        return String(repeating: " ", count: max(0, 12 - stamp.utf8.count)) + "\(stamp)  \(words)"
    }

    /// `3.601 s`.
    private func seconds(_ span: Duration) -> String {
        let whole = (nanoseconds(span) + 500_000) / 1_000_000
        let fraction = String(whole % 1000)
        return "\(whole / 1000).\(String(repeating: "0", count: 3 - fraction.utf8.count))\(fraction) s"
    }

    /// `401 ms` below ten seconds, else `12.300 s`.
    private func text(_ span: Duration) -> String {
        let whole = (nanoseconds(span) + 500_000) / 1_000_000
        return whole < 10_000 ? "\(whole) ms" : seconds(span)
    }
}

/// Whole nanoseconds, rounded towards zero.
func nanoseconds(_ span: Duration) -> Int64 {
    let parts = span.components
    return parts.seconds * 1_000_000_000 + parts.attoseconds / 1_000_000_000
}

/// `1 probe`, `2 probes`.
func count(_ number: Int, _ noun: String) -> String { number == 1 ? "1 \(noun)" : "\(number) \(noun)s" }

/// One line of JSON. Nothing in the records of this module can fail to be encoded: no number in them is infinite.
func json(_ value: some Encodable) -> String {
    guard let octets = try? jsonText(value) else { return "{}" }
    return String(decoding: octets, as: UTF8.self)
}

/// Milliseconds with three places.
func milliseconds(_ span: Duration) -> Double { Double(nanoseconds(span) / 1000) / 1000 }

/// One line of JSON; the keys that its type has no use for are left out.
private struct ProbeRecord: Encodable {
    var type: String
    /// RFC 3339, UTC. Of a gap or an overlap: when it ended.
    var at: String
    var address: String?
    var interface: String?
    var intervalMilliseconds: Double?
    var text: String?
    var hardwareAddress: String?
    var hardwareAddresses: [String]?
    var from: String?
    var to: String?
    var since: String?
    var lengthMilliseconds: Double?
    var probes: Int?
    var isOver: Bool?

    enum CodingKeys: String, CodingKey {
        case type, at, address, interface, text, from, to, since, probes
        case intervalMilliseconds = "interval-ms"
        case hardwareAddress = "hardware-address"
        case hardwareAddresses = "hardware-addresses"
        case lengthMilliseconds = "length-ms"
        case isOver = "over"
    }
}

private struct SummaryRecord: Encodable {
    struct Responder: Encodable {
        var hardwareAddress: String
        var answers: Int
        var first: String
        var last: String

        enum CodingKeys: String, CodingKey {
            case hardwareAddress = "hardware-address"
            case answers, first, last
        }
    }

    var type = "summary"
    var durationMilliseconds: Double
    var sent: Int
    var answered: Int
    var unanswered: Int
    var doubleAnswered: Int
    var changes: Int
    var gaps: Int
    var longestGapMilliseconds: Double
    var totalGapMilliseconds: Double
    var overlaps: Int
    var longestOverlapMilliseconds: Double
    var responders: [Responder]

    init(_ text: ProbeText, _ summary: ProbeSummary) {
        durationMilliseconds = milliseconds(summary.duration)
        sent = summary.sent
        answered = summary.answered
        unanswered = summary.unanswered
        doubleAnswered = summary.doubleAnswered
        changes = summary.changes
        gaps = summary.gaps
        longestGapMilliseconds = milliseconds(summary.longestGap)
        totalGapMilliseconds = milliseconds(summary.totalGap)
        overlaps = summary.overlaps
        longestOverlapMilliseconds = milliseconds(summary.longestOverlap)
        responders = summary.responders.map {
            Responder(
                hardwareAddress: "\($0.hardware)", answers: $0.answers, first: text.moment($0.first),
                last: text.moment($0.last))
        }
    }

    enum CodingKeys: String, CodingKey {
        case type, sent, answered, unanswered, changes, gaps, overlaps, responders
        case durationMilliseconds = "duration-ms"
        case doubleAnswered = "double-answered"
        case longestGapMilliseconds = "longest-gap-ms"
        case totalGapMilliseconds = "total-gap-ms"
        case longestOverlapMilliseconds = "longest-overlap-ms"
    }
}
