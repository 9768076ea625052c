// The difference of two configurations as values, and when an engine is started again.

import Configuration
import Election
import Messages
import Testing
import Wire

@testable import Supervisor

@Suite struct ReloadTests {
    /// The plan from one configuration to another and the commands it makes; every check that was there is known to pass.
    private func plan(
        _ old: Configuration, _ new: Configuration, disabled: Set<String> = []
    ) -> (plan: ReloadPlan, commands: [Command], old: NumberedConfiguration, new: NumberedConfiguration) {
        var numbering = Numbering()
        let before = numbering.number(old)
        let after = numbering.number(new, after: before)
        let plan = ReloadPlan(from: before, to: after)
        let commands = plan.commands(
            known: { check in
                before.checks.contains { $0.check == check } ? .known(.passing, age: .zero) : .unjudged
            }, disabled: disabled, held: [])
        return (plan, commands, before, after)
    }

    private let database = router("database", vrid: 1, checks: [RouterCheck(name: "witness", effect: .fault)])
    private let web = router("web", vrid: 2)
    private let witness = check("witness")

    @Test func `the same configuration again asks nothing of anybody`() {
        let configuration = Configuration(checks: [witness], routers: [database, web])
        let result = plan(configuration, configuration)
        #expect(result.commands == [])
        #expect(result.plan.summary == ReloadSummary())
        #expect(result.old == result.new)
    }

    @Test func `only the router that changed is configured`() {
        var changed = web
        changed.election.priority = 7
        let result = plan(
            Configuration(checks: [witness], routers: [database, web]),
            Configuration(checks: [witness], routers: [database, changed]))
        #expect(result.commands == [.configure(RouterID(2), changed.election, disabled: false), .commit])
        #expect(result.plan.summary == ReloadSummary(changed: ["web"]))
    }

    @Test func `another limit of announcements is told, and nothing else`() {
        var changed = Configuration(checks: [witness], routers: [database, web])
        changed.engine.announcementsPerSecond = 100
        let result = plan(Configuration(checks: [witness], routers: [database, web]), changed)
        #expect(result.commands == [.limitAnnouncements(perSecond: 100), .commit])
        #expect(result.plan.summary == ReloadSummary())
    }

    @Test(arguments: ["interface", "vrid", "version", "family"])
    func `another election under the old name is a removal and a new router`(_ key: String) throws {
        var changed = web
        switch key {
        case "interface": changed.election.interface = "eth1"
        case "vrid": changed.election.vrid = 9
        case "version": changed.election.version = .v2
        default: changed.election.addresses = [try #require(InterfaceAddress("fe80::1/64"))]
        }
        let result = plan(Configuration(routers: [database, web]), Configuration(routers: [database, changed]))
        #expect(
            result.commands == [
                .remove(RouterID(2)), .configure(RouterID(3), changed.election, disabled: false), .commit,
            ])
        #expect(result.plan.summary == ReloadSummary(changed: ["web"]))
    }

    @Test func `everything else of an election changes in place`() throws {
        var changed = web
        changed.election.priority = 7
        changed.election.advertisementInterval = .milliseconds(100)
        changed.election.preempt = false
        changed.election.preemptDelay = .seconds(1)
        changed.election.addresses = [try #require(InterfaceAddress("198.51.100.1/24"))]
        changed.election.checksum = .message
        changed.election.announcements.refresh = .seconds(60)
        let result = plan(Configuration(routers: [web]), Configuration(routers: [changed]))
        #expect(result.commands == [.configure(RouterID(1), changed.election, disabled: false), .commit])
    }

    @Test func `a change of hooks or of a gate's command needs no message`() {
        var old = web
        old.gateClaim = .shell("a")
        var new = web
        new.gateClaim = .shell("b")
        new.hooks.onMaster = .shell("c")
        let result = plan(Configuration(routers: [old]), Configuration(routers: [new]))
        #expect(result.commands == [])
        #expect(result.plan.changedCommands.map(\.configuration) == [new])
        #expect(result.plan.summary.changed == ["web"])
    }

    @Test func `a new gate is told to the engine`() {
        var new = web
        new.gateRelease = .shell("x")
        var election = web.election
        election.gatesRelease = true
        let result = plan(Configuration(routers: [web]), Configuration(routers: [new]))
        #expect(result.commands == [.configure(RouterID(1), election, disabled: false), .commit])
    }

    @Test func `what left is removed before what came is configured, and checks go last`() {
        let old = Configuration(checks: [witness], routers: [database])
        let new = Configuration(routers: [router("other", vrid: 1)])
        let result = plan(old, new, disabled: ["other"])
        #expect(
            result.commands == [
                .remove(RouterID(1)),
                .configure(RouterID(2), router("other", vrid: 1).election, disabled: true),
                .removeCheck(CheckID(1)),
                .commit,
            ])
        #expect(result.plan.summary == ReloadSummary(added: ["other"], removed: ["database"]))
    }

    @Test func `a new check is unjudged and comes before the router that refers to it`() {
        var new = web
        new.checks = [RouterCheck(name: "witness", effect: .weight(-20))]
        var election = web.election
        election.checks = [CheckReference(check: CheckID(1), effect: .weight(-20))]
        let result = plan(
            Configuration(checks: [witness], routers: [web]), Configuration(checks: [witness], routers: [new]))
        let definition = CheckDefinition(
            check: CheckID(1), timeToLive: witness.timeToLive, verdict: .unjudged)
        #expect(
            result.commands == [.check(definition), .configure(RouterID(1), election, disabled: false), .commit])
    }

    @Test func `a check with other times keeps its number and its verdict`() {
        var slower = witness
        slower.interval = .seconds(5)
        let result = plan(
            Configuration(checks: [witness], routers: [database]), Configuration(checks: [slower], routers: [database]))
        let definition = CheckDefinition(
            check: CheckID(1), timeToLive: slower.timeToLive, verdict: .known(.passing, age: .zero))
        #expect(result.commands == [.check(definition), .commit])
        #expect(result.plan.summary == ReloadSummary())
    }

    @Test func `a check with another command is another check, and numbers are not used twice`() {
        var other = witness
        other.command = .shell("false")
        let result = plan(
            Configuration(checks: [witness], routers: [database]), Configuration(checks: [other], routers: [database]))
        #expect(result.new.checks.map(\.check) == [CheckID(2)])
        #expect(result.commands.contains(.removeCheck(CheckID(1))))
        #expect(result.commands.first == other.definitionCommand(CheckID(2), .unjudged))
        #expect(result.plan.summary.changed == ["database"])
    }

    @Test func `a router that comes back under its old name has a new number`() {
        var numbering = Numbering()
        let first = numbering.number(Configuration(routers: [web]))
        let second = numbering.number(Configuration(), after: first)
        let third = numbering.number(Configuration(routers: [web]), after: second)
        #expect(first.routers[0].router == RouterID(1))
        #expect(third.routers[0].router == RouterID(2))
    }

    @Test func `checks that no router names are not known to the engine`() {
        var numbering = Numbering()
        #expect(numbering.number(Configuration(checks: [witness], routers: [web])).checks == [])
    }

    @Test func `a cold start tells checks, then routers, then commits`() {
        var numbering = Numbering()
        let first = numbering.number(Configuration(checks: [witness], routers: [database]))
        var election = database.election
        election.checks = [CheckReference(check: CheckID(1), effect: .fault)]
        #expect(
            first.commands(known: { _ in .cold }, disabled: ["database"], held: []) == [
                .limitAnnouncements(perSecond: 20_000),
                witness.definitionCommand(CheckID(1), .cold),
                .configure(RouterID(1), election, disabled: true), .commit,
            ])
    }
}

extension CheckConfiguration {
    fileprivate func definitionCommand(_ check: CheckID, _ verdict: KnownVerdict) -> Command {
        .check(CheckDefinition(check: check, timeToLive: timeToLive, verdict: verdict))
    }
}

@Suite struct RestartPolicyTests {
    private let second: Int64 = 1_000_000_000

    @Test func `the first death in ten seconds is resumed, the second answered at once without what was known`() {
        var policy = RestartPolicy()
        #expect(policy.died(started: 0, now: 20 * second) == RestartPolicy.Restart(after: .zero, resuming: true))
        let again = policy.died(started: 20 * second, now: 30 * second - 1)
        #expect(again == RestartPolicy.Restart(after: .zero, resuming: false))
    }

    @Test func `deaths ten seconds apart are mishaps, each by itself`() {
        var policy = RestartPolicy()
        for index in 0..<5 {
            let restart = policy.died(started: 0, now: Int64(index) * 10 * second)
            #expect(restart == RestartPolicy.Restart(after: .zero, resuming: true))
        }
    }

    @Test func `from the third on the addresses go and the pauses double up to a minute`() {
        var policy = RestartPolicy()
        for _ in 0..<2 { _ = policy.died(started: 0, now: second) }
        var now = second
        var pauses: [Duration] = []
        for _ in 0..<8 {
            let restart = policy.died(started: now, now: now)
            #expect(!restart.resuming && restart.cleaning)
            pauses.append(restart.after)
            now += restart.after.nanoseconds
        }
        #expect(pauses == [1, 2, 4, 8, 16, 32, 60, 60].map { .seconds($0) })
    }

    @Test func `an engine that lived for ten seconds is believed again`() {
        var policy = RestartPolicy()
        for _ in 0..<7 { _ = policy.died(started: 0, now: second) }
        let restart = policy.died(started: 20 * second, now: 30 * second)
        #expect(restart == RestartPolicy.Restart(after: .zero, resuming: true))
    }
}
