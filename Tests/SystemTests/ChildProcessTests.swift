// Child processes against the real kernel: what they inherit, how they end, what is told when they cannot start.

import Glibc
import Testing

@testable import System

/// Runs to its end and gives the ending and the output; kills and fails after ten seconds.
private func run(
    _ arguments: [String], environment: [String] = ["PATH=/usr/bin:/bin"], identity: UserIdentity? = nil,
    passing: Int32? = nil, oomScore: Int32? = nil
) throws -> (ending: ProcessEnding, output: String) {
    var child = try ChildProcess(
        ProcessRequest(
            arguments: arguments, environment: environment, identity: identity, passing: passing, oomScore: oomScore))
    var poller = try Poller()
    try poller.watch(child.endingNumber, token: 1)
    try poller.watch(child.outputNumber, token: 2)
    var tokens: [UInt64] = []
    let limit = Clock.monotonic() + 10_000_000_000
    while Clock.monotonic() < limit {
        try poller.wait(milliseconds: 100, into: &tokens)
        if tokens.contains(2), !child.readOutput() { poller.unwatch(child.outputNumber) }
        if let ending = child.reap() {
            _ = child.readOutput()
            return (ending, String(decoding: child.outputTail, as: UTF8.self))
        }
    }
    child.kill(SIGKILL)
    Issue.record("\(arguments) did not end")
    return (.killed(9), "")
}

/// A child of a thread that is real-time, where that is permitted.
private func showOrdinaryChild() throws {
    var parameters = sched_param(sched_priority: 3)
    let isRealTime = unsafe sched_setscheduler(0, SCHED_FIFO, &parameters) == 0
    let child = try run(["/bin/sh", "-c", "cut -d' ' -f41 /proc/self/stat; ulimit -r; ulimit -l"]).output
    let words = child.split(separator: "\n")
    #expect(words.prefix(2) == ["0", "0"])
    #expect(words.count == 3 && Int(words[2]) ?? .max <= 8_192, "\(child)")
    guard isRealTime else { return }
    var engine = try ChildProcess(
        ProcessRequest(arguments: ["/bin/sleep", "5"], environment: [], isOrdinary: false))
    let state = try ProcessScheduling.state(of: engine.process)
    #expect(state.policy == SCHED_FIFO && state.priority == 3, "only who asks for it keeps it")
    engine.kill(SIGKILL)
    while engine.reap() == nil { usleep(1_000) }
}

@Suite struct ChildProcessTests {
    @Test func `the exit status is told`() throws {
        #expect(try run(["/bin/sh", "-c", "exit 0"]).ending == .exited(0))
        #expect(try run(["/bin/sh", "-c", "exit 37"]).ending == .exited(37))
    }

    @Test func `a signal that ends the child is told`() throws {
        #expect(try run(["/bin/sh", "-c", "kill -SEGV $$"]).ending == .killed(UInt8(SIGSEGV)))
    }

    @Test func `a missing program, a forbidden one and one that is no program are told apart`() throws {
        #expect(try run(["/nowhere/at/all"]).ending == .notStarted(ENOENT))
        #expect(try run(["not-a-program-of-this-host"]).ending == .notStarted(ENOENT))
        #expect(try run(["/etc/passwd"]).ending == .notStarted(EACCES))
        #expect(try run(["/etc"]).ending == .notStarted(EACCES))
        let text = "/tmp/vipd-test-\(getpid())-text"
        let file = unsafe fopen(text, "w")
        unsafe fputs("no program\n", file)
        unsafe fclose(file)
        unsafe chmod(text, 0o755)
        defer { unsafe unlink(text) }
        #expect(try run([text]).ending == .notStarted(ENOEXEC))
    }

    @Test func `a script whose interpreter is missing is not a missing script`() throws {
        let script = "/tmp/vipd-test-\(getpid())-script"
        let file = unsafe fopen(script, "w")
        unsafe fputs("#!/nowhere/interpreter\n", file)
        unsafe fclose(file)
        unsafe chmod(script, 0o755)
        defer { unsafe unlink(script) }
        #expect(try run([script]).ending == .notStarted(ELIBACC))
    }

    @Test func `a child inherits nothing real-time, however its parent runs`() async throws {
        // On a thread of its own, whose policy is nobody else's.
        try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
            do {
                try BackgroundThread.start {
                    continuation.resume(with: Result { try showOrdinaryChild() })
                }
            } catch {
                continuation.resume(throwing: error)
            }
        }
    }

    @Test func `a child may be easier to kill for memory than its parent, never harder`() throws {
        let show = ["/bin/cat", "/proc/self/oom_score_adj"]
        let own = try #require(Int32(try run(show).output.dropLast()))
        // To lower it again needs a privilege, so it is only raised.
        for score in [0, own + 1, 437, 1_000] where score > own {
            #expect(try run(show, oomScore: score).output == "\(score)\n")
        }
        let nobody = try UserIdentity.find("nobody")
        if getuid() == 0 { #expect(try run(show, identity: nobody, oomScore: 700).output == "700\n") }
        #expect(try run(show, oomScore: max(0, own - 1)).output == "\(own)\n")
        #expect(try run(show).output == "\(own)\n")
    }

    @Test func `a user may be a number`() throws {
        let known = try UserIdentity.find("nobody")
        #expect(try UserIdentity.find("\(known.user)") == known)
        #expect(
            try UserIdentity.find("3999999999") == UserIdentity(user: 3_999_999_999, group: 3_999_999_999, groups: []))
        // The number that setresuid(2) takes for "no change" would leave the command root.
        for name in ["4294967295", "4294967296", "12x", "-1", "+5", ""] {
            #expect(throws: SystemError("getpwnam_r", "user \(name)", code: ENOENT)) { try UserIdentity.find(name) }
        }
    }

    @Test func `an unknown name is told as such`() {
        #expect("\(SystemError("getpwnam_r", "user x", code: ENOENT))" == "no such user x")
        #expect("\(SystemError("getgrnam_r", "group x", code: ENOENT))" == "no such group x")
        #expect("\(SystemError("getgrnam_r", "group x", code: EIO))" == "getgrnam_r (group x): Input/output error")
    }

    @Test func `a program without a slash is found in the PATH it is given`() throws {
        #expect(try run(["true"], environment: ["PATH=/nowhere:/bin:/usr/bin"]).ending == .exited(0))
        #expect(try run(["true"], environment: ["PATH=/nowhere"]).ending == .notStarted(ENOENT))
    }

    @Test func `output of both kinds is captured, and only its end is kept`() throws {
        #expect(try run(["/bin/sh", "-c", "echo one; echo two >&2"]).output == "one\ntwo\n")
        let long = try run(["/bin/sh", "-c", "i=0; while [ $i -lt 5000 ]; do echo line$i; i=$((i+1)); done"])
        #expect(long.ending == .exited(0))
        #expect(long.output.utf8.count == ChildProcess.outputLimit)
        #expect(long.output.hasSuffix("line4999\n"))
    }

    @Test func `the environment is the given one and nothing else`() throws {
        let output = try run(["/usr/bin/env"], environment: ["A=1", "B=two words"]).output
        #expect(output == "A=1\nB=two words\n")
    }

    @Test func `standard input is empty and no other descriptor leaks`() throws {
        // One that is not close-on-exec, to see that it is closed all the same.
        let leak = unsafe open("/dev/zero", O_RDONLY)
        defer { close(leak) }
        #expect(try run(["/bin/cat"]).output == "")
        // The glob's own directory descriptor is the one more.
        let listed = try run(["/bin/ls", "/proc/self/fd"]).output.split(separator: "\n")
        #expect(listed == ["0", "1", "2", "3"])
    }

    @Test func `a passed descriptor is number 3 of the child`() throws {
        var pair = try MessageSocket.pair()
        let ours = pair.takeFirst()
        let theirs = pair.takeSecond()
        #expect(try run(["/bin/sh", "-c", "printf hello >&3"], passing: theirs.number).ending == .exited(0))
        var buffer = [UInt8](repeating: 0, count: MessageSocket.maximumLength)
        let kind = try ours.receive(into: &buffer).kind
        #expect(kind == .message(5))
        #expect(Array(buffer[..<5]) == Array("hello".utf8))
    }

    @Test func `signals are unblocked and at their defaults in the child`() throws {
        vipd_ignore_broken_pipes_for_test()
        let output = try run(["/bin/sed", "-n", "/^Sig[BIC]/p", "/proc/self/status"]).output
        for line in output.split(separator: "\n") {
            // 32 and 33 belong to the C library and stay as they are.
            let mask = UInt64(line.split(separator: "\t").last ?? "", radix: 16)
            #expect(mask.map { $0 & ~0x1_8000_0000 } == 0, "\(line)")
        }
        #expect(output.split(separator: "\n").count == 3)
    }

    @Test func `the child leads its own process group, and killing it kills its children`() throws {
        var child = try ChildProcess(
            ProcessRequest(
                arguments: ["/bin/sh", "-c", "sleep 60 & echo $!; wait"], environment: ["PATH=/usr/bin:/bin"]))
        #expect(getpgid(child.process) == child.process)
        var poller = try Poller()
        try poller.watch(child.outputNumber, token: 1)
        var tokens: [UInt64] = []
        try poller.wait(milliseconds: 5_000, into: &tokens)
        _ = child.readOutput()
        let text = String(decoding: child.outputTail, as: UTF8.self)
        let grandchild = try #require(Int32(text.dropLast()))
        #expect(Glibc.kill(grandchild, 0) == 0)
        child.kill(SIGKILL)
        // Its end of the pipe closes only when both are dead.
        try poller.wait(milliseconds: 5_000, into: &tokens)
        let more = child.readOutput()
        #expect(!more)
        var ending: ProcessEnding?
        while ending == nil { ending = child.reap() }
        #expect(ending == .killed(UInt8(SIGKILL)))
    }

    @Test(.enabled(if: getuid() == 0)) func `the user is changed with all groups`() throws {
        let nobody = try UserIdentity.find("nobody")
        let output = try run(["/usr/bin/id"], identity: nobody).output
        #expect(output.hasPrefix("uid=\(nobody.user)(nobody) gid=\(nobody.group)"))
        #expect(!output.contains("root"))
    }

    @Test func `an unknown user is an error that names it`() {
        #expect(throws: SystemError("getpwnam_r", "user no-such-user-here", code: ENOENT)) {
            _ = try UserIdentity.find("no-such-user-here")
        }
    }
}

/// SIGPIPE ignored in this process, as a server has it; the child must not inherit that.
private func vipd_ignore_broken_pipes_for_test() {
    _ = signal(SIGPIPE, SIG_IGN)
}
