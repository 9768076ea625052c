// Claim and release against the real kernel: what is asked for holds afterwards, what others own stays, and a refusal
// comes back with the kernel's errno and words.

import Glibc
import Kernel
import Namespaces
import Testing
import Wire

private func address(_ text: String) throws -> InterfaceAddress { try #require(InterfaceAddress(text)) }

@Suite(.enabled(if: canMakeNamespaces))
struct NetlinkRequestTests {
    @Test("Links come with name, state, carrier and hardware address")
    func links() async throws {
        try await withTwoHosts { hosts in
            let requests = try NetlinkRequests()
            try sh("ip link set va address 02:00:00:00:00:0a mtu 1400")
            let links = try requests.links()
            let loopback = try #require(links.named("lo"))
            #expect(loopback.isLoopback)
            let link = try #require(links.named("va"))
            #expect(link.index == (try index(of: "va")))
            #expect(link.isUp && link.hasCarrier && !link.isLoopback)
            #expect(link.hardwareAddress == MACAddress(2, 0, 0, 0, 0, 0xA))
            #expect(link.mtu == 1400)
            try hosts.onB { _ = try sh("ip link set vb down") }
            #expect(try requests.links().named("va")?.hasCarrier == false)
        }
    }

    @Test(
        "A claimed address carries our tag and is usable at once, and a release takes it away",
        arguments: ["10.9.0.100/32", "10.9.0.100/24", "fe80::5e:33/128", "2001:db8::100/128", "2001:db8::100/64"])
    func claimAndRelease(text: String) async throws {
        try await withTwoHosts { _ in
            let wanted = try address(text)
            let index = try index(of: "va")
            let requests = try NetlinkRequests()
            let family = wanted.address.family == .ipv4 ? "-4" : "-6"
            func mainRoutes() throws -> String { try sh("ip \(family) route show table main") }
            func isServed() throws -> Bool {
                try sh("ip \(family) route show table local").contains("\(wanted.address) ")
            }
            let routes = try mainRoutes()
            try requests.add(wanted, index: index)
            let state = try #require(try requests.addresses().entry(for: wanted))
            #expect(state.interfaceIndex == index)
            #expect(state.tag == AddressTag.value)
            #expect(state.isOurs && state.isUsable)
            #expect(state.label == nil || state.label == "va")
            if wanted.address.family == .ipv6 { #expect(state.flags & AddressFlag.noDuplicateDetection != 0) }
            let isShort = wanted.prefixLength < wanted.address.family.hostPrefixLength
            #expect((state.flags & AddressFlag.noPrefixRoute != 0) == isShort)
            let isServedSoon = try eventually(isServed)
            #expect(isServedSoon)
            // An IPv6 /128 makes a route to itself in the main table; it hides nothing.
            if isShort || wanted.address.family == .ipv4 { #expect(try mainRoutes() == routes) }
            try requests.add(wanted, index: index)  // Ours already: fine.
            #expect(try requests.addresses().entries(for: wanted.address).count == 1)

            try requests.remove(wanted, index: index)
            #expect(try requests.addresses().entry(for: wanted) == nil)
            #expect(try !isServed())
            try requests.remove(wanted, index: index)  // Gone already: fine.
            #expect(try mainRoutes() == routes)
        }
    }

    @Test(
        "A lifetime is one of the kernel's, given by a claim, changed by a renewal and by a second claim",
        arguments: ["10.9.0.100/32", "10.9.0.100/24", "2001:db8::100/128"])
    func lifetimes(text: String) async throws {
        try await withTwoHosts { _ in
            let wanted = try address(text)
            let index = try index(of: "va")
            let requests = try NetlinkRequests()
            func shown() throws -> String { try sh("ip address show dev va to \(wanted.address)") }
            try requests.add(wanted, index: index, lifetime: 60)
            // Both lifetimes: one that is deprecated before it goes would change source addresses.
            #expect(try shown().contains("valid_lft 60sec preferred_lft 60sec"))
            let state = try #require(try requests.addresses().entry(for: wanted))
            try requests.renew(wanted, index: index, lifetime: 90)
            #expect(try shown().contains("valid_lft 90sec preferred_lft 90sec"))
            #expect(try requests.addresses().entry(for: wanted) == state, "nothing else about it changes")
            try requests.add(wanted, index: index, lifetime: 70)
            #expect(try shown().contains("valid_lft 70sec preferred_lft 70sec"))
            try requests.add(wanted, index: index)
            #expect(try shown().contains("valid_lft forever preferred_lft forever"))
            try requests.renew(wanted, index: index, lifetime: 1)
            let gone = try eventually { try requests.addresses().entry(for: wanted) == nil }
            #expect(gone)
        }
    }

    @Test("Scope, label and preference are the kernel's, outlast a renewal, and are put right by a claim")
    func options() async throws {
        try await withTwoHosts { _ in
            let index = try index(of: "va")
            let requests = try NetlinkRequests()
            let (ipv4, ipv6) = (try address("10.9.0.100/32"), try address("2001:db8::100/128"))
            func shown(_ address: InterfaceAddress) throws -> String { try sh("ip address show dev va to \(address)") }
            let special = AddressOptions(scope: .link, label: "va:db")
            try requests.add(ipv4, index: index, special, lifetime: 60)
            try requests.renew(ipv4, index: index, special, lifetime: 90)
            let text = try shown(ipv4)
            #expect(text.contains("scope link") && text.contains("va:db") && text.contains("valid_lft 90sec"))
            // One that an earlier agent put on with another configuration.
            try requests.add(ipv4, index: index, AddressOptions(scope: .host), lifetime: 60)
            let state = try #require(try requests.addresses().entry(for: ipv4))
            #expect(state.scope == 254 && state.label == "va" && state.isOurs)

            for lifetime in [60, nil] as [UInt32?] {
                try requests.add(ipv6, index: index, AddressOptions(isPreferred: false), lifetime: lifetime)
                let valid = lifetime.map { "\($0)sec" } ?? "forever"
                #expect(try shown(ipv6).contains("valid_lft \(valid) preferred_lft 0sec"))
                try requests.renew(ipv6, index: index, AddressOptions(isPreferred: false), lifetime: lifetime)
                #expect(try shown(ipv6).contains("valid_lft \(valid) preferred_lft 0sec"))
                let deprecated = try #require(try requests.addresses().entry(for: ipv6))
                #expect(deprecated.isPassing && deprecated.isUsable)
                try requests.renew(ipv6, index: index, lifetime: lifetime)
                #expect(try shown(ipv6).contains("valid_lft \(valid) preferred_lft \(valid)"))
                try requests.remove(ipv6, index: index)
            }
        }
    }

    @Test(
        "An address of somebody else is refused, named, and survives our release",
        arguments: [
            "10.9.0.100/24", "2001:db8::100/128",
        ])
    func foreignAddress(text: String) async throws {
        try await withTwoHosts { _ in
            let wanted = try address(text)
            let index = try index(of: "va")
            try sh("ip address add \(text) dev va")
            let requests = try NetlinkRequests()
            let refused = refusal { () throws(KernelError) in try requests.add(wanted, index: index) }
            let error = try #require(refused)
            #expect(error.code == EEXIST)
            #expect(error.call == "RTM_NEWADDR")
            #expect(error.subject == "\(text) on va")
            #expect(error.explanation.contains("not put there by vipd"))
            try requests.remove(wanted, index: index)
            #expect(try requests.addresses().entry(for: wanted)?.isOurs == false)
        }
    }

    @Test("What an earlier process left is removed, what somebody put in its place is not")
    func leftOver() async throws {
        try await withTwoHosts { _ in
            let wanted = try address("10.9.0.100/32")
            let index = try index(of: "va")
            do { try NetlinkRequests().add(wanted, index: index) }
            let requests = try NetlinkRequests()
            #expect(try requests.addresses().entry(for: wanted)?.isOurs == true)
            try requests.remove(wanted, index: index)
            #expect(try requests.addresses().entry(for: wanted) == nil)

            try requests.add(wanted, index: index)
            try sh("ip address del \(wanted) dev va; ip address add \(wanted) dev va")
            let refused = refusal { () throws(KernelError) in try requests.add(wanted, index: index) }
            #expect(refused?.code == EEXIST)
            try requests.remove(wanted, index: index)
            #expect(try requests.addresses().entry(for: wanted)?.isOurs == false)
        }
    }

    @Test("An IPv6 address of ours with another prefix is put right")
    func otherPrefix() async throws {
        try await withTwoHosts { _ in
            let index = try index(of: "va")
            let requests = try NetlinkRequests()
            try requests.add(try address("2001:db8::100/128"), index: index)
            try requests.add(try address("2001:db8::100/64"), index: index)
            let same = try requests.addresses().entries(for: try address("2001:db8::100").address)
            #expect(same.map(\.address) == [try address("2001:db8::100/64")])
        }
    }

    @Test("A refused address brings the kernel's errno and words")
    func refusedAddress() async throws {
        try await withTwoHosts { _ in
            let index = try index(of: "va")
            let requests = try NetlinkRequests()
            try sh("sysctl -q net.ipv6.conf.va.disable_ipv6=1")
            let wanted = try address("2001:db8::100/128")
            let refused = refusal { () throws(KernelError) in try requests.add(wanted, index: index) }
            let error = try #require(refused)
            #expect(error.code == EACCES)
            #expect(error.explanation == "ipv6: IPv6 is disabled on this device")
            #expect(
                error.description == "RTM_NEWADDR (2001:db8::100/128 on va): Permission denied "
                    + "(ipv6: IPv6 is disabled on this device)")
        }
    }

    @Test("A claim on an interface that is gone fails, a release there is done")
    func missingInterface() async throws {
        try await withTwoHosts { _ in
            let requests = try NetlinkRequests()
            let wanted = try address("10.9.0.100/32")
            let refused = refusal { () throws(KernelError) in try requests.add(wanted, index: 4711) }
            #expect(refused?.code == ENODEV)
            #expect(refused?.call == "RTM_NEWADDR" && refused?.subject == "10.9.0.100/32 on interface 4711")
            try requests.remove(wanted, index: 4711)
        }
    }

    @Test(
        "A rehearsal changes nothing, and the claim after it is one",
        arguments: ["10.9.0.100/24", "2001:db8::100/128"])
    func rehearsal(text: String) async throws {
        try await withTwoHosts { _ in
            let index = try index(of: "va")
            let requests = try NetlinkRequests()
            let wanted = try address(text)
            let before = try requests.addresses()
            for _ in 0..<3 { requests.rehearse(wanted) }
            #expect(try requests.addresses() == before)
            try requests.add(wanted, index: index)
            #expect(try requests.addresses(on: index).entry(for: wanted)?.isOurs == true)
            try requests.remove(wanted, index: index)
            #expect(try requests.addresses() == before)
        }
    }

    @Test("promote_secondaries is seen to once before a claim, and again when that is asked for")
    func promotion() async throws {
        try await withTwoHosts { _ in
            let index = try index(of: "va")
            let requests = try NetlinkRequests()
            func isOn() throws -> Bool { try sh("sysctl -n net.ipv4.conf.va.promote_secondaries").hasPrefix("1") }
            func off() throws { try sh("sysctl -q net.ipv4.conf.va.promote_secondaries=0") }
            try off()
            requests.promoteSecondaries(on: index)
            #expect(try isOn() && requests.hasPromotedSecondaries(on: index))
            try off()
            try requests.add(try address("10.9.0.100/24"), index: index)
            #expect(try !isOn())
            requests.forget(index: index)
            try requests.add(try address("10.9.0.101/24"), index: index)
            #expect(try isOn())
        }
    }

    @Test("Removing the first address of a subnet leaves the addresses that came later")
    func secondariesStay() async throws {
        try await withTwoHosts { _ in
            let index = try index(of: "va")
            let requests = try NetlinkRequests()
            try sh("sysctl -q net.ipv4.conf.all.promote_secondaries=0 net.ipv4.conf.va.promote_secondaries=0")
            try sh("ip address flush dev va")
            let wanted = try address("10.9.0.100/24")
            let base = try address("10.9.0.1/24")
            try requests.add(wanted, index: index)
            try sh("ip address add 10.9.0.1/24 dev va")
            #expect(try requests.addresses().entries(for: base.address).map(\.isSecondary) == [true])
            try requests.remove(wanted, index: index)
            #expect(try requests.addresses(on: index).entry(for: base) != nil)
        }
    }

    @Test("Where a tag cannot be kept the label tells our IPv4 addresses")
    func labels() async throws {
        try await withTwoHosts { _ in
            let index = try index(of: "va")
            let requests = try NetlinkRequests(usesLabels: true)
            let wanted = try address("10.9.0.100/32")
            try requests.add(wanted, index: index)
            var state = try #require(try requests.addresses().entry(for: wanted))
            #expect(state.label == "va:vipd")
            state.tag = 0
            #expect(state.isOurs)
            state.label = "va"
            #expect(!state.isOurs)
        }
    }

    @Test("A label fits 15 octets and is recognised")
    func labelLength() {
        #expect(AddressTag.label(interface: "eth0") == "eth0:vipd")
        #expect(AddressTag.label(interface: "enx0123456789a") == "vipd")
        #expect(AddressTag.isOurs(label: "vipd") && AddressTag.isOurs(label: "eth0:vipd"))
        #expect(!AddressTag.isOurs(label: "eth0") && !AddressTag.isOurs(label: "eth0:1"))
    }

    @Test("A thousand addresses are dumped whole")
    func manyAddresses() async throws {
        try await withTwoHosts { _ in
            let index = try index(of: "va")
            let requests = try NetlinkRequests()
            for number in 0..<1000 {
                let host = IPv4Address(10, 10, UInt8(number / 250), UInt8(number % 250 + 1))
                try requests.add(InterfaceAddress(address: .ipv4(host), prefixLength: 32), index: index)
            }
            #expect(try requests.addresses().filter(\.isOurs).count == 1000)
            #expect(try requests.addresses(on: index + 1).isEmpty)
        }
    }

    @Test("The route to a neighbour is direct, to a stranger through the gateway, to nowhere an error")
    func routes() async throws {
        try await withTwoHosts { _ in
            let index = try index(of: "va")
            let requests = try NetlinkRequests()
            let direct = try requests.route(to: try address("10.9.0.2").address)
            #expect(direct.index == index && direct.isDirect)
            let far = try address("192.0.2.1").address
            do throws(KernelError) {
                _ = try requests.route(to: far)
                Issue.record("found a route")
            } catch {
                #expect(error.code == ENETUNREACH)
            }
            try sh("ip route add default via 10.9.0.2")
            let indirect = try requests.route(to: far)
            #expect(indirect.index == index && !indirect.isDirect)
        }
    }
}
