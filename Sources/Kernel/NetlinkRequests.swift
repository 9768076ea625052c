// The asking side of rtnetlink: reads interfaces and addresses, puts addresses on and takes them off. libnl builds and
// sends the requests; the answers are read here, because libnl's return codes keep neither errno nor the kernel's text.

import CLinux
import CNetlink
import Glibc
import System
import Wire

/// A socket for requests. Each method sends one request and waits for its answer, normally some microseconds and never
/// longer than a second; changes need CAP_NET_ADMIN.
@safe
package struct NetlinkRequests: ~Copyable {
    private let socket: NetlinkSocket
    private let usesLabels: Bool
    private let memory = Memory()

    /// `usesLabels` marks IPv4 addresses by label as well; nil for only where the kernel cannot keep a tag (before 5.18).
    package init(usesLabels: Bool? = nil) throws(KernelError) {
        socket = try NetlinkSocket(NETLINK_ROUTE)
        self.usesLabels = usesLabels ?? (vipd_kernel_is_at_least(5, 18) == 0)
    }

    /// Every interface, in the kernel's order.
    package borrowing func links() throws(KernelError) -> [LinkState] {
        let events = try dump(try NetlinkRequest.linkDump())
        return events.compactMap { if case .link(let link) = $0 { link } else { nil } }
    }

    /// Every address of both families, on one interface (none when it is gone) or (0) on all.
    package borrowing func addresses(on index: UInt32 = 0) throws(KernelError) -> [AddressState] {
        try addresses(.ipv4, on: index) + addresses(.ipv6, on: index)
    }

    private borrowing func addresses(_ family: AddressFamily, on index: UInt32) throws(KernelError)
        -> [AddressState]
    {
        let events: [KernelEvent]
        do throws(KernelError) {
            events = try dump(try NetlinkRequest.addressDump(family, index: index))
        } catch {
            if error.code == ENODEV, index != 0 { return [] }
            throw error
        }
        // Kernels without strict checking dump every interface.
        return events.compactMap {
            guard case .address(let address) = $0, index == 0 || address.interfaceIndex == index else { return nil }
            return address
        }
    }

    /// Puts `address` on the interface, with our tag.
    ///
    /// IPv4 is answered for when this returns; IPv6 some microseconds later, when the kernel's own work queue has run and the event of the
    /// address comes. IPv6 goes without duplicate address detection (checklist LX-31), and a prefix shorter than one address makes no route
    /// (LX-35). For such an IPv4 prefix `promote_secondaries` of the interface is set to 1 and stays so, because otherwise taking a first
    /// address away takes its whole subnet away. An address that is there already with our tag is fine; one without it is EEXIST, and stays
    /// as it is (LX-39). `lifetime` in seconds, nil for ever: after it the kernel takes the address off by itself, at most 0.4 s later. An
    /// address of ours that is there already gets it, too. Who knows from the kernel's tables that it is there as wanted says so with
    /// `isOurs`: else they are all read to find that out, for each of hundreds. An address of ours with other options is put on anew. A
    /// written label is not used where labels mark our addresses.
    package borrowing func add(
        _ address: InterfaceAddress, index: UInt32, _ options: AddressOptions = AddressOptions(),
        lifetime: UInt32? = nil, isOurs: Bool = false
    ) throws(KernelError) {
        if address.isInSubnet, !memory.promoted.contains(index) { promoteSecondaries(on: index) }
        let claim = PlacedAddress(address: address, index: index)
        memory.claims.remove(claim)
        if let refusal = try tryAdding(address, index: index, options, lifetime) {
            guard refusal.code == EEXIST else { throw refusal }
            if isOurs {
                try renew(address, index: index, options, lifetime: lifetime)
            } else {
                try settle(address, index: index, options, lifetime, refusal: refusal)
            }
        }
        memory.claims.insert(claim)
    }

    /// Gives an address of ours that is on the interface another lifetime in seconds, nil for ever. Nothing else about it changes, no
    /// route and no connection.
    ///
    /// An address that is missing comes back: whoever calls this sees to it that nobody takes it off meanwhile. ENODEV when there
    /// is no such interface.
    package borrowing func renew(
        _ address: InterfaceAddress, index: UInt32, _ options: AddressOptions = AddressOptions(), lifetime: UInt32?
    ) throws(KernelError) {
        if let refusal = try tryAdding(address, index: index, options, lifetime, renewing: true) { throw refusal }
    }

    /// `address` is on the interface and is ours, as the caller knows from the kernel's tables: it counts as added here, and they
    /// are not read again before it is removed.
    package borrowing func adopt(_ address: InterfaceAddress, index: UInt32) {
        memory.claims.insert(PlacedAddress(address: address, index: index))
    }

    /// Takes `address` off the interface. Success too when it, or the interface, is not there any more, and when an
    /// address is there that does not carry our tag: that one is somebody else's and stays. The kernel's tables are read
    /// to know that, unless it was added here.
    package borrowing func remove(_ address: InterfaceAddress, index: UInt32) throws(KernelError) {
        let wasAddedHere = memory.claims.remove(PlacedAddress(address: address, index: index)) != nil
        if !wasAddedHere, try isForeign(address, index: index) { return }
        var answers: [UInt8] = []
        let request = try NetlinkRequest.remove(address, index: index)
        guard let refusal = try exchange(request, keeping: &answers) else { return }
        if refusal.code != EADDRNOTAVAIL && refusal.code != ENODEV { throw refusal }
    }

    /// Goes through a claim with a request that the kernel acknowledges without doing anything, and without waiting for its
    /// configuration lock. What is slow at its first use, or because it has not been used for long, is then at hand.
    package borrowing func rehearse(_ address: InterfaceAddress) {
        let key = PlacedAddress(address: address, index: 0)
        memory.claims.remove(key)
        var answers: [UInt8] = []
        guard let request = try? NetlinkRequest.void(address) else { return }
        _ = try? exchange(request, keeping: &answers)
        memory.claims.insert(key)
        memory.claims.remove(key)
    }

    /// Sees to it that the first address of a subnet can be taken off an interface without those that came later
    /// (`promote_secondaries`). Best effort: where /proc/sys may not be written a claim is still worth more than the setting.
    ///
    /// `add` does that for an interface that it was never done for. It costs more than the claim itself, so it is better done before, and
    /// again after the claim, because others can change the setting.
    package borrowing func promoteSecondaries(on index: UInt32) {
        memory.promoted.insert(index)
        let path = "/proc/sys/net/ipv4/conf/\(Interface.name(of: index))/promote_secondaries"
        let number = unsafe open(path, O_RDWR | O_CLOEXEC)
        guard number >= 0 else { return }
        let file = Descriptor(taking: number)
        var value: [UInt8] = [0]
        let count = unsafe value.withUnsafeMutableBytes { unsafe pread(number, $0.baseAddress, 1, 0) }
        guard count == 1, value[0] == UInt8(ascii: "0") else { return }
        value[0] = UInt8(ascii: "1")
        _ = unsafe value.withUnsafeBytes { unsafe pwrite(file.number, $0.baseAddress, 1, 0) }
    }

    /// The port that the kernel knows this socket by, which it names with the changes that were asked for here.
    package var port: UInt32 { unsafe nl_socket_get_local_port(socket.handle) }

    /// Whether that was done for this interface.
    package borrowing func hasPromotedSecondaries(on index: UInt32) -> Bool { memory.promoted.contains(index) }

    /// The interface is gone, and its number may be given to another one.
    package borrowing func forget(index: UInt32) { memory.promoted.remove(index) }

    /// The index of the interface that packets to `address` leave by.
    ///
    /// ENETUNREACH when there is no route. `isDirect` is false when a gateway is in between; local addresses are on `lo`.
    package borrowing func route(to address: IPAddress) throws(KernelError) -> (index: UInt32, isDirect: Bool) {
        let request = try NetlinkRequest.route(to: address)
        let answers = try answers(to: request)
        guard let route = NetlinkParser.routeAnswer(answers.span, address.family) else {
            throw request.failure(ENETUNREACH)
        }
        return (route.index, route.isDirect)
    }

    // MARK: - Addresses

    /// Nil when the kernel did it, or the kernel's refusal; throws when there was no answer.
    private borrowing func tryAdding(
        _ address: InterfaceAddress, index: UInt32, _ options: AddressOptions, _ lifetime: UInt32?,
        renewing: Bool = false
    ) throws(KernelError) -> KernelError? {
        let family = address.address.family
        var flags: UInt32 = 0
        if family == .ipv6 { flags |= AddressFlag.noDuplicateDetection }
        if address.prefixLength < family.hostPrefixLength { flags |= AddressFlag.noPrefixRoute }
        var options = options
        if usesLabels, family == .ipv4 { options.label = AddressTag.label(interface: Interface.name(of: index)) }
        var answers: [UInt8] = []
        return try exchange(
            try NetlinkRequest.add(
                address, index: index, flags: flags, options, lifetime: lifetime, renewing: renewing),
            keeping: &answers)
    }

    /// What EEXIST means: ours as wanted, ours with another prefix or without effect, or somebody else's.
    private borrowing func settle(
        _ wanted: InterfaceAddress, index: UInt32, _ options: AddressOptions, _ lifetime: UInt32?, refusal: KernelError
    ) throws(KernelError) {
        let present = try addresses(wanted.address.family, on: index)
        let same = present.filter { $0.address.address == wanted.address }
        // Our label is there, not the written one.
        var kept = options
        if usesLabels { kept.label = nil }
        if let exact = same.first(where: { $0.address == wanted }), exact.isUsable,
            exact.isOurs ? exact.suits(kept) : cannotMark(wanted.address.family)
        {
            // An earlier engine may have given it another one. What may be somebody else's keeps what it has.
            if exact.isOurs || lifetime != nil { try renew(wanted, index: index, options, lifetime: lifetime) }
            return
        }
        // Where nothing can be kept on an address the configuration is all there is to recognise ours by (LX-38).
        guard let ours = same.first(where: { $0.isOurs || cannotMark($0.address.address.family) }) else {
            let explanation = "the address is there already and was not put there by vipd"
            throw KernelError(refusal.call, refusal.subject, code: EEXIST, explanation: explanation)
        }
        try remove(ours.address, index: index)
        if let refusal = try tryAdding(wanted, index: index, options, lifetime) { throw refusal }
    }

    /// Addresses of this family carry neither tag nor label here: IPv6 before Linux 5.18. Ours are then known only by the
    /// configuration.
    package borrowing func cannotMark(_ family: AddressFamily) -> Bool { usesLabels && family == .ipv6 }

    /// Whether the address is there and is not ours. Where neither tag nor label can be kept nobody can tell; the caller
    /// knows from its configuration what it added.
    private borrowing func isForeign(_ address: InterfaceAddress, index: UInt32) throws(KernelError) -> Bool {
        if cannotMark(address.address.family) { return false }
        let present = try addresses(address.address.family, on: index)
        guard let found = present.first(where: { $0.address == address }) else { return false }
        return !found.isOurs
    }

    // MARK: - Exchange

    /// Repeats a dump that was interrupted by a change, so that what it returns was true at one moment.
    borrowing func dump(_ request: consuming NetlinkRequest) throws(KernelError) -> [KernelEvent] {
        for _ in 0..<100 {
            let answers = try answers(to: request)
            var events: [KernelEvent] = []
            NetlinkParser.parse(answers.span, into: &events)
            if !events.contains(.eventsLost) { return events }
        }
        throw request.failure(EBUSY, "the table changed during each of 100 attempts")
    }

    /// What the kernel answers; throws its refusal.
    borrowing func answers(to request: borrowing NetlinkRequest) throws(KernelError) -> [UInt8] {
        var answers: [UInt8] = []
        if let refusal = try exchange(request, keeping: &answers) { throw refusal }
        return answers
    }

    borrowing func exchange(_ request: borrowing NetlinkRequest, keeping answers: inout [UInt8])
        throws(KernelError) -> KernelError?
    {
        try socket.exchange(request, keeping: &answers)
    }
}

/// What one request socket remembers.
private final class Memory {
    /// What was added through the socket and not removed since. It saves the look at the kernel's tables before each removal, which with
    /// hundreds of addresses would take longer than the removals.
    var claims: Set<PlacedAddress> = []
    /// The interfaces whose `promote_secondaries` was seen to.
    var promoted: Set<UInt32> = []
}

extension InterfaceAddress {
    /// An IPv4 address that others of its interface may follow as secondary ones.
    package var isInSubnet: Bool { address.family == .ipv4 && prefixLength < 32 }
}

/// Names of interfaces, for messages.
enum Interface {
    /// The name, or `interface 7` when there is none.
    static func name(of index: UInt32) -> String {
        var octets = [CChar](repeating: 0, count: 16)
        guard unsafe if_indextoname(index, &octets) != nil else { return "interface \(index)" }
        return String(decoding: octets.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
