// One run of a command: started, captured, ended with its whole process group when it takes too long. Checks, gates and
// hooks are all made of this, so that a missing program or a timeout means the same everywhere.

import Configuration
import Election
import Glibc
import System

/// How a run went.
struct JobResult: Hashable {
    /// nil for exit status 0.
    var failure: CheckFailure?
    /// The end of what it wrote, for the log.
    var output: String
    var took: Duration
}

/// A command that runs.
final class Job {
    private let loop: Loop
    private var child: ChildProcess
    private let started = Clock.monotonic()
    private var ended: ((JobResult) -> Void)?
    private let gone: () -> Void
    private var output: Loop.Token?
    private var ending: Loop.Token?
    private var limit: Loop.Token?

    /// Starts `request`. `ended` is called once, when it has ended or when `timeout` has passed and it was killed; `gone` is
    /// called once, after it, when nothing of it is left that could run at the same time as another. Throws what keeps this
    /// process from having children; then neither is called.
    init(
        _ request: ProcessRequest, timeout: Duration, loop: Loop, ended: @escaping (JobResult) -> Void,
        gone: @escaping () -> Void
    ) throws(SystemError) {
        self.loop = loop
        child = try ChildProcess(request)
        self.ended = ended
        self.gone = gone
        // The closures keep this object until the child was reaped.
        do throws(SystemError) {
            ending = try loop.watch(child.endingNumber) { self.reap() }
            output = try loop.watch(child.outputNumber) { self.readOutput() }
        } catch {
            loop.cancel(ending)
            child.kill(SIGKILL)
            throw error
        }
        limit = loop.after(timeout) { self.finish(.timedOut, killing: true) }
    }

    /// Kills it; `ended` will not be called any more, `gone` will.
    func cancel() {
        ended = nil
        loop.cancel(limit)
        limit = nil
        child.kill(SIGKILL)
    }

    private func readOutput() {
        if child.readOutput() { return }
        loop.cancel(output)
        output = nil
    }

    private func reap() {
        guard let ending = child.reap() else { return }
        loop.cancel(self.ending)
        loop.cancel(limit)
        if output != nil {
            _ = child.readOutput()
            loop.cancel(output)
        }
        finish(CheckFailure(ending), killing: false)
        gone()
    }

    private func finish(_ failure: CheckFailure?, killing: Bool) {
        if killing { child.kill(SIGKILL) }
        guard let ended else { return }
        self.ended = nil
        let took = Duration.nanoseconds(Clock.monotonic() - started)
        ended(JobResult(failure: failure, output: Self.text(child.outputTail), took: took))
    }

    /// Output as a text without the line end behind it.
    static func text(_ octets: [UInt8]) -> String {
        var rest = octets[...]
        while let last = rest.last, last == UInt8(ascii: "\n") || last == UInt8(ascii: "\r") { rest = rest.dropLast() }
        return String(decoding: rest, as: UTF8.self)
    }
}

extension CheckFailure {
    /// The word for how a process ended; nil for exit status 0.
    init?(_ ending: ProcessEnding) {
        switch ending {
        case .exited(0): return nil
        case .exited(let status): self = .exited(status)
        case .killed(let signal): self = .killed(signal)
        case .notStarted(let code):
            switch code {
            case ENOENT: self = .missing
            case EACCES, ENOEXEC: self = .notExecutable
            default: self = .notStarted(code)
            }
        }
    }
}

/// Makes process requests of configured commands: the environment that all share, and the users they run as.
final class CommandEnvironment {
    /// What children inherit of the agent's own environment, `NAME=value` each.
    let inherited: [String]
    private var identities: [String: UserIdentity] = [:]
    private let errands: Errands?

    /// What is between the agent and its service manager is not passed on; PATH is there in any case.
    init(_ environment: [String], errands: Errands?) {
        let own = ["NOTIFY_SOCKET=", "WATCHDOG_", "LISTEN_", "JOURNAL_STREAM=", "VIPD_"]
        var kept = environment.filter { entry in !own.contains { entry.hasPrefix($0) } }
        if !kept.contains(where: { $0.hasPrefix("PATH=") }) {
            kept.append("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        }
        inherited = kept
        self.errands = errands
    }

    /// The users of `configuration` whose numbers are not known yet.
    static func users(of configuration: Configuration) -> Set<String> {
        var users: Set<String> = []
        for check in configuration.checks { users.formUnion([check.command.user].compactMap { $0 }) }
        for router in configuration.routers {
            let hooks = router.hooks
            let commands = [
                router.gateClaim, router.gateRelease, hooks.onMaster, hooks.onBackup, hooks.onFault, hooks.onStop,
            ]
            users.formUnion(commands.compactMap { $0?.user })
        }
        return users
    }

    /// Asks the name service, which may block; those it does not know are left out.
    static func find(_ users: Set<String>) -> [String: UserIdentity] {
        var found: [String: UserIdentity] = [:]
        for user in users {
            if let identity = try? UserIdentity.find(user) { found[user] = identity }
        }
        return found
    }

    func learn(_ found: [String: UserIdentity]) { identities.merge(found) { $1 } }

    /// The request for `command` with these variables added. Throws ESRCH for a user nobody knows, which no start of a
    /// program gives and which is told as such; the name service is asked again, off this thread, so that the next run may
    /// succeed.
    func request(_ command: CommandLine, _ variables: [String], passing: Int32? = nil) throws(SystemError)
        -> ProcessRequest
    {
        var identity: UserIdentity?
        if let user = command.user {
            identity = identities[user]
            if identity == nil {
                errands?.run({ Self.find([user]) }, then: { [weak self] in self?.learn($0) })
                throw SystemError("getpwnam_r", "user \(user)", code: ESRCH)
            }
        }
        // The agent may be protected from the kernel's hunt for memory, what it runs is not: the unit sets OOMScoreAdjust=.
        return ProcessRequest(
            arguments: command.arguments, environment: inherited + variables, identity: identity, passing: passing,
            oomScore: 0)
    }
}
