// What the status document and the answer to `verify` say of whether a takeover arrived at neighbours.

import Election

/// Whether hosts on the segment send to this host what they send to the addresses of a virtual router; also the answer to
/// `POST /v1/routers/NAME/verify`.
package struct VerificationStatus: Hashable, Sendable, Codable {
    /// `verdict`: `verified`, `unanswered` (somebody who is expected to answer has not), `unwitnessed` (nobody is expected to, and nobody
    /// did), or `pending`.
    package var verdict: String
    /// `text`: the sentence.
    package var text: String
    /// `began`: when the first round of announcements was out, or the operator asked.
    package var began: Timestamp
    /// `complete`: nothing more will be asked.
    package var complete: Bool
    /// `answers`: of whom what was asked; the first 64.
    package var answers: [VerificationAnswer]

    package init(verdict: String, text: String, began: Timestamp, complete: Bool, answers: [VerificationAnswer]) {
        self.verdict = verdict
        self.text = text
        self.began = began
        self.complete = complete
        self.answers = answers
    }
}

/// One host asked about one address.
package struct VerificationAnswer: Hashable, Sendable, Codable {
    /// `address`: ours.
    package var address: String
    /// `target`: who was asked.
    package var target: String
    /// `witness`: `gateway`, `listed`, or `neighbour`, of whom no answer is expected.
    package var witness: String
    /// `asked`: how often.
    package var asked: UInt16
    /// `after-ms`: when it first answered, from `began` on; null when it has not.
    @OrNull package var afterMs: Double?

    private enum CodingKeys: String, CodingKey {
        case address, target, witness, asked
        case afterMs = "after-ms"
    }

    package init(address: String, target: String, witness: String, asked: UInt16, afterMs: Double?) {
        self.address = address
        self.target = target
        self.witness = witness
        self.asked = asked
        _afterMs = OrNull(wrappedValue: afterMs)
    }
}

/// The end of a verification as an event; the keys are those of `VerificationStatus`, with `router` and `at`.
package struct VerificationDocument: Hashable, Sendable, Codable {
    /// `router`: the name of the virtual router.
    package var router: String
    /// `verdict`: see `VerificationStatus`.
    package var verdict: String
    /// `text`: the sentence.
    package var text: String
    /// `at`: when.
    package var at: Timestamp

    package init(router: String, verdict: String, text: String, at: Timestamp) {
        self.router = router
        self.verdict = verdict
        self.text = text
        self.at = at
    }
}

/// The lines in which `vipd verify` says who answered.
package func verificationLines(_ status: VerificationStatus) -> [String] {
    let address = status.answers.map(\.address.count).max() ?? 0
    let names = status.answers.map { "\($0.target) (\($0.witness))" }
    let width = names.map(\.count).max() ?? 0
    return zip(status.answers, names).map { answer, name in
        let end = answer.afterMs.map { "after \(Duration.milliseconds($0).spoken)" } ?? "no answer"
        return "  \(padded(answer.address, address))  \(padded(name, width))  \(end)"
    }
}
