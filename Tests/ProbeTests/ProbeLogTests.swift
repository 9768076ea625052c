// What sequences of probes and answers mean, as values.

import Probe
import Testing
import Wire

private let a = MACAddress(2, 0, 0, 0, 0, 0xA)
private let b = MACAddress(2, 0, 0, 0, 0, 0xB)

/// Probes every 100 ms; each letter is one probe: who answers it, `-` for nobody, `2` for a then b, `3` for b then a. The
/// answers come 1 ms and 2 ms after the probe.
private func run(_ script: String) -> (events: [ProbeEvent], summary: ProbeSummary) {
    var log = ProbeLog()
    var events: [ProbeEvent] = []
    for (place, letter) in script.enumerated() {
        let time = milliseconds(place * 100)
        log.sent(at: time, appendingTo: &events)
        let answers: [MACAddress] =
            switch letter {
            case "a": [a]
            case "b": [b]
            case "2": [a, b]
            case "3": [b, a]
            default: []
            }
        for (order, hardware) in answers.enumerated() { log.heard(hardware, at: time + milliseconds(order + 1)) }
    }
    log.finish(at: milliseconds(script.count * 100), appendingTo: &events)
    return (events, log.summary)
}

private func milliseconds(_ count: Int) -> Duration { .milliseconds(count) }

@Suite struct ProbeLogTests {
    @Test("One holder that always answers is one line")
    func steady() {
        let (events, summary) = run("aaaa")
        #expect(events == [.holder(a, at: milliseconds(1))])
        #expect(summary.sent == 4 && summary.answered == 4 && summary.unanswered == 0)
        #expect(summary.changes == 0 && summary.gaps == 0 && summary.overlaps == 0)
        let expected = ProbeResponder(hardware: a, answers: 4, first: milliseconds(1), last: milliseconds(301))
        #expect(summary.responders == [expected])
        #expect(summary.duration == milliseconds(400))
    }

    @Test("A failover is a silence, a gap with its length, and a change of holder")
    func failover() {
        let (events, summary) = run("aa---bb")
        let expected: [ProbeEvent] = [
            .holder(a, at: milliseconds(1)),
            .silence(at: milliseconds(200)),
            .gap(from: milliseconds(200), length: milliseconds(300), probes: 3, isOver: true),
            .change(from: a, to: b, at: milliseconds(501)),
        ]
        #expect(events == expected)
        #expect(summary.changes == 1 && summary.gaps == 1 && summary.unanswered == 3)
        #expect(summary.longestGap == milliseconds(300) && summary.totalGap == milliseconds(300))
    }

    @Test("A make-before-break move is an overlap with its length, and then a change")
    func overlap() {
        let (events, summary) = run("aa22bb")
        let expected: [ProbeEvent] = [
            .holder(a, at: milliseconds(1)),
            .double([a, b], at: milliseconds(202)),
            .overlap(from: milliseconds(200), length: milliseconds(200), probes: 2, isOver: true),
            .change(from: a, to: b, at: milliseconds(401)),
        ]
        #expect(events == expected)
        #expect(summary.doubleAnswered == 2 && summary.overlaps == 1 && summary.gaps == 0)
        #expect(summary.longestOverlap == milliseconds(200))
    }

    @Test("A double answer in either order does not change the holder while it is one of them")
    func doubleKeepsHolder() {
        let (events, summary) = run("a3a")
        let expected: [ProbeEvent] = [
            .holder(a, at: milliseconds(1)),
            .double([b, a], at: milliseconds(102)),
            .overlap(from: milliseconds(100), length: milliseconds(100), probes: 1, isOver: true),
        ]
        #expect(events == expected)
        #expect(summary.changes == 0)
    }

    @Test("A silence ends an overlap, and an overlap ends a silence")
    func mixed() {
        let (events, summary) = run("2-2")
        let expected: [ProbeEvent] = [
            .double([a, b], at: milliseconds(2)),
            .holder(a, at: milliseconds(1)),
            .overlap(from: milliseconds(0), length: milliseconds(100), probes: 1, isOver: true),
            .silence(at: milliseconds(100)),
            .gap(from: milliseconds(100), length: milliseconds(100), probes: 1, isOver: true),
            .double([a, b], at: milliseconds(202)),
            .overlap(from: milliseconds(200), length: milliseconds(100), probes: 1, isOver: false),
        ]
        #expect(events == expected)
        #expect(summary.overlaps == 2 && summary.gaps == 1)
    }

    @Test("Nobody at all is one gap to the end")
    func nobody() {
        let (events, summary) = run("---")
        let expected: [ProbeEvent] = [
            .silence(at: milliseconds(0)),
            .gap(from: milliseconds(0), length: milliseconds(300), probes: 3, isOver: false),
        ]
        #expect(events == expected)
        #expect(summary.answered == 0 && summary.responders.isEmpty)
    }

    @Test("Two gaps are told apart and added up")
    func twoGaps() {
        let (_, summary) = run("a-a--a")
        #expect(summary.gaps == 2)
        #expect(summary.longestGap == milliseconds(200))
        #expect(summary.totalGap == milliseconds(300))
        #expect(summary.changes == 0)
    }

    @Test("An answer before any probe, and a repeated one, count for nothing")
    func stray() {
        var log = ProbeLog()
        var events: [ProbeEvent] = []
        log.heard(b, at: milliseconds(0))
        log.sent(at: milliseconds(1), appendingTo: &events)
        log.heard(a, at: milliseconds(2))
        log.heard(a, at: milliseconds(3))
        log.finish(at: milliseconds(100), appendingTo: &events)
        #expect(events == [.holder(a, at: milliseconds(2))])
        #expect(log.summary.responders.map(\.answers) == [1])
        #expect(log.summary.doubleAnswered == 0)
    }
}

@Suite struct ProbeTextTests {
    private let address = IPAddress.ipv4(IPv4Address(10, 9, 0, 100))

    @Test("Findings are lines that a person can read")
    func plain() {
        let text = ProbeText(address: address, interface: "eth0", isJSON: false, start: 1_700_000_000_000_000_000)
        let opening = text.opening(interval: milliseconds(100))
        #expect(opening == "probing 10.9.0.100 on eth0 every 100 ms from 2023-11-14T22:13:20.000Z")
        let (events, summary) = run("a--b2")
        let lines = events.map { text.line($0) }
        let expected = [
            "     0.001 s  02:00:00:00:00:0a answers",
            "     0.100 s  no answer",
            "     0.300 s  answered again after 200 ms (2 probes unanswered)",
            "     0.301 s  02:00:00:00:00:0b answers instead of 02:00:00:00:00:0a",
            "     0.402 s  double answer: 02:00:00:00:00:0a and 02:00:00:00:00:0b",
            "     0.500 s  still double answers after 100 ms (1 probe answered twice)",
        ]
        #expect(lines == expected)
        let closing = """
            5 probes in 500 ms: 3 answered, 2 not, 1 twice
              02:00:00:00:00:0a answered 2, first at 0.001 s, last at 0.401 s
              02:00:00:00:00:0b answered 2, first at 0.301 s, last at 0.402 s
            1 change of holder; 1 gap, longest 200 ms, 200 ms in all; 1 overlap, longest 100 ms
            """
        #expect(text.closing(summary) == closing)
    }

    @Test("With JSON each finding is one object in one line")
    func json() {
        let text = ProbeText(address: address, interface: "eth0", isJSON: true, start: 1_700_000_000_000_000_000)
        let (events, summary) = run("a-b")
        let lines = events.map { text.line($0) }
        let expected = [
            #"{"at":"2023-11-14T22:13:20.001Z","hardware-address":"02:00:00:00:00:0a","type":"holder"}"#,
            #"{"at":"2023-11-14T22:13:20.100Z","type":"silence"}"#,
            #"{"at":"2023-11-14T22:13:20.200Z","length-ms":100,"over":true,"probes":1,"#
                + #""since":"2023-11-14T22:13:20.100Z","type":"gap"}"#,
            #"{"at":"2023-11-14T22:13:20.201Z","from":"02:00:00:00:00:0a","to":"02:00:00:00:00:0b","type":"change"}"#,
        ]
        #expect(lines == expected)
        let closing = text.closing(summary)
        #expect(closing.contains(#""type":"summary""#))
        #expect(closing.contains(#""longest-gap-ms":100"#))
        #expect(!closing.contains("\n"))
    }
}
