// A document in which every key has a value, and the JSON it must be.

import Status

func time(_ text: String) -> Timestamp { Timestamp(text) ?? Timestamp(milliseconds: 0) }

func sampleRouter() -> RouterStatus {
    var router = RouterStatus(
        name: "database", interface: "eth0", vrid: 51, family: "ipv4", version: 3, state: .master, priority: 150,
        preempt: true, advertisementIntervalMs: 100)
    router.since = time("2026-11-21T03:00:00.250Z")
    router.effectivePriority = 90
    router.contributions = [ContributionStatus(check: "role", onFailure: "weight -60", reason: "exit status 1")]
    router.faults = [
        FaultStatus(fault: "check", check: "witness", reason: "timed out", text: "check witness: timed out")
    ]
    router.masterDownIntervalMs = 360.937
    router.skewTimeUs = 60_937
    router.localAddress = "192.0.2.2"
    router.master = MasterStatus(address: "192.0.2.2", priority: 90, isSelf: true)
    router.addresses = [
        AddressStatus(address: "192.0.2.10/24", present: true),
        AddressStatus(address: "192.0.2.111/32", present: false),
    ]
    router.lastTransition = TransitionStatus(
        from: .backup, to: .master, at: time("2026-11-21T03:00:00.250Z"), cause: "master-silent",
        text: "no advert from 192.0.2.3 for 361 ms (timer 0.1 ms late)")
    router.lastAdvertHeardMsAgo = 7_383_250.5
    router.gateReleaseTimeoutMs = 30_000
    router.statistics = ["advertisement-rcvd": 10, "advertisement-sent": 20, "checksum-errors": 3, "length-errors": 0]
    router.checks = [
        CheckStatus(check: "witness", state: "passing", reason: nil, onFailure: "fault"),
        CheckStatus(check: "role", state: "failing", reason: "exit status 1", onFailure: "weight -60"),
    ]
    return router
}

func sampleDocument() -> StatusDocument {
    StatusDocument(
        version: "0.1.0", hostname: "a", pid: 123, started: time("2026-11-20T03:00:00.000Z"),
        engine: EngineStatus(state: .running, pid: 124, since: time("2026-11-20T03:00:00.010Z"), restarts: 0),
        asOf: time("2026-11-21T05:03:03.500Z"), virtualRouters: [sampleRouter()])
}

let sampleRouterJSON =
    #"{"addresses":[{"address":"192.0.2.10/24","present":true},{"address":"192.0.2.111/32","present":false}],"#
    + #""advertisement-interval-ms":100,"checks":[{"check":"witness","on-failure":"fault","reason":null,"#
    + #""state":"passing"},{"check":"role","on-failure":"weight -60","reason":"exit status 1","state":"failing"}],"#
    + #""contributions":[{"check":"role","on-failure":"weight -60","reason":"exit status 1"}],"#
    + #""effective-priority":90,"family":"ipv4","faults":[{"check":"witness","fault":"check","reason":"timed out","#
    + #""text":"check witness: timed out"}],"gate-release-timeout-ms":30000,"interface":"eth0","last-advert-heard-ms-ago":7383250.5,"#
    + #""last-transition":{"at":"2026-11-21T03:00:00.250Z","cause":"master-silent","from":"backup","#
    + #""text":"no advert from 192.0.2.3 for 361 ms (timer 0.1 ms late)","to":"master"},"#
    + #""local-address":"192.0.2.2","master":{"address":"192.0.2.2","priority":90,"self":true},"#
    + #""master-down-interval-ms":360.937,"name":"database","preempt":true,"priority":150,"#
    + #""since":"2026-11-21T03:00:00.250Z","skew-time-us":60937,"state":"master","#
    + #""statistics":{"advertisement-rcvd":10,"advertisement-sent":20,"checksum-errors":3,"length-errors":0},"#
    + #""unknown-since":null,"version":3,"vrid":51}"#

let sampleJSON =
    #"{"as-of":"2026-11-21T05:03:03.500Z","#
    + #""engine":{"pid":124,"restarts":0,"since":"2026-11-20T03:00:00.010Z","state":"running"},"#
    + #""hostname":"a","pid":123,"started":"2026-11-20T03:00:00.000Z","version":"0.1.0","virtual-routers":["#
    + sampleRouterJSON + "]}"
