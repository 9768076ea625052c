// Who else announces our addresses? A master that resigns may go when its successor's gratuitous ARP or unsolicited neighbour
// advertisement was seen (promise 9). The filter lets announcements through and nothing else, so a busy segment wakes nobody.

import Election
import Kernel
import System
import Wire

/// Hears announcements on one interface; a class only because it owns a descriptor.
final class AnnouncementTap {
    /// ARP whose sender and target address are one, and neighbour advertisements to all nodes.
    static let filter = "(arp and arp[14:4] = arp[24:4]) or (icmp6 and ip6 dst ff02::1 and ip6[40] = 136)"
    /// Some dozens of frames; those that find no room are not missed, the advert of their sender is enough.
    static let ring: Int32 = 32 << 10

    let tap: FrameTap
    let index: UInt32

    init(interface: String, index: UInt32) throws(SystemError) {
        tap = try FrameTap(interface: interface, filter: Self.filter, ring: Self.ring)
        self.index = index
    }
}

/// The address that a frame announces; nil for a frame that is no announcement.
func announcedAddress(_ frame: Span<UInt8>) -> IPAddress? {
    if let packet = ARPPacket(frame: frame) {
        let isOne = packet.senderProtocol == packet.targetProtocol
        return isOne && packet.operation.rawValue <= ARPPacket.Operation.reply.rawValue
            ? .ipv4(packet.senderProtocol) : nil
    }
    guard let advertisement = NeighborAdvertisement(frame: frame), advertisement.overrides,
        advertisement.targetHardware != nil
    else { return nil }
    return .ipv6(advertisement.target)
}

extension Engine {
    /// Frames that are read of one tap in one turn at most.
    private static let framesPerTurn = 256

    /// Listens on an interface that is up, once. Without a tap a resigning master goes by the successor's advert alone.
    func openTap(on link: LinkState) {
        guard link.isUp, !taps.contains(where: { $0.index == link.index }) else { return }
        do throws(SystemError) {
            let tap = try AnnouncementTap(interface: link.name, index: link.index)
            try poller.watch(tap.tap.number, token: Token.firstTap + UInt64(tap.tap.number))
            taps.append(tap)
        } catch {
            tell(error, for: nil)
        }
    }

    func closeTap(index: UInt32) {
        for tap in taps where tap.index == index { poller.unwatch(tap.tap.number) }
        taps.removeAll { $0.index == index }
    }

    /// Adverts first: a master's advert comes before its announcement, but the two sockets are not ordered.
    func readAnnouncements() {
        drainAll()
        var heard: [(IPAddress, UInt32)] = []
        for tap in taps {
            for _ in 0..<Self.framesPerTurn {
                let more = try? tap.tap.next { frame, _ in
                    if let address = announcedAddress(frame) { heard.append((address, tap.index)) }
                }
                guard more == true else { break }
            }
        }
        for (address, index) in heard {
            node.announcementHeard(address, interfaceIndex: index, at: now, appendingTo: &actions)
            perform()
        }
    }
}
