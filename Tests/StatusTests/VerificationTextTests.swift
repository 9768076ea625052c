// What became of a verification, as people read it.

import Election
import Status
import Testing
import Wire

private func ipv4(_ last: UInt8) -> IPAddress { .ipv4(IPv4Address(192, 0, 2, last)) }

struct VerificationTextTests {
    private func question(
        _ target: UInt8, _ witness: Witness, about address: UInt8 = 10, _ answered: Duration?, asked: UInt16 = 1
    ) -> Verification.Question {
        Verification.Question(
            address: ipv4(address), target: ipv4(target), witness: witness, asked: asked, answered: answered)
    }

    private func verification(_ questions: [Verification.Question], isComplete: Bool = true) -> Verification {
        Verification(began: Instant(nanoseconds: 0), questions: questions, isComplete: isComplete)
    }

    @Test func `who was expected to answer is named, with the last of the answers`() {
        let all = verification([
            question(1, .gateway, .microseconds(800)), question(1, .gateway, about: 11, .milliseconds(2)),
            question(7, .listed, .milliseconds(1)), question(9, .neighbor, nil),
        ])
        #expect(all.sentence == "verified by 192.0.2.1 (gateway) after 2 ms, 192.0.2.7 (listed) after 1 ms")
        #expect(all.absentees.isEmpty)
    }

    @Test func `without them neighbours are named that answered about all`() {
        let some = verification([
            question(7, .neighbor, .milliseconds(1)), question(8, .neighbor, .milliseconds(3)),
            question(8, .neighbor, about: 11, nil),
        ])
        #expect(some.sentence == "verified by 192.0.2.7 (neighbour) after 1 ms")
        #expect(verification([question(8, .neighbor, nil)]).sentence.hasPrefix("nobody could verify it: "))
        #expect(verification([], isComplete: false).sentence == "neighbours are being asked")
    }

    @Test func `who has not answered is named with what it sends elsewhere`() {
        let partly = verification([
            question(1, .gateway, nil, asked: 4), question(1, .gateway, about: 11, nil, asked: 3),
            question(1, .gateway, about: 12, .zero), question(7, .listed, nil, asked: 0),
            question(6, .listed, nil),
        ])
        #expect(
            partly.sentence
                == "192.0.2.1 (gateway) does not send here what it sends to 192.0.2.10 and 1 more: no answer to 4 questions;"
                + " 192.0.2.7 (listed) does not send here what it sends to 192.0.2.10: it could not be asked;"
                + " 192.0.2.6 (listed) does not send here what it sends to 192.0.2.10: no answer to 1 question")
        #expect(partly.witnesses.isEmpty)
        #expect(partly.absentees == "192.0.2.1 (gateway), 192.0.2.7 (listed), 192.0.2.6 (listed)")
    }

    @Test func `the line in the status and the one of an event say the same`() throws {
        var router = sampleRouter()
        let now = time("2026-11-21T05:03:03.500Z")
        let event = EventDocument.verification(
            VerificationDocument(router: "database", verdict: "unanswered", text: "t", at: now))
        let text = String(decoding: try jsonText(event), as: UTF8.self)
        #expect(
            text
                == #"{"at":"2026-11-21T05:03:03.500Z","router":"database","text":"t","type":"verification","verdict":"unanswered"}"#
        )
        #expect(try decodeJSON(EventDocument.self, from: Array(text.utf8)) == event)
        #expect(eventText(event) == "2026-11-21T05:03:03.500Z  database  UNVERIFIED  t")
        #expect(presentText(router, asOf: now).contains { $0.contains("UNVERIFIED  192.0.2.1 (gateway) does not") })
        for (verdict, text, line) in [
            ("verified", "verified by X", "  verified   by X\n"),
            ("unwitnessed", "nobody could", "  verified   not: nobody could\n"),
            ("pending", "neighbours are being asked", "  verified   not yet: neighbours are being asked\n"),
        ] {
            router.verification?.verdict = verdict
            router.verification?.text = text
            #expect(routerText(router, asOf: now).contains(line))
        }
    }
}
