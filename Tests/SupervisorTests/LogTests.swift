// The log's lines, and that a reader who does not read costs lines and no time.

import Configuration
import Glibc
import System
import Testing

@testable import Supervisor

/// A pipe whose ends the test holds.
private struct LogPipe: ~Copyable {
    let reading: Descriptor
    let writing: Descriptor

    init() {
        var numbers: [Int32] = [-1, -1]
        _ = unsafe pipe(&numbers)
        reading = Descriptor(taking: numbers[0])
        writing = Descriptor(taking: numbers[1])
    }

    /// Reads until `end` is in it, or five seconds have passed.
    func read(until end: String) -> String {
        _ = fcntl(reading.number, F_SETFL, O_NONBLOCK)
        var content: [UInt8] = []
        var slice = [UInt8](repeating: 0, count: 65_536)
        let number = reading.number
        _ = eventually(seconds: 5) {
            let length = unsafe slice.withUnsafeMutableBytes { unsafe Glibc.read(number, $0.baseAddress, $0.count) }
            if length > 0 { content.append(contentsOf: slice[..<length]) }
            return String(decoding: content, as: UTF8.self).contains(end)
        }
        return String(decoding: content, as: UTF8.self)
    }
}

@Suite struct LogTests {
    @Test func `a line has the journal's priority, the event, and values in quotes where they need them`() throws {
        let pipe = LogPipe()
        let log = try Log(descriptor: pipe.writing.number, threshold: .info, priorities: true)
        log.write(.warning, "transition", ["router": "a b", "text": "say \"no\"\n", "empty": "", "plain": "x/y:1"])
        #expect(pipe.read(until: "\n") == #"<4>event=transition router="a b" text="say \"no\"\n" plain=x/y:1"# + "\n")
    }

    @Test func `without a journal a line begins with time and level`() throws {
        let pipe = LogPipe()
        let log = try Log(descriptor: pipe.writing.number, threshold: .info, priorities: false)
        log.write(.error, "x")
        let line = pipe.read(until: "\n")
        #expect(line.hasSuffix("Z level=error event=x\n"))
        #expect(line.hasPrefix("20"))
    }

    @Test func `what is less important than the threshold is not written`() throws {
        let pipe = LogPipe()
        let log = try Log(descriptor: pipe.writing.number, threshold: .notice, priorities: true)
        log.write(.info, "hidden")
        log.write(.notice, "shown")
        log.setThreshold(.debug)
        log.write(.debug, "last")
        #expect(pipe.read(until: "last\n") == "<5>event=shown\n<7>event=last\n")
    }

    @Test func `a reader who does not read costs lines, not time, and the loss is counted`() throws {
        let pipe = LogPipe()
        let log = try Log(descriptor: pipe.writing.number, threshold: .info, priorities: true)
        let count = 20_000
        let text = String(repeating: "x", count: 100)
        let start = Clock.monotonic()
        for _ in 0..<count { log.write(.info, "line", ["text": text]) }
        #expect(Clock.monotonic() - start < 3_000_000_000)
        let content = pipe.read(until: "log-lines-dropped")
        let written = content.split(separator: "\n").count { $0.hasPrefix("<6>event=line ") }
        let dropped = content.split(separator: "\n").last { $0.contains("log-lines-dropped") }
        let number = Int(dropped?.split(separator: "=").last ?? "")
        #expect(number.map { $0 + written } == count)
        #expect(written >= Log.limit)
    }
}

@Suite struct NotifierTests {
    /// A datagram socket that listens at a path.
    private func listen(_ path: String) -> Descriptor {
        let descriptor = Descriptor(taking: socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0))
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: path.utf8) }
        let size = socklen_t(MemoryLayout<sockaddr_un>.size)
        let number = descriptor.number
        unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { _ = unsafe bind(number, $0, size) }
        }
        return descriptor
    }

    private func next(_ number: Int32) -> String {
        var buffer = [UInt8](repeating: 0, count: 1_024)
        let length = unsafe buffer.withUnsafeMutableBytes {
            unsafe recv(number, $0.baseAddress, $0.count, Int32(MSG_DONTWAIT))
        }
        return length > 0 ? String(decoding: buffer[..<length], as: UTF8.self) : ""
    }

    @Test func `the service manager gets the datagrams of the protocol`() {
        let folder = TemporaryFolder()
        let path = "\(folder.path)/notify"
        let manager = listen(path)
        let notifier = Notifier(environment: ["NOTIFY_SOCKET=\(path)"], process: 1)
        notifier.ready(status: "a master")
        #expect(next(manager.number) == "READY=1\nSTATUS=a master")
        let before = Clock.monotonic() / 1_000
        notifier.reloading()
        let reloading = next(manager.number)
        #expect(reloading.hasPrefix("RELOADING=1\nMONOTONIC_USEC="))
        #expect(Int64(reloading.split(separator: "=").last ?? "").map { $0 >= before } == true)
        notifier.stopping()
        #expect(next(manager.number).hasPrefix("STOPPING=1\n"))
        notifier.status("x")
        #expect(next(manager.number) == "STATUS=x")
        notifier.watchdog()
        #expect(next(manager.number) == "WATCHDOG=1")
    }

    @Test func `the watchdog is fed at half its time, and only if it is ours`() {
        let environment = ["NOTIFY_SOCKET=/x", "WATCHDOG_USEC=10000000"]
        #expect(Notifier(environment: environment, process: 7).watchdogInterval == .seconds(5))
        let other = environment + ["WATCHDOG_PID=8"]
        #expect(Notifier(environment: other, process: 7).watchdogInterval == nil)
        #expect(Notifier(environment: other, process: 8).watchdogInterval == .seconds(5))
        #expect(Notifier(environment: ["WATCHDOG_USEC=10000000"], process: 7).watchdogInterval == nil)
        #expect(Notifier(environment: [], process: 7).watchdogInterval == nil)
    }
}

@Suite struct DisabledStoreTests {
    @Test func `names survive, are replaced as a whole, and a missing file means none`() throws {
        let folder = TemporaryFolder()
        let store = DisabledStore(directory: "\(folder.path)/state")
        #expect(try store.read() == [])
        try store.write(["web", "database"])
        #expect(try DisabledStore(directory: "\(folder.path)/state").read() == ["database", "web"])
        try store.write(["web"])
        #expect(try store.read() == ["web"])
        try store.write([])
        #expect(try store.read() == [])
    }

    @Test func `a folder that cannot be written is an error that names it`() throws {
        let folder = TemporaryFolder()
        folder.write("file", "")
        let store = DisabledStore(directory: "\(folder.path)/file")
        #expect(throws: SystemError.self) { try store.write(["a"]) }
        #expect(throws: SystemError("open", "\(folder.path)/file/disabled", code: ENOTDIR)) { _ = try store.read() }
    }
}
