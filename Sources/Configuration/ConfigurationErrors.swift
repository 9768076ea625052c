// What is wrong with a configuration, for people: each error with its place, all of them at once. It must stay printable
// without any other part of the agent, because `vipd check` and a refused reload show nothing else.

/// One thing that is wrong, and where.
package struct ConfigurationError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The file as it was named by the caller; a piece of `conf.d` by its path beside it.
    package var file: String
    /// From 1.
    package var line: Int
    /// From 1, in characters.
    package var column: Int
    /// One sentence: what is wrong, what is allowed, and the nearest known word where there is one.
    package var message: String

    package init(file: String, line: Int, column: Int, message: String) {
        self.file = file
        self.line = line
        self.column = column
        self.message = message
    }

    /// `file:line:column: message`, as compilers write it.
    package var description: String { "\(file):\(line):\(column): \(message)" }
}

/// Everything that is wrong with a configuration, sorted by file (in the order of reading), line and column.
package struct ConfigurationErrors: Error, Hashable, Sendable, CustomStringConvertible {
    /// Never empty.
    package var errors: [ConfigurationError]

    package init(_ errors: [ConfigurationError]) { self.errors = errors }

    /// One error a line.
    package var description: String { errors.map(\.description).joined(separator: "\n") }
}

/// Something that is allowed, and where; it keeps nothing from being put in force.
package struct ConfigurationWarning: Hashable, Sendable, CustomStringConvertible {
    /// The file as it was named by the caller; a piece of `conf.d` by its path beside it.
    package var file: String
    /// From 1.
    package var line: Int
    /// From 1, in characters.
    package var column: Int
    /// One sentence: what may go wrong, and what to do.
    package var message: String

    package init(file: String, line: Int, column: Int, message: String) {
        self.file = file
        self.line = line
        self.column = column
        self.message = message
    }

    /// `file:line:column: warning: message`, as compilers write it.
    package var description: String { "\(file):\(line):\(column): warning: \(message)" }
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
    private var found: [(place: Place, message: String)] = []
    private var doubts: [(place: Place, message: String)] = []

    init(files names: [String]) { self.names = names }

    var isEmpty: Bool { found.isEmpty }

    var count: Int { found.count }

    mutating func add(_ place: Place, _ message: String) { found.append((place, message)) }

    mutating func warn(_ place: Place, _ message: String) { doubts.append((place, message)) }

    /// The warnings in order.
    var warnings: [ConfigurationWarning] {
        doubts.sorted { ($0.place, $0.message) < ($1.place, $1.message) }.map { place, message in
            ConfigurationWarning(file: names[place.file], line: place.line, column: place.column, message: message)
        }
    }

    /// How an error at `place` speaks of an earlier one: by line in the same file, else with the file's name.
    func reference(to earlier: Place, from place: Place) -> String {
        earlier.file == place.file
            ? "line \(earlier.line)" : "\(names[earlier.file]):\(earlier.line):\(earlier.column)"
    }

    /// The errors in order, each once; nil if there are none.
    var errors: ConfigurationErrors? {
        guard !found.isEmpty else { return nil }
        var errors: [ConfigurationError] = []
        for (place, message) in found.sorted(by: { ($0.place, $0.message) < ($1.place, $1.message) }) {
            let error = ConfigurationError(
                file: names[place.file], line: place.line, column: place.column, message: message)
            if error != errors.last { errors.append(error) }
        }
        if errors.count > Self.limit {
            let rest = errors.count - Self.limit
            errors.removeLast(rest)
            errors[Self.limit - 1].message += " (and \(rest) more errors)"
        }
        return ConfigurationErrors(errors)
    }
}
