// Text in, `Configuration` or all errors out. Several files are read as one: routers and checks may be in any of them, and
// what is said twice is an error that names both places.

import Election

/// Parses one text. `file` is only a name for the errors; nothing is opened, no interface and no right is needed.
package func parseConfiguration(_ text: [UInt8], file: String) throws(ConfigurationErrors) -> Configuration {
    try parseConfiguration([(file, text)])
}

/// Parses one text.
package func parseConfiguration(_ text: String, file: String) throws(ConfigurationErrors) -> Configuration {
    try parseConfiguration([(file, Array(text.utf8))])
}

/// Parses the files of one configuration, in their order; the first is the main file. `isComplete`: none is missing.
func parseConfiguration(
    _ files: [(name: String, text: [UInt8])], isComplete: Bool = true
) throws(ConfigurationErrors) -> Configuration {
    var parser = Parser(names: files.map(\.name), isComplete: isComplete)
    for index in files.indices { parser.read(files[index].text, file: index) }
    return try parser.finish()
}

/// What has been read so far.
private struct Parser {
    private var problems: Problems
    private var configuration = Configuration()
    private var checks: [CheckDraft] = []
    private var routers: [RouterDraft] = []
    /// Where each scalar, router and check was first written.
    private var first: [String: Place] = [:]

    /// Every file was there and was YAML.
    private var isComplete: Bool
    /// No file had any content.
    private var isEmpty = true

    init(names: [String], isComplete: Bool) {
        problems = Problems(files: names)
        self.isComplete = isComplete
    }

    mutating func read(_ text: [UInt8], file: Int) {
        let start = Place(file: file, line: 1, column: 1)
        let before = problems.count
        guard let root = YAMLDocument.read(text, file: file, problems: &problems), !root.isNull else {
            // A file without content, such as a piece that is commented out, adds nothing and hides nothing.
            if problems.count > before { isComplete = false }
            return
        }
        isEmpty = false
        guard let fields = Fields<TopKey>(root, subject: "a configuration", place: start, problems: &problems)
        else {
            isComplete = false
            return
        }
        statusSocket(fields)
        if let node = once(fields, .stateDirectory) {
            configuration.stateDirectory =
                problems.path(node, "state-directory", limit: 1024) ?? configuration.stateDirectory
        }
        if let node = once(fields, .logLevel) {
            let levels: [(String, LogLevel)] = [
                ("error", .error), ("warning", .warning), ("notice", .notice), ("info", .info), ("debug", .debug),
            ]
            configuration.logLevel = problems.choice(node, "log-level", levels) ?? configuration.logLevel
        }
        if let node = once(fields, .engine) {
            configuration.engine = problems.engine(node, at: fields.place(of: .engine)) ?? configuration.engine
        }
        for entry in entries(fields, .checks) where isFirst(entry, "check") {
            checks.append(problems.check(entry.key, at: entry.keyPlace, entry.value))
        }
        for entry in entries(fields, .virtualRouters) where isFirst(entry, "virtual router") {
            routers.append(problems.router(entry.key, at: entry.keyPlace, entry.value))
        }
    }

    mutating func finish() throws(ConfigurationErrors) -> Configuration {
        if routers.isEmpty, problems.isEmpty {
            problems.add(
                Place(file: 0, line: 1, column: 1),
                isEmpty
                    ? "the file is empty; a configuration needs 'virtual-routers' with at least one virtual router"
                        + " (interface, vrid, addresses)"
                    : "there is no virtual router; 'virtual-routers' needs at least one (interface, vrid, addresses)")
        }
        problems.crossCheck(routers, checks, isComplete: isComplete)
        configuration.checks = checks.compactMap(\.configuration)
        configuration.routers = routers.compactMap { $0.configuration(checks) }
        if let errors = problems.errors { throw errors }
        configuration.warnings = problems.warnings
        return configuration
    }

    private mutating func statusSocket(_ top: Fields<TopKey>) {
        guard let node = once(top, .statusSocket),
            let fields = Fields<StatusSocketKey>(
                node, subject: "status-socket", place: top.place(of: .statusSocket), problems: &problems)
        else { return }
        // sun_path holds 108 octets with the closing NUL (unix(7)).
        if let node = fields[.path], let path = problems.path(node, "path", limit: 107) {
            configuration.statusSocket.path = path
        }
        if let node = fields[.mode], let mode = mode(node) { configuration.statusSocket.mode = mode }
        if let node = fields[.group] { configuration.statusSocket.group = problems.account(node, "group") }
    }

    private mutating func mode(_ node: Node) -> UInt16? {
        let allowed = "an octal number from 0000 to 0777, such as \"0660\""
        guard let text = problems.text(node, "mode", allowed: allowed) else { return nil }
        guard (3...4).contains(text.utf8.count), text.utf8.first != UInt8(ascii: "+"),
            let mode = UInt16(text, radix: 8), mode <= 0o777
        else {
            problems.refuse(node, "mode", allowed: allowed)
            return nil
        }
        return mode
    }

    /// A value that all files together may give once.
    private mutating func once(_ fields: Fields<TopKey>, _ key: TopKey) -> Node? {
        guard fields.has(key) else { return nil }
        let place = fields.place(of: key)
        if let earlier = first["\(key)"] {
            problems.add(place, "'\(key.rawValue)' is already set at \(problems.reference(to: earlier, from: place))")
            return nil
        }
        first["\(key)"] = place
        return fields[key]
    }

    /// The named entries of `checks` or `virtual-routers`.
    private mutating func entries(_ fields: Fields<TopKey>, _ key: TopKey) -> [Entry] {
        guard let node = fields[key] else { return [] }
        guard case .mapping(let entries) = node.content, !entries.isEmpty else {
            problems.add(
                node.place, "\(key.rawValue) must be a mapping from names, such as 'database:', not \(node.kind)")
            return []
        }
        return entries
    }

    private mutating func isFirst(_ entry: Entry, _ kind: String) -> Bool {
        let key = "\(kind) \(entry.key)"
        if let earlier = first[key] {
            let place = problems.reference(to: earlier, from: entry.keyPlace)
            problems.add(entry.keyPlace, "\(kind) '\(quotable(entry.key))' already exists at \(place)")
            return false
        }
        first[key] = entry.keyPlace
        return true
    }
}

extension RouterDraft {
    /// The finished value; nil if something is missing, which is reported then.
    fileprivate func configuration(_ known: [CheckDraft]) -> RouterConfiguration? {
        guard let interface, let vrid, let version, let priority, let interval, let preempt, let preemptDelay,
            let startDelay, let intervalLimit, let checksum, let strictFirstAddress, let announcements, let lease,
            let resetsConnections, let claim, let conflictCheck, let obeysFiltered, let isPromiscuous, let verification,
            let usesVirtualMAC, !addresses.isEmpty
        else { return nil }
        let election = VirtualRouterConfiguration(
            interface: interface, vrid: vrid, version: version.version, alsoVersion2: version.alsoVersion2,
            priority: priority, advertisementInterval: interval, preempt: preempt, preemptDelay: preemptDelay,
            startDelay: startDelay, intervalLimit: intervalLimit, peers: peers.map(\.value),
            addresses: served.map(\.value), addressOptions: addressOptions, unadvertised: unadvertised.count,
            routing: routing.map(\.value), checksum: checksum, password: password,
            strictFirstAddress: strictFirstAddress, announcements: announcements, lease: lease,
            resetsConnections: resetsConnections,
            claim: claim, conflictCheck: conflictCheck, verification: verification, obeysFiltered: obeysFiltered,
            isPromiscuous: isPromiscuous, checks: [], gatesClaim: gateClaim != nil, gatesRelease: gateRelease != nil,
            usesVirtualMAC: usesVirtualMAC)
        let uses = checks.compactMap { use -> RouterCheck? in
            guard let check = known.first(where: { $0.name == use.name.value }) else { return nil }
            return RouterCheck(name: check.name, effect: (use.effect ?? check.effect).value)
        }
        return RouterConfiguration(
            name: name, election: election, checks: uses, gateClaim: gateClaim, gateRelease: gateRelease, hooks: hooks)
    }
}
