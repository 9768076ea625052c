// The JSON of the status socket is a promise to scripts: these tests hold it to the letter.

import Status
import Testing

struct DocumentTests {
    @Test func `every key of the document is spelled as promised`() throws {
        #expect(String(decoding: try jsonText(sampleDocument()), as: UTF8.self) == sampleJSON)
    }

    @Test func `a document survives the way to text and back`() throws {
        let document = sampleDocument()
        #expect(try decodeJSON(StatusDocument.self, from: jsonText(document)) == document)
    }

    @Test func `a router of which nothing is known has every key, with null`() throws {
        let router = RouterStatus(
            name: "v", interface: "eth0", vrid: 1, family: "ipv6", version: 3, state: .initialize, priority: 100,
            preempt: PreemptStatus(enabled: false), advertisementIntervalMs: 1000)
        let text = String(decoding: try jsonText(router), as: UTF8.self)
        for key in [
            "since", "unknown-since", "local-address", "master", "last-transition", "last-advert-heard-ms-ago",
            "gate-release-timeout-ms", "up-datetime", "advertise-interval-sec", "virtual-mac", "last-adv-source",
            "discontinuity-datetime", "lease", "lease-expires",
        ] {
            #expect(text.contains(#""\#(key)":null"#))
        }
        #expect(text.contains(#""effective-priority":100"#))
        #expect(try decodeJSON(RouterStatus.self, from: Array(text.utf8)) == router)
    }

    @Test func `a document without one of its keys is refused`() {
        let text = sampleJSON.replacing(#""unknown-since":null,"#, with: "")
        #expect(throws: DecodingError.self) { try decodeJSON(StatusDocument.self, from: Array(text.utf8)) }
    }

    @Test func `events are objects with a type`() throws {
        let move = TransitionDocument(
            router: "database", from: .backup, to: .master, cause: "owner", text: "t",
            at: time("2026-11-21T03:00:00.000Z"),
            priority: 255)
        let text = String(decoding: try jsonText(EventDocument.transition(move)), as: UTF8.self)
        #expect(
            text
                == #"{"at":"2026-11-21T03:00:00.000Z","cause":"owner","from":"backup","priority":255,"#
                + #""router":"database","text":"t","to":"master","type":"transition"}"#)
        #expect(try decodeJSON(EventDocument.self, from: Array(text.utf8)) == .transition(move))
        let at = time("2026-11-21T03:00:00.000Z")
        let difference = EventDocument.difference(
            DifferenceDocument(
                router: "database", peer: "192.0.2.3", kind: "our-address", ownValue: nil, peerValue: nil, text: "t",
                at: at))
        let differenceText = String(decoding: try jsonText(difference), as: UTF8.self)
        #expect(
            differenceText
                == #"{"at":"2026-11-21T03:00:00.000Z","kind":"our-address","own-value":null,"peer":"192.0.2.3","#
                + #""peer-value":null,"router":"database","text":"t","type":"difference"}"#)
        #expect(try decodeJSON(EventDocument.self, from: Array(differenceText.utf8)) == difference)
        let unsteady = EventDocument.unsteady(
            UnsteadyDocument(router: "database", transitions: 7, withinS: 60, text: "t", at: at))
        let unsteadyText = String(decoding: try jsonText(unsteady), as: UTF8.self)
        #expect(
            unsteadyText
                == #"{"at":"2026-11-21T03:00:00.000Z","router":"database","text":"t","transitions":7,"type":"unsteady","#
                + #""within-s":60}"#)
        #expect(try decodeJSON(EventDocument.self, from: Array(unsteadyText.utf8)) == unsteady)
        let conflict = EventDocument.conflict(
            ConflictDocument(
                router: "database", address: "192.0.2.10", hardwareAddress: "02:00:00:00:00:09", state: .backup,
                text: "t", at: at))
        let conflictText = String(decoding: try jsonText(conflict), as: UTF8.self)
        #expect(
            conflictText
                == #"{"address":"192.0.2.10","at":"2026-11-21T03:00:00.000Z","hardware-address":"02:00:00:00:00:09","#
                + #""router":"database","state":"backup","text":"t","type":"address-conflict"}"#)
        #expect(try decodeJSON(EventDocument.self, from: Array(conflictText.utf8)) == conflict)
        let dropped = EventDocument.dropped(
            DroppedDocument(
                router: nil, reason: "drop-ttl", counter: "ip-ttl-errors", source: "192.0.2.3", count: 3, at: at))
        let droppedText = String(decoding: try jsonText(dropped), as: UTF8.self)
        #expect(
            droppedText
                == #"{"at":"2026-11-21T03:00:00.000Z","count":3,"counter":"ip-ttl-errors","reason":"drop-ttl","#
                + #""router":null,"source":"192.0.2.3","type":"packet-dropped"}"#)
        #expect(try decodeJSON(EventDocument.self, from: Array(droppedText.utf8)) == dropped)
        #expect(String(decoding: try jsonText(EventDocument.alive), as: UTF8.self) == #"{"type":"alive"}"#)
        #expect(try decodeJSON(EventDocument.self, from: Array(#"{"type":"alive"}"#.utf8)) == .alive)
    }

    @Test func `an event of an unknown type is an error, not a guess`() {
        #expect(throws: DecodingError.self) {
            try decodeJSON(EventDocument.self, from: Array(#"{"type":"other"}"#.utf8))
        }
    }

    @Test(arguments: [
        ("1970-01-01T00:00:00.000Z", 0), ("2000-02-29T23:59:59.999Z", 951_868_799_999),
        ("2026-11-21T03:00:00.250Z", 1_795_230_000_250), ("1969-12-31T23:59:59.999Z", -1),
        ("2100-03-01T00:00:00.000Z", 4_107_542_400_000),
    ])
    func `times are RFC 3339 in UTC with milliseconds`(text: String, milliseconds: Int64) {
        #expect(Timestamp(milliseconds: milliseconds).description == text)
        #expect(Timestamp(text)?.milliseconds == milliseconds)
    }

    @Test(arguments: [
        "", "2026-11-21", "2026-11-21T03:00:00Z", "2026-11-21 03:00:00.000Z", "2026-11-31T03:00:00.000Z",
        "2026-13-01T00:00:00.000Z", "2026-11-21T24:00:00.000Z", "2026-11-21T03:00:00.00xZ", "2026-02-29T00:00:00.000Z",
    ])
    func `other forms of time are refused`(text: String) {
        #expect(Timestamp(text) == nil)
    }

    @Test func `a wall clock reading is rounded down to the millisecond`() {
        #expect(Timestamp(wallNanoseconds: 1_999_999).milliseconds == 1)
        #expect(Timestamp(wallNanoseconds: -1).milliseconds == -1)
    }
}
