// Gates: commands that must succeed before a claim or a planned release. The engine asks, this runs, the engine is told; at
// most one runs per virtual router, and one whose result is not wanted any more is killed. A release gate whose engine died is
// left to finish, because half a fence is worse than a late one; what it says is no answer to the next engine.

import Configuration
import Election
import Messages
import System

/// The gates that run.
final class GateRunner {
    private struct Running {
        var generation: UInt64
        var sequence: UInt32
        var kind: GateKind
        var job: Job
    }

    private struct Waiting {
        var sequence: UInt32
        var begin: () -> Void
    }

    private let loop: Loop
    private let environment: CommandEnvironment
    private var running: [RouterID: Running] = [:]
    /// Those that wait for the end of a gate that a dead engine asked for.
    private var waiting: [RouterID: Waiting] = [:]
    /// The last gate of each router that ended for the present engine.
    private var finished: [RouterID: UInt32] = [:]
    /// Counts the engines: each numbers its gates from 1, so a number says nothing without this.
    private(set) var generation: UInt64 = 0

    init(loop: Loop, environment: CommandEnvironment) {
        self.loop = loop
        self.environment = environment
    }

    /// No gate runs.
    var isIdle: Bool { running.isEmpty && waiting.isEmpty }

    /// A gate of this router runs, whichever engine asked for it.
    func isRunning(_ router: RouterID) -> Bool { running[router] != nil }

    /// A release gate of this router runs, whichever engine asked for it.
    func isReleasing(_ router: RouterID) -> Bool { running[router]?.kind == .release }

    /// The present engine asked for this gate before, and it waits, runs or has ended. The engine asks again when reports were
    /// lost, and may do so while the result is on its way to it.
    func knows(_ router: RouterID, sequence: UInt32) -> Bool {
        if waiting[router]?.sequence == sequence || finished[router] == sequence { return true }
        guard let gate = running[router] else { return false }
        return gate.generation == generation && gate.sequence == sequence
    }

    /// Runs `command` for the gate with this sequence number and tells `ended` the result, once; not if it is cancelled. A
    /// gate of the same router that still runs is cancelled first; one that a dead engine asked for is waited for. Nothing
    /// happens when the present engine asked for this very one before.
    func start(
        _ router: RouterID, _ kind: GateKind, sequence: UInt32, command: CommandLine, variables: [String],
        ended: @escaping (JobResult) -> Void
    ) {
        guard !knows(router, sequence: sequence) else { return }
        cancel(router)
        let begin = { [unowned self] in
            self.begin(router, kind, sequence: sequence, command: command, variables: variables, ended: ended)
        }
        if running[router] == nil { begin() } else { waiting[router] = Waiting(sequence: sequence, begin: begin) }
    }

    private func begin(
        _ router: RouterID, _ kind: GateKind, sequence: UInt32, command: CommandLine, variables: [String],
        ended: @escaping (JobResult) -> Void
    ) {
        let generation = generation
        do throws(SystemError) {
            let job = try Job(
                environment.request(command, variables), timeout: command.timeout, loop: loop,
                ended: { [unowned self] result in
                    // A cancelled one is not told, so this is the one that is noted.
                    running[router] = nil
                    if generation == self.generation { finished[router] = sequence }
                    ended(result)
                    if running[router] == nil { waiting.removeValue(forKey: router)?.begin() }
                }, gone: {})
            running[router] = Running(generation: generation, sequence: sequence, kind: kind, job: job)
        } catch {
            finished[router] = sequence
            ended(JobResult(failure: .notStarted(error.code), output: "\(error)", took: .zero))
        }
    }

    /// Kills the gate of the present engine with this sequence number if it runs; nil: whichever runs. True if there was one.
    @discardableResult
    func cancel(_ router: RouterID, sequence: UInt32? = nil) -> Bool {
        if let gate = waiting[router], sequence == nil || sequence == gate.sequence {
            waiting[router] = nil
            return true
        }
        guard let gate = running[router], gate.generation == generation, sequence == nil || sequence == gate.sequence
        else { return false }
        running[router] = nil
        gate.job.cancel()
        return true
    }

    /// The engine that asked is gone. Release gates go on; claim gates are killed, because nobody would claim after them, and
    /// what waits is forgotten. Returns the routers of both.
    func abandon() -> [RouterID] {
        let claims = running.filter { $0.value.generation == generation && $0.value.kind == .claim }.keys
        let cancelled = (Array(claims) + Array(waiting.keys)).sorted()
        for router in cancelled { cancel(router) }
        generation += 1
        finished = [:]
        return cancelled
    }
}
