// The message pair and the poller against the real kernel.

import Glibc
import Testing

@testable import System

@Suite struct MessageSocketTests {
    var buffer = [UInt8](repeating: 0, count: MessageSocket.maximumLength)

    @Test mutating func `messages keep their borders and their order`() throws {
        var pair = try MessageSocket.pair()
        let one = pair.takeFirst()
        let other = pair.takeSecond()
        let sent1 = try one.send([1, 2, 3])
        #expect(sent1)
        let sent2 = try one.send([4])
        #expect(sent2)
        let first = try other.receive(into: &buffer).kind
        #expect(first == .message(3))
        #expect(Array(buffer[..<3]) == [1, 2, 3])
        let second = try other.receive(into: &buffer).kind
        #expect(second == .message(1))
        #expect(buffer[0] == 4)
        let third = try other.receive(into: &buffer).kind
        #expect(third == .nothing)
    }

    @Test mutating func `a descriptor travels with its message and is close-on-exec at the other end`() throws {
        var pair = try MessageSocket.pair()
        let one = pair.takeFirst()
        let other = pair.takeSecond()
        var numbers: [Int32] = [-1, -1]
        try #require(unsafe pipe(&numbers) == 0)
        let reading = Descriptor(taking: numbers[0])
        var writing: Descriptor? = Descriptor(taking: numbers[1])
        let sent3 = try one.send([7], descriptor: numbers[1])
        #expect(sent3)
        writing = nil
        _ = consume writing
        var received = try other.receive(into: &buffer)
        guard let passed = received.descriptor.take() else {
            Issue.record("no descriptor")
            return
        }
        #expect(fcntl(passed.number, F_GETFD) & FD_CLOEXEC != 0)
        var octet: UInt8 = 42
        #expect(unsafe write(passed.number, &octet, 1) == 1)
        octet = 0
        #expect(unsafe read(reading.number, &octet, 1) == 1)
        #expect(octet == 42)
    }

    @Test mutating func `a message without a descriptor brings none`() throws {
        var pair = try MessageSocket.pair()
        let one = pair.takeFirst()
        let other = pair.takeSecond()
        let sent4 = try one.send([7])
        #expect(sent4)
        let received = try other.receive(into: &buffer)
        let none = received.descriptor == nil
        #expect(none)
    }

    @Test mutating func `the end of one side is an end at the other, after what was sent`() throws {
        var pair = try MessageSocket.pair()
        let other = pair.takeSecond()
        do {
            let one = pair.takeFirst()
            let sent5 = try one.send([9])
            #expect(sent5)
        }
        let message = try other.receive(into: &buffer).kind
        #expect(message == .message(1))
        let end = try other.receive(into: &buffer).kind
        #expect(end == .end)
        #expect(throws: SystemError.self) { _ = try other.send([1]) }
    }

    @Test mutating func `a full pair says so, holds thousands of messages and goes on when it is read`() throws {
        var pair = try MessageSocket.pair()
        let one = pair.takeFirst()
        let other = pair.takeSecond()
        let message = [UInt8](repeating: 5, count: 500)
        var sent = 0
        while sent < 100_000, try one.send(message) { sent += 1 }
        #expect(sent > 100)
        #expect(sent < 100_000)
        if getuid() == 0 { #expect(sent > 1_000) }
        let sent6 = try one.send(message)
        #expect(!sent6)
        for _ in 0..<(sent / 2) { _ = try other.receive(into: &buffer) }
        let sent7 = try one.send(message)
        #expect(sent7)
    }

    @Test mutating func `a message too long for the buffer is an error and not half a message`() throws {
        var pair = try MessageSocket.pair()
        let one = pair.takeFirst()
        let other = pair.takeSecond()
        let sent8 = try one.send([1, 2, 3])
        #expect(sent8)
        var small: [UInt8] = [0, 0]
        #expect(throws: SystemError("recvmsg", "message pair", code: EMSGSIZE)) {
            _ = try other.receive(into: &small)
        }
    }
}

@Suite struct PollerTests {
    @Test func `a readable descriptor is reported by its token until it is read`() throws {
        var poller = try Poller()
        let wake = try WakeDescriptor()
        try poller.watch(wake.number, token: 77)
        var tokens: [UInt64] = []
        try poller.wait(milliseconds: 0, into: &tokens)
        #expect(tokens == [])
        wake.wake()
        try poller.wait(milliseconds: 1_000, into: &tokens)
        #expect(tokens == [77])
        try poller.wait(milliseconds: 1_000, into: &tokens)
        #expect(tokens == [77])
        wake.drain()
        try poller.wait(milliseconds: 0, into: &tokens)
        #expect(tokens == [])
        wake.wake()
        poller.unwatch(wake.number)
        try poller.wait(milliseconds: 0, into: &tokens)
        #expect(tokens == [])
    }

    @Test func `a timer fires at its moment, a past one at once, a disarmed one never`() throws {
        var poller = try Poller()
        let timer = try TimerDescriptor()
        try poller.watch(timer.number, token: 1)
        var tokens: [UInt64] = []
        let deadline = Clock.monotonic() + 30_000_000
        timer.set(deadline)
        try poller.wait(milliseconds: 5_000, into: &tokens)
        #expect(tokens == [1])
        #expect(Clock.monotonic() >= deadline)
        timer.drain()
        timer.set(0)
        try poller.wait(milliseconds: 5_000, into: &tokens)
        #expect(tokens == [1])
        timer.set(Clock.monotonic() + 1_000_000)
        timer.set(nil)
        try poller.wait(milliseconds: 20, into: &tokens)
        #expect(tokens == [])
    }

    @Test func `a blocked signal arrives as something readable`() throws {
        // In a thread of its own, which alone has it blocked.
        let thread = SignalThread()
        #expect(thread.run() == [SIGUSR2])
    }
}

/// Blocks SIGUSR2, sends it to itself and reads it.
private final class SignalThread {
    private var seen: [Int32] = []

    func run() -> [Int32] {
        var thread = pthread_t()
        let context = unsafe Unmanaged.passUnretained(self).toOpaque()
        unsafe pthread_create(
            &thread, nil,
            { context in
                guard let context = unsafe context else { return nil }
                let me = unsafe Unmanaged<SignalThread>.fromOpaque(context).takeUnretainedValue()
                guard let signals = try? SignalDescriptor([SIGUSR2]) else { return nil }
                pthread_kill(pthread_self(), SIGUSR2)
                while let signal = signals.next() { me.seen.append(signal) }
                return nil
            }, context)
        pthread_join(thread, nil)
        return seen
    }
}
