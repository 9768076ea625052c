// `vipd check`: every error and warning of a configuration, without an agent, an interface or root.

import ArgumentParser
import Configuration
import Status
import Supervisor

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

    /// The running agent asks its successor whether it can take over what that agent leaves in this format.
    @Option(help: .hidden)
    var takeover: Int?
    @Option(help: .hidden)
    var engine: String?

    func run() throws {
        if let takeover { try checkTakeover(of: takeover) }
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

    private func checkTakeover(of format: Int) throws {
        try writeOut(line: "vipd \(agentVersion)")
        guard findEngine(engine, environment: ownEnvironment()).map(isExecutable) == true else {
            complain("its vipd-engine is missing or not executable")
            throw Exit.no
        }
        // Another format is taken for a start like others; that is no upgrade.
        guard takesOver(format: format) else {
            complain("it cannot go on from format \(format) of the running agent; restart the agent instead")
            throw Exit.no
        }
    }
}
