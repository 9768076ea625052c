// What the tests share: temporary folders, a loop that runs until something is true, and small configurations.

import Configuration
import Election
import Glibc
import Messages
import Synchronization
import System
import Testing
import Wire

@testable import Supervisor

/// A folder that is removed with its owner.
final class TemporaryFolder: Sendable {
    let path: String

    init() {
        var template = Array("/tmp/vipd-test-XXXXXX\0".utf8).map { CChar(bitPattern: $0) }
        let made = unsafe template.withUnsafeMutableBufferPointer { buffer in
            unsafe buffer.baseAddress.flatMap { unsafe mkdtemp($0) }.map { unsafe String(cString: $0) }
        }
        path = made ?? "/tmp"
    }

    deinit {
        guard path != "/tmp" else { return }
        _ = try? runToEnd(["/bin/rm", "-rf", path])
    }

    /// A file with this content, executable; its path.
    func script(_ name: String, _ content: String, mode: mode_t = 0o755) -> String {
        let file = "\(path)/\(name)"
        write(name, content)
        unsafe chmod(file, mode)
        return file
    }

    func write(_ name: String, _ content: String) {
        let number = unsafe open("\(path)/\(name)", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard number >= 0 else { return }
        let octets = Array(content.utf8)
        _ = unsafe octets.withUnsafeBytes { unsafe Glibc.write(number, $0.baseAddress, $0.count) }
        close(number)
    }

    /// The content of a file; empty when there is none.
    func read(_ name: String) -> String {
        let number = unsafe open("\(path)/\(name)", O_RDONLY | O_CLOEXEC)
        guard number >= 0 else { return "" }
        defer { close(number) }
        var content: [UInt8] = []
        var slice = [UInt8](repeating: 0, count: 4_096)
        while true {
            let length = unsafe slice.withUnsafeMutableBytes { unsafe Glibc.read(number, $0.baseAddress, $0.count) }
            guard length > 0 else { break }
            content.append(contentsOf: slice[..<length])
        }
        return String(decoding: content, as: UTF8.self)
    }

    func lines(_ name: String) -> [String] { read(name).split(separator: "\n").map(String.init) }
}

@discardableResult
func runToEnd(_ arguments: [String]) throws -> ProcessEnding {
    var child = try ChildProcess(ProcessRequest(arguments: arguments, environment: ["PATH=/usr/bin:/bin"]))
    while true {
        if let ending = child.reap() { return ending }
        usleep(1_000)
    }
}

extension Loop {
    /// Turns until `condition` holds; false when it does not within `seconds`.
    func run(seconds: Int = 10, until condition: () -> Bool) throws -> Bool {
        var isOver = false
        let limit = after(.seconds(seconds)) { isOver = true }
        defer { cancel(limit) }
        while !condition() {
            if isOver { return false }
            try turn()
        }
        return true
    }

    /// Turns for this long.
    func run(milliseconds: Int) throws {
        var isOver = false
        after(.milliseconds(milliseconds)) { isOver = true }
        while !isOver { try turn() }
    }
}

/// Waits until `condition` holds, for things that happen on other threads.
func eventually(seconds: Int = 10, _ condition: () -> Bool) -> Bool {
    let end = Clock.monotonic() + Int64(seconds) * 1_000_000_000
    while Clock.monotonic() < end {
        if condition() { return true }
        usleep(2_000)
    }
    return condition()
}

extension CommandLine {
    /// A shell command for tests.
    static func shell(_ text: String, timeout: Duration = .seconds(5), user: String? = nil) -> CommandLine {
        CommandLine(arguments: ["/bin/sh", "-c", text], user: user, timeout: timeout)
    }
}

/// A virtual router that differs from others by its VRID.
func router(
    _ name: String, vrid: UInt8 = 1, checks: [RouterCheck] = [], gateClaim: CommandLine? = nil,
    gateRelease: CommandLine? = nil, hooks: Hooks = Hooks()
) -> RouterConfiguration {
    let address = InterfaceAddress(address: .ipv4(IPv4Address(192, 0, 2, vrid)), prefixLength: 24)
    return RouterConfiguration(
        name: name, election: VirtualRouterConfiguration(interface: "eth0", vrid: vrid, addresses: [address]),
        checks: checks, gateClaim: gateClaim, gateRelease: gateRelease, hooks: hooks)
}

/// A check that runs often.
func check(
    _ name: String, _ command: CommandLine = .shell("true"), interval: Duration = .milliseconds(50), rise: Int = 2,
    fall: Int = 2
) -> CheckConfiguration {
    CheckConfiguration(name: name, command: command, interval: interval, rise: rise, fall: fall)
}

/// A value that several threads share.
final class Locked<Value: Sendable>: Sendable {
    private let mutex: Mutex<Value>
    init(_ value: Value) { mutex = Mutex(value) }
    var value: Value { mutex.withLock { $0 } }
    func change(_ body: (inout sending Value) -> Void) { mutex.withLock { body(&$0) } }
}
