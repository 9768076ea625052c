// One engine takes the place of a living one: it is started beside it and has opened everything of its own before the living one
// is told to leave off, so that nobody adverts only while the last snapshots and the configuration are handed over. And the
// same engine, handed by one program of this process to the next. If the new one does not come up, the old one goes on.

import Election
import Glibc
import Messages
import System
import Wire

extension EngineKeeper {
    /// So long a new engine may take to come up beside the old one.
    static let successorPatience = Duration.seconds(10)
    /// So long an engine may take to leave off; then it counts as dead, and its last snapshots have to do.
    static let yieldPatience = Duration.milliseconds(500)

    /// Starts another engine in place of the present one; `succeeded` or `notSucceeded` follows. It opens what these interfaces
    /// need beforehand.
    func replaceEngine(on interfaces: [String]) {
        guard let engine, engine.ready, !stopping, successor == nil else {
            handle(.notSucceeded("there is no engine that another could follow"))
            return
        }
        do throws(SystemError) {
            let next = try launch()
            successor = next
            greet(next)
            write(.prepare(interfaces), to: next)
            loop.after(Self.successorPatience) { [unowned self, weak next] in
                if let next, successor === next { next.child.kill(SIGKILL) }
            }
        } catch {
            handle(.notSucceeded("the new engine could not be started: \(error)"))
        }
    }

    /// It is prepared: nothing is missing to it but what the present one knows.
    func successorIsUp() {
        guard let engine, !stopping else { return }
        // From here on it is expected to say nothing.
        watchdog?.forget()
        write(.yield, to: engine)
        loop.after(Self.yieldPatience) { [unowned self, weak engine] in
            guard let engine, self.engine === engine, successor != nil else { return }
            log.write(.warning, "engine-killed", ["text": "it did not leave off for the next one"])
            engine.child.kill(SIGKILL)
        }
    }

    /// The present engine has left off.
    func handOver(from engine: KeptEngine, at moment: Int64) {
        // Without another one its end is a death like others.
        guard let next = successor else { return }
        retiring.append(engine)
        loop.after(.seconds(5)) { [unowned self, weak engine] in
            if let engine, retiring.contains(where: { $0 === engine }) { engine.child.kill(SIGKILL) }
        }
        goOn(with: next, since: moment)
    }

    private func goOn(with next: KeptEngine, since moment: Int64) {
        successor = nil
        engine = next
        leftOff = moment
        handle(.succeeding)
        introduce(resuming: true)
    }

    /// The present engine is ready; if it has followed another, that is done.
    func successorIsReady() {
        guard let since = leftOff else { return }
        leftOff = nil
        handle(.succeeded(paused: .nanoseconds(Clock.boottime() - since)))
    }

    /// Whether it was another than the one that counts whose process ended, and what that means.
    func isBesideThePresent(_ engine: KeptEngine, _ ending: ProcessEnding, _ output: String) -> Bool {
        if let place = retiring.firstIndex(where: { $0 === engine }) {
            retiring.remove(at: place)
            return true
        }
        guard engine === successor else { return engine !== self.engine }
        successor = nil
        if !stopping {
            let words = output.isEmpty ? "" : ": \(output)"
            handle(.notSucceeded("the new engine ended before it was ready (\(ending.sentence)\(words))"))
            if let present = self.engine, present.ready { watchSigns(of: present) }
        }
        return true
    }

    /// The present engine died while another stood beside it: that one goes on at once.
    func succeedTheDead(_ ending: ProcessEnding, _ death: EngineDeath) -> Bool {
        guard let next = successor, !stopping else { return false }
        log.write(.error, "engine-ended", ["how": ending.sentence, "output": death.output, "resuming": "yes"])
        goOn(with: next, since: Clock.boottime())
        return true
    }

    // MARK: From one program to the next

    /// What the next program of this process must know of the engine; nil while there is none that is ready and has been told
    /// everything.
    func inheritance() -> EngineInheritance? {
        guard let engine, engine.ready, !engine.onlyCleans, successor == nil, engine.outbox.isEmpty else { return nil }
        return EngineInheritance(
            process: engine.child.process, pair: engine.socket.number, ending: engine.child.endingNumber,
            output: engine.child.outputNumber, vitals: engine.vitals?.number, started: engine.started,
            sockets: sockets.map { tag, socket in
                EngineInheritance.Socket(
                    isIPv6: tag.family == .ipv6, interface: tag.interfaceIndex, descriptor: socket.descriptor.number)
            })
    }

    /// Goes on with the engine of the program before. Throws, with the engine killed, where that cannot be.
    func adopt(_ engine: InheritedEngine) throws(SystemError) {
        try begin()
        sockets = engine.sockets
        let kept = engine.kept
        kept.ready = true
        try listen(to: kept)
        self.engine = kept
        watchSigns(of: kept)
    }
}

/// An engine that came with this process: its descriptors are owned here.
final class InheritedEngine {
    let kept: KeptEngine
    let sockets: [SocketTag: KeptSocket]

    /// Takes all descriptors over. nil, with those closed that are there, where one is missing: the engine then finds its
    /// supervisor gone, and leaves.
    init?(_ inheritance: EngineInheritance) {
        var sockets: [SocketTag: KeptSocket] = [:]
        for socket in inheritance.sockets {
            guard let descriptor = Takeover.inherited(socket.descriptor) else { continue }
            let tag = SocketTag(family: socket.isIPv6 ? .ipv6 : .ipv4, interfaceIndex: socket.interface)
            sockets[tag] = KeptSocket(descriptor)
        }
        var page: Vitals?
        if let number = inheritance.vitals, let vitals = Takeover.inherited(number) {
            page = try? Vitals(mapping: vitals, keeping: true)
        }
        guard let pair = Takeover.inherited(inheritance.pair), let ending = Takeover.inherited(inheritance.ending),
            let output = Takeover.inherited(inheritance.output),
            let child = try? ChildProcess(adopting: inheritance.process, ending: ending, output: output)
        else { return nil }
        self.sockets = sockets
        kept = KeptEngine(child, MessageSocket(taking: pair), vitals: page, started: inheritance.started)
    }
}

extension ProcessEnding {
    /// For the log.
    var sentence: String {
        switch self {
        case .exited(let status): "exit status \(status)"
        case .killed(let signal): "killed by signal \(signal)"
        case .notStarted(let code): SystemError("execve", code: code).description
        }
    }
}
