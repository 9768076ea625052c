// The socket file: who may use it, whose it is, and what becomes of it.

import Configuration
import Glibc
import Status
import System
import Testing

@testable import Supervisor
@testable import vipd

extension StatusSocketTests {
    @Suite struct SocketTests {
        @Test func `the socket has the mode and the group of the configuration, whatever the umask`() throws {
            let directory = try ScratchDirectory()
            let path = "\(directory.path)/s"
            let server = StatusServer(service: Agent().service)
            defer { server.close() }
            let before = umask(0o077)
            defer { umask(before) }
            // Only root may give a file to a group that it is not in.
            let other: gid_t = geteuid() == 0 ? 4 : getegid()
            try server.listen(on: StatusSocket(path: path, mode: 0o660, group: "\(other)"))
            #expect(mode(path) == 0o660)
            #expect(group(path) == other)
        }

        @Test func `a group is found by its name, an unknown one is an error`() throws {
            let directory = try ScratchDirectory()
            let path = "\(directory.path)/s"
            let server = StatusServer(service: Agent().service)
            defer { server.close() }
            if geteuid() == 0 {
                try server.listen(on: StatusSocket(path: path, mode: 0o660, group: "adm"))
                #expect(group(path) == 4)
            }
            let error = #expect(throws: StatusSocketError.self) {
                try server.listen(on: StatusSocket(path: "\(path)x", mode: 0o660, group: "no-such-group"))
            }
            #expect(error?.description.contains("group no-such-group") == true)
        }

        @Test func `the directory of the socket is made, the socket is removed at the end`() throws {
            let directory = try ScratchDirectory()
            let path = "\(directory.path)/sub/s"
            let server = StatusServer(service: Agent().service)
            try server.listen(on: StatusSocket(path: path, mode: 0o600))
            #expect(mode(path) == 0o600)
            server.close()
            #expect(mode(path) == nil)
        }

        @Test func `the socket of a dead agent is replaced, that of a living one is not`() throws {
            let directory = try ScratchDirectory()
            let path = "\(directory.path)/s"
            do {
                _ = try LocalStream.listen(path: path, mode: 0o600, group: nil, backlog: 1)
            }
            #expect(mode(path) == 0o600)
            let server = StatusServer(service: Agent().service)
            defer { server.close() }
            try server.listen(on: StatusSocket(path: path, mode: 0o640))
            #expect(mode(path) == 0o640)

            let second = StatusServer(service: Agent().service)
            let error = #expect(throws: StatusSocketError.self) { try second.listen(on: StatusSocket(path: path)) }
            #expect(error == .inUse(path: path))
            second.close()
            #expect(try StatusClient(path: path).ask("GET", "/v1/status").code == 200)
        }

        @Test func `a file that is no socket is left alone`() throws {
            let directory = try ScratchDirectory()
            let path = "\(directory.path)/s"
            let file = unsafe open(path, O_CREAT | O_WRONLY, 0o600)
            _ = close(file)
            let server = StatusServer(service: Agent().service)
            #expect(throws: StatusSocketError.notASocket(path: path)) {
                try server.listen(on: StatusSocket(path: path))
            }
            server.close()
            #expect(mode(path) == 0o600)
        }

        @Test func `a socket that another agent took over is not removed at the end`() throws {
            let directory = try ScratchDirectory()
            let path = "\(directory.path)/s"
            let server = StatusServer(service: Agent().service)
            try server.listen(on: StatusSocket(path: path, mode: 0o600))
            _ = unsafe unlink(path)
            let other = try LocalStream.listen(path: path, mode: 0o666, group: nil, backlog: 1)
            server.close()
            #expect(mode(path) == 0o666)
            _ = consume other
        }

        @Test func `a reload changes mode in place and moves the path, and open streams go on`() throws {
            var limits = StatusServerLimits()
            limits.alive = .milliseconds(20)
            try withServer(limits: limits) { (agent, server, client) throws in
                let moved = client.path.dropLast() + "t"
                var lines = 0
                let refusal = try client.follow("/v1/events") { line in
                    lines += 1
                    if lines == 2 {
                        try server.listen(on: StatusSocket(path: client.path, mode: 0o640))
                        #expect(mode(client.path) == 0o640)
                        #expect(try client.ask("GET", "/v1/status").code == 200)
                        try server.listen(on: StatusSocket(path: String(moved), mode: 0o600))
                        #expect(mode(client.path) == nil)
                        #expect(throws: StatusClientError.self) { try client.ask("GET", "/v1/status") }
                        #expect(try StatusClient(path: String(moved)).ask("GET", "/v1/status").code == 200)
                    }
                    return lines < 5
                }
                #expect(refusal == nil)
                #expect(lines == 5)
            }
        }

        @Test func `when the new socket cannot be opened the old one stays`() throws {
            try withServer { (_, server, client) throws in
                #expect(throws: StatusSocketError.self) {
                    try server.listen(on: StatusSocket(path: "/proc/no-such/s", mode: 0o600))
                }
                let answer = try client.ask("GET", "/v1/status")
                #expect(answer.code == 200)
            }
        }

        @Test func `a socket whose file somebody removed is made again by the next reload`() throws {
            try withServer { (_, server, client) throws in
                _ = unsafe unlink(client.path)
                try server.listen(on: StatusSocket(path: client.path, mode: 0o600))
                #expect(try client.ask("GET", "/v1/status").code == 200)
            }
        }

        @Test func `the client says in one line why there is no answer`() throws {
            let directory = try ScratchDirectory()
            let path = "\(directory.path)/s"
            let client = StatusClient(path: path, timeout: .milliseconds(200))
            func failure() -> String? {
                do throws(StatusClientError) {
                    _ = try client.ask("GET", "/v1/status")
                    return nil
                } catch {
                    return error.description
                }
            }
            #expect(failure() == "vipd is not running (no socket at \(path))")
            let deaf = try LocalStream.listen(path: path, mode: 0o600, group: nil, backlog: 1)
            #expect(failure() == "vipd has not answered for 200 ms (\(path))")
            _ = consume deaf
            #expect(failure() == "vipd is not running (nobody listens at \(path))")
        }
    }
}
