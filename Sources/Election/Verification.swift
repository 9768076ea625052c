// Did the takeover arrive? A new master asks neighbours from each of its addresses, and what comes back shows whether they send to it what
// they send to those. This says who is asked, what has been answered and what that means. It sends nothing and decides nothing: an address that is
// not verified is served like any other.

import Wire

/// Whether and of whom a master asks that.
package struct VerificationPlan: Hashable, Sendable {
    /// The default gateway is asked, those in `targets`, and for information the neighbours that the kernel knows.
    package var isOn: Bool
    /// Listed by the operator, on the link, of either family; at most `limit`.
    package var targets: [IPAddress]

    package init(isOn: Bool, targets: [IPAddress] = []) {
        self.isOn = isOn
        self.targets = targets
    }

    package static let limit = 16
    package static let off = VerificationPlan(isOn: false)
}

/// Who a neighbour is. Of those that are only known nobody expects that they answer.
package enum Witness: UInt8, Hashable, Sendable {
    case gateway = 1
    case listed = 2
    case neighbor = 3

    package var isExpected: Bool { self != .neighbor }
}

/// What one virtual router asked after a takeover, or because the operator wanted to know.
package struct Verification: Hashable, Sendable {
    /// One neighbour about one address.
    package struct Question: Hashable, Sendable {
        /// Ours.
        package var address: IPAddress
        /// Of the same family.
        package var target: IPAddress
        package var witness: Witness
        /// How often it was asked.
        package var asked: UInt16 = 0
        /// When it first answered, counted from the beginning; nil while it has not.
        package var answered: Duration?

        package init(
            address: IPAddress, target: IPAddress, witness: Witness, asked: UInt16 = 0, answered: Duration? = nil
        ) {
            self.address = address
            self.target = target
            self.witness = witness
            self.asked = asked
            self.answered = answered
        }
    }

    /// More are not asked: with hundreds of addresses some stand for all.
    package static let limit = 64

    /// When the first round of announcements was out, or the operator asked. In a report this is boot time.
    package var began: Instant
    /// The operator asked, and no takeover.
    package var isOrdered: Bool
    package var questions: [Question]
    /// Nothing more will be asked.
    package var isComplete: Bool

    package init(began: Instant, isOrdered: Bool = false, questions: [Question] = [], isComplete: Bool = false) {
        self.began = began
        self.isOrdered = isOrdered
        self.questions = questions
        self.isComplete = isComplete
    }

    /// What the answers amount to.
    package enum Verdict: UInt8, Hashable, Sendable {
        case pending = 1
        /// All who are expected to answer have, and at least one neighbour.
        case verified = 2
        /// Somebody who is expected to answer has not.
        case unanswered = 3
        /// Nobody is expected to, and nobody did.
        case unwitnessed = 4
    }

    package var verdict: Verdict {
        let expected = questions.filter { $0.witness.isExpected }
        if !expected.isEmpty {
            if expected.allSatisfy({ $0.answered != nil }) { return .verified }
            return isComplete ? .unanswered : .pending
        }
        guard isComplete else { return .pending }
        return questions.contains { isAnswered(by: $0.target) } ? .verified : .unwitnessed
    }

    /// It sends to us what it sends to any of the addresses that it was asked about.
    package func isAnswered(by target: IPAddress) -> Bool {
        questions.allSatisfy { $0.target != target || $0.answered != nil }
    }

    /// Asks `target` about each of these addresses that it can be asked about and was not yet, while there is room.
    package mutating func ask(_ target: IPAddress, as witness: Witness, about addresses: [IPAddress]) {
        for address in addresses where address.family == target.family {
            guard questions.count < Self.limit else { return }
            // A neighbour's link-local address and another's global one are far apart; a gateway's link-local one is the usual form.
            if witness == .neighbor, address.isLinkLocal != target.isLinkLocal { continue }
            guard address != target, place(of: target, about: address) == nil else { continue }
            questions.append(Question(address: address, target: target, witness: witness))
        }
    }

    /// Where this question stands; nil when it is not asked.
    package func place(of target: IPAddress, about address: IPAddress) -> Int? {
        questions.firstIndex { $0.address == address && $0.target == target }
    }

    /// `target` sends to us what it sends to `address`. False when that is no news.
    package mutating func answer(from target: IPAddress, to address: IPAddress, at now: Instant) -> Bool {
        guard let place = place(of: target, about: address), questions[place].asked > 0,
            questions[place].answered == nil
        else { return false }
        questions[place].answered = max(now - began, .zero)
        return true
    }

    /// The same on a clock that is ahead by `offset`.
    package func shifted(by offset: Duration) -> Verification {
        Verification(began: began + offset, isOrdered: isOrdered, questions: questions, isComplete: isComplete)
    }
}
