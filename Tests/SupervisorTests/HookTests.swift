// Which hooks are run when: they follow the transitions that are news, one after the other for each virtual router.

import Configuration
import Election
import Glibc
import System
import Testing

@testable import Supervisor

@Suite(.serialized) struct SupervisorHookTests {
    @Test func `a fault that only waits for a first result calls no hook until it is one`() throws {
        var web = router("web", checks: [RouterCheck(name: "witness", effect: .fault)])
        let folder = TemporaryFolder()
        web.hooks.onFault = .shell("echo \"$VIPD_CAUSE_TEXT\" >> \(folder.path)/fault")
        web.hooks.onBackup = .shell("echo backup >> \(folder.path)/fault")
        let agent = try Agent(Configuration(checks: [check("witness", interval: .seconds(60))], routers: [web]))
        let engine = try agent.startedEngine()
        let pending = Fault.check(CheckID(1), .pending)
        engine.send(.transition(RouterID(1), transition(.initialize, .fault, .fault(pending))))
        var shown = snapshot(1, .fault)
        shown.faults = [pending]
        engine.send(.snapshot(shown))
        engine.send(.transition(RouterID(1), transition(.fault, .backup, .recovered)))
        #expect(eventually { folder.lines("fault") == ["backup"] })
        engine.send(.transition(RouterID(1), transition(.initialize, .fault, .fault(pending))))
        shown.faults = [.check(CheckID(1), .timedOut)]
        engine.send(.snapshot(shown))
        engine.send(.snapshot(shown))
        #expect(eventually { folder.lines("fault") == ["backup", "check witness: late (timed out)"] })
        engine.send(.transition(RouterID(1), transition(.initialize, .fault, .fault(.noCarrier))))
        #expect(eventually { agent.logged("<4>event=transition", "to=fault").count == 1 })
        // The start of every day is no warning.
        #expect(agent.logged("<6>event=transition", "to=fault", "not run yet").count == 2)
        agent.stop(engine)
        #expect(folder.lines("fault").count == 3)
    }

    @Test func `hooks follow the transitions, but not one that only continues`() throws {
        var web = router("web")
        let folder = TemporaryFolder()
        let note = CommandLine.shell(
            "echo $VIPD_KIND $VIPD_CAUSE >> \(folder.path)/hooks; echo $VIPD_SEQUENCE >> \(folder.path)/numbers")
        let begin = Clock.wall() / 1_000_000
        web.hooks = Hooks(onMaster: note, onBackup: note, onFault: note, onStop: note)
        let agent = try Agent(Configuration(routers: [web]))
        let engine = try agent.startedEngine()
        func go(_ transition: Transition, _ count: Int) {
            engine.send(.transition(RouterID(1), transition))
            #expect(eventually { folder.lines("hooks").count == count })
        }
        go(transition(.initialize, .backup, .started), 1)
        go(transition(.backup, .master, .owner), 2)
        engine.send(.transition(RouterID(1), transition(.initialize, .master, .resumed)))
        go(transition(.master, .fault, .fault(.noCarrier)), 3)
        go(transition(.fault, .disabled, .disabled), 4)
        #expect(
            folder.lines("hooks") == [
                "on-backup started", "on-master owner", "on-fault fault", "on-stop disabled",
            ])
        engine.send(.transition(RouterID(1), transition(.disabled, .initialize, .stopped)))
        agent.stop(engine)
        // The numbers of an agent that starts later are greater: they begin with the time of day.
        let numbers = folder.lines("numbers").compactMap { Int64($0) }
        #expect(numbers == (numbers.first.map { Array($0..<$0 + 4) } ?? []))
        #expect(numbers.first.map { $0 > begin } ?? false)
        // It was told that it is over when it was disabled.
        #expect(folder.lines("hooks").count == 4)
    }

    @Test func `a newer state without a hook drops the waiting hook of an older one`() throws {
        let folder = TemporaryFolder()
        var web = router("web")
        web.hooks.onFault = .shell("echo fault >> \(folder.path)/hooks; sleep 0.5")
        web.hooks.onBackup = .shell("echo fence >> \(folder.path)/hooks")
        let agent = try Agent(Configuration(routers: [web]))
        let engine = try agent.startedEngine()
        engine.send(.transition(RouterID(1), transition(.master, .fault, .fault(.noCarrier))))
        #expect(eventually { folder.lines("hooks") == ["fault"] })
        engine.send(.transition(RouterID(1), transition(.fault, .backup, .recovered)))
        engine.send(.transition(RouterID(1), transition(.backup, .master, .owner)))
        #expect(eventually { agent.logged("hook-superseded", "hook=on-backup", "by=master").count == 1 })
        #expect(eventually { !agent.logged("hook-ended", "hook=on-fault").isEmpty })
        usleep(200_000)
        #expect(folder.lines("hooks") == ["fault"])
        agent.stop(engine)
    }

    @Test(arguments: [StateName.backup, .master])
    func `a router that goes on in its state under a new engine calls no hook and is published as it is`(
        _ state: StateName
    ) throws {
        let folder = TemporaryFolder()
        var web = router("web")
        let note = CommandLine.shell("echo $VIPD_KIND $VIPD_CAUSE >> \(folder.path)/hooks")
        web.hooks = Hooks(onMaster: note, onBackup: note, onFault: note)
        let agent = try Agent(Configuration(routers: [web]))
        let first = try agent.startedEngine()
        let events = Events()
        _ = agent.hub?.subscribe { events.add($0) }
        first.send(.transition(RouterID(1), transition(.initialize, state, .owner)))
        #expect(eventually { folder.lines("hooks").count == 1 })
        first.kill()
        let second = try #require(try agent.nextEngine())
        // The new one shows how it is before it has resumed.
        second.send(.snapshot(snapshot(1, .initialize)))
        second.send(.transition(RouterID(1), transition(.initialize, state, .resumed)))
        second.send(.transition(RouterID(1), transition(state, .fault, .fault(.noCarrier))))
        #expect(eventually { folder.lines("hooks").count == 2 })
        #expect(folder.lines("hooks") == ["on-\(state) owner", "on-fault fault"])
        #expect(events.all.map(\.transition.cause) == [.owner, .resumed, .fault(.noCarrier)])
        #expect(events.all.map(\.transition.from) == [.initialize, .initialize, state])
        agent.stop(second)
    }

    @Test func `a router that resumes in another state is news`() throws {
        let folder = TemporaryFolder()
        var web = router("web")
        web.hooks.onBackup = .shell("echo $VIPD_CAUSE >> \(folder.path)/hooks")
        let agent = try Agent(Configuration(routers: [web]))
        let first = try agent.startedEngine()
        first.send(.transition(RouterID(1), transition(.backup, .master, .owner)))
        #expect(eventually { agent.logged("event=transition").count == 1 })
        first.kill()
        let second = try #require(try agent.nextEngine())
        second.send(.transition(RouterID(1), transition(.initialize, .backup, .resumed)))
        #expect(eventually { folder.lines("hooks") == ["resumed"] })
        agent.stop(second)
    }
}
