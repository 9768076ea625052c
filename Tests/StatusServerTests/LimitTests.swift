// What a bad client can do: nothing that lasts.

import Glibc
import Status
import System
import Testing

@testable import Supervisor
@testable import vipd

extension StatusSocketTests {
    @Suite struct LimitTests {
        @Test func `what is no request is 400`() throws {
            try withServer { (_, _, client) throws in
                let text = try exchange(client.path, "this is not HTTP\r\n\r\n")
                #expect(text.hasPrefix("HTTP/1.1 400 "))
                #expect(text.hasSuffix(#"{"error":"this is not an HTTP/1.1 request"}"# + "\n"))
            }
        }

        @Test func `a head that is too long is 431`() throws {
            try withServer { (_, _, client) throws in
                let filler = String(repeating: "x", count: 20_000)
                let text = try exchange(client.path, "GET /v1/status HTTP/1.1\r\nhost: v\r\nfiller: \(filler)\r\n\r\n")
                #expect(text.hasPrefix("HTTP/1.1 431 "))
                let target = try exchange(client.path, "GET /v1/\(filler) HTTP/1.1\r\nhost: v\r\n\r\n")
                #expect(target.hasPrefix("HTTP/1.1 4"))
                #expect(target.utf8.count < 1000)
            }
        }

        @Test func `a body that is too long is 413`() throws {
            try withServer { (agent, _, client) throws in
                let body = String(repeating: "x", count: 70_000)
                let text = try exchange(
                    client.path, "POST /v1/reload HTTP/1.1\r\nhost: v\r\ncontent-length: \(body.count)\r\n\r\n\(body)")
                #expect(text.hasPrefix("HTTP/1.1 413 "))
                #expect(agent.state.withLock { $0.requests }.isEmpty)
            }
        }

        @Test func `a client that does not finish its request is dropped`() throws {
            var limits = StatusServerLimits()
            limits.request = .milliseconds(200)
            try withServer(limits: limits) { (_, _, client) throws in
                let half = try exchange(client.path, "GET /v1/status HTTP/1.1\r\nhos")
                #expect(half == "")
                #expect(try exchange(client.path, "") == "")
            }
        }

        @Test func `a client that asks on and on and does not read is dropped`() throws {
            var limits = StatusServerLimits()
            limits.waiting = 16 * 1024
            try withServer(limits: limits) { (_, _, client) throws in
                let greedy = try LocalStream.connect(path: client.path, timeout: .seconds(20))
                let requests = String(repeating: "GET /v1/status HTTP/1.1\r\nhost: v\r\n\r\n", count: 100)
                #expect(throws: SystemError.self) {
                    for _ in 0..<100 { try sendAll(greedy, requests) }
                }
                #expect(try client.ask("GET", "/v1/status").code == 200)
                _ = consume greedy
            }
        }

        @Test func `requests in a row on one connection are all answered`() throws {
            var limits = StatusServerLimits()
            limits.request = .milliseconds(300)
            try withServer(limits: limits) { (_, _, client) throws in
                let text = try exchange(
                    client.path, String(repeating: "GET /v1/status HTTP/1.1\r\nhost: v\r\n\r\n", count: 5))
                #expect(text.split(separator: "HTTP/1.1 200 OK\r\n").count == 5)
            }
        }

        @Test func `a connection too many is refused with 503, and taken again when one has gone`() throws {
            var limits = StatusServerLimits()
            limits.connections = 2
            try withServer(limits: limits) { (_, _, client) throws in
                let first = try LocalStream.connect(path: client.path, timeout: .seconds(20))
                do {
                    let second = try LocalStream.connect(path: client.path, timeout: .seconds(20))
                    let refused = try client.ask("GET", "/v1/status")
                    #expect(refused.code == 503)
                    #expect(refused.sentence == "too many connections")
                    _ = consume second
                }
                #expect(eventually { (try? client.ask("GET", "/v1/status"))?.code == 200 })
                _ = consume first
            }
        }

        @Test func `an agent that does not answer is 503, for disable only after the release gate's time`() throws {
            var limits = StatusServerLimits()
            limits.answer = .milliseconds(200)
            try withServer(limits: limits) { (agent, _, client) throws in
                agent.state.withLock { state in
                    state.reply = nil
                    state.document.virtualRouters[1].gateReleaseTimeoutMs = 800
                    state.document.virtualRouters[1].handoverLimitMs = 500
                }
                for (target, limit) in [
                    ("/v1/reload", 200), ("/v1/routers/database/disable", 200), ("/v1/routers/web/enable", 200),
                    ("/v1/routers/web/disable", 1000), ("/v1/routers/web/handover", 700),
                ] {
                    let start = Clock.monotonic()
                    let answer = try client.ask("POST", target)
                    #expect(answer.code == 503)
                    #expect(answer.sentence == "the agent has not answered for \(limit) ms")
                    #expect(Clock.monotonic() - start >= Int64(limit) * 1_000_000)
                }
            }
        }

        @Test func `a stream gets keep-alive lines and events, and is forgotten when its client goes`() throws {
            var limits = StatusServerLimits()
            limits.alive = .milliseconds(50)
            try withServer(limits: limits) { (agent, _, client) throws in
                let move = TransitionDocument(
                    router: "web", from: .backup, to: .master, cause: "owner", text: "t",
                    at: Timestamp(milliseconds: 0), priority: 255)
                var alive = 0
                var published = false
                var moves: [EventDocument] = []
                let refusal = try client.follow("/v1/events") { line in
                    guard let line else { return true }
                    let event = try decodeJSON(EventDocument.self, from: line)
                    if event == .alive { alive += 1 } else { moves.append(event) }
                    if alive >= 2, !published {
                        #expect(agent.subscriberCount == 1)
                        published = true
                        agent.publish(.transition(move))
                    }
                    return moves.isEmpty
                }
                #expect(refusal == nil)
                #expect(alive >= 2)
                #expect(moves == [.transition(move)])
                #expect(eventually { agent.subscriberCount == 0 })
            }
        }

        @Test func `an HTTP/1.1 client gets the stream in chunks`() throws {
            try withServer { (_, server, client) throws in
                let socket = try LocalStream.connect(path: client.path, timeout: .seconds(20))
                try sendAll(socket, "GET /v1/events HTTP/1.1\r\nhost: v\r\n\r\n")
                var text = ""
                var buffer = [UInt8](repeating: 0, count: 4096)
                while !text.contains("\n}") && !text.contains(#"{"type":"alive"}"#) {
                    let count = unsafe buffer.withUnsafeMutableBytes {
                        unsafe recv(socket.number, $0.baseAddress, $0.count, 0)
                    }
                    guard count > 0 else { break }
                    text += String(decoding: buffer[..<count], as: UTF8.self)
                }
                #expect(text.contains("content-type: application/x-ndjson\r\n"))
                #expect(text.contains("transfer-encoding: chunked\r\n"))
                #expect(text.contains("\r\n11\r\n{\"type\":\"alive\"}\n"))
            }
        }

        @Test func `a follower that does not read is dropped, and the others go on`() throws {
            var limits = StatusServerLimits()
            limits.waiting = 16 * 1024
            try withServer(limits: limits) { (agent, _, client) throws in
                let slow = try LocalStream.connect(path: client.path, timeout: .seconds(20))
                try sendAll(slow, "GET /v1/events HTTP/1.0\r\n\r\n")
                #expect(eventually { agent.subscriberCount == 1 })
                let move = TransitionDocument(
                    router: "web", from: .backup, to: .master, cause: "owner",
                    text: String(repeating: "x", count: 1000),
                    at: Timestamp(milliseconds: 0), priority: 255)
                #expect(
                    eventually {
                        for _ in 0..<100 { agent.publish(.transition(move)) }
                        return agent.subscriberCount == 0
                    })
                #expect(try client.ask("GET", "/v1/status").code == 200)
                _ = consume slow
            }
        }
    }
}
