// The words and sentences for what the agent decides: states, causes, faults, check failures, effects and counters. They
// live here and nowhere else, because the log, the status document, the hooks' environment and the command line must say
// the same thing in the same words. A new cause does not compile until it has both.

import Election
import Glibc
import Wire

/// The names of the checks, which causes and faults know by number only.
package struct CheckNames: Hashable, Sendable {
    private var names: [UInt32: String]

    package init(_ names: [CheckID: String] = [:]) {
        var numbers: [UInt32: String] = [:]
        for (check, name) in names { numbers[check.number] = name }
        self.names = numbers
    }

    /// The configured name; `check 7` for a check that is no longer configured.
    package subscript(check: CheckID) -> String {
        get { names[check.number] ?? "check \(check.number)" }
        set { names[check.number] = newValue }
    }

    /// `check witness`, as sentences begin.
    func subject(_ check: CheckID) -> String { names[check.number].map { "check \($0)" } ?? "check \(check.number)" }
}

extension StateName {
    /// The word of the status document: `initialize`, `backup`, `master`, `fault`, `disabled` or `resigning`.
    package var word: String {
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
    /// The word of the status document and of VIPD_CAUSE.
    package var word: String {
        switch self {
        case .started: "started"
        case .resumed: "resumed"
        case .owner: "owner"
        case .masterSilent: "master-silent"
        case .masterResigned: "master-resigned"
        case .preemptedLower: "preempted-lower"
        case .higherPriority: "higher-priority"
        case .greaterAddress: "greater-address"
        case .fault: "fault"
        case .recovered: "recovered"
        case .lastResort: "last-resort"
        case .disabled: "disabled"
        case .enabled: "enabled"
        case .stopped: "stopped"
        case .reconfigured: "reconfigured"
        case .handedOver: "handed-over"
        case .nobodyTookOver: "nobody-took-over"
        case .late: "late"
        }
    }

    /// The evidence as a sentence without a full stop.
    package func sentence(_ checks: CheckNames) -> String {
        switch self {
        case .started:
            "the agent started"
        case .resumed:
            "a new engine continues where the last one stopped"
        case .owner:
            "this host owns the addresses (priority 255)"
        case .masterSilent(let master, let silence, let late):
            Self.silence(master: master, silence: silence, late: late)
        case .masterResigned(let master):
            "\(master) resigned (priority 0)"
        case .preemptedLower(let master, let priority):
            "\(master) advertised the lower priority \(priority)"
        case .higherPriority(let peer, let priority):
            "\(peer) advertised the higher priority \(priority)"
        case .greaterAddress(let peer, let priority):
            "\(peer) advertised the same priority \(priority) and has the greater address"
        case .fault(let fault):
            fault.sentence(checks)
        case .recovered:
            "nothing is wrong any more"
        case .lastResort(let check, let failure):
            "\(checks.subject(check)) (last-resort): \(failure.reason)"
        case .disabled:
            "disabled by the operator"
        case .enabled:
            "enabled by the operator"
        case .stopped:
            "the agent stops"
        case .reconfigured:
            "the configuration no longer has this router, or not in this form"
        case .handedOver:
            "handed over by the operator"
        case .nobodyTookOver:
            "nobody else became master, so this host goes on"
        case .late(let silence):
            "this host did not run and sent no advert for \(silence.spoken); others may have taken over"
        }
    }

    private static func silence(master: IPAddress?, silence: Duration?, late: Duration) -> String {
        let whom = master.map { "no advert from \($0)" } ?? "no advert from anybody"
        let howLong = silence.map { " for \($0.spoken)" } ?? ""
        return "\(whom)\(howLong) (timer \(late.spoken) late)"
    }
}

extension Fault {
    /// The word of the status document.
    package var word: String {
        switch self {
        case .interfaceMissing, .addressInterface(_, .missing): "interface-missing"
        case .interfaceDown, .addressInterface(_, .down): "interface-down"
        case .noCarrier, .addressInterface(_, .noCarrier): "no-carrier"
        case .noSourceAddress: "no-source-address"
        case .socket: "socket"
        case .check: "check"
        case .gate: "gate-claim"
        case .virtualMAC: "virtual-mac"
        case .claim: "claim"
        case .cannotSend: "cannot-send"
        case .addressRemoved: "address-removed"
        case .addressNotOurs: "address-not-ours"
        case .routing: "routing"
        case .routingRemoved: "routing-removed"
        }
    }

    /// What is wrong, as a sentence without a full stop.
    package func sentence(_ checks: CheckNames) -> String {
        switch self {
        case .interfaceMissing:
            "the interface does not exist"
        case .interfaceDown:
            "the interface is down"
        case .noCarrier:
            "the interface has no carrier"
        case .addressInterface(let name, let trouble):
            "the interface \(name), which is to hold addresses, \(Self.words(for: trouble))"
        case .noSourceAddress:
            "the interface has no address to send adverts from"
        case .socket(let code):
            "the advert sockets cannot be opened: \(errorText(code))\(code == EPERM ? " (needs CAP_NET_RAW)" : "")"
        case .check(let check, let failure):
            "\(checks.subject(check)): \(failure.reason)"
        case .gate(let failure):
            "gate-claim: \(failure.reason)"
        case .virtualMAC(let interface, EEXIST):
            "an interface \(interface) is there and was not made by vipd, which needs this name; remove or rename it"
        case .virtualMAC(let interface, let code):
            "the interface \(interface) of the virtual hardware address cannot be used: \(errorText(code))"
        case .claim(let failure):
            "the kernel refused \(failure.address): \(errorText(failure.code))\(failure.code == EPERM ? " (needs CAP_NET_ADMIN)" : "")"
        case .cannotSend(let code):
            "no advert could be sent for three intervals: \(errorText(code))\(Self.sendHint(code))"
        case .addressRemoved(let address, let process):
            "\(address) was taken off three times in 10 s, last by \(process.isEmpty ? "somebody else" : process)"
        case .addressNotOurs(let address):
            "somebody else has put \(address.address) on the interface; take it off there, or make this host its owner"
        case .routing(let failure):
            "the kernel refused the \(failure.entry): \(errorText(failure.code))\(Self.routingHint(failure.code))"
        case .routingRemoved(let entry, let process):
            "the \(entry) was taken off three times in 10 s, last by \(process.isEmpty ? "somebody else" : process)"
        }
    }

    private static func routingHint(_ code: Int32) -> String {
        switch code {
        case EPERM: " (needs CAP_NET_ADMIN)"
        case EEXIST:
            " (somebody else has another route with this destination and metric; remove it, or take another metric or table)"
        case ENETUNREACH, EHOSTUNREACH: " (the gateway is in no network of the device; add one, or say 'on-link: yes')"
        case ENODEV: " (no such interface)"
        case ENETDOWN: " (the device is down)"
        default: ""
        }
    }

    private static func words(for trouble: InterfaceTrouble) -> String {
        switch trouble {
        case .missing: "does not exist"
        case .down: "is down"
        case .noCarrier: "has no carrier"
        }
    }

    private static func sendHint(_ code: Int32) -> String {
        switch code {
        case EPERM: " (does an output rule of the firewall drop protocol 112?)"
        case ENOBUFS: " (the interface does not transmit: its queue is full, or it has no carrier)"
        default: ""
        }
    }

    /// The check that is the reason, if one is.
    package var check: CheckID? {
        switch self {
        case .check(let check, _): check
        case .interfaceMissing, .interfaceDown, .noCarrier, .addressInterface, .noSourceAddress, .socket, .gate, .claim,
            .virtualMAC, .cannotSend, .addressRemoved, .addressNotOurs, .routing, .routingRemoved:
            nil
        }
    }

    /// Why the check, gate or kernel request failed, where there is such a thing.
    package var reason: String? {
        switch self {
        case .check(_, let failure), .gate(let failure): failure.reason
        case .socket(let code), .cannotSend(let code), .virtualMAC(_, let code): errorText(code)
        case .claim(let failure): errorText(failure.code)
        case .routing(let failure): errorText(failure.code)
        case .interfaceMissing, .interfaceDown, .noCarrier, .addressInterface, .noSourceAddress, .addressRemoved,
            .addressNotOurs, .routingRemoved:
            nil
        }
    }
}

extension CheckFailure {
    /// The reason in the fewest words: `exit status 1`, `killed by signal 9`, `late (timed out)`.
    package var reason: String {
        switch self {
        case .pending: "not run yet"
        case .exited(let status): "exit status \(status)"
        case .killed(let signal): "killed by signal \(signal)"
        case .timedOut: "late (timed out)"
        case .missing: "missing (command not found)"
        case .notExecutable: "not executable"
        // The program exists; what its first line or its ELF header names does not.
        case .notStarted(ELIBACC): "missing (interpreter not found)"
        // What the supervisor passes on when the name service does not know the command's user; its log line has the name.
        case .notStarted(ESRCH): "could not be started: no such user"
        case .notStarted(let code): "could not be started: \(errorText(code))"
        case .stale: "stale (no result for too long)"
        }
    }
}

extension CheckEffect {
    /// As the configuration spells it: `fault`, `weight -60` or `last-resort`.
    package var word: String {
        switch self {
        case .fault: "fault"
        case .weight(let weight): "weight \(weight)"
        case .lastResort: "last-resort"
        }
    }
}

extension Counter {
    /// The leaf of RFC 8347 where there is one, else kebab-case.
    package var name: String {
        switch self {
        case .advertsReceived: "advertisement-rcvd"
        case .advertsSent: "advertisement-sent"
        case .advertSendErrors: "advertisement-send-errors"
        case .priorityZeroReceived: "priority-zero-pkts-rcvd"
        case .priorityZeroFromOther: "priority-zero-from-other"
        case .priorityZeroSent: "priority-zero-pkts-sent"
        case .masterTransitions: "master-transitions"
        case .backupTransitions: "backup-transitions"
        case .lowerPriorityDiscarded: "lower-priority-discarded"
        case .assertAdvertsSent: "assert-advertisements-sent"
        case .assertAdvertsSuppressed: "assert-advertisements-suppressed"
        case .checksumErrors: "checksum-errors"
        case .versionErrors: "version-errors"
        case .vridErrors: "vrid-errors"
        case .ttlErrors: "ip-ttl-errors"
        case .typeErrors: "invalid-type-pkts-rcvd"
        case .lengthErrors: "packet-length-errors"
        case .addressListErrors: "address-list-errors"
        case .intervalErrors: "interval-errors"
        case .sourceErrors: "source-errors"
        case .destinationErrors: "destination-errors"
        case .authenticationTypeErrors: "authentication-type-errors"
        case .authenticationDataErrors: "authentication-data-errors"
        case .notLinkLocalErrors: "not-link-local-errors"
        case .ownAdvertsHeard: "own-advertisements-heard"
        case .trailingOctets: "trailing-octet-pkts"
        case .otherChecksumForm: "other-checksum-form-pkts"
        case .firstAddressNotLinkLocal: "first-address-not-link-local-pkts"
        case .version2Twins: "twin-advertisements"
        case .announcementsSent: "announcements-sent"
        case .announcementsDelayed: "announcements-delayed"
        case .addressAddErrors: "address-add-errors"
        case .addressDeleteErrors: "address-delete-errors"
        case .lateWakeUps: "late-wake-ups"
        case .addressConflicts: "address-conflicts"
        case .filteredAdverts: "filtered-advertisements"
        }
    }
}

extension Duration {
    /// For people: `0.1 ms`, `361 ms`, `12.5 s`.
    package var spoken: String {
        let microseconds = (nanoseconds + 500) / 1_000
        if microseconds < 0 { return "-\((Duration.zero - self).spoken)" }
        if microseconds < 9_950 { return "\(tenths((microseconds + 50) / 100)) ms" }
        if microseconds < 9_999_500 { return "\((microseconds + 500) / 1_000) ms" }
        return "\(tenths((microseconds + 50_000) / 100_000)) s"
    }
}

/// A number of tenths with one decimal, without `.0`.
private func tenths(_ count: Int64) -> String {
    count % 10 == 0 ? "\(count / 10)" : "\(count / 10).\(count % 10)"
}

/// The C library's text for an errno.
func errorText(_ code: Int32) -> String {
    guard let text = unsafe strerror(code) else { return "error \(code)" }
    return unsafe String(cString: text)
}
