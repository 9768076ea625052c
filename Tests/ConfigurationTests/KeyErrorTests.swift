// One test per kind of error in the keys and values: exact place and text.

import Testing

/// A line that is wrong, and the whole error.
struct Bad: CustomTestStringConvertible, Sendable {
    var text: String
    var error: String
    init(_ text: String, _ error: String) {
        self.text = text
        self.error = error
    }
    var testDescription: String { error }
}

private let routerKeys =
    "interface, vrid, version, peers, priority, advertisement-interval, preempt, preempt-delay, start-delay,"
    + " interval-limit, addresses, link-local, virtual-mac, routes, rules, checksum, password, strict-first-address, accept, announce,"
    + " lease, reset-connections, claim, conflict-check, filtered-adverts, promiscuous, verify, checks, gate-claim, gate-release, hooks"

struct KeyErrorTests {
    @Test(arguments: [
        Bad(
            router("adresses: []"),
            "f:6:5: unknown key 'adresses'; did you mean 'addresses'? allowed in virtual router 'r': \(routerKeys)"),
        Bad(
            router("virtual_router_id: 3"),
            "f:6:5: unknown key 'virtual_router_id'; did you mean 'vrid'? allowed in virtual router 'r': \(routerKeys)"),
        Bad(router("zebra: 1"), "f:6:5: unknown key 'zebra'; allowed in virtual router 'r': \(routerKeys)"),
        Bad(
            "log_level: info\n" + router(),
            "f:1:1: unknown key 'log_level'; did you mean 'log-level'? allowed in a configuration: status-socket,"
                + " state-directory, log-level, engine, checks, virtual-routers"),
        Bad(
            "status-socket: {mod: \"0600\"}\n" + router(),
            "f:1:17: unknown key 'mod'; did you mean 'mode'? allowed in status-socket: path, mode, group"),
        Bad(
            check("command: [/x]", "intervall: 1s"),
            "f:4:5: unknown key 'intervall'; did you mean 'interval'? allowed in check 'c': command, shell, interval,"
                + " timeout, rise, fall, user, on-failure"),
        Bad(
            router("announce: {round: 1}"),
            "f:6:16: unknown key 'round'; did you mean 'rounds'? allowed in announce: rounds, refresh, kinds, pacing"),
        Bad(
            router("hooks: {notify_master: [/x]}"),
            "f:6:13: unknown key 'notify_master'; did you mean 'on-master'? allowed in hooks: on-master, on-backup,"
                + " on-fault, on-stop, on-verified"),
        Bad(
            router("gate-claim: {command: [/x], timout: 1s}"),
            "f:6:33: unknown key 'timout'; did you mean 'timeout'? allowed in gate-claim: command, shell, timeout, user"
        ),
    ])
    func anUnknownKeyNamesTheNearest(_ bad: Bad) { #expect(errors(bad.text) == [bad.error]) }

    @Test(arguments: [
        Bad(
            bare("interface: eth0", "addresses: [192.0.2.1/24]"),
            "f:2:3: virtual router 'r' has no 'vrid' (a whole number from 1 to 255, the same on every host)"),
        Bad(
            bare("vrid: 1", "addresses: [192.0.2.1/24]"),
            "f:2:3: virtual router 'r' has no 'interface' (the name of a Linux interface)"),
        Bad(
            bare("interface: eth0", "vrid: 1"),
            "f:2:3: virtual router 'r' has no 'addresses' (a list with at least one address)"),
        Bad(
            "log-level: info\n",
            "f:1:1: there is no virtual router; 'virtual-routers' needs at least one (interface, vrid, addresses)"),
        Bad(
            "virtual-routers: {}\n",
            "f:1:18: virtual-routers must be a mapping from names, such as 'database:', not a mapping"),
        Bad(
            check("interval: 1s"),
            "f:2:3: check 'c' has no 'command' (a list that begins with the absolute path of a program) and no 'shell'"
                + " (text for /bin/sh); one of them is needed"),
        Bad(
            check("command: [/x]", "shell: x"),
            "f:4:5: check 'c' has both 'command' and 'shell'; one of them is needed"),
        Bad(router("priority:"), "f:6:5: 'priority' has no value; give one or leave the key out"),
        Bad(router("password: ~"), "f:6:5: 'password' has no value; give one or leave the key out"),
    ])
    func whatIsMissingIsNamed(_ bad: Bad) { #expect(errors(bad.text) == [bad.error]) }

    @Test(arguments: [
        Bad(
            "log-level: warn\n" + router(),
            "f:1:12: log-level must be error, warning, notice, info or debug, not 'warn'; did you mean 'warning'?"),
        Bad(router("preempt: maybe"), "f:6:14: preempt must be yes or no, not 'maybe'"),
        Bad(router("preempt: [yes]"), "f:6:14: preempt must be yes or no, not a list"),
        Bad(router("version: 4"), "f:6:14: version must be 3, 2 or both, not '4'"),
        Bad(
            router("checksum: pseudo_header"),
            "f:6:15: checksum must be auto, message or pseudo-header, not 'pseudo_header'; did you mean 'pseudo-header'?"
        ),
        Bad(
            check("command: [/x]", "on-failure: lastresort"),
            "f:4:17: on-failure must be fault, 'weight -N' (N from 1 to 253) or last-resort, not 'lastresort'; did you mean"
                + " 'last-resort'?"),
        Bad(
            router("priority: 0"),
            "f:6:15: priority must be a whole number from 1 to 254, or owner (255), not '0'; 0 is sent by a master that"
                + " resigns"),
        Bad(
            router("priority: ownr"),
            "f:6:15: priority must be a whole number from 1 to 254, or owner (255), not 'ownr'"
        ),
        Bad(
            bare("interface: eth0", "vrid: 256", "addresses: [192.0.2.1/24]"),
            "f:4:11: vrid must be a whole number from 1 to 255, not '256'"),
        Bad(
            check("command: [/x]", "rise: 0"), "f:4:11: rise must be a whole number from 1 to 100, not '0'"),
        Bad(
            router("advertisement-interval: 100"),
            "f:6:29: advertisement-interval must be a duration from 10ms to 40.95s in steps of 10ms, not '100': write"
                + " '100ms' for milliseconds"),
        Bad(
            check("command: [/x]", "timeout: 2"),
            "f:4:14: timeout must be a duration from 100ms to 1h, not '2': write '2s' for seconds"),
        Bad(
            check("command: [/x]", "interval: 50ms"),
            "f:4:15: interval must be a duration from 100ms to 1h, not '50ms'"),
        Bad(
            check("command: [/x]", "interval: 1 s"),
            "f:4:15: interval must be a duration from 100ms to 1h, not '1 s': a number and ms, s, m or h, without a space"
        ),
        Bad(
            router("advertisement-interval: 15ms"),
            "f:6:29: advertisement-interval must be a duration from 10ms to 40.95s in steps of 10ms, not '15ms'"),
        Bad(
            router("preempt-delay: 65536s"),
            "f:6:20: preempt-delay must be a duration from 0s to 65535s, not '65536s'"),
        Bad(
            "status-socket: {mode: \"0888\"}\n" + router(),
            "f:1:23: mode must be an octal number from 0000 to 0777, such as \"0660\", not '0888'"),
        Bad(
            "status-socket: {path: run/x}\n" + router(),
            "f:1:23: path must be an absolute path of at most 107 octets, not 'run/x'"),
        Bad(
            "state-directory: lib\n" + router(),
            "f:1:18: state-directory must be an absolute path of at most 1024 octets, not 'lib'"),
        Bad(
            "status-socket: {group: a b}\n" + router(),
            "f:1:24: group must be a name of 1 to 32 letters, digits and ._@$-, that does not begin with '-', not 'a b'"
        ),
        Bad(
            "status-socket: /run/x\n" + router(),
            "f:1:16: status-socket must be a mapping of path, mode or group, not text"),
        Bad(
            bare("interface: averylongname0000", "vrid: 1", "addresses: [192.0.2.1/24]"),
            "f:3:16: interface must be 1 to 15 printable characters without space, '/' and ':', not 'averylongname0000'"
        ),
        Bad(
            "virtual-routers:\n  a b:\n    interface: eth0\n    vrid: 1\n    addresses: [192.0.2.1/24]\n",
            "f:2:3: the name of a virtual router must be 1 to 64 of A-Z a-z 0-9 . _ - and not begin with '.' or '-', not"
                + " 'a b'"),
        Bad(
            router("announce: {refresh: 5}"),
            "f:6:25: refresh must be a duration from 1s to 24h, auto or no, not '5': write '5s' for seconds"),
        Bad(
            router("announce: {rounds: [0s, 1s, 500ms]}"), "f:6:33: rounds must ascend: 500ms does not come after 1s"),
        Bad(
            router("announce: {rounds: []}"),
            "f:6:24: rounds must be a list of durations from the claim on, not an empty list"),
        Bad(
            router("checks: c"),
            "f:6:13: checks must be a list of names of checks, not 'c': write [ITEM, ITEM] or one '- ITEM' a line"),
    ])
    func aWrongValueSaysWhatIsAllowed(_ bad: Bad) { #expect(errors(bad.text) == [bad.error]) }

    @Test(arguments: [
        Bad(
            check("command: [ping, -c1]"),
            "f:3:15: the program must be an absolute path, not 'ping'; PATH is not searched"),
        Bad(
            check("command: /bin/true"),
            "f:3:14: command must be a list like [/usr/local/bin/program, argument], not '/bin/true'; for text that a shell"
                + " reads use 'shell'"),
        Bad(check("command: [/x, null]"), "f:3:19: an argument must be text, not nothing; quote it"),
        Bad(check("command: [/x, [a]]"), "f:3:19: an argument must be text, not a list; quote it"),
        Bad(check("command: []"), "f:3:14: command must be a list of a program and its arguments, not an empty list"),
        Bad(
            router("hooks: {on-master: notify.sh}"),
            "f:6:24: on-master must be a list like [/usr/local/bin/program, argument] or {shell: 'notify.sh'}, not text"
        ),
        Bad(
            router("gate-claim: {timeout: 5s}"),
            "f:6:5: gate-claim has no 'command' (a list that begins with the absolute path of a program) and no 'shell'"
                + " (text for /bin/sh); one of them is needed"),
        Bad(
            check("command: [/x, \(String(repeating: "a", count: 70_000))]"),
            "f:3:14: command is longer than 65536 octets"),
    ])
    func aCommandIsAProgramAndItsArguments(_ bad: Bad) { #expect(errors(bad.text) == [bad.error]) }

    @Test func allErrorsComeAtOnceInTheOrderOfTheirPlaces() {
        let text = """
            log-level: loud
            checks:
              c: {command: [x]}
            virtual-routers:
              r:
                vrid: 0
                interface: a/b
                addresses: [1.2.3.4.5]
            """
        let places = errors(text).map { $0.split(separator: ":")[1...2].joined(separator: ":") }
        #expect(places == ["1:12", "3:17", "6:11", "7:16", "8:17"])
    }
}
