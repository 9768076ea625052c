// Child processes: started without ever waiting for them, watched by descriptor, ended by process group. It exists so that
// checks, gates, hooks and the engine are all started with the same care: no leaked descriptors, no inherited signal state,
// and the reason told when a program cannot run. It must not block: the exec's outcome is read when the child has ended.

import CLinux
import Glibc

/// How a child ended.
package enum ProcessEnding: Hashable, Sendable {
    /// It exited with this status.
    case exited(UInt8)
    /// This signal ended it.
    case killed(UInt8)
    /// The program could not be started; ENOENT: there is none, EACCES or ENOEXEC: it is not executable,
    /// ELIBACC: the interpreter that it names does not exist.
    case notStarted(Int32)
}

/// Whom to run a child as.
package struct UserIdentity: Hashable, Sendable {
    package var user: UInt32
    package var group: UInt32
    /// All groups, the first 1,024 if there are more.
    package var groups: [UInt32]

    /// Asks the name service, which may block; ENOENT: there is no such user. A number that is no user's name is a user id:
    /// with that user's groups, or, where nobody has it, with the group of the same number and no others.
    package static func find(_ name: String) throws(SystemError) -> UserIdentity {
        var user: uid_t = 0
        var group: gid_t = 0
        var groups = [gid_t](repeating: 0, count: 1_024)
        var count = groups.count
        let code = unsafe groups.withUnsafeMutableBufferPointer { buffer in
            unsafe vipd_find_user(name, &user, &group, buffer.baseAddress, &count)
        }
        guard code == 0 else { throw SystemError("getpwnam_r", "user \(name)", code: code) }
        groups.removeLast(groups.count - min(count, groups.count))
        return UserIdentity(user: user, group: group, groups: groups)
    }

    /// The number of the group `name`; asks the name service, ENOENT: there is no such group.
    package static func findGroup(_ name: String) throws(SystemError) -> UInt32 {
        var group: gid_t = 0
        let code = unsafe vipd_find_group(name, &group)
        guard code == 0 else { throw SystemError("getgrnam_r", "group \(name)", code: code) }
        return group
    }
}

/// What to start.
package struct ProcessRequest: Sendable {
    /// The program and its arguments, never empty. A program without a slash is looked for in PATH of `environment`.
    package var arguments: [String]
    /// `NAME=value` each; the child gets nothing else.
    package var environment: [String]
    /// nil: the caller's own.
    package var identity: UserIdentity?
    /// A descriptor of the caller that the child gets as number 3.
    package var passing: Int32?
    /// What its oom_score_adj is raised to if the caller's is lower, 0 to 1000, so that the kernel ends it before the caller
    /// when memory runs out; nil: the caller's own.
    package var oomScore: Int32?
    /// Nothing real-time is passed on: it runs as SCHED_OTHER and may neither leave that nor lock more memory than everybody.
    package var isOrdinary: Bool

    package init(
        arguments: [String], environment: [String], identity: UserIdentity? = nil, passing: Int32? = nil,
        oomScore: Int32? = nil, isOrdinary: Bool = true
    ) {
        self.arguments = arguments
        self.environment = environment
        self.identity = identity
        self.passing = passing
        self.oomScore = oomScore
        self.isOrdinary = isOrdinary
    }

    /// The paths to try, as execvp(3) makes them.
    var candidates: [String] {
        guard let program = arguments.first, !program.isEmpty else { return [] }
        if program.utf8.contains(UInt8(ascii: "/")) { return [program] }
        let path = environment.first { $0.hasPrefix("PATH=") }?.dropFirst(5) ?? "/usr/local/bin:/usr/bin:/bin"
        return path.split(separator: ":", omittingEmptySubsequences: true).map { "\($0)/\(program)" }
    }
}

/// A child that was started: leader of its own process group, standard input empty, standard output and error captured.
///
/// Children of the child that go on after it lose the reader of their output. Whoever drops one of these without having
/// reaped it leaves it running, and a zombie when it ends.
package struct ChildProcess: ~Copyable {
    /// How much of the end of its output is kept, octets.
    package static let outputLimit = 1_024

    /// Its process id, which is its process group's too.
    package let process: Int32
    private let ending: Descriptor
    private let output: Descriptor
    private let failure: Descriptor
    private var tail: [UInt8] = []
    private var reaped = false

    /// Starts `request`; does not wait for its program to be found. Throws what keeps this process from having a child at all.
    package init(_ request: ProcessRequest) throws(SystemError) {
        let output = try Pipe()
        let failure = try Pipe()
        let process = Self.spawn(request, output: output.writing.number, failure: failure.writing.number)
        guard process > 0 else { throw SystemError("fork", request.arguments.first ?? "") }
        let number = vipd_process_descriptor(process)
        guard number >= 0 else {
            let error = SystemError("pidfd_open")
            _ = Glibc.kill(-process, SIGKILL)
            var status: Int32 = 0
            _ = unsafe waitpid(process, &status, 0)
            throw error
        }
        self.process = process
        ending = Descriptor(taking: number)
        self.output = output.takeReading()
        self.failure = failure.takeReading()
    }

    /// Readable when the child has ended, pidfd_open(2).
    package var endingNumber: Int32 { ending.number }
    /// Readable when it wrote something.
    package var outputNumber: Int32 { output.number }

    /// Reads what it wrote, a slice at a time, and keeps the end; false when there will be no more.
    package mutating func readOutput() -> Bool {
        var slice = [UInt8](repeating: 0, count: 4_096)
        for _ in 0..<16 {
            let number = output.number
            let length = unsafe slice.withUnsafeMutableBytes { unsafe read(number, $0.baseAddress, $0.count) }
            if length == 0 { return false }
            if length < 0 { return errno == EAGAIN || errno == EINTR }
            tail.append(contentsOf: slice[..<length])
            if tail.count > 2 * Self.outputLimit { tail.removeFirst(tail.count - Self.outputLimit) }
        }
        return true
    }

    /// The end of what it wrote so far, at most `outputLimit` octets.
    package var outputTail: [UInt8] { Array(tail.suffix(Self.outputLimit)) }

    /// Whether and how it has ended; nil while it runs. Asks once more with each call until it has.
    package mutating func reap() -> ProcessEnding? {
        guard !reaped else { return nil }
        var value: Int32 = 0
        let result = unsafe vipd_reap(process, &value)
        if result == Int32(VIPD_RUNNING.rawValue) { return nil }
        reaped = true
        // Somebody else reaped it (SIGCHLD ignored): how it ended is lost.
        if result < 0 { return .killed(UInt8(SIGKILL)) }
        var code: Int32 = 0
        let number = failure.number
        let length = unsafe withUnsafeMutableBytes(of: &code) { unsafe read(number, $0.baseAddress, $0.count) }
        if length == MemoryLayout<Int32>.size { return .notStarted(code) }
        let octet = UInt8(truncatingIfNeeded: value)
        return result == Int32(VIPD_EXITED.rawValue) ? .exited(octet) : .killed(octet)
    }

    /// Sends `signal` to its whole process group. Nothing after it was reaped: the number may belong to another by then.
    package func kill(_ signal: Int32) {
        guard !reaped else { return }
        _ = Glibc.kill(-process, signal)
    }

    private static func spawn(_ request: ProcessRequest, output: Int32, failure: Int32) -> Int32 {
        let groups = request.identity?.groups ?? []
        return unsafe withCStrings(request.candidates) { candidates in
            unsafe withCStrings(request.arguments) { arguments in
                unsafe withCStrings(request.environment) { environment in
                    unsafe groups.withUnsafeBufferPointer { groups in
                        var c = unsafe vipd_spawn()
                        unsafe c.candidates = unsafe candidates
                        unsafe c.arguments = unsafe arguments
                        unsafe c.environment = unsafe environment
                        if let identity = request.identity {
                            unsafe c.change_user = 1
                            unsafe c.user = identity.user
                            unsafe c.group = identity.group
                            unsafe c.groups = groups.baseAddress
                            unsafe c.group_count = groups.count
                        }
                        if let score = request.oomScore {
                            unsafe c.raise_oom = 1
                            unsafe c.oom_score_adj = min(max(score, 0), 1_000)
                        }
                        unsafe c.ordinary = request.isOrdinary ? 1 : 0
                        unsafe c.passed = request.passing ?? -1
                        unsafe c.output = output
                        unsafe c.failure = failure
                        return unsafe vipd_spawn(&c)
                    }
                }
            }
        }
    }

    /// Calls `body` with the strings as C wants argument lists: pointers ended by NULL.
    private static func withCStrings(
        _ strings: [String], _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> Int32
    ) -> Int32 {
        var pointers = unsafe strings.map { unsafe strdup($0) }
        unsafe pointers.append(nil)
        defer { unsafe pointers.forEach { unsafe free($0) } }
        return unsafe pointers.withUnsafeBufferPointer { buffer in
            guard let base = buffer.baseAddress else { return -1 }
            return unsafe body(base)
        }
    }
}

/// Both ends of a pipe(2), close-on-exec, the reading end non-blocking.
private struct Pipe: ~Copyable {
    let reading: Descriptor
    let writing: Descriptor

    init() throws(SystemError) {
        var numbers: (Int32, Int32) = (-1, -1)
        let result = unsafe withUnsafeMutablePointer(to: &numbers) { pointer in
            unsafe pointer.withMemoryRebound(to: Int32.self, capacity: 2) { unsafe vipd_pipe($0) }
        }
        guard result == 0 else { throw SystemError("pipe2") }
        reading = Descriptor(taking: numbers.0)
        writing = Descriptor(taking: numbers.1)
    }

    /// The reading end; the other is closed.
    consuming func takeReading() -> Descriptor { reading }
}
