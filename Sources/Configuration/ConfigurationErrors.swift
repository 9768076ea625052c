// What is wrong or doubtful in a configuration, for people: each with its place, all of them at once. It must stay printable
// without any other part of the agent, because `vipd check` and a refused reload show nothing else.

/// One thing that is wrong or doubtful, and where.
package struct ConfigurationProblem: Hashable, Sendable, CustomStringConvertible {
    package enum Severity: Hashable, Sendable {
        /// Keeps the configuration from being put in force.
        case error
        /// It is allowed, but may not be meant so.
        case warning
    }

    package var severity: Severity
    /// The file as it was named by the caller; a piece of `conf.d` by its path beside it.
    package var file: String
    /// From 1.
    package var line: Int
    /// From 1, in characters.
    package var column: Int
    /// One sentence. Of an error: what is wrong, what is allowed, and the nearest known word where there is one; of a warning:
    /// what may go wrong, and what to do.
    package var message: String

    package init(_ severity: Severity = .error, file: String, line: Int, column: Int, message: String) {
        self.severity = severity
        self.file = file
        self.line = line
        self.column = column
        self.message = message
    }

    /// `file:line:column: message` or `file:line:column: warning: message`, as compilers write it.
    package var description: String {
        "\(file):\(line):\(column): \(severity == .warning ? "warning: " : "")\(message)"
    }
}

/// Everything that is wrong with a configuration, sorted by file (in the order of reading), line and column.
package struct ConfigurationErrors: Error, Hashable, Sendable, CustomStringConvertible {
    /// Never empty.
    package var errors: [ConfigurationProblem]

    package init(_ errors: [ConfigurationProblem]) { self.errors = errors }

    /// One error a line.
    package var description: String { errors.map(\.description).joined(separator: "\n") }
}

/// A place in one of the files that are read together. Sorts in the order of reading.
struct Place: Hashable, Comparable {
    /// Index into the names of the files.
    var file: Int
    var line: Int
    var column: Int

    static func < (left: Self, right: Self) -> Bool {
        (left.file, left.line, left.column) < (right.file, right.line, right.column)
    }
}

/// A value and where it was written.
struct Located<Value> {
    var value: Value
    var place: Place
}

/// Collects what is wrong while the files are read; nothing stops at the first error.
struct Problems {
    /// More would only hide the first ones.
    static let limit = 100

    private let names: [String]
    private var found: [(severity: ConfigurationProblem.Severity, place: Place, message: String)] = []

    init(files names: [String]) { self.names = names }

    /// There are no errors.
    var isEmpty: Bool { !found.contains { $0.severity == .error } }

    /// How many errors there are.
    var count: Int { found.count { $0.severity == .error } }

    mutating func add(_ place: Place, _ message: String) { found.append((.error, place, message)) }

    mutating func warn(_ place: Place, _ message: String) { found.append((.warning, place, message)) }

    /// The warnings in order.
    var warnings: [ConfigurationProblem] { listed(.warning) }

    /// In order, each once.
    private func listed(_ severity: ConfigurationProblem.Severity) -> [ConfigurationProblem] {
        var list: [ConfigurationProblem] = []
        for (_, place, message) in found.filter({ $0.severity == severity })
            .sorted(by: { ($0.place, $0.message) < ($1.place, $1.message) })
        {
            let problem = ConfigurationProblem(
                severity, file: names[place.file], line: place.line, column: place.column, message: message)
            if problem != list.last { list.append(problem) }
        }
        return list
    }

    /// How an error at `place` speaks of an earlier one: by line in the same file, else with the file's name.
    func reference(to earlier: Place, from place: Place) -> String {
        earlier.file == place.file
            ? "line \(earlier.line)" : "\(names[earlier.file]):\(earlier.line):\(earlier.column)"
    }

    /// The errors in order; nil if there are none.
    var errors: ConfigurationErrors? {
        var errors = listed(.error)
        guard !errors.isEmpty else { return nil }
        if errors.count > Self.limit {
            let rest = errors.count - Self.limit
            errors.removeLast(rest)
            errors[Self.limit - 1].message += " (and \(rest) more errors)"
        }
        return ConfigurationErrors(errors)
    }
}
