// A host with several routers, checks and interfaces: who a packet is for, what a verdict does, what is counted.

import Testing
import Wire

@testable import Election

@Suite struct NodeTests {
    @Test func `several routers on one interface live apart, and V3-AD-08 the families too`() {
        var bench = NodeBench()
        bench.add(1)
        bench.add(2) { $0.vrid = 11 }
        bench.add(3) { $0.addresses = [InterfaceAddress(address: NodeBench.peer6, prefixLength: 128)] }
        bench.add(4) { $0.interface = "eth1" }
        bench.now = bench.now + .seconds(3)
        bench.receive(200, vrid: 11)
        bench.receive(200, from: NodeBench.peer6)
        bench.wait(.nanoseconds(609_375_000))
        #expect(bench.state(1) == .master)
        #expect(bench.state(2) == .backup)
        #expect(bench.state(3) == .backup)
        #expect(bench.state(4) == .master, "V3-AD-09: the same VRID on another interface")
    }

    @Test func `V3-RX-17: a dropped packet moves its counter and nothing else`() {
        var bench = NodeBench()
        bench.add(1)
        let before = bench.node.router(RouterID(1))
        let cases: [(Counter, (inout NodeBench) -> Node.DropNotice?)] = [
            (.ttlErrors, { $0.receive(200, hopLimit: 254) }),
            (.checksumErrors, { $0.receive(200) { $0[2] ^= 1 } }),
            (.typeErrors, { $0.receive(200) { $0[0] = 0x32 } }),
            (.lengthErrors, { $0.receive(200) { $0.removeLast() } }),
            (.sourceErrors, { $0.receive(200, from: .ipv4(IPv4Address(224, 0, 0, 1))) }),
        ]
        for (counter, packet) in cases {
            let notice = packet(&bench)
            #expect(notice?.router == RouterID(1) && notice?.count == 1, "\(counter)")
            #expect(bench.actions.isEmpty)
            #expect(bench.counter(counter) == 1, "\(counter)")
        }
        var after = bench.node.router(RouterID(1))
        after?.counters = before?.counters ?? Counters()
        after?.lastProtocolError = nil
        #expect(after == before)
    }

    @Test func `V3-RX-19: ten thousand bad packets are told twice in ten seconds`() {
        var bench = NodeBench()
        bench.add(1)
        var told = 0
        for index in 0..<10_000 {
            let source = IPAddress.ipv4(IPv4Address(192, 0, 2, UInt8(3 + index % 200)))
            if bench.receive(200, from: source, hopLimit: 1) != nil { told += 1 }
            bench.now = bench.now + .milliseconds(1)
        }
        #expect(told == 1)
        bench.now = bench.now + .seconds(1)
        let notice = bench.receive(200, hopLimit: 1)
        #expect(notice?.count == 10_000)
    }

    @Test func `a flood over every VRID is told a bounded number of times and counted in full`() {
        var bench = NodeBench()
        for number in UInt32(1)...100 { bench.add(number) { $0.vrid = UInt8(number) } }
        var told = 0
        for round in 0..<3 {
            for vrid in UInt8(1)...100 where bench.receive(200, vrid: vrid, hopLimit: 1) != nil { told += 1 }
            bench.now = bench.now + .milliseconds(round)
        }
        #expect(told == NoticeBudget.limit)
        let counted = (UInt32(1)...100).compactMap { bench.counter(.ttlErrors, $0) }
        #expect(counted == [UInt64](repeating: 3, count: 100))
        bench.now = bench.now + .seconds(10)
        let notice = bench.receive(200, vrid: 77, hopLimit: 1)
        #expect(notice?.count == 4, "what was not told is told with the next")
    }

    @Test func `a packet that stands for many counts as many`() {
        var bench = NodeBench()
        bench.add(1)
        var notices: [UInt32?] = []
        bench.step { node, now, actions in
            for vrid in [UInt8(10), 99] {
                let origin = PacketOrigin(source: NodeBench.peer, destination: .vrrpGroup(.ipv4), hopLimit: 1)
                let payload: [UInt8] = [0x31, vrid, 100, 1, 0, 100, 0, 0, 192, 0, 2, 100]
                let notice = node.receive(
                    payload.span, from: origin, interfaceIndex: 7, heardAt: now, at: now, weight: 64,
                    appendingTo: &actions)
                notices.append(notice?.count)
            }
        }
        #expect(notices == [64, 64])
        #expect(bench.counter(.ttlErrors) == 64)
        #expect(bench.node.strayCounters(on: 7)[.ttlErrors] == 64)
    }

    @Test func `of many deadlines a few are served at once, the longest overdue first`() {
        var bench = NodeBench()
        // Priorities from high to low: skew times from short to long.
        for number in UInt32(1)...50 {
            bench.add(number) {
                $0.vrid = UInt8(number)
                $0.priority = UInt8(200 - number)
            }
        }
        bench.now = bench.now + .seconds(5)
        var masters: [Int] = []
        for _ in 0..<5 {
            bench.step { node, now, actions in node.wake(at: now, atMost: 10, appendingTo: &actions) }
            masters.append((UInt32(1)...50).count { bench.state($0) == .master })
            let first = (UInt32(1)...UInt32(masters.last ?? 0)).allSatisfy { bench.state($0) == .master }
            #expect(first, "\(masters)")
        }
        #expect(masters == [10, 20, 30, 40, 50])
    }

    @Test func `a packet for a VRID that nobody has is counted apart`() {
        var bench = NodeBench()
        bench.add(1)
        #expect(bench.receive(200, vrid: 99)?.reason == .vrid)
        #expect(bench.receive(200, vrid: 99, hopLimit: 9)?.reason == .ttl)
        bench.receive(200, interface: 9)  // LX-06: another interface; the reason was told a moment ago
        #expect(bench.node.strayCounters(on: 7)[.vridErrors] == 1)
        #expect(bench.node.strayCounters(on: 9)[.vridErrors] == 1)
        #expect(bench.node.strayCounters(on: 7)[.ttlErrors] == 1)
        #expect(bench.counter(.vridErrors) == 0)
    }

    @Test func `a VRID that nobody has is told once in ten seconds, with how often it came`() {
        var bench = NodeBench()
        bench.add(1)
        bench.wait(.seconds(4))
        var told: [Node.DropNotice] = []
        for _ in 0..<120 {
            if let notice = bench.receive(254, vrid: 99) { told.append(notice) }
            bench.wait(.milliseconds(100))
        }
        #expect(told.map(\.count) == [1, 100])
        #expect(told.allSatisfy { $0.router == nil && $0.reason == .vrid })
        #expect(bench.node.strayCounters(on: 7)[.vridErrors] == 120)
        #expect(bench.state(1) == .master && bench.counter(.advertsReceived) == 0)
    }

    @Test func `stop resigns all and tells when all are at rest`() {
        var bench = NodeBench()
        bench.add(1)
        bench.add(2) {
            $0.vrid = 11
            $0.gatesRelease = true
        }
        bench.wait(.seconds(4))
        bench.step { node, now, actions in node.stop(withoutGates: false, at: now, appendingTo: &actions) }
        #expect(bench.state(1) == .resigning && bench.state(2) == .master)
        bench.wait(.milliseconds(1_250))
        #expect(bench.state(1) == .initialize && bench.state(2) == .master)
        #expect(!bench.node.hasStopped)
        bench.step { node, now, actions in
            node.gate(RouterID(2), sequence: 1, failure: nil, at: now, appendingTo: &actions)
        }
        #expect(bench.node.hasStopped)
    }

    @Test func `without anybody to run gates they are passed over`() {
        var bench = NodeBench()
        bench.add(1) { $0.gatesRelease = true }
        bench.wait(.seconds(4))
        bench.step { node, now, actions in node.stop(withoutGates: false, at: now, appendingTo: &actions) }
        #expect(!bench.node.hasStopped)
        bench.step { node, now, actions in node.stop(withoutGates: true, at: now, appendingTo: &actions) }
        #expect(bench.node.hasStopped)
        #expect(bench.actions.contains(RouterAction(RouterID(1), .sendAdvert(priority: 0))))
    }

    @Test func `a removed router resigns and is forgotten`() {
        var bench = NodeBench()
        bench.add(1)
        bench.wait(.seconds(4))
        bench.step { node, now, actions in node.remove(RouterID(1), at: now, appendingTo: &actions) }
        #expect(bench.actions.contains(RouterAction(RouterID(1), .sendAdvert(priority: 0))))
        #expect(
            bench.node.router(RouterID(1))?.lastTransition?.cause == .reconfigured, "until its actions are performed")
        #expect(!bench.node.forgetRemoved(at: bench.now, appendingTo: &bench.actions), "it holds its address still")
        bench.wait(.milliseconds(1_250))
        let forgotten = bench.node.forgetRemoved(at: bench.now, appendingTo: &bench.actions)
        #expect(forgotten && bench.node.routerIDs.isEmpty)
    }

    @Test(arguments: [10, 11] as [UInt8])
    func `a new router of the same election or with the same address waits until its predecessor has left`(
        _ vrid: UInt8
    ) {
        var bench = NodeBench()
        bench.add(1) { $0.gatesRelease = true }
        bench.wait(.seconds(4))
        bench.step { node, now, actions in node.remove(RouterID(1), at: now, appendingTo: &actions) }
        bench.add(2) { $0.vrid = vrid }
        for _ in 0..<60 { bench.wait(.seconds(1)) }
        #expect(bench.state(1) == .master && bench.state(2) == .initialize)
        bench.step { node, now, actions in
            node.gate(RouterID(1), sequence: 1, failure: nil, at: now, appendingTo: &actions)
            _ = node.forgetRemoved(at: now, appendingTo: &actions)
        }
        #expect(bench.state(1) == nil && bench.state(2) == .backup)
    }

    @Test func `a router that an earlier engine left as backup goes on with its history`() {
        var snapshot = RouterSnapshot(router: RouterID(1), state: .backup)
        snapshot.counters[.advertsReceived] = 41
        snapshot.lastTransition = Transition(
            from: .master, to: .backup, cause: .recovered, at: Instant(nanoseconds: 5), effectivePriority: 9)
        var bench = NodeBench()
        bench.step { node, now, actions in
            node.configure(
                RouterID(1), Bench.configuration(), disabled: false, resuming: snapshot, at: now,
                appendingTo: &actions)
        }
        let causes = bench.actions.compactMap { if case .transition(let it) = $0.action { it.cause } else { nil } }
        #expect(causes == [.resumed])
        bench.receive(200)
        #expect(bench.counter(.advertsReceived) == 42)
        #expect(bench.counter(.backupTransitions) == 0)
        #expect(bench.node.router(RouterID(1))?.lastTransition == snapshot.lastTransition)
        // What happens next is news again.
        bench.wait(.seconds(4))
        #expect(bench.node.router(RouterID(1))?.lastTransition?.to == .master)
    }

    @Test func `a failed release gate takes the wish to disable back`() {
        var bench = NodeBench()
        bench.add(1) { $0.gatesRelease = true }
        bench.wait(.seconds(4))
        bench.step { node, now, actions in node.setDisabled(RouterID(1), true, at: now, appendingTo: &actions) }
        bench.step { node, now, actions in
            node.gate(RouterID(1), sequence: 1, failure: .timedOut, at: now, appendingTo: &actions)
        }
        #expect(bench.state(1) == .master)
        #expect(bench.node.router(RouterID(1))?.standing.isDisabled == false)
    }

    @Test func `the version 2 half of a master that sends both versions is no conflict`() {
        var bench = NodeBench()
        bench.add(1)
        bench.receive(200)
        let notice = bench.receive(200, version: .v2)
        #expect(notice == nil && bench.actions.isEmpty && bench.counter(.versionErrors) == 1)
        bench.receive(200, version: .v2, from: .ipv4(IPv4Address(192, 0, 2, 77)))
        #expect(bench.actions.count == 1, "from anybody else it is")
    }

    @Test func `the late result of a cancelled release gate is nobody's`() {
        var bench = NodeBench()
        bench.add(1) { $0.gatesRelease = true }
        bench.wait(.seconds(4))
        for wish in [true, false, true] {
            bench.step { node, now, actions in node.setDisabled(RouterID(1), wish, at: now, appendingTo: &actions) }
        }
        bench.step { node, now, actions in
            node.gate(RouterID(1), sequence: 1, failure: .killed(15), at: now, appendingTo: &actions)
        }
        #expect(bench.node.router(RouterID(1))?.standing.isDisabled == true)
        bench.step { node, now, actions in
            node.gate(RouterID(1), sequence: 2, failure: nil, at: now, appendingTo: &actions)
        }
        #expect(bench.state(1) == .disabled)
    }

    @Test func `an interface without carrier, without source or without socket is a fault of its routers`() {
        var bench = NodeBench()
        bench.add(1)
        var facts = InterfaceFacts(index: 7)
        let cases: [(Fault, (inout InterfaceFacts) -> Void)] = [
            (.interfaceDown, { $0.isUp = false }), (.noCarrier, { $0.hasCarrier = false }),
            (.noSourceAddress, { _ in }), (.socket(1), { $0.socketErrorIPv4 = 1 }),
        ]
        for (fault, change) in cases {
            facts = InterfaceFacts(index: 7)
            change(&facts)
            bench.step { node, now, actions in node.interface("eth0", facts, at: now, appendingTo: &actions) }
            #expect(bench.node.router(RouterID(1))?.faults == [fault])
        }
        bench.step { node, now, actions in node.interface("eth0", nil, at: now, appendingTo: &actions) }
        #expect(bench.node.router(RouterID(1))?.faults == [.interfaceMissing])
    }

    private static let elsewhere = InterfaceAddress(
        address: .ipv4(IPv4Address(203, 0, 113, 9)), prefixLength: 32)

    private func masterWithAddressElsewhere() -> NodeBench {
        var bench = NodeBench()
        bench.add(1) {
            $0.priority = 255
            $0.addresses.append(Self.elsewhere)
            $0.addressOptions[Self.elsewhere] = AddressOptions(interface: "eth1")
        }
        return bench
    }

    @Test
    func
        `what is wrong with another interface of its addresses is a fault that names it, and a resignation can be sent`()
    {
        let cases: [(InterfaceTrouble, (inout InterfaceFacts) -> Void)] = [
            (.down, { $0.isUp = false }), (.noCarrier, { $0.hasCarrier = false }),
        ]
        for (trouble, change) in cases {
            var bench = masterWithAddressElsewhere()
            #expect(bench.state(1) == .master)
            var facts = InterfaceFacts(index: 8)
            change(&facts)
            bench.step { node, now, actions in node.interface("eth1", facts, at: now, appendingTo: &actions) }
            #expect(bench.state(1) == .fault)
            #expect(bench.node.router(RouterID(1))?.faults == [.addressInterface("eth1", trouble)])
            #expect(bench.actions.first?.action == .sendAdvert(priority: 0))
            bench.step { node, now, actions in
                node.interface("eth1", InterfaceFacts(index: 8), at: now, appendingTo: &actions)
            }
            #expect(bench.state(1) == .master, "it needs no source of adverts there")
        }
        var bench = masterWithAddressElsewhere()
        bench.step { node, now, actions in node.interface("eth1", nil, at: now, appendingTo: &actions) }
        #expect(bench.node.router(RouterID(1))?.faults == [.addressInterface("eth1", .missing)])
    }

    @Test func `claims and moves of an address on another interface are those of that interface`() {
        var bench = NodeBench()
        bench.add(1) {
            $0.addresses.append(Self.elsewhere)
            $0.addressOptions[Self.elsewhere] = AddressOptions(interface: "eth1")
        }
        bench.wait(.seconds(4))
        #expect(bench.state(1) == .master)
        for _ in 0..<3 { bench.wait(.seconds(1)) }
        bench.claim(Self.elsewhere.address, interface: 7)
        #expect(bench.counter(.addressConflicts) == 0)
        bench.claim(Self.elsewhere.address, interface: 8)
        #expect(bench.counter(.addressConflicts) == 1)
        bench.claim(Bench.vip.address, interface: 8)
        #expect(bench.counter(.addressConflicts) == 1)
        bench.step { node, now, actions in node.announce(interface: "eth1", at: now, appendingTo: &actions) }
        #expect(bench.actions.contains { if case .announce = $0.action { true } else { false } })
        var facts = InterfaceFacts(index: 8)
        facts.foreign = [Self.elsewhere.address]
        bench.step { node, now, actions in node.interface("eth1", facts, at: now, appendingTo: &actions) }
        #expect(bench.node.router(RouterID(1))?.faults == [.addressNotOurs(Self.elsewhere)])
    }
}

@Suite struct CheckRules {
    static let check = CheckID(1)

    private func bench(_ effect: CheckEffect, known: CheckTable.Known) -> NodeBench {
        var bench = NodeBench()
        bench.step { node, now, actions in
            node.define(check: Self.check, timeToLive: .seconds(5), known: known, at: now, appendingTo: &actions)
        }
        bench.add(1) { $0.checks = [CheckReference(check: Self.check, effect: effect)] }
        return bench
    }

    private func judge(_ bench: inout NodeBench, _ verdict: Verdict) {
        bench.step { node, now, actions in node.verdict(verdict, of: Self.check, at: now, appendingTo: &actions) }
    }

    @Test func `at a cold start a fault check holds the router until its first success`() {
        var bench = bench(.fault, known: .cold)
        #expect(bench.state(1) == .fault)
        #expect(bench.node.router(RouterID(1))?.faults == [.check(Self.check, .pending)])
        judge(&bench, .passing)
        #expect(bench.state(1) == .backup)
    }

    @Test func `a check added by a reload has no effect before its first verdict`() {
        var bench = bench(.fault, known: .unjudged)
        #expect(bench.state(1) == .backup)
        judge(&bench, .failing(.exited(2)))
        #expect(bench.node.router(RouterID(1))?.faults == [.check(Self.check, .exited(2))])
    }

    @Test func `promise 6: a verdict that is not renewed becomes stale, which is a failure`() {
        var bench = bench(.fault, known: .known(.passing, age: .seconds(2)))
        #expect(bench.state(1) == .backup)
        #expect(bench.node.deadline == bench.now + .seconds(3))
        bench.wait(.seconds(3))
        #expect(bench.node.router(RouterID(1))?.faults == [.check(Self.check, .stale)])
        judge(&bench, .passing)
        #expect(bench.state(1) == .backup)
    }

    @Test func `a verdict that was stale when it was carried over never counts as passing`() {
        let bench = bench(.fault, known: .known(.passing, age: .seconds(6)))
        #expect(bench.node.router(RouterID(1))?.faults == [.check(Self.check, .stale)])
    }

    @Test func `renewed verdicts never become stale`() {
        var bench = bench(.fault, known: .known(.passing, age: .zero))
        for _ in 0..<20 {
            bench.wait(.seconds(2))
            judge(&bench, .passing)
        }
        #expect(bench.node.router(RouterID(1))?.faults == [])
    }

    @Test(arguments: [(-60, 40), (-200, 1), (-1, 99)] as [(Int16, UInt8)])
    func `V3-CFG-10: weights add up and the sum is clamped`(_ weight: Int16, _ expected: UInt8) {
        var bench = bench(.weight(weight), known: .known(.passing, age: .zero))
        #expect(bench.node.router(RouterID(1))?.standing.effectivePriority == 100)
        judge(&bench, .failing(.timedOut))
        let standing = bench.node.router(RouterID(1))?.standing
        #expect(standing?.effectivePriority == expected)
        #expect(
            standing?.contributions == [Contribution(check: Self.check, effect: .weight(weight), failure: .timedOut)])
    }

    @Test func `a router that refers to an unknown check is not healthy`() {
        var bench = NodeBench()
        bench.add(1) { $0.checks = [CheckReference(check: CheckID(99), effect: .fault)] }
        #expect(bench.state(1) == .fault)
    }
}
