// `vipd watch`: transitions and warnings as they happen, until it is interrupted or the agent ends.

import ArgumentParser
import Status

struct WatchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "watch", abstract: "Follows transitions and warnings live.",
        discussion: """
            First a line for the present state of each virtual router, for what its master goes without, for each present \
            difference of a peer's configuration, for each other host that claims an address and for a takeover that a gateway \
            or a listed host has not followed. Then a line for each transition with its reason, each difference and each claim \
            that is new, whether a takeover was verified, what a master comes to go without, what was dropped, and each router \
            that changes too often. With --json the lines of `GET /v1/events` as they come, a keep-alive every 5 s included.
            """)

    @Flag(help: "Print the JSON lines of the status socket.")
    var json = false
    @OptionGroup var socket: SocketOptions

    func run() throws {
        var client = socket.client
        // Two keep-alive lines may be missed before the agent counts as stopped.
        client.timeout = .seconds(15)
        var present: StatusDocument?
        do {
            let refusal = try client.follow("/v1/events") { line in
                if let line {
                    try show(line, after: present)
                } else if !json {
                    // Asked after the stream has begun, so that no transition falls between the two.
                    present = try showPresent()
                }
                return true
            }
            complain(refusal?.sentence ?? "vipd has stopped")
        } catch let error as StatusClientError {
            complain(error.description)
        }
        throw Exit.unknown
    }

    private func showPresent() throws -> StatusDocument {
        let document = try decode(StatusDocument.self, try ask("GET", "/v1/status", socket.client))
        for line in document.virtualRouters.flatMap({ presentText($0, asOf: document.asOf) }) {
            try writeOut(line: line)
        }
        return document
    }

    private func show(_ line: [UInt8], after present: StatusDocument?) throws {
        if json { return try writeOut(line + [UInt8(ascii: "\n")]) }
        // What this version does not know is nothing it could print.
        guard let event = try? decodeJSON(EventDocument.self, from: line), let text = eventText(event) else { return }
        // It was told between the beginning of the stream and the question, whose answer had it.
        if let present, present.includes(event) { return }
        try writeOut(line: text)
    }
}
