// A document in which every key has a value, and the JSON it must be.

import Election
import Status
import Wire

func time(_ text: String) -> Timestamp { Timestamp(text) ?? Timestamp(milliseconds: 0) }

func sampleRouter() -> RouterStatus {
    var router = RouterStatus(
        name: "database", interface: "eth0", vrid: 51, family: "ipv4", version: 3, state: .master, priority: 150,
        preempt: PreemptStatus(enabled: true, holdTime: 30), advertisementIntervalMs: 100)
    router.alsoVersion2 = true
    router.peers = [
        PeerStatus(address: "192.0.2.3", minimumTTL: 255), PeerStatus(address: "198.51.100.3", minimumTTL: 254),
    ]
    router.since = time("2026-11-21T03:00:00.250Z")
    router.effectivePriority = 90
    router.contributions = [ContributionStatus(check: "role", onFailure: "weight -60", reason: "exit status 1")]
    router.faults = [
        FaultStatus(fault: "check", check: "witness", reason: "timed out", text: "check witness: timed out")
    ]
    router.upDatetime = time("2026-11-21T02:59:59.889Z")
    router.masterDownIntervalMs = 360.937
    router.masterDownInterval = 36
    router.skewTime = 60_937
    router.startDelayUntil = time("2026-11-21T05:03:10.000Z")
    router.localAddress = "192.0.2.2"
    router.lastAdvSource = "192.0.2.2"
    router.master = MasterStatus(address: "192.0.2.2", priority: 90, isSelf: true)
    router.addresses = [
        AddressStatus(address: "192.0.2.10/24", present: true, interface: "eth0"),
        AddressStatus(address: "192.0.2.111/32", present: false, interface: "eth0"),
    ]
    router.addressCount = 2
    let route = RoutingEntry.route(
        Route(destination: sampleNetwork, gateway: IPAddress("192.0.2.254"), device: "eth0", table: 100))
    let rule = PolicyRule(family: .ipv4, priority: 1000, from: sampleNetwork, to: nil, table: 100)
    router.setRouting([route, .rule(rule)], present: [route])
    router.lease = 2
    router.leaseExpires = time("2026-11-21T05:03:05.100Z")
    router.virtualIPv4Address = ["192.0.2.10", "192.0.2.111"]
    router.lastEvent = ProtocolEvent.masterTimeout.rawValue
    router.newMasterReason = NewMasterReason.noResponse.rawValue
    router.lastProtocolError = "checksum-error"
    router.differences = [
        DifferenceStatus(
            peer: "192.0.2.3", kind: "interval", ownValue: "100 ms", peerValue: "1 s",
            text: "it advertises every 1 s, here 100 ms is configured", first: time("2026-11-21T03:00:00.250Z"),
            last: time("2026-11-21T05:03:03.000Z"), count: 12)
    ]
    router.conflicts = [
        ConflictStatus(
            address: "192.0.2.10", hardwareAddress: "02:00:00:00:00:09", first: time("2026-11-21T05:02:00.000Z"),
            last: time("2026-11-21T05:03:00.500Z"), count: 3)
    ]
    router.verification = VerificationStatus(
        verdict: "unanswered",
        text: "192.0.2.1 (gateway) does not send here what it sends to 192.0.2.111: no answer to 4 questions",
        began: time("2026-11-21T03:00:00.251Z"), complete: true,
        answers: [
            VerificationAnswer(
                address: "192.0.2.10", target: "192.0.2.1", witness: "gateway", asked: 1, afterMs: 0.8),
            VerificationAnswer(
                address: "192.0.2.111", target: "192.0.2.1", witness: "gateway", asked: 4, afterMs: nil),
        ])
    router.discontinuityDatetime = time("2026-11-20T03:00:00.011Z")
    router.timerLateMaxUs = 120
    router.lastTransition = TransitionStatus(
        from: .backup, to: .master, at: time("2026-11-21T03:00:00.250Z"), cause: "master-silent",
        text: "no advert from 192.0.2.3 for 361 ms (timer 0.1 ms late)")
    router.lastAdvertHeardMsAgo = 7_383_250.5
    router.gateReleaseTimeoutMs = 30_000
    router.handoverLimitMs = 35_444.5
    router.held = HeldStatus(since: time("2026-11-21T05:00:00.000Z"), until: time("2026-11-21T05:10:00.000Z"))
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
        engine: EngineStatus(
            state: .running, pid: 124, since: time("2026-11-20T03:00:00.010Z"), restarts: 0, netlinkResyncs: 1,
            scheduling: SchedulingStatus(
                policy: "fifo", priority: 50, cpus: [0, 1], lockedKiB: 9_000, oomScoreAdjust: -900)),
        asOf: time("2026-11-21T05:03:03.500Z"),
        statistics: GlobalStatistics(sampleCounters(), since: time("2026-11-20T03:00:00.000Z")),
        virtualRouters: [sampleRouter()],
        interfaces: [InterfaceStatus(name: "eth0", virtualRouters: 1, counters: sampleCounters())])
}

private func sampleCounters() -> Counters {
    var counters = Counters()
    for (index, counter) in Counter.drops.enumerated() { counters[counter] = UInt64(index) }
    counters[.versionErrors] = .max
    return counters
}

let sampleNetwork = InterfaceAddress(address: .ipv4(IPv4Address(198, 51, 100, 0)), prefixLength: 24)

let sampleRouterJSON =
    #"{"accept-mode":true,"address-count":2,"#
    + #""addresses":[{"address":"192.0.2.10/24","advertised":true,"interface":"eth0","present":true},{"address":"192.0.2.111/32","advertised":true,"interface":"eth0","present":false}],"#
    + #""advertise-interval-centi-sec":10,"advertise-interval-sec":null,"#
    + #""advertisement-interval-ms":100,"also-version-2":true,"#
    + #""checks":[{"check":"witness","on-failure":"fault","reason":null,"#
    + #""state":"passing"},{"check":"role","on-failure":"weight -60","reason":"exit status 1","state":"failing"}],"#
    + #""conflicts":[{"address":"192.0.2.10","count":3,"first":"2026-11-21T05:02:00.000Z","#
    + #""hardware-address":"02:00:00:00:00:09","last":"2026-11-21T05:03:00.500Z"}],"#
    + #""contributions":[{"check":"role","on-failure":"weight -60","reason":"exit status 1"}],"#
    + #""degraded":[],"#
    + #""differences":[{"count":12,"first":"2026-11-21T03:00:00.250Z","kind":"interval","#
    + #""last":"2026-11-21T05:03:03.000Z","own-value":"100 ms","peer":"192.0.2.3","peer-value":"1 s","#
    + #""text":"it advertises every 1 s, here 100 ms is configured"}],"#
    + #""discontinuity-datetime":"2026-11-20T03:00:00.011Z","#
    + #""effective-priority":90,"family":"ipv4","faults":[{"check":"witness","fault":"check","reason":"timed out","#
    + #""text":"check witness: timed out"}],"gate-release-timeout-ms":30000,"#
    + #""handover-limit-ms":35444.5,"#
    + #""held":{"since":"2026-11-21T05:00:00.000Z","until":"2026-11-21T05:10:00.000Z"},"interface":"eth0","is-owner":false,"#
    + #""last-adv-source":"192.0.2.2","last-advert-heard-ms-ago":7383250.5,"last-event":"master-timeout","#
    + #""last-protocol-error":"checksum-error","#
    + #""last-transition":{"at":"2026-11-21T03:00:00.250Z","cause":"master-silent","from":"backup","#
    + #""text":"no advert from 192.0.2.3 for 361 ms (timer 0.1 ms late)","to":"master"},"#
    + #""lease":2,"lease-expires":"2026-11-21T05:03:05.100Z","#
    + #""local-address":"192.0.2.2","master":{"address":"192.0.2.2","priority":90,"self":true},"#
    + #""master-down-interval":36,"master-down-interval-ms":360.937,"name":"database","#
    + #""new-master-reason":"no-response","#
    + #""peers":[{"address":"192.0.2.3","minimum-ttl":255},{"address":"198.51.100.3","minimum-ttl":254}],"#
    + #""preempt":{"enabled":true,"hold-time":30},"priority":150,"#
    + #""routes":[{"destination":"198.51.100.0/24","device":"eth0","family":"ipv4","metric":0,"present":true,"source":null,"#
    + #""table":100,"text":"198.51.100.0/24 via 192.0.2.254 dev eth0 table 100","via":"192.0.2.254"}],"#
    + #""rules":[{"family":"ipv4","from":"198.51.100.0/24","present":false,"priority":1000,"table":100,"#
    + #""text":"1000: from 198.51.100.0/24 lookup 100","to":null}],"#
    + #""since":"2026-11-21T03:00:00.250Z","skew-time":60937,"start-delay-until":"2026-11-21T05:03:10.000Z","#
    + #""state":"master","#
    + #""statistics":{"advertisement-rcvd":10,"advertisement-sent":20,"checksum-errors":3,"length-errors":0},"#
    + #""timer-late-max-us":120,"unknown-since":null,"up-datetime":"2026-11-21T02:59:59.889Z","#
    + #""verification":{"answers":[{"address":"192.0.2.10","after-ms":0.8,"asked":1,"target":"192.0.2.1","witness":"gateway"},"#
    + #"{"address":"192.0.2.111","after-ms":null,"asked":4,"target":"192.0.2.1","witness":"gateway"}],"began":"2026-11-21T03:00:00.251Z","#
    + #""complete":true,"text":"192.0.2.1 (gateway) does not send here what it sends to 192.0.2.111: no answer to 4 questions","#
    + #""verdict":"unanswered"},"version":3,"#
    + #""virtual-ipv4-address":["192.0.2.10","192.0.2.111"],"virtual-ipv6-address":[],"virtual-mac":null,"vrid":51}"#

let sampleJSON =
    #"{"as-of":"2026-11-21T05:03:03.500Z","#
    + #""engine":{"netlink-resyncs":1,"pid":124,"restarts":0,"#
    + #""scheduling":{"cpus":[0,1],"locked-kib":9000,"oom-score-adjust":-900,"policy":"fifo","priority":50},"#
    + #""since":"2026-11-20T03:00:00.010Z","state":"running"},"#
    + #""hostname":"a","interfaces":[{"name":"eth0","statistics":{"address-list-errors":8,"#
    + #""authentication-data-errors":12,"authentication-type-errors":11,"checksum-errors":6,"destination-errors":0,"#
    + #""interval-errors":9,"invalid-type-pkts-rcvd":5,"ip-ttl-errors":2,"not-link-local-errors":10,"#
    + #""packet-length-errors":3,"source-errors":1,"version-errors":18446744073709551615,"vrid-errors":7},"#
    + #""virtual-routers":1}],"pid":123,"started":"2026-11-20T03:00:00.000Z","#
    + #""statistics":{"checksum-errors":6,"discontinuity-datetime":"2026-11-20T03:00:00.000Z","ip-ttl-errors":2,"#
    + #""version-errors":18446744073709551615,"vrid-errors":7},"upgrade":null,"version":"0.1.0","virtual-routers":["#
    + sampleRouterJSON + "]}"
