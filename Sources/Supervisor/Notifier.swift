// The service manager's side: sd_notify(3) datagrams. Best effort: without NOTIFY_SOCKET nothing is sent, and a datagram
// that cannot be delivered changes nothing.

import System

/// Tells the service manager how the agent is doing.
struct Notifier {
    private let path: String?
    /// How often WATCHDOG=1 is due, half of what the service manager allows; nil when it does not watch.
    let watchdogInterval: Duration?

    /// Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID, each `NAME=value`, as sd_watchdog_enabled(3) does.
    init(environment: [String], process: Int32) {
        func value(_ name: String) -> String? {
            environment.first { $0.hasPrefix("\(name)=") }.map { String($0.dropFirst(name.utf8.count + 1)) }
        }
        path = value("NOTIFY_SOCKET")
        let isOurs = value("WATCHDOG_PID").map { Int32($0) == process } ?? true
        let microseconds = value("WATCHDOG_USEC").flatMap { Int64($0) } ?? 0
        watchdogInterval = path != nil && isOurs && microseconds > 0 ? .microseconds(microseconds / 2) : nil
    }

    /// Start or reload is complete.
    func ready(status: String) { send("READY=1\nSTATUS=\(status)") }
    /// A reload begins; the monotonic clock tells the manager which READY=1 belongs to it.
    func reloading() { send("RELOADING=1\nMONOTONIC_USEC=\(Clock.monotonic() / 1_000)") }
    func stopping() { send("STOPPING=1\nSTATUS=giving up the virtual routers") }
    func status(_ text: String) { send("STATUS=\(text)") }
    func watchdog() { send("WATCHDOG=1") }

    private func send(_ text: String) {
        guard let path else { return }
        try? DatagramSocket.send(text, to: path)
    }
}
