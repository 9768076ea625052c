// The lease: addresses that a master holds have a lifetime in the kernel, and this renews them (promise 1). When the engine is
// killed, stopped, frozen or hung, nobody renews, and the kernel takes the addresses off.
//
// Renewals are requests to the kernel, and each takes its configuration lock, which other programs hold for as long as they like. So
// they are made by a thread of their own with a socket of its own; the loop never waits for them, but for one thing. A renewal of an
// address that has been taken off brings it back: the kernel does not tell renewing from adding. Therefore whoever takes an
// address off calls `forget` first, which waits for the one request that is in flight if it is of that address. The thread
// looks whether an address is still held, and renews it, under the same lock.
//
// The thread decides nothing of its own: it renews what the loop holds, and only while the loop has proved lately that it is alive and
// master, by an advert sent. After a stop of the whole process it finds the last advert old, or the lease over, and lets go.

import Election
import Kernel
import Glibc
import Synchronization
import System
import Wire

/// When a router's last advert went out: written by the loop, read by the thread that renews.
final class LeaseMark: Sendable {
    private let sent = Atomic<Int64>(0)

    /// An advert went out at this boot time in nanoseconds.
    func advertised(at boottime: Int64) { sent.store(boottime, ordering: .relaxed) }

    /// Boot time in nanoseconds of the last one; 0 for never.
    var advertised: Int64 { sent.load(ordering: .relaxed) }
}

/// Renews the addresses of masters. Any of its methods but `renewAll` are for the loop's thread.
final class LeaseKeeper: Sendable {
    /// What has been renewed without a pause, and the pause, nanoseconds: an address costs 0.02 to 0.2 ms of system time.
    static let slice: Int64 = 1_000_000
    /// The thread looks at most so often whether something is due, nanoseconds.
    static let rest: Int64 = 50_000_000
    /// A renewal that is so late, in nanoseconds, is not paused for: the shortest lease leaves 1.3 s for it.
    static let hurry: Int64 = 200_000_000

    private struct Entry: Sendable {
        let router: RouterID
        let mark: LeaseMark
        var options: AddressOptions
        /// For so long, in nanoseconds, one advert proves that the loop is on time.
        var patience: Int64
        /// What the lifetime ought to be, in seconds; nil for ever, after which the entry goes.
        var wanted: UInt32?
        /// What the kernel was told last, nil for ever, and the boot time just before that.
        var told: UInt32?
        var since: Int64
        /// When it is to be renewed, boot time.
        var due: Int64

        /// The lease may be over, and the address with it. Nobody may bring it back but the loop.
        func mayBeOver(at boottime: Int64) -> Bool {
            guard let told else { return false }
            return boottime >= since + Int64(told) * 1_000_000_000
        }

        func isOnTime(at boottime: Int64) -> Bool {
            let age = boottime - mark.advertised
            return age >= 0 && age <= patience
        }
    }

    private struct Table: Sendable {
        var entries: [PlacedAddress: Entry] = [:]
        /// The request that is being made.
        var inFlight: PlacedAddress?
        var failures: [(router: RouterID, error: KernelError)] = []
        var nextLook = Int64.max
        var isEnding = false
    }

    private let table = Mutex(Table())
    /// Held for the length of each request; what is in it is the thread's alone.
    private let gate: Mutex<NetlinkRequests>
    private let wake: WakeDescriptor
    private let renewalsPerLease: Int64
    /// Something that is held has to be looked at before the thread would. The loop's alone.
    private let isSooner = Atomic(false)

    /// Starts the thread. `renewalsPerLease` is another number only in tests.
    init(renewalsPerLease: Int64 = 3) throws(EngineError) {
        do throws(KernelError) {
            gate = Mutex(try NetlinkRequests())
        } catch {
            throw .kernel(error)
        }
        self.renewalsPerLease = renewalsPerLease
        do throws(SystemError) {
            wake = try WakeDescriptor()
            try BackgroundThread.start { [self] in renewAll() }
        } catch {
            throw .system(error)
        }
    }

    // MARK: - The loop's side

    /// These addresses were put on with a lifetime of `seconds`, at `since` (boot time before the request) or later. Renewed after
    /// `beginRenewals`, which can wait for what is more urgent.
    func hold(
        _ addresses: [(address: PlacedAddress, since: Int64)], of router: RouterID, _ mark: LeaseMark,
        _ configuration: VirtualRouterConfiguration
    ) {
        guard let seconds = configuration.leaseSeconds, !addresses.isEmpty else { return }
        table.withLock { table in
            for (key, since) in addresses {
                let due = since + renewalPeriod(seconds)
                if due < table.nextLook { isSooner.store(true, ordering: .relaxed) }
                table.entries[key] = Entry(
                    router: router, mark: mark, options: configuration.options(of: key.address),
                    patience: Self.patience(configuration), wanted: seconds, told: seconds, since: since, due: due)
            }
        }
    }

    /// Wakes the thread for what is held since the last call, if it would look too late.
    func beginRenewals() {
        guard isSooner.load(ordering: .relaxed) else { return }
        isSooner.store(false, ordering: .relaxed)
        wake.wake()
    }

    /// The configuration of a router that holds these addresses is another than `old`: its lease is at once, and what was held for ever
    /// gets one. Nil: somebody has changed the addresses, and the kernel is told anew of all of them.
    func change(
        _ addresses: [PlacedAddress], of router: RouterID, _ mark: LeaseMark,
        _ configuration: VirtualRouterConfiguration, after old: VirtualRouterConfiguration?
    ) {
        let now = Clock.boottime()
        let seconds = configuration.leaseSeconds
        let hasChanged = table.withLock { table in
            var hasChanged = false
            for key in addresses {
                let options = configuration.options(of: key.address)
                if var entry = table.entries[key] {
                    entry.patience = Self.patience(configuration)
                    if old == nil || entry.wanted != seconds || entry.options != options {
                        entry.wanted = seconds
                        entry.options = options
                        entry.due = now
                        hasChanged = true
                    }
                    table.entries[key] = entry
                } else if seconds != nil || options != old?.options(of: key.address) {
                    // Without a lease it is renewed once.
                    table.entries[key] = Entry(
                        router: router, mark: mark, options: options,
                        patience: Self.patience(configuration), wanted: seconds, told: nil, since: now, due: now)
                    hasChanged = true
                }
            }
            return hasChanged
        }
        if hasChanged { wake.wake() }
    }

    /// These addresses are to be taken off, now or because they are gone: when this returns no renewal is under way that could bring one of
    /// them back, and none begins. It waits for the one request in flight, and only if that is for one of them.
    func forget(_ addresses: [PlacedAddress]) {
        let mustWait = table.withLock { table in
            var isInFlight = false
            for key in addresses {
                table.entries[key] = nil
                isInFlight = isInFlight || table.inFlight == key
            }
            return isInFlight
        }
        if mustWait { gate.withLock { _ in } }
    }

    /// An interface is gone, and its number may be given to another one.
    func forget(index: UInt32) {
        forget(table.withLock { table in table.entries.keys.filter { $0.index == index } })
    }

    /// The boot time at which the first of these addresses goes unless it is renewed; 0 when none has a lease.
    func expiry(of addresses: [PlacedAddress]) -> Int64 {
        let first = table.withLock { table in
            var first = Int64.max
            for key in addresses {
                guard let entry = table.entries[key], let told = entry.told else { continue }
                first = min(first, entry.since + Int64(told) * 1_000_000_000)
            }
            return first
        }
        return first == .max ? 0 : first
    }

    /// Renewals that the kernel refused since the last call, at most one a router.
    func takeFailures() -> [(router: RouterID, error: KernelError)] {
        table.withLock { table in
            let failures = table.failures
            if !failures.isEmpty { table.failures = [] }
            return failures
        }
    }

    /// Ends the thread.
    func stop() {
        table.withLock { $0.isEnding = true }
        wake.wake()
    }

    /// A backup takes over from a silent master after three intervals and its skew time: an advert proves no more than that.
    private static func patience(_ configuration: VirtualRouterConfiguration) -> Int64 {
        (configuration.advertisementInterval * 3).nanoseconds
    }

    private func renewalPeriod(_ seconds: UInt32) -> Int64 { Int64(seconds) * 1_000_000_000 / renewalsPerLease }

    // MARK: - The thread's side

    private func renewAll() {
        RealTimeProcess.nameThread("lease")
        var due: [(key: PlacedAddress, due: Int64)] = []
        while true {
            let (first, isEnding) = table.withLock { table in
                let first = table.entries.values.lazy.map(\.due).min() ?? .max
                table.nextLook = first
                return (first, table.isEnding)
            }
            if isEnding { return }
            wake.wait(until: first)
            let now = Clock.boottime()
            table.withLock { table in
                for (key, entry) in table.entries where entry.due <= now { due.append((key, entry.due)) }
            }
            due.sort { $0.due < $1.due }
            renew(due)
            due.removeAll(keepingCapacity: true)
            // What was not on time is looked at again, and what became due meanwhile is taken together.
            if renewalsPerLease == 3 { Clock.pause(nanoseconds: Self.rest) }
        }
    }

    /// Renews these, about a slice at a time: other programs need the kernel's configuration lock, too. Where they hold it so much that the
    /// leases might end, they have to wait; the loop, which may share the processor, does not.
    private func renew(_ addresses: [(key: PlacedAddress, due: Int64)]) {
        var begin = Clock.monotonic()
        for (key, due) in addresses {
            renew(key)
            guard Clock.monotonic() - begin >= Self.slice else { continue }
            Clock.pause(nanoseconds: Clock.boottime() - due < Self.hurry ? Self.slice : 1)
            begin = Clock.monotonic()
        }
    }

    private func renew(_ key: PlacedAddress) {
        gate.withLock { requests in
            let begin = Clock.boottime()
            guard let entry = takeUp(key, at: begin) else { return }
            var failure: KernelError?
            do throws(KernelError) {
                try requests.renew(key.address, index: key.index, entry.options, lifetime: entry.wanted)
            } catch {
                failure = error
            }
            let isOver = entry.mayBeOver(at: Clock.boottime())
            if isOver {
                // This process did not run between looking and renewing, and the address may have been gone by then: it goes again. If
                // it is still wanted, the loop hears of that, and claims and announces it.
                try? requests.remove(key.address, index: key.index)
            }
            finish(key, begin, isOver: isOver, failure)
        }
    }

    /// The entry, marked as in flight, if it is to be renewed now.
    private func takeUp(_ key: PlacedAddress, at now: Int64) -> Entry? {
        table.withLock { table in
            guard let entry = table.entries[key], entry.due <= now else { return nil }
            guard !entry.mayBeOver(at: now) else {
                table.entries[key] = nil
                return nil
            }
            guard entry.isOnTime(at: now) else { return nil }
            table.inFlight = key
            return entry
        }
    }

    private func finish(_ key: PlacedAddress, _ begin: Int64, isOver: Bool, _ failure: KernelError?) {
        table.withLock { table in
            table.inFlight = nil
            guard var entry = table.entries[key] else { return }
            if let failure {
                if !table.failures.contains(where: { $0.router == entry.router }) {
                    table.failures.append((entry.router, failure))
                }
                // Tried again until the lease is over; without its interface the address is gone.
                if failure.code == ENODEV || isOver { table.entries[key] = nil }
                return
            }
            guard !isOver, let wanted = entry.wanted else {
                table.entries[key] = nil
                return
            }
            entry.told = wanted
            entry.since = begin
            entry.due = begin + renewalPeriod(wanted)
            table.entries[key] = entry
        }
    }
}
