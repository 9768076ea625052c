// The binary form of commands: a tag octet, then the case's values.

import Election
import Wire

extension Command {
    /// Replaces the content of `octets` by the message.
    package func encode(into octets: inout [UInt8]) {
        Writer.rewrite(&octets) { write(to: &$0) }
    }

    private func write(to writer: inout Writer) {
        switch self {
        case .hello(let version):
            writer.write(UInt8(1))
            writer.write(version)
        case .adopt(let tag):
            writer.write(UInt8(2))
            tag.write(to: &writer)
        case .resume(let snapshot):
            writer.write(UInt8(3))
            snapshot.write(to: &writer)
        case .check(let definition):
            writer.write(UInt8(4))
            definition.write(to: &writer)
        case .removeCheck(let check):
            writer.write(UInt8(5))
            writer.write(check)
        case .configure(let router, let configuration, let disabled):
            writer.write(UInt8(6))
            writer.write(router)
            configuration.write(to: &writer)
            writer.write(disabled)
        case .remove(let router):
            writer.write(UInt8(7))
            writer.write(router)
        case .commit:
            writer.write(UInt8(8))
        case .verdict(let check, let verdict):
            writer.write(UInt8(9))
            writer.write(check)
            verdict.write(to: &writer)
        case .gate(let router, let sequence, let failure):
            writer.write(UInt8(10))
            writer.write(router)
            writer.write(sequence)
            writer.write(failure) { $1.write(to: &$0) }
        case .disable(let router, let disabled):
            writer.write(UInt8(11))
            writer.write(router)
            writer.write(disabled)
        case .stop:
            writer.write(UInt8(12))
        case .yield:
            writer.write(UInt8(20))
        case .prepare(let interfaces):
            writer.write(UInt8(21))
            writer.write(list: interfaces) { $0.write($1) }
        case .handOver(let router, let patience):
            writer.write(UInt8(22))
            writer.write(router)
            writer.write(patience)
        case .hold(let router, let held):
            writer.write(UInt8(23))
            writer.write(router)
            writer.write(held)
        case .announce(let router):
            writer.write(UInt8(24))
            writer.write(router)
        case .verify(let router):
            writer.write(UInt8(25))
            writer.write(router)
        case .limitAnnouncements(let limit):
            writer.write(UInt8(26))
            writer.write(limit)
        }
    }

    /// Reads one whole message.
    package init(decoding octets: Span<UInt8>) throws(MessageError) {
        var reader = Reader(octets)
        self = try Self.read(&reader)
        try reader.finish()
    }

    private static func read(_ reader: inout Reader) throws(MessageError) -> Command {
        switch try reader.byte() {
        case 1: return .hello(version: try reader.integer(UInt16.self))
        case 2: return .adopt(try SocketTag(from: &reader))
        case 3: return .resume(try RouterSnapshot(from: &reader))
        case 4: return .check(try CheckDefinition(from: &reader))
        case 5: return .removeCheck(try reader.check())
        case 6:
            let router = try reader.router()
            let configuration = try VirtualRouterConfiguration(from: &reader)
            return .configure(router, configuration, disabled: try reader.bool())
        case 7: return .remove(try reader.router())
        case 8: return .commit
        case 9:
            let check = try reader.check()
            return .verdict(check, try Verdict(from: &reader))
        case 10:
            let router = try reader.router()
            let sequence = try reader.integer(UInt32.self)
            let failure = try reader.optional { reader throws(MessageError) in try CheckFailure(from: &reader) }
            return .gate(router, sequence: sequence, failure: failure)
        case 11:
            let router = try reader.router()
            return .disable(router, try reader.bool())
        case 12: return .stop
        case 20: return .yield
        case 21: return .prepare(try reader.list { reader throws(MessageError) in try reader.text() })
        case 22:
            let router = try reader.router()
            return .handOver(router, patience: try reader.duration())
        case 23:
            let router = try reader.router()
            return .hold(router, try reader.bool())
        case 24: return .announce(try reader.router())
        case 25: return .verify(try reader.router())
        case 26: return .limitAnnouncements(perSecond: try reader.integer(UInt32.self))
        case let other: throw .unknown(other)
        }
    }
}

extension CheckDefinition {
    func write(to writer: inout Writer) {
        writer.write(check)
        writer.write(timeToLive)
        switch verdict {
        case .cold: writer.write(UInt8(0))
        case .unjudged: writer.write(UInt8(1))
        case .known(let verdict, let age):
            writer.write(UInt8(2))
            verdict.write(to: &writer)
            writer.write(age)
        }
    }

    init(from reader: inout Reader) throws(MessageError) {
        let check = try reader.check()
        let timeToLive = try reader.duration()
        let known: KnownVerdict
        switch try reader.byte() {
        case 0: known = .cold
        case 1: known = .unjudged
        case 2:
            let verdict = try Verdict(from: &reader)
            known = .known(verdict, age: try reader.duration())
        case let other: throw .unknown(other)
        }
        self.init(check: check, timeToLive: timeToLive, verdict: known)
    }
}
