// What a seed means before anything happens: the hosts, their virtual routers, their checks, the network, and the faults with
// their times. A plan is a value: a failing one can be run again with fewer faults.

import Election
import Wire

/// One fault, or one act of an operator, from `at` to `at + length`.
struct PlannedFault: Hashable, Sendable {
    enum Kind: UInt8, CaseIterable, Sendable {
        // The network.
        case loss, duplication, slowness, oneWayCut, partition
        // Hosts and their processes.
        case pause, suspension, engineDeath, agentDeath, hostDeath, stop, supervisorDeath, carrierLoss, muteness
        // What the engine asks for and does not get.
        case claimRefused, gateFails, gateHangs, addressDeleted
        // Checks.
        case checkFails, checkHangs
        // Operator.
        case priority, disable, interval, addresses, preempt, removal, handover
    }

    var kind: Kind
    var at: Int64
    var length: Int64
    var host: Int
    /// Which virtual router, of those that the host has.
    var router: Int
    var segment: Int
    /// The other host of a cut, the check, the new priority, ... as the kind needs it.
    var value: Int

    var end: Int64 { at + length }

    /// Of `claimRefused`: what one kernel refuses the others refuse as well.
    var concernsAllHosts: Bool { value % 3 == 0 }
}

/// A check of one host.
struct CheckPlan: Hashable, Sendable {
    var period: Int64
    var timeToLive: Duration
}

/// A virtual router as all hosts know it.
struct RouterPlan: Hashable, Sendable {
    var segment: Int
    var vrid: UInt8
    var version: ProtocolVersion
    var family: AddressFamily
    /// The longest interval that any host of it has at any time; bounds are made of it.
    var longestInterval: Int64 = 0
    /// The longest start delay of any host of it.
    var longestStartDelay: Int64 = 0
    /// Adverts go from host to host instead of to the group.
    var isUnicast = false
}

/// A whole world.
package struct Plan: Sendable {
    package let seed: UInt64
    var hosts = 2
    var segments = 1
    var routers: [RouterPlan] = []
    /// The part of host h in router r at h × routers + r; nil if it has none.
    var seats: [VirtualRouterConfiguration?] = []
    var checks: [CheckPlan] = []
    /// What is added to the world's time on each host's clock.
    var clocks: [Int64] = []
    /// The place of each host's first router among those whose adverts are spread over the interval.
    var places: [Int] = []
    /// Addresses have a lifetime in the kernel.
    var hasLeases = true
    /// Packets take this long while nothing is slow.
    var delay: ClosedRange<Int64> = 0...0
    /// A slow network takes up to this.
    var slowDelay: Int64 = 0
    /// A gate takes at most this; one that hangs fails after it.
    var gateTime: Int64 = 0
    /// The shortest base of all intervals.
    var interval: Int64 = 0
    var faults: [PlannedFault] = []

    /// The number of faults in it.
    package var faultCount: Int { faults.count }

    func seat(_ host: Int, _ router: Int) -> Int { host * routers.count + router }

    /// The source of a host's adverts on a segment. Hosts are numbered by chance, so the greater address is anybody's.
    func source(_ host: Int, _ segment: Int, _ family: AddressFamily) -> IPAddress {
        switch family {
        case .ipv4: .ipv4(IPv4Address(10, UInt8(segment), 0, UInt8(host + 1)))
        case .ipv6: .ipv6(IPv6Address(high: 0xFE80 << 48, low: UInt64(host + 1)))
        }
    }

    static func interfaceName(_ segment: Int) -> String { segment == 0 ? "eth0" : "eth1" }
}
