// The counters that belong to the whole agent or to an interface rather than to one virtual router: the global statistics of
// RFC 8347, and what was dropped on an interface because nobody here has its VRID.

import Election
import Wire

/// `statistics` of the document: sums over all virtual routers and interfaces since `discontinuity-datetime`, those of
/// routers that left the configuration included.
package struct GlobalStatistics: Hashable, Sendable, Codable {
    /// `discontinuity-datetime`: since when they count, which is the start of the agent.
    package var discontinuityDatetime: Timestamp
    /// `checksum-errors`, `version-errors`, `vrid-errors`, `ip-ttl-errors`.
    package var checksumErrors: UInt64
    package var versionErrors: UInt64
    package var vridErrors: UInt64
    package var ipTTLErrors: UInt64

    private enum CodingKeys: String, CodingKey {
        case discontinuityDatetime = "discontinuity-datetime"
        case checksumErrors = "checksum-errors"
        case versionErrors = "version-errors"
        case vridErrors = "vrid-errors"
        case ipTTLErrors = "ip-ttl-errors"
    }

    /// Of the sum of all counters there are.
    package init(_ sum: Counters, since: Timestamp) {
        discontinuityDatetime = since
        checksumErrors = sum[.checksumErrors]
        versionErrors = sum[.versionErrors]
        vridErrors = sum[.vridErrors]
        ipTTLErrors = sum[.ttlErrors]
    }
}

/// An interface that a virtual router uses.
package struct InterfaceStatus: Hashable, Sendable, Codable {
    /// `name`.
    package var name: String
    /// `virtual-routers`: how many are on it.
    package var virtualRouters: Int
    /// `statistics`: packets dropped by reason that are for no virtual router here; the names are those of `Counter.name`.
    package var statistics: [String: UInt64]

    private enum CodingKeys: String, CodingKey {
        case name, statistics
        case virtualRouters = "virtual-routers"
    }

    package init(name: String, virtualRouters: Int, counters: Counters) {
        self.name = name
        self.virtualRouters = virtualRouters
        statistics = [:]
        for counter in Counter.drops { statistics[counter.name] = counters[counter] }
    }
}

extension Counter {
    /// Those that a dropped packet moves, each once.
    package static let drops: [Counter] = {
        var drops: [Counter] = []
        for reason in DropReason.allCases where !drops.contains(reason.counter) { drops.append(reason.counter) }
        return drops
    }()
}
