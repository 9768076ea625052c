// The raw sockets that adverts come from and go to: one per family and interface, set up as checklist E.1 wants it.
// They carry octets; whether an advert is good is decided by Wire and Election.

import CLinux
import Glibc
import System
import Wire

/// A raw socket for IP protocol 112 that belongs to one interface.
///
/// Its group membership and its queue live in the kernel as long as any duplicate of it is open, so a supervisor that
/// keeps one lets a new engine go on where the last one stopped.
package struct AdvertSocket: ~Copyable {
    private let descriptor: Descriptor
    package let family: AddressFamily
    /// The interface it belongs to; a new one of the same name needs a new socket.
    package let index: UInt32

    /// Protocol number of VRRP (RFC 9568 §5.1.1.4).
    package static let protocolNumber: Int32 = 112
    /// Room for a burst of several hundred adverts (checklist LX-13), in octets. The kernel doubles it and charges at least
    /// `leastCharge` for each packet.
    private static let receiveQueue: Int32 = 1 << 20
    private static let leastCharge: Int32 = 256
    /// More packets than this never wait in one queue.
    package static let queueLength = Int(2 * receiveQueue / leastCharge)

    /// Opens a socket on `interface`, whose index must be `index`. Needs CAP_NET_RAW.
    ///
    /// The interface may be down. Throws with the option that was refused; ENODEV when there is no such interface.
    package init(opening family: AddressFamily, interface: String, index: UInt32) throws(SystemError) {
        let subject = "\(family) advert socket on \(interface)"
        let number = vipd_socket(family.domain, SocketType.raw, Self.protocolNumber)
        guard number >= 0 else { throw SystemError("socket", subject) }
        let socket = AdvertSocket(adopting: Descriptor(taking: number), family: family, index: index)
        try socket.configure(interface: interface, subject: subject)
        self = socket
    }

    /// Opens one that only sends, from the addresses of another interface: those of a virtual hardware address come from the one below
    /// (checklist LX-22). It joins no group, and what comes in finds no room.
    package init(sendingFrom family: AddressFamily, interface: String, index: UInt32) throws(SystemError) {
        let socket = try AdvertSocket(opening: family, interface: interface, index: index)
        let number = socket.descriptor.number
        guard vipd_set_receive_queue(number, 1) == 0,
            family == .ipv4 || vipd_set_option(number, Int32(IPPROTO_IPV6), IPV6_FREEBIND, 1) == 0
        else { throw SystemError("setsockopt", "\(family) advert socket on \(interface)") }
        self = socket
    }

    /// Takes over a socket that another process opened with `init(opening:interface:index:)`.
    package init(adopting descriptor: consuming Descriptor, family: AddressFamily, index: UInt32) {
        self.descriptor = descriptor
        self.family = family
        self.index = index
    }

    /// For epoll; readable when a packet waits.
    package var number: Int32 { descriptor.number }

    /// A second descriptor of the same socket, with the same queue, for another process to keep.
    package borrowing func duplicate() throws(SystemError) -> Descriptor { try descriptor.duplicate() }

    private borrowing func configure(interface: String, subject: String) throws(SystemError) {
        let number = descriptor.number
        func check(_ result: Int32, _ option: String) throws(SystemError) {
            guard result == 0 else { throw SystemError("setsockopt", "\(option), \(subject)") }
        }
        func set(_ level: Int32, _ option: Int32, _ value: Int32, _ name: String) throws(SystemError) {
            try check(vipd_set_option(number, level, option, value), name)
        }
        try check(unsafe vipd_bind_device(number, interface), "SO_BINDTODEVICE")
        try check(vipd_set_receive_queue(number, Self.receiveQueue), "SO_RCVBUF")
        try set(SOL_SOCKET, SO_TIMESTAMPNS, 1, "SO_TIMESTAMPNS")
        switch family {
        case .ipv4:
            let level = Int32(IPPROTO_IP)
            try set(level, IP_MULTICAST_ALL, 0, "IP_MULTICAST_ALL")
            try set(level, IP_PKTINFO, 1, "IP_PKTINFO")
            try set(level, IP_RECVTTL, 1, "IP_RECVTTL")
            try set(level, IP_MULTICAST_TTL, 255, "IP_MULTICAST_TTL")
            try set(level, IP_TTL, 255, "IP_TTL")
            try set(level, IP_MULTICAST_LOOP, 0, "IP_MULTICAST_LOOP")
            try set(level, IP_TOS, 0xC0, "IP_TOS")
            // Without it the kernel says success when the queue of the interface threw the packet away (raw(7)).
            try set(level, IP_RECVERR, 1, "IP_RECVERR")
        case .ipv6:
            let level = Int32(IPPROTO_IPV6)
            try set(level, IPV6_MULTICAST_ALL, 0, "IPV6_MULTICAST_ALL")
            try set(level, IPV6_RECVPKTINFO, 1, "IPV6_RECVPKTINFO")
            try set(level, IPV6_RECVHOPLIMIT, 1, "IPV6_RECVHOPLIMIT")
            try set(level, IPV6_MULTICAST_HOPS, 255, "IPV6_MULTICAST_HOPS")
            try set(level, IPV6_UNICAST_HOPS, 255, "IPV6_UNICAST_HOPS")
            try set(level, IPV6_MULTICAST_LOOP, 0, "IPV6_MULTICAST_LOOP")
            try set(level, IPV6_TCLASS, 0xC0, "IPV6_TCLASS")
            try set(level, IPV6_RECVERR, 1, "IPV6_RECVERR")
        }
        // After the type of service, which sets a priority of its own (checklist LX-04).
        try set(SOL_SOCKET, SO_PRIORITY, 6, "SO_PRIORITY")
        try check(vipd_send_multicast_from(number, family.domain, index), "multicast interface")
    }

    /// Joins the VRRP group, or leaves it when only unicast is spoken here; without effect where that is so already.
    package borrowing func listenToGroup(_ wanted: Bool) throws(SystemError) {
        var group = vipd_address(.vrrpGroup(family))
        let result = unsafe vipd_change_group(descriptor.number, family.domain, &group, index, wanted)
        // Already a member, or never one.
        if result == 0 || errno == (wanted ? EADDRINUSE : EADDRNOTAVAIL) { return }
        throw SystemError("setsockopt", "\(wanted ? "joining" : "leaving") the VRRP group, \(family) advert socket")
    }

    /// The next queued packet, or nil when none waits. Its octets are in `buffer`. Allocates nothing.
    ///
    /// Packets that were queued from other interfaces before the socket was bound to its own are skipped. What waits in the
    /// error queue is thrown away where no packet does, unless `droppingErrors` says that the caller looks again soon.
    package borrowing func receive(
        into buffer: inout PacketBuffer, droppingErrors: Bool = true
    ) throws(SystemError) -> ReceivedPacket? {
        buffer.payload = 0..<0
        var failures = 0
        while true {
            var received = vipd_received()
            let number = descriptor.number
            let length = unsafe buffer.bytes.withUnsafeMutableBytes { bytes in
                unsafe vipd_receive_packet(number, bytes.baseAddress, bytes.count, &received)
            }
            if length < 0 {
                let code = errno
                if code == EINTR { continue }
                // ICMP errors about our own adverts say nothing of our peers; they must not keep epoll awake either.
                if code != EAGAIN || droppingErrors { vipd_drop_socket_errors(number) }
                if code == EAGAIN { return nil }
                failures += 1
                if failures < 3 { continue }
                throw SystemError("recvmsg", "\(family) advert socket", code: code)
            }
            if received.interface_index != index { continue }
            let packet = describe(received, count: min(length, buffer.bytes.count), in: buffer.bytes.span)
            buffer.payload = packet.payload
            return packet
        }
    }

    private borrowing func describe(_ received: vipd_received, count: Int, in bytes: Span<UInt8>) -> ReceivedPacket {
        var packet = ReceivedPacket(
            source: IPAddress(received.source, family), destination: IPAddress(received.destination, family),
            hopLimit: UInt8(clamping: max(received.hop_limit, 0)), interfaceIndex: received.interface_index,
            stamp: received.stamp, payload: 0..<count, hasOptions: false)
        guard family == .ipv4 else { return packet }
        guard let header = IPv4Header(bytes.extracting(0..<count)) else {
            packet.payload = 0..<0
            return packet
        }
        packet.source = .ipv4(header.source)
        packet.destination = .ipv4(header.destination)
        packet.hopLimit = header.timeToLive
        packet.payload = header.payload
        packet.hasOptions = header.hasOptions
        return packet
    }

    /// Sends one VRRP message from an address of this interface; the kernel adds the IP header.
    ///
    /// EPERM: a firewall dropped it. ENOBUFS: the interface's queue was full. ENETDOWN or ENETUNREACH: the interface is
    /// down. EINVAL or (IPv4, newer kernels) ENETUNREACH: `source` is not ours (any more).
    package borrowing func send(_ payload: [UInt8], from source: IPAddress, to destination: IPAddress)
        throws(SystemError)
    {
        var from = vipd_address(source)
        var to = vipd_address(destination)
        let number = descriptor.number
        let domain = family.domain
        let index = self.index
        var code: Int32 = 0
        // An error that is pending on the socket (an ICMP message that quotes an advert) fails the next send once,
        // whoever caused it. Only what fails again is about this advert.
        for _ in 0..<3 {
            let sent = unsafe payload.withUnsafeBytes { bytes in
                unsafe vipd_send_packet(number, domain, bytes.baseAddress, bytes.count, index, &from, &to)
            }
            if sent == payload.count { return }
            code = sent < 0 ? errno : EMSGSIZE
            vipd_drop_socket_errors(number)
        }
        throw SystemError("sendmsg", "advert from \(source) to \(destination)", code: code)
    }
}

extension AddressFamily {
    /// The socket domain, AF_INET or AF_INET6.
    var domain: Int32 { self == .ipv4 ? AF_INET : AF_INET6 }
}

/// Socket types as plain numbers; Glibc spells them as an enum.
enum SocketType {
    static let raw = Int32(SOCK_RAW.rawValue)
}

extension vipd_address {
    init(_ address: IPAddress) {
        switch address {
        case .ipv4(let address): self.init(high: 0, low: UInt64(address.bits))
        case .ipv6(let address): self.init(high: address.high, low: address.low)
        }
    }
}

extension IPAddress {
    init(_ address: vipd_address, _ family: AddressFamily) {
        switch family {
        case .ipv4: self = .ipv4(IPv4Address(bits: UInt32(truncatingIfNeeded: address.low)))
        case .ipv6: self = .ipv6(IPv6Address(high: address.high, low: address.low))
        }
    }
}
