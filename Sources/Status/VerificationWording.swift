// What became of a verification, in words: for the log, the status, the events, the hooks and the command line.

import Election
import Wire

extension Witness {
    /// As users read it.
    package var word: String {
        switch self {
        case .gateway: "gateway"
        case .listed: "listed"
        case .neighbor: "neighbour"
        }
    }
}

extension Verification.Verdict {
    package var word: String {
        switch self {
        case .pending: "pending"
        case .verified: "verified"
        case .unanswered: "unanswered"
        case .unwitnessed: "unwitnessed"
        }
    }
}

extension Verification {
    /// What is known by now, as a sentence without a full stop.
    package var sentence: String {
        switch verdict {
        case .pending: "neighbours are being asked"
        case .verified: "verified by \(witnesses)"
        case .unanswered:
            unanswered.map { "\($0.name) does not send here what it sends to \($0.addresses): \($0.reason)" }
                .joined(separator: "; ")
        case .unwitnessed:
            "nobody could verify it: there is no default gateway on this interface, no host is listed under `verify`, and no"
                + " known neighbour answered"
        }
    }

    /// Who has answered, and when: `10.0.0.1 (gateway) after 0.8 ms`. Of several addresses the last answer counts. Of those who were
    /// expected to, if there are any.
    package var witnesses: String {
        let isExpected = questions.contains { $0.witness.isExpected }
        let wanted = targets.filter { ($0.witness.isExpected || !isExpected) && isAnswered(by: $0.address) }
        let names = wanted.compactMap { target -> String? in
            let answers = questions.filter { $0.target == target.address }.compactMap(\.answered)
            return answers.max().map { "\(target.name) after \($0.spoken)" }
        }
        return names.joined(separator: ", ")
    }

    /// Who was expected to answer and has not: `10.0.0.1 (gateway)`.
    package var absentees: String { unanswered.map(\.name).joined(separator: ", ") }

    private struct Target {
        var address: IPAddress
        var witness: Witness
        var name: String { "\(address) (\(witness.word))" }
    }

    /// Each once, in the order in which they were asked.
    private var targets: [Target] {
        var targets: [Target] = []
        for question in questions where !targets.contains(where: { $0.address == question.target }) {
            targets.append(Target(address: question.target, witness: question.witness))
        }
        return targets
    }

    private var unanswered: [(name: String, addresses: String, reason: String)] {
        targets.filter(\.witness.isExpected).compactMap { target in
            let missing = questions.filter { $0.target == target.address && $0.answered == nil }
            guard let first = missing.first else { return nil }
            let more = missing.count > 1 ? " and \(missing.count - 1) more" : ""
            let times = missing.map(\.asked).max() ?? 0
            let reason =
                times == 0 ? "it could not be asked" : "no answer to \(times) \(times == 1 ? "question" : "questions")"
            return (target.name, "\(first.address)\(more)", reason)
        }
    }
}
