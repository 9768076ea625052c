// Addresses that are written as mappings: those that adverts do not list, what they may be, and what is refused.

import Configuration
import Election
import Testing
import Wire

private func withAddresses(_ items: String...) -> String {
    bare("interface: eth0", "vrid: 51", "addresses: [\(items.joined(separator: ", "))]")
}

private func election(_ text: String) throws -> VirtualRouterConfiguration { try onlyRouter(text).election }

/// `count` addresses of 10.1.0.0/16 as items of a list.
private func many(_ count: Int, _ item: (String) -> String) -> [String] {
    (1...count).map { item("10.1.\($0 / 256).\($0 % 256)") }
}

struct AddressOptionTests {
    @Test func aMappingIsAnAddressLikeAnyOther() throws {
        let plain = try election(withAddresses("192.0.2.10/24", "192.0.2.11"))
        let mapped = try election(withAddresses("{address: 192.0.2.10/24}", "{address: 192.0.2.11, advertise: yes}"))
        #expect(mapped == plain && mapped.unadvertised == 0)
    }

    @Test func whatIsNotAdvertisedIsBehindWhatIsAndTheOtherFamilyLast() throws {
        let election = try election(
            withAddresses(
                "{address: \"2001:db8::10/64\", advertise: no}", "{address: 192.0.2.12, advertise: no}",
                "192.0.2.10/24",
                "{address: \"fe80::10\", advertise: no}", "192.0.2.11"))
        #expect(
            election.addresses.map(\.description) == [
                "192.0.2.10/24", "192.0.2.11/32", "192.0.2.12/32", "2001:db8::10/64", "fe80::10/128",
            ])
        #expect(election.unadvertised == 3 && election.family == .ipv4)
        #expect(election.advertisedAddresses.map(\.description) == ["192.0.2.10/24", "192.0.2.11/32"])
        #expect(election.announcements.rounds == AnnouncementPlan.standard(for: .ipv4).rounds)
    }

    @Test func howAnAddressIsPutOnIsKeptWhereItIsNotTheStandard() throws {
        let election = try election(
            withAddresses(
                "192.0.2.10", "{address: 192.0.2.11, scope: link, label: \"eth0:db\"}",
                "{address: 192.0.2.12, scope: global}",
                "{address: \"2001:db8::1\", advertise: no, preferred-lifetime: forever}",
                "{address: \"2001:db8::2\", advertise: no, preferred-lifetime: 0}"))
        let options = election.addresses.map { election.options(of: $0) }
        #expect(
            options == [
                AddressOptions(), AddressOptions(scope: .link, label: "eth0:db"), AddressOptions(),
                AddressOptions(isPreferred: true), AddressOptions(isPreferred: false),
            ])
        #expect(election.addressOptions.count == 2, "the others are the standard of their families")
    }

    @Test func anAddressMayBeOnAnotherInterface() throws {
        let election = try election(
            withAddresses(
                "192.0.2.10", "{address: 192.0.2.11, interface: eth1}", "{address: 192.0.2.12, interface: eth0}",
                "{address: \"2001:db8::1\", advertise: no, interface: eth1}"))
        #expect(election.addresses.map { election.interface(of: $0) } == ["eth0", "eth1", "eth0", "eth1"])
        #expect(election.otherInterfaces == ["eth1"])
        #expect(election.addressOptions.count == 2, "the router's own is the standard")
        #expect(
            errors(withAddresses("{address: 192.0.2.10, interface: a/b}")) == [
                "f:5:50: interface must be 1 to 15 printable characters without space, '/' and ':', not 'a/b'"
            ])
    }

    @Test func aLinkLocalAddressMayBeOnEveryInterfaceOnce() throws {
        func two(_ second: String) -> String {
            """
            virtual-routers:
              a: {interface: eth0, vrid: 1, addresses: ["fe80::9"]}
              b: {interface: eth1, vrid: 2, addresses: ["fe80::8", {address: "fe80::9", advertise: no, interface: \(second)}]}

            """
        }
        #expect(errors(two("eth2")) == [])
        #expect(
            errors(two("eth0")) == ["f:3:56: address fe80::9 already belongs to virtual router 'a', line 2"])
    }

    @Test func aFamilyKeepsItsAnnouncementsWhereOnlyTheOthersAreGiven() throws {
        func kinds(_ list: String) throws -> AnnouncementKinds {
            try onlyRouter(router("announce: {kinds: [\(list)]}")).election.announcements.kinds
        }
        #expect(try kinds("garp-reply") == [.garpReply, .unsolicitedNA])
        #expect(try kinds("rarp") == [.rarp, .garpRequest, .unsolicitedNA])
        #expect(try kinds("garp-request, garp-reply, unsolicited-na, rarp") == .all)
        #expect(try onlyRouter(router("announce: {pacing: off}")).election.announcements.pacing == .zero)
        #expect(try onlyRouter(router("announce: {refresh: no}")).election.announcements.kinds == .standard)
    }

    @Test func ipv6StillBeginsWithItsLinkLocalAddress() throws {
        let election = try election(
            withAddresses(
                "{address: 192.0.2.10, advertise: no}", "\"2001:db8::10\"", "{address: \"fe80::9\", advertise: no}"))
        #expect(
            election.addresses.map(\.description) == [
                "fe80::5e:33/128", "2001:db8::10/128", "fe80::9/128", "192.0.2.10/32",
            ])
        #expect(election.unadvertised == 2 && election.family == .ipv6)
        #expect(
            errors(withAddresses("\"2001:db8::10\"", "{address: \"fe80::5e:33\", advertise: no}")) == [
                "f:5:33: fe80::5e:33 is the link-local address that adverts list first; leave 'advertise: no' out"
            ])
    }

    @Test func theLimitOfTheAdvertIsForWhatItLists() throws {
        let list = many(255) { $0 } + many(745) { "{address: \($0.replacing("10.1.", with: "10.2.")), advertise: no}" }
        let text = bare("interface: eth0", "vrid: 51", "addresses: [\(list.joined(separator: ", "))]")
        let election = try election(text)
        #expect(election.addresses.count == 1_000 && election.unadvertised == 745)
        #expect(election.advertisedAddresses.count == 255)
    }

    @Test func oneMessageHasToHoldThemAll() throws {
        func text(_ count: Int) -> String {
            let list = ["192.0.2.1"] + many(count - 1) { "{address: \($0), advertise: no}" }
            return bare("interface: eth0", "vrid: 51", "addresses: [\(list.joined(separator: ", "))]")
        }
        #expect(try election(text(2_000)).addresses.count == 2_000)
        #expect(errors(text(2_001)) == ["f:5:16: at most 2000 addresses are allowed, not 2001"])
    }

    @Test(arguments: [
        (
            "{address: 192.0.2.10, advertise: no}",
            "f:5:16: an advert lists at least one address; leave 'advertise: no' out of one of them"
        ),
        ("{advertise: no}", "f:5:17: an address has no 'address' (ADDRESS or ADDRESS/PREFIX)"),
        ("{address: 192.0.2.10, advertise: never}", "f:5:50: advertise must be yes or no, not 'never'"),
        (
            "{address: 192.0.2.10, advertize: no}",
            "f:5:39: unknown key 'advertize'; did you mean 'advertise'? allowed in an address: address, advertise, interface, scope, label, preferred-lifetime"
        ),
        (
            "{address: 192.0.2.10/33, advertise: no}",
            "f:5:27: address must be ADDRESS or ADDRESS/PREFIX, not '192.0.2.10/33'; a prefix of IPv4 is 1 to 32"
        ),
        (
            "{address: 192.0.2.10/24, scope: link}",
            "f:5:49: scope link is for a /32: within one network the kernel takes one scope only"
        ),
        ("{address: 192.0.2.10, scope: site}", "f:5:46: scope must be global, link or host, not 'site'"),
        (
            "{address: \"2001:db8::1\", scope: link}",
            "f:5:49: scope is for IPv4; an IPv6 address has the scope that it says itself"
        ),
        (
            "{address: 192.0.2.10, label: a234567890123456}",
            "f:5:46: label must be up to 15 letters, digits and signs, as eth0:db, not 'a234567890123456'"
        ),
        (
            "{address: 192.0.2.10, label: \"eth0:vipd\"}",
            "f:5:46: a label of 'vipd' marks vipd's own addresses on kernels that cannot tag them; take another one"
        ),
        ("{address: \"2001:db8::1\", label: eth0}", "f:5:49: label is for IPv4; IPv6 addresses have none"),
        (
            "{address: 192.0.2.10, preferred-lifetime: 0}",
            "f:5:59: preferred-lifetime is for IPv6; IPv4 does not choose sources by it, 'scope: link' or 'scope: host'"
                + " keeps the address from being one"
        ),
        (
            "{address: \"2001:db8::1\", preferred-lifetime: 5}",
            "f:5:62: preferred-lifetime must be 0 or forever, not '5'"
        ),
        ("{address: 224.0.0.18, advertise: no}", "f:5:27: 224.0.0.18/32 cannot be served: it is a multicast address"),
        ("192.0.2.10, {address: 192.0.2.10/24, advertise: no}", "f:5:29: address 192.0.2.10 is already on line 5"),
    ])
    func whatIsWrongIsNamedWithItsPlace(_ items: String, _ error: String) {
        #expect(errors(withAddresses(items)) == [error])
    }

    @Test func anAddressThatIsNotAdvertisedBelongsToOneRouterTooAndIsNoPeer() {
        func two(_ second: String, _ more: String = "") -> String {
            """
            virtual-routers:
              a: {interface: eth0, vrid: 1, addresses: [192.0.2.1, {address: 192.0.2.9, advertise: no}]}
              b: {interface: eth0, vrid: 2, addresses: [\(second)]\(more)}

            """
        }
        #expect(
            errors(two("192.0.2.9")) == ["f:3:45: address 192.0.2.9 already belongs to virtual router 'a', line 2"])
        #expect(
            errors(two("192.0.2.8", ", peers: [192.0.2.9]")) == [
                "f:3:65: peer 192.0.2.9 is a virtual address, of 'a' on line 2; give the address that the host itself has"
            ])
    }
}
