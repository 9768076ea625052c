// What the supervisor tells the engine. Facts and wishes, never questions: the engine answers nothing, it reports.

import Election
import Wire

/// One of the engine's advert sockets, which the supervisor keeps a duplicate of.
package struct SocketTag: Hashable, Sendable {
    package var family: AddressFamily
    package var interfaceIndex: UInt32

    package init(family: AddressFamily, interfaceIndex: UInt32) {
        self.family = family
        self.interfaceIndex = interfaceIndex
    }
}

/// What is known of a check when a router that depends on it is configured.
package typealias KnownVerdict = CheckTable.Known

/// What the engine must know of one check.
package struct CheckDefinition: Hashable, Sendable {
    package var check: CheckID
    /// A verdict older than this is stale: interval × fall + timeout + 1 s.
    package var timeToLive: Duration
    package var verdict: KnownVerdict

    package init(check: CheckID, timeToLive: Duration, verdict: KnownVerdict) {
        self.check = check
        self.timeToLive = timeToLive
        self.verdict = verdict
    }
}

/// A message from the supervisor to the engine.
package enum Command: Hashable, Sendable {
    /// First message; the engine exits if the version is not its own. The page of its vitals travels with the message.
    case hello(version: UInt16)
    /// A socket of an earlier engine; the descriptor travels with the message.
    case adopt(SocketTag)
    /// The last snapshot of an earlier engine, before the router is configured.
    case resume(RouterSnapshot)
    /// A check that routers may refer to; before the routers that do, and again when its time to live changes.
    case check(CheckDefinition)
    /// A check that no router refers to any more.
    case removeCheck(CheckID)
    /// A new virtual router, or a changed one.
    case configure(RouterID, VirtualRouterConfiguration, disabled: Bool)
    /// The router left the configuration: it resigns and is forgotten.
    case remove(RouterID)
    /// All configuration of a start or a reload has been sent; the engine answers `Report.ready`.
    case commit
    /// A run of a check ended; sent for every run, which renews the verdict's time to live.
    case verdict(CheckID, Verdict)
    /// The gate with this sequence number ended; nil is success.
    case gate(RouterID, sequence: UInt32, failure: CheckFailure?)
    /// Give the router up and stay out, or take part again.
    case disable(RouterID, Bool)
    /// Let another host be master; `Report.handover` tells what came of it.
    /// Its claim gate may need `patience`.
    case handOver(RouterID, patience: Duration)
    /// Hold the router back from preemption, or no longer. Forgotten with the engine.
    case hold(RouterID, Bool)
    /// A master announces its addresses again.
    case announce(RouterID)
    /// So many announcements may leave an interface in any second, at least 10.
    case limitAnnouncements(perSecond: UInt32)
    /// A master asks neighbours whether they send to it; `Report.verification` tells, the last time as complete.
    case verify(RouterID)
    /// Resign everything, release everything, report `stopped` and exit.
    case stop
    /// To an engine that will go on for another one: open what these interfaces need and what takes time; answered by `prepared`.
    case prepare([String])
    /// Another engine goes on from here: report all snapshots and `yielded`, and exit without releasing anything.
    case yield
}

/// The version of this protocol, in both hellos. It rises with every change of a message; the two processes are of one
/// build, so a difference means a half-finished installation.
package let messagesVersion: UInt16 = 18
