// The operator's handover, through the whole supervisor with a scripted engine: the order of what the engine is told, each way in
// which it ends, and the hold that follows.

import Configuration
import Election
import Glibc
import Messages
import Status
import System
import Testing
import Wire

@testable import Supervisor

private let successor = IPAddress.ipv4(IPv4Address(192, 0, 2, 3))

@Suite(.serialized) struct SupervisorHandoverTests {
    /// An agent that is master of `web`, and its engine.
    private func master(_ configuration: RouterConfiguration = router("web")) throws -> (Agent, ScriptedEngine) {
        let agent = try Agent(Configuration(routers: [configuration]))
        let engine = try agent.startedEngine()
        engine.send(.transition(RouterID(1), transition(.backup, .master, .owner)))
        #expect(eventually { !agent.logged("to=master").isEmpty })
        return (agent, engine)
    }

    /// Orders a handover and takes what the engine is told.
    private func ordered(_ agent: Agent, _ engine: ScriptedEngine, holdFor span: Duration? = nil) -> Agent.Reply {
        let reply = agent.post(.handOver("web", holdFor: span))
        #expect(engine.next() == .hold(RouterID(1), true))
        #expect(agent.folder.lines("state/held").count == 1, "it is written down before it is ordered")
        #expect(engine.next() == .handOver(RouterID(1), patience: .zero))
        #expect(reply.value == nil)
        return reply
    }

    @Test func `a master is told to announce its addresses, others are refused`() throws {
        let (agent, engine) = try master()
        #expect(agent.ask(.announce("web")) == .announcing(addresses: 1))
        #expect(engine.next() == .announce(RouterID(1)))
        #expect(agent.ask(.announce("wbe")) == .unknownRouter)
        engine.send(.transition(RouterID(1), transition(.master, .backup, .handedOver)))
        #expect(eventually { !agent.logged("to=backup").isEmpty })
        let text = "web is backup on this host; only its master announces its addresses"
        #expect(agent.ask(.announce("web")) == .refused(text))
        agent.signal(SIGTERM)
        #expect(engine.next() == .stop)
        #expect(agent.ask(.announce("web")) == .refused("the agent is stopping"))
    }

    private func held(_ agent: Agent) -> Hold? { agent.mirror.routers[0].hold }

    @Test func `it is held first, then ordered, and answered with the figures`() throws {
        let (agent, engine) = try master()
        let before = Clock.wall()
        let reply = ordered(agent, engine, holdFor: .seconds(600))
        engine.send(.transition(RouterID(1), transition(.master, .resigning, .handedOver)))
        engine.send(
            .handover(RouterID(1), .taken(by: successor, after: .milliseconds(41), overlap: .milliseconds(50))))
        usleep(100_000)
        #expect(reply.value == nil, "its new state has not been told yet")
        engine.send(.transition(RouterID(1), transition(.resigning, .backup, .handedOver)))
        #expect(eventually { reply.value != nil })
        guard case .handedOver(let result)? = reply.value else {
            Issue.record("\(String(describing: reply.value))")
            return
        }
        #expect(result.text == "handed over to 192.0.2.3 after 41 ms; both answered for 50 ms, no gap")
        #expect(result.successor == "192.0.2.3" && result.overlap == .milliseconds(50))
        let hold = try #require(held(agent))
        #expect(result.hold == hold)
        #expect(hold.since >= before && hold.until == hold.since + 600_000_000_000)
        #expect(agent.folder.read("state/held") == "web \(hold.since) \(hold.since + 600_000_000_000)\n")
        #expect(eventually { agent.logged("event=handover ", "outcome=handed-over").count == 1 })
        agent.stop(engine)
    }

    @Test func `nobody took over: no hook was told, nothing is held, and the answer is no`() throws {
        let folder = TemporaryFolder()
        let note = CommandLine.shell("echo $VIPD_KIND $VIPD_PREVIOUS_STATE >> \(folder.path)/hooks")
        let (agent, engine) = try master(
            router("web", hooks: Hooks(onMaster: note, onBackup: note, onFault: note, onStop: note)))
        #expect(eventually { folder.lines("hooks").count == 1 })
        let reply = ordered(agent, engine)
        #expect(held(agent)?.until == nil)
        engine.send(.transition(RouterID(1), transition(.master, .resigning, .handedOver)))
        engine.send(.transition(RouterID(1), transition(.resigning, .master, .nobodyTookOver)))
        engine.send(.handover(RouterID(1), .nobody))
        #expect(engine.next() == .hold(RouterID(1), false))
        #expect(eventually { reply.value == .refused("nobody took over; this host serves on") })
        #expect(agent.folder.read("state/held") == "" && held(agent) == nil)
        // What follows is told as if nothing had been.
        engine.send(.transition(RouterID(1), transition(.master, .resigning, .disabled)))
        engine.send(.transition(RouterID(1), transition(.resigning, .disabled, .disabled)))
        #expect(eventually { folder.lines("hooks").count == 2 })
        #expect(folder.lines("hooks") == ["on-master backup", "on-stop master"])
        agent.stop(engine)
    }

    @Test func `a hook that waits is not dropped because its router resigns and takes back`() throws {
        let folder = TemporaryFolder()
        let slow = CommandLine.shell("sleep 0.4; echo $VIPD_KIND >> \(folder.path)/hooks")
        let agent = try Agent(
            Configuration(routers: [router("web", hooks: Hooks(onMaster: slow, onBackup: slow))]))
        let engine = try agent.startedEngine()
        engine.send(.transition(RouterID(1), transition(.initialize, .backup, .started)))
        engine.send(.transition(RouterID(1), transition(.backup, .master, .owner)))
        engine.send(.transition(RouterID(1), transition(.master, .resigning, .handedOver)))
        engine.send(.transition(RouterID(1), transition(.resigning, .master, .nobodyTookOver)))
        #expect(eventually { folder.lines("hooks") == ["on-backup", "on-master"] })
        agent.stop(engine)
    }

    @Test(arguments: [
        (HandoverOutcome.notMaster, "web is backup on this host, which has nothing to hand over"),
        (.gateFailed(.exited(3)), "gate-release of web failed (exit status 3); it stays master here"),
        (.interrupted, "the handover of web was interrupted; it is fault on this host now"),
    ])
    func `each other end is an answer of its own, and takes the hold back`(_ outcome: HandoverOutcome, _ text: String)
        throws
    {
        let (agent, engine) = try master()
        let reply = ordered(agent, engine)
        if outcome == .notMaster { engine.send(.transition(RouterID(1), transition(.master, .backup, .stopped))) }
        engine.send(.handover(RouterID(1), outcome))
        if outcome == .interrupted {
            engine.send(.transition(RouterID(1), transition(.master, .fault, .fault(.noCarrier))))
        }
        #expect(engine.next() == .hold(RouterID(1), false))
        #expect(eventually { reply.value == .refused(text) })
        #expect(agent.folder.read("state/held") == "")
        agent.stop(engine)
    }

    @Test func `what cannot be tried is refused at once, and the engine hears nothing`() throws {
        var owner = router("own", vrid: 2)
        owner.election.priority = 255
        let agent = try Agent(Configuration(routers: [router("web"), owner]))
        let starting = try #require(try agent.nextEngine())
        #expect(
            agent.ask(.handOver("web", holdFor: nil))
                == .untold("the engine is not running; it is not known who holds web"))
        starting.start()
        #expect(eventually { agent.mirror.engine.state == .running })
        starting.send(.transition(RouterID(1), transition(.initialize, .backup, .started)))
        #expect(eventually { !agent.logged("to=backup").isEmpty })
        #expect(
            agent.ask(.handOver("web", holdFor: nil))
                == .refused("web is backup on this host, which has nothing to hand over"))
        guard case .refused(let text)? = agent.ask(.handOver("own", holdFor: nil)) else {
            Issue.record("an owner is handed over")
            return
        }
        #expect(text.hasPrefix("own cannot be handed over: an owner") && text.contains("vipd disable own"))
        #expect(agent.ask(.handOver("wbe", holdFor: nil)) == .unknownRouter)
        #expect(agent.folder.read("state/held") == "")
        agent.signal(SIGTERM)
        #expect(starting.next() == .stop)
        starting.send(.stopped)
        starting.exit(0)
        #expect(eventually { agent.hasEnded })
    }

    @Test func `while one is under way a second and an enable are refused`() throws {
        let (agent, engine) = try master()
        let reply = ordered(agent, engine)
        #expect(agent.ask(.handOver("web", holdFor: nil)) == .refused("a handover of web is under way"))
        #expect(agent.ask(.enable("web")) == .refused("a handover of web is under way"))
        #expect(reply.value == nil)
        engine.send(.handover(RouterID(1), .nobody))
        #expect(eventually { reply.value != nil })
        agent.stop(engine)
    }

    @Test func `an engine that dies meanwhile is answered at once, and the next one holds nothing back`() throws {
        let (agent, engine) = try master()
        let reply = ordered(agent, engine)
        engine.kill()
        #expect(eventually { reply.value != nil })
        #expect(
            reply.value == .untold("the engine ended during the handover; vipd status tells who is master now"))
        let second = try #require(try agent.nextEngine())
        #expect(!second.commands(through: .commit).contains(.hold(RouterID(1), true)))
        #expect(agent.folder.read("state/held") == "")
        second.send(.ready)
        agent.stop(second)
    }

    @Test func `a hold outlives the agent, is told before the commit, and one that is over is not`() throws {
        let now = Clock.wall()
        let holds = [
            "web": Hold(since: now - 60_000_000_000), "mail": Hold(since: now - 2, until: now - 1),
            "late": Hold(since: now, until: now + 60_000_000_000),
        ]
        let routers = [router("web", vrid: 1), router("mail", vrid: 2), router("late", vrid: 3)]
        let agent = try Agent(Configuration(routers: routers), holds: holds)
        let engine = try #require(try agent.nextEngine())
        let commands = engine.commands(through: .commit)
        #expect(
            commands.suffix(3) == [.hold(RouterID(1), true), .hold(RouterID(3), true), .commit])
        engine.send(.ready)
        #expect(eventually { agent.folder.lines("state/held").map { $0.prefix(4) } == ["late", "web "] })
        #expect(agent.mirror.routers.map { $0.hold != nil } == [true, false, true])
        agent.stop(engine)
    }

    @Test func `a hold ends with its time, with mastership and with enable, and the engine is told`() throws {
        let now = Clock.wall()
        let holds = [
            "web": Hold(since: now), "mail": Hold(since: now), "late": Hold(since: now, until: now + 700_000_000),
        ]
        let routers = [router("web", vrid: 1), router("mail", vrid: 2), router("late", vrid: 3)]
        let agent = try Agent(Configuration(routers: routers), holds: holds)
        let engine = try agent.startedEngine()
        #expect(engine.next() == .hold(RouterID(3), false))
        #expect(Clock.wall() >= now + 700_000_000)
        engine.send(.transition(RouterID(1), transition(.backup, .master, .owner)))
        #expect(engine.next() == .hold(RouterID(1), false))
        #expect(agent.ask(.enable("mail")) == .done)
        #expect(engine.next() == .disable(RouterID(2), false))
        #expect(engine.next() == .hold(RouterID(2), false))
        #expect(eventually { agent.folder.read("state/held") == "" })
        #expect(agent.logged("event=hold-ended").count == 3)
        agent.stop(engine)
    }

    @Test func `a reload that gives a held router another number tells the engine again`() throws {
        let agent = try Agent(Configuration(routers: [router("web", vrid: 1)]), holds: ["web": Hold(since: 1)])
        let engine = try agent.startedEngine()
        let changed = router("web", vrid: 9)
        let next = Configuration(stateDirectory: "\(agent.folder.path)/state", routers: [changed])
        agent.configuration.withLock { $0 = .loaded(next) }
        let reply = agent.post(.reload)
        #expect(
            engine.commands(through: .commit) == [
                .remove(RouterID(1)), .configure(RouterID(2), changed.election, disabled: false),
                .hold(RouterID(2), true), .commit,
            ])
        engine.send(.ready)
        #expect(eventually { reply.value != nil })
        agent.stop(engine)
    }

    @Test func `an engine that dies while the gate fences is followed by one with the same order`() throws {
        let (agent, engine) = try master(router("web", gateRelease: .shell("sleep 0.5")))
        let reply = ordered(agent, engine)
        engine.send(.gateWanted(RouterID(1), .release, sequence: 1, cause: .handedOver))
        #expect(eventually { agent.logged("event=gate-started").count == 1 })
        engine.kill()
        let next = try #require(try agent.nextEngine())
        next.send(.hello(version: messagesVersion))
        #expect(next.commands(through: .commit).contains(.hold(RouterID(1), true)))
        next.send(.ready)
        #expect(next.first { $0 == .handOver(RouterID(1), patience: .zero) } != nil)
        #expect(reply.value == nil && held(agent) != nil)
        next.send(.handover(RouterID(1), .notMaster))
        #expect(eventually { reply.value != nil })
        agent.stop(next)
    }

    @Test func `an engine that dies on the way out leaves the router held back`() throws {
        let (agent, engine) = try master()
        let reply = ordered(agent, engine)
        engine.send(.transition(RouterID(1), transition(.master, .resigning, .handedOver)))
        #expect(eventually { !agent.logged("to=resigning").isEmpty })
        engine.kill()
        #expect(eventually { reply.value != nil })
        #expect(held(agent) != nil, "another host may be master by now")
        let next = try #require(try agent.nextEngine())
        next.send(.hello(version: messagesVersion))
        #expect(next.commands(through: .commit).contains(.hold(RouterID(1), true)))
        next.send(.ready)
        agent.stop(next)
    }

    @Test func `what cannot be written down is not ordered`() throws {
        let (agent, engine) = try master()
        _ = try? runToEnd(["/bin/rm", "-rf", "\(agent.folder.path)/state"])
        agent.folder.write("state", "a file where a folder should be")
        guard case .refused(let text)? = agent.ask(.handOver("web", holdFor: nil)) else {
            Issue.record("not refused")
            return
        }
        #expect(text.hasPrefix("web cannot be handed over: "))
        #expect(held(agent) == nil)
        agent.signal(SIGTERM)
        #expect(engine.commands(through: .stop).allSatisfy { $0 == .hold(RouterID(1), false) || $0 == .stop })
        engine.send(.stopped)
        engine.exit(0)
        #expect(eventually { agent.hasEnded })
    }

    @Test func `a stop waits for the longest resignation`() throws {
        var slow = router("slow", vrid: 2)
        slow.election.advertisementInterval = .seconds(30)
        let agent = try Agent(Configuration(routers: [router("web"), slow]))
        let engine = try agent.startedEngine()
        agent.stop(engine)
        #expect(agent.logged("event=stopping", "within=\"35.3 s\"").count == 1)
    }

    @Test func `the limits of a handover cover what it may have to wait for`() {
        var web = router("web")
        web.election.advertisementInterval = .milliseconds(100)
        #expect(web.handoverLimit(masterDown: .milliseconds(361)) == .milliseconds(5_400))
        web = router("web", gateClaim: .shell("true", timeout: .seconds(20)))
        #expect(web.successorPatience == .seconds(20))
        #expect(web.handoverLimit(masterDown: .milliseconds(3_609)) == .seconds(4 + 20 + 20 + 5))
        web.gateRelease = .shell("true")
        #expect(web.handoverLimit(masterDown: .milliseconds(3_609)) == .seconds(5 + 4 + 20 + 20 + 5))
    }
}

@Suite struct HoldStoreTests {
    @Test func `holds survive, are replaced as a whole, and what is no line of ours is passed over`() throws {
        let folder = TemporaryFolder()
        let store = HoldStore(directory: "\(folder.path)/state")
        #expect(try store.read() == [:])
        let holds = ["web": Hold(since: 5), "mail": Hold(since: 6, until: 7)]
        try store.write(holds)
        #expect(folder.read("state/held") == "mail 6 7\nweb 5 -\n")
        #expect(try HoldStore(directory: "\(folder.path)/state").read() == holds)
        folder.write("state/held", "mail 6 7\nweb five -\nx\n\na 1 2 3\nb 1 never\n")
        #expect(try store.read() == ["mail": Hold(since: 6, until: 7)])
        try store.write([:])
        #expect(try store.read() == [:])
    }
}
