// From one configuration to the next: numbers for names, and the difference as a list of commands. Plain values without side
// effects, so that "touches only what changed" is something a test can read.

import Configuration
import Election
import Messages
import Status

/// A virtual router with its number.
struct NumberedRouter: Hashable {
    var router: RouterID
    var configuration: RouterConfiguration
    /// What the engine is told: with the numbers of its checks and with its gates.
    var election: VirtualRouterConfiguration
}

/// A check with its number.
struct NumberedCheck: Hashable {
    var check: CheckID
    var configuration: CheckConfiguration
}

/// A configuration whose virtual routers and checks have numbers.
struct NumberedConfiguration: Hashable {
    var configuration: Configuration
    var routers: [NumberedRouter]
    /// Those that a virtual router depends on; nobody waits for the others.
    var checks: [NumberedCheck]

    var checkNames: CheckNames {
        CheckNames(Dictionary(checks.map { ($0.check, $0.configuration.name) }) { first, _ in first })
    }
}

/// Gives numbers to names. A number is never given twice in the life of a supervisor.
struct Numbering {
    private(set) var lastRouter: UInt32 = 0
    private(set) var lastCheck: UInt32 = 0

    /// The highest numbers that were given by an earlier program of this supervisor's process.
    init(lastRouter: UInt32 = 0, lastCheck: UInt32 = 0) {
        self.lastRouter = lastRouter
        self.lastCheck = lastCheck
    }

    /// Numbers for `configuration`. A virtual router keeps its number while its name and what makes its election stay:
    /// interface, VRID, version and family. With another of these it takes part in another election under the same name,
    /// and must leave the old one first. A check keeps it while its name, its command and its user stay: with another
    /// command it is another check, of which nothing is known.
    mutating func number(
        _ configuration: Configuration, after old: NumberedConfiguration? = nil
    ) -> NumberedConfiguration {
        var checks: [NumberedCheck] = []
        let used = Set(configuration.routers.flatMap { $0.checks.map(\.name) })
        for check in configuration.checks where used.contains(check.name) {
            let before = old?.checks.first {
                $0.configuration.name == check.name
                    && $0.configuration.command.arguments == check.command.arguments
                    && $0.configuration.command.user == check.command.user
            }
            if before == nil { lastCheck += 1 }
            checks.append(NumberedCheck(check: before?.check ?? CheckID(lastCheck), configuration: check))
        }
        var routers: [NumberedRouter] = []
        for router in configuration.routers {
            let before = old?.routers.first {
                $0.configuration.name == router.name && $0.configuration.election.isSameElection(as: router.election)
            }
            if before == nil { lastRouter += 1 }
            var election = router.election
            election.checks = router.checks.compactMap { reference in
                checks.first { $0.configuration.name == reference.name }
                    .map { CheckReference(check: $0.check, effect: reference.effect) }
            }
            election.gatesClaim = router.gateClaim != nil
            election.gatesRelease = router.gateRelease != nil
            routers.append(
                NumberedRouter(
                    router: before?.router ?? RouterID(lastRouter), configuration: router, election: election))
        }
        return NumberedConfiguration(configuration: configuration, routers: routers, checks: checks)
    }
}

extension VirtualRouterConfiguration {
    /// Those who hear the one hear the other: only then may one become the other in place.
    fileprivate func isSameElection(as other: Self) -> Bool {
        interface == other.interface && vrid == other.vrid && version == other.version && family == other.family
    }
}

/// What has to be done to get from one configuration to another.
struct ReloadPlan: Hashable {
    /// Those whose number is gone; one of the same name may be among the added ones, and takes its place.
    var removed: [NumberedRouter] = []
    var added: [NumberedRouter] = []
    /// Those whose election is another; the engine is told.
    var changed: [NumberedRouter] = []
    /// Those of which only the commands around the election are others; the engine is not told.
    var changedCommands: [NumberedRouter] = []
    var addedChecks: [NumberedCheck] = []
    /// The same command at other times or with other counts.
    var adaptedChecks: [NumberedCheck] = []
    var removedChecks: [CheckID] = []
    /// Where it is another one.
    var announcementLimit: UInt32?
    var summary: ReloadSummary

    init(from old: NumberedConfiguration, to new: NumberedConfiguration) {
        summary = ReloadSummary()
        let limit = new.configuration.engine.announcementsPerSecond
        if limit != old.configuration.engine.announcementsPerSecond { announcementLimit = limit }
        for router in old.routers where !new.routers.contains(where: { $0.router == router.router }) {
            removed.append(router)
            let name = router.configuration.name
            if !new.configuration.routers.contains(where: { $0.name == name }) { summary.removed.append(name) }
        }
        for router in new.routers {
            guard let before = old.routers.first(where: { $0.router == router.router }) else {
                added.append(router)
                let name = router.configuration.name
                // To the reader a router that went over to another election is one that changed.
                if removed.contains(where: { $0.configuration.name == name }) {
                    summary.changed.append(name)
                } else {
                    summary.added.append(name)
                }
                continue
            }
            guard before != router else { continue }
            if before.election != router.election { changed.append(router) } else { changedCommands.append(router) }
            summary.changed.append(router.configuration.name)
        }
        for check in new.checks {
            guard let before = old.checks.first(where: { $0.check == check.check }) else {
                addedChecks.append(check)
                continue
            }
            if before != check { adaptedChecks.append(check) }
        }
        for check in old.checks where !new.checks.contains(where: { $0.check == check.check }) {
            removedChecks.append(check.check)
        }
    }

    /// What the engine is told, in its order: what leaves first (its VRID may come back under another name), checks before
    /// the routers that refer to them, and checks that nobody refers to any more last. Empty when the engine needs nothing.
    func commands(known: (CheckID) -> KnownVerdict, disabled: Set<String>, held: Set<String>) -> [Command] {
        var commands: [Command] = announcementLimit.map { [.limitAnnouncements(perSecond: $0)] } ?? []
        commands += removed.map { .remove($0.router) }
        for check in addedChecks + adaptedChecks {
            commands.append(check.definition(known(check.check)))
        }
        for router in changed + added {
            let isDisabled = disabled.contains(router.configuration.name)
            commands.append(.configure(router.router, router.election, disabled: isDisabled))
        }
        // The others it knows.
        commands += added.holds(held)
        commands += removedChecks.map { .removeCheck($0) }
        if !commands.isEmpty { commands.append(.commit) }
        return commands
    }
}

extension NumberedCheck {
    func definition(_ known: KnownVerdict) -> Command {
        .check(CheckDefinition(check: check, timeToLive: configuration.timeToLive, verdict: known))
    }
}

extension NumberedConfiguration {
    /// What a new engine is told, after hello, sockets and snapshots.
    func commands(known: (CheckID) -> KnownVerdict, disabled: Set<String>, held: Set<String>) -> [Command] {
        var commands: [Command] = [
            .limitAnnouncements(perSecond: configuration.engine.announcementsPerSecond)
        ]
        commands += checks.map { $0.definition(known($0.check)) }
        for router in routers {
            let isDisabled = disabled.contains(router.configuration.name)
            commands.append(.configure(router.router, router.election, disabled: isDisabled))
        }
        commands += routers.holds(held)
        commands.append(.commit)
        return commands
    }
}

extension [NumberedRouter] {
    /// Those of these names are held back.
    fileprivate func holds(_ names: Set<String>) -> [Command] {
        filter { names.contains($0.configuration.name) }.map { .hold($0.router, true) }
    }
}
