// Requests over a real Unix socket, with the client of the command line and with raw text.

import Status
import Testing

@testable import Supervisor
@testable import vipd

extension StatusSocketTests {
    @Suite struct RequestTests {
        @Test func `the status is the document of the agent`() throws {
            try withServer { (agent, _, client) throws in
                let answer = try client.ask("GET", "/v1/status")
                #expect(answer.code == 200)
                #expect(try answer.decode(StatusDocument.self) == agent.state.withLock { $0.document })
            }
        }

        @Test func `one router is found by its name, percent-encoded or not`() throws {
            try withServer { (agent, _, client) throws in
                let web = try client.ask("GET", "/v1/status/web").decode(RouterStatus.self)
                #expect(web.name == "web")
                agent.state.withLock { $0.document.virtualRouters.append(Agent.router("a b/ü")) }
                let target = "/v1/status/\(percentEncoded("a b/ü"))"
                #expect(target == "/v1/status/a%20b%2F%C3%BC")
                #expect(try client.ask("GET", target).decode(RouterStatus.self).name == "a b/ü")
            }
        }

        @Test func `an unknown router is 404 with the nearest names`() throws {
            try withServer { (_, _, client) throws in
                let answer = try client.ask("GET", "/v1/status/databse")
                #expect(answer.code == 404)
                #expect(
                    answer.sentence
                        == #"there is no virtual router "databse"; did you mean "database"? (there are: database, web)"#
                )
                #expect(
                    try client.ask("GET", "/v1/status/zzz").sentence
                        == #"there is no virtual router "zzz" (there are: database, web)"#)
            }
        }

        @Test func `a wrong path is 404 and a wrong method 405 with the right one`() throws {
            try withServer { (_, _, client) throws in
                #expect(try client.ask("GET", "/").code == 404)
                #expect(try client.ask("GET", "/v1/statuses").sentence.contains("GET /v1/status,"))
                #expect(try client.ask("POST", "/v1/routers/web/verifies").code == 404)
                let text = try exchange(client.path, "POST /v1/status HTTP/1.1\r\nhost: v\r\nconnection: close\r\n\r\n")
                #expect(text.hasPrefix("HTTP/1.1 405 "))
                #expect(text.contains("\r\nallow: GET\r\n"))
                #expect(text.hasSuffix(#"{"error":"/v1/status takes GET, not POST"}"# + "\n"))
            }
        }

        @Test func `a reload answers with what it touched`() throws {
            try withServer { (agent, _, client) throws in
                agent.state.withLock {
                    $0.reply = .reloaded(
                        ReloadSummary(changed: ["web"], added: ["x"], removed: ["y"], warnings: ["odd"]))
                }
                let answer = try client.ask("POST", "/v1/reload")
                #expect(
                    String(decoding: answer.body, as: UTF8.self)
                        == #"{"added":["x"],"changed":["web"],"removed":["y"],"warnings":["odd"]}"#
                        + "\n")
                #expect(agent.state.withLock { $0.requests } == [.reload])
            }
        }

        @Test func `a reload of a bad configuration is 422 with all errors`() throws {
            try withServer { (agent, _, client) throws in
                agent.state.withLock { $0.reply = .invalid(["a.yaml:1:2: wrong", "a.yaml:3:4: wrong"]) }
                let answer = try client.ask("POST", "/v1/reload")
                #expect(answer.code == 422)
                #expect(try answer.decode(ReloadErrors.self).errors == ["a.yaml:1:2: wrong", "a.yaml:3:4: wrong"])
            }
        }

        @Test func `disable and enable pass the name on and answer 200, 404 or 409`() throws {
            try withServer { (agent, _, client) throws in
                let answer = try client.ask("POST", "/v1/routers/web/disable")
                #expect(answer.code == 200)
                #expect(try answer.decode(RouterAnswer.self) == RouterAnswer(name: "web", disabled: true))
                #expect(
                    try client.ask("POST", "/v1/routers/web/enable").decode(RouterAnswer.self)
                        == RouterAnswer(name: "web", disabled: false))
                agent.state.withLock { $0.reply = .unknownRouter }
                let unknown = try client.ask("POST", "/v1/routers/wep/disable")
                #expect(unknown.code == 404)
                #expect(
                    unknown.sentence
                        == #"there is no virtual router "wep"; did you mean "web"? (there are: database, web)"#)
                agent.state.withLock { $0.reply = .refused("not now") }
                let refused = try client.ask("POST", "/v1/routers/web/disable")
                #expect(refused.code == 409)
                #expect(refused.sentence == "not now")
                #expect(
                    agent.state.withLock { $0.requests } == [
                        .disable("web"), .enable("web"), .disable("wep"), .disable("web"),
                    ])
            }
        }

        @Test func `an announcement answers 200 with the number of addresses, 404, 409 or 503`() throws {
            try withServer { (agent, _, client) throws in
                agent.state.withLock { $0.reply = .announcing(addresses: 2) }
                let answer = try client.ask("POST", "/v1/routers/web/announce")
                #expect(answer.code == 200)
                #expect(try answer.decode(AnnounceAnswer.self) == AnnounceAnswer(name: "web", addresses: 2))
                for (reply, code) in [
                    (ControlReply.unknownRouter, 404), (.refused("web is backup"), 409), (.untold("no engine"), 503),
                ] {
                    agent.state.withLock { $0.reply = reply }
                    #expect(try client.ask("POST", "/v1/routers/web/announce").code == code)
                }
                #expect(Set(agent.state.withLock { $0.requests }) == [.announce("web")])
                #expect(try client.ask("GET", "/v1/routers/web/announce").code == 405)
            }
        }

        @Test func `a verification answers 200 with who answered, 404, 409 or 503`() throws {
            try withServer { (agent, _, client) throws in
                let status = VerificationStatus(
                    verdict: "unanswered", text: "nobody", began: Timestamp(wallNanoseconds: 5_000_000), complete: true,
                    answers: [
                        VerificationAnswer(
                            address: "192.0.2.10", target: "192.0.2.1", witness: "gateway", asked: 4, afterMs: nil)
                    ])
                agent.state.withLock { $0.reply = .verified(status) }
                let answer = try client.ask("POST", "/v1/routers/web/verify")
                #expect(answer.code == 200)
                #expect(try answer.decode(VerificationStatus.self) == status)
                for (reply, code) in [
                    (ControlReply.unknownRouter, 404), (.refused("web is backup"), 409), (.untold("no engine"), 503),
                ] {
                    agent.state.withLock { $0.reply = reply }
                    #expect(try client.ask("POST", "/v1/routers/web/verify").code == code)
                }
                #expect(Set(agent.state.withLock { $0.requests }) == [.verify("web")])
                #expect(try client.ask("GET", "/v1/routers/web/verify").code == 405)
            }
        }

        @Test func `a handover passes its hold on and answers 200 with the figures, 400, 404, 409 or 503`() throws {
            try withServer { (agent, _, client) throws in
                let hold = Hold(since: 1_000_000_000, until: 601_000_000_000)
                let result = HandoverResult(
                    successor: "192.0.2.3", after: .milliseconds(41), overlap: .milliseconds(-7), hold: hold, text: "t")
                agent.state.withLock { $0.reply = .handedOver(result) }
                let answer = try client.ask("POST", "/v1/routers/web/handover?for=10m")
                #expect(answer.code == 200)
                let held = HeldStatus(since: Timestamp(milliseconds: 1_000), until: Timestamp(milliseconds: 601_000))
                #expect(
                    try answer.decode(HandoverAnswer.self)
                        == HandoverAnswer(
                            name: "web", successor: "192.0.2.3", afterMs: 41, overlapMs: 0, gapMs: 7, held: held,
                            text: "t"))
                for query in ["for=10", "for=0s", "for=721h", "for="] {
                    let wrong = try client.ask("POST", "/v1/routers/web/handover?\(query)")
                    #expect(wrong.code == 400 && wrong.sentence == "for must be a duration from 1s to 720h")
                }
                agent.state.withLock { $0.reply = .unknownRouter }
                #expect(try client.ask("POST", "/v1/routers/wep/handover").code == 404)
                agent.state.withLock { $0.reply = .refused("nobody took over") }
                #expect(try client.ask("POST", "/v1/routers/web/handover?x=1").code == 409)
                agent.state.withLock { $0.reply = .untold("the engine is down") }
                let untold = try client.ask("POST", "/v1/routers/web/handover")
                #expect(untold.code == 503 && untold.sentence == "the engine is down")
                #expect(
                    agent.state.withLock { $0.requests } == [
                        .handOver("web", holdFor: .seconds(600)), .handOver("wep", holdFor: nil),
                        .handOver("web", holdFor: nil), .handOver("web", holdFor: nil),
                    ])
                #expect(try client.ask("GET", "/v1/routers/web/handover").code == 405)
            }
        }

        @Test func `an agent that does not answer is 503 after the limit`() throws {
            var limits = StatusServerLimits()
            limits.answer = .milliseconds(100)
            try withServer(limits: limits) { (agent, _, client) throws in
                agent.state.withLock { $0.reply = nil }
                let answer = try client.ask("POST", "/v1/reload")
                #expect(answer.code == 503)
                #expect(answer.sentence == "the agent has not answered for 100 ms")
            }
        }

        @Test func `a connection is kept for the next request when the client wants that`() throws {
            try withServer { (_, _, client) throws in
                let text = try exchange(
                    client.path,
                    "GET /v1/status/web HTTP/1.1\r\nhost: v\r\n\r\n"
                        + "GET /v1/status/database HTTP/1.1\r\nhost: v\r\nconnection: close\r\n\r\n")
                #expect(text.components(separatedBy: "HTTP/1.1 200 OK").count == 3)
            }
        }

        @Test func `a second request before the answer to the first ends the connection`() throws {
            try withServer { (agent, _, client) throws in
                agent.state.withLock { $0.reply = nil }
                let request = "POST /v1/reload HTTP/1.1\r\nhost: v\r\n\r\n"
                let text = try exchange(client.path, request + request)
                #expect(text == "")
            }
        }
    }
}

extension String {
    /// The parts between `separator`; the standard library has it for characters only.
    func components(separatedBy separator: String) -> [Substring] {
        split(separator: separator, omittingEmptySubsequences: false)
    }
}
