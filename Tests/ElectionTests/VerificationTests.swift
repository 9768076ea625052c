// Whether a takeover arrived: who is asked about what, and what the answers amount to.

import Testing
import Wire

@testable import Election

private func ipv4(_ last: UInt8) -> IPAddress { .ipv4(IPv4Address(192, 0, 2, last)) }
private func ipv6(_ last: UInt64) -> IPAddress { .ipv6(IPv6Address(high: 0x2001_0DB8 << 32, low: last)) }
private func near(_ last: UInt64) -> IPAddress { .ipv6(IPv6Address(high: 0xFE80 << 48, low: last)) }

/// For what changes the value that it is about, which the macro does not allow.
private func check(
    _ isSo: Bool, _ comment: Comment? = nil, sourceLocation: SourceLocation = #_sourceLocation
) {
    #expect(isSo, comment, sourceLocation: sourceLocation)
}

@Suite struct VerificationTests {
    private let began = Instant(nanoseconds: 5_000_000_000)

    private func asked(_ witness: Witness, _ targets: [IPAddress], about addresses: [IPAddress]) -> Verification {
        var verification = Verification(began: began)
        for target in targets { verification.ask(target, as: witness, about: addresses) }
        for place in verification.questions.indices { verification.questions[place].asked = 1 }
        return verification
    }

    @Test func `those who are expected to answer decide, and all of them must`() {
        var verification = asked(.gateway, [ipv4(1)], about: [ipv4(10), ipv4(11)])
        #expect(verification.verdict == .pending)
        check(verification.answer(from: ipv4(1), to: ipv4(10), at: began + .milliseconds(1)))
        #expect(verification.verdict == .pending, "it has one address wrong, for all that is known")
        verification.ask(ipv4(7), as: .neighbor, about: [ipv4(10), ipv4(11)])
        check(verification.answer(from: ipv4(1), to: ipv4(11), at: began + .milliseconds(2)))
        #expect(verification.verdict == .verified, "nobody waits for neighbours")
        #expect(verification.questions.compactMap(\.answered) == [.milliseconds(1), .milliseconds(2)])
        verification.questions[0].answered = nil
        verification.isComplete = true
        #expect(verification.verdict == .unanswered)
    }

    @Test func `neighbours verify where nobody is expected to, and nobody is missed`() {
        var verification = asked(.neighbor, [ipv4(7), ipv4(8)], about: [ipv4(10)])
        check(verification.answer(from: ipv4(8), to: ipv4(10), at: began))
        #expect(verification.verdict == .pending, "others may be asked yet")
        verification.isComplete = true
        #expect(verification.verdict == .verified)
        verification.questions[1].answered = nil
        #expect(verification.verdict == .unwitnessed)
        #expect(Verification(began: began, isComplete: true).verdict == .unwitnessed)
    }

    @Test func `an answer that was not asked for, or comes again, is no news`() {
        var verification = asked(.gateway, [ipv4(1)], about: [ipv4(10)])
        check(!verification.answer(from: ipv4(2), to: ipv4(10), at: began))
        check(!verification.answer(from: ipv4(1), to: ipv4(12), at: began))
        verification.questions[0].asked = 0
        check(!verification.answer(from: ipv4(1), to: ipv4(10), at: began))
        verification.questions[0].asked = 2
        check(verification.answer(from: ipv4(1), to: ipv4(10), at: began - .milliseconds(1)))
        #expect(verification.questions[0].answered == .zero, "a stamp may be a little early")
        check(!verification.answer(from: ipv4(1), to: ipv4(10), at: began + .seconds(1)))
    }

    @Test func `each is asked once about each address of its family, but for what it is itself, and so many in all`() {
        var verification = Verification(began: began)
        let addresses = [near(0x5E33), ipv6(10), ipv4(10)]
        verification.ask(near(1), as: .gateway, about: addresses)
        verification.ask(near(1), as: .neighbor, about: addresses)
        verification.ask(near(2), as: .neighbor, about: addresses)
        verification.ask(ipv6(2), as: .neighbor, about: addresses)
        verification.ask(ipv4(10), as: .listed, about: addresses)
        #expect(
            verification.questions.map { [$0.target, $0.address] } == [
                [near(1), near(0x5E33)], [near(1), ipv6(10)], [near(2), near(0x5E33)], [ipv6(2), ipv6(10)],
            ])
        #expect(verification.questions.map(\.witness) == [.gateway, .gateway, .neighbor, .neighbor])
        let many = (0..<200).map { ipv4(UInt8($0)) }
        #expect(asked(.gateway, [ipv6(1), .ipv4(IPv4Address(10, 0, 0, 1))], about: many).questions.count == 64)
    }

    @Test func `it begins when the first round is out, and only where it is wanted`() {
        for isOn in [false, true] {
            var configuration = Bench.configuration()
            configuration.verification = VerificationPlan(isOn: isOn)
            var bench = Bench(configuration)
            bench.start()
            let log = bench.run(for: .seconds(10)).map(\.action)
            #expect(log.contains(.announce(0..<1)))
            #expect(log.count { $0 == .verify } == (isOn ? 1 : 0), "rounds that follow repeat it without being told")
            guard isOn, let first = log.firstIndex(of: .announce(0..<1)) else { continue }
            #expect(log[first + 1] == .verify)
        }
    }

    @Test func `of a first round that goes out in slices the last one counts, and a resumed master has none`() {
        let addresses = (0..<600).map {
            InterfaceAddress(address: .ipv4(IPv4Address(bits: 0x0A00_0000 + UInt32($0))), prefixLength: 32)
        }
        var configuration = Bench.configuration(addresses: addresses)
        configuration.verification = VerificationPlan(isOn: true)
        var bench = Bench(configuration)
        bench.start()
        let log = bench.run(for: .milliseconds(3_700)).map(\.action).filter { action in
            switch action {
            case .announce, .verify: true
            default: false
            }
        }
        #expect(Array(log.prefix(4)) == [.announce(0..<256), .announce(256..<512), .announce(512..<600), .verify])
        var resumed = Bench(configuration)
        resumed.start()
        resumed.router = VirtualRouter(configuration)
        resumed.send(.resumeMaster)
        resumed.start()
        #expect(!resumed.run(for: .seconds(5)).contains { $0.action == .verify })
    }
}
