// Fuzzes the parser of the configuration. What is refused has printable errors with a place; what is accepted keeps the
// limits that the rest of the agent does not check a second time.

import Configuration
import Election
import FuzzSupport
import Wire

@main struct FuzzConfiguration {
    static func main() { unsafe fuzz(testOneInput) }
}

@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
    let text = unsafe input(start, count)
    do throws(ConfigurationErrors) {
        let configuration = try parseConfiguration(text, file: "f")
        check(configuration)
    } catch {
        check(error.errors)
    }
    return 0
}

private func check(_ errors: [ConfigurationProblem]) {
    promise(!errors.isEmpty && errors.count <= 100, "a refusal has 1 to 100 reasons")
    for error in errors {
        promise(error.line >= 1 && error.column >= 1 && error.file == "f", "an error has a place")
        promise(
            !error.message.isEmpty && !error.message.utf8.contains { $0 < 0x20 || $0 == 0x7F }, "errors are printable")
    }
}

private func check(_ configuration: Configuration) {
    promise(Set(configuration.routers.map(\.name)).count == configuration.routers.count, "router names are unique")
    let checks = Set(configuration.checks.map(\.name))
    promise(checks.count == configuration.checks.count, "check names are unique")
    for check in configuration.checks {
        promise(check.rise >= 1 && check.fall >= 1 && check.interval > .zero, "a check runs and judges")
        promise(!check.command.arguments.isEmpty && check.command.timeout > .zero, "a check has a bounded command")
        promise(check.timeToLive < .seconds(1 << 32), "a time to live can be added to a clock")
    }
    for router in configuration.routers {
        promise(router.checks.allSatisfy { checks.contains($0.name) }, "a router's checks exist")
        promise(router.checks.allSatisfy { isValid($0.effect) }, "weights are -253...-1")
        check(router.election)
    }
}

private func isValid(_ effect: CheckEffect) -> Bool {
    guard case .weight(let weight) = effect else { return true }
    return (-253 ... -1).contains(weight)
}

private func check(_ election: VirtualRouterConfiguration) {
    promise(election.vrid >= 1 && election.priority >= 1, "VRID and priority are not 0")
    promise((1...15).contains(election.interface.utf8.count), "an interface name fits the kernel")
    promise((1...255).contains(election.advertisedAddresses.count), "1 to 255 addresses in an advert")
    promise(election.advertisedAddresses.allSatisfy { $0.address.family == election.family }, "of one family")
    // A link-local address may be put in front of the 2,000 that were written.
    promise(election.addresses.count <= 2_001, "at most 2,000 addresses")
    promise(Set(election.addresses.map(\.address)).count == election.addresses.count, "no address twice")
    for address in election.addresses {
        promise(address.prefixLength <= address.address.family.hostPrefixLength, "a prefix fits its family")
    }
    let interval = election.advertisementInterval
    switch election.version {
    case .v3:
        promise(interval >= .milliseconds(10) && interval <= .milliseconds(40_950), "interval of version 3")
        promise(interval.nanoseconds % 10_000_000 == 0, "whole centiseconds")
        promise(election.password == nil, "version 3 has no password")
    case .v2:
        promise(interval >= .seconds(1) && interval <= .seconds(255), "interval of version 2")
        promise(interval.nanoseconds % 1_000_000_000 == 0 && election.family == .ipv4, "whole seconds, IPv4")
    }
    promise(election.preemptDelay >= .zero && election.preemptDelay < .seconds(1 << 32), "preempt delay")
    let rounds = election.announcements.rounds
    promise(rounds.count <= 16 && rounds == rounds.sorted() && (rounds.first ?? .zero) >= .zero, "rounds ascend")
    promise((election.announcements.refresh ?? .seconds(1)) > .zero, "a refresh is not at once again")
}
