// The words of a transcript: times, durations and actions as a network engineer would write them down, and their reading
// back from commands. No decision is made here.

import Election
import Wire

/// A command of a transcript that makes no sense.
struct ScenarioError: Error, CustomStringConvertible {
    var description: String
    init(_ description: String) { self.description = description }
}

extension Duration {
    /// `3.609375s`: seconds with at least three decimals, exact to the nanosecond.
    var transcript: String {
        let value = nanoseconds
        let magnitude = abs(value)
        var fraction = String(magnitude % 1_000_000_000)
        fraction = String(repeating: "0", count: 9 - fraction.count) + fraction
        while fraction.count > 3, fraction.hasSuffix("0") { fraction.removeLast() }
        return "\(value < 0 ? "-" : "")\(magnitude / 1_000_000_000).\(fraction)s"
    }

    /// `3s`, `1.5s`, `250ms`, `100cs`.
    init(transcript text: String) throws(ScenarioError) {
        let units: [(suffix: String, nanoseconds: Double)] = [("ms", 1e6), ("cs", 1e7), ("us", 1e3), ("s", 1e9)]
        for unit in units where text.hasSuffix(unit.suffix) {
            guard let number = Double(text.dropLast(unit.suffix.count)), number >= 0, number < 1e6 else { break }
            self = .nanoseconds(Int64((number * unit.nanoseconds).rounded()))
            return
        }
        throw ScenarioError("'\(text)' is no duration like 3s, 250ms or 100cs")
    }
}

/// Says what happened, with the names of the checks.
struct ScenarioWording {
    var checks: [String] = []

    func name(_ check: CheckID) -> String {
        check.number < checks.count ? checks[Int(check.number)] : "check \(check.number)"
    }

    func list(_ addresses: [InterfaceAddress]) -> String { addresses.map(\.description).joined(separator: ", ") }

    func text(_ failure: CheckFailure) -> String {
        switch failure {
        case .exited(let status): "exit status \(status)"
        case .killed(let signal): "signal \(signal)"
        case .notStarted(let code): "not started, errno \(code)"
        case .timedOut: "timed out"
        case .pending: "has not passed yet"
        case .missing, .notExecutable, .stale: "\(failure)"
        }
    }

    func text(_ fault: Fault) -> String {
        switch fault {
        case .check(let check, let failure): "check \(name(check)): \(text(failure))"
        case .gate(let failure): "claim gate: \(text(failure))"
        case .claim(let failure): "claim of \(failure.address) refused"
        case .noCarrier: "no carrier"
        case .interfaceDown: "interface down"
        case .interfaceMissing: "interface missing"
        case .virtualMAC(let interface, let code): "no \(interface), errno \(code)"
        case .addressInterface(let name, let trouble): "\(name) of addresses \(trouble)"
        case .noSourceAddress: "no source address"
        case .socket(let code): "socket, errno \(code)"
        case .cannotSend(let code): "adverts cannot be sent, errno \(code)"
        case .addressRemoved(let address, _): "\(address) is taken off again and again"
        case .addressNotOurs(let address): "\(address) is there and not ours"
        case .routing(let failure): "\(failure.entry) refused"
        case .routingRemoved(let entry, _): "\(entry) is taken off again and again"
        }
    }

    /// Causes that need no evidence are their own words.
    func text(_ cause: Cause) -> String {
        switch cause {
        case .masterSilent(nil, _, _): "nobody was heard"
        case .masterSilent(let master?, let silence, let late):
            "\(master) silent for \(silence?.transcript ?? "ever")" + (late > .zero ? ", \(late.transcript) late" : "")
        case .masterResigned(let peer): "\(peer) resigned"
        case .preemptedLower(let peer, let priority): "preempts \(peer) of priority \(priority)"
        case .higherPriority(let peer, let priority): "\(peer) has the higher priority \(priority)"
        case .greaterAddress(let peer, let priority): "\(peer) has the greater address at priority \(priority)"
        case .fault(let fault): text(fault)
        case .lastResort(let check, let failure): "last resort, check \(name(check)): \(text(failure))"
        case .late(let silence): "late: no advert sent for \(silence.transcript)"
        case .handedOver: "handed over"
        case .nobodyTookOver: "nobody took over"
        default: "\(cause)"
        }
    }

    func text(_ outcome: HandoverOutcome) -> String {
        switch outcome {
        case .notMaster: "refused: not master"
        case .isOwner: "refused: owner of the addresses"
        case .taken(let peer, let after, let overlap):
            "done: \(peer) is master after \(after.transcript), both answered for \(overlap.transcript)"
        case .nobody: "failed: nobody took over"
        case .gateFailed(let failure): "failed: release gate: \(text(failure))"
        case .interrupted: "interrupted"
        }
    }

    func text(_ difference: PeerDifference) -> String {
        switch difference {
        case .interval(let own, let peer, let limit):
            "interval \(peer.transcript), ours is \(own.transcript)"
                + (limit == .zero ? "; dropped" : peer > limit ? ", obeyed as \(limit.transcript)" : "")
        case .addresses(_, _, let missing, let unexpected):
            "addresses" + (missing.map { ", lacks \($0)" } ?? "") + (unexpected.map { ", also has \($0)" } ?? "")
        case .version(let own, let peer): "version \(peer), ours is \(own.rawValue); dropped"
        case .checksumForm(let own, let peer): "checksum form \(peer), ours is \(own)"
        case .authentication(1, 1): "another password; dropped"
        case .authentication(let own, let peer): "authentication type \(peer), ours is \(own); dropped"
        case .bothOwner: "owns our addresses too"
        case .ownerHears(let priority): "advertises addresses that we own, priority \(priority)"
        case .equalPriority(let priority): "has our priority \(priority)"
        case .ourAddress: "sends from our own address; dropped"
        case .firstAddressNotLinkLocal: "first address not link-local"
        case .filtered(let isObeyed): "filtered here, \(isObeyed ? "obeyed" : "ignored")"
        case .doesNotHear(let priority): "does not hear us, priority \(priority)"
        }
    }

    func text(_ action: Action, of configuration: VirtualRouterConfiguration?) -> String {
        switch action {
        case .sendAdvert(let priority): return "sends advert, priority \(priority)"
        case .claim(let addresses): return "claims \(list(addresses))"
        case .release(let addresses): return "releases \(list(addresses))"
        case .settleRouting: return "settles routes and rules"
        case .announce(let range):
            let addresses = (configuration?.addresses ?? []).map(\.address.description)
            return "announces \(addresses[range.clamped(to: 0..<addresses.count)].joined(separator: ", "))"
        case .verify: return "verifies"
        case .ask(let range):
            let addresses = (configuration?.addresses ?? []).map(\.address.description)
            return "asks for \(addresses[range.clamped(to: 0..<addresses.count)].joined(separator: ", "))"
        case .addressClaimed(let claim): return "warns: \(claim.hardware) claims \(claim.address)"
        case .runGate(let kind, _, let cause): return "wants the \(kind) gate run (\(text(cause)))"
        case .cancelGate: return "ends the gate"
        case .transition(let transition):
            return "\(transition.from) -> \(transition.to) (\(text(transition.cause))), "
                + "priority \(transition.effectivePriority)"
        case .peerDiffers(let peer, let difference): return "warns: \(peer) differs: \(text(difference))"
        case .unsteady(let count, let window): return "warns: \(count) changes within \(window.transcript)"
        case .degraded(let missing):
            return missing.isEmpty
                ? "has everything" : "goes without: \(missing.map { text($0) }.joined(separator: ", "))"
        case .handover(let outcome): return "handover \(text(outcome))"
        case .releaseGateFailed(let failure, let leaving):
            return "release gate failed (\(text(failure))), \(leaving ? "leaves all the same" : "stays master")"
        }
    }
}
