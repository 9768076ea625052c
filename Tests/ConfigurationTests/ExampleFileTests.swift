// The files that users copy: each parses, means what its comments say, and the reference knows every key.

import Configuration
import Election
import Foundation
import Testing
import Wire

private let folder = repository.appendingPathComponent("conf")

private func load(_ name: String) throws -> Configuration {
    try loadConfiguration(path: folder.appendingPathComponent(name).path)
}

@Test func everyExampleFileParses() throws {
    let names = try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.hasSuffix(".yaml") }
    #expect(Set(names) == ["minimal.yaml", "postgresql.yaml", "vipd.yaml"])
    for name in names { #expect(throws: Never.self, "\(name)") { try load(name) } }
}

@Test func everyKeyThatTheParserKnowsIsInTheReference() throws {
    let text = try String(contentsOf: folder.appendingPathComponent("vipd.yaml"), encoding: .utf8)
    var written: Set<Substring> = []
    for line in text.split(separator: "\n") where !line.drop(while: { $0 == " " }).hasPrefix("#") {
        for part in line.split(whereSeparator: { " {,-".contains($0) && $0 != "-" }) where part.hasSuffix(":") {
            written.insert(part.dropLast())
        }
    }
    for key in KnownKeys.all { #expect(written.contains(Substring(key)), "'\(key)' is missing in conf/vipd.yaml") }
}

@Test func theReferenceMeansWhatItSays() throws {
    let configuration = try load("vipd.yaml")
    #expect(configuration.statusSocket == StatusSocket(path: "/run/vipd/vipd.sock", mode: 0o660, group: "adm"))
    #expect(configuration.stateDirectory == "/var/lib/vipd")
    #expect(configuration.logLevel == .info)
    #expect(configuration.engine == EngineConfiguration(priority: 50, cpus: [0], oomScoreAdjust: -900))
    #expect(
        configuration.checks == [
            CheckConfiguration(
                name: "gateway",
                command: CommandLine(
                    arguments: ["/usr/bin/ping", "-n", "-q", "-c1", "-W1", "192.0.2.254"], user: "nobody",
                    timeout: .milliseconds(1500)), interval: .seconds(1), rise: 2, fall: 2),
            CheckConfiguration(
                name: "web-server",
                command: CommandLine(
                    arguments: ["/bin/sh", "-c", "curl -fsS -m 1 -o /dev/null http://127.0.0.1/health"], user: nil,
                    timeout: .seconds(2)), interval: .seconds(2), rise: 2, fall: 2),
        ])
    #expect(configuration.routers.map(\.name) == ["web", "web6", "legacy", "far"])
    #expect(configuration.warnings == [], "the reference must not show what it warns of")
    let web = configuration.routers[0]
    #expect(web.election.priority == 150)
    #expect(web.election.advertisementInterval == .milliseconds(100))
    #expect(web.election.preemptDelay == .seconds(30))
    #expect(
        web.election.addresses.map(\.description) == [
            "192.0.2.10/24", "192.0.2.11/32", "203.0.113.12/24", "192.0.2.12/32", "2001:db8::11/64",
        ])
    #expect(
        web.election.options(of: web.election.addresses[3]) == AddressOptions(scope: .link, label: "eth0:db"))
    #expect(
        web.election.routing.map(\.description) == [
            "route default via 192.0.2.254 dev eth0 src 192.0.2.10",
            "route 198.51.100.0/24 via 203.0.113.1 dev eth0 table 100 onlink", "route 203.0.113.0/24 dev eth0",
            "rule 1000: from 192.0.2.10 to 198.51.100.0/24 lookup 100",
        ])
    #expect(web.election.announcements.kinds == .standard)
    #expect(web.election.announcements.pacing == AnnouncementPlan.defaultPacing)
    #expect(
        !web.election.isPromiscuous && web.election.claim == .all && web.election.conflictCheck == .off
            && web.election.obeysFiltered)
    #expect(web.election.unadvertised == 1 && web.election.family == .ipv4)
    #expect(web.election.announcements.rounds == AnnouncementPlan.standard(for: .ipv4).rounds)
    #expect(web.election.announcements.refresh == .seconds(2))
    #expect(web.election.gatesClaim && web.election.gatesRelease)
    #expect(
        web.checks == [
            RouterCheck(name: "gateway", effect: .fault), RouterCheck(name: "web-server", effect: .weight(-60)),
        ])
    #expect(
        web.gateClaim
            == CommandLine(arguments: ["/usr/local/sbin/web", "activate"], user: "www-data", timeout: .seconds(20)))
    #expect(web.gateRelease?.timeout == .seconds(60))
    #expect(
        web.hooks.onMaster
            == CommandLine(arguments: ["/usr/local/sbin/notify", "master"], user: nil, timeout: .seconds(10)))
    #expect(web.hooks.onFault?.arguments.first == "/bin/sh")
    #expect(web.hooks.onFault?.timeout == .seconds(5))
    #expect(web.election.startDelay == .zero && web.election.intervalLimit == 10 && !web.election.isUnicast)
    let web6 = configuration.routers[1].election
    #expect(web6.addresses.map(\.description) == ["fe80::5e:33/128", "2001:db8::10/64"])
    #expect(web6.announcements.refresh == .seconds(300))
    let legacy = configuration.routers[2].election
    #expect(legacy.version == .v2)
    #expect(legacy.password == Array("oldlab".utf8))
    let far = configuration.routers[3].election
    #expect(
        far.peers == [
            UnicastPeer(.ipv4(IPv4Address(203, 0, 113, 2))),
            UnicastPeer(.ipv4(IPv4Address(198, 51, 100, 7)), minimumHopLimit: 254),
        ])
}

@Test func theMinimalFileHasTheDefaultsOfTheRFC() throws {
    let router = try #require(try load("minimal.yaml").routers.first)
    var announcements = AnnouncementPlan.standard(for: .ipv4)
    announcements.refresh = .seconds(2)
    #expect(
        router
            == RouterConfiguration(
                name: "web",
                election: VirtualRouterConfiguration(
                    interface: "eth0", vrid: 51,
                    addresses: [
                        InterfaceAddress(address: .ipv4(IPv4Address(192, 0, 2, 10)), prefixLength: 24)
                    ], announcements: announcements, resetsConnections: true, verification: VerificationPlan(isOn: true)
                )))
}

@Test func postgreSQLIsGuarded() throws {
    let configuration = try load("postgresql.yaml")
    let router = try #require(configuration.routers.first)
    #expect(!router.election.preempt)
    #expect(
        router.checks == [
            RouterCheck(name: "witness", effect: .fault), RouterCheck(name: "role", effect: .fault),
        ])
    #expect(router.hooks.onMaster == nil)
    let commands = [
        router.gateClaim, router.gateRelease, router.hooks.onBackup, router.hooks.onFault, router.hooks.onStop,
    ].compactMap(\.self)
    #expect(commands.count == 5)
    for command in commands + configuration.checks.map(\.command) {
        #expect(command.user == "postgres")
        #expect(command.arguments.count == 2 && command.arguments[1] == "/etc/vipd/postgresql.env")
        let name = try #require(command.arguments[0].split(separator: "/").last)
        #expect(command.arguments[0] == "/usr/share/vipd/postgresql/\(name)")
        let script = folder.appendingPathComponent("postgresql/\(name)").path
        #expect(FileManager.default.isExecutableFile(atPath: script), "\(script)")
    }
}

@Test func thePlaceholdersOfThePostgreSQLFileStandOnLinesOfTheirOwn() throws {
    let text = try String(contentsOf: folder.appendingPathComponent("postgresql.yaml"), encoding: .utf8)
    let lines = text.split(separator: "\n").map { $0.drop { $0 == " " } }
    #expect(lines.contains("interface: eth0"))
    #expect(lines.contains("- 192.0.2.10/24"))
}

@Test func theUnitRestartsForEverAndLeavesChildrenTheirRights() throws {
    let unit = try String(contentsOf: folder.appendingPathComponent("vipd.service"), encoding: .utf8)
    let lines = unit.split(separator: "\n").filter { !$0.hasPrefix("#") }
    for line in [
        "Type=notify", "KillMode=process", "OOMPolicy=continue", "Restart=always", "StartLimitIntervalSec=0",
        "RuntimeDirectory=vipd", "StateDirectory=vipd",
    ] { #expect(lines.contains(Substring(line)), "\(line)") }
    // Children would inherit these and break on them.
    for key in ["NoNewPrivileges", "Protect", "Private", "SystemCallFilter"] {
        #expect(!lines.contains { $0.hasPrefix(key) }, "\(key)")
    }
    // The stop must cover the longest gate and the hook after it.
    let router = try #require(try load("postgresql.yaml").routers.first)
    let needed = try #require(router.gateRelease?.timeout) + (try #require(router.hooks.onStop?.timeout))
    let stop = try #require(lines.first { $0.hasPrefix("TimeoutStopSec=") }?.split(separator: "=").last)
    #expect(Duration.seconds(try #require(Int(stop.dropLast()))) > needed)
}
