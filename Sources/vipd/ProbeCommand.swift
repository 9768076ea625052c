// `vipd probe`: who answers for an address, from any host of its segment, without an agent.

import ArgumentParser
import Configuration
import Probe
import Wire

struct ProbeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "probe", abstract: "Asks the segment again and again who holds an address.",
        discussion: """
            Sends ARP requests or neighbour solicitations and prints who answers, each change of holder, each gap \
            and each double answer with its length, and a summary. It needs root or CAP_NET_RAW and goes on until \
            --count or --for is reached or it is interrupted; without both, for an hour at most.

            Exit codes: 0 somebody answered, 1 nobody did, 2 it could not probe.
            """)

    @Argument(help: "The address, IPv4 or IPv6.")
    var address: IPAddress
    @Option(help: "The interface; without it, the one that the route to the address leaves by.")
    var interface: String?
    @Option(help: ArgumentHelp("Between two probes, 1ms to 1h.", valueName: "duration"))
    var interval: Duration = .milliseconds(100)
    @Option(help: "Stop after this many probes.")
    var count: Int?
    @Option(name: .customLong("for"), help: ArgumentHelp("Stop after this long, at most 24h.", valueName: "duration"))
    var duration: Duration?
    @Flag(help: "Print a JSON object a line.")
    var json = false

    func validate() throws {
        guard ProbeOptions.intervals.contains(interval) else {
            throw ValidationError("--interval must be from 1ms to 1h")
        }
        if let count, count < 1 { throw ValidationError("--count must be at least 1") }
        if let duration, duration <= .zero || duration > ProbeOptions.longestDuration {
            throw ValidationError("--for must be above 0 and at most 24h")
        }
    }

    func run() throws {
        let options = ProbeOptions(
            address: address, interface: interface, interval: interval, count: count, duration: duration, json: json)
        let summary: ProbeSummary
        do throws(ProbeError) {
            // A reader that went away is noticed by SIGPIPE, which ends the program.
            summary = try runProbe(options) { line in try? writeOut(line: line) }
        } catch {
            complain(error.description)
            throw Exit.unknown
        }
        if summary.answered == 0 { throw Exit.no }
    }
}

extension IPAddress: ExpressibleByArgument {
    package init?(argument: String) { self.init(argument) }
}

extension Duration: @retroactive ExpressibleByArgument {
    /// As in the configuration: `100ms`, `1.5s`, `2m`.
    public init?(argument: String) {
        guard let span = try? Duration(written: argument) else { return nil }
        self = span
    }

    public var defaultValueDescription: String { written }
}
