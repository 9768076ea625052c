// Advert sockets against the real kernel: what is sent is what arrives, and only what came in on the socket's interface.

import Glibc
import Kernel
import Namespaces
import System
import Testing
import Wire

/// The VRRP group's Ethernet address, 224.0.0.18.
private let groupMAC = MACAddress(0x01, 0, 0x5E, 0, 0, 0x12)

private func advert(_ family: AddressFamily, from source: IPAddress) throws -> [UInt8] {
    let address = family == .ipv4 ? "10.9.0.100" : "fe80::5e:33"
    let advert = OutgoingAdvertisement(
        version: .v3, vrid: 51, priority: 150, interval: .milliseconds(100), addresses: [try ip(address)])
    var octets: [UInt8] = []
    advert.encode(into: &octets, source: source, destination: .vrrpGroup(family))
    return octets
}

/// A socket that hears the group, as that of an engine with a multicast router.
private func groupSocket(_ family: AddressFamily, _ interface: String) throws -> AdvertSocket {
    let socket = try AdvertSocket(opening: family, interface: interface, index: try index(of: interface))
    try socket.listenToGroup(true)
    return socket
}

private func ip(_ text: String) throws -> IPAddress { try #require(IPAddress(text)) }

/// A whole frame with an IPv4 header of our making.
private func frame(
    timeToLive: UInt8, options: [UInt8] = [], payload: [UInt8], padding: Int = 0, source: MACAddress
) -> [UInt8] {
    let headerLength = 20 + options.count
    let total = headerLength + payload.count
    var header: [UInt8] = [
        0x40 | UInt8(headerLength / 4), 0xC0, UInt8(total >> 8), UInt8(total & 0xFF), 0, 0, 0, 0, timeToLive, 112, 0, 0,
        10, 9, 0, 2, 224, 0, 0, 18,
    ]
    header += options
    var sum: UInt32 = 0
    for place in stride(from: 0, to: headerLength, by: 2) {
        sum += UInt32(header[place]) << 8 | UInt32(header[place + 1])
    }
    while sum >> 16 != 0 { sum = sum & 0xFFFF + sum >> 16 }
    header[10] = UInt8(~sum >> 8 & 0xFF)
    header[11] = UInt8(~sum & 0xFF)
    let ethernet: [UInt8] = (0..<6).map { groupMAC.octet($0) } + (0..<6).map { source.octet($0) } + [0x08, 0x00]
    return ethernet + header + payload + [UInt8](repeating: 0xEE, count: padding)
}

@Suite(.enabled(if: canMakeNamespaces))
struct AdvertSocketTests {
    @Test("An advert arrives with its addresses, hop limit, interface and stamp", arguments: AddressFamily.allCases)
    func roundTrip(family: AddressFamily) async throws {
        try await withTwoHosts { hosts in
            let source = try ip(family == .ipv4 ? "10.9.0.1" : "fe80::a")
            let sender = try groupSocket(family, "va")
            let receiver = try hosts.onB {
                try groupSocket(family, "vb")
            }
            let payload = try advert(family, from: source)
            var buffer = PacketBuffer()
            #expect(try receiver.receive(into: &buffer) == nil)

            let before = Clock.wall()
            try sender.send(payload, from: source, to: .vrrpGroup(family))
            #expect(isReadable(receiver.number))
            let packet = try #require(try receiver.receive(into: &buffer))
            #expect(packet.source == source)
            #expect(packet.destination == .vrrpGroup(family))
            #expect(packet.hopLimit == 255)
            #expect(packet.interfaceIndex == receiver.index)
            #expect(packet.stamp >= before - 1_000_000 && packet.stamp <= Clock.wall())
            #expect(Array(buffer.bytes[packet.payload]) == payload)
            #expect(buffer.payload == packet.payload)
            #expect(!packet.hasOptions)
            let origin = PacketOrigin(source: source, destination: packet.destination, hopLimit: 255)
            let rules = ReceptionRules(
                version: .v3, family: family, vrid: 51, localAddress: nil, interval: .milliseconds(100))
            let parsed = try Advertisement(
                parsing: buffer.bytes.span.extracting(packet.payload), from: origin, expecting: rules)
            #expect(parsed.priority == 150)

            #expect(try receiver.receive(into: &buffer) == nil)
            // Loop is off: the sender does not hear itself.
            #expect(!isReadable(sender.number, within: 50))
        }
    }

    @Test("Adverts leave with DSCP CS6, TTL 255 and no options")
    func header() async throws {
        try await withTwoHosts { hosts in
            let tap = try hosts.onB { try FrameTap(interface: "vb", filter: "proto 112") }
            let source = try ip("10.9.0.1")
            let sender = try groupSocket(.ipv4, "va")
            try sender.send(try advert(.ipv4, from: source), from: source, to: .vrrpGroup(.ipv4))
            #expect(isReadable(tap.number))
            var octets: [UInt8] = []
            _ = try tap.next { frame, _ in for place in 0..<frame.count { octets.append(frame[place]) } }
            try #require(octets.count >= 34)
            #expect(EthernetHeader(frame: octets.span)?.destination == groupMAC)
            #expect(octets[14] == 0x45)
            #expect(octets[15] == 0xC0)
            #expect(octets[22] == 255)
        }
    }

    @Test("IPv6 adverts leave with traffic class CS6 and hop limit 255")
    func headerIPv6() async throws {
        try await withTwoHosts { hosts in
            let tap = try hosts.onB { try FrameTap(interface: "vb", filter: "ip6 proto 112") }
            let source = try ip("fe80::a")
            let sender = try groupSocket(.ipv6, "va")
            try sender.send(try advert(.ipv6, from: source), from: source, to: .vrrpGroup(.ipv6))
            #expect(isReadable(tap.number))
            var octets: [UInt8] = []
            _ = try tap.next { frame, _ in for place in 0..<frame.count { octets.append(frame[place]) } }
            try #require(octets.count >= 54)
            #expect(octets[14] == 0x6C && octets[15] & 0xF0 == 0x00)
            #expect(octets[21] == 255)
        }
    }

    @Test("Another TTL, options and padding are delivered as they are, without the padding")
    func oddPackets() async throws {
        try await withTwoHosts { hosts in
            let receiver = try groupSocket(.ipv4, "va")
            let payload = try advert(.ipv4, from: try ip("10.9.0.2"))
            let mac = MACAddress(2, 0, 0, 0, 0, 0xB)
            try hosts.onB {
                let port = try AnnouncementPort(interface: "vb")
                try port.send(frame: frame(timeToLive: 64, payload: payload, source: mac))
                // Router Alert (RFC 2113).
                try port.send(frame: frame(timeToLive: 255, options: [0x94, 4, 0, 0], payload: payload, source: mac))
                try port.send(frame: frame(timeToLive: 255, payload: payload, padding: 14, source: mac))
            }
            var buffer = PacketBuffer()
            #expect(isReadable(receiver.number))
            let low = try #require(try receiver.receive(into: &buffer))
            #expect(low.hopLimit == 64)
            #expect(!low.hasOptions)
            let optional = try #require(try receiver.receive(into: &buffer))
            #expect(optional.hasOptions)
            #expect(optional.payload.lowerBound == 24)
            #expect(Array(buffer.bytes[optional.payload]) == payload)
            let padded = try #require(try receiver.receive(into: &buffer))
            #expect(Array(buffer.bytes[padded.payload]) == payload)
            #expect(try receiver.receive(into: &buffer) == nil)
        }
    }

    @Test("A hop limit below 255 is seen as such in IPv6")
    func hopLimit() async throws {
        try await withTwoHosts { hosts in
            let receiver = try groupSocket(.ipv6, "va")
            try hosts.onB {
                let sender = try groupSocket(.ipv6, "vb")
                var hops: Int32 = 64
                let size = socklen_t(MemoryLayout<Int32>.size)
                #expect(
                    unsafe setsockopt(sender.number, Int32(IPPROTO_IPV6), IPV6_MULTICAST_HOPS, &hops, size) == 0)
                let source = try ip("fe80::b")
                try sender.send(try advert(.ipv6, from: source), from: source, to: .vrrpGroup(.ipv6))
            }
            var buffer = PacketBuffer()
            #expect(isReadable(receiver.number))
            let packet = try #require(try receiver.receive(into: &buffer))
            #expect(packet.hopLimit == 64)
        }
    }

    @Test("A socket that leaves the group, or never joined it, hears unicast alone", arguments: AddressFamily.allCases)
    func withoutGroup(family: AddressFamily) async throws {
        try await withTwoHosts { hosts in
            let source = try ip(family == .ipv4 ? "10.9.0.2" : "fe80::b")
            let own = try ip(family == .ipv4 ? "10.9.0.1" : "fe80::a")
            let receiver = try AdvertSocket(opening: family, interface: "va", index: try index(of: "va"))
            try receiver.listenToGroup(false)
            let sender = try hosts.onB { try groupSocket(family, "vb") }
            let payload = try advert(family, from: source)
            try sender.send(payload, from: source, to: .vrrpGroup(family))
            #expect(!isReadable(receiver.number, within: 50))
            try sender.send(payload, from: source, to: own)
            #expect(isReadable(receiver.number))
            var buffer = PacketBuffer()
            #expect(try receiver.receive(into: &buffer)?.destination == own)
            try receiver.listenToGroup(true)
            try receiver.listenToGroup(true)
            try sender.send(payload, from: source, to: .vrrpGroup(family))
            #expect(isReadable(receiver.number))
            #expect(try receiver.receive(into: &buffer)?.destination == .vrrpGroup(family))
            try receiver.listenToGroup(false)
            try sender.send(payload, from: source, to: .vrrpGroup(family))
            #expect(!isReadable(receiver.number, within: 50))
        }
    }

    @Test("Adverts of another interface are not delivered", arguments: AddressFamily.allCases)
    func otherInterface(family: AddressFamily) async throws {
        try await withTwoHosts { hosts in
            try sh("ip link add vc type veth peer name vd; ip link set vc up; ip link set vd up")
            let other = try groupSocket(family, "vc")
            let own = try groupSocket(family, "va")
            try hosts.onB {
                let sender = try groupSocket(family, "vb")
                let source = try ip(family == .ipv4 ? "10.9.0.2" : "fe80::b")
                try sender.send(try advert(family, from: source), from: source, to: .vrrpGroup(family))
            }
            #expect(isReadable(own.number))
            #expect(!isReadable(other.number, within: 50))
        }
    }

    @Test("Every way in which a send can fail is an error with its errno")
    func sendErrors() async throws {
        try await withTwoHosts { _ in
            let source = try ip("10.9.0.1")
            let payload = try advert(.ipv4, from: source)
            let socket = try groupSocket(.ipv4, "va")
            func code(from source: IPAddress) -> Int32 {
                do throws(SystemError) {
                    try socket.send(payload, from: source, to: .vrrpGroup(.ipv4))
                    return 0
                } catch {
                    return error.code
                }
            }
            #expect(code(from: source) == 0)
            let stranger = code(from: try ip("10.9.0.77"))
            #expect(stranger == EINVAL || stranger == ENETUNREACH)
            try sh("nft 'add table ip t; add chain ip t o { type filter hook output priority 0; }'")
            try sh("nft add rule ip t o ip protocol 112 drop")
            #expect(code(from: source) == EPERM)
            try sh("nft delete table ip t")
            #expect(code(from: source) == 0)
            try sh("tc qdisc add dev va root tbf rate 8kbit burst 20 limit 20")
            #expect(code(from: source) == ENOBUFS)
            try sh("tc qdisc del dev va root")
            #expect(code(from: source) == 0)
            try sh("ip link set va down")
            #expect([ENETDOWN, ENETUNREACH].contains(code(from: source)))
            try sh("ip link set va up")
            #expect(code(from: source) == 0)
        }
    }

    @Test("IPv6 sends fail with their errno too")
    func sendErrorsIPv6() async throws {
        try await withTwoHosts { _ in
            let source = try ip("fe80::a")
            let payload = try advert(.ipv6, from: source)
            let socket = try groupSocket(.ipv6, "va")
            func code(from source: IPAddress) -> Int32 {
                do throws(SystemError) {
                    try socket.send(payload, from: source, to: .vrrpGroup(.ipv6))
                    return 0
                } catch {
                    return error.code
                }
            }
            #expect(code(from: source) == 0)
            #expect(code(from: try ip("fe80::dead")) == EINVAL)
            try sh("tc qdisc add dev va root tbf rate 8kbit burst 20 limit 20")
            #expect(code(from: source) == ENOBUFS)
            try sh("tc qdisc del dev va root")
            try sh("ip link set va down")
            #expect(code(from: source) != 0)
        }
    }

    @Test("A socket goes on after its interface was down, with its group membership")
    func downAndUp() async throws {
        try await withTwoHosts { hosts in
            let receiver = try groupSocket(.ipv4, "va")
            try sh("ip link set va down; ip link set va up")
            try hosts.onB {
                let sender = try groupSocket(.ipv4, "vb")
                let source = try ip("10.9.0.2")
                let requests = try NetlinkRequests()
                try waitForCarrier("vb", requests)
                try sender.send(try advert(.ipv4, from: source), from: source, to: .vrrpGroup(.ipv4))
            }
            var buffer = PacketBuffer()
            #expect(isReadable(receiver.number))
            #expect(try receiver.receive(into: &buffer) != nil)
        }
    }

    @Test("A duplicate keeps the queue for whoever adopts it")
    func adoption() async throws {
        try await withTwoHosts { hosts in
            let here = try index(of: "va")
            let kept: Descriptor
            do {
                let first = try groupSocket(.ipv4, "va")
                kept = try first.duplicate()
            }
            try hosts.onB {
                let sender = try groupSocket(.ipv4, "vb")
                let source = try ip("10.9.0.2")
                try sender.send(try advert(.ipv4, from: source), from: source, to: .vrrpGroup(.ipv4))
            }
            let second = AdvertSocket(adopting: kept, family: .ipv4, index: here)
            var buffer = PacketBuffer()
            #expect(isReadable(second.number))
            #expect(try second.receive(into: &buffer)?.source == ip("10.9.0.2"))
        }
    }

    @Test("ICMP errors about our adverts neither fail a send nor keep the descriptor readable")
    func forgedErrors() async throws {
        try await withTwoHosts { hosts in
            let source = try ip("10.9.0.1")
            let payload = try advert(.ipv4, from: source)
            let socket = try groupSocket(.ipv4, "va")
            // A unicast advert to a host that has no socket for the protocol is answered with "protocol unreachable".
            try socket.send(payload, from: source, to: try ip("10.9.0.2"))
            #expect(isReadable(socket.number))
            try socket.send(payload, from: source, to: .vrrpGroup(.ipv4))
            var buffer = PacketBuffer()
            #expect(try socket.receive(into: &buffer) == nil)
            #expect(!isReadable(socket.number, within: 50))
        }
    }

    @Test("An interface that does not exist is an error that names it")
    func missingInterface() async throws {
        try await withTwoHosts { _ in
            do throws(SystemError) {
                _ = try AdvertSocket(opening: .ipv4, interface: "nothing0", index: 4711)
                Issue.record("opened")
            } catch {
                #expect(error.code == ENODEV)
                #expect(error.description.contains("nothing0"))
            }
        }
    }
}
