// A takeover in miniature. What a program does for the first time is slow: pages of code come in, the runtime makes its tables of types, the
// allocator asks for memory; and what it has not done for seconds is in no cache. Together that is up to a millisecond, which the
// clients of the address would wait for. So all that stands between a decision and its announcement is gone through at the start, and again
// just before a backup takes over. Nothing is sent, no address is touched, nothing is reported, and no lock is waited for.

import Election
import Kernel
import Messages
import System
import Wire

extension Engine {
    /// So long before a backup takes over from a silent master the engine wakes, nanoseconds: the rehearsal takes a third of it, and the
    /// rest is waited for on the processor, because being woken would cost as much as what is then to be done.
    static let runUp: Int64 = 300_000
    /// What was rehearsed so short a time ago is still at hand, nanoseconds.
    static let runUpPeriod: Int64 = 20_000_000

    func wantsRunUp(to deadline: Instant) -> Bool {
        deadline.nanoseconds - lastRunUp > Self.runUpPeriod && node.isTakeoverNext
    }

    /// If a takeover is due in a moment: rehearses it, and returns when it is due. Adverts put the deadline of a backup off all the time,
    /// so this happens only where its master has fallen silent.
    func runUp() {
        guard let deadline = node.deadline, wantsRunUp(to: deadline), claims.isEmpty, releases.isEmpty else { return }
        let begin = Clock.monotonic()
        guard (0...Self.runUp).contains(deadline.nanoseconds - begin) else { return }
        lastRunUp = begin
        rehearse()
        while Clock.monotonic() < deadline.nanoseconds {}
    }

    /// At the start, and in the run-up.
    func rehearse() {
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
        requests.rehearse(address)
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
        let placed = configuration.addresses.placed(on: nowhere)
        record.places[address] = nowhere
        var claim = Claim(placed, of: id, isAwaited: true)
        claim.advance()
        claim.leased.append((placed[0], Clock.boottime()))
        leases.hold(claim.leased, of: id, record.mark, configuration)
        leases.forget(placed)
        rehearsal.claimed(id, failure: nil, at: due, appendingTo: &actions)
        for item in actions {
            switch item.action {
            case .sendAdvert(let priority):
                let outgoing = Outgoing(priority, of: id, in: rehearsal)
                outgoing?.advert.encode(into: &payload, source: address.address, destination: address.address)
                record.mark.advertised(at: Clock.boottime())
            case .transition(let transition):
                record.note(transition)
                Report.transition(id, transition).encode(into: &payload)
            case .announce: _ = Announced(of: id, in: rehearsal)
            case .claim, .release, .settleRouting, .verify, .ask, .addressClaimed, .runGate, .cancelGate,
                .releaseGateFailed, .peerDiffers, .unsteady, .degraded, .handover:
                break
            }
        }
        Report.snapshot(RouterSnapshot(router: id, state: .master)).encode(into: &payload)
    }
}
