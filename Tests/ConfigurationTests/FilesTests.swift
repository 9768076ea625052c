// Several files as one configuration, and files that cannot be read.

import Configuration
import Foundation
import Testing

/// A directory of its own, removed at the end.
private final class Folder {
    let path: String

    init(_ files: [String: String]) throws {
        path = NSTemporaryDirectory() + "vipd-configuration-\(UUID().uuidString)"
        for (name, text) in files {
            let file = URL(fileURLWithPath: path).appendingPathComponent(name)
            try FileManager.default.createDirectory(
                at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data(text.utf8).write(to: file)
        }
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// The errors with the folder's own path taken out.
    func errors(_ name: String = "vipd.yaml") -> [String] {
        do {
            _ = try loadConfiguration(path: "\(path)/\(name)")
            return []
        } catch {
            return error.errors.map { $0.description.replacing(path, with: "") }
        }
    }
}

private func part(_ name: String, vrid: Int, _ keys: String = "") -> String {
    "virtual-routers:\n  \(name): {interface: eth0, vrid: \(vrid), addresses: [192.0.2.\(vrid)]\(keys)}\n"
}

struct FilesTests {
    @Test func thePiecesAreOneConfigurationInTheOrderOfTheirNames() throws {
        let folder = try Folder([
            "vipd.yaml": "log-level: debug\n" + part("a", vrid: 1, ", checks: [c]"),
            "conf.d/20-more.yaml": part("b", vrid: 2) + "state-directory: /s\n",
            "conf.d/10-checks.yaml": "checks: {c: {command: [/x]}}\n" + part("z", vrid: 3),
            "conf.d/.hidden.yaml": "nonsense: 1\n",
            "conf.d/README": "not read",
        ])
        let configuration = try loadConfiguration(path: folder.path + "/vipd.yaml")
        #expect(configuration.routers.map(\.name) == ["a", "z", "b"])
        #expect(configuration.checks.map(\.name) == ["c"])
        #expect(configuration.logLevel == .debug)
        #expect(configuration.stateDirectory == "/s")
    }

    @Test func whatIsSaidTwiceNamesBothPlaces() throws {
        let folder = try Folder([
            "vipd.yaml": "log-level: info\n" + part("a", vrid: 1, ", checks: [c]") + "checks: {c: {command: [/x]}}\n",
            "conf.d/b.yaml": "log-level: info\n" + part("a", vrid: 2) + "checks: {c: {command: [/x]}}\n",
            "conf.d/c.yaml": part("d", vrid: 1),
        ])
        let all = folder.errors().map { $0.replacing("at /", with: "at FOLDER/").replacing("on /", with: "on FOLDER/") }
        #expect(
            all == [
                "/conf.d/b.yaml:1:1: 'log-level' is already set at FOLDER/vipd.yaml:1:1",
                "/conf.d/b.yaml:3:3: virtual router 'a' already exists at FOLDER/vipd.yaml:3:3",
                "/conf.d/b.yaml:4:10: check 'c' already exists at FOLDER/vipd.yaml:4:10",
                "/conf.d/c.yaml:2:3: virtual router 'd' has the same vrid 1, interface eth0 and family as 'a' on"
                    + " FOLDER/vipd.yaml:3:3",
                "/conf.d/c.yaml:2:45: address 192.0.2.1 already belongs to virtual router 'a', /vipd.yaml:3:45",
            ])
    }

    @Test func theErrorsOfAllFilesComeAtOnceMainFileFirst() throws {
        let folder = try Folder([
            "vipd.yaml": part("a", vrid: 0), "conf.d/b.yaml": "x: 1\n", "conf.d/a.yaml": "y: 1\n", "conf.d/c.yaml": "[",
        ])
        let places = folder.errors().map { $0.prefix { $0 != " " } }
        #expect(
            places == [
                "/vipd.yaml:2:30:", "/conf.d/a.yaml:1:1:", "/conf.d/b.yaml:1:1:", "/conf.d/c.yaml:2:1:",
            ])
    }

    @Test func aBrokenPieceDoesNotMakeItsChecksUnknown() throws {
        let folder = try Folder([
            "vipd.yaml": part("a", vrid: 1, ", checks: [c]"), "conf.d/c.yaml": "checks: {c: {command: [/x]}\n",
        ])
        let all = folder.errors()
        #expect(all.count == 1)
        #expect(all[0].hasPrefix("/conf.d/c.yaml:2:1: not valid YAML"), "\(all[0])")
    }

    @Test(arguments: ["", "# only a comment\n", "---\n# nothing\n...\n"])
    func anEmptyFileIsNoErrorWhileAnotherHasARouter(empty: String) throws {
        let piece = try Folder(["vipd.yaml": part("a", vrid: 1), "conf.d/x.yaml": empty])
        #expect(try loadConfiguration(path: piece.path + "/vipd.yaml").routers.map(\.name) == ["a"])
        let main = try Folder(["vipd.yaml": empty, "conf.d/x.yaml": part("a", vrid: 1)])
        #expect(try loadConfiguration(path: main.path + "/vipd.yaml").routers.map(\.name) == ["a"])
        // An empty file hides nothing, so what is unknown is still said.
        let unknown = try Folder(["vipd.yaml": part("a", vrid: 1, ", checks: [c]"), "conf.d/x.yaml": empty])
        #expect(unknown.errors().count == 1)
        let nothing = try Folder(["vipd.yaml": empty, "conf.d/x.yaml": empty])
        #expect(nothing.errors().map { $0.prefix(34) } == ["/vipd.yaml:1:1: the file is empty;"])
        let noRouter = try Folder(["vipd.yaml": "log-level: info\n", "conf.d/x.yaml": empty])
        #expect(noRouter.errors().map { $0.prefix(42) } == ["/vipd.yaml:1:1: there is no virtual router"])
    }

    @Test func aFileThatCannotBeReadSaysWhy() throws {
        let folder = try Folder(["vipd.yaml": part("a", vrid: 0), "conf.d/x.yaml/y": "", "conf.d/z.yml": ""])
        #expect(folder.errors("none.yaml").first == "/none.yaml:1:1: cannot be read: No such file or directory")
        #expect(folder.errors("conf.d").first == "/conf.d:1:1: not a regular file")
        #expect(
            folder.errors() == [
                "/vipd.yaml:2:30: vrid must be a whole number from 1 to 255, not '0'",
                "/conf.d/x.yaml:1:1: not a regular file",
                "/conf.d/z.yml:1:1: only files that end in .yaml are read here; rename or remove it",
            ])
    }

    @Test func aNamedPipeDoesNotBlock() throws {
        let folder = try Folder(["conf.d/a.yaml": ""])
        let made = unsafe mkfifo(folder.path + "/pipe.yaml", 0o600)
        #expect(made == 0)
        #expect(folder.errors("pipe.yaml").first == "/pipe.yaml:1:1: not a regular file")
    }

    @Test func aFileOfMoreThanAMebibyteIsRefused() throws {
        let folder = try Folder(["vipd.yaml": String(repeating: "# x\n", count: 262_145)])
        #expect(folder.errors() == ["/vipd.yaml:1:1: larger than 1048576 octets"])
    }

    @Test func anErrorIsWrittenAsCompilersDo() {
        let one = ConfigurationProblem(file: "a.yaml", line: 3, column: 7, message: "no")
        #expect(one.description == "a.yaml:3:7: no")
        let doubt = ConfigurationProblem(.warning, file: "a.yaml", line: 3, column: 7, message: "no")
        #expect(doubt.description == "a.yaml:3:7: warning: no" && doubt != one)
        #expect(ConfigurationErrors([one, one]).description == "a.yaml:3:7: no\na.yaml:3:7: no")
    }
}
