// The end of connections by their local address: which are found, in both families, and which stay. On loopback, against the real kernel.

import Glibc
import Kernel
import Testing
import Wire

private let canReset = geteuid() == 0

/// Calls `body` with a socket address of this family, any port and the address, nil for ::1.
private func withAddress(
    _ ipv4: UInt32?, port: in_port_t, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
) -> Int32 {
    if let ipv4 {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port
        address.sin_addr.s_addr = ipv4.bigEndian
        return unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }
    var address = sockaddr_in6()
    address.sin6_family = sa_family_t(AF_INET6)
    address.sin6_port = port
    address.sin6_addr = in6addr_loopback
    return unsafe withUnsafePointer(to: &address) { pointer in
        unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            unsafe body($0, socklen_t(MemoryLayout<sockaddr_in6>.size))
        }
    }
}

/// A listening socket on any address, and a connection to it at one of loopback. A listener of IPv6 takes IPv4, too.
private final class Pair {
    let listener: Int32
    let client: Int32
    let server: Int32

    private init(_ listener: Int32, _ client: Int32, _ server: Int32) {
        self.listener = listener
        self.client = client
        self.server = server
    }

    /// `address` nil is ::1.
    static func connected(listening family: Int32, at address: UInt32?) -> Pair? {
        let stream = Int32(SOCK_STREAM.rawValue)
        let listener = socket(family, stream, 0)
        guard listen(listener, 4) == 0 else { return nil }
        var own = sockaddr_in6()
        var length = socklen_t(MemoryLayout<sockaddr_in6>.size)
        let known = unsafe withUnsafeMutablePointer(to: &own) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe getsockname(listener, $0, &length)
            }
        }
        let client = socket(address == nil ? AF_INET6 : AF_INET, stream, 0)
        // Both kinds of address have the port in the same place.
        let result = unsafe withAddress(address, port: own.sin6_port) { unsafe connect(client, $0, $1) }
        guard known == 0, result == 0 else { return nil }
        return Pair(listener, client, accept(listener, nil, nil))
    }

    deinit { for descriptor in [listener, client, server] { close(descriptor) } }

    /// What a read says that does not wait: the errno of a broken connection, EAGAIN of a whole one.
    var clientError: Int32 {
        var octet: UInt8 = 0
        return unsafe recv(client, &octet, 1, Int32(MSG_DONTWAIT)) < 0 ? errno : 0
    }
}

@Suite(.serialized) struct ConnectionsTests {
    private static func loopback(_ last: UInt8) -> IPAddress { .ipv4(IPv4Address(127, 77, 0, last)) }
    private static func bits(_ last: UInt8) -> UInt32 { 0x7F4D_0000 + UInt32(last) }

    /// Whether this kernel can do it at all.
    private func reset(_ addresses: [IPAddress]) throws -> Int? {
        do throws(KernelError) {
            return try Connections.reset(of: addresses)
        } catch {
            guard error.code == EOPNOTSUPP else { throw error }
            return nil
        }
    }

    @Test(.enabled(if: canReset, "needs root"))
    func `connections of an address end with a reset, of others they stay, and listeners stay`() throws {
        let gone = try #require(Pair.connected(listening: AF_INET, at: Self.bits(1)))
        let mapped = try #require(Pair.connected(listening: AF_INET6, at: Self.bits(1)))
        let other = try #require(Pair.connected(listening: AF_INET, at: Self.bits(2)))
        guard let count = try reset([Self.loopback(1)]) else { return }
        #expect(count == 2, "the server's end of each; that of IPv6 sockets, too")
        #expect(gone.clientError == ECONNRESET && mapped.clientError == ECONNRESET)
        #expect(other.clientError == EAGAIN)
        for pair in [gone, mapped] {
            var listening: Int32 = 0
            var length = socklen_t(4)
            #expect(unsafe getsockopt(pair.listener, SOL_SOCKET, SO_ACCEPTCONN, &listening, &length) == 0)
            #expect(listening == 1)
        }
        #expect(try reset([Self.loopback(1)]) == 0)
    }

    @Test(.enabled(if: canReset, "needs root")) func `it finds them among many addresses, and in IPv6`() throws {
        let ipv4 = try #require(Pair.connected(listening: AF_INET, at: Self.bits(200)))
        let ipv6 = try #require(Pair.connected(listening: AF_INET6, at: nil))
        // The last of a dump of 512, the first of the next; the IPv6 connection has the address at both ends.
        let before = (0..<511).map { IPAddress.ipv4(IPv4Address(bits: 0x0A00_0000 + UInt32($0))) }
        guard let count = try reset(before + [Self.loopback(200)]) else { return }
        #expect(count == 1 && ipv4.clientError == ECONNRESET)
        #expect(ipv6.clientError == EAGAIN)
        let again = try #require(Pair.connected(listening: AF_INET, at: Self.bits(200)))
        #expect(try reset(before + before.prefix(1) + [Self.loopback(200)]) == 1)
        #expect(again.clientError == ECONNRESET)
        let many = (0..<200).map { IPAddress.ipv6(IPv6Address(high: 0x2001_0DB8 << 32, low: UInt64($0))) }
        #expect(try reset(many + [.ipv6(IPv6Address(high: 0, low: 1))] + many) ?? 0 >= 1)
        #expect(ipv6.clientError != EAGAIN)
    }

    @Test func `octets that are no whole message are no connection`() {
        var octets = [UInt8](repeating: 0, count: 16 + 52)
        octets[0] = 68
        octets[4] = 20
        octets[16] = 2
        for place in 0..<48 { octets[20 + place] = UInt8(place) }
        func connections(_ octets: [UInt8]) -> [Connection] { NetlinkParser.connections(octets.span) }
        #expect(connections(octets) == [Connection(family: 2, identity: (0..<48).map { UInt8($0) })])
        for length in 0..<octets.count { #expect(connections(Array(octets.prefix(length))).isEmpty) }
        octets[4] = 21
        #expect(connections(octets).isEmpty)
    }
}
