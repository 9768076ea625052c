// The words of a transcript. Written out, because the pure modules have no reflection, and short, because people read them
// beside the code.

import Election
import Wire

/// Seconds with nine decimals.
func seconds(_ time: Int64) -> String {
    var fraction = String(time % 1_000_000_000)
    while fraction.utf8.count < 9 { fraction = "0" + fraction }
    return "\(time / 1_000_000_000).\(fraction)"
}

/// A span in the unit that suits it.
func span(_ length: Int64) -> String {
    if length % 1_000_000_000 == 0 { return "\(length / 1_000_000_000)s" }
    return length % 1_000_000 == 0 ? "\(length / 1_000_000)ms" : "\(length / 1_000)us"
}

extension StateName {
    var word: String {
        switch self {
        case .initialize: "initialize"
        case .backup: "backup"
        case .master: "master"
        case .fault: "fault"
        case .disabled: "disabled"
        case .resigning: "resigning"
        }
    }
}

extension Cause {
    var word: String {
        switch self {
        case .started: "started"
        case .resumed: "resumed"
        case .owner: "owner"
        case .masterSilent(let master, _, let late):
            "silence of \(master.map { $0.description } ?? "everybody"), late by \(span(late.nanoseconds))"
        case .masterResigned(let master): "\(master) resigned"
        case .preemptedLower(let master, let priority): "preempts \(master) of priority \(priority)"
        case .higherPriority(let master, let priority): "yields to \(master) of priority \(priority)"
        case .greaterAddress(let master, let priority): "yields to the greater \(master) of priority \(priority)"
        case .fault: "fault"
        case .recovered: "recovered"
        case .lastResort: "last resort"
        case .disabled: "disabled"
        case .enabled: "enabled"
        case .stopped: "stopped"
        case .reconfigured: "reconfigured"
        case .handedOver: "handed over"
        case .nobodyTookOver: "nobody took over"
        case .late(let silence): "late, \(span(silence.nanoseconds)) since its last advert"
        }
    }
}

extension HandoverOutcome {
    var word: String {
        switch self {
        case .notMaster: "not master"
        case .isOwner: "owner"
        case .taken(let peer, let after, let overlap):
            "taken by \(peer) after \(span(after.nanoseconds)), overlap \(span(overlap.nanoseconds))"
        case .nobody: "nobody took over"
        case .gateFailed: "the gate failed"
        case .interrupted: "interrupted"
        }
    }
}

extension Plan {
    func words(_ fault: PlannedFault) -> String {
        let host = "host \(fault.host + 1)"
        let seat = "\(host), router \(fault.router + 1)"
        let segment = "segment \(fault.segment + 1)"
        let what: String =
            switch fault.kind {
            case .loss: "adverts are lost on \(segment)"
            case .duplication: "adverts are doubled on \(segment)"
            case .slowness: "adverts are slow and out of order on \(segment)"
            case .oneWayCut: "host \(fault.value + 1) does not hear \(host) on \(segment)"
            case .partition: "\(segment) is divided, pattern \(fault.value)"
            case .pause: "\(host) is paused"
            case .engineDeath: "the engine of \(host) dies"
            case .agentDeath: "engine and supervisor of \(host) die"
            case .hostDeath: "\(host) loses power"
            case .stop: "the agent of \(host) is stopped"
            case .supervisorDeath: "the supervisor of \(host) dies"
            case .carrierLoss: "\(host) has no carrier on \(segment)"
            case .claimRefused where fault.concernsAllHosts:
                "the kernels refuse addresses: router \(fault.router + 1), all hosts"
            case .claimRefused: "the kernel refuses addresses: \(seat)"
            case .gateFails: "gates fail: \(seat)"
            case .gateHangs: "gates hang: \(seat)"
            case .addressDeleted: "somebody deletes an address: \(seat)"
            case .checkFails: "check \(fault.value + 1) of \(host) fails"
            case .checkHangs: "check \(fault.value + 1) of \(host) hangs"
            case .suspension: "\(host) is suspended"
            case .muteness: "adverts of \(host) do not leave it on \(segment)"
            case .removal: "reload, taken out: \(seat)"
            case .handover: "handover\(fault.value % 2 == 0 ? " with a hold" : ""): \(seat)"
            case .priority: "reload, priority \(fault.value): \(seat)"
            case .disable: "the operator disables \(seat)"
            case .interval: "reload, \(fault.value) x interval: \(seat)"
            case .addresses: "reload, other addresses: \(seat)"
            case .preempt: "reload, preempt: \(seat)"
            }
        return "\(what), \(span(fault.length))"
    }
}

extension World {
    /// What the world is made of, at the head of the transcript.
    func describePlan() {
        note {
            "world \(plan.seed): \(plan.hosts) hosts, \(plan.segments) segment(s), delay \(span(plan.delay.lowerBound))"
                + "...\(span(plan.delay.upperBound)), gates up to \(span(plan.gateTime))"
        }
        for router in plan.routers.indices {
            let shared = plan.routers[router]
            note(nil, router) {
                "VRID \(shared.vrid), version \(shared.version.rawValue), IPv\(shared.family.rawValue), "
                    + "segment \(shared.segment + 1)\(shared.isUnicast ? ", unicast" : "")"
            }
            for host in 0..<plan.hosts {
                guard let seat = plan.seats[plan.seat(host, router)] else { continue }
                var text = "priority \(seat.priority), interval \(span(seat.advertisementInterval.nanoseconds))"
                text += ", \(seat.addresses.count) address(es)\(seat.preempt ? "" : ", no preempt")"
                if seat.preemptDelay > .zero { text += ", preempt delay \(span(seat.preemptDelay.nanoseconds))" }
                if seat.startDelay > .zero { text += ", start delay \(span(seat.startDelay.nanoseconds))" }
                if seat.alsoVersion2 { text += ", also version 2" }
                if seat.intervalLimit != 10 { text += ", interval limit \(seat.intervalLimit)" }
                if seat.gatesClaim { text += ", claim gate" }
                if seat.gatesRelease { text += ", release gate" }
                for check in seat.checks {
                    text += ", check \(check.check.number + 1) "
                    switch check.effect {
                    case .fault: text += "fault"
                    case .weight(let weight): text += "weight \(weight)"
                    case .lastResort: text += "last resort"
                    }
                }
                note(host, router) { text }
            }
        }
    }
}
