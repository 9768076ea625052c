// The words and sentences of causes, faults and spans, as log, hooks and status show them.

import Election
import Glibc
import Testing
import Wire

@testable import Status

@Suite struct WordingTests {
    private let checks = CheckNames([CheckID(1): "witness"])
    private let peer = IPAddress.ipv4(IPv4Address(192, 0, 2, 3))

    @Test func `silence tells from whom, for how long and how late the timer was`() {
        let cause = Cause.masterSilent(master: peer, silence: .microseconds(360_900), late: .microseconds(140))
        #expect(cause.word == "master-silent")
        #expect(cause.sentence(checks) == "no advert from 192.0.2.3 for 361 ms (timer 0.1 ms late)")
        let nobody = Cause.masterSilent(master: nil, silence: nil, late: .zero)
        #expect(nobody.sentence(checks) == "no advert from anybody (timer 0 ms late)")
    }

    @Test func `a handover is told with its figures, and a gap is called one`() {
        func text(_ overlap: Duration) -> String {
            HandoverOutcome.taken(by: peer, after: .microseconds(1_209_400), overlap: overlap)
                .sentence("web", state: .backup, fencesFirst: false)
        }
        #expect(text(.milliseconds(50)) == "handed over to 192.0.2.3 after 1209 ms; both answered for 50 ms, no gap")
        #expect(text(.zero) == "handed over to 192.0.2.3 after 1209 ms; no gap")
        #expect(text(.milliseconds(-609)) == "handed over to 192.0.2.3 after 1209 ms; nobody answered for 609 ms")
        let nobody = HandoverOutcome.nobody
        #expect(
            nobody.sentence("web", state: .master, fencesFirst: false) == "nobody took over; this host serves on")
        #expect(
            nobody.sentence("web", state: .master, fencesFirst: true) == "nobody took over; this host serves again")
    }

    @Test func `a peer's priority is the evidence`() {
        #expect(
            Cause.higherPriority(peer, priority: 200).sentence(checks)
                == "192.0.2.3 advertised the higher priority 200")
        #expect(Cause.masterResigned(peer).sentence(checks) == "192.0.2.3 resigned (priority 0)")
    }

    @Test func `a check is named, and one that is gone keeps its number`() {
        #expect(Fault.check(CheckID(1), .timedOut).sentence(checks) == "check witness: late (timed out)")
        #expect(Fault.check(CheckID(9), .exited(2)).sentence(checks) == "check 9: exit status 2")
        #expect(checks[CheckID(9)] == "check 9")
        #expect(
            Cause.lastResort(CheckID(1), .killed(9)).sentence(checks)
                == "check witness (last-resort): killed by signal 9")
    }

    @Test(arguments: [
        (CheckFailure.missing, "missing (command not found)"), (.notExecutable, "not executable"),
        (.killed(9), "killed by signal 9"), (.timedOut, "late (timed out)"), (.exited(3), "exit status 3"),
        (.notStarted(ESRCH), "could not be started: no such user"),
        (.notStarted(ELIBACC), "missing (interpreter not found)"),
        (.notStarted(EPERM), "could not be started: Operation not permitted"),
        (.stale, "stale (no result for too long)"), (.pending, "not run yet"),
    ]) func `each failure has its words`(failure: CheckFailure, text: String) {
        #expect(failure.reason == text)
    }

    @Test func `the kernel's refusal names address and reason`() {
        let address = InterfaceAddress(address: peer, prefixLength: 24)
        let rule = RoutingEntry.rule(PolicyRule(family: .ipv4, priority: 9, from: address.network, to: nil, table: 7))
        let refused = Fault.routing(RoutingFailure(entry: rule, code: 13))
        #expect(refused.word == "routing" && refused.reason == "Permission denied")
        #expect(
            refused.sentence(checks) == "the kernel refused the rule 9: from 192.0.2.0/24 lookup 7: Permission denied")
        #expect(Fault.routing(RoutingFailure(entry: rule, code: 101)).sentence(checks).contains("'on-link: yes'"))
        let removed = Fault.routingRemoved(rule, by: "")
        #expect(removed.word == "routing-removed" && removed.reason == nil)
        #expect(removed.sentence(checks).contains("taken off three times in 10 s, last by somebody else"))
        let fault = Fault.claim(ClaimFailure(address: address, code: 13))
        #expect(fault.sentence(checks) == "the kernel refused 192.0.2.3/24: Permission denied")
        #expect(fault.reason == "Permission denied")
    }

    @Test func `effects are spelled as in the configuration`() {
        #expect(
            [CheckEffect.fault, .weight(-60), .lastResort].map(\.word) == ["fault", "weight -60", "last-resort"])
    }

    @Test(arguments: [
        (Duration.zero, "0 ms"), (.microseconds(49), "0 ms"), (.microseconds(50), "0.1 ms"),
        (.microseconds(9_940), "9.9 ms"), (.microseconds(9_960), "10 ms"), (.milliseconds(361), "361 ms"),
        (.milliseconds(9_999), "9999 ms"), (.milliseconds(10_000), "10 s"), (.milliseconds(12_340), "12.3 s"),
        (.milliseconds(-5), "-5 ms"),
    ]) func `spans are for people`(span: Duration, text: String) {
        #expect(span.spoken == text)
    }

    @Test func `every counter has its own name in kebab-case`() {
        let names = Counter.allCases.map(\.name)
        #expect(Set(names).count == names.count)
        #expect(
            names.allSatisfy {
                $0.utf8.allSatisfy { $0 == 0x2D || (0x30...0x39).contains($0) || (0x61...0x7A).contains($0) }
            })
        #expect(Counter.advertsReceived.name == "advertisement-rcvd")
    }
}
