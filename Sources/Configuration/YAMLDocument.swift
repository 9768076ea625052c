// A YAML file as a tree of text, lists and mappings, each with its place. It refuses the parts of YAML that make a
// configuration hard to read or to bound (anchors, aliases, tags, second documents, deep nesting, keys that are no text) and
// must not know any key of ours.

/// A node of the tree.
struct Node {
    enum Content {
        /// `isPlain`: written without quotes, so that `null` and `~` mean nothing at all.
        case scalar(String, isPlain: Bool)
        case sequence([Node])
        case mapping([Entry])
    }

    var content: Content
    var place: Place

    /// Written as nothing, `~` or `null`.
    var isNull: Bool {
        guard case .scalar(let text, isPlain: true) = content else { return false }
        return text.isEmpty || text == "~" || text == "null" || text == "Null" || text == "NULL"
    }

    /// What it is, for messages.
    var kind: String {
        switch content {
        case .scalar: isNull ? "nothing" : "text"
        case .sequence: "a list"
        case .mapping: "a mapping"
        }
    }
}

/// A key with its value.
struct Entry {
    var key: String
    var keyPlace: Place
    var value: Node
}

/// Reads one document.
struct YAMLDocument: ~Copyable {
    /// Lists and mappings inside each other; our own keys need 5.
    static let depthLimit = 32

    private var events: YAMLEvents
    private let file: Int

    /// The root of the only document in `text`; nil if it is empty or cannot be read on, which is in `problems` then.
    static func read(_ text: [UInt8], file: Int, problems: inout Problems) -> Node? {
        do {
            var document = YAMLDocument(events: try YAMLEvents(text), file: file)
            return try document.readStream(&problems)
        } catch {
            problems.add(
                Place(file: file, line: error.mark.line, column: error.mark.column), "not valid YAML: \(error.message)")
            return nil
        }
    }

    private init(events: consuming YAMLEvents, file: Int) {
        self.events = events
        self.file = file
    }

    private func place(_ mark: YAMLMark) -> Place { Place(file: file, line: mark.line, column: mark.column) }

    private mutating func readStream(_ problems: inout Problems) throws(YAMLSyntaxError) -> Node? {
        var root: Node?
        var documents = 0
        while true {
            let event = try events.next()
            switch event.kind {
            case .streamStart, .documentEnd:
                continue
            case .streamEnd:
                return root
            case .documentStart(let hasTagDirective):
                documents += 1
                if documents > 1 {
                    problems.add(place(event.mark), "a second document begins here; one file is one document")
                    return root
                }
                if hasTagDirective { problems.add(place(event.mark), "%TAG is not allowed") }
            case .alias, .scalar, .sequenceStart, .sequenceEnd, .mappingStart, .mappingEnd:
                root = try readNode(event, depth: 0, &problems)
            }
        }
    }

    private mutating func readNode(
        _ event: YAMLEvent, depth: Int, _ problems: inout Problems
    ) throws(YAMLSyntaxError) -> Node {
        let here = place(event.mark)
        if let anchor = event.anchor { problems.add(here, "anchors are not allowed ('&\(quotable(anchor))')") }
        if let tag = event.tag { problems.add(here, "tags are not allowed ('\(quotable(tag))')") }
        switch event.kind {
        case .scalar(let text, let isPlain):
            if text.utf8.contains(0) { problems.add(here, "the NUL character is not allowed") }
            return Node(content: .scalar(text, isPlain: isPlain), place: here)
        case .alias(let name):
            problems.add(here, "aliases are not allowed ('*\(quotable(name))')")
            return Node(content: .scalar("", isPlain: true), place: here)
        case .sequenceStart:
            try checkDepth(depth, event.mark)
            var items: [Node] = []
            while true {
                let next = try events.next()
                if case .sequenceEnd = next.kind { break }
                items.append(try readNode(next, depth: depth + 1, &problems))
            }
            return Node(content: .sequence(items), place: here)
        case .mappingStart:
            try checkDepth(depth, event.mark)
            return Node(content: .mapping(try readEntries(depth: depth, &problems)), place: here)
        case .streamStart, .streamEnd, .documentStart, .documentEnd, .sequenceEnd, .mappingEnd:
            // libyaml never sends these where a node begins.
            throw YAMLSyntaxError(mark: event.mark, message: "the document ends too early")
        }
    }

    private mutating func readEntries(
        depth: Int, _ problems: inout Problems
    ) throws(YAMLSyntaxError) -> [Entry] {
        var entries: [Entry] = []
        var seen: [String: Place] = [:]
        while true {
            let event = try events.next()
            if case .mappingEnd = event.kind { return entries }
            let key = try readNode(event, depth: depth + 1, &problems)
            let value = try readNode(try events.next(), depth: depth + 1, &problems)
            guard case .scalar(let text, _) = key.content else {
                problems.add(key.place, "a key must be text, not \(key.kind)")
                continue
            }
            if let first = seen[text] {
                problems.add(
                    key.place,
                    "duplicate key '\(quotable(text))'; first on \(problems.reference(to: first, from: key.place))")
                continue
            }
            seen[text] = key.place
            entries.append(Entry(key: text, keyPlace: key.place, value: value))
        }
    }

    private func checkDepth(_ depth: Int, _ mark: YAMLMark) throws(YAMLSyntaxError) {
        guard depth < Self.depthLimit else {
            throw YAMLSyntaxError(mark: mark, message: "nested more than \(Self.depthLimit) deep")
        }
    }
}
