// `vipd check`: every error and warning of a configuration, without an agent, an interface or root.

import ArgumentParser
import Configuration

struct CheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check", abstract: "Finds all errors of a configuration.",
        discussion: """
            Reads FILE and the pieces conf.d/*.yaml beside it. Prints one line for each error, \
            file:line:column: message, and exits with 1 if there is one. Warnings are printed when there is no error, and \
            the exit status stays 0.
            """)

    @Argument(help: "The configuration file.", completion: .file(extensions: ["yaml"]))
    var file = defaultConfiguration

    func run() throws {
        let errors: [String]
        do throws(ConfigurationErrors) {
            for warning in try loadConfiguration(path: file).warnings { complain(warning.description) }
            return
        } catch {
            errors = error.errors.map(\.description)
        }
        for line in errors { complain(line) }
        throw Exit.no
    }
}
