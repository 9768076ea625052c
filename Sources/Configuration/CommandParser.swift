// Commands: those of checks, gates and hooks. A program is named by its absolute path, so that what runs does not depend on
// the agent's PATH; a shell runs only where `shell:` asks for it. Nothing is started or looked up here: `vipd check` must
// work on a host that has neither the programs nor the users.

import Election

extension Problems {
    /// How long a command may be given.
    static let timeouts: ClosedRange<Duration> = .milliseconds(100) ... .seconds(3600)
    /// Octets of all arguments together; the kernel takes at least 128 KiB, environment included.
    private static let argumentLimit = 64 * 1024

    /// A gate or a hook: a mapping with `command` or `shell`, or just the list of a command.
    mutating func commandLine(_ node: Node, _ what: String, place: Place, timeout: Duration) -> CommandLine? {
        if case .sequence = node.content {
            guard let arguments = arguments(node, what) else { return nil }
            return CommandLine(arguments: arguments, user: nil, timeout: timeout)
        }
        if case .scalar(let text, _) = node.content, !node.isNull {
            add(
                node.place,
                "\(what) must be a list like [/usr/local/bin/program, argument] or {shell: '\(quotable(text))'}, not text"
            )
            return nil
        }
        guard let fields = Fields<CommandKey>(node, subject: what, place: place, problems: &self) else { return nil }
        let arguments = commandOrShell(fields, command: .command, shell: .shell)
        let user = fields[.user].flatMap { account($0, "user") }
        let timeout =
            fields[.timeout].map { duration($0, "timeout", in: Self.timeouts) } ?? timeout
        guard let arguments, let timeout else { return nil }
        return CommandLine(arguments: arguments, user: user, timeout: timeout)
    }

    /// Exactly one of the two keys.
    mutating func commandOrShell<Key>(_ fields: Fields<Key>, command: Key, shell: Key) -> [String]? {
        switch (fields.has(command), fields.has(shell)) {
        case (true, true):
            add(fields.place(of: shell), "\(fields.subject) has both 'command' and 'shell'; one of them is needed")
            return nil
        case (false, false):
            add(
                fields.place,
                "\(fields.subject) has no 'command' (a list that begins with the absolute path of a program) and no"
                    + " 'shell' (text for /bin/sh); one of them is needed")
            return nil
        case (true, false):
            return fields[command].flatMap { arguments($0, "command") }
        case (false, true):
            guard let node = fields[shell], let text = text(node, "shell", allowed: "text for /bin/sh") else {
                return nil
            }
            return ["/bin/sh", "-c", text]
        }
    }

    /// A program and its arguments.
    private mutating func arguments(_ node: Node, _ what: String) -> [String]? {
        if case .scalar(let text, _) = node.content, !node.isNull {
            add(
                node.place,
                "\(what) must be a list like [/usr/local/bin/program, argument], not '\(quotable(text))';"
                    + " for text that a shell reads use 'shell'")
            return nil
        }
        guard let items = list(node, what, of: "a program and its arguments") else { return nil }
        var arguments: [String] = []
        for item in items {
            guard case .scalar(let text, _) = item.content, !item.isNull else {
                add(item.place, "an argument must be text, not \(item.kind); quote it")
                return nil
            }
            arguments.append(text)
        }
        guard let program = arguments.first, program.utf8.first == UInt8(ascii: "/"), program.utf8.count > 1 else {
            add(
                items[0].place,
                "the program must be an absolute path, not '\(quotable(arguments.first ?? ""))'; PATH is not searched")
            return nil
        }
        guard arguments.reduce(0, { $0 + $1.utf8.count + 1 }) <= Self.argumentLimit else {
            add(node.place, "\(what) is longer than \(Self.argumentLimit) octets")
            return nil
        }
        return arguments
    }

    /// `fault`, `weight -N` or `last-resort`.
    mutating func effect(_ node: Node) -> CheckEffect? {
        let allowed = "fault, 'weight -N' (N from 1 to 253) or last-resort"
        guard let text = text(node, "on-failure", allowed: allowed) else { return nil }
        switch text {
        case "fault": return .fault
        case "last-resort": return .lastResort
        default: break
        }
        let words = text.split(separator: " ", omittingEmptySubsequences: true)
        guard words.count == 2, words[0] == "weight", let weight = decimalNumber(String(words[1])) else {
            let hint = suggestion(for: text, among: ["fault", "last-resort"], otherwise: "")
            refuse(node, "on-failure", allowed: allowed, hint: hint)
            return nil
        }
        if weight == 0 {
            add(node.place, "weight 0 changes nothing; a weight is -253 to -1")
            return nil
        }
        if weight > 0 {
            add(
                node.place,
                "a weight is -253 to -1, not \(weight): a failed check lowers the priority by it, nothing ever raises it"
            )
            return nil
        }
        guard weight >= -253 else {
            refuse(node, "on-failure", allowed: allowed)
            return nil
        }
        return .weight(Int16(weight))
    }
}
