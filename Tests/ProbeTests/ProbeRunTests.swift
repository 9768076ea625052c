// Whole runs against the real kernel: the other host's kernel answers, and, where a story is needed, a responder of ours.

import Glibc
import Kernel
import Namespaces
import Probe
import System
import Testing
import Wire

private func ip(_ text: String) throws -> IPAddress { try #require(IPAddress(text)) }

/// What a run ended with and what it printed.
private struct Run {
    var summary: ProbeSummary?
    var error: ProbeError?
    var lines: [String] = []

    init(_ options: ProbeOptions, during: (Int) -> Void = { _ in }) {
        var lines: [String] = []
        do throws(ProbeError) {
            summary = try runProbe(options) { line in
                lines.append(line)
                during(lines.count)
            }
        } catch {
            self.error = error
        }
        self.lines = lines
    }
}

private func hardware(_ name: String) throws -> MACAddress {
    let requests = try NetlinkRequests()
    for link in try requests.links() where link.name == name {
        if let address = link.hardwareAddress { return address }
    }
    throw LabError("\(name) has no hardware address")
}

@Suite(.enabled(if: canMakeNamespaces))
struct ProbeRunTests {
    @Test("The holder answers every probe, and the interface is the route's", arguments: ["10.9.0.2", "2001:db8::2"])
    func holder(address: String) async throws {
        try await withTwoHosts { hosts in
            try sh("ip -6 address add 2001:db8::1/64 dev va nodad")
            let expected = try hosts.onB {
                try sh("ip -6 address add 2001:db8::2/64 dev vb nodad")
                return try hardware("vb")
            }
            // The kernel serves a new IPv6 address when its work queue gets to it.
            let target = try ip(address)
            let isServed = eventually {
                Run(ProbeOptions(address: target, interval: .milliseconds(1), count: 1)).summary?.answered == 1
            }
            #expect(isServed)
            let run = Run(ProbeOptions(address: try ip(address), interval: .milliseconds(100), count: 5))
            #expect(run.error == nil)
            let summary = try #require(run.summary)
            #expect(summary.sent == 5)
            #expect(summary.answered == 5)
            #expect(summary.responders.map(\.hardware) == [expected])
            #expect(run.lines.first?.hasPrefix("probing \(address) on va every 100 ms from ") == true)
            #expect(run.lines.count == 3)
        }
    }

    @Test("A link-local address is found on the only interface")
    func linkLocal() async throws {
        try await withTwoHosts { _ in
            let run = Run(ProbeOptions(address: try ip("fe80::b"), interval: .milliseconds(100), count: 3))
            #expect(run.summary?.answered == 3)
        }
    }

    @Test("A probe leaves no trace in the neighbour table of the holder and in ours")
    func noTrace() async throws {
        try await withTwoHosts { hosts in
            let run = Run(ProbeOptions(address: try ip("10.9.0.2"), interval: .milliseconds(100), count: 3))
            #expect(run.summary?.answered == 3)
            #expect(try sh("ip -4 neigh") == "")
            let there = try hosts.onB { try sh("ip -4 neigh") }
            #expect(there == "")
        }
    }

    @Test("An address that goes away and comes back is a gap of that length")
    func gap() async throws {
        try await withTwoHosts { hosts in
            try hosts.onB { _ = try sh("ip address add 10.9.0.100/32 dev vb") }
            let child = try hosts.onB {
                try sh(
                    "(sleep 0.2; ip address del 10.9.0.100/32 dev vb; sleep 0.3; "
                        + "ip address add 10.9.0.100/32 dev vb) > /dev/null 2>&1 & echo $!")
            }
            #expect(!child.isEmpty)
            let run = Run(
                ProbeOptions(address: try ip("10.9.0.100"), interval: .milliseconds(10), duration: .milliseconds(1500)))
            let summary = try #require(run.summary)
            #expect(summary.gaps == 1)
            #expect(summary.longestGap > .milliseconds(200) && summary.longestGap < .milliseconds(900))
            #expect(summary.changes == 0)
        }
    }

    @Test("Two holders on one segment are a double answer")
    func twoHolders() async throws {
        try await withTwoHosts { hosts in
            // Two interfaces of one host stand for two hosts: each has its own hardware address and the address.
            let seconds = try hosts.onB {
                try sh(
                    "ip link add mv link vb type macvlan mode bridge; ip link set mv up; "
                        + "sysctl -q net.ipv4.conf.all.arp_ignore=1; "
                        + "ip address add 10.9.0.100/32 dev vb; ip address add 10.9.0.100/32 dev mv")
                return try [hardware("vb"), hardware("mv")]
            }
            let run = Run(ProbeOptions(address: try ip("10.9.0.100"), interval: .milliseconds(100), count: 5))
            let summary = try #require(run.summary)
            #expect(summary.doubleAnswered == 5)
            #expect(Set(summary.responders.map(\.hardware)) == Set(seconds))
            #expect(summary.overlaps == 1)
        }
    }

    @Test("Nobody answers: the run says so and ends")
    func nobody() async throws {
        try await withTwoHosts { _ in
            let run = Run(
                ProbeOptions(address: try ip("10.9.0.55"), interval: .milliseconds(100), count: 3, json: true))
            #expect(run.summary?.unanswered == 3)
            #expect(run.lines.allSatisfy { $0.hasPrefix("{") && $0.hasSuffix("}") })
        }
    }

    @Test("What cannot be probed is refused with what can be done")
    func refusals() async throws {
        try await withTwoHosts { _ in
            try sh("ip route add default via 10.9.0.2")
            func words(_ address: String, _ interface: String? = nil) throws -> String {
                Run(ProbeOptions(address: try ip(address), interface: interface, count: 1)).error?.description ?? "none"
            }
            #expect(try words("10.9.0.2", "eth7") == "there is no interface eth7; there are va")
            #expect(try words("192.0.2.1").hasPrefix("192.0.2.1 is behind a gateway"))
            #expect(try words("10.9.0.1").hasPrefix("10.9.0.1 is on this host itself (va)"))
            #expect(try words("2001:db8::9").hasPrefix("no interface leads to 2001:db8::9 ("))
            #expect(try words("10.9.0.2", "lo").hasPrefix("lo is no Ethernet interface"))
            try sh("ip link set va down")
            #expect(try words("10.9.0.2", "va") == "va is down")
            try sh("ip link add vc type veth peer name vd; ip link set va up; ip link set vc up")
            #expect(try words("fe80::b").hasPrefix("fe80::b can be on any interface; name one; there are "))
        }
    }

    @Test("SIGINT ends a run that has no end of its own, with its summary")
    func interrupted() async throws {
        try await withTwoHosts { _ in
            let options = ProbeOptions(address: try ip("10.9.0.2"), interval: .milliseconds(20))
            // The second line is the first answer.
            let run = Run(options) { if $0 == 2 { pthread_kill(pthread_self(), SIGINT) } }
            #expect(run.error == nil)
            #expect(try #require(run.summary).answered >= 1)
            #expect(run.lines.last?.contains("of holder") == true)
        }
    }

    @Test("An interface that goes away ends the run with the reason and the summary")
    func interfaceGone() async throws {
        try await withTwoHosts { _ in
            let options = ProbeOptions(
                address: try ip("10.9.0.2"), interface: "va", interval: .milliseconds(20), duration: .seconds(5))
            let run = Run(options) { if $0 == 2 { _ = try? sh("ip link del va") } }
            #expect(run.error?.description.hasPrefix("probing on va ended early: ") == true)
            #expect(run.lines.last?.contains("of holder") == true)
        }
    }
}
