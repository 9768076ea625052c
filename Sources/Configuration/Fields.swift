// Reads the fields of a mapping by their known keys and reports the unknown ones, and turns nodes into values: text,
// numbers, choices, durations. One wording for all of them: "KEY must be THIS, not 'THAT'".

/// The fields of one mapping.
struct Fields<Key: FieldKey> {
    /// `virtual router 'database'`, for messages.
    let subject: String
    /// Where the mapping's own key was written: the place of what is missing.
    let place: Place
    private var entries: [Key: Entry] = [:]

    /// Nil, and reported, if `node` is no mapping.
    init?(_ node: Node, subject: String, place: Place, problems: inout Problems) {
        self.subject = subject
        self.place = place
        guard case .mapping(let entries) = node.content else {
            problems.add(
                node.place, "\(subject) must be a mapping of \(alternatives(Key.names)), not \(node.kind)")
            return nil
        }
        for entry in entries {
            guard let key = Key(rawValue: entry.key) else {
                problems.add(
                    entry.keyPlace,
                    "unknown key '\(quotable(entry.key))'\(suggestion(for: entry.key, among: Key.names))"
                        + " allowed in \(subject): \(Key.names.joined(separator: ", "))")
                continue
            }
            if entry.value.isNull {
                problems.add(entry.keyPlace, "'\(key.rawValue)' has no value; give one or leave the key out")
            }
            self.entries[key] = entry
        }
    }

    /// The value of `key` unless it is absent or null (null is reported already).
    subscript(_ key: Key) -> Node? {
        guard let entry = entries[key], !entry.value.isNull else { return nil }
        return entry.value
    }

    /// Whether the key was written, with a value or without.
    func has(_ key: Key) -> Bool { entries[key] != nil }

    /// Where `key` was written, or the mapping's own place.
    func place(of key: Key) -> Place { entries[key]?.keyPlace ?? place }

    /// The value of `key`, whose absence is an error; `meaning` says what is expected.
    func required(_ key: Key, _ meaning: String, problems: inout Problems) -> Node? {
        if !has(key) { problems.add(place, "\(subject) has no '\(key.rawValue)' (\(meaning))") }
        return self[key]
    }
}

extension Problems {
    /// "WHAT must be ALLOWED, not 'TEXT'".
    mutating func refuse(_ node: Node, _ what: String, allowed: String, hint: String = "") {
        var given = node.kind
        if case .scalar(let text, _) = node.content, !node.isNull { given = "'\(quotable(text))'" }
        add(node.place, "\(what) must be \(allowed), not \(given)\(hint)")
    }

    /// Text, not empty.
    mutating func text(_ node: Node, _ what: String, allowed: String = "text") -> String? {
        guard case .scalar(let text, _) = node.content, !node.isNull, !text.isEmpty else {
            refuse(node, what, allowed: allowed)
            return nil
        }
        return text
    }

    /// `yes` or `no`.
    mutating func boolean(_ node: Node, _ what: String) -> Bool? {
        switch text(node, what, allowed: "yes or no") {
        case nil: return nil
        case "yes", "true": return true
        case "no", "false": return false
        default:
            refuse(node, what, allowed: "yes or no")
            return nil
        }
    }

    /// A whole decimal number in a range.
    mutating func integer(_ node: Node, _ what: String, in range: ClosedRange<Int>, hint: String = "") -> Int? {
        let allowed = "a whole number from \(range.lowerBound) to \(range.upperBound)"
        guard let text = text(node, what, allowed: allowed) else { return nil }
        guard let value = decimalNumber(text), range.contains(value) else {
            refuse(node, what, allowed: allowed, hint: hint)
            return nil
        }
        return value
    }

    /// One of a few words.
    mutating func choice<Value>(
        _ node: Node, _ what: String, _ choices: [(String, Value)], alternative: String = ""
    ) -> Value? {
        let names = choices.map(\.0)
        let allowed = alternatives(names) + alternative
        guard let text = text(node, what, allowed: allowed) else { return nil }
        if let choice = choices.first(where: { $0.0 == text }) { return choice.1 }
        refuse(node, what, allowed: allowed, hint: suggestion(for: text, among: names, otherwise: ""))
        return nil
    }

    /// A duration with its unit, in a range. `alternative` names what else is allowed, for the message.
    mutating func duration(
        _ node: Node, _ what: String, in range: ClosedRange<Duration>, alternative: String = ""
    ) -> Duration? {
        let allowed = "a duration from \(range.lowerBound.written) to \(range.upperBound.written)\(alternative)"
        guard let text = text(node, what, allowed: allowed) else { return nil }
        do {
            let duration = try Duration(written: text)
            if range.contains(duration) { return duration }
            refuse(node, what, allowed: allowed)
        } catch {
            switch error {
            case .noUnit:
                // Only what would be accepted is worth writing.
                let units = [("s", "seconds"), ("ms", "milliseconds")].filter { unit, _ in
                    guard let duration = try? Duration(written: text + unit) else { return false }
                    return range.contains(duration)
                }
                let hint = units.map { "'\(text)\($0)' for \($1)" }.joined(separator: " or ")
                refuse(node, what, allowed: allowed, hint: hint.isEmpty ? "" : ": write \(hint)")
            case .malformed:
                refuse(node, what, allowed: allowed, hint: ": a number and ms, s, m or h, without a space")
            }
        }
        return nil
    }

    /// A list with at least one item.
    mutating func list(_ node: Node, _ what: String, of items: String) -> [Node]? {
        guard case .sequence(let nodes) = node.content, !nodes.isEmpty else {
            if case .sequence = node.content {
                add(node.place, "\(what) must be a list of \(items), not an empty list")
            } else {
                refuse(node, what, allowed: "a list of \(items)", hint: ": write [ITEM, ITEM] or one '- ITEM' a line")
            }
            return nil
        }
        return nodes
    }

    /// An absolute path of a socket or directory.
    mutating func path(_ node: Node, _ what: String, limit: Int) -> String? {
        let allowed = "an absolute path of at most \(limit) octets"
        guard let text = text(node, what, allowed: allowed) else { return nil }
        guard text.utf8.first == UInt8(ascii: "/"), text.utf8.count <= limit else {
            refuse(node, what, allowed: allowed)
            return nil
        }
        return text
    }

    /// The name of a user or group; whether it exists is a matter of the host that runs the agent, not of the file.
    mutating func account(_ node: Node, _ what: String) -> String? {
        let allowed = "a name of 1 to 32 letters, digits and ._@$-, that does not begin with '-'"
        guard let text = text(node, what, allowed: allowed) else { return nil }
        guard text.utf8.count <= 32, text.utf8.first != UInt8(ascii: "-"),
            text.utf8.allSatisfy({ isNameOctet($0) || $0 == UInt8(ascii: "@") || $0 == UInt8(ascii: "$") })
        else {
            refuse(node, what, allowed: allowed)
            return nil
        }
        return text
    }

    /// Whether `name` can name a virtual router or a check; reported if not. Such names become file names and arguments.
    mutating func isName(_ name: String, at place: Place, _ what: String) -> Bool {
        let first = name.utf8.first
        guard (1...64).contains(name.utf8.count), name.utf8.allSatisfy(isNameOctet), first != UInt8(ascii: "."),
            first != UInt8(ascii: "-")
        else {
            add(
                place,
                "the name of a \(what) must be 1 to 64 of A-Z a-z 0-9 . _ - and not begin with '.' or '-', not"
                    + " '\(quotable(name))'")
            return false
        }
        return true
    }
}

/// A-Z a-z 0-9 . _ -
func isNameOctet(_ octet: UInt8) -> Bool {
    switch octet {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
        true
    default:
        false
    }
}

/// Decimal digits with an optional minus sign; no plus, no leading zeros, nothing beyond nine digits.
func decimalNumber(_ text: String) -> Int? {
    let digits = text.utf8.first == UInt8(ascii: "-") ? text.utf8.dropFirst() : text.utf8[...]
    guard (1...9).contains(digits.count), digits.count == 1 || digits.first != UInt8(ascii: "0"),
        digits.allSatisfy({ $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") })
    else { return nil }
    return Int(text)
}
