// A claim that is under way as a value: what is added, dropped or lost meanwhile.

import Election
import Kernel
import Testing
import Wire

@testable import Engine

private func address(_ number: UInt8) -> PlacedAddress {
    let address = InterfaceAddress(address: .ipv4(IPv4Address(192, 0, 2, number)), prefixLength: 32)
    return PlacedAddress(address: address, index: 7)
}

/// Addresses 1 ... 4, of which the first two are on.
private func half() -> Claim {
    var claim = Claim([1, 2, 3, 4].map(address), of: RouterID(1), isAwaited: true)
    claim.advance()
    claim.leased.append((address(1), 5))
    claim.advance()
    return claim
}

@Suite struct ClaimTests {
    @Test func `it goes on with what is left`() {
        var claim = half()
        #expect(claim.next == address(3))
        claim.advance()
        claim.advance()
        #expect(claim.next == nil)
    }

    @Test func `what is dropped is not put on, and what was on already does not count any more`() {
        var claim = half()
        claim.drop([address(1), address(3)])
        #expect(claim.addresses == [address(2), address(4)])
        #expect(claim.position == 1 && claim.next == address(4))
        #expect(claim.leased.isEmpty)
        claim.drop([address(2), address(4)])
        #expect(claim.addresses.isEmpty && claim.next == nil)
    }

    @Test func `what is added comes last, each once, and what was on already and is wanted again was lost`() {
        var claim = half()
        claim.add([address(4), address(5), address(1)], isAwaited: false)
        #expect(claim.addresses == [2, 3, 4, 5, 1].map(address))
        #expect(claim.position == 1 && claim.next == address(3))
        #expect(claim.leased.isEmpty)
    }
}
