// What one program leaves to the next, as values, and what keeps a supervisor from being upgraded. The upgrade itself replaces a
// process and is the integration suite's business.

import Configuration
import Election
import Messages
import Status
import System
import Testing
import Wire

@testable import Supervisor

@Suite struct UpgradeTests {
    private func inheritance(_ routers: [RouterConfiguration], checks: [CheckConfiguration] = []) -> Inheritance {
        var snapshot = RouterSnapshot(router: RouterID(7), state: .master)
        snapshot.lastAdvertSent = 12_345
        snapshot.held = routers.first?.election.addresses ?? []
        var records: [Inheritance.Router] = []
        for (index, router) in routers.enumerated() {
            let numbered = NumberedRouter(
                router: RouterID(UInt32(7 + index)), configuration: router, election: router.election)
            let record = VirtualRouterRecord(numbered, hooks: hooks())
            record.told = .master
            records.append(Inheritance.Router(record, index == 0 ? snapshot : nil))
        }
        return Inheritance(
            from: "0.1.0", to: "0.2.0", at: 1_500_000_000,
            engine: EngineInheritance(
                process: 99, pair: 10, ending: 11, output: 12, vitals: 13, started: 5,
                sockets: [EngineInheritance.Socket(isIPv6: true, interface: 3, descriptor: 14)]),
            listener: InheritedListener(descriptor: 15, path: "/run/vipd/vipd.sock", device: 1, inode: .max),
            lastRouter: 8, lastCheck: 4, routers: records,
            checks: checks.enumerated().map { index, check in
                Inheritance.Check(number: UInt32(3 + index), name: check.name, fingerprint: check.fingerprint)
            }, verdicts: ["witness 1f 5 passing"])
    }

    private func hooks() -> HookQueue {
        let loop = try? Loop()
        guard let loop else { preconditionFailure("no loop") }
        return HookQueue(loop: loop, environment: CommandEnvironment([], errands: nil), report: { _ in })
    }

    @Test func `what is left survives the way to the next program`() throws {
        let left = inheritance([router("web"), router("mail", vrid: 2)], checks: [check("witness")])
        guard case .inheritance(let found) = Inheritance.decode(try left.encode()) else {
            Issue.record("not understood")
            return
        }
        #expect(found == left)
        #expect(Set(found.descriptors) == [10, 11, 12, 13, 14, 15])
        let snapshot = try #require(found.routers[0].lastSnapshot)
        #expect(snapshot.state == .master && snapshot.lastAdvertSent == 12_345 && snapshot.held.count == 1)
        #expect(found.routers[1].lastSnapshot == nil)
        #expect(found.status.state == .underWay && found.status.at == Timestamp(milliseconds: 1_500))
    }

    @Test func `another format or other messages are told from each other and from nonsense`() throws {
        var left = inheritance([router("web")])
        left.format = Inheritance.format + 1
        guard case .unusable(let reason, let status) = Inheritance.decode(try left.encode()) else {
            Issue.record("believed")
            return
        }
        #expect(reason.contains("version 0.1.0") && reason.contains("format \(left.format)"))
        #expect(status?.state == .restarted && status?.from == "0.1.0" && status?.text == reason)
        left = inheritance([router("web")])
        left.messages = messagesVersion + 1
        guard case .unusable(_, _?) = Inheritance.decode(try left.encode()) else {
            Issue.record("believed")
            return
        }
        guard case .unusable(_, nil) = Inheritance.decode(Array("{}".utf8)) else {
            Issue.record("believed")
            return
        }
    }

    @Test func `numbers stay those of the engine, but for another election or another check of the same name`() {
        let left = inheritance(
            [router("web"), router("mail", vrid: 2)], checks: [check("witness"), check("disk", .shell("false"))])
        let configuration = Configuration(
            checks: [check("witness"), check("disk", .shell("exit 1"))],
            routers: [
                router("mail", vrid: 3, checks: [RouterCheck(name: "disk", effect: .fault)]),
                router("web", checks: [RouterCheck(name: "witness", effect: .fault)]), router("new", vrid: 9),
            ])
        var numbering = Numbering(lastRouter: left.lastRouter, lastCheck: left.lastCheck)
        let now = numbering.number(configuration, after: left.known(in: configuration))
        #expect(now.routers.map(\.router) == [RouterID(9), RouterID(7), RouterID(10)])
        #expect(now.checks.map(\.check) == [CheckID(3), CheckID(5)])
        #expect(now.routers[1].election.checks.map(\.check) == [CheckID(3)])
    }

    @Test func `a start without a variable is one like others, and a descriptor that is not there is no harm`() {
        guard case .nothing = Inheritance.find(in: ["PATH=/bin"]) else {
            Issue.record("found something")
            return
        }
    }

    @Test func `a supervisor that does not know what it was started as refuses, and so does one behind a gate`() throws
    {
        let agent = try Agent(Configuration(routers: [router("web", gateClaim: .shell("sleep 30"))]))
        let engine = try #require(try agent.nextEngine())
        #expect(agent.ask(.upgrade) == .refused("no upgrade now: the agent is starting"))
        engine.start()
        #expect(eventually { agent.mirror.engine.state == .running })
        #expect(agent.ask(.upgrade) == .refused("no upgrade: it is not known what this process was started as"))
        engine.send(.gateWanted(RouterID(1), .claim, sequence: 1, cause: .owner))
        #expect(eventually { !agent.logged("gate-started").isEmpty })
        #expect(agent.ask(.upgrade) == .refused("no upgrade now: a gate runs; try again when it has ended"))
        agent.stop(engine)
    }
}
