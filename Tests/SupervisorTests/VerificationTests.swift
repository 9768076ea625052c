// Whether takeovers arrived, from the engine's word to the log, the events, the hook and the operator who asked.

import Configuration
import Election
import Glibc
import Messages
import System
import Testing
import Wire

@testable import Supervisor

private let vip = IPAddress.ipv4(IPv4Address(192, 0, 2, 10))
private let gateway = IPAddress.ipv4(IPv4Address(192, 0, 2, 1))

@Suite(.serialized) struct VerificationTests {
    private func verification(
        _ answered: Duration?, began: Int64 = Clock.boottime(), isOrdered: Bool = false, isComplete: Bool = true
    ) -> Verification {
        Verification(
            began: Instant(nanoseconds: began), isOrdered: isOrdered,
            questions: [
                Verification.Question(
                    address: vip, target: gateway, witness: .gateway, asked: 4, answered: answered)
            ], isComplete: isComplete)
    }

    /// An agent that is master, with a hook that writes down what it is told.
    private func master() throws -> (agent: Agent, engine: ScriptedEngine, hooks: TemporaryFolder) {
        var configuration = router("web")
        let folder = TemporaryFolder()
        configuration.hooks.onVerified = .shell(
            "echo \"$VIPD_KIND|$VIPD_VERIFIED|$VIPD_UNVERIFIED\" >> \(folder.path)/hooks", timeout: .seconds(5))
        let agent = try Agent(Configuration(routers: [configuration]))
        let engine = try agent.startedEngine()
        let move = transition(.backup, .master, .owner)
        var snapshot = RouterSnapshot(router: RouterID(1), state: .master)
        snapshot.lastTransition = move
        engine.send(.snapshot(snapshot))
        engine.send(.transition(RouterID(1), move))
        #expect(eventually { !agent.logged("to=master").isEmpty })
        return (agent, engine, folder)
    }

    @Test func `a takeover is told once, when it is known, and again only after the next`() throws {
        let (agent, engine, hooks) = try master()
        let heard = Locked<[AgentEvent]>([])
        _ = agent.hub?.subscribe { event in heard.change { $0.append(event) } }
        let began = Clock.boottime()
        engine.send(.verification(RouterID(1), verification(nil, began: began, isComplete: false)))
        engine.send(.verification(RouterID(1), verification(.microseconds(800), began: began, isComplete: false)))
        engine.send(.verification(RouterID(1), verification(.microseconds(800), began: began)))
        let missing = verification(nil)
        engine.send(.verification(RouterID(1), missing))
        #expect(eventually { hooks.lines("hooks").count == 2 })
        #expect(
            hooks.lines("hooks") == [
                "on-verified|192.0.2.1 (gateway) after 0.8 ms|", "on-verified||192.0.2.1 (gateway)",
            ])
        #expect(agent.logged("event=verified").count == 1)
        #expect(agent.logged("event=not-verified", "(gateway) does not send here").count == 1)
        #expect(agent.mirror.routers[0].verification == missing)
        let verdicts = heard.value.compactMap { event in
            if case .verified("web", let verification, _) = event { verification.verdict } else { nil }
        }
        #expect(verdicts == [.verified, .unanswered])
        engine.send(.transition(RouterID(1), transition(.master, .backup, .handedOver)))
        #expect(eventually { agent.mirror.routers[0].verification == nil }, "who is not master has nothing to verify")
        engine.send(.verification(RouterID(1), missing))
        engine.send(.transition(RouterID(1), transition(.backup, .master, .owner)))
        #expect(eventually { agent.logged("to=master").count == 2 })
        #expect(agent.mirror.routers[0].verification == nil, "what comes too late is of the past")
    }

    @Test func `who asks gets the answer to his own question, once it is complete, and no hook is run`() throws {
        let (agent, engine, hooks) = try master()
        let reply = agent.post(.verify("web"))
        #expect(engine.next() == .verify(RouterID(1)))
        engine.send(.verification(RouterID(1), verification(nil, began: Clock.boottime() - 5_000_000_000)))
        engine.send(.verification(RouterID(1), verification(.zero, isOrdered: true, isComplete: false)))
        usleep(50_000)
        #expect(reply.value == nil)
        engine.send(.verification(RouterID(1), verification(.milliseconds(2), isOrdered: true)))
        #expect(eventually { reply.value != nil })
        guard case .verified(let status)? = reply.value else {
            Issue.record("\(String(describing: reply.value))")
            return
        }
        #expect(status.verdict == "verified" && status.text == "verified by 192.0.2.1 (gateway) after 2 ms")
        #expect(status.answers.map(\.afterMs) == [2] && status.complete)
        usleep(100_000)
        #expect(hooks.lines("hooks").count == 1, "that of the takeover")
    }

    @Test func `who is not master cannot be asked, and who asked hears when that ends, or the engine`() throws {
        let (agent, engine, _) = try master()
        #expect(agent.ask(.verify("wbe")) == .unknownRouter)
        let reply = agent.post(.verify("web"))
        #expect(engine.next() == .verify(RouterID(1)))
        engine.send(.transition(RouterID(1), transition(.master, .backup, .handedOver)))
        #expect(eventually { reply.value == .refused("web has become backup on this host meanwhile") })
        let refusal = ControlReply.refused("web is backup on this host; only its master can be verified")
        #expect(agent.ask(.verify("web")) == refusal)
        engine.send(.transition(RouterID(1), transition(.backup, .master, .owner)))
        #expect(eventually { agent.logged("to=master").count == 2 })
        let lost = agent.post(.verify("web"))
        #expect(engine.next() == .verify(RouterID(1)))
        kill(engine.process, SIGKILL)
        #expect(eventually { lost.value == .untold("the engine ended before it had said who answered") })
    }
}
