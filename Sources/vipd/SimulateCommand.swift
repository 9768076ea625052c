// `vipd simulate`: the elections of this very binary in worlds of many hosts and many faults, judged by rules. It touches
// neither the network nor an agent, so anybody may run it anywhere.

import ArgumentParser
import Dispatch
import Glibc
import Simulation
import Synchronization

struct SimulateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "simulate",
        abstract: "Proves the protocol in simulated worlds; needs no agent, no root, no network.",
        discussion: """
            A number decides a world: its hosts, virtual routers, network and faults. With --seed it runs one world and \
            prints what happens; one that breaks a rule is printed with as few of its faults as still break it. \
            Otherwise it runs many and prints those numbers whose worlds break a rule.

            Exit codes: 0 all rules hold, 1 one was broken.
            """)

    @Option(help: ArgumentHelp("Run this world and print what happens.", valueName: "number"))
    var seed: UInt64?
    @Option(help: ArgumentHelp("The first of many worlds.", valueName: "number"))
    var first: UInt64 = 1
    @Option(help: ArgumentHelp("How many worlds.", valueName: "count"))
    var runs: UInt64 = 20_000

    func validate() throws {
        if runs < 1 { throw ValidationError("--runs must be at least 1") }
        if first > .max - runs { throw ValidationError("--first and --runs are too large together") }
    }

    func run() throws {
        if let seed { try show(seed) } else { try runMany() }
    }

    private func show(_ seed: UInt64) throws {
        var plan = Plan(seed: seed)
        if let violation = simulate(plan).violation {
            let all = plan.faultCount
            plan = plan.shrunk(toBreak: violation.rule)
            try writeOut(line: "\(plan.faultCount) of its \(all) faults are enough")
        }
        let outcome = simulate(plan, transcript: true)
        for line in outcome.transcript { try writeOut(line: line) }
        guard let violation = outcome.violation else {
            try writeOut(line: "world \(seed): \(outcome.events) events, all rules hold")
            return
        }
        try writeOut(line: "world \(seed) breaks \(violation.rule.name): \(violation.text)")
        throw Exit.no
    }

    /// What the workers share.
    private struct Progress {
        var next: UInt64
        var worlds: UInt64 = 0
        var events = 0
        var broken: [(seed: UInt64, rule: String, text: String)] = []
    }

    /// One a processor.
    private var workers: Int { max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN))) }

    private func runMany() throws {
        let start = ContinuousClock.now
        let (first, last) = (first, first + runs)
        let progress = Mutex(Progress(next: first))
        DispatchQueue.concurrentPerform(iterations: workers) { _ in
            while true {
                let batch = progress.withLock { shared in
                    let from = shared.next
                    shared.next = min(from + 50, last)
                    return from..<shared.next
                }
                if batch.isEmpty { return }
                for seed in batch {
                    let outcome = simulate(Plan(seed: seed))
                    progress.withLock { shared in
                        shared.worlds += 1
                        shared.events += outcome.events
                        if let violation = outcome.violation {
                            shared.broken.append((seed, violation.rule.name, violation.text))
                        }
                    }
                }
            }
        }
        let result = progress.withLock { $0 }
        let broken = result.broken.sorted { $0.seed < $1.seed }
        for world in broken.prefix(20) {
            try writeOut(line: "world \(world.seed) breaks \(world.rule): \(world.text)")
        }
        if broken.count > 20 { try writeOut(line: "... and \(broken.count - 20) more") }
        if let world = broken.first { try writeOut(line: "see: vipd simulate --seed \(world.seed)") }
        let (whole, part) = (ContinuousClock.now - start).components
        let elapsed = "\(whole).\(part / 100_000_000_000_000_000)"
        try writeOut(
            line: "\(result.worlds) worlds, \(result.events) events, \(broken.count) violations, \(elapsed) s")
        if !broken.isEmpty { throw Exit.no }
    }
}
