// A claim of one of our addresses by another host, in words. One place for log, status and events.

import Election

/// What such a claim means for a router in this state, as a sentence without a full stop.
package func conflictSentence(_ state: StateName) -> String {
    state == .master
        ? "another host claims this address; neighbours are told again where it is, at most once in 10 s"
        : "a host that is not the master claims this address"
}
