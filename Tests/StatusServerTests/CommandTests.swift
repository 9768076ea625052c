// The built `vipd` as scripts and people use it: what it prints, where, and the exit code.

import Glibc
import Status
import Synchronization
import System
import Testing

@testable import Supervisor
@testable import vipd

/// The program that was built with these tests, which is beside them.
private func program() throws -> String {
    let tests = try #require(CommandLine.arguments.first)
    let directory = tests[..<(tests.lastIndex(of: "/") ?? tests.startIndex)]
    return "\(directory)/vipd"
}

/// Runs the program in a shell and returns its standard output, its standard error and its exit code.
private func run(_ arguments: String) throws -> (output: String, errors: String, code: Int) {
    let errors = try read("\(try program()) \(arguments) 2>&1 >/dev/null")
    let lines = try read("\(try program()) \(arguments) 2>/dev/null; echo \"=$?\"")
    let mark = try #require(lines.lastIndex(of: "="))
    let code = try #require(Int(lines[lines.index(after: mark)...].dropLast()))
    return (String(lines[..<mark]), errors, code)
}

private func read(_ command: String) throws -> String {
    guard let stream = unsafe popen(command, "r") else { throw SystemError("popen", command) }
    defer { _ = unsafe pclose(stream) }
    var octets: [UInt8] = []
    while true {
        let octet = unsafe fgetc(stream)
        guard octet >= 0 else { return String(decoding: octets, as: UTF8.self) }
        octets.append(UInt8(octet))
    }
}

extension StatusSocketTests {
    @Suite struct CommandTests {
        @Test func `status prints the text, or the JSON of the socket`() throws {
            try withServer { (agent, _, client) throws in
                let document = agent.state.withLock { $0.document }
                let text = try run("status --socket \(client.path)")
                #expect(text.output == statusText(document) && text.errors == "" && text.code == 0)
                let json = try run("status --json --socket \(client.path)")
                #expect(json.output == String(decoding: try client.ask("GET", "/v1/status").body, as: UTF8.self))
                let one = try run("status web --json --socket \(client.path)")
                #expect(one.output == String(decoding: try client.ask("GET", "/v1/status/web").body, as: UTF8.self))
                let web = try run("status web --socket \(client.path)")
                #expect(web.output.contains("\nweb  backup\n") && !web.output.contains("database"))
            }
        }

        @Test(arguments: [
            ("--for 999999999h", "--for must be above 0 and at most 24h"),
            ("--for 25h", "--for must be above 0 and at most 24h"),
            ("--for 0s", "--for must be above 0 and at most 24h"),
            ("--interval 999999999h", "--interval must be from 1ms to 1h"),
            ("--interval 0.9ms", "--interval must be from 1ms to 1h"),
        ]) func `probe refuses spans out of range`(options: String, words: String) throws {
            let refused = try run("probe 192.0.2.1 --interface no-such-interface \(options)")
            #expect(refused.code == 64)
            #expect(refused.errors.contains(words), "\(refused.errors)")
        }

        @Test func `probe takes the longest spans`() throws {
            // Refused only because there is no such interface.
            #expect(try run("probe 192.0.2.1 --interface no-such-interface --for 24h --interval 1h").code == 2)
        }

        @Test func `--is answers with its exit code alone`() throws {
            try withServer { (_, _, client) throws in
                let yes = try run("status web --is backup --socket \(client.path)")
                #expect(yes == ("", "", 0))
                let no = try run("status web --is master --socket \(client.path)")
                #expect(no == ("", "", 1))
            }
        }

        @Test func `an unknown state is exit code 2 with one line that says since when`() throws {
            try withServer { (agent, _, client) throws in
                agent.state.withLock { state in
                    state.document.engine.state = .down
                    for index in state.document.virtualRouters.indices {
                        state.document.virtualRouters[index].state = .unknown
                        state.document.virtualRouters[index].unknownSince = Timestamp(milliseconds: 500)
                    }
                }
                let since = "unknown since 1970-01-01T00:00:00.500Z (the engine is down)"
                #expect(try run("status web --is backup --socket \(client.path)") == ("", "web: \(since)\n", 2))
                let text = try run("status --socket \(client.path)")
                #expect(text.errors == "database: \(since), and 1 more\n" && text.code == 2)
                #expect(text.output.contains("web  UNKNOWN since 00:00:00.500 UTC"))
                let json = try run("status web --json --socket \(client.path)")
                #expect(json.output.contains(#""state":"unknown""#) && json.code == 2)
            }
        }

        @Test func `a name that nobody has, and an agent that is not there, are exit code 2`() throws {
            try withServer { (_, server, client) throws in
                let unknown = try run("status wep --is master --socket \(client.path)")
                #expect(unknown.code == 2)
                #expect(unknown.errors.hasPrefix(#"there is no virtual router "wep"; did you mean "web"?"#))
                server.close()
                for command in [
                    "status", "status web --is master", "reload", "disable web", "enable web", "handover web", "watch",
                ] {
                    let line = "vipd is not running (no socket at \(client.path))\n"
                    #expect(try run("\(command) --socket \(client.path)") == ("", line, 2))
                }
            }
        }

        @Test func `no permission is one line and exit code 2`() throws {
            guard geteuid() == 0 else { return }
            try withServer { (_, _, client) throws in
                let directory = String(client.path.dropLast(2))
                _ = unsafe chmod(directory, 0o755)
                let command = "setpriv --reuid 65534 --regid 65534 --clear-groups \(try program()) status"
                let text = try read("\(command) --socket \(client.path) 2>&1; echo $?")
                #expect(
                    text == "no permission to use \(client.path); run as root or as a member of its group\n2\n"
                        || text.hasPrefix("setpriv: failed to execute"))
            }
        }

        @Test func `wrong usage is exit code 64`() throws {
            for arguments in [
                "status --is master", "status web --is wrong", "status web --is unknown", "nonsense", "disable",
                "status --is", "status web --is master --json", "handover", "handover web --for 10",
                "handover web --for 721h",
            ] {
                let result = try run(arguments)
                #expect(result.code == 64 && result.output == "" && result.errors != "", "\(arguments)")
            }
            #expect(try run("--version") == ("\(agentVersion)\n", "", 0))
        }

        @Test func `reload prints what it touched, or every error with exit code 1`() throws {
            try withServer { (agent, _, client) throws in
                agent.state.withLock { $0.reply = .reloaded(ReloadSummary(changed: ["web"], added: ["x", "y"])) }
                #expect(try run("reload --socket \(client.path)") == ("changed: web\nadded: x, y\n", "", 0))
                agent.state.withLock { $0.reply = .reloaded(ReloadSummary()) }
                #expect(try run("reload --socket \(client.path)") == ("no virtual router changed\n", "", 0))
                agent.state.withLock { $0.reply = .reloaded(ReloadSummary(warnings: ["a.yaml:1:2: warning: odd"])) }
                let odd = try run("reload --socket \(client.path)")
                #expect(odd == ("no virtual router changed\n", "a.yaml:1:2: warning: odd\n", 0))
                agent.state.withLock { $0.reply = .invalid(["a.yaml:1:2: wrong", "a.yaml:3:4: worse"]) }
                #expect(try run("reload --socket \(client.path)") == ("", "a.yaml:1:2: wrong\na.yaml:3:4: worse\n", 1))
            }
        }

        @Test func `disable waits as long as the release gate may take, and names what is not there`() throws {
            try withServer { (agent, _, client) throws in
                #expect(try disableLimit("web", client) == .seconds(65))
                agent.state.withLock { $0.document.virtualRouters[1].gateReleaseTimeoutMs = 1_800_000 }
                #expect(try disableLimit("web", client) == .seconds(1_865))
                let unknown = try run("disable wbe --socket \(client.path)")
                #expect(unknown.code == 2 && unknown.errors.contains("did you mean \"web\"?"))
            }
        }

        @Test func `disable and enable say what is so now`() throws {
            try withServer { (agent, _, client) throws in
                #expect(try run("disable web --socket \(client.path)") == ("web: disabled\n", "", 0))
                #expect(try run("enable web --socket \(client.path)") == ("web: enabled\n", "", 0))
                agent.state.withLock { $0.reply = .refused("the state directory cannot be written") }
                #expect(
                    try run("disable web --socket \(client.path)") == ("", "the state directory cannot be written\n", 1)
                )
            }
        }

        @Test func `announce names what it announces, and exits with 1 where this host is not master`() throws {
            try withServer { (agent, _, client) throws in
                agent.state.withLock { $0.reply = .announcing(addresses: 1) }
                let one = try run("announce web --socket \(client.path)")
                #expect(one == ("web: announcing 1 address\n", "", 0))
                agent.state.withLock { $0.reply = .refused("web is backup on this host") }
                let refused = try run("announce web --socket \(client.path)")
                #expect(refused == ("", "web is backup on this host\n", 1))
            }
        }

        @Test func `verify says who answered, and exits with 0 only when it is verified`() throws {
            try withServer { (agent, _, client) throws in
                var status = VerificationStatus(
                    verdict: "verified", text: "verified by 192.0.2.1 (gateway) after 0.8 ms",
                    began: Timestamp(wallNanoseconds: 0), complete: true,
                    answers: [
                        VerificationAnswer(
                            address: "192.0.2.10", target: "192.0.2.1", witness: "gateway", asked: 1, afterMs: 0.8),
                        VerificationAnswer(
                            address: "192.0.2.110", target: "192.0.2.77", witness: "neighbour", asked: 3, afterMs: nil),
                    ])
                let reply = status
                agent.state.withLock { $0.reply = .verified(reply) }
                let text = """
                    web: verified by 192.0.2.1 (gateway) after 0.8 ms
                      192.0.2.10   192.0.2.1 (gateway)     after 0.8 ms
                      192.0.2.110  192.0.2.77 (neighbour)  no answer

                    """
                #expect(try run("verify web --socket \(client.path)") == (text, "", 0))
                status.verdict = "unwitnessed"
                status.text = "nobody"
                status.answers = []
                let nobody = status
                agent.state.withLock { $0.reply = .verified(nobody) }
                #expect(try run("verify web --socket \(client.path)") == ("web: nobody\n", "", 1))
            }
        }

        @Test func `a handover says what came of it and exits with 0, 1, or 2 where that cannot be told`() throws {
            try withServer { (agent, _, client) throws in
                let result = HandoverResult(
                    successor: "192.0.2.3", after: .milliseconds(41), overlap: .milliseconds(50), hold: nil,
                    text: "handed over to 192.0.2.3 after 41 ms; both answered for 50 ms, no gap")
                agent.state.withLock { $0.reply = .handedOver(result) }
                let done = try run("handover web --for 1.5h --socket \(client.path)")
                #expect(done == ("web: \(result.text)\n", "", 0))
                let requests = Set(agent.state.withLock { $0.requests })
                #expect(requests == [.handOver("web", holdFor: .seconds(5_400))])
                for (reply, text, code) in [
                    (
                        ControlReply.refused("nobody took over; this host serves on"),
                        "nobody took over; this host serves on\n", 1
                    ),
                    (.untold("the engine is not running"), "the engine is not running\n", 2),
                ] {
                    agent.state.withLock { $0.reply = reply }
                    let refused = try run("handover web --socket \(client.path)")
                    #expect(refused == ("", text, code))
                }
                let unknown = try run("handover wbe --socket \(client.path)")
                #expect(unknown.code == 2 && unknown.errors.contains("did you mean \"web\"?"))
            }
        }

        @Test func `watch prints what is and what happens, and ends with exit code 2 when the agent does`() throws {
            try withServer { (agent, server, client) throws in
                let output = Output()
                let early = Timestamp(milliseconds: 500)
                agent.state.withLock {
                    $0.document.virtualRouters[1].differences = [
                        DifferenceStatus(
                            peer: "192.0.2.3", kind: "version", ownValue: "3", peerValue: "2", text: "t", first: early,
                            last: early, count: 1)
                    ]
                }
                let command = "\(try program()) watch --socket \(client.path) 2>&1; echo $?"
                detach {
                    let text = try? read(command)
                    output.text.withLock { $0 = text ?? "" }
                }
                #expect(eventually { agent.subscriberCount == 1 })
                let move = TransitionDocument(
                    router: "web", from: .backup, to: .master, cause: "owner", text: "t",
                    at: Timestamp(milliseconds: 2000), priority: 255)
                for at in [early, Timestamp(milliseconds: 3000)] {
                    agent.publish(
                        .difference(
                            DifferenceDocument(
                                router: "web", peer: "192.0.2.3", kind: "version", ownValue: "3", peerValue: "2",
                                text: "t", at: at)))
                }
                agent.publish(.transition(move))
                _ = usleep(200_000)
                server.close()
                #expect(eventually { output.text.withLock { $0 } != nil })
                #expect(
                    output.text.withLock { $0 } == """
                        1970-01-01T00:00:01.000Z  database  is backup  priority 100
                        1970-01-01T00:00:01.000Z  web  is backup  priority 100
                        1970-01-01T00:00:01.000Z  web  192.0.2.3 DIFFERS  version: t  since 1970-01-01T00:00:00.500Z
                        1970-01-01T00:00:03.000Z  web  192.0.2.3 DIFFERS  version: t
                        1970-01-01T00:00:02.000Z  web  backup -> master  priority 255  owner: t
                        vipd has stopped
                        2

                        """)
            }
        }
    }
}

/// What a thread has read; nil until it has.
private final class Output: Sendable {
    let text = Mutex<String?>(nil)
}
