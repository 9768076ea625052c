// Macvlans of virtual hardware addresses: what they are called, how ours are told from others, and the kernel's part.

import Glibc
import Kernel
import Namespaces
import System
import Testing
import Wire

private let key = VirtualLinkKey(parent: 7, family: .ipv4, vrid: 51)
private let original = ParentSettings(arpIgnore: 0, arpAnnounce: 1)

private func link(_ alias: String, name: String = key.name, hardware: MACAddress = key.hardware, parent: UInt32 = 7)
    -> LinkState
{
    LinkState(
        index: 9, name: name, isUp: false, hasCarrier: false, hardwareAddress: hardware, mtu: 1500, isLoopback: false,
        macvlan: MacvlanState(parent: parent, alias: alias))
}

@Suite struct VirtualLinkTests {
    @Test func `its name says which one it is in at most 15 octets`() {
        #expect(key.name == "vipd4-7-51" && key.hardware == MACAddress(0, 0, 0x5E, 0, 1, 51))
        let other = VirtualLinkKey(parent: 99_999, family: .ipv6, vrid: 255)
        #expect(other.name == "vipd6-99999-255" && other.hardware == MACAddress(0, 0, 0x5E, 0, 2, 255))
        for parent in [100_000, 1_000_000, .max] as [UInt32] {
            #expect(VirtualLinkKey(parent: parent, family: .ipv6, vrid: 255).name.utf8.count <= 15)
        }
    }

    @Test func `its description says what is to be put back`() {
        let alias = original.alias(vrid: 51)
        #expect(alias == "vipd vrid=51 arp_ignore=0 arp_announce=1")
        #expect(ParentSettings(alias: alias) == original)
        #expect(original.needed == ParentSettings(arpIgnore: 1, arpAnnounce: 2))
        #expect(ParentSettings(arpIgnore: 8, arpAnnounce: 2).needed == ParentSettings(arpIgnore: 8, arpAnnounce: 2))
        for wrong in [
            "", "uplink", "vipd", "vipd vrid=51", "vipd vrid=51 arp_ignore=x arp_announce=1", alias + " more",
        ] {
            #expect(ParentSettings(alias: wrong) == nil, "\(wrong)")
        }
    }

    @Test func `ours is what has the name, the address, the interface below and the description, or none yet`() {
        let alias = original.alias(vrid: 51)
        #expect(link(alias).suits(key) && link(alias).isVirtualLink)
        #expect(link("").suits(key) && !link("").isVirtualLink)
        #expect(!link("uplink").suits(key) && link("uplink").serves(key))
        #expect(!link(alias, name: "vrrp4-7-51").isVirtualLink)
        #expect(!link(alias, name: "vrrp4-7-51").suits(key))
        #expect(!link(alias, hardware: MACAddress(2, 0, 0, 0, 0, 1)).suits(key))
        #expect(!link(alias, parent: 8).suits(key))
        var plain = link(alias)
        plain.macvlan = nil
        #expect(!plain.suits(key) && !plain.isVirtualLink)
    }

    @Test func `addresses that routers share are known as such`() {
        #expect(MACAddress.virtualRouter(1, family: .ipv4).isVirtualRouter)
        #expect(MACAddress.virtualRouter(255, family: .ipv6).isVirtualRouter)
        #expect(!MACAddress(0, 0, 0x5E, 0, 0x53, 1).isVirtualRouter && !MACAddress(2, 0, 0, 0, 1, 1).isVirtualRouter)
    }
}

@Suite(.enabled(if: canMakeNamespaces))
struct VirtualLinkKernelTests {
    @Test func `it is made down and in bridge mode, described, set up, put up and down, and removed`() async throws {
        try await withTwoHosts { _ in
            let requests = try NetlinkRequests()
            let parent = unsafe if_nametoindex("va")
            let key = VirtualLinkKey(parent: parent, family: .ipv6, vrid: 9)
            #expect(try requests.link(named: key.name) == nil)
            try requests.make(key)
            let made = try #require(try requests.link(named: key.name))
            #expect(made.suits(key) && !made.isUp)
            #expect(try sh("ip -d link show \(key.name)").contains("macvlan mode bridge"))
            #expect(throws: KernelError.self) { try requests.make(key) }

            try requests.describe(made.index, as: original.alias(vrid: 9))
            try requests.makeNoAddresses(on: made.index)
            #expect(try requests.link(made.index)?.isVirtualLink == true)
            try requests.set([(.arpIgnore, 1), (.rpFilter, 2), (.arpAnnounce, 2)], on: made.index)
            let folder = "/proc/sys/net/ipv4/conf/\(key.name)"
            #expect(try sh("cat \(folder)/arp_ignore \(folder)/rp_filter \(folder)/arp_announce") == "1\n2\n2\n")
            let settings = try requests.settings(of: made.index)
            #expect(settings(.arpIgnore) == 1 && settings(.rpFilter) == 2 && settings(.arpAnnounce) == 2)

            let isSet = requests.set(.acceptAdvertisements, 0, on: key.name)
            #expect(isSet)
            #expect(try sh("cat /proc/sys/net/ipv6/conf/\(key.name)/accept_ra") == "0\n")
            let isMissed = !requests.set(.disableIPv6, 1, on: "nobody")
            #expect(isMissed)
            try requests.set(made.index, up: true)
            #expect(try requests.link(made.index)?.isUp == true)
            #expect(try sh("ip -6 address show dev \(key.name)").isEmpty, "no address of its own")
            try requests.set(made.index, up: false)
            #expect(try requests.link(made.index)?.isUp == false)
            try requests.removeLink(made.index)
            #expect(try requests.link(made.index) == nil)
            try requests.removeLink(made.index)  // Gone already: fine.
        }
    }

    @Test func `adverts leave by it from an address of the interface below, and nothing comes in`() async throws {
        try await withTwoHosts { hosts in
            let requests = try NetlinkRequests()
            for family in [AddressFamily.ipv4, .ipv6] {
                let key = VirtualLinkKey(parent: unsafe if_nametoindex("va"), family: family, vrid: 9)
                try requests.make(key)
                let made = try #require(try requests.link(named: key.name))
                let socket = try AdvertSocket(sendingFrom: family, interface: key.name, index: made.index)
                let source: IPAddress =
                    family == .ipv4
                    ? .ipv4(IPv4Address(10, 9, 0, 1)) : .ipv6(IPv6Address(high: 0xFE80 << 48, low: 0xA))
                #expect(throws: SystemError.self, "it is down") {
                    try socket.send([1, 2], from: source, to: .vrrpGroup(family))
                }
                try requests.makeNoAddresses(on: made.index)
                try requests.set(made.index, up: true)
                try socket.send([1, 2], from: source, to: .vrrpGroup(family))
            }
        }
    }
}
