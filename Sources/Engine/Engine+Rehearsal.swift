// A takeover in miniature, before there is anything to take over. What a program does for the first time is slow: pages of code come in,
// the runtime makes its tables of types, the allocator asks for memory. Together that is up to a millisecond, which the clients of the
// address would wait for. It goes through the code that stands between a decision and its announcement; nothing is sent, no address is
// touched and nothing is reported.

import Election
import Kernel
import Messages
import System
import Wire

extension Engine {
    /// Once, before the first command.
    func rehearse() {
        requests.rehearse()
        let hardware = MACAddress(0, 0, 0x5E, 0, 0x53, 1)
        let addresses: [IPAddress] = [
            .ipv4(IPv4Address(192, 0, 2, 1)), .ipv6(IPv6Address(high: 0xFE80 << 48, low: 1)),
        ]
        for address in addresses {
            rehearse(InterfaceAddress(address: address, prefixLength: address.family.hostPrefixLength))
        }
        _ = ARPPacket.gratuitousRequest(IPv4Address(192, 0, 2, 1), at: hardware).frame()
        _ = NeighborAdvertisement.unsolicited(IPv6Address(high: 0xFE80 << 48, low: 1), at: hardware, isRouter: false)
            .frame(source: hardware)
    }

    /// An election of its own that becomes master of this address.
    private func rehearse(_ address: InterfaceAddress) {
        // No interface has this name or this index.
        let nowhere = UInt32(Int32.max)
        let id = RouterID(.max)
        let configuration = VirtualRouterConfiguration(interface: "/", vrid: 1, addresses: [address])
        var record = RouterRecord(configuration)
        var rehearsal = Node()
        var actions: [RouterAction] = []
        var facts = InterfaceFacts(index: nowhere)
        facts.sourceIPv4 = IPv4Address(192, 0, 2, 2)
        facts.sourceIPv6 = IPv6Address(high: 0xFE80 << 48, low: 2)
        let begin = now
        rehearsal.interface(configuration.interface, facts, at: begin, appendingTo: &actions)
        rehearsal.configure(id, configuration, disabled: false, at: begin, appendingTo: &actions)
        let due = rehearsal.deadline ?? begin
        rehearsal.wake(at: due, appendingTo: &actions)
        var claim = Claim(configuration.addresses, of: id, index: nowhere)
        claim.advance()
        claim.leased.append((address, Clock.boottime()))
        leases.hold(claim.leased, index: nowhere, of: id, record.mark, configuration)
        leases.forget(configuration.addresses, index: nowhere)
        rehearsal.claimed(id, failure: nil, at: due, appendingTo: &actions)
        for item in actions {
            switch item.action {
            case .sendAdvert(let priority):
                let found = rehearsal.look(at: id) { $0.adverts(priority: priority) }
                found?.advert.encode(into: &payload, source: address.address, destination: address.address)
                record.mark.advertised(at: Clock.boottime())
            case .transition(let transition):
                record.note(transition)
                Report.transition(id, transition).encode(into: &payload)
            case .claim, .release, .announce, .runGate, .cancelGate, .releaseGateFailed, .peerDiffers, .unsteady, .handover:
                break
            }
        }
        Report.snapshot(RouterSnapshot(router: id, state: .master)).encode(into: &payload)
    }
}
