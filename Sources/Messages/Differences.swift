// The binary form of what peers are configured with that differs from us.

import Election
import Wire

extension PeerDifference {
    func write(to writer: inout Writer) {
        writer.write(kind.rawValue)
        switch self {
        case .interval(let own, let peer, let limit):
            writer.write(own)
            writer.write(peer)
            writer.write(limit)
        case .addresses(let own, let peer, let missing, let unexpected):
            writer.write(UInt16(clamping: own))
            writer.write(UInt16(clamping: peer))
            writer.write(missing) { $0.write($1) }
            writer.write(unexpected) { $0.write($1) }
        case .version(let own, let peer):
            writer.write(own.rawValue)
            writer.write(peer)
        case .checksumForm(let own, let peer):
            writer.write(own.rawValue)
            writer.write(peer.rawValue)
        case .authentication(let own, let peer):
            writer.write(own)
            writer.write(peer)
        case .ownerHears(let priority), .equalPriority(let priority), .doesNotHear(let priority):
            writer.write(priority)
        case .filtered(let isObeyed):
            writer.write(isObeyed)
        case .bothOwner, .ourAddress, .firstAddressNotLinkLocal:
            break
        }
    }

    init(from reader: inout Reader) throws(MessageError) {
        let number = try reader.byte()
        guard let kind = Kind(rawValue: number) else { throw .unknown(number) }
        switch kind {
        case .interval:
            let own = try reader.duration()
            let peer = try reader.duration()
            self = .interval(own: own, peer: peer, limit: try reader.duration())
        case .addresses:
            let own = Int(try reader.integer(UInt16.self))
            let peer = Int(try reader.integer(UInt16.self))
            let missing = try reader.optional { reader throws(MessageError) in try reader.address() }
            let unexpected = try reader.optional { reader throws(MessageError) in try reader.address() }
            self = .addresses(own: own, peer: peer, missing: missing, unexpected: unexpected)
        case .version:
            let own = try reader.protocolVersion()
            self = .version(own: own, peer: try reader.byte())
        case .checksumForm:
            let own = try reader.checksumForm()
            self = .checksumForm(own: own, peer: try reader.checksumForm())
        case .authentication:
            let own = try reader.byte()
            self = .authentication(own: own, peer: try reader.byte())
        case .bothOwner: self = .bothOwner
        case .ownerHears: self = .ownerHears(priority: try reader.byte())
        case .equalPriority: self = .equalPriority(try reader.byte())
        case .ourAddress: self = .ourAddress
        case .firstAddressNotLinkLocal: self = .firstAddressNotLinkLocal
        case .filtered: self = .filtered(isObeyed: try reader.bool())
        case .doesNotHear: self = .doesNotHear(priority: try reader.byte())
        }
    }
}

extension HeardDifference {
    func write(to writer: inout Writer) {
        writer.write(peer)
        what.write(to: &writer)
        writer.write(first)
        writer.write(last)
        writer.write(count)
    }

    init(from reader: inout Reader) throws(MessageError) {
        let peer = try reader.address()
        let what = try PeerDifference(from: &reader)
        let first = try reader.instant()
        let last = try reader.instant()
        self.init(peer: peer, what: what, first: first, last: last, count: try reader.integer(UInt64.self))
    }
}

extension HeardClaim {
    func write(to writer: inout Writer) {
        writer.write(address)
        writer.write(hardware)
        writer.write(first)
        writer.write(last)
        writer.write(count)
    }

    init(from reader: inout Reader) throws(MessageError) {
        let address = try reader.address()
        let hardware = try reader.hardware()
        let first = try reader.instant()
        let last = try reader.instant()
        self.init(
            address: address, hardware: hardware, first: first, last: last, count: try reader.integer(UInt64.self))
    }
}

extension Reader {
    mutating func dropReason() throws(MessageError) -> DropReason {
        let number = try byte()
        guard let reason = DropReason(rawValue: number) else { throw .unknown(number) }
        return reason
    }

    mutating func protocolVersion() throws(MessageError) -> ProtocolVersion {
        let number = try byte()
        guard let version = ProtocolVersion(rawValue: number) else { throw .unknown(number) }
        return version
    }

    fileprivate mutating func checksumForm() throws(MessageError) -> ChecksumForm {
        let number = try byte()
        guard let form = ChecksumForm(rawValue: number) else { throw .unknown(number) }
        return form
    }
}
