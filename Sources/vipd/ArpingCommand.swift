// `vipd arping`: who has an address, is it free, and it is here; from any host of the segment, without an agent.

import ArgumentParser
import Probe
import Wire

struct ArpingCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "arping", abstract: "Asks who has an address, checks that nobody has it, or announces it.",
        discussion: """
            For IPv4 by ARP, for IPv6 by neighbour discovery. Without a flag it asks three times, a second apart, and prints every \
            answer; the question fills no cache. It needs root or CAP_NET_RAW.

            Exit codes: 0 somebody answered, with --check nobody did, with --announce it was sent; 1 the other way; 2 it \
            could not be asked.
            """)

    @Argument(help: "The address, IPv4 or IPv6.")
    var address: IPAddress
    @Flag(
        help:
            "Ask as a host does before it takes an address: three probes in 3 to 7 s (RFC 5227), or one (RFC 4862). Exit code 0: it is free."
    )
    var check = false
    @Flag(
        help:
            "Tell neighbours and switches that the address is here, where it must be; for those of an agent use `vipd announce`."
    )
    var announce = false
    @Option(help: "The interface; without it, the one that the route to the address leaves by, or that it is on.")
    var interface: String?
    @Option(help: "How many frames, 1 to 1000.")
    var count: Int?
    @Option(help: ArgumentHelp("Between two frames, and after the last one, 1ms to 1h.", valueName: "duration"))
    var interval: Duration?
    @Flag(help: "Print a JSON object a line.")
    var json = false

    func validate() throws {
        if check, announce { throw ValidationError("--check and --announce exclude each other") }
        if let count, !ArpingOptions.counts.contains(count) {
            throw ValidationError("--count must be from 1 to 1000")
        }
        if let interval, !ProbeOptions.intervals.contains(interval) {
            throw ValidationError("--interval must be from 1ms to 1h")
        }
    }

    func run() throws {
        let purpose: ProbePurpose = announce ? .announce : check ? .check : .ask
        let options = ArpingOptions(
            address: address, interface: interface, purpose: purpose, count: count, interval: interval, json: json)
        let result: ArpingResult
        do throws(ProbeError) {
            // A reader that went away is noticed by SIGPIPE, which ends the program.
            result = try runArping(options) { line in try? writeOut(line: line) }
        } catch {
            complain(error.description)
            throw Exit.unknown
        }
        if !announce, result.isAnswered == check { throw Exit.no }
    }
}
