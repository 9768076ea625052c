// Bytes that nobody would write: the parser answers with errors, never with a trap, and never takes long.

import Configuration
import Foundation
import Testing

struct RobustnessTests {
    /// SplitMix64, so that a failing seed replays.
    private struct Random: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var z = state
            z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
            z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
            return z ^ (z >> 31)
        }
    }

    private func parse(_ text: [UInt8]) {
        do {
            _ = try parseConfiguration(text, file: "f")
        } catch {
            for error in error.errors {
                #expect(error.line >= 1 && error.column >= 1)
                #expect(!error.message.utf8.contains(UInt8(ascii: "\n")))
            }
            #expect(!error.errors.isEmpty)
        }
    }

    @Test func randomBytesNeverTrap() {
        var random = Random(state: 1)
        let alphabet = Array("abc:-[]{},&*!|>'\"%@`#? \n\t0129./~yesno\\".utf8)
        for _ in 0..<3000 {
            let length = Int.random(in: 0..<200, using: &random)
            parse((0..<length).map { _ in UInt8.random(in: 0...255, using: &random) })
            parse((0..<length).map { _ in alphabet.randomElement(using: &random) ?? 0 })
        }
    }

    @Test(arguments: ["vipd.yaml", "postgresql.yaml", "minimal.yaml"])
    func mutatedExamplesNeverTrap(_ name: String) throws {
        let data = try Data(contentsOf: repository.appendingPathComponent("conf/\(name)"))
        // Without comments, or most mutations would hit one.
        let seed = String(decoding: data, as: UTF8.self).split(separator: "\n").filter {
            !$0.drop(while: { $0 == " " }).hasPrefix("#")
        }.joined(separator: "\n").utf8.map(\.self)
        let words = [
            "0", "-1", "99999999999999999999", "1e9s", "fe80::", "[", "{", ": ", "no", "~", "owner", "weight -5",
        ]
        var random = Random(state: 2)
        for _ in 0..<1500 {
            var text = seed
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let start = Int.random(in: 0..<max(text.count, 1), using: &random)
                let end = min(text.count, start + Int.random(in: 0...12, using: &random))
                switch Int.random(in: 0..<4, using: &random) {
                case 0: text.removeSubrange(start..<end)
                case 1: text.insert(contentsOf: text[start..<end], at: start)
                case 2: text.replaceSubrange(start..<end, with: (words.randomElement(using: &random) ?? "").utf8)
                default: if start < text.count { text[start] = UInt8.random(in: 0...255, using: &random) }
                }
            }
            parse(text)
        }
    }

    @Test func everyPrefixOfTheReferenceIsAnsweredFor() throws {
        let text = try Data(contentsOf: repository.appendingPathComponent("conf/vipd.yaml")).map(\.self)
        for length in stride(from: 0, to: text.count, by: 7) { parse(Array(text[..<length])) }
    }

    @Test func namesOfChecksAreMadePrintableWhereTheyAreSuggested() {
        let text =
            "checks:\n  \"g\\tat\\eeway\":\n    command: [/bin/true]\n    interval: 1s\n" + router("checks: [gateway]")
        let found = errors(text)
        #expect(found.count == 2, "the name is refused, and so is who names it almost")
        #expect(found.allSatisfy { $0.contains("g\\tat\\u{1b}eway") }, "\(found)")
        #expect(found.allSatisfy { error in error.utf8.allSatisfy { $0 >= 0x20 } })
    }

    @Test func aThousandRoutersAreReadInTime() throws {
        var text = "virtual-routers:\n"
        for index in 0..<1000 {
            text +=
                "  r\(index): {interface: eth\(index / 250), vrid: \(index % 250 + 1), addresses: [10.\(index / 250).\(index % 250 + 1).1, 10.9.\(index / 250).\(index % 250 + 1)]}\n"
        }
        let begin = ContinuousClock.now
        #expect(try parseConfiguration(text, file: "f").routers.count == 1000)
        // 0.1 s on the machine this was written on, in a debug build; the bound only tells linear from quadratic.
        #expect(ContinuousClock.now - begin < .seconds(10))
    }
}
