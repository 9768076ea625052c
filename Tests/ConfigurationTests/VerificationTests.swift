// Who a new master asks: what `verify` means and what is refused.

import Configuration
import Election
import Testing
import Wire

struct VerificationTests {
    @Test func withoutTheKeyTheGatewayIsAsked() throws {
        #expect(try onlyRouter(router()).election.verification == VerificationPlan(isOn: true))
        #expect(try onlyRouter(router("verify: gateway")).election.verification == VerificationPlan(isOn: true))
        #expect(try onlyRouter(router("verify: off")).election.verification == .off)
    }

    @Test func hostsAreListed() throws {
        let listed = try onlyRouter(router("verify: [192.0.2.1, 192.0.2.7]")).election.verification
        #expect(
            listed
                == VerificationPlan(
                    isOn: true, targets: [.ipv4(IPv4Address(192, 0, 2, 1)), .ipv4(IPv4Address(192, 0, 2, 7))]))
        let mixed = try onlyRouter(
            router("verify: [\"fe80::1\"]").replacing(
                "192.0.2.10/24", with: "192.0.2.10/24, {address: \"2001:db8::10/64\", advertise: no}"))
        #expect(mixed.election.verification.targets.count == 1)
    }

    @Test(arguments: [
        ("verify: on", "f:6:13: verify must be gateway or off or a list of addresses, not 'on'"),
        ("verify: []", "f:6:13: verify must be a list of addresses of hosts on the link, not an empty list"),
        (
            "verify: [192.0.2.1/24]",
            "f:6:14: a host to verify must be an IP address without a prefix, not '192.0.2.1/24'"
        ),
        (
            "verify: [192.0.2.10]",
            "f:6:14: 192.0.2.10 is an address of this virtual router; list hosts that have to find it"
        ),
        (
            "verify: [\"2001:db8::1\"]",
            "f:6:14: 2001:db8::1 cannot be asked: this virtual router has no IPv6 address"
        ),
        ("verify: [192.0.2.1, 192.0.2.1]", "f:6:25: 192.0.2.1 is already in the list"),
        ("verify: [224.0.0.18]", "f:6:14: 224.0.0.18 cannot be asked: it is a multicast address"),
        (
            "verify: [10.0.0.1, 10.0.0.2, 10.0.0.3, 10.0.0.4, 10.0.0.5, 10.0.0.6, 10.0.0.7, 10.0.0.8, 10.0.0.9, 10.0.0.10, 10.0.0.11, 10.0.0.12, 10.0.0.13, 10.0.0.14, 10.0.0.15, 10.0.0.16, 10.0.0.17]",
            "f:6:13: at most 16 hosts are asked, not 17"
        ),
    ])
    func whatIsWrongIsNamed(_ line: String, _ error: String) {
        #expect(errors(router(line)) == [error])
    }
}
