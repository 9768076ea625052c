// Requests to the whole supervisor: reload, disable, enable.

import Configuration
import Election
import Glibc
import Messages
import System
import Testing

@testable import Supervisor

@Suite(.serialized) struct ControlTests {
    private func configured(_ agent: Agent, _ routers: [RouterConfiguration]) -> Configuration {
        Configuration(stateDirectory: "\(agent.folder.path)/state", routers: routers)
    }

    @Test func `a bad configuration changes nothing and all its errors are answered and logged`() throws {
        let agent = try Agent(Configuration(routers: [router("web")]))
        let engine = try agent.startedEngine()
        let errors = ["main.yaml:3:5: unknown key", "main.yaml:9:1: vrid is missing"]
        agent.configuration.withLock { $0 = .invalid(errors) }
        #expect(agent.ask(.reload) == .invalid(errors))
        #expect(eventually { agent.logged("<3>event=configuration-error").count == 2 })
        #expect(agent.mirror.routers.map(\.configuration.name) == ["web"])
        // Nothing was sent: the next thing the engine hears is the end.
        agent.signal(SIGTERM)
        #expect(engine.next() == .stop)
        engine.exit(0)
        #expect(eventually { agent.hasEnded })
    }

    @Test func `a good one sends the differences and is answered when the engine is ready`() throws {
        let agent = try Agent(Configuration(routers: [router("web", vrid: 1), router("database", vrid: 2)]))
        let engine = try agent.startedEngine()
        var changed = router("database", vrid: 2)
        changed.election.priority = 9
        var next = configured(agent, [router("web", vrid: 1), changed, router("mail", vrid: 3)])
        next.statusSocket.path = "/elsewhere"
        agent.configuration.withLock { [next] in $0 = .loaded(next) }
        let reply = agent.post(.reload)
        #expect(
            engine.commands(through: .commit) == [
                .configure(RouterID(2), changed.election, disabled: false),
                .configure(RouterID(3), router("mail", vrid: 3).election, disabled: false),
                .commit,
            ])
        #expect(reply.value == nil)
        engine.send(.ready)
        #expect(eventually { reply.value != nil })
        #expect(reply.value == .reloaded(ReloadSummary(changed: ["database"], added: ["mail"])))
        #expect(agent.mirror.routers.map(\.configuration.name) == ["web", "database", "mail"])
        #expect(agent.moved.withLock { $0.map(\.path) } == ["/elsewhere"])
        agent.stop(engine)
    }

    @Test(arguments: [("false", KnownVerdict.cold), ("true", .unjudged)])
    func `promise 6: a failing check whose command a reload changes goes on failing until the new one succeeds`(
        _ before: String, _ expected: KnownVerdict
    ) throws {
        let web = router("web", checks: [RouterCheck(name: "witness", effect: .fault)])
        let agent = try Agent(Configuration(checks: [check("witness", .shell(before))], routers: [web]))
        let engine = try agent.startedEngine()
        _ = engine.first { if case .verdict = $0 { true } else { false } }
        var next = configured(agent, [web])
        next.checks = [check("witness", .shell("exit 4"), interval: .seconds(60))]
        agent.configuration.withLock { [next] in $0 = .loaded(next) }
        _ = agent.post(.reload)
        var definition: CheckDefinition?
        _ = engine.first {
            if case .check(let sent) = $0 { definition = sent }
            return $0 == .commit
        }
        #expect(definition?.check == CheckID(2) && definition?.verdict == expected)
        engine.send(.ready)
        agent.stop(engine)
    }

    @Test func `a status socket that cannot be moved refuses the whole reload`() throws {
        let agent = try Agent(Configuration(routers: [router("web", vrid: 1)]))
        let engine = try agent.startedEngine()
        var next = configured(agent, [router("web", vrid: 1), router("mail", vrid: 2)])
        next.statusSocket.group = "nope"
        agent.configuration.withLock { [next] in $0 = .loaded(next) }
        let error = StatusSocketError.system(SystemError("getgrnam_r", "group nope", code: ENOENT))
        agent.moveError.withLock { $0 = error }
        #expect(agent.ask(.reload) == .invalid(["\(error); nothing was changed"]))
        #expect(eventually { !agent.logged("event=reload-refused").isEmpty })
        #expect(agent.mirror.routers.map(\.configuration.name) == ["web"])
        // The next one tries again.
        agent.moveError.withLock { $0 = nil }
        let reply = agent.post(.reload)
        _ = engine.commands(through: .commit)
        engine.send(.ready)
        #expect(eventually { reply.value == .reloaded(ReloadSummary(added: ["mail"])) })
        agent.stop(engine)
    }

    @Test func `every reload looks after the status socket, whose file may have been deleted`() throws {
        let agent = try Agent(Configuration(routers: [router("web")]))
        let engine = try agent.startedEngine()
        #expect(agent.ask(.reload) == .reloaded(ReloadSummary()))
        #expect(agent.moved.withLock { $0.count } == 1)
        agent.stop(engine)
    }

    @Test func `SIGHUP reloads, and the service manager hears of it`() throws {
        let agent = try Agent(Configuration(routers: [router("web", vrid: 1)]))
        let engine = try agent.startedEngine()
        let next = configured(agent, [])
        agent.configuration.withLock { $0 = .loaded(next) }
        agent.signal(SIGHUP)
        #expect(engine.commands(through: .commit) == [.remove(RouterID(1)), .commit])
        engine.send(.ready)
        #expect(eventually { agent.mirror.routers.isEmpty })
        #expect(eventually { !agent.logged("event=reloaded", "removed=web").isEmpty })
        agent.stop(engine)
    }

    @Test func `a reload that only changes a hook is answered without the engine, and the new hook runs`() throws {
        let folder = TemporaryFolder()
        let agent = try Agent(Configuration(routers: [router("web")]))
        let engine = try agent.startedEngine()
        var changed = router("web")
        changed.hooks.onMaster = .shell("echo new > \(folder.path)/hook")
        let next = configured(agent, [changed])
        agent.configuration.withLock { $0 = .loaded(next) }
        #expect(agent.ask(.reload) == .reloaded(ReloadSummary(changed: ["web"])))
        engine.send(.transition(RouterID(1), transition(.backup, .master, .owner)))
        #expect(eventually { folder.lines("hook") == ["new"] })
        agent.stop(engine)
    }

    @Test func `a router that left the configuration still gets its last hook`() throws {
        let folder = TemporaryFolder()
        var web = router("web")
        web.hooks.onStop = .shell("echo $VIPD_ROUTER $VIPD_CAUSE > \(folder.path)/hook")
        let agent = try Agent(Configuration(routers: [web]))
        let engine = try agent.startedEngine()
        let next = configured(agent, [])
        agent.configuration.withLock { $0 = .loaded(next) }
        let reply = agent.post(.reload)
        _ = engine.commands(through: .commit)
        engine.send(.transition(RouterID(1), transition(.master, .initialize, .stopped)))
        engine.send(.ready)
        #expect(eventually { folder.lines("hook") == ["web stopped"] })
        #expect(eventually { reply.value == .reloaded(ReloadSummary(removed: ["web"])) })
        agent.stop(engine)
        #expect(folder.lines("hook").count == 1)
    }

    @Test func `a router that left gets its last hook even if the engine dies before it is gone`() throws {
        let folder = TemporaryFolder()
        var web = router("web")
        web.hooks.onStop = .shell("echo $VIPD_PREVIOUS_STATE $VIPD_CAUSE >> \(folder.path)/hook")
        let agent = try Agent(Configuration(routers: [web]))
        let engine = try agent.startedEngine()
        engine.send(.transition(RouterID(1), transition(.backup, .master, .owner)))
        let next = configured(agent, [])
        agent.configuration.withLock { $0 = .loaded(next) }
        let reply = agent.post(.reload)
        _ = engine.commands(through: .commit)
        engine.kill()
        let second = try agent.startedEngine()
        #expect(eventually { reply.value == .reloaded(ReloadSummary(removed: ["web"])) })
        #expect(eventually { folder.lines("hook") == ["master reconfigured"] })
        agent.stop(second)
        #expect(folder.lines("hook").count == 1)
    }

    @Test func `a release gate outlives its engine, and disable is answered after both`() throws {
        let folder = TemporaryFolder()
        let gate = CommandLine.shell("sleep 1; echo fenced > \(folder.path)/gate; exit 5")
        let agent = try Agent(Configuration(routers: [router("web", gateRelease: gate)]))
        let engine = try agent.startedEngine()
        engine.send(.transition(RouterID(1), transition(.backup, .master, .owner)))
        let reply = agent.post(.disable("web"))
        #expect(engine.next() == .disable(RouterID(1), true))
        engine.send(.gateWanted(RouterID(1), .release, sequence: 1, cause: .disabled))
        #expect(eventually { !agent.logged("gate-started").isEmpty })
        engine.kill()
        let second = try agent.startedEngine()
        second.send(.transition(RouterID(1), transition(.backup, .disabled, .disabled)))
        #expect(eventually { !agent.logged("event=transition", "to=disabled").isEmpty })
        #expect(folder.lines("gate").isEmpty && reply.value == nil)
        #expect(eventually { reply.value == .done })
        #expect(folder.lines("gate") == ["fenced"])
        #expect(eventually { agent.logged("gate-failed", "its engine is gone").count == 1 })
        // The result was no answer for the new engine.
        agent.signal(SIGTERM)
        #expect(second.next() == .stop)
        second.send(.stopped)
        second.exit(0)
        #expect(eventually { agent.hasEnded })
    }

    @Test func `a router left behind by a dead engine ends once, after its release gate`() throws {
        let folder = TemporaryFolder()
        let gate = CommandLine.shell("sleep 1; echo gate >> \(folder.path)/log")
        let hook = CommandLine.shell("echo $VIPD_KIND $VIPD_CAUSE >> \(folder.path)/log")
        let web = router("web", gateRelease: gate, hooks: Hooks(onStop: hook))
        let agent = try Agent(Configuration(routers: [web]))
        let engine = try agent.startedEngine()
        engine.send(.transition(RouterID(1), transition(.backup, .master, .owner)))
        let next = configured(agent, [])
        agent.configuration.withLock { $0 = .loaded(next) }
        _ = agent.post(.reload)
        _ = engine.commands(through: .commit)
        engine.send(.gateWanted(RouterID(1), .release, sequence: 1, cause: .reconfigured))
        #expect(eventually { !agent.logged("gate-started").isEmpty })
        engine.kill()
        let second = try agent.startedEngine()
        #expect(folder.lines("log").isEmpty)
        #expect(eventually { folder.lines("log").count == 2 })
        agent.stop(second)
        #expect(folder.lines("log") == ["gate", "on-stop reconfigured"])
    }

    @Test func `enable is refused while the release gate of a disable runs, and the disable goes on`() throws {
        let folder = TemporaryFolder()
        let gate = CommandLine.shell("sleep 0.7; echo fenced > \(folder.path)/gate")
        let agent = try Agent(Configuration(routers: [router("web", gateRelease: gate)]))
        let engine = try agent.startedEngine()
        engine.send(.transition(RouterID(1), transition(.backup, .master, .owner)))
        #expect(eventually { !agent.logged("event=transition", "to=master").isEmpty })
        let reply = agent.post(.disable("web"))
        let early = agent.post(.enable("web"))
        #expect(engine.next() == .disable(RouterID(1), true))
        #expect(eventually { early.value != nil })
        #expect(early.value == .refused("a disable of web is under way: its gate-release runs"))
        engine.send(.gateWanted(RouterID(1), .release, sequence: 1, cause: .disabled))
        #expect(eventually { !agent.logged("gate-started").isEmpty })
        #expect(
            agent.ask(.enable("web")) == .refused("a disable of web is under way: its gate-release runs"))
        #expect(agent.folder.read("state/disabled") == "web\n")
        #expect(agent.mirror.routers[0].disabled)
        // The engine hears nothing of it.
        #expect(engine.next() == .gate(RouterID(1), sequence: 1, failure: nil))
        #expect(folder.lines("gate") == ["fenced"])
        engine.send(.transition(RouterID(1), transition(.master, .disabled, .disabled)))
        #expect(eventually { reply.value == .done })
        #expect(agent.ask(.enable("web")) == .done)
        #expect(engine.next() == .disable(RouterID(1), false))
        agent.stop(engine)
    }

    @Test func `a dead engine's claim gate is ended, and logged`() throws {
        let folder = TemporaryFolder()
        let gate = CommandLine.shell("sleep 1; echo late > \(folder.path)/gate")
        let agent = try Agent(Configuration(routers: [router("web", gateClaim: gate)]))
        let engine = try agent.startedEngine()
        engine.send(.gateWanted(RouterID(1), .claim, sequence: 1, cause: .owner))
        #expect(eventually { !agent.logged("gate-started").isEmpty })
        engine.kill()
        let second = try agent.startedEngine()
        #expect(eventually { agent.logged("gate-cancelled", "router=web", "its engine is gone").count == 1 })
        agent.stop(second)
        #expect(folder.lines("gate").isEmpty)
    }

    /// A router whose hooks write down when they begin and end; the first of them takes its time.
    private func noting(_ folder: TemporaryFolder, vrid: UInt8) -> RouterConfiguration {
        let note = CommandLine.shell(
            "echo begin $VIPD_KIND >> \(folder.path)/hooks; echo $VIPD_SEQUENCE >> \(folder.path)/numbers; sleep 0.2; "
                + "echo end $VIPD_KIND >> \(folder.path)/hooks")
        return router("web", vrid: vrid, hooks: Hooks(onMaster: note, onBackup: note, onFault: note, onStop: note))
    }

    /// An agent whose only router was master under one VRID and has another one since a reload.
    private func moved(_ folder: TemporaryFolder) throws -> (agent: Agent, engine: ScriptedEngine) {
        let agent = try Agent(Configuration(routers: [noting(folder, vrid: 1)]))
        let engine = try agent.startedEngine()
        engine.send(.transition(RouterID(1), transition(.backup, .master, .owner)))
        #expect(eventually { folder.lines("hooks").count == 2 })
        let next = configured(agent, [noting(folder, vrid: 2)])
        agent.configuration.withLock { $0 = .loaded(next) }
        let reply = agent.post(.reload)
        #expect(
            engine.commands(through: .commit) == [
                .remove(RouterID(1)), .configure(RouterID(2), next.routers[0].election, disabled: false), .commit,
            ])
        engine.send(.ready)
        #expect(eventually { reply.value == .reloaded(ReloadSummary(changed: ["web"])) })
        return (agent, engine)
    }

    @Test func `a router that goes over to another VRID tells its end first, in one queue with what follows`() throws {
        let folder = TemporaryFolder()
        let (agent, engine) = try moved(folder)
        // The new one may have news before the old one's release gate has passed.
        engine.send(.transition(RouterID(2), transition(.initialize, .fault, .fault(.noCarrier))))
        engine.send(.transition(RouterID(2), transition(.fault, .backup, .recovered)))
        usleep(300_000)
        #expect(folder.lines("hooks").count == 2)
        engine.send(.transition(RouterID(1), transition(.master, .initialize, .reconfigured)))
        #expect(eventually { folder.lines("hooks").count == 6 })
        engine.send(.transition(RouterID(2), transition(.backup, .master, .owner)))
        #expect(eventually { folder.lines("hooks").count == 8 })
        #expect(
            folder.lines("hooks") == [
                "begin on-master", "end on-master", "begin on-stop", "end on-stop", "begin on-backup",
                "end on-backup", "begin on-master", "end on-master",
            ])
        let numbers = folder.lines("numbers").compactMap { Int64($0) }
        #expect(numbers == numbers.first.map { Array($0..<$0 + 4) })
        agent.stop(engine)
    }

    @Test func `an end that a dying engine did not report is told when the next one is ready`() throws {
        let folder = TemporaryFolder()
        let (agent, engine) = try moved(folder)
        engine.kill()
        let second = try #require(try agent.nextEngine())
        second.send(.hello(version: messagesVersion))
        second.send(.transition(RouterID(2), transition(.initialize, .backup, .started)))
        usleep(300_000)
        #expect(folder.lines("hooks").count == 2)
        second.send(.ready)
        #expect(eventually { folder.lines("hooks").count == 6 })
        #expect(folder.lines("hooks").dropFirst(2).first == "begin on-stop")
        #expect(folder.lines("hooks").last == "end on-backup")
        agent.stop(second)
    }

    @Test func `a router that leaves before it has begun holds nobody back`() throws {
        let folder = TemporaryFolder()
        let (agent, engine) = try moved(folder)
        let next = configured(agent, [noting(folder, vrid: 3)])
        agent.configuration.withLock { $0 = .loaded(next) }
        let reply = agent.post(.reload)
        _ = engine.commands(through: .commit)
        engine.send(.ready)
        #expect(eventually { reply.value != nil })
        engine.send(.transition(RouterID(1), transition(.master, .initialize, .reconfigured)))
        engine.send(.transition(RouterID(3), transition(.initialize, .backup, .started)))
        #expect(eventually { folder.lines("hooks").last == "end on-backup" })
        #expect(folder.lines("hooks").count == 6)
        agent.stop(engine)
    }

    @Test func `disable is written down first, told, and answered when the router is out`() throws {
        let agent = try Agent(Configuration(routers: [router("web")]))
        let engine = try agent.startedEngine()
        let reply = agent.post(.disable("web"))
        #expect(engine.next() == .disable(RouterID(1), true))
        #expect(agent.folder.read("state/disabled") == "web\n")
        #expect(agent.mirror.routers[0].disabled)
        #expect(reply.value == nil)
        engine.send(.transition(RouterID(1), transition(.master, .disabled, .disabled)))
        #expect(eventually { reply.value == .done })
        // Again: there is nothing to wait for.
        #expect(agent.ask(.disable("web")) == .done)
        #expect(engine.next() == .disable(RouterID(1), true))
        #expect(agent.ask(.enable("web")) == .done)
        #expect(engine.next() == .disable(RouterID(1), false))
        #expect(agent.folder.read("state/disabled") == "")
        #expect(!agent.mirror.routers[0].disabled)
        #expect(agent.ask(.enable("wbe")) == .unknownRouter)
        agent.stop(engine)
    }

    @Test func `enable is refused while a disable is awaited, and who asks again waits the whole time`() throws {
        let agent = try Agent(Configuration(routers: [router("web")]))
        let engine = try agent.startedEngine()
        func pass(seconds: Int) {
            for _ in 0..<seconds {
                usleep(1_000_000)
                engine.send(.heartbeat(at: Clock.boottime(), advertised: [], heard: []))
            }
        }
        let first = agent.post(.disable("web"))
        #expect(engine.next() == .disable(RouterID(1), true))
        #expect(agent.ask(.enable("web")) == .refused("a disable of web is under way"))
        #expect(first.value == nil)
        pass(seconds: 2)
        let second = agent.post(.disable("web"))
        #expect(engine.next() == .disable(RouterID(1), true))
        // The 5 s and the time of a resignation are counted from here, not from the first request.
        pass(seconds: 5)
        #expect(second.value == nil)
        #expect(first.value == .refused("web is not given up yet; it is disabled as soon as it is"))
        #expect(eventually { second.value != nil })
        #expect(second.value == .refused("web is not given up yet; it is disabled as soon as it is"))
        agent.stop(engine)
    }

    @Test func `a disabling that waits goes on when a reload gives the router another number`() throws {
        let agent = try Agent(Configuration(routers: [router("web", vrid: 1)]))
        let engine = try agent.startedEngine()
        let reply = agent.post(.disable("web"))
        #expect(engine.next() == .disable(RouterID(1), true))
        let next = configured(agent, [router("web", vrid: 2)])
        agent.configuration.withLock { $0 = .loaded(next) }
        _ = agent.post(.reload)
        #expect(
            engine.commands(through: .commit).contains(
                .configure(RouterID(2), next.routers[0].election, disabled: true)))
        engine.send(.ready)
        engine.send(.transition(RouterID(1), transition(.master, .initialize, .reconfigured)))
        engine.send(.transition(RouterID(2), transition(.initialize, .disabled, .disabled)))
        #expect(eventually { reply.value == .done })
        agent.stop(engine)
    }

    @Test func `a disabled router stays out over a restart`() throws {
        let agent = try Agent(Configuration(routers: [router("web")]), disabled: ["web"])
        let engine = try #require(try agent.nextEngine())
        let commands = engine.commands(through: .commit)
        #expect(commands.contains(.configure(RouterID(1), router("web").election, disabled: true)))
        #expect(agent.mirror.routers[0].disabled)
        agent.stop(engine)
    }

    @Test func `a failed release gate takes the disabling back`() throws {
        let agent = try Agent(Configuration(routers: [router("web", gateRelease: .shell("exit 1"))]))
        let engine = try agent.startedEngine()
        let reply = agent.post(.disable("web"))
        #expect(engine.next() == .disable(RouterID(1), true))
        engine.send(.gateWanted(RouterID(1), .release, sequence: 1, cause: .stopped))
        #expect(engine.next() == .gate(RouterID(1), sequence: 1, failure: .exited(1)))
        engine.send(.notice(.releaseGateFailed(RouterID(1), .exited(1), stopping: false)))
        #expect(eventually { reply.value != nil })
        #expect(
            reply.value == .refused("gate-release of web failed (exit status 1); it stays master and enabled"))
        #expect(agent.folder.read("state/disabled") == "")
        #expect(engine.next() == .disable(RouterID(1), false))
        agent.stop(engine)
    }

    @Test func `what cannot be written down is not done`() throws {
        let agent = try Agent(Configuration(routers: [router("web")]))
        let engine = try agent.startedEngine()
        agent.folder.write("state", "a file where a folder should be")
        guard case .refused(let text) = agent.ask(.disable("web")) else {
            Issue.record("not refused")
            return
        }
        #expect(text.hasPrefix("web cannot be disabled: "))
        #expect(!agent.mirror.routers[0].disabled)
        agent.stop(engine)
    }
}
