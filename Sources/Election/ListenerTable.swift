// Which routers a packet can be for: by the interface it came in on, its family and its VRID.

import Wire

/// The places of routers in their list, by what they listen for. Several share an entry only in unicast, where the peers tell
/// them apart.
struct ListenerTable: Hashable, Sendable {
    private struct Key: Hashable {
        var interface: UInt32
        var family: AddressFamily
        var vrid: UInt8
    }

    private var entries: [Key: [Int]] = [:]

    mutating func removeAll() { entries.removeAll(keepingCapacity: true) }

    mutating func add(_ slot: Int, _ interface: UInt32, _ family: AddressFamily, _ vrid: UInt8) {
        entries[Key(interface: interface, family: family, vrid: vrid), default: []].append(slot)
    }

    func slots(_ interface: UInt32, _ family: AddressFamily, vrid: UInt8) -> [Int] {
        entries[Key(interface: interface, family: family, vrid: vrid)] ?? []
    }
}
