// What the checks found, kept for the next supervisor of this boot, so that an upgrade or a crash does not put every router
// into fault until its checks have run again: STATE-DIRECTORY/verdicts, the boot's identity in the first line and a check in
// each further one. A file that cannot be understood means that nothing is known, which is what a cold start is.

import Configuration
import Election
import System

/// A verdict as it was when it was written down.
struct StoredVerdict: Hashable, Sendable {
    /// The check's name.
    var name: String
    /// Of the check's definition, see `CheckConfiguration.fingerprint`.
    var fingerprint: UInt64
    var verdict: Verdict
    /// When the run ended that it comes from, CLOCK_BOOTTIME in nanoseconds.
    var at: Int64
}

/// The file of verdicts.
struct VerdictStore: Sendable {
    private let file: StateFile
    private let boot: String

    /// `boot` is what tells this boot from another: boot times of another mean nothing.
    init(directory: String, boot: String) {
        file = StateFile(directory: directory, name: "verdicts")
        self.boot = boot
    }

    /// random(4): another with each boot; empty, and then nothing is carried over, where /proc does not have it.
    static func currentBoot() -> String {
        let content = try? StateFile(directory: "/proc/sys/kernel/random", name: "boot_id").read()
        return String(decoding: content?.prefix { $0 > 0x20 } ?? [], as: UTF8.self)
    }

    /// What was written in this boot; empty when there is no file or it is not one of these.
    func read() throws(SystemError) -> [StoredVerdict] {
        let lines = try file.read()?.split(separator: UInt8(ascii: "\n")) ?? []
        guard !boot.isEmpty, let first = lines.first, String(decoding: first, as: UTF8.self) == "boot \(boot)" else {
            return []
        }
        return lines.dropFirst().compactMap { StoredVerdict(line: String(decoding: $0, as: UTF8.self)) }
    }

    /// Replaces all of it. A power cut may lose it: it would not count after one anyway.
    func write(_ verdicts: [StoredVerdict]) throws(SystemError) {
        let lines = ["boot \(boot)"] + verdicts.map(\.line)
        try file.write(Array(lines.map { "\($0)\n" }.joined().utf8), durable: false)
    }
}

extension StoredVerdict {
    /// `NAME FINGERPRINT BOOT-TIME VERDICT [NUMBER]`; names have no spaces.
    var line: String {
        let fields = [name, String(fingerprint, radix: 16), "\(at)"]
        return (fields + verdict.failure.words).joined(separator: " ")
    }

    /// nil for what is not such a line.
    init?(line: String) {
        let fields = line.split(separator: " ")
        guard fields.count >= 4, let fingerprint = UInt64(fields[1], radix: 16), let at = Int64(fields[2]) else {
            return nil
        }
        let number = fields.count > 4 ? Int64(fields[4]) : nil
        let verdict: Verdict
        switch (fields[3], number) {
        case ("passing", nil): verdict = .passing
        case ("exited", let status?):
            guard let status = UInt8(exactly: status) else { return nil }
            verdict = .failing(.exited(status))
        case ("killed", let signal?):
            guard let signal = UInt8(exactly: signal) else { return nil }
            verdict = .failing(.killed(signal))
        case ("not-started", let code?):
            guard let code = Int32(exactly: code) else { return nil }
            verdict = .failing(.notStarted(code))
        case ("timed-out", nil): verdict = .failing(.timedOut)
        case ("missing", nil): verdict = .failing(.missing)
        case ("not-executable", nil): verdict = .failing(.notExecutable)
        default: return nil
        }
        self.init(name: String(fields[0]), fingerprint: fingerprint, verdict: verdict, at: at)
    }
}

extension CheckFailure? {
    /// The verdict in a line of the file. Pending and stale are no verdicts of a run; nothing is read from them.
    fileprivate var words: [String] {
        switch self {
        case nil: ["passing"]
        case .exited(let status): ["exited", "\(status)"]
        case .killed(let signal): ["killed", "\(signal)"]
        case .notStarted(let code): ["not-started", "\(code)"]
        case .timedOut: ["timed-out"]
        case .missing: ["missing"]
        case .notExecutable: ["not-executable"]
        case .pending, .stale: ["unknown"]
        }
    }
}

extension CheckConfiguration {
    /// The same as long as it is the same check: its command and its user, as on a reload. FNV-1a, because it must be the
    /// same in the next process; this is against mistakes and not against forgery, which root alone could commit.
    var fingerprint: UInt64 {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        func add(_ text: String) {
            for octet in text.utf8 { hash = (hash ^ UInt64(octet)) &* 0x100_0000_01B3 }
            // An octet that no text has, so that ["a", "b"] is not ["ab"].
            hash = (hash ^ 0xFF) &* 0x100_0000_01B3
        }
        for argument in command.arguments { add(argument) }
        hash = (hash ^ 0xFE) &* 0x100_0000_01B3
        if let user = command.user { add(user) }
        return hash
    }

    /// How this check begins in a supervisor that starts at boot time `now`: with the verdict of the last one, if that is of
    /// the same check and younger than its time to live and the 5 s that may pass before a renewal is written; else cold.
    ///
    /// The engine would find such a verdict stale before the first run, which begins now, can have ended. So its age counts
    /// as interval × fall at the most: of the time to live (interval × fall + timeout + 1 s) the timeout of that run and a
    /// second for all else are left.
    func start(from stored: [StoredVerdict], at now: Int64) -> CheckJudge.Start {
        guard let verdict = stored.last(where: { $0.name == name && $0.fingerprint == fingerprint }),
            verdict.at >= 0, verdict.at <= now
        else { return .cold }
        let age = Duration.nanoseconds(now - verdict.at)
        guard age < timeToLive + VerdictKeeper.interval else { return .cold }
        return .carried(verdict.verdict, run: verdict.at, since: now - min(age, interval * fall).nanoseconds)
    }
}
