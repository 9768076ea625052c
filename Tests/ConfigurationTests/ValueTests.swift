// Good values, the ends of their ranges, and the defaults.

import Configuration
import Election
import Testing

@testable import Configuration

struct ValueTests {
    @Test(arguments: [
        ("0s", Duration.zero), ("100ms", .milliseconds(100)), ("1s", .seconds(1)), ("1.5s", .milliseconds(1500)),
        ("0.25ms", .microseconds(250)), ("2m", .seconds(120)), ("1.5m", .seconds(90)), ("1h", .seconds(3600)),
        ("40.95s", .milliseconds(40950)), ("0.000000001s", .nanoseconds(1)),
        ("999999999h", .seconds(3_599_999_996_400)),
        ("0.999999999h", .nanoseconds(3_599_999_996_400)),
    ])
    func aDurationIsANumberAndItsUnit(_ text: String, _ duration: Duration) throws {
        #expect(try Duration(written: text) == duration)
    }

    @Test(arguments: [
        "", "s", "ms", ".5s", "5.s", "1..5s", "1.5.5s", "-1s", "+1s", "1 s", "1S", "1sec", "1us", "1d", "1e3s",
        "1000000000s",
        "1.0000000001s", "1s ", "1m30s", "∞s", "1ｓ",
    ])
    func anythingElseIsNoDuration(_ text: String) {
        #expect(throws: DurationError.malformed) { try Duration(written: text) }
    }

    @Test(arguments: ["0", "100", "1.5"])
    func aNumberAloneLacksItsUnit(_ text: String) {
        #expect(throws: DurationError.noUnit) { try Duration(written: text) }
    }

    @Test(arguments: [
        (Duration.zero, "0s"), (.milliseconds(100), "100ms"), (.milliseconds(1500), "1.5s"),
        (.microseconds(250), "0.25ms"),
        (.seconds(60), "1m"), (.seconds(90), "90s"), (.seconds(7200), "2h"), (.milliseconds(40950), "40.95s"),
        (.nanoseconds(1_000_000_001), "1.000000001s"), (.seconds(65535), "65535s"),
    ])
    func aDurationIsWrittenInItsLargestWholeUnit(_ duration: Duration, _ text: String) throws {
        #expect(duration.written == text)
        #expect(try Duration(written: text) == duration)
    }

    @Test(arguments: [
        "priority: 1", "priority: 254", "priority: 255", "priority: owner", "advertisement-interval: 10ms",
        "advertisement-interval: 40.95s", "advertisement-interval: 0.01s", "preempt: no", "preempt: true",
        "preempt-delay: 0s", "preempt-delay: 65535s", "preempt-delay: 1.5s", "checksum: pseudo-header", "accept: yes",
        "strict-first-address: no", "version: \"3\"", "announce: {rounds: [1s]}", "announce: {refresh: 24h}",
        "announce: {refresh: no}", "announce: {refresh: auto}",
        "announce: {kinds: [garp-reply, rarp]}", "announce: {pacing: off}", "announce: {pacing: 1s}", "lease: auto",
        "lease: off", "lease: 3s", "lease: 1h",
        "gate-claim: [/x]",
        "gate-release: {shell: \"a | b\", timeout: 1h, user: x}",
        "hooks: {on-stop: [/x, \"\"], on-fault: {command: [/x], timeout: 100ms}}",
    ])
    func aGoodLineIsAccepted(_ line: String) { #expect(errors(router(line)) == []) }

    @Test(arguments: [
        "priority: 256", "priority: -1", "priority: +5", "priority: 0x10", "priority: 1e2", "priority: 010",
        "priority: 99999999999999999999", "advertisement-interval: 9ms", "advertisement-interval: 40.96s",
        "advertisement-interval: 10.5ms", "advertisement-interval: 0s", "preempt-delay: 65536s", "preempt-delay: -1s",
        "preempt: on", "preempt: 1", "announce: {refresh: 999ms}", "announce: {refresh: 25h}",
        "announce: {rounds: [1h, 2h]}", "announce: {kinds: []}", "announce: {kinds: [garp]}",
        "announce: {kinds: [rarp, rarp]}", "announce: {pacing: 500us}", "announce: {pacing: 2s}",
        "gate-claim: {command: [/x], timeout: 99ms}", "gate-claim: {command: [/x], timeout: 61m}",
        "gate-claim: {command: [/x], user: \"-x\"}", "gate-claim: {command: [/]}", "gate-claim: {shell: \"\"}",
        "hooks: {}x", "hooks: []",
    ])
    func aBadLineIsRefused(_ line: String) { #expect(errors(router(line)).count == 1) }

    @Test(arguments: [
        ([], Duration.seconds(2)), (["announce: {refresh: auto}"], .seconds(2)), (["announce: {refresh: no}"], nil),
        (["announce: {refresh: 5m}"], .seconds(300)), (["announce: {rounds: [0s]}"], .seconds(2)),
        (["advertisement-interval: 100ms"], .seconds(2)), (["advertisement-interval: 3s"], .seconds(6)),
        (["advertisement-interval: 3s", "announce: {refresh: auto}"], .seconds(6)),
    ])
    func refreshIsTwoIntervalsAndAtLeastTwoSecondsUnlessSaidOtherwise(_ lines: [String], _ refresh: Duration?) throws {
        let text = lines.reduce(router()) { $0 + "    \($1)\n" }
        #expect(try onlyRouter(text).election.announcements.refresh == refresh)
    }

    @Test(arguments: ["1", "255"])
    func vridsAre1To255(_ vrid: String) {
        #expect(errors(bare("interface: eth0", "vrid: \(vrid)", "addresses: [192.0.2.1]")) == [])
    }

    @Test(arguments: ["eth0", "br-lan.100", "veth@x", "a", "fifteen-letters"])
    func interfacesAreWhatTheKernelAccepts(_ name: String) {
        #expect(errors(bare("interface: \(name)", "vrid: 1", "addresses: [192.0.2.1]")) == [])
    }

    @Test(arguments: ["\"\"", "sixteen-letters-", "a/b", "\"a b\"", "\"eth0:1\"", "..", "ä"])
    func otherInterfacesAreRefused(_ name: String) {
        #expect(errors(bare("interface: \(name)", "vrid: 1", "addresses: [192.0.2.1]")).count == 1)
    }

    @Test(arguments: ["a", "A-z_0.9", "0", String(repeating: "x", count: 64)])
    func namesAreShortWords(_ name: String) {
        #expect(errors(router().replacing("  r:", with: "  \(name):")) == [])
    }

    @Test(arguments: ["-a", ".a", "\"\"", "a b", "a/b", "ä", String(repeating: "x", count: 65)])
    func otherNamesAreRefused(_ name: String) {
        #expect(errors(router().replacing("  r:", with: "  \(name):")).count == 1)
    }

    @Test func aPasswordIsNeverRepeatedInAnError() {
        #expect(!errors(router("version: 2", "password: topsecret9")).joined().contains("topsecret9"))
        #expect(!errors(router("password: topsecret9")).joined().contains("topsecret9"))
    }

    @Test func version2CarriesItsPassword() throws {
        let election = try onlyRouter(router("version: 2", "password: a b", "advertisement-interval: 255s")).election
        #expect(election.version == .v2)
        #expect(election.password == Array("a b".utf8))
        #expect(election.advertisementInterval == .seconds(255))
    }

    @Test func aCheckHasItsDefaults() throws {
        let configuration = try parseConfiguration(check("command: [/x]", "interval: 3s"), file: "f")
        let command = CommandLine(arguments: ["/x"], user: nil, timeout: .seconds(3))
        #expect(
            configuration.checks == [
                CheckConfiguration(name: "c", command: command, interval: .seconds(3), rise: 2, fall: 2)
            ])
        #expect(configuration.checks[0].timeToLive == .seconds(10))
        #expect(configuration.routers[0].checks == [RouterCheck(name: "c", effect: .fault)])
        #expect(configuration.routers[0].election.checks.isEmpty)
    }

    @Test func gatesAndHooksHaveTheirDefaults() throws {
        let router = try onlyRouter(router("gate-claim: [/g, a]", "hooks: {on-master: {shell: \"x y\"}}"))
        #expect(router.gateClaim == CommandLine(arguments: ["/g", "a"], user: nil, timeout: .seconds(30)))
        #expect(
            router.hooks
                == Hooks(onMaster: CommandLine(arguments: ["/bin/sh", "-c", "x y"], user: nil, timeout: .seconds(10))))
        #expect(router.election.gatesClaim)
        #expect(!router.election.gatesRelease)
    }

    @Test func theStatusSocketHasItsDefaults() throws {
        #expect(try parseConfiguration(router(), file: "f").statusSocket == StatusSocket())
        let text = "status-socket: {path: /run/a, mode: 600}\nlog-level: debug\nstate-directory: /s\n" + router()
        let configuration = try parseConfiguration(text, file: "f")
        #expect(configuration.statusSocket == StatusSocket(path: "/run/a", mode: 0o600, group: nil))
        #expect(configuration.logLevel == .debug)
        #expect(configuration.stateDirectory == "/s")
    }

    @Test(arguments: [
        ("adresses", "addresses"), ("Interface", "interface"), ("interace", "interface"), ("VRID", "vrid"),
        ("preemptdelay", "preempt-delay"), ("pirority", "priority"), ("track_script", "checks"), ("prio", "priority"),
    ])
    func theNearestWordIsFound(_ word: String, _ known: String) {
        #expect(nearest(to: word, among: RouterKey.names) == known)
    }

    @Test(arguments: ["", "x", "zebra", "1", String(repeating: "interface", count: 9)])
    func farWordsSuggestNothing(_ word: String) { #expect(nearest(to: word, among: RouterKey.names) == nil) }

    @Test(arguments: [
        ("", "abc", 3), ("abc", "abc", 0), ("abc", "acb", 1), ("abc", "ab", 1), ("abc", "xbc", 1), ("ca", "abc", 3),
    ])
    func distancesCountEdits(_ left: String, _ right: String, _ distance: Int) {
        #expect(editDistance(Array(left.utf8), Array(right.utf8)) == distance)
        #expect(editDistance(Array(right.utf8), Array(left.utf8)) == distance)
    }
}
