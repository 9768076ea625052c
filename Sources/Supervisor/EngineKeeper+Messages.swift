// How the keeper talks to an engine: commands that wait while the pair is full, reports that are read in slices, and which of them
// are the keeper's own business.

import Election
import Glibc
import Messages
import System

extension EngineKeeper {
    /// Sends a command; when the pair is full it waits in the outbox. Nothing happens without an engine: the next one is told
    /// everything anew. One that only cleans is told nothing else.
    func send(_ command: Command) {
        if isRunning { write(command, to: engine) }
    }

    /// A descriptor that travels with the message stays open as long as its owner is kept.
    func write(
        _ command: Command, to engine: KeptEngine?, _ descriptor: Int32? = nil, ownedBy owner: AnyObject? = nil
    ) {
        guard let engine else { return }
        command.encode(into: &encoded)
        engine.outbox.append((encoded, descriptor, owner))
        flush(engine)
    }

    func flush(_ engine: KeptEngine) {
        var sent = 0
        defer { engine.outbox.removeFirst(sent) }
        for entry in engine.outbox {
            do throws(SystemError) {
                guard try engine.socket.send(entry.message, descriptor: entry.descriptor) else { break }
            } catch {
                // It is gone; its end arrives by the process descriptor.
                sent = engine.outbox.count
                return
            }
            sent += 1
        }
        guard sent < engine.outbox.count else { return }
        if engine.outbox.count > Self.outboxLimit {
            log.write(.error, "engine-hangs", ["text": "it does not read its commands and is killed"])
            engine.child.kill(SIGKILL)
        }
        guard engine.retry == nil else { return }
        engine.retry = loop.after(.milliseconds(20)) { [unowned self, weak engine] in
            guard let engine else { return }
            engine.retry = nil
            flush(engine)
        }
    }

    func read(from engine: KeptEngine) {
        // A slice at a time: signals and checks wait behind it.
        for _ in 0..<256 {
            guard receive(from: engine) else { return }
        }
    }

    /// Reads one message; false when there is none.
    func receive(from engine: KeptEngine) -> Bool {
        let report: Report
        var passed: Descriptor?
        do throws(SystemError) {
            var received = try engine.socket.receive(into: &buffer)
            switch received.kind {
            case .nothing:
                return false
            case .end:
                // The process follows; one that closed its end and stays is of no use.
                if !stopping { engine.child.kill(SIGKILL) }
                loop.cancel(engine.tokens.first)
                return false
            case .message(let length):
                passed = received.descriptor.take()
                do throws(MessageError) {
                    report = try Report(decoding: buffer.span.extracting(0..<length))
                } catch {
                    refuse(engine, "a message of it cannot be read: \(error)")
                    return false
                }
            }
        } catch {
            refuse(engine, "\(error)")
            return false
        }
        engine.silentTicks = 0
        take(report, from: engine, passed.take())
        return true
    }

    private func take(_ report: Report, from engine: KeptEngine, _ descriptor: consuming Descriptor?) {
        switch report {
        case .hello(let version):
            if version != messagesVersion {
                refuse(engine, "it speaks version \(version) of the messages, this supervisor \(messagesVersion)")
            }
        case .prepared:
            if engine === successor { successorIsUp() }
        case .notice, .lost:
            handle(.report(report))
        default:
            // Only the one that counts is believed; another has nothing to say but that.
            guard engine === self.engine else { return }
            take(report, fromPresent: engine, descriptor)
        }
    }

    private func take(_ report: Report, fromPresent engine: KeptEngine, _ descriptor: consuming Descriptor?) {
        switch report {
        case .socket(let tag):
            if !engine.onlyCleans, let descriptor { sockets[tag] = KeptSocket(descriptor) }
        case .socketClosed(let tag):
            sockets[tag] = nil
        case .ready:
            engine.ready = true
            guard !engine.onlyCleans else { return }
            watchSigns(of: engine)
            handle(.report(report))
            successorIsReady()
        case .stopped:
            engine.hasReleased = true
            handle(.report(report))
        case .yielded(let at):
            handOver(from: engine, at: at)
        case .hello, .prepared, .notice, .lost:
            break
        case .heartbeat, .transition, .snapshot, .gateWanted, .gateCancelled, .handover, .verification,
            .interfaceCounters:
            if !engine.onlyCleans { handle(.report(report)) }
        }
    }

    private func refuse(_ engine: KeptEngine, _ reason: String) {
        log.write(.error, "engine-refused", ["text": reason])
        engine.child.kill(SIGKILL)
    }
}
