// Which interface each address of a router belongs on, and which one it is on: that of its router unless the configuration says another.
// Names and indexes of interfaces change hands, so what was put on is taken off where it was put, and nowhere else. It touches no address.

import Election
import Kernel
import Wire

extension Engine {
    /// Finds the interface that each address of a router belongs on now; nil while it is not there.
    func homes(of record: RouterRecord) -> (InterfaceAddress) -> UInt32? {
        let configuration = record.configuration
        let own =
            configuration.usesVirtualMAC
            ? virtualLink(of: record)?.index : table.link(named: configuration.interface)?.index
        guard !configuration.addressOptions.isEmpty else { return { _ in own } }
        var others: [String: UInt32] = [:]
        for name in configuration.otherInterfaces { others[name] = table.link(named: name)?.index }
        guard !configuration.otherInterfaces.isEmpty else { return { _ in own } }
        return { address in
            guard let name = configuration.addressOptions[address]?.interface else { return own }
            return others[name]
        }
    }

    /// These addresses of a router with the interfaces that they belong on, where there is one.
    func places(of addresses: [InterfaceAddress], _ record: RouterRecord) -> [PlacedAddress] {
        let home = homes(of: record)
        return addresses.compactMap { address in
            home(address).map { PlacedAddress(address: address, index: $0) }
        }
    }

    /// Those of `addresses` that are on the interfaces that they belong on, in their order.
    func states(of addresses: [InterfaceAddress], _ record: RouterRecord) -> [AddressState] {
        guard record.configuration.otherInterfaces.isEmpty else {
            return places(of: addresses, record).compactMap { table.states(of: [$0.address], on: $0.index).first }
        }
        guard let first = addresses.first, let index = homes(of: record)(first) else { return [] }
        return table.states(of: addresses, on: index)
    }

    /// Who uses an interface is told what becomes of it. `old` is what the router had before.
    func join(_ id: RouterID, _ configuration: VirtualRouterConfiguration, after old: VirtualRouterConfiguration?) {
        let interfaces = configuration.usedInterfaces
        for name in old?.usedInterfaces ?? [] where !interfaces.contains(name) { members[name]?.remove(id) }
        for name in interfaces { members[name, default: []].insert(id) }
    }
}

extension VirtualRouterConfiguration {
    /// Its own interface, and then the others that hold addresses.
    var usedInterfaces: [String] { [interface] + otherInterfaces }
}

extension LinkState {
    /// Somebody can hear an announcement there.
    var hasNeighbours: Bool { isUp && !isLoopback }
}
