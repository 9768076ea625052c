// What of a long list is on an interface.

import Kernel
import Testing
import Wire

@testable import Engine

private func address(_ number: UInt32) -> InterfaceAddress {
    InterfaceAddress(address: .ipv4(IPv4Address(bits: 0x0A00_0000 + number)), prefixLength: 32)
}

@Suite struct InterfaceTableTests {
    @Test(arguments: [3, 1_000] as [UInt32])
    func `what is present is told in the order of the question, of this interface alone`(_ count: UInt32) {
        var table = InterfaceTable()
        let wanted = (0..<count).reversed().map(address)
        #expect(table.present(of: wanted, on: 7).isEmpty)
        for number in 0..<count where number != 1 {
            table.apply(.address(AddressState(interfaceIndex: 7, address: address(number))))
        }
        table.apply(.address(AddressState(interfaceIndex: 8, address: address(1))))
        #expect(table.present(of: wanted, on: 7) == wanted.filter { $0 != address(1) })
        table.apply(.address(AddressState(interfaceIndex: 7, address: address(1))))
        #expect(table.present(of: wanted, on: 7) == wanted)
        #expect(table.states(of: [address(0)], on: 7).map(\.address) == [address(0)])
    }
}
