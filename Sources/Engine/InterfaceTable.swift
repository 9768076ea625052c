// What the kernel has told about interfaces and their addresses, and what that means for elections: which interface has which
// index, whether it carries, and where adverts are sent from.

import Election
import Kernel
import Wire

/// The interfaces of this network namespace.
struct InterfaceTable {
    private(set) var links: [UInt32: LinkState] = [:]
    private var indexes: [String: UInt32] = [:]
    private var addresses: [UInt32: [AddressState]] = [:]

    /// Names of interfaces that changed, of those on which only addresses of ours came or went, and addresses that went away, since the
    /// last `takeChanges`.
    private var changed: Set<String> = []
    private var changedByUs: Set<String> = []
    private var removed: [AddressState] = []

    /// Forgets everything and takes a fresh dump; every name, old and new, counts as changed.
    mutating func replace(links newLinks: [LinkState], addresses newAddresses: [AddressState]) {
        for link in links.values { changed.insert(link.name) }
        let old = addresses
        links = [:]
        indexes = [:]
        addresses = [:]
        for link in newLinks { apply(.link(link)) }
        for address in newAddresses { apply(.address(address)) }
        for state in old.values.joined() where !isPresent(state.address, on: state.interfaceIndex) {
            removed.append(state)
        }
    }

    /// Takes one event over. `eventsLost` is the caller's business.
    mutating func apply(_ event: KernelEvent) {
        switch event {
        case .link(let link):
            if let old = links[link.index], old.name != link.name { forget(old) }
            links[link.index] = link
            indexes[link.name] = link.index
            changed.insert(link.name)
        case .linkRemoved(let index, let name):
            if let old = links.removeValue(forKey: index) { forget(old) }
            removed.append(contentsOf: addresses.removeValue(forKey: index) ?? [])
            changed.insert(name)
        case .address(let state):
            // Out of the dictionary while it changes, so that it is not copied.
            var list = addresses.removeValue(forKey: state.interfaceIndex) ?? []
            var isOurs = state.isOurs
            if let place = list.firstIndex(where: { $0.address == state.address }) {
                // A renewed lifetime, or an event of what a dump has told already.
                guard list[place] != state else {
                    addresses[state.interfaceIndex] = list
                    return
                }
                isOurs = isOurs && list[place].isOurs
                list[place] = state
            } else {
                list.append(state)
            }
            addresses[state.interfaceIndex] = list
            noteChange(on: state.interfaceIndex, isOurs: isOurs)
        case .addressRemoved(let state):
            addresses[state.interfaceIndex]?.removeAll { $0.address == state.address }
            removed.append(state)
            noteChange(on: state.interfaceIndex, isOurs: state.isOurs)
        case .eventsLost:
            break
        }
    }

    /// The name of this interface is no longer its.
    private mutating func forget(_ old: LinkState) {
        changed.insert(old.name)
        if indexes[old.name] == old.index { indexes[old.name] = nil }
    }

    private mutating func noteChange(on index: UInt32, isOurs: Bool) {
        guard let name = links[index]?.name else { return }
        if isOurs { changedByUs.insert(name) } else { changed.insert(name) }
    }

    /// The changes since the last call. An interface on which only addresses of ours came or went is in `byUs`: nothing that elections
    /// go by has changed there.
    mutating func takeChanges() -> (interfaces: [String], byUs: [String], removed: [AddressState]) {
        defer {
            changed.removeAll(keepingCapacity: true)
            changedByUs.removeAll(keepingCapacity: true)
            removed.removeAll(keepingCapacity: true)
        }
        return (changed.sorted(), changedByUs.subtracting(changed).sorted(), removed)
    }

    func link(named name: String) -> LinkState? { indexes[name].flatMap { links[$0] } }

    func isPresent(_ address: InterfaceAddress, on index: UInt32) -> Bool {
        addresses[index]?.contains { $0.address == address } ?? false
    }

    /// It is there with our tag, as we put it there, and answers.
    func isOurs(_ address: InterfaceAddress, on index: UInt32) -> Bool {
        addresses[index]?.contains { $0.address == address && $0.isOurs && $0.isUsable } ?? false
    }

    /// Those of `wanted` that are on the interface.
    func states(of wanted: [InterfaceAddress], on index: UInt32) -> [AddressState] {
        let wanted = Set(wanted)
        return (addresses[index] ?? []).filter { wanted.contains($0.address) }
    }

    /// Those of `wanted` that are on the interface, in their order. For a snapshot, so once a second of each router, of a thousand addresses
    /// beside thousands.
    func present(of wanted: [InterfaceAddress], on index: UInt32) -> [InterfaceAddress] {
        if wanted.count <= 4 { return wanted.filter { isPresent($0, on: index) } }
        let found = Set(states(of: wanted, on: index).map(\.address))
        return wanted.filter(found.contains)
    }

    /// Everything that carries our tag.
    var ours: [AddressState] { addresses.values.joined().filter(\.isOurs) }

    /// The addresses that adverts to peers can be sent from, in ascending order.
    func networks(on index: UInt32, excluding virtual: Set<IPAddress>) -> [InterfaceAddress] {
        (addresses[index] ?? []).filter {
            $0.isUsable && !$0.isOurs && !$0.isPassing && !virtual.contains($0.address.address)
        }.map(\.address).sorted { $0.address < $1.address }
    }

    /// Where adverts of `family` are sent from: the first usable address that is neither ours nor virtual, a primary one
    /// if there is one (checklist V3-AD-05, V3-AD-06).
    func source(
        on index: UInt32, _ family: AddressFamily, isLinkLocal: Bool = false, preferring present: IPAddress? = nil,
        excluding virtual: Set<IPAddress>
    ) -> IPAddress? {
        let candidates = (addresses[index] ?? []).filter { state in
            state.address.address.family == family && state.isUsable && !state.isOurs
                && !virtual.contains(state.address.address)
                && (family == .ipv4 || state.address.address.isLinkLocal == isLinkLocal)
        }
        guard family == .ipv6, !isLinkLocal else {
            return (candidates.first { !$0.isSecondary } ?? candidates.first)?.address.address
        }
        // Peers have it in their list, so it must not change by itself: the present one, else the least that lasts.
        let lasting = candidates.filter { !$0.isPassing }.map { $0.address.address }
        if let present, lasting.contains(present) { return present }
        return lasting.min() ?? candidates.first?.address.address
    }
}
