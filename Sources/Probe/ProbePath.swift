// Where questions leave and what they are made of: the interface, its hardware address, and the frame. Reads the kernel's
// tables once, at the start; says what is wrong in the user's words.

import Glibc
import Kernel
import Wire

/// What is wanted of the segment.
package enum ProbePurpose: Hashable, Sendable {
    /// Who has the address? The question fills no cache.
    case ask
    /// Does anybody have it, or is about to take it (RFC 5227 §2.1.1, RFC 4862 §5.4)?
    case check
    /// It is here (RFC 5227 §2.3, RFC 4861 §7.2.6).
    case announce
}

/// The way from this host to the segment of an address.
package struct ProbePath: Hashable, Sendable {
    package let interface: String
    /// This host's on that interface.
    package let hardware: MACAddress
    /// What is sent, as a whole frame.
    package let frame: [UInt8]
    /// What is worth hearing, in the language of pcap-filter(7).
    package let filter: String
    private let address: IPAddress
    private let purpose: ProbePurpose

    /// Finds the interface and builds the frame. A named interface is taken without looking at routes.
    package init(
        to address: IPAddress, interface name: String?, for purpose: ProbePurpose = .ask
    ) throws(ProbeError) {
        let host = try Host()
        let link =
            try purpose == .announce ? host.link(holding: address, named: name) : host.link(for: address, named: name)
        guard let hardware = link.hardwareAddress, !link.isLoopback else {
            throw ProbeError("\(link.name) is no Ethernet interface; probes need one\(host.choices)")
        }
        guard link.isUp else { throw ProbeError("\(link.name) is down") }
        switch address {
        case .ipv4(let target):
            filter = Self.filter(target, hardware, purpose)
            frame =
                purpose == .announce
                ? ARPPacket.gratuitousRequest(target, at: hardware).frame()
                : ARPPacket.probe(for: target, from: hardware).frame()
        case .ipv6(let target):
            filter = Self.filter(hardware, purpose)
            frame = try Self.frame(target, hardware, purpose, host.source(on: link.index), link.name)
        }
        self.interface = link.name
        self.address = address
        self.hardware = hardware
        self.purpose = purpose
    }

    private static func filter(_ target: IPv4Address, _ hardware: MACAddress, _ purpose: ProbePurpose) -> String {
        switch purpose {
        // The answers are unicast to us and name the address as their sender (RFC 826).
        case .ask: "arp and arp[6:2] = 2 and arp src host \(target) and ether dst \(hardware)"
        // Whoever has it, whatever he says; and whoever asks as we do.
        case .check:
            "arp and not ether src \(hardware) and (arp src host \(target) or (arp[14:4] = 0 and arp dst host \(target)))"
        case .announce: "less 0"
        }
    }

    private static func filter(_ hardware: MACAddress, _ purpose: ProbePurpose) -> String {
        switch purpose {
        case .ask: "icmp6 and ip6[40] = 136 and ether dst \(hardware)"
        case .check: "icmp6 and not ether src \(hardware) and (ip6[40] = 136 or ip6[40] = 135)"
        case .announce: "less 0"
        }
    }

    private static func frame(
        _ target: IPv6Address, _ hardware: MACAddress, _ purpose: ProbePurpose, _ source: IPv6Address?, _ name: String
    ) throws(ProbeError) -> [UInt8] {
        switch purpose {
        case .ask:
            guard let source else { throw ProbeError("\(name) has no usable IPv6 link-local address to ask from") }
            return NeighborSolicitation.asking(for: target, from: source, at: hardware).frame(source: hardware)
        case .check:
            let unspecified = IPv6Address(high: 0, low: 0)
            return NeighborSolicitation(
                source: unspecified, destination: target.solicitedNode, target: target, sourceHardware: nil
            ).frame(source: hardware)
        case .announce:
            return NeighborAdvertisement.unsolicited(target, at: hardware, isRouter: false).frame(source: hardware)
        }
    }

    /// Whose answer, or whose claim, this frame is; nil for any other frame.
    package func responder(in frame: Span<UInt8>) -> MACAddress? {
        switch purpose {
        case .ask: answerer(in: frame)
        case .check: claimant(in: frame)
        case .announce: nil
        }
    }

    private func answerer(in frame: Span<UInt8>) -> MACAddress? {
        switch address {
        case .ipv4(let target):
            guard let packet = ARPPacket(frame: frame), packet.operation == .reply, packet.senderProtocol == target,
                packet.targetHardware == hardware
            else { return nil }
            return packet.senderHardware
        case .ipv6(let target):
            guard let packet = NeighborAdvertisement(frame: frame), packet.isSolicited, packet.target == target else {
                return nil
            }
            return packet.targetHardware ?? EthernetHeader(frame: frame)?.source
        }
    }

    private func claimant(in frame: Span<UInt8>) -> MACAddress? {
        if let claim = AddressClaim(frame: frame), claim.address == address { return claim.hardware }
        // Another host that asks before it takes the address (checklist ACD-07).
        switch address {
        case .ipv4(let target):
            guard let packet = ARPPacket(frame: frame), packet.operation == .request, packet.senderProtocol.bits == 0,
                packet.targetProtocol == target
            else { return nil }
            return packet.senderHardware
        case .ipv6(let target):
            guard let packet = NeighborSolicitation(frame: frame), packet.source.isUnspecified, packet.target == target
            else { return nil }
            return EthernetHeader(frame: frame)?.source
        }
    }
}

/// The interfaces, addresses and routes of this host, read once.
private struct Host: ~Copyable {
    private let requests: NetlinkRequests
    private let links: [LinkState]
    private let addresses: [AddressState]

    init() throws(ProbeError) {
        do throws(KernelError) {
            self = try Host(reading: NetlinkRequests())
        } catch {
            throw ProbeError("cannot read the interfaces of this host: \(error)")
        }
    }

    private init(reading requests: consuming NetlinkRequests) throws(KernelError) {
        let links = try requests.links()
        let addresses = try requests.addresses()
        self.requests = requests
        self.links = links
        self.addresses = addresses
    }

    /// `; there are eth0, eth1`, for the end of an error.
    var choices: String {
        let names = links.filter { !$0.isLoopback && $0.hardwareAddress != nil }.map(\.name)
        return names.isEmpty ? "; this host has none" : "; there are \(names.joined(separator: ", "))"
    }

    func link(for address: IPAddress, named name: String?) throws(ProbeError) -> LinkState {
        if let name {
            guard let link = links.first(where: { $0.name == name }) else {
                throw ProbeError("there is no interface \(name)\(choices)")
            }
            return link
        }
        if let own = addresses.first(where: { $0.address.address == address }) {
            let link = links.first { $0.index == own.interfaceIndex }?.name ?? "an interface"
            throw ProbeError(
                "\(address) is on this host itself (\(link)), which does not ask itself; probe from another")
        }
        // The route to a link-local address is the same on every interface, so it chooses nothing.
        if address.isLinkLocal {
            let usable = links.filter { !$0.isLoopback && $0.isUp && $0.hardwareAddress != nil }
            guard usable.count == 1 else {
                throw ProbeError("\(address) can be on any interface; name one\(choices)")
            }
            return usable[0]
        }
        let route: (index: UInt32, isDirect: Bool)
        do throws(KernelError) {
            route = try requests.route(to: address)
        } catch {
            throw ProbeError("no interface leads to \(address) (\(error.reason)); name one\(choices)")
        }
        guard route.isDirect else {
            throw ProbeError(
                "\(address) is behind a gateway, where probes do not reach; probe from a host on its segment, "
                    + "or name an interface\(choices)")
        }
        guard let link = links.first(where: { $0.index == route.index }) else {
            throw ProbeError("no interface leads to \(address); name one\(choices)")
        }
        return link
    }

    /// The interface of this host that the address is on.
    func link(holding address: IPAddress, named name: String?) throws(ProbeError) -> LinkState {
        let holders = addresses.filter { $0.address.address == address }.compactMap { state in
            links.first { $0.index == state.interfaceIndex }
        }
        guard let link = holders.first(where: { name == nil || $0.name == name }) else {
            let place = name.map { "on \($0)" } ?? "on this host"
            throw ProbeError(
                "\(address) is not \(place); to announce it here would send others to a host that does not answer")
        }
        return link
    }

    /// Our link-local address: every holder can answer it without a route.
    func source(on index: UInt32) -> IPv6Address? {
        for state in addresses where state.interfaceIndex == index && state.isUsable && !state.isOurs {
            if case .ipv6(let address) = state.address.address, address.isLinkLocal { return address }
        }
        return nil
    }
}
