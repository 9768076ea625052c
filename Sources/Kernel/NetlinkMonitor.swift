// The listening side of rtnetlink: every change of interfaces and addresses, and those of routes and rules that may concern us, as it
// happens. It asks nothing and changes nothing; NetlinkRequests does.

import CLinux
import CNetlink
import Glibc
import System

/// A socket that hears of every change of interfaces and of IPv4 and IPv6 addresses in its network namespace.
package struct NetlinkMonitor: ~Copyable {
    private let descriptor: Descriptor
    private let room = DatagramRoom(65_536)

    /// Needs no privilege. `receiveQueue` is in octets; the default holds some thousand address changes.
    ///
    /// Renewed lifetimes of addresses with our tag are not heard of: they change nothing, and with hundreds of addresses they would
    /// wake the engine more often than adverts do. Kernels that keep no tag tell them all the same, as an address that did not change.
    package init(receiveQueue: Int32 = 4 << 20) throws(SystemError) {
        let groups = UInt32(RTMGRP_LINK) | UInt32(RTMGRP_IPV4_IFADDR) | UInt32(RTMGRP_IPV6_IFADDR)
        let number = vipd_open_netlink(groups)
        guard number >= 0 else { throw SystemError("socket", "netlink events") }
        let descriptor = Descriptor(taking: number)
        guard vipd_set_receive_queue(number, receiveQueue) == 0 else {
            throw SystemError("setsockopt", "SO_RCVBUF, netlink events")
        }
        _ = vipd_ignore_renewals(number, AddressTag.value)
        self.descriptor = descriptor
    }

    /// A socket that hears of routes and rules that others remove: rules, and routes of these prefix lengths, replaced ones included. Hosts with
    /// routing daemons have thousands of other changes, and what is asked for through the socket with `ownPort` is known.
    package init(routesOf lengths: [UInt8], ownPort: UInt32) throws(SystemError) {
        let groups = UInt32(RTMGRP_IPV4_ROUTE) | UInt32(RTMGRP_IPV6_ROUTE) | UInt32(RTMGRP_IPV4_RULE) | Self.ipv6Rules
        let number = vipd_open_netlink(groups)
        guard number >= 0 else { throw SystemError("socket", "netlink events of routes") }
        let descriptor = Descriptor(taking: number)
        guard vipd_set_receive_queue(number, 1 << 20) == 0 else {
            throw SystemError("setsockopt", "SO_RCVBUF, netlink events of routes")
        }
        try Self.hear(number, routesOf: lengths, ownPort: ownPort)
        self.descriptor = descriptor
    }

    /// RTNLGRP_IPV6_RULE, which has no RTMGRP_ of its own.
    private static let ipv6Rules: UInt32 = 1 << 18

    /// The same with other prefix lengths.
    package borrowing func hear(routesOf lengths: [UInt8], ownPort: UInt32) throws(SystemError) {
        try Self.hear(descriptor.number, routesOf: lengths, ownPort: ownPort)
    }

    private static func hear(_ number: Int32, routesOf lengths: [UInt8], ownPort: UInt32) throws(SystemError) {
        let code = unsafe lengths.withUnsafeBufferPointer { list in
            unsafe vipd_hear_removals(number, ownPort, list.baseAddress, list.count)
        }
        guard code == 0 else { throw SystemError("setsockopt", "SO_ATTACH_FILTER, netlink events of routes") }
    }

    /// For epoll; readable when an event waits or events were lost.
    package var number: Int32 { descriptor.number }

    /// Appends the events that wait, oldest first, and returns when none is left.
    ///
    /// At most 256 datagrams are taken in one call, so that a storm of changes cannot hold the caller; the descriptor
    /// stays readable for the rest. Lost messages become one `.eventsLost` in their place.
    package borrowing func receive(into events: inout [KernelEvent]) throws(SystemError) {
        var buffer = room.take()
        defer { room.put(buffer) }
        let number = descriptor.number
        for _ in 0..<256 {
            let length = unsafe buffer.withUnsafeMutableBytes { bytes in
                unsafe vipd_receive_netlink(number, bytes.baseAddress, bytes.count)
            }
            if length < 0 {
                switch errno {
                case EAGAIN: return
                case EINTR: continue
                case ENOBUFS:
                    events.append(.eventsLost)
                    continue
                case let code: throw SystemError("recv", "netlink events", code: code)
                }
            }
            guard length <= buffer.count else {
                events.append(.eventsLost)
                continue
            }
            NetlinkParser.parse(buffer.span.extracting(0..<length), into: &events)
        }
    }
}

/// Where the datagrams of a netlink socket are read: made once, and in memory before it is needed. Taken out while it is used, so that it is
/// not copied.
final class DatagramRoom {
    private var octets: [UInt8]

    init(_ count: Int) { octets = [UInt8](repeating: 0, count: count) }

    func take() -> [UInt8] {
        var taken: [UInt8] = []
        swap(&taken, &octets)
        return taken
    }

    func put(_ taken: [UInt8]) { octets = taken }
}
