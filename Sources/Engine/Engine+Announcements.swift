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
    var isWatched = false

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
    private static let framesPerTurn = 64
    /// What a ring holds at most.
    private static let framesPerRing = 1_024

    /// Opens the tap of an interface that is up before it is needed. Without one a resigning master goes by the successor's
    /// advert alone, so on interfaces that know neither ARP nor neighbour discovery nothing is lost, and nothing said.
    func openTap(on link: LinkState) {
        guard link.isUp, !taps.contains(where: { $0.index == link.index }) else { return }
        guard let tap = try? AnnouncementTap(interface: link.name, index: link.index) else { return }
        taps.append(tap)
    }

    /// Closes taps of interfaces that are gone or that no router uses.
    func closeTaps(exceptOn wanted: Set<UInt32>) {
        for tap in taps where !wanted.contains(tap.index) { listen(tap, false) }
        taps.removeAll { !wanted.contains($0.index) }
    }

    /// A tap is listened to while a router of its interface resigns and at no other time: announcements of strangers, however
    /// many, wake nobody. What it heard before is old.
    func listenToAnnouncements() {
        for tap in taps {
            let wanted = node.isResigning(on: tap.index)
            guard wanted != tap.isWatched else { continue }
            if wanted, !empty(tap) { continue }
            listen(tap, wanted)
        }
    }

    private func listen(_ tap: AnnouncementTap, _ wanted: Bool) {
        guard wanted != tap.isWatched else { return }
        if wanted {
            let token = Token.firstTap + UInt64(tap.tap.number)
            guard (try? poller.watch(tap.tap.number, token: token)) != nil else { return }
        } else {
            poller.unwatch(tap.tap.number)
        }
        tap.isWatched = wanted
    }

    /// False when the interface has gone under it.
    private func empty(_ tap: AnnouncementTap) -> Bool {
        do throws(SystemError) {
            for _ in 0..<Self.framesPerRing {
                guard try tap.tap.next({ _, _ in }) else { break }
            }
            return true
        } catch {
            return false
        }
    }

    /// Adverts first: a master's advert comes before its announcement, but the two sockets are not ordered.
    func readAnnouncements() {
        drainAll()
        for tap in taps where tap.isWatched {
            for _ in 0..<Self.framesPerTurn {
                var address: IPAddress?
                do throws(SystemError) {
                    guard try tap.tap.next({ frame, _ in address = announcedAddress(frame) }) else { break }
                } catch {
                    listen(tap, false)
                    break
                }
                guard let address else { continue }
                node.announcementHeard(address, interfaceIndex: tap.index, at: now, appendingTo: &actions)
                if !actions.isEmpty { perform() }
            }
        }
    }
}
