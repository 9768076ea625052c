// What the fuzz targets share: the way into libFuzzer, a reader that takes decisions from the front of an input, and the
// word for a broken promise. No target is part of the agent; they exist only when VIPD_FUZZ is set (Tests/Fuzz/run).

import Glibc

/// libFuzzer's own main loop (compiler-rt, FuzzerDriver.cpp): it owns the arguments from here on.
@_silgen_name("LLVMFuzzerRunDriver")
private func runDriver(
    _ count: UnsafeMutablePointer<Int32>,
    _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>,
    _ target: @convention(c) (UnsafePointer<UInt8>?, Int) -> Int32
) -> Int32

/// Hands the process to libFuzzer, or, when the arguments are `seeds FOLDER`, writes `seeds` there, one file each.
package func fuzz(
    seeds: () -> [[UInt8]] = { [] }, _ target: @convention(c) (UnsafePointer<UInt8>?, Int) -> Int32
) -> Never {
    let arguments = CommandLine.arguments
    if arguments.count == 3, arguments[1] == "seeds" {
        for (index, seed) in seeds().enumerated() { write(seed, to: "\(arguments[2])/generated-\(index)") }
        exit(0)
    }
    var count = CommandLine.argc
    var values = unsafe CommandLine.unsafeArgv
    exit(unsafe runDriver(&count, &values, target))
}

/// The input as an array; the target may keep it.
package func input(_ start: UnsafePointer<UInt8>?, _ count: Int) -> [UInt8] {
    unsafe Array(UnsafeBufferPointer(start: start, count: count))
}

/// Ends the process, which libFuzzer counts as a crash, unless the promise holds.
package func promise(_ holds: Bool, _ what: @autoclosure () -> String) {
    guard holds else { fatalError("broken promise: \(what())") }
}

/// Takes numbers from the front of an input; zeros when it is used up.
package struct Choices {
    private let octets: [UInt8]
    private var position = 0

    package init(_ octets: [UInt8]) { self.octets = octets }

    package mutating func byte() -> UInt8 {
        guard position < octets.count else { return 0 }
        position += 1
        return octets[position - 1]
    }

    package mutating func quad() -> UInt64 {
        var value: UInt64 = 0
        for _ in 0..<8 { value = value << 8 | UInt64(byte()) }
        return value
    }

    /// What has not been taken.
    package var rest: [UInt8] { Array(octets[position...]) }
}

private func write(_ octets: [UInt8], to path: String) {
    let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
    guard descriptor >= 0 else { fatalError("\(path): errno \(errno)") }
    let written = unsafe octets.withUnsafeBytes { unsafe Glibc.write(descriptor, $0.baseAddress, $0.count) }
    guard written == octets.count else { fatalError("\(path): errno \(errno)") }
    close(descriptor)
}
