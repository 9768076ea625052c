// The binary form of reports: a tag octet, then the case's values.

import Election
import Wire

extension Report {
    /// Replaces the content of `octets` by the message.
    package func encode(into octets: inout [UInt8]) {
        Writer.rewrite(&octets) { write(to: &$0) }
    }

    private func write(to writer: inout Writer) {
        switch self {
        case .hello(let version):
            writer.write(UInt8(1))
            writer.write(version)
        case .socket(let tag):
            writer.write(UInt8(2))
            tag.write(to: &writer)
        case .socketClosed(let tag):
            writer.write(UInt8(3))
            tag.write(to: &writer)
        case .ready:
            writer.write(UInt8(4))
        case .heartbeat(let at, let advertised, let heard):
            writer.write(UInt8(5))
            writer.write(at)
            writer.write(list: advertised) { $0.write($1) }
            writer.write(list: heard) { $0.write($1) }
        case .transition(let router, let transition):
            writer.write(UInt8(6))
            writer.write(router)
            transition.write(to: &writer)
        case .snapshot(let snapshot):
            writer.write(UInt8(7))
            snapshot.write(to: &writer)
        case .gateWanted(let router, let kind, let sequence, let cause):
            writer.write(UInt8(8))
            writer.write(router)
            writer.write(kind.rawValue)
            writer.write(sequence)
            cause.write(to: &writer)
        case .gateCancelled(let router, let sequence):
            writer.write(UInt8(9))
            writer.write(router)
            writer.write(sequence)
        case .handover(let router, let outcome):
            writer.write(UInt8(22))
            writer.write(router)
            outcome.write(to: &writer)
        case .verification(let router, let verification):
            writer.write(UInt8(23))
            writer.write(router)
            verification.write(to: &writer)
        case .notice(let notice):
            writer.write(UInt8(10))
            notice.write(to: &writer)
        case .lost(let count):
            writer.write(UInt8(11))
            writer.write(count)
        case .stopped:
            writer.write(UInt8(12))
        case .yielded(let at):
            writer.write(UInt8(20))
            writer.write(at)
        case .prepared:
            writer.write(UInt8(21))
        case .interfaceCounters(let interface, let counters):
            writer.write(UInt8(13))
            writer.write(interface)
            counters.write(to: &writer)
        }
    }

    /// Reads one whole message.
    package init(decoding octets: Span<UInt8>) throws(MessageError) {
        var reader = Reader(octets)
        self = try Self.read(&reader)
        try reader.finish()
    }

    private static func read(_ reader: inout Reader) throws(MessageError) -> Report {
        switch try reader.byte() {
        case 1: return .hello(version: try reader.integer(UInt16.self))
        case 2: return .socket(try SocketTag(from: &reader))
        case 3: return .socketClosed(try SocketTag(from: &reader))
        case 4: return .ready
        case 5:
            let at = try reader.integer(Int64.self)
            let advertised = try reader.list { reader throws(MessageError) in try reader.router() }
            let heard = try reader.list { reader throws(MessageError) in try reader.router() }
            return .heartbeat(at: at, advertised: advertised, heard: heard)
        case 6:
            let router = try reader.router()
            return .transition(router, try Transition(from: &reader))
        case 7: return .snapshot(try RouterSnapshot(from: &reader))
        case 8:
            let router = try reader.router()
            let kind = try GateKind(from: &reader)
            let sequence = try reader.integer(UInt32.self)
            return .gateWanted(router, kind, sequence: sequence, cause: try Cause(from: &reader))
        case 9:
            let router = try reader.router()
            return .gateCancelled(router, sequence: try reader.integer(UInt32.self))
        case 22:
            let router = try reader.router()
            return .handover(router, try HandoverOutcome(from: &reader))
        case 23:
            let router = try reader.router()
            return .verification(router, try Verification(from: &reader))
        case 10: return .notice(try Notice(from: &reader))
        case 11: return .lost(try reader.integer(UInt32.self))
        case 12: return .stopped
        case 13:
            let interface = try reader.text()
            return .interfaceCounters(interface, try Counters(from: &reader))
        case 21: return .prepared
        case 20: return .yielded(at: try reader.integer(Int64.self))
        case let other: throw .unknown(other)
        }
    }
}

extension Notice {
    func write(to writer: inout Writer) {
        switch self {
        case .dropped(let router, let interface, let reason, let source, let count):
            writer.write(UInt8(1))
            writer.write(router) { $0.write($1) }
            writer.write(interface)
            writer.write(reason.rawValue)
            writer.write(source) { $0.write($1) }
            writer.write(count)
        case .peerDiffers(let router, let peer, let difference):
            writer.write(UInt8(2))
            writer.write(router)
            writer.write(peer)
            difference.write(to: &writer)
        case .kernel(let router, let call, let subject, let code, let explanation):
            writer.write(UInt8(3))
            writer.write(router) { $0.write($1) }
            writer.write(call)
            writer.write(subject)
            writer.write(code)
            writer.write(explanation)
        case .leftoverRemoved(let address, let interface):
            writer.write(UInt8(4))
            writer.write(address)
            writer.write(interface)
        case .resynchronised:
            writer.write(UInt8(5))
        case .releaseGateFailed(let router, let failure, let stopping):
            writer.write(UInt8(6))
            writer.write(router)
            failure.write(to: &writer)
            writer.write(stopping)
        case .unsteady(let router, let transitions, let window):
            writer.write(UInt8(7))
            writer.write(router)
            writer.write(transitions)
            writer.write(window)
        case .flood(let tag, let isFiltering):
            writer.write(UInt8(8))
            tag.write(to: &writer)
            writer.write(isFiltering)
        case .memoryNotLocked(let code, let isPartly):
            writer.write(UInt8(9))
            writer.write(code)
            writer.write(isPartly)
        case .connectionsReset(let count):
            writer.write(UInt8(11))
            writer.write(count)
        case .addressClaimed(let router, let address, let hardware, let state):
            writer.write(UInt8(10))
            writer.write(router)
            writer.write(address)
            writer.write(hardware)
            writer.write(state.rawValue)
        case .routingLeftoverRemoved(let entry):
            writer.write(UInt8(12))
            entry.write(to: &writer)
        case .routingNotOurs(let router, let entry):
            writer.write(UInt8(13))
            writer.write(router)
            entry.write(to: &writer)
        case .degraded(let router, let missing):
            writer.write(UInt8(14))
            writer.write(router)
            writer.write(list: missing) { $1.write(to: &$0) }
        }
    }

    init(from reader: inout Reader) throws(MessageError) {
        switch try reader.byte() {
        case 1:
            let router = try reader.optional { reader throws(MessageError) in try reader.router() }
            let interface = try reader.integer(UInt32.self)
            let reason = try reader.dropReason()
            let source = try reader.optional { reader throws(MessageError) in try reader.address() }
            self = .dropped(
                router, interface: interface, reason: reason, source: source, count: try reader.integer(UInt32.self))
        case 2:
            let router = try reader.router()
            let peer = try reader.address()
            self = .peerDiffers(router, peer: peer, what: try PeerDifference(from: &reader))
        case 3:
            let router = try reader.optional { reader throws(MessageError) in try reader.router() }
            let call = try reader.text()
            let subject = try reader.text()
            let code = try reader.integer(Int32.self)
            self = .kernel(router, call: call, subject: subject, code: code, explanation: try reader.text())
        case 4:
            let address = try reader.interfaceAddress()
            self = .leftoverRemoved(address, interface: try reader.text())
        case 5: self = .resynchronised
        case 6:
            let router = try reader.router()
            let failure = try CheckFailure(from: &reader)
            self = .releaseGateFailed(router, failure, stopping: try reader.bool())
        case 7:
            let router = try reader.router()
            let transitions = try reader.integer(UInt32.self)
            self = .unsteady(router, transitions: transitions, within: try reader.duration())
        case 8:
            let tag = try SocketTag(from: &reader)
            self = .flood(tag, isFiltering: try reader.bool())
        case 9:
            let code = try reader.integer(Int32.self)
            self = .memoryNotLocked(code, isPartly: try reader.bool())
        case 11: self = .connectionsReset(count: try reader.integer(UInt32.self))
        case 10:
            let router = try reader.router()
            let address = try reader.address()
            let hardware = try reader.hardware()
            self = .addressClaimed(router, address, by: hardware, state: try StateName(from: &reader))
        case 12: self = .routingLeftoverRemoved(try RoutingEntry(from: &reader))
        case 13:
            let router = try reader.router()
            self = .routingNotOurs(router, try RoutingEntry(from: &reader))
        case 14:
            let router = try reader.router()
            self = .degraded(
                router, try reader.list { reader throws(MessageError) in try Fault(from: &reader) })
        case let other: throw .unknown(other)
        }
    }
}
