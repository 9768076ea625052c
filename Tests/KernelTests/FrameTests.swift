// Whole frames through libpcap: what an announcement port sends is what a tap on the other host hears.

import Glibc
import Kernel
import Namespaces
import System
import Testing
import Wire

/// The next frame of `tap`, waiting up to two seconds.
private func nextFrame(_ tap: borrowing FrameTap) throws -> (octets: [UInt8], stamp: Int64)? {
    guard isReadable(tap.number) else { return nil }
    var found: (octets: [UInt8], stamp: Int64)?
    _ = try tap.next { frame, stamp in
        var octets: [UInt8] = []
        for place in 0..<frame.count { octets.append(frame[place]) }
        found = (octets, stamp)
    }
    return found
}

private let hardware = MACAddress(2, 0, 0, 0, 0, 0xA)

@Suite(.enabled(if: canMakeNamespaces))
struct FrameTests {
    @Test("A gratuitous ARP is seen on the peer as it was made, with a stamp")
    func announcement() async throws {
        try await withTwoHosts { hosts in
            let port = try AnnouncementPort(interface: "va")
            let tap = try hosts.onB { try FrameTap(interface: "vb", filter: "arp") }
            let frame = ARPPacket.gratuitousRequest(IPv4Address(10, 9, 0, 100), at: hardware).frame()
            let before = Clock.wall()
            try port.send(frame: frame)
            let heard = try #require(try nextFrame(tap))
            #expect(Array(heard.octets.prefix(frame.count)) == frame)
            #expect(heard.stamp >= before - 1_000_000 && heard.stamp <= Clock.wall())
            let isMore = try tap.next { _, _ in }
            #expect(!isMore)
        }
    }

    @Test("A tap hears what its filter names and only what comes in")
    func filter() async throws {
        try await withTwoHosts { hosts in
            let tap = try FrameTap(interface: "va", filter: "arp")
            let own = try AnnouncementPort(interface: "va")
            try own.send(frame: ARPPacket.probe(for: IPv4Address(10, 9, 0, 7), from: hardware).frame())
            try hosts.onB { _ = try sh("ping -c1 -W1 10.9.0.1 > /dev/null") }
            var senders: [IPv4Address] = []
            while isReadable(tap.number, within: 100) {
                _ = try tap.next { frame, _ in
                    if let packet = ARPPacket(frame: frame) { senders.append(packet.senderProtocol) }
                }
            }
            #expect(Set(senders) == [IPv4Address(10, 9, 0, 2)])
        }
    }

    @Test("A port fails while its interface is down and works when it is up again")
    func downAndUp() async throws {
        try await withTwoHosts { hosts in
            let port = try AnnouncementPort(interface: "va")
            let frame = ARPPacket.gratuitousRequest(IPv4Address(10, 9, 0, 100), at: hardware).frame()
            try sh("ip link set va down")
            do throws(SystemError) {
                try port.send(frame: frame)
                Issue.record("sent")
            } catch {
                #expect(error.code == ENETDOWN)
            }
            try sh("ip link set va up")
            let tap = try hosts.onB { try FrameTap(interface: "vb", filter: "arp") }
            let requests = try NetlinkRequests()
            try waitForCarrier("va", requests)
            try port.send(frame: frame)
            #expect(try nextFrame(tap) != nil)
        }
    }

    @Test(
        "Interfaces that are missing or down, and filters that mean nothing, are errors with their errno",
        arguments: [("nothing0", "arp", ENODEV), ("vdown", "arp", ENETDOWN), ("va", "no such filter", EINVAL)])
    func openingErrors(interface: String, filter: String, code: Int32) async throws {
        try await withTwoHosts { _ in
            try sh("ip link add vdown type veth peer name vother")
            do throws(SystemError) {
                _ = try FrameTap(interface: interface, filter: filter)
                Issue.record("opened")
            } catch {
                #expect(error.code == code)
                #expect(error.subject.hasPrefix(interface))
            }
            guard code != EINVAL else { return }
            do throws(SystemError) {
                _ = try AnnouncementPort(interface: interface)
                Issue.record("opened")
            } catch {
                #expect(error.code == code)
            }
        }
    }
}
