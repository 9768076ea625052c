// The binary form of the values that messages carry: faults, causes, configurations, snapshots. Each type writes and reads
// itself in one place, field after field.

import Election
import Wire

extension CheckFailure {
    func write(to writer: inout Writer) {
        switch self {
        case .pending: writer.write(UInt8(0))
        case .exited(let status):
            writer.write(UInt8(1))
            writer.write(status)
        case .killed(let signal):
            writer.write(UInt8(2))
            writer.write(signal)
        case .timedOut: writer.write(UInt8(3))
        case .missing: writer.write(UInt8(4))
        case .notExecutable: writer.write(UInt8(5))
        case .notStarted(let code):
            writer.write(UInt8(6))
            writer.write(code)
        case .stale: writer.write(UInt8(7))
        }
    }

    init(from reader: inout Reader) throws(MessageError) {
        switch try reader.byte() {
        case 0: self = .pending
        case 1: self = .exited(try reader.byte())
        case 2: self = .killed(try reader.byte())
        case 3: self = .timedOut
        case 4: self = .missing
        case 5: self = .notExecutable
        case 6: self = .notStarted(try reader.integer(Int32.self))
        case 7: self = .stale
        case let other: throw .unknown(other)
        }
    }
}

extension Verdict {
    func write(to writer: inout Writer) {
        writer.write(failure) { $1.write(to: &$0) }
    }

    init(from reader: inout Reader) throws(MessageError) {
        let failure = try reader.optional { reader throws(MessageError) in try CheckFailure(from: &reader) }
        self = failure.map { .failing($0) } ?? .passing
    }
}

extension CheckEffect {
    func write(to writer: inout Writer) {
        switch self {
        case .fault: writer.write(UInt8(0))
        case .weight(let weight):
            writer.write(UInt8(1))
            writer.write(weight)
        case .lastResort: writer.write(UInt8(2))
        }
    }

    init(from reader: inout Reader) throws(MessageError) {
        switch try reader.byte() {
        case 0: self = .fault
        case 1: self = .weight(try reader.integer(Int16.self))
        case 2: self = .lastResort
        case let other: throw .unknown(other)
        }
    }
}

extension Contribution {
    func write(to writer: inout Writer) {
        writer.write(check)
        effect.write(to: &writer)
        failure.write(to: &writer)
    }

    init(from reader: inout Reader) throws(MessageError) {
        let check = try reader.check()
        let effect = try CheckEffect(from: &reader)
        self.init(check: check, effect: effect, failure: try CheckFailure(from: &reader))
    }
}

extension Fault {
    func write(to writer: inout Writer) {
        switch self {
        case .interfaceMissing: writer.write(UInt8(0))
        case .interfaceDown: writer.write(UInt8(1))
        case .noCarrier: writer.write(UInt8(2))
        case .noSourceAddress: writer.write(UInt8(3))
        case .socket(let code):
            writer.write(UInt8(4))
            writer.write(code)
        case .check(let check, let failure):
            writer.write(UInt8(5))
            writer.write(check)
            failure.write(to: &writer)
        case .gate(let failure):
            writer.write(UInt8(6))
            failure.write(to: &writer)
        case .claim(let failure):
            writer.write(UInt8(7))
            writer.write(failure.address)
            writer.write(failure.code)
        case .cannotSend(let code):
            writer.write(UInt8(8))
            writer.write(code)
        case .addressRemoved(let address, let process):
            writer.write(UInt8(9))
            writer.write(address)
            writer.write(process)
        case .addressNotOurs(let address):
            writer.write(UInt8(10))
            writer.write(address)
        case .addressInterface(let name, let trouble):
            writer.write(UInt8(11))
            writer.write(name)
            writer.write(trouble.rawValue)
        case .routing(let failure):
            writer.write(UInt8(12))
            failure.entry.write(to: &writer)
            writer.write(failure.code)
        case .routingRemoved(let entry, let process):
            writer.write(UInt8(13))
            entry.write(to: &writer)
            writer.write(process)
        case .virtualMAC(let interface, let code):
            writer.write(UInt8(14))
            writer.write(interface)
            writer.write(code)
        }
    }

    init(from reader: inout Reader) throws(MessageError) {
        switch try reader.byte() {
        case 0: self = .interfaceMissing
        case 1: self = .interfaceDown
        case 2: self = .noCarrier
        case 3: self = .noSourceAddress
        case 4: self = .socket(try reader.integer(Int32.self))
        case 5:
            let check = try reader.check()
            self = .check(check, try CheckFailure(from: &reader))
        case 6: self = .gate(try CheckFailure(from: &reader))
        case 7:
            let address = try reader.interfaceAddress()
            self = .claim(ClaimFailure(address: address, code: try reader.integer(Int32.self)))
        case 8: self = .cannotSend(try reader.integer(Int32.self))
        case 9:
            let address = try reader.interfaceAddress()
            self = .addressRemoved(address, by: try reader.text())
        case 10: self = .addressNotOurs(try reader.interfaceAddress())
        case 11:
            let name = try reader.text()
            let number = try reader.byte()
            guard let trouble = InterfaceTrouble(rawValue: number) else { throw .unknown(number) }
            self = .addressInterface(name, trouble)
        case 12:
            let entry = try RoutingEntry(from: &reader)
            self = .routing(RoutingFailure(entry: entry, code: try reader.integer(Int32.self)))
        case 13:
            let entry = try RoutingEntry(from: &reader)
            self = .routingRemoved(entry, by: try reader.text())
        case 14:
            let interface = try reader.text()
            self = .virtualMAC(interface: interface, try reader.integer(Int32.self))
        case let other: throw .unknown(other)
        }
    }
}

extension Cause {
    func write(to writer: inout Writer) {
        switch self {
        case .started: writer.write(UInt8(0))
        case .resumed: writer.write(UInt8(1))
        case .owner: writer.write(UInt8(2))
        case .masterSilent(let master, let silence, let late):
            writer.write(UInt8(3))
            writer.write(master) { $0.write($1) }
            writer.write(silence) { $0.write($1) }
            writer.write(late)
        case .masterResigned(let peer):
            writer.write(UInt8(4))
            writer.write(peer)
        case .preemptedLower(let peer, let priority): writer.write(peer, priority, tag: 5)
        case .higherPriority(let peer, let priority): writer.write(peer, priority, tag: 6)
        case .greaterAddress(let peer, let priority): writer.write(peer, priority, tag: 7)
        case .fault(let fault):
            writer.write(UInt8(8))
            fault.write(to: &writer)
        case .recovered: writer.write(UInt8(9))
        case .lastResort(let check, let failure):
            writer.write(UInt8(10))
            writer.write(check)
            failure.write(to: &writer)
        case .disabled: writer.write(UInt8(11))
        case .enabled: writer.write(UInt8(12))
        case .stopped: writer.write(UInt8(13))
        case .reconfigured: writer.write(UInt8(14))
        case .handedOver: writer.write(UInt8(15))
        case .nobodyTookOver: writer.write(UInt8(16))
        case .late(let absence):
            writer.write(UInt8(17))
            writer.write(absence)
        }
    }

    init(from reader: inout Reader) throws(MessageError) {
        switch try reader.byte() {
        case 0: self = .started
        case 1: self = .resumed
        case 2: self = .owner
        case 3:
            let master = try reader.optional { reader throws(MessageError) in try reader.address() }
            let silence = try reader.optional { reader throws(MessageError) in try reader.duration() }
            self = .masterSilent(master: master, silence: silence, late: try reader.duration())
        case 4: self = .masterResigned(try reader.address())
        case 5:
            let peer = try reader.address()
            self = .preemptedLower(peer, priority: try reader.byte())
        case 6:
            let peer = try reader.address()
            self = .higherPriority(peer, priority: try reader.byte())
        case 7:
            let peer = try reader.address()
            self = .greaterAddress(peer, priority: try reader.byte())
        case 8: self = .fault(try Fault(from: &reader))
        case 9: self = .recovered
        case 10:
            let check = try reader.check()
            self = .lastResort(check, try CheckFailure(from: &reader))
        case 11: self = .disabled
        case 12: self = .enabled
        case 13: self = .stopped
        case 14: self = .reconfigured
        case 15: self = .handedOver
        case 16: self = .nobodyTookOver
        case 17: self = .late(try reader.duration())
        case let other: throw .unknown(other)
        }
    }
}

extension Writer {
    fileprivate mutating func write(_ peer: IPAddress, _ priority: UInt8, tag: UInt8) {
        write(tag)
        write(peer)
        write(priority)
    }
}

extension Transition {
    func write(to writer: inout Writer) {
        writer.write(from.rawValue)
        writer.write(to.rawValue)
        cause.write(to: &writer)
        writer.write(at)
        writer.write(effectivePriority)
    }

    init(from reader: inout Reader) throws(MessageError) {
        let from = try StateName(from: &reader)
        let to = try StateName(from: &reader)
        let cause = try Cause(from: &reader)
        let at = try reader.instant()
        self.init(from: from, to: to, cause: cause, at: at, effectivePriority: try reader.byte())
    }
}

extension StateName {
    init(from reader: inout Reader) throws(MessageError) {
        let value = try reader.byte()
        guard let state = StateName(rawValue: value) else { throw .unknown(value) }
        self = state
    }
}

extension GateKind {
    init(from reader: inout Reader) throws(MessageError) {
        let value = try reader.byte()
        guard let kind = GateKind(rawValue: value) else { throw .unknown(value) }
        self = kind
    }
}

extension HandoverOutcome {
    func write(to writer: inout Writer) {
        switch self {
        case .notMaster: writer.write(UInt8(0))
        case .isOwner: writer.write(UInt8(1))
        case .taken(let peer, let after, let overlap):
            writer.write(UInt8(2))
            writer.write(peer)
            writer.write(after)
            writer.write(overlap)
        case .nobody: writer.write(UInt8(3))
        case .gateFailed(let failure):
            writer.write(UInt8(4))
            failure.write(to: &writer)
        case .interrupted: writer.write(UInt8(5))
        }
    }

    init(from reader: inout Reader) throws(MessageError) {
        switch try reader.byte() {
        case 0: self = .notMaster
        case 1: self = .isOwner
        case 2:
            let peer = try reader.address()
            let after = try reader.duration()
            self = .taken(by: peer, after: after, overlap: try reader.duration())
        case 3: self = .nobody
        case 4: self = .gateFailed(try CheckFailure(from: &reader))
        case 5: self = .interrupted
        case let other: throw .unknown(other)
        }
    }
}

extension SocketTag {
    func write(to writer: inout Writer) {
        writer.write(family.rawValue)
        writer.write(interfaceIndex)
    }

    init(from reader: inout Reader) throws(MessageError) {
        let family = try reader.family()
        self.init(family: family, interfaceIndex: try reader.integer(UInt32.self))
    }
}
