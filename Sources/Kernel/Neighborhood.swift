// Who is on the segment of an interface as far as the kernel knows: the router that it sends everything else to, and the neighbours that it
// has spoken with. Only read, and only when addresses have just been claimed: it is of the moment, and nobody is told of changes.

import CNetlink
import Wire

/// A host on a segment and where it is.
package struct Neighbor: Hashable, Sendable {
    package var address: IPAddress
    package var hardware: MACAddress

    package init(address: IPAddress, hardware: MACAddress) {
        self.address = address
        self.hardware = hardware
    }
}

extension NetlinkRequests {
    /// Stands for everywhere: of class E (RFC 1112 §4), and of a part of the global unicast space that has been given to nobody; there
    /// is no route of its own for either. The networks for documentation are no use: labs are made of them.
    private static let anywhere: [AddressFamily: IPAddress] = [
        .ipv4: .ipv4(IPv4Address(240, 0, 0, 1)), .ipv6: .ipv6(IPv6Address(high: 0x2000 << 48, low: 1)),
    ]

    /// The router of a family that the kernel sends to by this interface what is for nowhere nearer; nil when there is none there.
    package borrowing func gateway(_ family: AddressFamily, index: UInt32) throws(KernelError) -> IPAddress? {
        guard let anywhere = Self.anywhere[family] else { return nil }
        var answers: [UInt8] = []
        // No route is a refusal, with one of several numbers.
        guard try exchange(try NetlinkRequest.route(to: anywhere, by: index), keeping: &answers) == nil else {
            return nil
        }
        return NetlinkParser.gateway(answers.span, family, index: index)
    }

    /// The neighbours of a family on this interface of which the kernel knows where they are, in its order.
    package borrowing func neighbors(_ family: AddressFamily, index: UInt32) throws(KernelError) -> [Neighbor] {
        let answers = try answers(to: try NetlinkRequest.neighborDump(family, index: index))
        return NetlinkParser.neighbors(answers.span, family, index: index)
    }
}

/// What the kernel answers to who asks for the way to an address.
struct RouteAnswer {
    var index: UInt32
    /// The router that it leads over, of the family that was asked for; nil where it is direct, and for one of another family.
    var gateway: IPAddress?
    var isDirect: Bool
    var isUnicast: Bool
}

extension NetlinkParser {
    /// The first RTM_NEWROUTE (struct rtmsg and its attributes) in `bytes` that names an interface.
    static func routeAnswer(_ bytes: Span<UInt8>, _ family: AddressFamily) -> RouteAnswer? {
        var offset = 0
        while let message = NetlinkMessage(in: bytes, at: offset) {
            offset = message.next
            guard message.type == Netlink.newRoute, message.body.count >= 12 else { continue }
            let start = message.body.lowerBound
            var index: UInt32?
            var gateway: IPAddress?
            var isDirect = true
            bytes.forEachAttribute(in: (start + 12)..<message.body.upperBound) { type, value in
                if type == 4, value.count == 4 { index = bytes.number32(at: value.lowerBound) }  // RTA_OIF
                if type == 5 { gateway = bytes.address(family, in: value) }  // RTA_GATEWAY
                if type == 5 || type == 18 { isDirect = false }  // RTA_VIA
            }
            // RTN_UNICAST
            if let index {
                return RouteAnswer(
                    index: index, gateway: gateway, isDirect: isDirect, isUnicast: bytes[start + 7] == 1)
            }
        }
        return nil
    }

    /// The gateway of that route, if it is a unicast route by this interface and the gateway is of the family.
    package static func gateway(_ bytes: Span<UInt8>, _ family: AddressFamily, index: UInt32) -> IPAddress? {
        guard let route = routeAnswer(bytes, family), route.isUnicast, route.index == index else { return nil }
        return route.gateway
    }

    /// The neighbours in RTM_NEWNEIGH messages (struct ndmsg and its attributes) that are on this interface, of this family, and known to be
    /// at a hardware address of 6 octets.
    package static func neighbors(_ bytes: Span<UInt8>, _ family: AddressFamily, index: UInt32) -> [Neighbor] {
        // NUD_REACHABLE, NUD_STALE, NUD_DELAY, NUD_PROBE, NUD_PERMANENT.
        let known: UInt16 = 0x02 | 0x04 | 0x08 | 0x10 | 0x80
        var neighbors: [Neighbor] = []
        var offset = 0
        while let message = NetlinkMessage(in: bytes, at: offset) {
            offset = message.next
            let body = message.body
            guard message.type == Netlink.newNeighbor, body.count >= 12,
                self.family(bytes[body.lowerBound]) == family,
                bytes.number32(at: body.lowerBound + 4) == index,
                let state = bytes.number16(at: body.lowerBound + 8), state & known != 0,
                bytes[body.lowerBound + 10] & 0x08 == 0  // NTF_PROXY
            else { continue }
            var address: IPAddress?
            var hardware: MACAddress?
            bytes.forEachAttribute(in: (body.lowerBound + 12)..<body.upperBound) { type, value in
                if type == 1 { address = bytes.address(family, in: value) }  // NDA_DST
                if type == 2 { hardware = bytes.hardware(in: value) }  // NDA_LLADDR
            }
            guard let address, let hardware, !hardware.isGroup, hardware != .zero else { continue }
            neighbors.append(Neighbor(address: address, hardware: hardware))
        }
        return neighbors
    }
}
