// Where probes leave and what they are made of: the interface, its hardware address, and the frame. Reads the kernel's
// tables once, at the start; says what is wrong in the user's words.

import Glibc
import Kernel
import Wire

/// The way from this host to the one that holds an address.
package struct ProbePath: Hashable, Sendable {
    package let interface: String
    /// One probe as a whole frame.
    package let frame: [UInt8]
    /// What answers look like, in the language of pcap-filter(7).
    package let filter: String
    private let address: IPAddress
    private let hardware: MACAddress

    /// Finds the interface and builds the probe. A named interface is taken without looking at routes.
    package init(to address: IPAddress, interface name: String?) throws(ProbeError) {
        let host = try Host()
        let link = try host.link(for: address, named: name)
        guard let hardware = link.hardwareAddress, !link.isLoopback else {
            throw ProbeError("\(link.name) is no Ethernet interface; probes need one\(host.choices)")
        }
        guard link.isUp else { throw ProbeError("\(link.name) is down") }
        switch address {
        case .ipv4(let target):
            // The answers are unicast to us and name the address as their sender (RFC 826).
            filter = "arp and arp[6:2] = 2 and arp src host \(target) and ether dst \(hardware)"
            frame = ARPPacket.probe(for: target, from: hardware).frame()
        case .ipv6(let target):
            guard let source = host.source(on: link.index) else {
                throw ProbeError("\(link.name) has no usable IPv6 link-local address to ask from")
            }
            filter = "icmp6 and ip6[40] = 136 and ether dst \(hardware)"
            frame = NeighborSolicitation.asking(for: target, from: source, at: hardware).frame(source: hardware)
        }
        self.interface = link.name
        self.address = address
        self.hardware = hardware
    }

    /// Who answers our probe with this frame; nil for any other frame.
    package func responder(in frame: Span<UInt8>) -> MACAddress? {
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

    /// Our link-local address: every holder can answer it without a route.
    func source(on index: UInt32) -> IPv6Address? {
        for state in addresses where state.interfaceIndex == index && state.isUsable && !state.isOurs {
            if case .ipv6(let address) = state.address.address, address.isLinkLocal { return address }
        }
        return nil
    }
}
