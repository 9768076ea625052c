// The whole supervisor against a scripted engine: start, death and resumption, stop, gates.

import Configuration
import Election
import Glibc
import Messages
import System
import Testing
import Wire

@testable import Supervisor

/// A transition at this moment.
func transition(_ from: StateName, _ to: StateName, _ cause: Cause) -> Transition {
    Transition(
        from: from, to: to, cause: cause, at: Instant(nanoseconds: Clock.monotonic()), effectivePriority: 100)
}

func snapshot(_ router: UInt32, _ state: StateName) -> RouterSnapshot {
    var snapshot = RouterSnapshot(router: RouterID(router), state: state)
    snapshot.taken = Clock.boottime()
    return snapshot
}

@Suite(.serialized) struct SupervisorLifeTests {
    private let witness = check("witness")
    private var database: RouterConfiguration {
        router("database", vrid: 1, checks: [RouterCheck(name: "witness", effect: .fault)])
    }

    @Test func `a start says hello, tells what is configured, and is ready when the engine is`() throws {
        let agent = try Agent(Configuration(checks: [witness], routers: [database, router("web", vrid: 2)]))
        let engine = try #require(try agent.nextEngine())
        var election = database.election
        election.checks = [CheckReference(check: CheckID(1), effect: .fault)]
        let commands = engine.commands(through: .commit)
        #expect(commands.first == .hello(version: messagesVersion))
        // A verdict may come between: the check runs from the start.
        let configured = commands.dropFirst().filter { if case .verdict = $0 { false } else { true } }
        #expect(configured.count == 5 && configured.first == .limitAnnouncements(perSecond: 20_000))
        if case .check(let definition) = configured.dropFirst().first {
            #expect(definition.check == CheckID(1))
            #expect(definition.timeToLive == witness.timeToLive)
        } else {
            Issue.record("\(configured)")
        }
        #expect(configured.contains(.configure(RouterID(1), election, disabled: false)))
        #expect(configured.contains(.configure(RouterID(2), router("web", vrid: 2).election, disabled: false)))
        #expect(agent.mirror.engine.state == .starting)
        #expect(agent.mirror.engine.process == engine.process)
        engine.send(.hello(version: messagesVersion))
        engine.send(.ready)
        #expect(eventually { agent.mirror.engine.state == .running })
        #expect(engine.first { $0 == .verdict(CheckID(1), .passing) } != nil)
        #expect(eventually { agent.mirror.checks.first?.standing == .passing })
        agent.stop(engine)
    }

    @Test func `what the engine reports is mirrored, published and logged with its sentence`() throws {
        let agent = try Agent(Configuration(routers: [router("web")]))
        let engine = try agent.startedEngine()
        let events = Events()
        _ = agent.hub?.subscribe { events.add($0) }
        let peer = IPAddress.ipv4(IPv4Address(192, 0, 2, 3))
        let cause = Cause.masterSilent(master: peer, silence: .milliseconds(361), late: .microseconds(100))
        engine.send(.transition(RouterID(1), transition(.backup, .master, cause)))
        var shown = snapshot(1, .master)
        shown.lastAdvertSent = 1_000
        engine.send(.snapshot(shown))
        engine.send(.heartbeat(at: 2_000, advertised: [RouterID(1)], heard: []))
        #expect(eventually { agent.mirror.routers[0].snapshot?.lastAdvertSent == 2_000 })
        #expect(agent.mirror.routers[0].snapshot?.state == .master)
        #expect(agent.mirror.heard > 0)
        #expect(events.all.map(\.router) == ["web"])
        #expect(abs((events.all.first?.at ?? 0) - Clock.wall()) < 5_000_000_000)
        let text = "text=\"no advert from 192.0.2.3 for 361 ms (timer 0.1 ms late)\""
        #expect(
            eventually {
                agent.logged("<5>event=transition router=web from=backup to=master cause=master-silent", text).count
                    == 1
            })
        agent.stop(engine)
    }

    @Test func `a killed engine is replaced at once by one that gets sockets, snapshots and verdicts`() throws {
        let agent = try Agent(Configuration(checks: [witness], routers: [database]))
        let first = try agent.startedEngine()
        var numbers: [Int32] = [-1, -1]
        try #require(unsafe pipe(&numbers) == 0)
        let reading = Descriptor(taking: numbers[0])
        let tag = SocketTag(family: .ipv4, interfaceIndex: 3)
        let closed = SocketTag(family: .ipv6, interfaceIndex: 3)
        first.send(.socket(closed), descriptor: numbers[1])
        first.send(.socket(tag), descriptor: numbers[1])
        first.send(.socketClosed(closed))
        close(numbers[1])
        var last = snapshot(1, .master)
        last.lastAdvertSent = 5
        first.send(.snapshot(last))
        first.send(.heartbeat(at: 9, advertised: [RouterID(1)], heard: []))
        #expect(eventually { agent.mirror.routers[0].snapshot?.lastAdvertSent == 9 })
        #expect(eventually { agent.mirror.checks[0].standing == .passing })
        let killed = Clock.monotonic()
        first.kill()
        let second = try #require(try agent.nextEngine())
        // Python's start is most of it.
        #expect(Clock.monotonic() - killed < 2_000_000_000)
        let commands = second.commands(through: .commit).filter { if case .verdict = $0 { false } else { true } }
        last.lastAdvertSent = 9
        let before: [Command] = [
            .hello(version: messagesVersion), .adopt(tag), .resume(last), .limitAnnouncements(perSecond: 20_000),
        ]
        #expect(Array(commands.prefix(4)) == before)
        guard case .check(let definition) = commands.dropFirst(4).first,
            case .known(.passing, let age) = definition.verdict
        else {
            Issue.record("\(commands)")
            return
        }
        #expect(age < .seconds(5))
        #expect(commands.count == 7)
        #expect(eventually { !agent.logged("engine-ended", "how=\"killed by signal 9\"", "resuming=yes").isEmpty })
        second.send(.ready)
        #expect(eventually { agent.mirror.engine.restarts == 1 && agent.mirror.engine.state == .running })
        // The duplicate that the supervisor keeps is the socket itself: the pipe is still open for writing.
        var entry = pollfd(fd: reading.number, events: Int16(POLLIN), revents: 0)
        _ = unsafe poll(&entry, 1, 0)
        #expect(entry.revents & Int16(POLLHUP) == 0)
        agent.stop(second)
    }

    @Test func `an engine that closes its end is ended and replaced`() throws {
        let agent = try Agent(Configuration(routers: [router("web")]))
        let first = try agent.startedEngine()
        first.closePair()
        let second = try #require(try agent.nextEngine())
        #expect(second.process != first.process)
        #expect(Glibc.kill(first.process, 0) == -1)
        second.start()
        agent.stop(second)
    }

    @Test func `an engine of another build is not believed`() throws {
        let agent = try Agent(Configuration(routers: [router("web")]))
        let first = try #require(try agent.nextEngine())
        first.send(.hello(version: messagesVersion + 1))
        let second = try #require(try agent.nextEngine())
        #expect(eventually { !agent.logged("engine-refused", "version").isEmpty })
        first.closePair()
        second.start()
        agent.stop(second)
    }

    /// What an engine is told that only removes left-overs.
    private let cleaning: [Command] = [.hello(version: messagesVersion), .commit, .stop]

    @Test func `the second death within 10 s ends the trust in snapshots, the third brings a pause without addresses`()
        throws
    {
        let folder = TemporaryFolder()
        var web = router("web")
        web.hooks.onFault = .shell("echo $VIPD_PREVIOUS_STATE $VIPD_STATE $VIPD_CAUSE >> \(folder.path)/hooks")
        let agent = try Agent(Configuration(routers: [web, router("mail", vrid: 2)]))
        let events = Events()
        _ = agent.hub?.subscribe { events.add($0) }
        let first = try #require(try agent.nextEngine())
        _ = first.commands(through: .commit)
        first.send(.ready)
        first.send(.snapshot(snapshot(1, .master)))
        first.exit(1)
        let second = try #require(try agent.nextEngine())
        let resumed = second.commands(through: .commit)
        #expect(resumed.contains { if case .resume = $0 { true } else { false } })
        second.send(.transition(RouterID(1), transition(.initialize, .master, .resumed)))
        second.send(.transition(RouterID(2), transition(.initialize, .backup, .resumed)))
        second.exit(1)
        let third = try #require(try agent.nextEngine())
        // Not one that only cleans: it removes what is left itself, and is backup.
        let anew = third.commands(through: .commit)
        #expect(anew.contains { if case .configure = $0 { true } else { false } })
        #expect(!anew.contains { if case .resume = $0 { true } else { false } })
        #expect(!anew.contains { if case .adopt = $0 { true } else { false } })
        #expect(eventually { folder.lines("hooks") == ["master fault stopped"] })
        #expect(events.all.last.map { [$0.router, $0.transition.to.word] } == ["web", "fault"])
        let died = Clock.monotonic()
        third.exit(1)
        let cleaner = try #require(try agent.nextEngine())
        #expect(cleaner.commands(through: .stop) == cleaning)
        cleaner.send(.ready)
        cleaner.send(.stopped)
        cleaner.exit(0)
        #expect(eventually { agent.logged("left-overs-removed").count == 1 })
        let fourth = try #require(try agent.nextEngine())
        #expect(Clock.monotonic() - died > 700_000_000)
        let fresh = fourth.commands(through: .commit)
        #expect(!fresh.contains { if case .resume = $0 { true } else { false } })
        #expect(agent.mirror.routers[0].snapshot == nil)
        fourth.send(.ready)
        agent.stop(fourth)
    }

    @Test func `where no engine can be started, an error names the addresses that may still be there`() throws {
        let agent = try Agent(Configuration(routers: [router("web"), router("mail", vrid: 2)]))
        let engine = try agent.startedEngine()
        engine.send(.transition(RouterID(1), transition(.backup, .master, .owner)))
        #expect(eventually { !agent.logged("event=transition", "to=master").isEmpty })
        _ = try runToEnd(["/bin/rm", "\(agent.folder.path)/engine.py"])
        engine.kill()
        #expect(
            eventually {
                !agent.logged(
                    "<3>event=left-overs-not-removed", "No such file", "addresses=\"192.0.2.1/24 on eth0\""
                ).isEmpty
            })
        agent.signal(SIGTERM)
        #expect(eventually { agent.hasEnded })
    }

    @Test func `a stop lets the release gate pass, runs the last hooks and ends`() throws {
        var web = router("web", gateRelease: .shell("env | grep VIPD_ | sort; exit 4"))
        let folder = TemporaryFolder()
        web.hooks.onStop = .shell("env | grep VIPD_ | sort > \(folder.path)/stop")
        web.hooks.onMaster = .shell("true")
        let agent = try Agent(Configuration(routers: [web]))
        let engine = try agent.startedEngine()
        engine.send(.transition(RouterID(1), transition(.backup, .master, .owner)))
        engine.send(.snapshot(snapshot(1, .master)))
        agent.signal(SIGINT)
        _ = engine.commands(through: .stop)
        // A second one changes nothing.
        agent.signal(SIGTERM)
        engine.send(.gateWanted(RouterID(1), .release, sequence: 8, cause: .stopped))
        #expect(engine.next() == .gate(RouterID(1), sequence: 8, failure: .exited(4)))
        engine.send(.transition(RouterID(1), transition(.master, .initialize, .stopped)))
        engine.send(.stopped)
        engine.exit(0)
        #expect(eventually { agent.hasEnded })
        let gate = agent.logged("gate-failed", "gate=gate-release", "reason=\"exit status 4\"")
        #expect(gate.count == 1)
        #expect(gate.first?.contains(#"VIPD_CAUSE=stopped\n"#) == true)
        let lines = folder.lines("stop").filter { !$0.hasPrefix("VIPD_SEQUENCE=") }
        #expect(
            lines == [
                "VIPD_ADDRESSES=192.0.2.1/24", "VIPD_CAUSE=stopped",
                "VIPD_CAUSE_TEXT=the agent stops",
                "VIPD_INTERFACE=eth0", "VIPD_KIND=on-stop", "VIPD_PREVIOUS_STATE=master", "VIPD_PRIORITY=100",
                "VIPD_ROUTER=web", "VIPD_STATE=initialize",
            ])
    }

    @Test func `an engine that dies while it stops is followed by a last one that cleans up, and the hooks run`() throws
    {
        var web = router("web")
        let folder = TemporaryFolder()
        web.gateRelease = .shell("sleep 0.5; echo fenced | tee \(folder.path)/stop")
        web.hooks.onStop = .shell("echo $VIPD_PREVIOUS_STATE >> \(folder.path)/stop")
        web.hooks.onBackup = .shell("echo backup >> \(folder.path)/stop")
        let agent = try Agent(Configuration(routers: [web]))
        let engine = try agent.startedEngine()
        engine.send(.transition(RouterID(1), transition(.backup, .master, .owner)))
        engine.send(.snapshot(snapshot(1, .master)))
        agent.signal(SIGTERM)
        _ = engine.commands(through: .stop)
        engine.send(.gateWanted(RouterID(1), .release, sequence: 1, cause: .stopped))
        #expect(eventually { !agent.logged("gate-started").isEmpty })
        engine.kill(SIGSEGV)
        let last = try #require(try agent.nextEngine())
        // It takes part in no election, and whatever it says of one is not told to the hooks.
        #expect(last.commands(through: .stop) == cleaning)
        last.send(.transition(RouterID(1), transition(.initialize, .backup, .started)))
        // Dying again changes nothing more.
        last.exit(1)
        #expect(eventually { agent.hasEnded })
        // What stops the service was left to finish, and the last hook came after it.
        #expect(folder.lines("stop") == ["fenced", "master"])
        #expect(agent.logged("gate-opened", "output=fenced").count == 1)
        #expect(try agent.nextEngine(milliseconds: 300) == nil)
    }

    @Test func `a stop during a pause after deaths still has an engine clean up`() throws {
        let agent = try Agent(Configuration(routers: [router("web")]))
        for _ in 0..<3 {
            let engine = try #require(try agent.nextEngine())
            _ = engine.commands(through: .commit)
            engine.exit(1)
        }
        #expect(eventually { !agent.logged("engine-ended", "again-in=\"1000 ms\"", "resuming=no").isEmpty })
        agent.signal(SIGTERM)
        let last = try #require(try agent.nextEngine())
        #expect(last.commands(through: .stop) == cleaning)
        last.send(.stopped)
        last.exit(0)
        #expect(eventually { agent.hasEnded })
    }

    @Test func `an engine that reports nothing for seconds is killed and replaced`() throws {
        let agent = try Agent(Configuration(routers: [router("web")]))
        let engine = try agent.startedEngine()
        engine.send(.snapshot(snapshot(1, .master)))
        let silent = Clock.monotonic()
        let next = try #require(try agent.nextEngine(milliseconds: 30_000))
        #expect(Clock.monotonic() - silent > 4_000_000_000)
        #expect(agent.logged("engine-hangs").count == 1)
        next.start()
        agent.stop(next)
    }

    @Test func `the claim gate's answer reaches the engine and a cancelled one is silent`() throws {
        let web = router(
            "web", gateClaim: .shell("test $VIPD_CAUSE = owner -a $VIPD_STATE = master || exit 9; sleep 0.5"))
        let agent = try Agent(Configuration(routers: [web]))
        let engine = try agent.startedEngine()
        engine.send(.gateWanted(RouterID(1), .claim, sequence: 1, cause: .owner))
        engine.send(.gateCancelled(RouterID(1), sequence: 1))
        engine.send(.gateWanted(RouterID(1), .claim, sequence: 2, cause: .owner))
        #expect(engine.next() == .gate(RouterID(1), sequence: 2, failure: nil))
        // There is none of this kind: nothing holds it back.
        engine.send(.gateWanted(RouterID(1), .release, sequence: 3, cause: .stopped))
        #expect(engine.next() == .gate(RouterID(1), sequence: 3, failure: nil))
        agent.stop(engine)
    }
}

/// Collects events from the supervisor's thread.
final class Events: Sendable {
    private let state = Locked<[TransitionEvent]>([])
    func add(_ event: AgentEvent) {
        if case .transition(let event) = event { state.change { $0.append(event) } }
    }
    var all: [TransitionEvent] { state.value }
}
