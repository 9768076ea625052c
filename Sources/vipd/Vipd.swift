// The command line: one struct a command, its options and its exit codes. Everything that a command does is in the modules
// below; here are only words in and words out.

import ArgumentParser
import Status

@main
struct Vipd: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "vipd",
        abstract: "Keeps virtual IP addresses alive on one of several hosts (VRRP).",
        discussion: """
            The agent is `vipd run`. All other commands ask it over its status socket, which needs root or \
            membership in the group of the socket, except `check`, `probe`, `arping` and `simulate`, which need no agent.

            Exit codes: 0 yes or done, 1 no, 2 it cannot be told (agent not running, no permission, state unknown), \
            64 wrong usage.
            """,
        version: agentVersion,
        subcommands: [
            RunCommand.self, CheckCommand.self, StatusCommand.self, WatchCommand.self, ReloadCommand.self,
            HandoverCommand.self, AnnounceCommand.self, VerifyCommand.self, DisableCommand.self, EnableCommand.self,
            UpgradeCommand.self, ProbeCommand.self, ArpingCommand.self, SimulateCommand.self,
        ])
}

/// Where the agent listens.
struct SocketOptions: ParsableArguments {
    @Option(
        name: .customLong("socket"),
        help: ArgumentHelp("The status socket of the agent.", valueName: "path"), completion: .file())
    var path = "/run/vipd/vipd.sock"

    var client: StatusClient { StatusClient(path: path) }
}

/// The default configuration file.
let defaultConfiguration = "/etc/vipd/vipd.yaml"
