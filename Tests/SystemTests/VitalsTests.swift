// The shared page as two processes see it, the sealed memory of a takeover, and what a fatal signal leaves behind.

import Glibc
import System
import Testing

@Suite struct VitalsTests {
    @Test func `what one side marks the other reads`() throws {
        let ours = try Vitals()
        let number = try #require(ours.number)
        let copy = fcntl(number, F_DUPFD_CLOEXEC, 3)
        let theirs = try Vitals(mapping: Descriptor(taking: copy))
        #expect(theirs.number == nil)
        #expect(ours.beat == 0 && ours.limit == 0 && ours.lastWords.word == Work.starting.word)
        theirs.mark(.claim, 7, at: 1_234)
        theirs.promise(99)
        #expect(ours.beat == 1_234 && ours.limit == 99)
        #expect(ours.lastWords == Vitals.LastWords(word: "a claim", router: 7, beat: 1_234))
    }

    @Test func `every kind of work has a word of its own`() {
        let words = Work.allCases.map(\.word)
        #expect(Set(words).count == Work.allCases.count && !words.contains("unknown"))
    }

    @Test func `the page cannot be made smaller, and nothing else is taken for one`() throws {
        let vitals = try Vitals()
        #expect(ftruncate(try #require(vitals.number), 0) == -1)
        let other = unsafe open("/dev/null", O_RDONLY | O_CLOEXEC)
        #expect(throws: SystemError.self) { _ = try Vitals(mapping: Descriptor(taking: other)) }
    }
}

@Suite struct TakeoverTests {
    @Test func `what is sealed is read again and cannot be changed`() throws {
        let octets = (0..<200_000).map { UInt8(truncatingIfNeeded: $0) }
        let memory = try Takeover.seal(octets)
        var octet: UInt8 = 1
        let written = unsafe write(memory.number, &octet, 1)
        let content = try Takeover.read(memory)
        #expect(written == -1)
        #expect(content == octets)
    }

    @Test func `a file that is not sealed is not believed`() throws {
        let null = unsafe open("/dev/null", O_RDONLY | O_CLOEXEC)
        #expect(throws: SystemError("fcntl", "takeover", code: EINVAL)) {
            _ = try Takeover.read(Descriptor(taking: null))
        }
    }

    @Test func `a program that cannot be started leaves everything as it was`() throws {
        let memory = try Takeover.seal([1, 2, 3])
        let error = Takeover.become("/no/such/program", ["x"], environment: [], keeping: [memory.number])
        #expect(error.code == ENOENT && error.call == "execve")
        // Open, and not to be inherited by what this process starts.
        let flags = fcntl(memory.number, F_GETFD)
        let content = try Takeover.read(memory)
        #expect(flags == FD_CLOEXEC)
        #expect(content == [1, 2, 3])
    }

    @Test func `descriptors that are not there are not inherited`() {
        let standard = Takeover.inherited(2) == nil
        let missing = Takeover.inherited(60_000) == nil
        #expect(standard && missing)
    }
}
