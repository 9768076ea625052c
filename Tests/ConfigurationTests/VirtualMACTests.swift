// `virtual-mac`, and what it does not go together with.

import Configuration
import Election
import Testing

private func withKey(_ value: String, _ more: String...) -> String {
    let rest = more.map { "\n    \($0)" }.joined()
    return bare("interface: eth0", "vrid: 51", "addresses: [192.0.2.10]", "virtual-mac: \(value)\(rest)")
}

struct VirtualMACTests {
    @Test func itIsOffUnlessItIsWanted() throws {
        #expect(try onlyRouter(withKey("yes")).election.usesVirtualMAC)
        #expect(try !onlyRouter(withKey("no")).election.usesVirtualMAC)
        #expect(try !onlyRouter(router("priority: 100")).election.usesVirtualMAC)
        #expect(errors(withKey("always")) == ["f:6:18: virtual-mac must be yes or no, not 'always'"])
    }

    @Test func itIsForMulticastAndNotForAnOwner() {
        #expect(
            errors(withKey("yes", "peers: [192.0.2.3]")) == [
                "f:6:18: virtual-mac is for adverts by multicast: what does not carry those seldom carries a second hardware"
                    + " address; leave it or 'peers' out"
            ])
        #expect(
            errors(withKey("yes", "priority: owner")) == [
                "f:6:18: virtual-mac is not for the owner: its addresses are on its interface already, with the hardware"
                    + " address of that; give it a priority up to 254 and leave the addresses to vipd"
            ])
        #expect(errors(withKey("no", "priority: owner", "peers: [192.0.2.3]")) == [])
    }
}
