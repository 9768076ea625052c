// Announcing: gratuitous ARP, unsolicited neighbour advertisements and RARP out of the interfaces that the addresses are on, as many in a second as
// an interface may send. When and how often is the elections' to say.

import Election
import Glibc
import Kernel
import System
import Wire

extension Engine {
    /// Of announcements that waited so many leave an interface in one turn at most.
    private static let announcementsPerTurn = 64

    func announce(_ range: Range<Int>, for id: RouterID) {
        // The advert before it may have been the last of three intervals that could not be sent.
        guard let announced = Announced(of: id, in: node), announced.state == .master, let record = records[id] else {
            return
        }
        let home = homes(of: record)
        let moment = Clock.monotonic()
        var present: Outlet?
        for place in range where place < announced.addresses.count {
            let address = announced.addresses[place]
            guard announced.serves(address), let index = home(address) else { continue }
            if present?.index != index { present = outlet(index) }
            guard var outlet = present else { continue }
            defer { present = outlet }
            let frames = announced.frames(for: address, home)
            let queue = outlet.link.index
            if announcementQueues[queue, default: AnnouncementQueue(announcementLimit)].admits(frames.count, at: moment)
            {
                guard send(frames, of: address, by: &outlet, for: id) else { return }
            } else {
                announcementQueues[queue]?.wait(AnnouncementQueue.Entry(router: id, address: address))
                node.count(.announcementsDelayed, for: id)
            }
        }
    }

    /// False when it could not be sent.
    private func send(
        _ frames: [AnnouncementFrame], of address: InterfaceAddress, by outlet: inout Outlet, for id: RouterID
    ) -> Bool {
        do throws(SystemError) {
            for frame in frames {
                let isRouter = frame == .advertisement && outlet.isRouter
                try ports.send(frame.octets(address.address, at: outlet.hardware, isRouter: isRouter), on: outlet.link)
            }
            node.count(.announcementsSent, for: id)
            return true
        } catch {
            tell(error, for: id)
            return false
        }
    }

    /// When announcements that wait may go on, CLOCK_MONOTONIC in nanoseconds.
    var announcementsDue: Int64 {
        var due = Int64.max
        for queue in announcementQueues.values { due = min(due, queue.due) }
        return due
    }

    /// Those whose time has come, after the timers of each turn.
    func continueAnnouncements() {
        guard announcementsDue < .max else { return }
        let moment = Clock.monotonic()
        for index in announcementQueues.keys where announcementQueues[index]?.due ?? .max <= moment {
            continueAnnouncements(on: index, at: moment)
        }
    }

    private func continueAnnouncements(on index: UInt32, at moment: Int64) {
        var known: Known?
        var present: Outlet?
        var left = Self.announcementsPerTurn
        while left > 0, let entry = announcementQueues[index]?.next {
            if known?.id != entry.router {
                known = nil
                if let announced = Announced(of: entry.router, in: node), let record = records[entry.router] {
                    known = Known(
                        id: entry.router, announced: announced, home: homes(of: record),
                        addresses: Set(announced.addresses))
                }
            }
            guard let known, known.announced.state == .master, known.addresses.contains(entry.address),
                known.announced.serves(entry.address),
                let home = known.home(entry.address)
            else {
                announcementQueues[index]?.drop()
                continue
            }
            if present?.index != home { present = outlet(home) }
            guard var outlet = present, outlet.link.index == index else {
                announcementQueues[index]?.drop()
                continue
            }
            let frames = known.announced.frames(for: entry.address, known.home)
            guard announcementQueues[index]?.send(frames.count, at: moment) ?? false else { return }
            // Like a round of it, which ends with the first that cannot be sent.
            if !send(frames, of: entry.address, by: &outlet, for: entry.router) {
                announcementQueues[index]?.drop(entry.router)
            }
            present = outlet
            left -= 1
        }
    }

    func limitAnnouncements(perSecond limit: UInt32) {
        announcementLimit = limit
        for index in announcementQueues.keys { announcementQueues[index]?.change(to: limit) }
    }

    /// Asks who has these addresses with probes, which no cache believes (RFC 5227 §2.1.1); the taps hear the answers.
    func ask(_ range: Range<Int>, for id: RouterID) {
        guard let asked = Announced(of: id, in: node), let record = records[id] else { return }
        for place in range where place < asked.addresses.count {
            let interface = record.configuration.interface(of: asked.addresses[place])
            guard let link = table.link(named: interface), link.hasNeighbours, let hardware = link.hardwareAddress
            else { continue }
            do throws(SystemError) {
                switch asked.addresses[place].address {
                case .ipv4(let address):
                    try ports.send(ARPPacket.probe(for: address, from: hardware).frame(), on: link)
                case .ipv6(let address):
                    guard let source = node.facts(of: interface)?.sourceIPv6 else { continue }
                    let question = NeighborSolicitation.asking(for: address, from: source, at: hardware)
                    try ports.send(question.frame(source: hardware), on: link)
                }
            } catch {
                tell(error, for: id)
                return
            }
        }
    }
}

/// A router of which several announcements waited.
private struct Known {
    let id: RouterID
    let announced: Announced
    let home: (InterfaceAddress) -> UInt32?
    let addresses: Set<InterfaceAddress>
}

/// The frames of one announcement.
private enum AnnouncementFrame {
    case request, reply, advertisement, reverse

    func octets(_ address: IPAddress, at hardware: MACAddress, isRouter: Bool) -> [UInt8] {
        switch (self, address) {
        case (.reverse, _): ARPPacket.reverseAnnouncement(of: hardware).frame()
        case (.reply, .ipv4(let address)): ARPPacket.gratuitousReply(address, at: hardware).frame()
        case (_, .ipv4(let address)): ARPPacket.gratuitousRequest(address, at: hardware).frame()
        case (_, .ipv6(let address)):
            NeighborAdvertisement.unsolicited(address, at: hardware, isRouter: isRouter).frame(source: hardware)
        }
    }
}

/// What an announcement needs to know of a router; nil for one that is not known.
struct Announced {
    var state: StateName
    var addresses: [InterfaceAddress]
    var degradation: VirtualRouter.Degradation?
    var kinds: AnnouncementKinds

    /// It does not go without this one of the addresses.
    func serves(_ address: InterfaceAddress) -> Bool { !(degradation?.lacks(address) ?? false) }

    /// `home` tells the interface of an address.
    fileprivate func frames(
        for address: InterfaceAddress, _ home: (InterfaceAddress) -> UInt32?
    ) -> [AnnouncementFrame] {
        var frames: [AnnouncementFrame] = []
        switch address.address.family {
        case .ipv4:
            if kinds.contains(.garpRequest) { frames.append(.request) }
            if kinds.contains(.garpReply) { frames.append(.reply) }
        case .ipv6: frames.append(.advertisement)
        }
        // It is about the interface: once a round is enough.
        if kinds.contains(.rarp), let own = home(address) {
            if addresses.first(where: { serves($0) && home($0) == own }) == address { frames.append(.reverse) }
        }
        return frames
    }
}

extension Announced {
    init?(of id: RouterID, in node: borrowing Node) {
        let found = node.look(at: id) {
            Announced(
                state: $0.stateName, addresses: $0.configuration.addresses, degradation: $0.degradation,
                kinds: $0.configuration.announcements.kinds)
        }
        guard let found else { return nil }
        self = found
    }
}

/// Where announcements go out.
struct Outlet {
    /// The interface that the addresses are on.
    let index: UInt32
    let link: LinkState
    let hardware: MACAddress
    let name: String
    /// For IPv6: the kernel answers as a router there.
    lazy var isRouter = Forwarding.isOn(interface: name)
}

extension Engine {
    /// The way to the neighbours of an interface; nil while there is none.
    func outlet(_ index: UInt32) -> Outlet? {
        // The frames of a virtual hardware address leave by the interface below, whose port is open already.
        if let virtual = virtualLink(index: index) {
            guard let link = table.links[virtual.key.parent], link.isUp else { return nil }
            return Outlet(index: index, link: link, hardware: virtual.key.hardware, name: virtual.name)
        }
        guard let link = table.links[index], link.hasNeighbours, let hardware = link.hardwareAddress else { return nil }
        return Outlet(index: index, link: link, hardware: hardware, name: link.name)
    }
}

/// Whether the kernel forwards IPv6 on an interface: then it answers solicitations as a router, and our advertisements must say
/// the same (checklist NA-05). Read from /proc/sys, which is memory of the kernel and never a disk.
private enum Forwarding {
    static func isOn(interface: String) -> Bool {
        let file = unsafe open("/proc/sys/net/ipv6/conf/\(interface)/forwarding", O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return false }
        let descriptor = Descriptor(taking: file)
        var octet: UInt8 = 0
        return unsafe read(descriptor.number, &octet, 1) == 1 && octet != UInt8(ascii: "0")
    }
}
