// Two network namespaces joined by a veth pair, for tests against the real kernel: the test's body runs on a thread of
// its own, so that changing namespaces disturbs nobody. They have no name and are gone with their last descriptor.

import CNamespaces
import Glibc
import System

/// A command or a call of the test's own set-up failed.
package struct LabError: Error, CustomStringConvertible {
    package let description: String

    package init(_ description: String) { self.description = description }
}

/// Whether this process may make network namespaces.
package let canMakeNamespaces = geteuid() == 0

/// Host `a` with interface `va` and host `b` with interface `vb`; the thread is in `a` unless it is said otherwise.
package struct TwoHosts: ~Copyable {
    private let a: Descriptor
    private let b: Descriptor

    fileprivate init() throws {
        let a = try Self.newNamespace()
        let b = try Self.newNamespace()
        let hosts = TwoHosts(a: a, b: b)
        try hosts.join()
        self = hosts
    }

    private init(a: consuming Descriptor, b: consuming Descriptor) {
        self.a = a
        self.b = b
    }

    private borrowing func join() throws {
        try enter(a.number)
        try sh("ip link set lo up; ip link add va type veth peer name vb netns /proc/\(getpid())/fd/\(b.number)")
        // No addresses but those given here, so that nothing changes by itself a second later.
        try sh("sysctl -q net.ipv6.conf.va.addr_gen_mode=1")
        try sh("ip link set va up; ip address add 10.9.0.1/24 dev va; ip -6 address add fe80::a/64 dev va nodad")
        try onB {
            try sh("sysctl -q net.ipv6.conf.vb.addr_gen_mode=1")
            try sh("ip link set lo up; ip link set vb up; ip address add 10.9.0.2/24 dev vb")
            try sh("ip -6 address add fe80::b/64 dev vb nodad")
            try waitUntilUp("vb")
        }
        try waitUntilUp("va")
    }

    /// The kernel throws packets away until it has noticed the carrier, up to a second after the peer came up.
    private borrowing func waitUntilUp(_ interface: String) throws {
        for _ in 0..<500 {
            let state = try sh("ip -o link show dev \(interface)")
            if state.contains("LOWER_UP") && state.contains("state UP") && !state.contains("NO-CARRIER") { return }
            usleep(10_000)
        }
        throw LabError("\(interface) has no carrier")
    }

    private static func newNamespace() throws -> Descriptor {
        guard vipd_unshare_network() == 0 else { throw SystemError("unshare", "CLONE_NEWNET") }
        let number = unsafe open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)
        guard number >= 0 else { throw SystemError("open", "/proc/thread-self/ns/net") }
        return Descriptor(taking: number)
    }

    private func enter(_ number: Int32) throws {
        guard vipd_enter_network(number) == 0 else { throw SystemError("setns") }
    }

    /// Runs `body` on host `b`. Sockets opened there stay there.
    package borrowing func onB<Result: ~Copyable>(_ body: () throws -> Result) throws -> Result {
        try enter(b.number)
        defer { _ = vipd_enter_network(a.number) }
        return try body()
    }
}

/// Runs a shell command in the thread's namespace and returns what it printed; throws when it fails.
@discardableResult
package func sh(_ command: String) throws -> String {
    guard let pipe = unsafe popen("exec 2>&1; \(command)", "re") else { throw SystemError("popen", command) }
    var output: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 4096)
    while true {
        let count = unsafe buffer.withUnsafeMutableBytes { unsafe fread($0.baseAddress, 1, $0.count, pipe) }
        if count == 0 { break }
        output.append(contentsOf: buffer[0..<count])
    }
    let text = String(decoding: output, as: UTF8.self)
    let status = unsafe pclose(pipe)
    guard status == 0 else { throw LabError("\(command): status \(status): \(text)") }
    return text
}

/// Waits until `number` is readable, at most `milliseconds`; false when it is not.
package func isReadable(_ number: Int32, within milliseconds: Int32 = 2000) -> Bool {
    var descriptor = pollfd(fd: number, events: Int16(POLLIN), revents: 0)
    return unsafe poll(&descriptor, 1, milliseconds) > 0
}

/// Asks again and again, for at most some seconds, until `condition` holds; false when it never did.
package func eventually(within seconds: Int64 = 5, _ condition: () throws -> Bool) rethrows -> Bool {
    let deadline = Clock.monotonic() + seconds * 1_000_000_000
    while Clock.monotonic() < deadline {
        if try condition() { return true }
        usleep(5_000)
    }
    return false
}

/// Makes two hosts and runs `body` with them on a thread of its own.
package func withTwoHosts(_ body: @escaping @Sendable (borrowing TwoHosts) throws -> Void) async throws {
    try await onOwnThread {
        let hosts = try TwoHosts()
        try body(hosts)
    }
}

private final class Job {
    let run: () -> Void
    init(_ run: @escaping () -> Void) { self.run = run }
}

private func onOwnThread(_ body: @escaping @Sendable () throws -> Void) async throws {
    try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
        let job = Job {
            do {
                try body()
                continuation.resume()
            } catch {
                continuation.resume(throwing: error)
            }
        }
        var thread = pthread_t()
        let code = unsafe pthread_create(
            &thread, nil,
            { argument in
                guard let argument = unsafe argument else { return nil }
                unsafe Unmanaged<Job>.fromOpaque(argument).takeRetainedValue().run()
                return nil
            }, Unmanaged.passRetained(job).toOpaque())
        guard code == 0 else {
            continuation.resume(throwing: SystemError("pthread_create", code: code))
            return
        }
        pthread_detach(thread)
    }
}
