// The commands of a transcript. The language is described in Scenarios/README.md; what is not understood is an error with
// its line, never passed over.

import Election
import Wire

/// The words of one command, taken from the front.
struct ScenarioWords {
    private var words: ArraySlice<String>

    init(_ line: String) { words = line.split(separator: " ").map(String.init)[...] }

    var isEmpty: Bool { words.isEmpty }

    mutating func next(_ what: String) throws(ScenarioError) -> String {
        guard let word = words.popFirst() else { throw ScenarioError("\(what) is missing") }
        return word
    }

    mutating func number<Number: FixedWidthInteger>(_ what: String) throws(ScenarioError) -> Number {
        let word = try next(what)
        guard let number = Number(word) else { throw ScenarioError("\(what) '\(word)' is no number of its range") }
        return number
    }

    mutating func duration(_ what: String) throws(ScenarioError) -> Duration { try Duration(transcript: next(what)) }

    mutating func address(_ what: String) throws(ScenarioError) -> IPAddress {
        let word = try next(what)
        guard let address = IPAddress(word) else { throw ScenarioError("\(what) '\(word)' is no address") }
        return address
    }

    mutating func flag(_ what: String) throws(ScenarioError) -> Bool {
        switch try next(what) {
        case "yes": return true
        case "no": return false
        case let other: throw ScenarioError("\(what) is yes or no, not '\(other)'")
        }
    }

    func finish() throws(ScenarioError) {
        if let word = words.first { throw ScenarioError("'\(word)' is not understood") }
    }
}

extension ScenarioWorld {
    mutating func perform(command line: String) throws(ScenarioError) {
        var words = ScenarioWords(line)
        let first = try words.next("a command")
        var isRun = false
        switch first {
        case "host": try addHost(&words)
        case "link": try link(&words)
        case "run":
            isRun = true
            try run(for: try words.duration("how long"))
        default:
            guard let host = hosts.firstIndex(where: { $0.name == first }) else {
                throw ScenarioError("'\(first)' is no command and no host")
            }
            try perform(&words, on: host)
            // Without a delay everything that follows from a command happens in its moment.
            try run(for: .zero)
        }
        try words.finish()
        showTimers(quietly: isRun)
    }

    private mutating func addHost(_ words: inout ScenarioWords) throws(ScenarioError) {
        var host = ScenarioHost(name: try words.next("a name"))
        var facts = InterfaceFacts(index: 1)
        while !words.isEmpty {
            let word = try words.next("address")
            guard word == "address" else { throw ScenarioError("'\(word)' is not understood") }
            switch try words.address("address") {
            case .ipv4(let address): facts.sourceIPv4 = address
            case .ipv6(let address): facts.sourceIPv6 = address
            }
        }
        host.facts = facts
        hosts.append(host)
        setInterface(facts, on: hosts.count - 1)
    }

    private mutating func link(_ words: inout ScenarioWords) throws(ScenarioError) {
        switch try words.next("what") {
        case "cut":
            isCut = true
            packets = []
            announcements = []
        case "heals": isCut = false
        case "delay": delay = try words.duration("delay")
        case let other: throw ScenarioError("a link is not '\(other)'")
        }
    }

    private mutating func perform(_ words: inout ScenarioWords, on host: Int) throws(ScenarioError) {
        var actions: [RouterAction] = []
        switch try words.next("what it does") {
        case "configures": try configure(&words, host, &actions)
        case "removes":
            let id = try hosts[host].router(words.next("router")).id
            hosts[host].node.remove(id, at: now, appendingTo: &actions)
        case "disables":
            let id = try hosts[host].router(words.next("router")).id
            hosts[host].node.setDisabled(id, true, at: now, appendingTo: &actions)
        case "hands-over":
            let id = try hosts[host].router(words.next("router")).id
            hosts[host].node.handOver(id, at: now, appendingTo: &actions)
        case "holds":
            let id = try hosts[host].router(words.next("router")).id
            hosts[host].node.setHeld(id, try words.flag("held"), at: now, appendingTo: &actions)
        case "sends": hosts[host].isMute = try !words.flag("whether adverts leave")
        case "enables":
            let id = try hosts[host].router(words.next("router")).id
            hosts[host].node.setDisabled(id, false, at: now, appendingTo: &actions)
        case "stops": hosts[host].node.stop(withoutGates: false, at: now, appendingTo: &actions)
        case "interface": try interface(&words, host)
        case "check": try check(&words, host, &actions)
        case "claims": hosts[host].claims = try Self.claims(&words)
        case "claimed":
            let router = try hosts[host].router(words.next("router"))
            hosts[host].held[router.id] = router.configuration.addresses
            hosts[host].node.claimed(router.id, failure: nil, at: now, appendingTo: &actions)
        case "loses": try lose(&words, host, &actions)
        case "gate": try gate(&words, host, &actions)
        case "hears": try hear(&words, host)
        case "pauses":
            hosts[host].life = .paused
            hosts[host].pausedAt = now
        case "crashes": hosts[host].life = .dead
        case "wakes":
            hosts[host].life = .running
            readInbox(host)
        case "engine": try engine(&words, host)
        case "shows": try show(&words, host)
        case let other: throw ScenarioError("a host does not know '\(other)'")
        }
        perform(actions, on: host)
    }

    // MARK: - Facts

    mutating func setInterface(_ facts: InterfaceFacts?, on host: Int) {
        hosts[host].facts = facts
        var actions: [RouterAction] = []
        hosts[host].node.interface("eth0", facts, at: now, appendingTo: &actions)
        perform(actions, on: host)
    }

    private mutating func interface(_ words: inout ScenarioWords, _ host: Int) throws(ScenarioError) {
        var facts = hosts[host].facts ?? InterfaceFacts(index: 1)
        switch try words.next("state of the interface") {
        case "up":
            facts.isUp = true
            facts.hasCarrier = true
        case "down": facts.isUp = false
        case "no-carrier": facts.hasCarrier = false
        case "address":
            switch try words.address("address") {
            case .ipv4(let address): facts.sourceIPv4 = address
            case .ipv6(let address): facts.sourceIPv6 = address
            }
        case "no-ipv4-address": facts.sourceIPv4 = nil
        case "no-ipv6-address": facts.sourceIPv6 = nil
        case let other: throw ScenarioError("an interface is not '\(other)'")
        }
        setInterface(facts, on: host)
    }

    mutating func check(named name: String) -> CheckID {
        if let index = wording.checks.firstIndex(of: name) { return CheckID(UInt32(index)) }
        wording.checks.append(name)
        return CheckID(UInt32(wording.checks.count - 1))
    }

    private mutating func check(
        _ words: inout ScenarioWords, _ host: Int, _ actions: inout [RouterAction]
    ) throws(ScenarioError) {
        let id = check(named: try words.next("check"))
        let verdict: Verdict
        switch try words.next("passes, fails, times-out, has-ttl or is-removed") {
        case "passes": verdict = .passing
        case "fails": verdict = .failing(.exited(1))
        case "times-out": verdict = .failing(.timedOut)
        case "has-ttl":
            let timeToLive = try words.duration("time to live")
            let known: CheckTable.Known
            switch try words.next("cold, unjudged or passing") {
            case "cold": known = .cold
            case "unjudged": known = .unjudged
            case "passing": known = .known(.passing, age: .zero)
            case let other: throw ScenarioError("nothing is known as '\(other)'")
            }
            hosts[host].verdicts[id] = (timeToLive, known)
            hosts[host].node.define(
                check: id, timeToLive: timeToLive, known: known, at: now, appendingTo: &actions)
            return
        case "is-removed":
            hosts[host].verdicts[id] = nil
            hosts[host].node.removeCheck(id)
            return
        case let other: throw ScenarioError("a check does not '\(other)'")
        }
        guard hosts[host].verdicts[id] != nil else { throw ScenarioError("give the check a time to live first") }
        hosts[host].verdicts[id]?.known = .known(verdict, age: .zero)
        hosts[host].node.verdict(verdict, of: id, at: now, appendingTo: &actions)
    }

    private static func claims(_ words: inout ScenarioWords) throws(ScenarioError) -> ScenarioHost.Claims {
        switch try words.next("how claims end") {
        case "succeed": return .succeed
        case "fail": return .fail
        case "wait": return .wait
        case "refuse": return .refuse(try addresses(words.next("addresses")))
        case let word: throw ScenarioError("claims succeed, fail, wait or refuse, not '\(word)'")
        }
    }

    private mutating func lose(
        _ words: inout ScenarioWords, _ host: Int, _ actions: inout [RouterAction]
    ) throws(ScenarioError) {
        let id = try hosts[host].router(words.next("router")).id
        let lost = try Self.addresses(words.next("addresses"))
        hosts[host].held[id]?.removeAll { lost.contains($0) }
        hosts[host].node.addressesLost(id, lost, at: now, appendingTo: &actions)
    }

    private mutating func gate(
        _ words: inout ScenarioWords, _ host: Int, _ actions: inout [RouterAction]
    ) throws(ScenarioError) {
        let id = try hosts[host].router(words.next("router")).id
        guard let gate = hosts[host].node.awaitedGates.first(where: { $0.router == id }) else {
            throw ScenarioError("no gate is awaited")
        }
        let failure: CheckFailure?
        switch try words.next("passes, fails or times-out") {
        case "passes": failure = nil
        case "fails": failure = .exited(1)
        case "times-out": failure = .timedOut
        case let other: throw ScenarioError("a gate does not '\(other)'")
        }
        hosts[host].node.gate(id, sequence: gate.sequence, failure: failure, at: now, appendingTo: &actions)
    }
}
