// What becomes of the engine's notices and of the configuration's warnings: log lines of the right level, and events.

import Configuration
import Election
import Glibc
import Messages
import Testing
import Wire

@testable import Supervisor

@Suite(.serialized) struct NoticeTests {
    @Test func `what a peer is configured with otherwise is logged and published; without preemption equals are meant`()
        throws
    {
        var calm = router("calm")
        calm.election.preempt = false
        calm.election.vrid = 99
        let agent = try Agent(Configuration(routers: [router("web"), calm]))
        let engine = try agent.startedEngine()
        let heard = Locked<[AgentEvent]>([])
        _ = agent.hub?.subscribe { event in heard.change { $0.append(event) } }
        let peer = IPAddress.ipv4(IPv4Address(192, 0, 2, 3))
        for number in [1, 2] as [UInt32] {
            engine.send(.notice(.peerDiffers(RouterID(number), peer: peer, what: .equalPriority(100))))
        }
        engine.send(.notice(.peerDiffers(RouterID(2), peer: peer, what: .version(own: .v3, peer: 2))))
        engine.send(.notice(.unsteady(RouterID(1), transitions: 7, within: .seconds(60))))
        engine.send(.notice(.dropped(nil, interface: 2, reason: .ttl, source: peer, count: 5)))
        engine.send(.notice(.dropped(RouterID(2), interface: 2, reason: .truncated, source: peer, count: 1)))
        engine.send(
            .notice(.addressClaimed(RouterID(1), peer, by: MACAddress(2, 0, 0, 0, 0, 9), state: .backup)))
        let route = RoutingEntry.route(
            Route(
                destination: InterfaceAddress(address: .ipv4(IPv4Address(bits: 0)), prefixLength: 0), gateway: peer,
                device: "eth0"))
        engine.send(.notice(.routingLeftoverRemoved(route)))
        engine.send(.notice(.routingNotOurs(RouterID(1), route)))
        let refused = InterfaceAddress(address: peer, prefixLength: 32)
        engine.send(.notice(.degraded(RouterID(1), [.claim(ClaimFailure(address: refused, code: 13)), .noCarrier])))
        engine.send(.notice(.degraded(RouterID(1), [])))
        engine.send(.notice(.resynchronised))
        #expect(eventually { heard.value.count == 9 })
        let kinds = heard.value.map { event in
            switch event {
            case .peerDiffers(let router, peer, let what, _): "\(router) \(what.word)"
            case .unsteady(let router, let transitions, _, _, _): "\(router) \(transitions)"
            case .dropped(let router, let reason, peer, let count, _): "\(router ?? "nobody") \(reason.name) \(count)"
            case .addressClaimed(let router, let address, let hardware, .backup, _):
                "\(router) \(address) \(hardware)"
            case .degraded(let router, let missing, _, _): "\(router) without \(missing)"
            case .peerDiffers, .dropped, .transition, .addressClaimed, .verified: "?"
            }
        }
        #expect(
            kinds == [
                "web equal-priority", "calm equal-priority", "calm version", "web 7", "nobody drop-ttl 5",
                "calm drop-truncated 1", "web 192.0.2.3 02:00:00:00:00:09", "web without 2", "web without 0",
            ])
        #expect(eventually { agent.mirror.netlinkResyncs == 1 })
        let values = "own-value=100 peer-value=100"
        #expect(eventually { agent.logged("<4>event=peer-differs router=web", values).count == 1 })
        #expect(eventually { agent.logged("<6>event=peer-differs router=calm", values).count == 1 })
        #expect(eventually { agent.logged("<4>event=peer-differs router=calm", "own-value=3 peer-value=2").count == 1 })
        #expect(eventually { agent.logged("<4>event=unsteady router=web").count == 1 })
        let shown = "routing=\"route default via 192.0.2.3 dev eth0\""
        #expect(eventually { agent.logged("<5>event=leftover-removed", shown).count == 1 })
        #expect(eventually { agent.logged("<5>event=routing-not-ours router=web", shown).count == 1 })
        let conflict = "<4>event=address-conflict router=web address=192.0.2.3 hardware-address=02:00:00:00:00:09"
        #expect(eventually { agent.logged(conflict, "state=backup").count == 1 })
        let text =
            "text=\"it serves what it can, with priority 1, without 2 of what it should have: the kernel refused"
            + " 192.0.2.3/32: Permission denied, and 1 more\""
        #expect(eventually { agent.logged("<4>event=degraded router=web missing=2", text).count == 1 })
        #expect(eventually { agent.logged("<5>event=degraded-ended router=web").count == 1 })
        agent.stop(engine)
    }

    @Test func `warnings of the configuration are logged at start and at a reload`() throws {
        var configuration = Configuration(routers: [router("web")])
        configuration.warnings = [ConfigurationProblem(.warning, file: "f", line: 2, column: 3, message: "doubtful")]
        let agent = try Agent(configuration)
        let engine = try agent.startedEngine()
        let line = "<4>event=configuration-warning text=\"f:2:3: warning: doubtful\""
        #expect(eventually { agent.logged(line).count == 1 })
        agent.signal(SIGHUP)
        #expect(eventually { agent.logged(line).count == 2 })
        #expect(agent.ask(.reload) == .reloaded(ReloadSummary(warnings: ["f:2:3: warning: doubtful"])))
        agent.stop(engine)
    }
}
