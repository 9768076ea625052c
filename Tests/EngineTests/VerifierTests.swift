// Which questions go out when: the allowance, the repeats, and whose answer it is.

import Election
import Testing
import Wire

@testable import Engine

private let millisecond: Int64 = 1_000_000
private let gateway = IPAddress.ipv4(IPv4Address(192, 0, 2, 1))

private let here = Verifier.Place(own: 5, segment: 3)

private func vip(_ number: Int) -> IPAddress { .ipv4(IPv4Address(bits: 0x0A00_0000 + UInt32(number))) }

/// For what changes the value that it is about, which the macro does not allow.
private func check(
    _ isSo: Bool, _ comment: Comment? = nil, sourceLocation: SourceLocation = #_sourceLocation
) {
    #expect(isSo, comment, sourceLocation: sourceLocation)
}

@Suite struct VerifierTests {
    /// Verifiers with one run each of so many routers, whose one address is asked about.
    private func verifier(_ count: Int, at now: Int64) -> Verifier {
        var verifier = Verifier(identifier: 7)
        for number in 0..<count {
            let id = RouterID(UInt32(number + 1))
            verifier.begin(
                id, at: [vip(number + 1): here], isOrdered: false,
                retries: [0, 100 * millisecond, 1_000 * millisecond], at: now, bootOffset: 5)
            verifier.change(id) { $0.verification.ask(gateway, as: .gateway, about: [vip(number + 1)]) }
            verifier.enqueue(id)
        }
        return verifier
    }

    private func ask(_ verifier: inout Verifier, at now: Int64) -> Int {
        var count = 0
        while let question = verifier.next(at: now) {
            verifier.noteAsked(question)
            count += 1
        }
        return count
    }

    @Test func `a few questions go out at once, then one a millisecond, and all of them in the end`() {
        var verifier = verifier(1_020, at: 0)
        check(ask(&verifier, at: 0) == Verifier.atOnce)
        #expect(verifier.due == millisecond)
        check(ask(&verifier, at: millisecond - 1) == 0)
        check(ask(&verifier, at: millisecond) == 1)
        check(ask(&verifier, at: 5 * millisecond) == 4)
        check(ask(&verifier, at: 90 * millisecond) == Verifier.atOnce, "what was not used is not saved up")
        var now = 90 * millisecond
        var count = 0
        while count < 2_000, now < 99 * millisecond {
            now += millisecond
            count += ask(&verifier, at: now)
        }
        #expect(count == 9)
    }

    @Test func `it is asked again with the rounds, and the end comes a second after the last`() {
        var verifier = verifier(1, at: 0)
        let id = RouterID(1)
        var asked: [Int64] = []
        var now: Int64 = 0
        while let run = verifier.runs[id], now < 10_000 * millisecond {
            for _ in 0..<ask(&verifier, at: now) { asked.append(now / millisecond) }
            guard now < run.end else { break }
            now = verifier.due
            for id in verifier.takeDue(at: now) where now < run.end { verifier.enqueue(id) }
        }
        #expect(asked == [0, 100, 1_000])
        #expect(now == 2_000 * millisecond)
        check(verifier.end(id)?.verification.questions.first?.asked == 3)
        #expect(verifier.due == .max && verifier.runs.isEmpty)
    }

    @Test func `runs that began one shortly after the other go on together`() {
        var verifier = Verifier(identifier: 7)
        let ids = (1...1_020).map { RouterID(UInt32($0)) }
        for (place, id) in ids.enumerated() {
            verifier.begin(
                id, at: [vip(place): here], isOrdered: false, retries: [0], at: Int64(place) * millisecond / 10,
                bootOffset: 0)
        }
        var turns = 0
        var gone: [RouterID: Int] = [:]
        while verifier.due < 300 * millisecond {
            let now = verifier.due
            for id in verifier.takeDue(at: now) {
                gone[id, default: 0] += 1
                #expect(now >= Int64(id.number - 1) * millisecond / 10 + Verifier.neighborDelay)
            }
            turns += 1
        }
        #expect(gone.count == ids.count && gone.values.allSatisfy { $0 == 1 })
        #expect(turns <= 12, "not one for each of them")
    }

    @Test func `an answer counts for the run that asked, on its interface, once`() {
        var verifier = verifier(2, at: 0)
        check(ask(&verifier, at: 0) == 2)
        func reply(_ number: Int, identifier: UInt16 = 7, sequence: UInt16) -> EchoMessage {
            EchoMessage(.reply, from: gateway, to: vip(number), identifier: identifier, sequence: sequence)
        }
        check(verifier.answer(reply(1, identifier: 8, sequence: 1), on: 3, at: 0) == nil)
        check(verifier.answer(reply(1, sequence: 2), on: 3, at: 0) == nil, "another run's")
        check(verifier.answer(reply(1, sequence: 1), on: 4, at: 0) == nil, "another interface")
        check(verifier.answer(reply(1, sequence: 1), on: 3, at: 0) == RouterID(1))
        check(verifier.answer(reply(1, sequence: 1), on: 3, at: 0) == nil)
        check(verifier.answer(reply(2, sequence: 2), on: 3, at: 0) == RouterID(2))
        verifier.begin(RouterID(2), at: [vip(2): here], isOrdered: true, retries: [], at: 1, bootOffset: 0)
        check(verifier.answer(reply(2, sequence: 2), on: 3, at: 2) == nil, "a new run begins with nothing")
        #expect(verifier.runs[RouterID(2)]?.verification.isOrdered == true)
    }

    @Test func `what waits for a target's hardware address is found by it, and gone with its run`() throws {
        var verifier = verifier(2, at: 0)
        while let question = verifier.next(at: 0) {
            verifier.noteUnresolved(question)
            verifier.noteUnresolved(question)
        }
        #expect(verifier.unresolved(on: 3) == [gateway] && verifier.unresolved(on: 4).isEmpty)
        check(verifier.takeResolved(gateway, on: 4).isEmpty)
        verifier.end(RouterID(1))
        check(verifier.takeResolved(gateway, on: 3).map(\.router) == [RouterID(2)])
        check(verifier.unresolved(on: 3).isEmpty && verifier.takeResolved(gateway, on: 3).isEmpty)
    }
}
