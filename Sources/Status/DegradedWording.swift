// What is said of a master that goes without what the kernel refuses it (`claim: any`): in the log, the events and the status.

import Election

/// What a master goes without, as one sentence; that it has everything where `missing` is empty.
package func degradedSentence(_ missing: [Fault], _ checks: CheckNames) -> String {
    guard let first = missing.first else { return "nothing is missing any more" }
    let others = missing.count > 1 ? ", and \(missing.count - 1) more" : ""
    return "it serves what it can, with priority 1, without \(missing.count) of what it should have: "
        + first.sentence(checks) + others
}

/// A master that goes without something, or not any more, as an event.
package struct DegradedDocument: Hashable, Sendable, Codable {
    /// `router`: the name of the virtual router.
    package var router: String
    /// `missing`: how many addresses, routes and rules it goes without.
    package var missing: Int
    /// `text`: the sentence.
    package var text: String
    /// `at`: when.
    package var at: Timestamp

    package init(router: String, missing: Int, text: String, at: Timestamp) {
        self.router = router
        self.missing = missing
        self.text = text
        self.at = at
    }
}
