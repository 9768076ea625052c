// What one program of the agent leaves to the next that takes its process over: the engine with its descriptors, the numbers of
// virtual routers and checks that the engine knows, and what was told of them. A sealed memory carries it as JSON; the program
// that reads it believes it only when it knows both its format and the messages of the engine that it tells of.

import Configuration
import Election
import Glibc
import Messages
import Status
import System

/// A listening status socket with its file.
package struct InheritedListener: Hashable, Sendable, Codable {
    /// The number of a descriptor that whoever takes this over owns.
    package var descriptor: Int32
    package var path: String
    package var device: UInt
    package var inode: UInt
}

struct Inheritance: Hashable, Codable {
    /// Of this description; it rises with every change that an older or newer program would misread.
    static let format = 1
    /// The environment variable with the number of the memory's descriptor.
    static let variable = "VIPD_TAKEOVER"

    struct Router: Hashable, Codable {
        var number: UInt32
        var name: String
        var interface: String
        var vrid: UInt8
        var version: UInt8
        var isIPv6: Bool
        /// As `VirtualRouterRecord`.
        var told: UInt8?
        var stopped: Bool
        /// The engine's last, as the report that brought it, in hexadecimal digits; nil before the first.
        var snapshot: String?
    }

    struct Check: Hashable, Codable {
        var number: UInt32
        var name: String
        var fingerprint: UInt64
    }

    var format = Inheritance.format
    var messages = messagesVersion
    /// The versions of both programs, and when the old one left (wall clock, nanoseconds since 1970).
    var from: String
    var to: String
    var at: Int64
    var engine: EngineInheritance
    var listener: InheritedListener?
    /// The highest numbers given.
    var lastRouter: UInt32
    var lastCheck: UInt32
    var routers: [Router]
    var checks: [Check]
    /// Lines of `StoredVerdict`.
    var verdicts: [String]

    var status: UpgradeStatus {
        UpgradeStatus(state: .underWay, from: from, to: to, at: Timestamp(wallNanoseconds: at))
    }

    /// Every descriptor that must stay open, but for the memory itself.
    var descriptors: [Int32] { engine.descriptors + [listener?.descriptor].compactMap { $0 } }

    // MARK: Reading

    enum Found {
        /// This is a start like others.
        case nothing
        case inheritance(Inheritance)
        /// There is one, and it is of no use: why, and what it says of the upgrade if that can be read.
        case unusable(String, UpgradeStatus?)
    }

    /// The parts that every format has.
    private struct Head: Decodable {
        var format: Int
        var messages: UInt16
        var from: String
        var to: String
        var at: Int64
    }

    /// What the program before left, by the environment. To be called before anything is opened: where it is of no use every
    /// descriptor is closed, so that the old engine leaves, and its end is waited for.
    static func find(in environment: [String]) -> Found {
        guard let entry = environment.first(where: { $0.hasPrefix("\(variable)=") }) else { return .nothing }
        let found = read(entry.dropFirst(variable.utf8.count + 1))
        if case .unusable = found { letGo() }
        return found
    }

    private static func read(_ text: Substring) -> Found {
        guard let number = Int32(text), let memory = Takeover.inherited(number) else {
            return .unusable("there is no descriptor \(text)", nil)
        }
        do throws(SystemError) {
            return decode(try Takeover.read(memory))
        } catch {
            return .unusable("\(error)", nil)
        }
    }

    static func decode(_ octets: [UInt8]) -> Found {
        guard let head = try? decodeJSON(Head.self, from: octets) else {
            return .unusable("what the program before left cannot be read", nil)
        }
        let at = Timestamp(wallNanoseconds: head.at)
        var status = UpgradeStatus(state: .restarted, from: head.from, to: head.to, at: at)
        func unusable(_ reason: String) -> Found {
            status.text = reason
            return .unusable(reason, status)
        }
        guard head.format == format, head.messages == messagesVersion else {
            return unusable(
                "version \(head.from) left it in format \(head.format) with messages \(head.messages), and this program "
                    + "knows format \(format) with messages \(messagesVersion)")
        }
        guard let inheritance = try? decodeJSON(Inheritance.self, from: octets) else {
            return unusable("what version \(head.from) left cannot be read")
        }
        return .inheritance(inheritance)
    }

    func encode() throws -> [UInt8] { try jsonText(self) }

    /// Lets the old engine go, which resigns when its supervisor's end of the pair is closed, and waits for it.
    private static func letGo() {
        for number in 3..<Int32(4_096) { if let open = Takeover.inherited(number) { _ = consume open } }
        let end = Clock.monotonic() + 15_000_000_000
        var status: Int32 = 0
        while Clock.monotonic() < end {
            let ended = unsafe waitpid(-1, &status, WNOHANG)
            if ended < 0, errno == ECHILD { return }
            if ended == 0 { Clock.pause(nanoseconds: 10_000_000) }
        }
    }

    // MARK: What it means for this program

    /// Those of `configuration` that the engine knows, with their numbers. One that takes part in another election under its old
    /// name is not one of them.
    func known(in configuration: Configuration) -> NumberedConfiguration {
        let found = configuration.routers.compactMap { router -> NumberedRouter? in
            let election = router.election
            let before = routers.first {
                $0.name == router.name && $0.interface == election.interface && $0.vrid == election.vrid
                    && $0.version == election.version.rawValue && $0.isIPv6 == (election.family == .ipv6)
            }
            return before.map {
                NumberedRouter(router: RouterID($0.number), configuration: router, election: election)
            }
        }
        let known = configuration.checks.compactMap { check -> NumberedCheck? in
            let before = checks.first { $0.name == check.name && $0.fingerprint == check.fingerprint }
            return before.map { NumberedCheck(check: CheckID($0.number), configuration: check) }
        }
        return NumberedConfiguration(configuration: configuration, routers: found, checks: known)
    }

    func router(_ id: RouterID) -> Router? { routers.first { $0.number == id.number } }
}

extension Inheritance.Router {
    init(_ record: VirtualRouterRecord, _ snapshot: RouterSnapshot?) {
        let election = record.configuration.election
        self.init(
            number: record.router.number, name: record.name, interface: election.interface, vrid: election.vrid,
            version: election.version.rawValue, isIPv6: election.family == .ipv6, told: record.told?.rawValue,
            stopped: record.stopped, snapshot: snapshot.map(Self.digits))
    }

    private static func digits(_ snapshot: RouterSnapshot) -> String {
        var octets: [UInt8] = []
        Report.snapshot(snapshot).encode(into: &octets)
        let digits = Array("0123456789abcdef".utf8)
        return String(
            decoding: octets.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }

    /// The snapshot; nil where there is none or it cannot be read.
    var lastSnapshot: RouterSnapshot? {
        guard let digits = snapshot.map({ Array($0.utf8) }), digits.count % 2 == 0 else { return nil }
        var octets: [UInt8] = []
        for place in stride(from: 0, to: digits.count, by: 2) {
            guard let octet = UInt8(String(decoding: digits[place...(place + 1)], as: UTF8.self), radix: 16) else {
                return nil
            }
            octets.append(octet)
        }
        guard case .snapshot(let snapshot)? = try? Report(decoding: octets.span) else { return nil }
        return snapshot
    }
}
