// The 64-bit counters of one virtual router (RFC 6527, RFC 8347 and the checklist's part F). One enum is the list; the
// messages carry them in its order and the status document names them.

/// What is counted, per virtual router.
package enum Counter: UInt8, CaseIterable, Hashable, Sendable {
    case advertsReceived
    case advertsSent
    case advertSendErrors
    case priorityZeroReceived
    /// Of those, from a router other than the last master (checklist FSM-12).
    case priorityZeroFromOther
    case priorityZeroSent
    case masterTransitions
    case backupTransitions
    case lowerPriorityDiscarded
    case assertAdvertsSent
    case assertAdvertsSuppressed
    case checksumErrors
    case versionErrors
    case vridErrors
    case ttlErrors
    case typeErrors
    case lengthErrors
    case addressListErrors
    case intervalErrors
    case sourceErrors
    case destinationErrors
    case authenticationTypeErrors
    case authenticationDataErrors
    case notLinkLocalErrors
    case ownAdvertsHeard
    case trailingOctets
    /// Adverts whose checksum form is not the one we send.
    case otherChecksumForm
    /// Accepted IPv6 adverts whose first address is not link-local.
    case firstAddressNotLinkLocal
    /// Version 2 adverts of a master that also sends version 3 (RFC 9568 §8.4.2).
    case version2Twins
    case announcementsSent
    case addressAddErrors
    case addressDeleteErrors
    /// How often it was found that a master had been away too long to go on as one.
    case lateWakeUps
    /// Claims of our addresses by others: of a master's by anybody, of a backup's by whoever is not the master (checklist ACD-12).
    case addressConflicts
    /// Adverts of the election that were on the wire and reached no socket.
    case filteredAdverts
    /// Announcements that had to wait because their interface had sent as many as it may in a second.
    case announcementsDelayed
}

/// One value per `Counter`.
package struct Counters: Hashable, Sendable {
    private var values: [UInt64]

    package init() { values = [UInt64](repeating: 0, count: Counter.allCases.count) }

    /// Adds every value of `other`.
    package mutating func add(_ other: Counters) {
        for index in values.indices { values[index] &+= other.values[index] }
    }

    package subscript(counter: Counter) -> UInt64 {
        get { values[Int(counter.rawValue)] }
        set { values[Int(counter.rawValue)] = newValue }
    }
}
