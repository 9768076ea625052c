// `vipd reload`, `handover`, `announce`, `verify`, `disable` and `enable`: requests that change something, answered when it is done.

import ArgumentParser
import Configuration
import Status
import Supervisor

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

struct HandoverCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "handover", abstract: "Moves a virtual router to another host, without a gap.",
        discussion: """
            This host answers for the addresses until another one has claimed them; with gate-release it runs that first \
            and leaves before another comes. Afterwards it does not preempt until it is master again, or `vipd enable`, or \
            the time of --for has passed; it does take over from silence. Exit code 1 when nobody took over: then \
            this host serves on.
            """)

    @Argument(help: "The virtual router.")
    var name: String
    @Option(
        name: .customLong("for"),
        help: ArgumentHelp("Do not preempt for this long, 1s to 720h.", valueName: "duration"))
    var duration: Duration?
    @OptionGroup var socket: SocketOptions

    func validate() throws {
        if let duration, !ControlRequest.holds.contains(duration) {
            throw ValidationError("--for must be from 1s to 720h")
        }
    }

    func run() throws {
        var client = socket.client
        client.timeout = controlLimit + (try asked(for: name, client)).handoverPatience
        let span = duration.map { "?for=\($0.written)" } ?? ""
        let answer = try change("handover\(span)", name, client)
        try writeOut(line: "\(name): \((try decode(HandoverAnswer.self, answer)).text)")
    }
}

struct AnnounceCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "announce", abstract: "Tells neighbours and switches again where the addresses are.",
        discussion: """
            Gratuitous ARP and unsolicited neighbour advertisements for each address, as after a takeover: the first within a \
            second, repeats as configured. Only for virtual routers of which this host is master; without a name for all \
            of them. Exit code 1 when this host is not master of one that was named, or of none at all.
            """)

    @Argument(help: "The virtual routers; all that this host is master of if there are none.")
    var names: [String] = []
    @OptionGroup var socket: SocketOptions

    func run() throws {
        var client = socket.client
        client.timeout = controlLimit
        let wanted = names.isEmpty ? try masters(client) : names
        if wanted.isEmpty {
            complain("this host is not master of any virtual router")
            throw Exit.no
        }
        for name in wanted {
            let count = (try decode(AnnounceAnswer.self, try change("announce", name, client))).addresses
            try writeOut(line: "\(name): announcing \(count) address\(count == 1 ? "" : "es")")
        }
    }

    private func masters(_ client: StatusClient) throws -> [String] {
        let present = try decode(StatusDocument.self, try ask("GET", "/v1/status", client))
        return present.virtualRouters.filter { $0.state == .master }.map(\.name)
    }
}

struct VerifyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify", abstract: "Asks neighbours whether they send here what they send to the addresses.",
        discussion: """
            The default gateway, the hosts listed under `verify` and neighbours that the kernel knows are told where each \
            address is, and asked by an echo request from it, at most 64 questions; only an answer that comes in here \
            counts. Exit code 0 when the gateway and all listed hosts have answered, or where there are none a \
            neighbour; 1 when not, or when this host is not master.
            """)

    @Argument(help: "The virtual router.")
    var name: String
    @OptionGroup var socket: SocketOptions

    func run() throws {
        var client = socket.client
        client.timeout = controlLimit
        let status = try decode(VerificationStatus.self, try change("verify", name, client))
        try writeOut(line: "\(name): \(status.text)")
        for line in verificationLines(status) { try writeOut(line: line) }
        if status.verdict != "verified" { throw Exit.no }
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
        _ = try change("disable", name, client)
        try writeOut(line: "\(name): disabled")
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
        _ = try change("enable", name, client)
        try writeOut(line: "\(name): enabled")
    }
}

/// How long to wait for an answer: a little more than the agent's server does.
private let controlLimit = Duration.seconds(65)

/// The same for `disable`, which is answered when the router is given up: that may take as long as its release gate.
func disableLimit(_ name: String, _ client: StatusClient) throws -> Duration {
    controlLimit + (try asked(for: name, client)).releasePatience
}

/// The status of one router.
private func asked(for name: String, _ client: StatusClient) throws -> RouterStatus {
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
    return try decode(RouterStatus.self, answer)
}

/// Exit code 2 for an unknown name, 1 when the agent cannot do it now.
private func change(_ verb: String, _ name: String, _ client: StatusClient) throws -> StatusClient.Answer {
    try order("/v1/routers/\(percentEncoded(name))/\(verb)", client)
}

/// Asks for a change. Exit code 1 when the agent cannot do it now, 2 for every other answer but yes, with its sentence.
func order(_ path: String, _ client: StatusClient) throws -> StatusClient.Answer {
    let answer: StatusClient.Answer
    do {
        answer = try client.ask("POST", path)
    } catch {
        complain(error.description)
        throw Exit.unknown
    }
    guard answer.code == 200 else {
        complain(answer.sentence)
        throw answer.code == 409 ? Exit.no : Exit.unknown
    }
    return answer
}
