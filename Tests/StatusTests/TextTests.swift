// What a person reads: the whole text of `vipd status` once, then the lines that must stand out.

import Status
import Testing

struct TextTests {
    @Test func `the text of a status answers who, since when, why, and shows what is wrong`() {
        #expect(
            statusText(sampleDocument()) == """
                vipd 0.1.0 on a, up 1 d 2 h, engine running (pid 124), as of 2026-11-21T05:03:03.500Z

                database  MASTER for 2 h 3 min, since 03:00:00.250 UTC
                  master     this host, 192.0.2.2, priority 90
                  FAULT      check witness: timed out
                  DIFFERS    192.0.2.3: it advertises every 1 s, here 100 ms is configured (interval, 12 times since 03:00:00.250 UTC)
                  CONFLICT   192.0.2.10 is claimed by 02:00:00:00:00:09 (3 times, last at 05:03:00.500 UTC, 3.0 s ago)
                  held back  until 05:10:00.000 UTC (handed over at 05:00:00.000 UTC, 3 min 3 s ago)
                  priority   90 instead of 150 (weight -60: check role, exit status 1)
                  addresses  192.0.2.10/24   present, found here by 1 of 1 asked
                             192.0.2.111/32  ABSENT, found here by 0 of 1 asked
                  routes     198.51.100.0/24 via 192.0.2.254 dev eth0 table 100  present
                  rules      1000: from 198.51.100.0/24 lookup 100               ABSENT
                  UNVERIFIED 192.0.2.1 (gateway) does not send here what it sends to 192.0.2.111: no answer to 4 questions
                  lease      2.0 s, ends 05:03:05.100 UTC unless renewed
                  last move  backup -> master at 03:00:00.250 UTC, 2 h 3 min ago
                             master-silent: no advert from 192.0.2.3 for 361 ms (timer 0.1 ms late)
                  adverts    10 received, 20 sent, last heard 2 h 3 min ago
                  errors     checksum-errors 3
                  checks     witness  passing (on failure: fault)
                             role     FAILING: exit status 1 (on failure: weight -60)
                  peers      192.0.2.3, 198.51.100.3 (minimum-ttl 254)
                  election   VRID 51 on eth0, IPv4, VRRP versions 3 and 2, preempt, advert every 100 ms, master down after 360.9 ms

                """)
    }

    @Test func `a backup names the other host and is not in capitals`() {
        var router = sampleRouter()
        router.state = .backup
        router.faults = []
        router.differences = []
        router.conflicts = []
        router.verification = nil
        router.held = nil
        router.contributions = []
        router.effectivePriority = 150
        router.master = MasterStatus(address: "192.0.2.3", priority: 200, isSelf: false)
        router.lastAdvertHeardMsAgo = 12.3
        router.startDelayUntil = nil
        let lines = routerText(router, asOf: time("2026-11-22T05:03:03.500Z")).split(separator: "\n")
        #expect(lines[0] == "database  backup for 1 d 2 h, since 2026-11-21 03:00:00.250 UTC")
        #expect(lines[1] == "  master     another host, 192.0.2.3, priority 200")
        #expect(lines[2] == "  priority   150")
        #expect(lines[3] == "  addresses  192.0.2.10/24   PRESENT")
        #expect(lines[4] == "             192.0.2.111/32  absent")
        #expect(lines.contains("  adverts    10 received, 20 sent, last heard 12 ms ago"))
    }

    @Test func `routes and rules are behind the addresses, and what is missing or too much stands out`() {
        var router = sampleRouter()
        let lines = routerText(router, asOf: time("2026-11-22T05:03:03.500Z")).split(separator: "\n")
        #expect(lines.contains("  routes     198.51.100.0/24 via 192.0.2.254 dev eth0 table 100  present"))
        #expect(lines.contains("  rules      1000: from 198.51.100.0/24 lookup 100               ABSENT"))
        router.state = .backup
        let backup = routerText(router, asOf: time("2026-11-22T05:03:03.500Z")).split(separator: "\n")
        #expect(backup.contains("  routes     198.51.100.0/24 via 192.0.2.254 dev eth0 table 100  PRESENT"))
        #expect(backup.contains("  rules      1000: from 198.51.100.0/24 lookup 100               absent"))
    }

    @Test func `what a master goes without stands out`() {
        var router = sampleRouter()
        router.faults = []
        router.contributions = []
        router.effectivePriority = 1
        router.degraded = [
            FaultStatus(
                fault: "claim", reason: "Permission denied",
                text: "the kernel refused 192.0.2.111/32: Permission denied")
        ]
        let now = time("2026-11-22T05:03:03.500Z")
        #expect(
            routerText(router, asOf: now).contains(
                "\n  DEGRADED   the kernel refused 192.0.2.111/32: Permission denied\n"))
        #expect(
            presentText(router, asOf: now)[1].hasSuffix(
                "database  DEGRADED  the kernel refused 192.0.2.111/32: Permission denied"))
        #expect(routerText(router, asOf: now).contains("\n  priority   1 instead of 150 (degraded)\n"))
        let event = DegradedDocument(router: "database", missing: 0, text: "nothing is missing any more", at: now)
        #expect(
            eventText(.degraded(event)) == "2026-11-22T05:03:03.500Z  database  whole  nothing is missing any more")
    }

    @Test func `an address that adverts do not list is marked`() {
        var router = sampleRouter()
        router.addresses[1].advertised = false
        router.verification = nil
        let lines = routerText(router, asOf: time("2026-11-22T05:03:03.500Z")).split(separator: "\n")
        #expect(lines.contains("  addresses  192.0.2.10/24   present"))
        #expect(lines.contains("             192.0.2.111/32  ABSENT, not advertised"))
    }

    @Test func `who resigns is master until another is, and has its addresses until they go`() {
        var router = sampleRouter()
        router.state = .resigning
        router.master = nil
        router.verification = nil
        router.held = HeldStatus(since: time("2026-11-21T03:00:00.250Z"), until: nil)
        let lines = routerText(router, asOf: time("2026-11-21T03:00:00.300Z")).split(separator: "\n")
        #expect(lines[0] == "database  RESIGNING for 50 ms, since 03:00:00.250 UTC")
        #expect(lines[1] == "  master     this host, until another one takes over")
        #expect(lines.contains("  addresses  192.0.2.10/24   present"))
        #expect(lines.contains("             192.0.2.111/32  absent"))
        #expect(
            lines.contains(
                "  held back  until it is master again, or vipd enable database (handed over at 03:00:00.250 UTC, 50 ms ago)"
            ))
        #expect(presentText(router, asOf: time("2026-11-21T03:00:00.300Z"))[0].hasSuffix("03:00:00.250Z  held back"))
    }

    @Test func `a backup in its start delay says what it waits for`() {
        var router = sampleRouter()
        router.state = .backup
        router.master = nil
        let lines = routerText(router, asOf: time("2026-11-21T05:03:03.500Z")).split(separator: "\n")
        #expect(lines[1] == "  master     none heard yet")
        #expect(
            lines[2] == "  waiting    for the first advert, or for start-delay to end in 6.5 s, at 05:03:10.000 UTC")
        router.startDelayUntil = nil
        #expect(!routerText(router, asOf: time("2026-11-21T05:03:03.500Z")).contains("waiting"))
    }

    @Test func `an unknown state says since when and that the rest is old`() {
        var document = sampleDocument()
        document.engine = EngineStatus(
            state: .down, pid: nil, since: time("2026-11-21T05:03:01.500Z"), restarts: 2)
        document.virtualRouters[0].state = .unknown
        document.virtualRouters[0].unknownSince = time("2026-11-21T05:03:00.500Z")
        let lines = statusText(document).split(separator: "\n")
        #expect(
            lines[0]
                == "vipd 0.1.0 on a, up 1 d 2 h, engine DOWN (since 05:03:01.500 UTC, 2.0 s ago, 2 restarts), as of 2026-11-21T05:03:03.500Z"
        )
        #expect(lines[1] == "database  UNKNOWN since 05:03:00.500 UTC, 3.0 s ago; what follows was last known")
        #expect(
            unknownText(document.virtualRouters[0], engine: document.engine)
                == "database: unknown since 2026-11-21T05:03:00.500Z (the engine is down)")
        #expect(unknownText(sampleRouter(), engine: document.engine) == nil)
    }

    @Test func `nobody known, no move and no advert are said in words`() {
        let router = RouterStatus(
            name: "v", interface: "eth0", vrid: 1, family: "ipv6", version: 2, state: .initialize, priority: 255,
            preempt: PreemptStatus(enabled: false), advertisementIntervalMs: 1000)
        #expect(
            routerText(router, asOf: time("2026-11-21T05:03:03.500Z")) == """
                v  INITIALIZE
                  master     not known to this host
                  priority   255 (owner)
                  last move  none yet
                  adverts    0 received, 0 sent, none heard
                  election   VRID 1 on eth0, IPv6, VRRP version 2, no preempt, advert every 1 s

                """)
    }

    @Test func `an agent without virtual routers says so`() {
        var document = sampleDocument()
        document.virtualRouters = []
        #expect(statusText(document).hasSuffix("\n\nno virtual routers are configured\n"))
    }

    @Test(arguments: [
        (-5, "0 ms"), (0, "0 ms"), (999, "999 ms"), (1000, "1.0 s"), (9999, "9.9 s"), (59_999, "59 s"),
        (60_000, "1 min 0 s"), (3_600_000, "1 h 0 min"), (86_400_000, "1 d 0 h"), (266_400_000, "3 d 2 h"),
    ])
    func `ages have the two units that matter`(milliseconds: Int64, text: String) {
        #expect(age(.milliseconds(milliseconds)) == text)
    }

    @Test func `an event is one line with its reason, a keep-alive is none`() {
        let move = TransitionDocument(
            router: "database", from: .backup, to: .master, cause: "owner", text: "this host owns the addresses",
            at: time("2026-11-21T03:00:00.000Z"), priority: 255)
        #expect(
            eventText(.transition(move))
                == "2026-11-21T03:00:00.000Z  database  backup -> master  priority 255  owner: this host owns the addresses"
        )
        let at = time("2026-11-21T03:00:00.000Z")
        let difference = DifferenceDocument(
            router: "database", peer: "192.0.2.3", kind: "version", ownValue: "3", peerValue: "2", text: "it differs",
            at: at)
        #expect(
            eventText(.difference(difference))
                == "2026-11-21T03:00:00.000Z  database  192.0.2.3 DIFFERS  version: it differs")
        let unsteady = UnsteadyDocument(router: "database", transitions: 7, withinS: 60, text: "it flaps", at: at)
        #expect(eventText(.unsteady(unsteady)) == "2026-11-21T03:00:00.000Z  database  UNSTEADY  it flaps")
        let conflict = ConflictDocument(
            router: "database", address: "192.0.2.10", hardwareAddress: "02:00:00:00:00:09", state: .master,
            text: "it is told again", at: at)
        #expect(
            eventText(.conflict(conflict))
                == "2026-11-21T03:00:00.000Z  database  CONFLICT  192.0.2.10 is claimed by 02:00:00:00:00:09: it is told again"
        )
        let dropped = DroppedDocument(
            router: "database", reason: "drop-ttl", counter: "ip-ttl-errors", source: "192.0.2.3", count: 3, at: at)
        #expect(
            eventText(.dropped(dropped))
                == "2026-11-21T03:00:00.000Z  database  DROPPED 3  drop-ttl from 192.0.2.3")
        #expect(eventText(.alive) == nil)
        var router = sampleRouter()
        router.held = nil
        router.verification = nil
        #expect(
            presentText(router, asOf: time("2026-11-21T05:03:03.500Z"))
                == [
                    "2026-11-21T05:03:03.500Z  database  is master  priority 90  since 2026-11-21T03:00:00.250Z",
                    "2026-11-21T05:03:03.500Z  database  192.0.2.3 DIFFERS  interval: it advertises every 1 s, here 100 ms is"
                        + " configured  since 2026-11-21T03:00:00.250Z",
                    "2026-11-21T05:03:03.500Z  database  CONFLICT  192.0.2.10 is claimed by 02:00:00:00:00:09"
                        + "  since 2026-11-21T05:02:00.000Z",
                ])
    }

    @Test func `a conflict that the present state has is told once`() {
        let document = sampleDocument()
        var event = ConflictDocument(
            router: "database", address: "192.0.2.10", hardwareAddress: "02:00:00:00:00:09", state: .master, text: "",
            at: document.asOf)
        #expect(document.includes(.conflict(event)))
        event.hardwareAddress = "02:00:00:00:00:08"
        #expect(!document.includes(.conflict(event)))
    }

    @Test func `a difference that the present state has is told once`() {
        let document = sampleDocument()
        var event = DifferenceDocument(
            router: "database", peer: "192.0.2.3", kind: "interval", ownValue: "100 ms", peerValue: "1 s", text: "",
            at: document.asOf)
        #expect(document.includes(.difference(event)))
        event.peerValue = "2 s"
        #expect(!document.includes(.difference(event)))
        event.peerValue = "1 s"
        event.at = Timestamp(milliseconds: document.asOf.milliseconds + 1)
        #expect(!document.includes(.difference(event)), "it was told again later")
    }
}
