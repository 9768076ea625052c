// `vipd upgrade`: asks the running agent to let the installed program take over, and waits until it has. Between the two programs the
// status socket stays open and is not answered for a moment, so it asks again and again.

import ArgumentParser
import Glibc
import Status
import System

struct UpgradeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "upgrade", abstract: "Lets the installed version of vipd take over from the running one.",
        discussion: """
            Install the new vipd and vipd-engine in the place of the old ones first. The new program must be able to read the \
            configuration that is in force. It takes over the running process, and its engine goes on from the sockets and the state \
            of the old one: no address leaves its interface and no other host takes over.

            Exit codes: 0 the new version runs, 1 refused or not complete (the old version, or the old engine, goes on) \
            with the reason, 2 it cannot be told.
            """)

    @OptionGroup var socket: SocketOptions

    /// For hooks that run, and for the new program.
    private static let patience = Duration.seconds(90)

    func run() throws {
        var client = socket.client
        client.timeout = Self.patience
        let answer = try order("/v1/upgrade", client)
        try tell(try outcome(of: try decode(UpgradeStatus.self, answer)))
    }

    private func outcome(of begun: UpgradeStatus) throws -> UpgradeStatus {
        var client = socket.client
        client.timeout = .seconds(5)
        let end = Clock.monotonic() + 60_000_000_000
        while Clock.monotonic() < end {
            Clock.pause(nanoseconds: 50_000_000)
            guard let answer = try? client.ask("GET", "/v1/status"), answer.code == 200,
                let document = try? answer.decode(StatusDocument.self), let upgrade = document.upgrade,
                upgrade.at == begun.at, upgrade.state != .underWay
            else { continue }
            return upgrade
        }
        complain("the upgrade from \(begun.from) to \(begun.to) began, and its end is not known; see the log")
        throw Exit.unknown
    }

    private func tell(_ upgrade: UpgradeStatus) throws {
        let versions = "vipd \(upgrade.from) -> \(upgrade.to)"
        let text = upgrade.text ?? ""
        switch upgrade.state {
        case .done:
            let paused = Duration.microseconds(upgrade.pausedUs ?? 0).spoken
            try writeOut(line: "\(versions): no engine for \(paused)")
        case .engineKept:
            complain("\(versions): the new program goes on with the old engine: \(text)")
            throw Exit.no
        case .restarted:
            complain("\(versions): the new program started anew, as after a restart: \(text)")
            throw Exit.no
        case .failed, .underWay:
            complain("\(versions): failed, the old program goes on: \(text)")
            throw Exit.no
        }
    }
}
