// Ends TCP connections of addresses that leave this host (SOCK_DESTROY, Linux 4.5 with CONFIG_INET_DIAG_DESTROY): both ends learn at once what
// they would else find out with the next packet, or never. Looking through all connections of a host takes as long as there are many, so this
// is for a thread that nothing waits for. It decides nothing.

import CNetlink
import Glibc
import Wire

/// TCP connections of this host.
package enum Connections {
    /// More addresses than this are looked for one part after the other.
    private static let addressesPerDump = 512

    /// Ends all connections whose local address is one of these, and returns how many. Their peers are sent a reset, from the
    /// address as long as it is there. Sockets that listen stay, and those that wait out their time.
    ///
    /// EOPNOTSUPP where the kernel cannot, EPERM without CAP_NET_ADMIN.
    package static func reset(of addresses: [IPAddress]) throws(KernelError) -> Int {
        let socket = try NetlinkSocket(NETLINK_SOCK_DIAG)
        var count = 0
        for family in AddressFamily.allCases {
            let all = addresses.filter { $0.family == family }
            var first = 0
            while first < all.count {
                let part = Array(all[first..<min(first + addressesPerDump, all.count)])
                // An IPv4 connection of a socket that takes both families is one of IPv6.
                for socketFamily in family == .ipv4 ? AddressFamily.allCases : [.ipv6] {
                    count += try reset(ConnectionFilter(part), of: socketFamily, on: socket)
                }
                first += part.count
            }
        }
        return count
    }

    private static func reset(
        _ filter: ConnectionFilter, of family: AddressFamily, on socket: borrowing NetlinkSocket
    ) throws(KernelError) -> Int {
        var answers: [UInt8] = []
        if let refusal = try socket.exchange(try .connectionDump(family, filter), keeping: &answers) { throw refusal }
        var count = 0
        for connection in NetlinkParser.connections(answers.span) {
            var nothing: [UInt8] = []
            let refusal = try socket.exchange(try .connectionEnd(connection), keeping: &nothing)
            // It has ended by itself meanwhile.
            if let refusal, refusal.code != ENOENT { throw refusal }
            if refusal == nil { count += 1 }
        }
        return count
    }
}

/// A connection as the kernel names it.
package struct Connection: Hashable, Sendable {
    /// Of the socket.
    package var family: UInt8
    /// struct inet_diag_sockid, whose cookie says that no other connection is meant.
    package var identity: [UInt8]

    static let identityLength = 48

    package init(family: UInt8, identity: [UInt8]) {
        self.family = family
        self.identity = identity
    }
}

/// Finds connections by their local addresses: a program for the kernel (INET_DIAG_REQ_BYTECODE), which looks at each of hundreds of thousands.
struct ConnectionFilter {
    /// One condition for each address, and behind each but the last a jump to the end, where a connection is found.
    private(set) var program: [UInt8] = []

    init(_ addresses: [IPAddress]) {
        let jump = 4
        func length(_ address: IPAddress) -> Int { 12 + address.family.addressLength }
        let total = addresses.reduce(0) { $0 + length($1) + jump } - jump
        for (place, address) in addresses.enumerated() {
            let length = length(address)
            // Not this one: pass over the jump, to the next condition or beyond the end.
            append(code: 7, yes: length, no: length + jump)  // INET_DIAG_BC_S_COND
            // struct inet_diag_hostcond: family, prefix length, any port.
            let family = address.family == .ipv4 ? Netlink.familyIPv4 : Netlink.familyIPv6
            program += [family, UInt8(address.family.hostPrefixLength), 0, 0, 0xFF, 0xFF, 0xFF, 0xFF] + address.octets
            if place < addresses.count - 1 {
                append(code: 1, yes: jump, no: total - program.count)  // INET_DIAG_BC_JMP
            }
        }
    }

    /// struct inet_diag_bc_op.
    private mutating func append(code: UInt8, yes: Int, no: Int) {
        program += [code, UInt8(yes)]
        // In the byte order of the host, as all of netlink.
        unsafe withUnsafeBytes(of: UInt16(no)) { unsafe program += $0 }
    }
}

extension NetlinkRequest {
    /// The TCP connections of a family that a filter finds.
    static func connectionDump(_ family: AddressFamily, _ filter: ConnectionFilter) throws(KernelError)
        -> NetlinkRequest
    {
        let message = unsafe filter.program.withUnsafeBytes { bytes in
            unsafe vipd_build_connection_dump(family.domain, bytes.baseAddress, bytes.count)
        }
        return unsafe try NetlinkRequest("SOCK_DIAG_BY_FAMILY", .connections, message)
    }

    /// The end of one.
    static func connectionEnd(_ connection: Connection) throws(KernelError) -> NetlinkRequest {
        let message = unsafe connection.identity.withUnsafeBytes { bytes in
            unsafe vipd_build_connection_end(Int32(connection.family), bytes.baseAddress, bytes.count)
        }
        return unsafe try NetlinkRequest("SOCK_DESTROY", .connections, message)
    }
}

extension NetlinkParser {
    /// The connections in messages of SOCK_DIAG_BY_FAMILY (struct inet_diag_msg).
    package static func connections(_ bytes: Span<UInt8>) -> [Connection] {
        var connections: [Connection] = []
        var offset = 0
        while let message = NetlinkMessage(in: bytes, at: offset) {
            offset = message.next
            guard message.type == Netlink.socketDiagnosis, message.body.count >= 4 + Connection.identityLength else {
                continue
            }
            let first = message.body.lowerBound
            var identity: [UInt8] = []
            for place in (first + 4)..<(first + 4 + Connection.identityLength) { identity.append(bytes[place]) }
            connections.append(Connection(family: bytes[first], identity: identity))
        }
        return connections
    }
}
