// What the kernel has told about interfaces and their addresses, and what that means for elections: which interface has which
// index, whether it carries, and where adverts are sent from.

import Election
import Kernel
import Wire

/// The addresses of one interface. Those that carry our tag are found at once, because there may be thousands of them.
struct InterfaceAddresses {
    private var ours: [InterfaceAddress: AddressState] = [:]
    /// In the kernel's order, of which the first primary one is a source of adverts.
    private(set) var others: [AddressState] = []

    subscript(address: InterfaceAddress) -> AddressState? {
        ours[address] ?? others.first { $0.address == address }
    }

    /// Those of `wanted` that are there, in their order. Without a tag there may be as many, too: on old kernels, and of owners.
    func states(of wanted: [InterfaceAddress]) -> [AddressState] {
        guard wanted.count > 4, others.count > 4 else { return wanted.compactMap { self[$0] } }
        var untagged: [InterfaceAddress: AddressState] = [:]
        for state in others { untagged[state.address] = state }
        return wanted.compactMap { ours[$0] ?? untagged[$0] }
    }

    /// Returns what was there before.
    mutating func update(_ state: AddressState) -> AddressState? {
        let place = others.firstIndex { $0.address == state.address }
        guard state.isOurs else {
            let old = ours.removeValue(forKey: state.address)
            guard let place else {
                others.append(state)
                return old
            }
            defer { others[place] = state }
            return others[place]
        }
        if let place {
            ours[state.address] = state
            return others.remove(at: place)
        }
        return ours.updateValue(state, forKey: state.address)
    }

    mutating func remove(_ address: InterfaceAddress) {
        if ours.removeValue(forKey: address) == nil { others.removeAll { $0.address == address } }
    }

    var tagged: some Sequence<AddressState> { ours.values }

    var all: [AddressState] { others + ours.values }
}

/// The interfaces of this network namespace.
struct InterfaceTable {
    private(set) var links: [UInt32: LinkState] = [:]
    private var indexes: [String: UInt32] = [:]
    private var addresses: [UInt32: InterfaceAddresses] = [:]

    /// Names of interfaces that changed, addresses of ours that came or went, and all that went, since the last `takeChanges`.
    private var changed: Set<String> = []
    private var changedByUs: Set<PlacedAddress> = []
    private var removed: Set<PlacedAddress> = []
    /// Who asked the kernel to take them off, where it told.
    private var removers: [PlacedAddress: UInt32] = [:]
    /// Interfaces that neighbours and switches may look for at the wrong place.
    private var moved: Set<String> = []

    /// Forgets everything and takes a fresh dump; every name, old and new, counts as changed.
    mutating func replace(links newLinks: [LinkState], addresses newAddresses: [AddressState]) {
        for link in links.values { changed.insert(link.name) }
        let old = addresses
        let present = Set(newLinks.map(\.index))
        // What is still there shows by itself what of it has changed.
        links = links.filter { present.contains($0.key) }
        indexes = [:]
        addresses = [:]
        for link in newLinks { apply(.link(link)) }
        for address in newAddresses { apply(.address(address)) }
        for state in old.values.flatMap(\.all) where !isPresent(state.address, on: state.interfaceIndex) {
            removed.insert(state.placed)
        }
    }

    /// Takes one event over. `eventsLost` is the caller's business.
    mutating func apply(_ event: KernelEvent) {
        switch event {
        case .link(let link):
            if let old = links[link.index] {
                if old.name != link.name { forget(old) }
                if old.hardwareAddress != link.hardwareAddress { moved.insert(link.name) }
            }
            links[link.index] = link
            indexes[link.name] = link.index
            changed.insert(link.name)
        case .linkRemoved(let index, let name):
            if let old = links.removeValue(forKey: index) { forget(old) }
            removed.formUnion((addresses.removeValue(forKey: index)?.all ?? []).map(\.placed))
            changed.insert(name)
        case .address(let state):
            let old = addresses[state.interfaceIndex, default: InterfaceAddresses()].update(state)
            // Otherwise a renewed lifetime, or an event of what a dump has told already.
            guard old != state else { return }
            note(state, isOurs: state.isOurs && old?.isOurs ?? true)
        case .addressRemoved(let state, let port):
            if port != 0 { removers[state.placed] = port }
            addresses[state.interfaceIndex]?.remove(state.address)
            removed.insert(state.placed)
            note(state, isOurs: state.isOurs)
        case .peersToNotify(let index):
            if let name = links[index]?.name { moved.insert(name) }
        case .route, .routeRemoved, .rule, .ruleRemoved, .eventsLost:
            break
        }
    }

    /// The name of this interface is no longer its.
    private mutating func forget(_ old: LinkState) {
        changed.insert(old.name)
        if indexes[old.name] == old.index { indexes[old.name] = nil }
    }

    private mutating func note(_ state: AddressState, isOurs: Bool) {
        guard let name = links[state.interfaceIndex]?.name else { return }
        if isOurs { changedByUs.insert(state.placed) } else { changed.insert(name) }
    }

    /// The changes since the last call. An interface on which only addresses of ours came or went, `byUs`, is not in `interfaces`: nothing
    /// that elections go by has changed there. What is behind those in `moved` has to be announced again.
    mutating func takeChanges() -> (
        interfaces: [String], byUs: Set<PlacedAddress>, removed: Set<PlacedAddress>, removers: [PlacedAddress: UInt32],
        moved: [String]
    ) {
        defer {
            removers.removeAll(keepingCapacity: true)
            moved.removeAll(keepingCapacity: true)
            changed.removeAll(keepingCapacity: true)
            changedByUs.removeAll(keepingCapacity: true)
            removed.removeAll(keepingCapacity: true)
        }
        return (changed.sorted(), changedByUs, removed, removers, moved.sorted())
    }

    /// One of this host's interfaces has this hardware address.
    func isOwn(_ hardware: MACAddress) -> Bool { links.values.contains { $0.hardwareAddress == hardware } }

    /// Whether an address is on any interface, whoever put it there. Looks through all of them.
    func isOwn(_ address: IPAddress) -> Bool {
        addresses.values.contains { $0.all.contains { $0.address.address == address } }
    }

    func link(named name: String) -> LinkState? { indexes[name].flatMap { links[$0] } }

    func isPresent(_ address: InterfaceAddress, on index: UInt32) -> Bool { addresses[index]?[address] != nil }

    /// It is there with our tag, as we put it there with these options, and answers.
    func isOurs(_ address: InterfaceAddress, on index: UInt32, as options: AddressOptions) -> Bool {
        addresses[index]?[address].map { $0.isOurs && $0.isUsable && $0.suits(options) } ?? false
    }

    /// Those of `wanted` that are on the interface, in their order.
    func states(of wanted: [InterfaceAddress], on index: UInt32) -> [AddressState] {
        addresses[index]?.states(of: wanted) ?? []
    }

    /// Those of `virtual` that are on the interface and carry no tag of ours, in ascending order.
    func untagged(_ virtual: Set<IPAddress>, on index: UInt32) -> [InterfaceAddress] {
        (addresses[index]?.others ?? []).map(\.address).filter { virtual.contains($0.address) }
            .sorted { $0.address < $1.address }
    }

    /// Our tag, which somebody has taken off this one, is put on again.
    mutating func mark(_ placed: PlacedAddress) {
        guard var state = addresses[placed.index]?[placed.address] else { return }
        state.tag = AddressTag.value
        _ = addresses[placed.index]?.update(state)
    }

    /// Everything that carries our tag.
    var ours: [AddressState] { addresses.values.flatMap(\.tagged) }

    /// The addresses that adverts to peers can be sent from, in ascending order.
    func networks(on index: UInt32, excluding virtual: Set<IPAddress>) -> [InterfaceAddress] {
        (addresses[index]?.others ?? []).filter {
            $0.isUsable && !$0.isPassing && !virtual.contains($0.address.address)
        }.map(\.address).sorted { $0.address < $1.address }
    }

    /// Where adverts of `family` are sent from: the first usable address that is neither ours nor virtual, a primary one
    /// if there is one (checklist V3-AD-05, V3-AD-06).
    func source(
        on index: UInt32, _ family: AddressFamily, isLinkLocal: Bool = false, preferring present: IPAddress? = nil,
        excluding virtual: Set<IPAddress>
    ) -> IPAddress? {
        let candidates = (addresses[index]?.others ?? []).filter { state in
            state.address.address.family == family && state.isUsable && !virtual.contains(state.address.address)
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
