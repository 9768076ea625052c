// What the tests of the configuration share: short texts around the one line that a test is about.

import Configuration
import Foundation
import Testing

/// The repository, found from this file.
let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()

/// The errors of a text, as they are printed; none if it parses.
func errors(_ text: String) -> [String] {
    do {
        _ = try parseConfiguration(text, file: "f")
        return []
    } catch {
        return error.errors.map(\.description)
    }
}

/// A good router that ends with these lines, at the column of its keys; the first of them is line 6.
func router(_ lines: String...) -> String {
    """
    virtual-routers:
      r:
        interface: eth0
        vrid: 51
        addresses: [192.0.2.10/24]

    """ + lines.map { "    \($0)\n" }.joined()
}

/// The same over IPv6.
func router6(_ lines: String...) -> String {
    router(lines.joined(separator: "\n    ")).replacing("192.0.2.10/24", with: "\"2001:db8::10/64\"")
}

/// A good router whose keys are given alone, so that any can be left out or wrong; the first is line 3.
func bare(_ lines: String...) -> String {
    "virtual-routers:\n  r:\n" + lines.map { "    \($0)\n" }.joined()
}

/// A check whose keys are given, used by a good router; the first key is line 3.
func check(_ lines: String...) -> String {
    "checks:\n  c:\n" + lines.map { "    \($0)\n" }.joined() + router("checks: [c]")
}

/// The only router of a text that parses.
func onlyRouter(_ text: String) throws -> RouterConfiguration {
    let configuration = try parseConfiguration(text, file: "f")
    return try #require(configuration.routers.first)
}
