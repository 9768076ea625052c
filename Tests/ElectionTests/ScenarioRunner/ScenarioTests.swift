// Plays every transcript of Scenarios/ and compares what happens with what the file says. With REWRITE=1 in the environment
// it writes what happens instead; the difference is then for a human to judge.

import Foundation
import Testing

private let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("Scenarios")

private let scenarios: [String] = {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
    return names.filter { $0.hasSuffix(".txt") }.sorted()
}()

/// The file as it ought to be: its comments and commands, and under each command, indented, what followed from it.
private func replay(_ text: String) throws(ScenarioError) -> String {
    var world = ScenarioWorld()
    var result: [String] = []
    for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
        if line.hasPrefix("  ") { continue }
        result.append(String(line))
        if line.isEmpty || line.hasPrefix("#") { continue }
        do {
            try world.perform(command: String(line))
        } catch {
            throw ScenarioError("line \(index + 1): \(error)")
        }
        result += world.takeLines().map { "  " + $0 }
    }
    return result.joined(separator: "\n")
}

@Suite struct ScenarioTests {
    @Test(arguments: scenarios)
    func `what happens is what the transcript says`(_ name: String) throws {
        let file = folder.appendingPathComponent(name)
        let written = try String(contentsOf: file, encoding: .utf8)
        let played = try replay(written)
        if ProcessInfo.processInfo.environment["REWRITE"] == "1" {
            if played != written { try played.write(to: file, atomically: true, encoding: .utf8) }
            return
        }
        let expected = written.split(separator: "\n", omittingEmptySubsequences: false)
        let found = played.split(separator: "\n", omittingEmptySubsequences: false)
        guard expected != found else { return }
        let place = zip(expected, found).enumerated().first { $0.element.0 != $0.element.1 }?.offset
        let line = place ?? min(expected.count, found.count)
        Issue.record(
            """
            \(name):\(line + 1): the transcript says
              \(line < expected.count ? String(expected[line]) : "nothing more")
            and what happens is
              \(line < found.count ? String(found[line]) : "nothing more")
            """)
    }

    @Test(arguments: scenarios)
    func `a transcript begins with two to four lines of what is seen in the field`(_ name: String) throws {
        let text = try String(contentsOf: folder.appendingPathComponent(name), encoding: .utf8)
        let comment = text.split(separator: "\n", omittingEmptySubsequences: false).prefix { $0.hasPrefix("# ") }
        #expect((2...4).contains(comment.count))
        #expect(text.contains("\n  "), "it has results")
    }

    @Test func `none has gone missing`() {
        #expect(scenarios.count >= 26)
    }

    @Test(arguments: [
        "a runs", "host", "run", "run fast", "link", "link melts", "host a address 192.0.2.2 twice",
    ])
    func `what is not understood is refused`(_ command: String) {
        var isRefused = false
        do throws(ScenarioError) { _ = try replay(command) } catch { isRefused = true }
        #expect(isRefused)
    }
}
