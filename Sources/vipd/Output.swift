// Standard output and standard error as plain writes, so that a line is out when the call returns and a reader that goes
// away ends the command instead of the line getting lost in a buffer.

import ArgumentParser
import Glibc

/// Exit codes beyond 0.
enum Exit {
    /// The answer is no.
    static let no = ExitCode(1)
    /// It cannot be told: no agent, no permission, state unknown.
    static let unknown = ExitCode(2)
}

/// Writes all of it to standard output. Ends the command when nobody reads any more.
func writeOut(_ octets: [UInt8]) throws { try write(octets, to: STDOUT_FILENO) }

func writeOut(line: String) throws { try writeOut(Array((line + "\n").utf8)) }

/// One line for people on standard error; there is nowhere to tell that it cannot be written.
func complain(_ line: String) { try? write(Array((line + "\n").utf8), to: STDERR_FILENO) }

private func write(_ octets: [UInt8], to descriptor: Int32) throws {
    var rest = octets[...]
    while !rest.isEmpty {
        let count = unsafe rest.withUnsafeBytes { unsafe Glibc.write(descriptor, $0.baseAddress, $0.count) }
        if count < 0 {
            guard errno == EINTR else { throw Exit.no }
        } else {
            rest = rest.dropFirst(count)
        }
    }
}
