// Written and numeric forms of addresses.

import Testing
import Wire

@Suite struct AddressTests {
    @Test(arguments: VectorFile.shared.addressOrder)
    func `addresses compare in network byte order`(_ vector: OrderVector) throws {
        let a = try #require(IPAddress(vector.a))
        let b = try #require(IPAddress(vector.b))
        #expect((a < b ? -1 : (a == b ? 0 : 1)) == vector.order)
    }

    @Test(arguments: [
        ("::", "::"), ("::1", "::1"), ("1::", "1::"), ("2001:DB8:0:0:0:0:0:1", "2001:db8::1"),
        ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"), ("2001:0:0:1:0:0:0:1", "2001:0:0:1::1"),
        ("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"), ("::ffff:192.0.2.1", "::ffff:c000:201"),
        ("fe80::5e:0a", "fe80::5e:a"), ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"), ("::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"),
    ])
    func `IPv6 text is read per RFC 4291 and written per RFC 5952`(_ input: String, _ output: String) throws {
        #expect(try #require(IPv6Address(input)).description == output)
    }

    @Test(arguments: [
        "", ":", ":::", "1", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1::2::3", "12345::", "::g", ":1::", "1:",
        "1:2:3:4:5:6:7:8::", "::1.2.3", "::1.2.3.256", "fe80::1%eth0", "1:2:3:4:5:6:7:1.2.3.4",
    ])
    func `what is no IPv6 address is refused`(_ text: String) {
        #expect(IPv6Address(text) == nil)
    }

    @Test(arguments: ["", "1.2.3", "1.2.3.4.5", "256.1.1.1", "01.2.3.4", "1..2.3", "1.2.3.4 ", "a.b.c.d"])
    func `what is no IPv4 address is refused`(_ text: String) {
        #expect(IPv4Address(text) == nil)
    }

    @Test func `a prefix is optional and bounded by the family`() {
        #expect(InterfaceAddress("192.0.2.1")?.prefixLength == 32)
        #expect(InterfaceAddress("192.0.2.1/24")?.description == "192.0.2.1/24")
        #expect(InterfaceAddress("2001:db8::1")?.prefixLength == 128)
        #expect(InterfaceAddress("192.0.2.1/33") == nil)
        #expect(InterfaceAddress("2001:db8::1/129") == nil)
        #expect(InterfaceAddress("192.0.2.1/") == nil)
        #expect(InterfaceAddress("192.0.2.1/024") == nil)
    }

    @Test func `MAC addresses are written and read`() {
        #expect(MACAddress.virtualRouter(10, family: .ipv4).description == "00:00:5e:00:01:0a")
        #expect(MACAddress.virtualRouter(255, family: .ipv6).description == "00:00:5e:00:02:ff")
        #expect(MACAddress("00:00:5E:0:1:a") == .virtualRouter(10, family: .ipv4))
        #expect(MACAddress("00:00:5e:00:01") == nil)
        #expect(MACAddress("00:00:5e:00:01:0a:00") == nil)
    }

    @Test func `classes of addresses are told apart`() throws {
        #expect(IPv4Address.vrrpGroup.isMulticast)
        #expect(!IPv4Address(255, 255, 255, 255).isUnicast)
        #expect(!IPv4Address(0, 0, 0, 0).isUnicast)
        #expect(try #require(IPv6Address("febf::1")).isLinkLocal)
        #expect(try #require(IPv6Address("fec0::1")).isLinkLocal == false)
        #expect(try #require(IPv6Address("2001:db8::12:3456")).solicitedNode.description == "ff02::1:ff12:3456")
    }
}
