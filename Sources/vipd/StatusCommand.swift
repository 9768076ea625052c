// `vipd status`: the state for people, for programs (--json) and for scripts (--is).

import ArgumentParser
import Status

struct StatusCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Shows who is master, since when and why.",
        discussion: """
            With --is it prints nothing and exits with 0 if NAME is in that state, with 1 if it is in another. \
            When the engine is down or has not been heard for 5 s, the state is unknown: it says so and exits with 2.
            """)

    @Argument(help: "A virtual router; without it, all.")
    var name: String?
    @Flag(help: "Print the JSON of the status socket.")
    var json = false
    @Option(
        name: .customLong("is"),
        help: ArgumentHelp("Only test for this state.", valueName: "state"))
    var isState: RouterState?
    @OptionGroup var socket: SocketOptions

    func validate() throws {
        if isState != nil, name == nil { throw ValidationError("--is needs the name of a virtual router") }
        if isState != nil, json { throw ValidationError("--is and --json exclude each other") }
    }

    func run() throws {
        let answer = try ask("GET", "/v1/status", socket.client)
        var document = try decode(StatusDocument.self, answer)
        if let name {
            // The agent finds the nearest names; asked only when there is something to find.
            guard let router = document.virtualRouters.first(where: { $0.name == name }) else {
                _ = try ask("GET", "/v1/status/\(percentEncoded(name))", socket.client)
                complain("there is no virtual router \"\(name)\" any more")
                throw Exit.unknown
            }
            document.virtualRouters = [router]
        }
        if let isState, let router = document.virtualRouters.first {
            if let unknown = unknownText(router, engine: document.engine) {
                complain(unknown)
                throw Exit.unknown
            }
            if router.state != isState { throw Exit.no }
            return
        }
        if json {
            let router = name == nil ? nil : document.virtualRouters.first
            try writeOut((try router.map { try jsonText($0) } ?? jsonText(document)) + [UInt8(ascii: "\n")])
        } else {
            try writeOut(Array(statusText(document).utf8))
        }
        let unknown = document.virtualRouters.compactMap { unknownText($0, engine: document.engine) }
        guard unknown.isEmpty else {
            complain(unknown.count == 1 ? unknown[0] : "\(unknown[0]), and \(unknown.count - 1) more")
            throw Exit.unknown
        }
    }
}

extension RouterState: ExpressibleByArgument {
    /// `unknown` cannot be asked for: it is exit code 2.
    package init?(argument: String) {
        guard let state = RouterState(rawValue: argument), state != .unknown else { return nil }
        self = state
    }

    package static var allValueStrings: [String] {
        allCases.filter { $0 != .unknown }.map(\.rawValue)
    }
}

/// Asks, and ends the command with one line and exit code 2 unless the agent agrees.
func ask(_ method: String, _ target: String, _ client: StatusClient) throws -> StatusClient.Answer {
    let answer = try attempt { () throws(StatusClientError) in try client.ask(method, target) }
    guard answer.code == 200 else {
        complain(answer.sentence)
        throw Exit.unknown
    }
    return answer
}

func decode<Value: Decodable>(_ type: Value.Type, _ answer: StatusClient.Answer) throws -> Value {
    try attempt { () throws(StatusClientError) in try answer.decode(type) }
}

private func attempt<Result>(_ body: () throws(StatusClientError) -> Result) throws -> Result {
    do {
        return try body()
    } catch {
        complain(error.description)
        throw Exit.unknown
    }
}
