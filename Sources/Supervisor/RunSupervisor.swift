// The entry point of `vipd run`: everything that happens before there is a supervisor, and the exit status after it.

import Configuration
import Glibc
import Status
import System

/// Runs the agent in the foreground until SIGTERM or SIGINT. Returns the exit status: 0 after such a signal, 1 when it cannot
/// start, with the reason on standard error.
package func runSupervisor(
    options: SupervisorOptions, load: @escaping LoadConfiguration, serveStatus: ServeStatus = serveStatusOverHTTP
) -> Int32 {
    let environment = ownEnvironment()
    // Before anything is opened here.
    let found = Inheritance.find(in: environment)
    let configuration: Configuration
    switch load(options.configuration) {
    case .invalid(let errors):
        for error in errors { complain(error) }
        return 1
    case .loaded(let loaded):
        configuration = loaded
    }
    guard let engine = findEngine(options.engine, environment: environment) else {
        complain("vipd: no vipd-engine beside this program or in ../libexec/vipd, and neither --engine nor VIPD_ENGINE")
        return 1
    }
    Signals.ignoreBrokenPipes()
    do {
        // Before any thread: all of them must have these blocked.
        let signals = try SignalDescriptor([SIGTERM, SIGINT, SIGHUP])
        let disabled = try DisabledStore(directory: configuration.stateDirectory).read()
        let holds = try HoldStore(directory: configuration.stateDirectory).read()
        let log = try Log(threshold: configuration.logLevel, priorities: isJournal(environment))
        defer { log.flush(atMost: .seconds(1)) }
        var inheritance: Inheritance?
        if case .inheritance(let usable) = found { inheritance = usable }
        let supervisor = try Supervisor(
            options: options, engine: engine, configuration: configuration, disabled: disabled, holds: holds,
            environment: environment, signals: signals, log: log, load: load, inheritance: inheritance)
        if case .unusable(let reason, let status) = found {
            log.write(.warning, "not-taken-over", ["text": "\(reason); this is a start like others"])
            supervisor.mirror.update { $0.upgrade = status }
        }
        try supervisor.run(serve: serveStatus)
        return 0
    } catch {
        complain("vipd: \(error)")
        return 1
    }
}

/// Standard error is the journal: JOURNAL_STREAM names its device and inode (systemd.exec(5)). The variable alone may be
/// inherited by somebody who writes elsewhere.
private func isJournal(_ environment: [String]) -> Bool {
    guard let entry = environment.first(where: { $0.hasPrefix("JOURNAL_STREAM=") }) else { return false }
    var information = stat()
    guard unsafe fstat(2, &information) == 0 else { return false }
    return entry == "JOURNAL_STREAM=\(information.st_dev):\(information.st_ino)"
}

/// One line on standard error, for what happens before there is a log.
private func complain(_ text: String) {
    let line = Array("\(text)\n".utf8)
    _ = unsafe line.withUnsafeBytes { unsafe write(2, $0.baseAddress, $0.count) }
}

/// This process's environment, `NAME=value` each.
package func ownEnvironment() -> [String] {
    var entries: [String] = []
    var next = unsafe environ
    while let entry = unsafe next.pointee {
        entries.append(unsafe String(cString: entry))
        unsafe next += 1
    }
    return entries
}

/// The engine's path: the option, VIPD_ENGINE, beside this program, `../libexec/vipd/`; nil when there is none of the last two.
package func findEngine(_ option: String?, environment: [String]) -> String? {
    if let option { return option }
    if let entry = environment.first(where: { $0.hasPrefix("VIPD_ENGINE=") }), entry.utf8.count > 12 {
        return String(entry.dropFirst(12))
    }
    guard let program = ownPath(), let slash = program.lastIndex(of: "/") else { return nil }
    let folder = program[..<slash]
    let places = ["\(folder)/vipd-engine", "\(folder)/../libexec/vipd/vipd-engine"]
    return places.first { unsafe access($0, X_OK) == 0 }
}

extension Incarnation {
    /// What this process was started as. The program by the name that it was called by, if that is a path: it may be a link that
    /// shows to another program after an upgrade.
    package static func own() -> Incarnation? {
        let arguments = Swift.CommandLine.arguments
        guard let name = arguments.first else { return nil }
        if name.hasPrefix("/") { return Incarnation(program: name, arguments: arguments) }
        return ownPath().map { Incarnation(program: $0, arguments: arguments) }
    }
}

/// Where /proc/self/exe points.
private func ownPath() -> String? {
    var path = [UInt8](repeating: 0, count: 4_096)
    let length = unsafe path.withUnsafeMutableBytes { bytes in
        guard let base = bytes.baseAddress else { return -1 }
        return unsafe readlink("/proc/self/exe", base.assumingMemoryBound(to: CChar.self), bytes.count)
    }
    return length > 0 ? String(decoding: path[..<length], as: UTF8.self) : nil
}

/// Whether a file can be executed by this process.
package func isExecutable(_ path: String) -> Bool { unsafe access(path, X_OK) == 0 }

/// Whether this program understands what another one leaves to it in this format.
package func takesOver(format: Int) -> Bool { format == Inheritance.format }
