// What is wrong with the YAML itself: exact place and text.

import Configuration
import Testing

struct SyntaxErrorTests {
    private let empty =
        "f:1:1: the file is empty; a configuration needs 'virtual-routers' with at least one virtual router"
        + " (interface, vrid, addresses)"

    @Test(arguments: ["", "\n\n", "# only a comment\n", "---\n", "~\n", "null", "\u{FEFF}"])
    func anEmptyFileSaysWhatIsNeeded(_ text: String) {
        #expect(errors(text) == [empty])
    }

    @Test func textThatIsNoMappingIsRefused() {
        let keys = "status-socket, state-directory, log-level, engine, checks or virtual-routers"
        #expect(errors("hello\n") == ["f:1:1: a configuration must be a mapping of \(keys), not text"])
        #expect(errors("- a\n") == ["f:1:1: a configuration must be a mapping of \(keys), not a list"])
    }

    @Test func aSyntaxErrorHasItsPlace() {
        #expect(
            errors("virtual-routers:\n  r: a: b\n") == [
                "f:2:7: not valid YAML: mapping values are not allowed in this context"
            ])
        #expect(
            errors("virtual-routers:\n\tr: 1\n") == [
                "f:2:1: not valid YAML: found character that cannot start any token (a tab, or text that begins with"
                    + " @, ` or %: indent with spaces, quote the text) while scanning for the next token that begins on"
                    + " line 2"
            ])
    }

    @Test func badUTF8HasItsPlace() {
        let text = Array("log-level: info\nä: ".utf8) + [0xFF, 0x0A]
        do {
            _ = try parseConfiguration(text, file: "f")
            Issue.record("it parsed")
        } catch {
            #expect(error.description == "f:2:4: not valid YAML: invalid leading UTF-8 octet")
        }
    }

    @Test func controlCharactersAreRefused() {
        #expect(errors("a: \u{1}\n") == ["f:1:4: not valid YAML: control characters are not allowed"])
        #expect(errors(router("hooks: {on-stop: {shell: \"a\\0b\"}}")) == ["f:6:30: the NUL character is not allowed"])
    }

    @Test func anchorsAliasesAndTagsAreRefused() {
        #expect(
            errors(router("preempt: &a yes", "accept: *a")) == [
                "f:6:14: anchors are not allowed ('&a')",
                "f:7:5: 'accept' has no value; give one or leave the key out",
                "f:7:13: aliases are not allowed ('*a')",
            ])
        #expect(errors(router("preempt: !!bool yes")) == ["f:6:14: tags are not allowed ('tag:yaml.org,2002:bool')"])
        #expect(errors("%TAG ! x:\n---\n" + router()) == ["f:1:1: %TAG is not allowed"])
    }

    @Test func aSecondDocumentIsRefused() {
        #expect(errors(router() + "---\nx: 1\n") == ["f:6:1: a second document begins here; one file is one document"])
    }

    @Test func nestingIsBounded() {
        let text = String(repeating: "[", count: 100_000)
        #expect(errors(text) == ["f:1:33: not valid YAML: nested more than 32 deep"])
    }

    @Test func aDuplicateKeyNamesTheFirst() {
        #expect(errors(router("vrid: 52")) == ["f:6:5: duplicate key 'vrid'; first on line 4"])
    }

    @Test func aKeyMustBeText() {
        #expect(errors(router("[a]: 1")) == ["f:6:5: a key must be text, not a list"])
    }

    @Test func errorsBeyondAHundredAreCounted() {
        let all = errors((1...150).map { "key\($0): 1\n" }.joined())
        #expect(all.count == 100)
        #expect(all.last?.hasSuffix("(and 50 more errors)") == true, "\(all.last ?? "")")
    }

    @Test func linesOfTheFileNeverBreakTheLineOfAnError() {
        let all = errors("\"a\\nb\\u2028\\x07\": 1\n")
        #expect(all.count == 1)
        #expect(all[0].contains("unknown key 'a\\nb\\u{2028}\\u{7}';"), "\(all[0])")
    }
}
