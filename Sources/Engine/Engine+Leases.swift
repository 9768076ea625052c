// Where the loop and the leases meet: which addresses get one, what an advert proves, and what a reload changes.

import Election
import Kernel
import Messages
import System
import Wire

extension Engine {
    /// The lifetime that a claim gives; nil for ever. On a kernel that cannot mark addresses nobody can tell the owner's own from ours.
    func lease(for configuration: VirtualRouterConfiguration) -> UInt32? {
        let isUnknown = configuration.isOwner && cannotMarkAll(configuration)
        return isUnknown ? nil : configuration.leaseSeconds
    }

    /// Some of its addresses carry no mark on this kernel.
    func cannotMarkAll(_ configuration: VirtualRouterConfiguration) -> Bool {
        guard requests.cannotMark(.ipv6) else { return false }
        return configuration.family == .ipv6 || configuration.addresses.contains { $0.address.family == .ipv6 }
    }

    /// An advert of this router has just left: that is the proof that it is master and on time.
    func noteAdvert(of id: RouterID) {
        guard let place = records.index(forKey: id) else { return }
        let boottime = Clock.boottime()
        records.values[place].lastAdvertSent = boottime
        records.values[place].mark.advertised(at: boottime)
    }

    /// The configuration may have another lease than `old`, another interval by which adverts are judged, or other options of addresses: for
    /// what is held already, too.
    func changeLease(of id: RouterID, after old: VirtualRouterConfiguration) {
        guard let router = node.router(id), let record = records[id] else { return }
        let held = states(of: router.wantedAddresses, record).filter { state in
            guard record.places[state.address] == state.interfaceIndex else { return false }
            return requests.cannotMark(state.address.address.family) ? !record.configuration.isOwner : state.isOurs
        }
        leases.change(held.map(\.placed), of: id, record.mark, record.configuration, after: old)
    }

    /// Once a second: what the kernel refused to renew.
    func tellLeaseFailures() {
        for (router, error) in leases.takeFailures() {
            node.count(.addressAddErrors, for: router)
            tell(error, for: router)
        }
    }
}
