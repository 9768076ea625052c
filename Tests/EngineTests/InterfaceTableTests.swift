// What the kernel told of addresses, ours by the thousand and others, and what of it is news.

import Kernel
import Testing
import Wire

@testable import Engine

private func address(_ number: UInt32) -> InterfaceAddress {
    InterfaceAddress(address: .ipv4(IPv4Address(bits: 0x0A00_0000 + number)), prefixLength: 32)
}

private func state(_ number: UInt32, on index: UInt32 = 7, ours: Bool = false) -> AddressState {
    AddressState(interfaceIndex: index, address: address(number), tag: ours ? AddressTag.value : 0)
}

private func place(_ number: UInt32, on index: UInt32 = 7) -> PlacedAddress {
    PlacedAddress(address: address(number), index: index)
}

private let eth0 = LinkState(
    index: 7, name: "eth0", isUp: true, hasCarrier: true, hardwareAddress: nil, mtu: 1_500, isLoopback: false)

@Suite struct InterfaceTableTests {
    @Test(arguments: [3, 1_000] as [UInt32])
    func `what is present is told in the order of the question, of this interface alone`(_ count: UInt32) {
        var table = InterfaceTable()
        let wanted = (0..<count).reversed().map(address)
        #expect(table.states(of: wanted, on: 7).isEmpty)
        for number in 0..<count where number != 1 { table.apply(.address(state(number, ours: number % 2 == 0))) }
        table.apply(.address(state(1, on: 8)))
        #expect(table.states(of: wanted, on: 7).map(\.address) == wanted.filter { $0 != address(1) })
        table.apply(.address(state(1)))
        #expect(table.states(of: wanted, on: 7).map(\.address) == wanted)
        #expect(table.ours.count == Int(count + 1) / 2)
    }

    @Test func `adverts are sent from the kernel's first address that is not ours`() {
        var table = InterfaceTable()
        for number: UInt32 in [5, 3, 4] { table.apply(.address(state(number, ours: number == 5))) }
        #expect(table.source(on: 7, .ipv4, excluding: []) == address(3).address)
        // Somebody marks it as ours, and takes the mark off again: then it is the last one.
        table.apply(.address(state(3, ours: true)))
        #expect(table.source(on: 7, .ipv4, excluding: []) == address(4).address)
        #expect(table.isOurs(address(3), on: 7, as: AddressOptions()))
        table.apply(.address(state(3)))
        #expect(table.source(on: 7, .ipv4, excluding: []) == address(4).address)
        #expect(!table.isOurs(address(3), on: 7, as: AddressOptions()) && table.isPresent(address(3), on: 7))
        #expect(table.networks(on: 7, excluding: []) == [address(3), address(4)])
        for number: UInt32 in [3, 4] { table.apply(.addressRemoved(state(number))) }
        #expect(table.source(on: 7, .ipv4, excluding: []) == nil)
        #expect(table.ours.map(\.address) == [address(5)])
    }

    @Test func `addresses of ours are news of their own, others of their interface, renewals none`() {
        var table = InterfaceTable()
        table.apply(.link(eth0))
        #expect(table.takeChanges().interfaces == ["eth0"])

        table.apply(.address(state(1, ours: true)))
        table.apply(.address(state(2)))
        var changes = table.takeChanges()
        #expect(changes.byUs == [place(1)] && changes.interfaces == ["eth0"] && changes.removed.isEmpty)

        table.apply(.address(state(1, ours: true)))
        table.apply(.address(state(2)))
        changes = table.takeChanges()
        #expect(changes.byUs.isEmpty && changes.interfaces.isEmpty)

        // A tag that comes or goes is somebody else's doing.
        for tagged in [state(2, ours: true), state(1)] {
            table.apply(.address(tagged))
            changes = table.takeChanges()
            #expect(changes.byUs.isEmpty && changes.interfaces == ["eth0"])
        }

        table.apply(.address(state(3, ours: true)))
        table.apply(.addressRemoved(state(3, ours: true)))
        changes = table.takeChanges()
        #expect(changes.byUs == [place(3)] && changes.removed == [place(3)] && changes.interfaces.isEmpty)
        #expect(!table.isPresent(address(3), on: 7))
    }

    @Test func `another hardware address and the kernel's wish to notify peers move an interface`() {
        var table = InterfaceTable()
        table.apply(.peersToNotify(index: 7))
        table.apply(.link(eth0))
        #expect(table.takeChanges().moved.isEmpty)
        var link = eth0
        link.mtu = 9_000
        table.apply(.link(link))
        #expect(table.takeChanges().moved.isEmpty)
        link.hardwareAddress = MACAddress(2, 0, 0, 0, 0, 1)
        table.apply(.link(link))
        #expect(table.takeChanges().moved == ["eth0"])
        table.apply(.peersToNotify(index: 7))
        #expect(table.takeChanges().moved == ["eth0"])
    }

    @Test func `what a new dump does not have is gone`() {
        var table = InterfaceTable()
        table.apply(.link(eth0))
        for number: UInt32 in [1, 2, 3, 4] { table.apply(.address(state(number, ours: number > 2))) }
        table.replace(links: [eth0], addresses: [state(1), state(3, ours: true)])
        #expect(table.takeChanges().removed == [place(2), place(4)])
        table.apply(.linkRemoved(index: 7, name: "eth0"))
        #expect(table.takeChanges().removed == [place(1), place(3)])
    }
}
