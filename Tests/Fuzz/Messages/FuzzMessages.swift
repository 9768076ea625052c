// Fuzzes the messages between supervisor and engine. What is read is written to the same octets again, so every value has
// one form, and nothing that one process reads can be told differently to the other. Its seeds come from the encoders.

import Election
import FuzzSupport
import Messages

@main struct FuzzMessages {
    static func main() {
        unsafe fuzz(
            seeds: { commandSeeds.map { [0] + octets($0) } + reportSeeds.map { [1] + octets($0) } },
            testOneInput)
    }
}

/// The first octet chooses the direction; the message follows.
@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
    var choices = Choices(unsafe input(start, count))
    let isReport = choices.byte() & 1 != 0
    let message = choices.rest
    if isReport {
        guard let report = readReport(message) else { return 0 }
        let again = octets(report)
        promise(again == message, "a report has one form: \(report)")
        promise(readReport(again) == report, "a report survives: \(report)")
    } else {
        guard let command = readCommand(message) else { return 0 }
        let again = octets(command)
        promise(again == message, "a command has one form: \(command)")
        promise(readCommand(again) == command, "a command survives: \(command)")
    }
    return 0
}

private func readCommand(_ message: [UInt8]) -> Command? {
    do throws(MessageError) { return try Command(decoding: message.span) } catch { return nil }
}

private func readReport(_ message: [UInt8]) -> Report? {
    do throws(MessageError) { return try Report(decoding: message.span) } catch { return nil }
}

private func octets(_ command: Command) -> [UInt8] {
    var octets: [UInt8] = []
    command.encode(into: &octets)
    return octets
}

private func octets(_ report: Report) -> [UInt8] {
    var octets: [UInt8] = []
    report.encode(into: &octets)
    return octets
}
