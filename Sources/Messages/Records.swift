// The binary form of the two large records: a router's configuration on its way down and its snapshot on its way up (and
// down again, to a new engine).

import Election
import Wire

extension VirtualRouterConfiguration {
    func write(to writer: inout Writer) {
        writer.write(interface)
        writer.write(vrid)
        writer.write(version.rawValue)
        writer.write(alsoVersion2)
        writer.write(priority)
        writer.write(advertisementInterval)
        writer.write(preempt)
        writer.write(preemptDelay)
        writer.write(startDelay)
        writer.write(intervalLimit)
        writer.write(list: peers) { writer, peer in
            writer.write(peer.address)
            writer.write(peer.minimumHopLimit)
        }
        writer.write(list: addresses) { $0.write($1) }
        let special = addresses.indices.filter { addressOptions[addresses[$0]] != nil }
        writer.write(list: special) { writer, place in
            writer.write(UInt16(truncatingIfNeeded: place))
            options(of: addresses[place]).write(to: &writer)
        }
        writer.write(UInt16(truncatingIfNeeded: unadvertised))
        writer.write(list: routing) { $1.write(to: &$0) }
        writer.write(checksum.rawValue)
        writer.write(password) { $0.write($1) }
        writer.write(strictFirstAddress)
        writer.write(list: announcements.rounds) { $0.write($1) }
        writer.write(announcements.refresh) { $0.write($1) }
        writer.write(announcements.kinds.rawValue)
        writer.write(announcements.pacing)
        lease.write(to: &writer)
        writer.write(resetsConnections)
        writer.write(claim.rawValue)
        writer.write(conflictCheck.rawValue)
        writer.write(verification.isOn)
        writer.write(list: verification.targets) { $0.write($1) }
        writer.write(obeysFiltered)
        writer.write(isPromiscuous)
        writer.write(list: checks) { writer, reference in
            writer.write(reference.check)
            reference.effect.write(to: &writer)
        }
        writer.write(gatesClaim)
        writer.write(gatesRelease)
        writer.write(usesVirtualMAC)
    }

    init(from reader: inout Reader) throws(MessageError) {
        let interface = try reader.text()
        let vrid = try reader.byte()
        let version = try reader.protocolVersion()
        let alsoVersion2 = try reader.bool()
        let priority = try reader.byte()
        let interval = try reader.duration()
        let preempt = try reader.bool()
        let preemptDelay = try reader.duration()
        let startDelay = try reader.duration()
        let intervalLimit = try reader.integer(UInt16.self)
        let peers = try reader.list { reader throws(MessageError) in
            let address = try reader.address()
            return UnicastPeer(address, minimumHopLimit: try reader.byte())
        }
        let addresses = try reader.list { reader throws(MessageError) in try reader.interfaceAddress() }
        var addressOptions: [InterfaceAddress: AddressOptions] = [:]
        for _ in 0..<Int(try reader.integer(UInt16.self)) {
            let place = Int(try reader.integer(UInt16.self))
            guard place < addresses.count else { throw .unknown(UInt8(clamping: place)) }
            addressOptions[addresses[place]] = try AddressOptions(from: &reader)
        }
        let unadvertised = try reader.integer(UInt16.self)
        guard unadvertised == 0 || unadvertised < addresses.count else { throw .unknown(UInt8(clamping: unadvertised)) }
        let routing = try reader.list { reader throws(MessageError) in try RoutingEntry(from: &reader) }
        let policyNumber = try reader.byte()
        guard let checksum = ChecksumPolicy(rawValue: policyNumber) else { throw .unknown(policyNumber) }
        let password = try reader.optional { reader throws(MessageError) in try reader.bytes() }
        let strict = try reader.bool()
        let rounds = try reader.list { reader throws(MessageError) in try reader.duration() }
        let refresh = try reader.optional { reader throws(MessageError) in try reader.duration() }
        let kinds = AnnouncementKinds(rawValue: try reader.byte())
        guard kinds.isSubset(of: .all) else { throw .unknown(kinds.rawValue) }
        let pacing = try reader.duration()
        let lease = try LeasePolicy(from: &reader)
        let resetsConnections = try reader.bool()
        let claimNumber = try reader.byte()
        guard let claim = ClaimPolicy(rawValue: claimNumber) else { throw .unknown(claimNumber) }
        let conflictNumber = try reader.byte()
        guard let conflictCheck = ConflictCheck(rawValue: conflictNumber) else { throw .unknown(conflictNumber) }
        let isVerified = try reader.bool()
        let targets = try reader.list { reader throws(MessageError) in try reader.address() }
        let obeysFiltered = try reader.bool()
        let isPromiscuous = try reader.bool()
        let checks = try reader.list { reader throws(MessageError) in
            let check = try reader.check()
            return CheckReference(check: check, effect: try CheckEffect(from: &reader))
        }
        let gatesClaim = try reader.bool()
        let gatesRelease = try reader.bool()
        self.init(
            interface: interface, vrid: vrid, version: version, alsoVersion2: alsoVersion2, priority: priority,
            advertisementInterval: interval, preempt: preempt, preemptDelay: preemptDelay, startDelay: startDelay,
            intervalLimit: intervalLimit, peers: peers, addresses: addresses,
            addressOptions: addressOptions, unadvertised: Int(unadvertised), routing: routing,
            checksum: checksum, password: password, strictFirstAddress: strict,
            announcements: AnnouncementPlan(rounds: rounds, refresh: refresh, kinds: kinds, pacing: pacing),
            lease: lease, resetsConnections: resetsConnections, claim: claim, conflictCheck: conflictCheck,
            verification: VerificationPlan(isOn: isVerified, targets: targets), obeysFiltered: obeysFiltered,
            isPromiscuous: isPromiscuous,
            checks: checks,
            gatesClaim: gatesClaim, gatesRelease: gatesRelease, usesVirtualMAC: try reader.bool())
    }
}

extension AddressOptions {
    func write(to writer: inout Writer) {
        writer.write(scope.rawValue)
        writer.write(label) { $0.write($1) }
        writer.write(isPreferred)
        writer.write(interface) { $0.write($1) }
    }

    init(from reader: inout Reader) throws(MessageError) {
        let number = try reader.byte()
        guard let scope = Scope(rawValue: number) else { throw .unknown(number) }
        let label = try reader.optional { reader throws(MessageError) in try reader.text() }
        let isPreferred = try reader.bool()
        let interface = try reader.optional { reader throws(MessageError) in try reader.text() }
        self.init(scope: scope, label: label, isPreferred: isPreferred, interface: interface)
    }
}

extension LeasePolicy {
    func write(to writer: inout Writer) {
        switch self {
        case .automatic: writer.write(UInt8(0))
        case .off: writer.write(UInt8(1))
        case .seconds(let seconds):
            writer.write(UInt8(2))
            writer.write(seconds)
        }
    }

    init(from reader: inout Reader) throws(MessageError) {
        switch try reader.byte() {
        case 0: self = .automatic
        case 1: self = .off
        case 2: self = .seconds(try reader.integer(UInt32.self))
        case let other: throw .unknown(other)
        }
    }
}

extension RouterSnapshot {
    func write(to writer: inout Writer) {
        writer.write(router)
        writer.write(state.rawValue)
        writer.write(since)
        writer.write(taken)
        writer.write(effectivePriority)
        writer.write(list: contributions) { $1.write(to: &$0) }
        writer.write(list: faults) { $1.write(to: &$0) }
        writer.write(list: degraded) { $1.write(to: &$0) }
        writer.write(localAddress) { $0.write($1) }
        writer.write(master) { $0.write($1) }
        writer.write(masterPriority)
        writer.write(masterInterval)
        writer.write(masterDownInterval)
        writer.write(skewTime)
        writer.write(lastAdvertHeard)
        writer.write(lastAdvertSent)
        writer.write(list: held) { $0.write($1) }
        writer.write(list: routing) { $1.write(to: &$0) }
        writer.write(leaseExpires)
        writer.write(lastTransition) { $1.write(to: &$0) }
        counters.write(to: &writer)
        writer.write(countingSince)
        writer.write(upSince)
        writer.write(delayedUntil)
        writer.write(lastProtocolError) { $0.write($1.rawValue) }
        writer.write(timerLateMax)
        writer.write(list: differences) { $1.write(to: &$0) }
        writer.write(list: conflicts) { $1.write(to: &$0) }
    }

    init(from reader: inout Reader) throws(MessageError) {
        let router = try reader.router()
        self.init(router: router, state: try StateName(from: &reader))
        since = try reader.integer(Int64.self)
        taken = try reader.integer(Int64.self)
        effectivePriority = try reader.byte()
        contributions = try reader.list { reader throws(MessageError) in try Contribution(from: &reader) }
        faults = try reader.list { reader throws(MessageError) in try Fault(from: &reader) }
        degraded = try reader.list { reader throws(MessageError) in try Fault(from: &reader) }
        localAddress = try reader.optional { reader throws(MessageError) in try reader.address() }
        master = try reader.optional { reader throws(MessageError) in try reader.address() }
        masterPriority = try reader.byte()
        masterInterval = try reader.duration()
        masterDownInterval = try reader.duration()
        skewTime = try reader.duration()
        lastAdvertHeard = try reader.integer(Int64.self)
        lastAdvertSent = try reader.integer(Int64.self)
        held = try reader.list { reader throws(MessageError) in try reader.interfaceAddress() }
        routing = try reader.list { reader throws(MessageError) in try RoutingEntry(from: &reader) }
        leaseExpires = try reader.integer(Int64.self)
        lastTransition = try reader.optional { reader throws(MessageError) in try Transition(from: &reader) }
        counters = try Counters(from: &reader)
        countingSince = try reader.integer(Int64.self)
        upSince = try reader.integer(Int64.self)
        delayedUntil = try reader.integer(Int64.self)
        lastProtocolError = try reader.optional { reader throws(MessageError) in try reader.dropReason() }
        timerLateMax = try reader.duration()
        differences = try reader.list { reader throws(MessageError) in try HeardDifference(from: &reader) }
        conflicts = try reader.list { reader throws(MessageError) in try HeardClaim(from: &reader) }
    }
}

extension Counters {
    func write(to writer: inout Writer) {
        for counter in Counter.allCases { writer.write(self[counter]) }
    }

    init(from reader: inout Reader) throws(MessageError) {
        self.init()
        for counter in Counter.allCases { self[counter] = try reader.integer(UInt64.self) }
    }
}
