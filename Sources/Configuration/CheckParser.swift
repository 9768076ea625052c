// One entry of `checks`: what is run, how often, and what its failure does to a virtual router that names it without
// saying otherwise.

import Election

/// A check as it was read, with what the cross checks need.
struct CheckDraft {
    var name: String
    var place: Place
    /// What routers get that name no effect of their own.
    var effect: Located<CheckEffect>
    /// Nil if something in it is wrong.
    var configuration: CheckConfiguration?
}

extension Problems {
    private static let defaultCounts = 2

    /// The check `name` whose key was written at `place`.
    mutating func check(_ name: String, at place: Place, _ node: Node) -> CheckDraft {
        var draft = CheckDraft(name: name, place: place, effect: Located(value: .fault, place: place))
        let isNamed = isName(name, at: place, "check")
        guard
            let fields = Fields<CheckKey>(
                node, subject: "check '\(quotable(name))'", place: place, problems: &self)
        else { return draft }
        let arguments = commandOrShell(fields, command: .command, shell: .shell)
        let interval = fields[.interval].map { duration($0, "interval", in: Self.timeouts) } ?? .seconds(1)
        let timeout = fields[.timeout].map { duration($0, "timeout", in: Self.timeouts) } ?? interval
        let rise = fields[.rise].map { integer($0, "rise", in: 1...100) } ?? Self.defaultCounts
        let fall = fields[.fall].map { integer($0, "fall", in: 1...100) } ?? Self.defaultCounts
        let user = fields[.user].flatMap { account($0, "user") }
        if let node = fields[.onFailure], let effect = effect(node) {
            draft.effect = Located(value: effect, place: node.place)
        }
        guard isNamed, let arguments, let interval, let timeout, let rise, let fall else { return draft }
        draft.configuration = CheckConfiguration(
            name: name, command: CommandLine(arguments: arguments, user: user, timeout: timeout), interval: interval,
            rise: rise, fall: fall)
        return draft
    }
}
