// What `vipd status` prints: the status document for a person at three in the morning. First the answer (who is master,
// since when), then the reasons, then the figures; everything that is wrong is in capitals or has a line of its own. It adds
// nothing that is not in the document.

/// The whole text, with a newline at its end.
package func statusText(_ document: StatusDocument) -> String {
    var text = agentLine(document) + "\n"
    if document.virtualRouters.isEmpty { text += "\nno virtual routers are configured\n" }
    for router in document.virtualRouters {
        text += "\n" + routerText(router, asOf: document.asOf)
    }
    return text
}

/// One virtual router: a headline and indented lines, ages relative to `asOf`.
package func routerText(_ router: RouterStatus, asOf: Timestamp) -> String {
    var lines = [headline(router, asOf: asOf)]
    lines.append(line("master", masterText(router)))
    if let waiting = waitingText(router, asOf: asOf) { lines.append(line("waiting", waiting)) }
    lines += block("FAULT", router.faults.map(\.text))
    lines += block("DEGRADED", router.degraded.map(\.text))
    lines += block("DIFFERS", differenceLines(router, asOf: asOf))
    lines += block("CONFLICT", conflictLines(router, asOf: asOf))
    if let held = router.held { lines.append(line("held back", heldText(held, router, asOf: asOf))) }
    lines.append(line("priority", priorityText(router)))
    let width = router.addresses.map(\.address.count).max() ?? 0
    lines += block(
        "addresses",
        router.addresses.map { address in
            "\(padded(address.address, width))  \(presence(address.present, in: router.state))"
                + (address.interface == router.interface ? "" : " on \(address.interface)")
                + (address.advertised ? "" : ", not advertised") + neighborsText(address, router)
        })
    lines += routingLines(router)
    lines += block(verificationLabel(router), verificationText(router))
    if let lease = leaseText(router, asOf: asOf) { lines.append(line("lease", lease)) }
    lines += block("last move", lastMove(router, asOf: asOf))
    lines.append(line("adverts", advertsText(router)))
    if let errors = errorsText(router) { lines.append(line("errors", errors)) }
    lines += block("checks", checkLines(router))
    if !router.peers.isEmpty { lines.append(line("peers", peersText(router))) }
    lines.append(line("election", electionText(router)))
    return lines.joined(separator: "\n") + "\n"
}

/// `unknown since TIME (…)`: the one line for a router whose state cannot be told; nil when it can.
package func unknownText(_ router: RouterStatus, engine: EngineStatus) -> String? {
    guard router.state == .unknown else { return nil }
    let since = router.unknownSince.map { " since \($0)" } ?? ""
    let reason: String
    switch engine.state {
    case .down: reason = "the engine is down"
    case .starting: reason = "the engine is starting"
    case .running: reason = "the engine has not been heard"
    }
    return "\(router.name): unknown\(since) (\(reason))"
}

// MARK: - Lines

private func agentLine(_ document: StatusDocument) -> String {
    let engine = document.engine
    var state: String
    switch engine.state {
    case .running: state = "engine running"
    case .starting: state = "engine STARTING"
    case .down: state = "engine DOWN"
    }
    var details: [String] = []
    if let pid = engine.pid { details.append("pid \(pid)") }
    if engine.state != .running || engine.restarts > 0 {
        details.append("since \(moment(engine.since, asOf: document.asOf))")
    }
    if engine.restarts > 0 { details.append("\(engine.restarts) \(engine.restarts == 1 ? "restart" : "restarts")") }
    if !details.isEmpty { state += " (\(details.joined(separator: ", ")))" }
    let up = age(document.asOf.since(document.started))
    return "vipd \(document.version) on \(document.hostname), up \(up), \(state), as of \(document.asOf)"
}

private func headline(_ router: RouterStatus, asOf: Timestamp) -> String {
    let state = router.state == .backup ? "backup" : router.state.rawValue.uppercased()
    var text = "\(router.name)  \(state)"
    if router.state == .unknown {
        if let since = router.unknownSince { text += " since \(moment(since, asOf: asOf))" }
        text += "; what follows was last known"
    } else if let since = router.since {
        text += " for \(age(asOf.since(since))), since \(clock(since, asOf: asOf))"
    }
    return text
}

private func masterText(_ router: RouterStatus) -> String {
    guard let master = router.master else {
        // Whoever does not take part does not listen either: that is no news about the segment.
        if router.state == .resigning { return "this host, until another one takes over" }
        return router.state == .backup ? "none heard yet" : "not known to this host"
    }
    let who = master.isSelf ? "this host" : "another host"
    let address = master.address.map { ", \($0)" } ?? ", which has no address to send from"
    return "\(who)\(address), priority \(master.priority)"
}

private func heldText(_ held: HeldStatus, _ router: RouterStatus, asOf: Timestamp) -> String {
    let end = held.until.map { clock($0, asOf: asOf) } ?? "it is master again, or vipd enable \(router.name)"
    return "until \(end) (handed over at \(moment(held.since, asOf: asOf)))"
}

/// A backup that does not count silence yet, because its port may not forward.
private func waitingText(_ router: RouterStatus, asOf: Timestamp) -> String? {
    guard router.state == .backup, let end = router.startDelayUntil else { return nil }
    return "for the first advert, or for start-delay to end in \(age(end.since(asOf))), at \(clock(end, asOf: asOf))"
}

private func priorityText(_ router: RouterStatus) -> String {
    var text = "\(router.effectivePriority)"
    guard !router.contributions.isEmpty || router.effectivePriority != router.priority else {
        return router.priority == 255 ? text + " (owner)" : text
    }
    text += " instead of \(router.priority)"
    var parts = router.contributions.map { "\($0.onFailure): check \($0.check), \($0.reason)" }
    if !router.degraded.isEmpty { parts.append("degraded") }
    if !parts.isEmpty { text += " (\(parts.joined(separator: "; ")))" }
    return text
}

/// Presence is wrong when it does not go with the state: a master without, or anybody else with.
private func presence(_ isPresent: Bool, in state: RouterState) -> String {
    switch (isPresent, state) {
    case (true, .master), (true, .resigning): "present"
    case (false, .master): "ABSENT"
    case (true, .unknown): "present"
    case (true, _): "PRESENT"
    case (false, _): "absent"
    }
}

/// Whether the takeover arrived; nothing when nobody has been asked.
private func verificationText(_ router: RouterStatus) -> [String] {
    guard let verification = router.verification else { return [] }
    switch verification.verdict {
    case "verified": return [String(verification.text.trimmingPrefix("verified "))]
    case "unanswered": return [verification.text]
    case "pending": return ["not yet: \(verification.text)"]
    default: return ["not: \(verification.text)"]
    }
}

private func verificationLabel(_ router: RouterStatus) -> String {
    router.verification?.verdict == "unanswered" ? "UNVERIFIED" : "verified"
}

/// How many of the hosts that were asked have this host for the address.
private func neighborsText(_ address: AddressStatus, _ router: RouterStatus) -> String {
    let own = address.address.prefix { $0 != "/" }
    let asked = (router.verification?.answers ?? []).filter { $0.address == own && $0.asked > 0 }
    guard !asked.isEmpty else { return "" }
    return ", found here by \(asked.count { $0.afterMs != nil }) of \(asked.count) asked"
}

private func routingLines(_ router: RouterStatus) -> [String] {
    let width = (router.routes.map(\.text.count) + router.rules.map(\.text.count)).max() ?? 0
    func lines(_ entries: [(text: String, present: Bool)]) -> [String] {
        entries.map { "\(padded($0.text, width))  \(presence($0.present, in: router.state))" }
    }
    return block("routes", lines(router.routes.map { ($0.text, $0.present) }))
        + block("rules", lines(router.rules.map { ($0.text, $0.present) }))
}

/// Only where addresses are here: what happens to them when nobody is left to renew them.
private func leaseText(_ router: RouterStatus, asOf: Timestamp) -> String? {
    guard let lease = router.lease, let expires = router.leaseExpires else { return nil }
    return "\(age(.seconds(Int64(lease)))), ends \(clock(expires, asOf: asOf)) unless renewed"
}

private func lastMove(_ router: RouterStatus, asOf: Timestamp) -> [String] {
    guard let move = router.lastTransition else { return ["none yet"] }
    return [
        "\(move.from.rawValue) -> \(move.to.rawValue) at \(moment(move.at, asOf: asOf))", "\(move.cause): \(move.text)",
    ]
}

private func advertsText(_ router: RouterStatus) -> String {
    let received = router.statistics["advertisement-rcvd"] ?? 0
    let sent = router.statistics["advertisement-sent"] ?? 0
    let heard = router.lastAdvertHeardMsAgo.map { "last heard \(age(.milliseconds(Int64(max(0, $0))))) ago" }
    return "\(received) received, \(sent) sent, \(heard ?? "none heard")"
}

/// The error counters that are not 0, largest first.
private func errorsText(_ router: RouterStatus) -> String? {
    let errors = router.statistics.filter { $0.key.hasSuffix("-errors") && $0.value > 0 }
        .sorted { ($1.value, $0.key) < ($0.value, $1.key) }
    guard !errors.isEmpty else { return nil }
    return errors.map { "\($0.key) \($0.value)" }.joined(separator: ", ")
}

private func checkLines(_ router: RouterStatus) -> [String] {
    let name = router.checks.map(\.check.count).max() ?? 0
    return router.checks.map { check in
        let state = check.state == "passing" ? check.state : check.state.uppercased()
        let reason = check.reason.map { ": \($0)" } ?? ""
        return "\(padded(check.check, name))  \(state)\(reason) (on failure: \(check.onFailure))"
    }
}

private func differenceLines(_ router: RouterStatus, asOf: Timestamp) -> [String] {
    router.differences.map { difference in
        let times = difference.count == 1 ? "once" : "\(difference.count) times"
        return
            "\(difference.peer): \(difference.text) (\(difference.kind), \(times) since \(clock(difference.first, asOf: asOf)))"
    }
}

private func conflictLines(_ router: RouterStatus, asOf: Timestamp) -> [String] {
    router.conflicts.map { conflict in
        let times = conflict.count == 1 ? "once" : "\(conflict.count) times"
        return
            "\(conflict.address) is claimed by \(conflict.hardwareAddress) (\(times), last at \(moment(conflict.last, asOf: asOf)))"
    }
}

/// With the least hop limit where it is not the usual one.
private func peersText(_ router: RouterStatus) -> String {
    let peers = router.peers.map { peer in
        peer.minimumTTL == 255 ? peer.address : "\(peer.address) (minimum-ttl \(peer.minimumTTL))"
    }
    return peers.joined(separator: ", ")
}

private func electionText(_ router: RouterStatus) -> String {
    let family = router.family == "ipv6" ? "IPv6" : "IPv4"
    let preempt = router.preempt.enabled ? "preempt" : "no preempt"
    let version = router.alsoVersion2 ? "versions 3 and 2" : "version \(router.version)"
    var text = "VRID \(router.vrid) on \(router.interface), \(family), VRRP \(version), \(preempt), "
    text += "advert every \(milliseconds(router.advertisementIntervalMs))"
    if router.masterDownIntervalMs > 0 { text += ", master down after \(milliseconds(router.masterDownIntervalMs))" }
    return text
}

// MARK: - Pieces

private let labelWidth = 11

private func line(_ label: String, _ text: String) -> String { "  \(padded(label, labelWidth))\(text)" }

/// Several values under one label; no line at all when there are none.
private func block(_ label: String, _ values: [String]) -> [String] {
    values.enumerated().map { line($0.offset == 0 ? label : "", $0.element) }
}

func padded(_ text: String, _ width: Int) -> String {
    text.count < width ? text + String(repeating: " ", count: width - text.count) : text
}

/// The time of day, with the date when it is not today's.
private func clock(_ time: Timestamp, asOf: Timestamp) -> String {
    let timeOfDay = time.timeOfDay(milliseconds: true) + " UTC"
    return time.date == asOf.date ? timeOfDay : "\(time.date) \(timeOfDay)"
}

private func moment(_ time: Timestamp, asOf: Timestamp) -> String {
    "\(clock(time, asOf: asOf)), \(age(asOf.since(time))) ago"
}

private func milliseconds(_ value: Double) -> String {
    let tenths = Int64((max(0, min(value, 1e15)) * 10).rounded())
    if tenths >= 10_000, tenths % 10_000 == 0 { return "\(tenths / 10_000) s" }
    return tenths % 10 == 0 ? "\(tenths / 10) ms" : "\(tenths / 10).\(tenths % 10) ms"
}

/// A span in the two units that matter: `12 ms`, `4.2 s`, `3 min 5 s`, `2 h 3 min`, `5 d 1 h`. Negative spans, which a
/// clock that was set back gives, are `0 ms`.
package func age(_ span: Duration) -> String {
    let (seconds, attoseconds) = span.components
    let total = max(0, seconds * 1000 + attoseconds / 1_000_000_000_000_000)
    switch total {
    case ..<1000: return "\(total) ms"
    case ..<10_000: return "\(total / 1000).\(total % 1000 / 100) s"
    case ..<60_000: return "\(total / 1000) s"
    case ..<3_600_000: return "\(total / 60_000) min \(total / 1000 % 60) s"
    case ..<86_400_000: return "\(total / 3_600_000) h \(total / 60_000 % 60) min"
    default: return "\(total / 86_400_000) d \(total / 3_600_000 % 24) h"
    }
}
