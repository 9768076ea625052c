// From one engine to the next: what the next one does beforehand, and how this one leaves, with sockets, addresses and elections
// as they are. And how it leaves without a supervisor, where nobody would end this process if it did not end itself.

import Election
import Glibc
import Kernel
import Messages
import System

extension Engine {
    /// So long an engine without a supervisor may take to resign and to release, beyond the longest of its intervals. The next
    /// agent starts meanwhile and must not find this one for ever.
    static let leavingTime: Int64 = 5_000_000_000
    /// How long the last reports may wait for room, nanoseconds: a master is silent meanwhile.
    static let yieldPatience: Int64 = 200_000_000

    /// Another engine goes on: tells where each router is, and does nothing more. Nothing is sent, released or closed for others:
    /// sockets, groups and addresses are the next engine's.
    func yield() {
        guard isCommitted, !isStopping else { return }
        hasYielded = true
        vitals?.promise(0)
        finishReleases()
        linkKeeper?.abandon()
        mark(.leaving)
        let end = Clock.monotonic() + Self.yieldPatience
        reporter.markDirty(node.routerIDs)
        while !reporter.finish(with: .yielded(at: Clock.boottime()), { snapshot(of: $0) }) {
            guard Clock.monotonic() < end else { return }
            Clock.pause(nanoseconds: 500_000)
        }
    }

    /// Opens before they are needed the ports for announcements, which the kernel gives after a grace period only (about 15 ms): the
    /// engine that this one will follow still adverts meanwhile.
    func prepare(_ interfaces: [String]) {
        for name in interfaces {
            if let link = table.link(named: name) { ports.prepareFrames(on: link) }
        }
        reporter.send(.prepared)
    }

    /// The supervisor is gone: this process ends within a time that is known now, by an alarm if all else hangs.
    func boundLeaving() {
        let longest = records.values.lazy.map { $0.configuration.advertisementInterval.nanoseconds }.max() ?? 0
        leaveBy = min(leaveBy, Clock.monotonic() + longest + Self.leavingTime)
        _ = alarm(UInt32((longest + 2 * Self.leavingTime) / 1_000_000_000))
    }

    /// The time to leave is over, and some routers have not come to rest: their addresses go all the same.
    func releaseWhatIsLeft() {
        guard !node.hasStopped else { return }
        for id in node.routerIDs {
            takeOffRouting(of: id)
            guard let router = node.router(id), let record = records[id] else { continue }
            for address in router.wantedAddresses {
                guard let index = record.places[address] else { continue }
                mark(.release, id)
                try? requests.remove(address, index: index)
            }
        }
    }
}
