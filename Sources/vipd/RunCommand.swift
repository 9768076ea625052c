// `vipd run`: the agent itself, in the foreground. Here the parts meet that know nothing of each other: the parser of the
// configuration and the supervisor.

import ArgumentParser
import Configuration
import Supervisor

struct RunCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "Runs the agent in the foreground.",
        discussion: """
            SIGTERM and SIGINT end it: it resigns, releases its addresses and exits with 0. SIGHUP reads the \
            configuration again. Log lines go to standard error.
            """)

    @Option(
        name: .customLong("config"),
        help: ArgumentHelp(
            "The configuration file; the pieces conf.d/*.yaml beside it are read too.", valueName: "path"),
        completion: .file(extensions: ["yaml"]))
    var file = defaultConfiguration
    @Option(
        help: ArgumentHelp(
            "The engine's program; else $VIPD_ENGINE, beside this program, or in ../libexec/vipd.", valueName: "path"),
        completion: .file())
    var engine: String?

    func run() throws {
        let options = SupervisorOptions(configuration: file, engine: engine, incarnation: .own())
        let status = runSupervisor(options: options) { path in
            do throws(ConfigurationErrors) {
                return .loaded(try loadConfiguration(path: path))
            } catch {
                return .invalid(error.errors.map(\.description))
            }
        }
        if status != 0 { throw ExitCode(status) }
    }
}
