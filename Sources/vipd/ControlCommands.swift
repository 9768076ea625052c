// `vipd reload`, `disable` and `enable`: requests that change something, answered when it is done.

import ArgumentParser
import Status

struct ReloadCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reload", abstract: "Makes the agent read its configuration again.",
        discussion: """
            A bad configuration changes nothing: its errors are printed and the exit code is 1. A good one touches \
            only the virtual routers that changed; their names are printed, and its warnings.
            """)

    @OptionGroup var socket: SocketOptions

    func run() throws {
        var client = socket.client
        client.timeout = controlLimit
        let answer: StatusClient.Answer
        do {
            answer = try client.ask("POST", "/v1/reload")
        } catch {
            complain(error.description)
            throw Exit.unknown
        }
        switch answer.code {
        case 200:
            let summary = try decode(ReloadAnswer.self, answer)
            for warning in summary.warnings { complain(warning) }
            let touched = [
                ("changed", summary.changed), ("added", summary.added), ("removed", summary.removed),
            ].filter { !$0.1.isEmpty }
            for (word, names) in touched { try writeOut(line: "\(word): \(names.joined(separator: ", "))") }
            if touched.isEmpty { try writeOut(line: "no virtual router changed") }
        case 422:
            for line in try decode(ReloadErrors.self, answer).errors { complain(line) }
            throw Exit.no
        default:
            complain(answer.sentence)
            throw Exit.unknown
        }
    }
}

struct DisableCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "disable", abstract: "Gives a virtual router up on this host and stays out of it.",
        discussion: "It lasts across restarts of the agent, until `vipd enable`.")

    @Argument(help: "The virtual router.")
    var name: String
    @OptionGroup var socket: SocketOptions

    func run() throws {
        var client = socket.client
        client.timeout = try disableLimit(name, client)
        try change("disable", name, client)
    }
}

struct EnableCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "enable", abstract: "Takes part in a virtual router again.")

    @Argument(help: "The virtual router.")
    var name: String
    @OptionGroup var socket: SocketOptions

    func run() throws {
        var client = socket.client
        client.timeout = controlLimit
        try change("enable", name, client)
    }
}

/// How long to wait for an answer: a little more than the agent's server does.
private let controlLimit = Duration.seconds(65)

/// The same for `disable`, which is answered when the router is given up: that may take as long as its release gate.
func disableLimit(_ name: String, _ client: StatusClient) throws -> Duration {
    let answer: StatusClient.Answer
    do {
        answer = try client.ask("GET", "/v1/status/\(percentEncoded(name))")
    } catch {
        complain(error.description)
        throw Exit.unknown
    }
    guard answer.code == 200 else {
        complain(answer.sentence)
        throw Exit.unknown
    }
    return controlLimit + (try decode(RouterStatus.self, answer)).releasePatience
}

/// Exit code 2 for an unknown name, 1 when the agent cannot do it now.
private func change(_ verb: String, _ name: String, _ client: StatusClient) throws {
    let answer: StatusClient.Answer
    do {
        answer = try client.ask("POST", "/v1/routers/\(percentEncoded(name))/\(verb)")
    } catch {
        complain(error.description)
        throw Exit.unknown
    }
    guard answer.code == 200 else {
        complain(answer.sentence)
        throw answer.code == 409 ? Exit.no : Exit.unknown
    }
    try writeOut(line: "\(name): \(verb)d")
}
