// The descriptors that speak on an interface: one advert socket per family, kept open while a router needs it, and one port
// for announcements. Each opened advert socket is reported, so that the supervisor can keep a duplicate.

import Election
import Kernel
import Messages
import System
import Wire

/// An advert socket in a list; a class only because it owns a descriptor.
final class AdvertPort {
    let socket: AdvertSocket
    let tag: SocketTag
    var arrivals = ArrivalClock()
    /// The last look at all sockets that found this one readable.
    var look: UInt64 = 0
    var guarding = FloodGuard()
    var senders = SenderList()
    /// Whether the group was joined; nil while that is unknown, as for a socket of an earlier engine.
    private var isInGroup: Bool?

    /// Leaves the group where it is in it, or may be. What the kernel says to it changes nothing.
    func leaveGroup() {
        guard isInGroup != false else { return }
        try? socket.listenToGroup(false)
        isInGroup = false
    }

    /// Joins or leaves the VRRP group unless that is so already.
    func listenToGroup(_ wanted: Bool) throws(SystemError) {
        guard isInGroup != wanted else { return }
        try socket.listenToGroup(wanted)
        isInGroup = wanted
    }

    init(_ socket: consuming AdvertSocket, _ tag: SocketTag) {
        self.socket = socket
        self.tag = tag
    }
}

/// An announcement port in a list.
final class FramePort {
    let port: AnnouncementPort
    let index: UInt32

    init(_ port: consuming AnnouncementPort, index: UInt32) {
        self.port = port
        self.index = index
    }
}

/// All ports of the engine.
struct Ports {
    private(set) var adverts: [AdvertPort] = []
    private var byTag: [SocketTag: AdvertPort] = [:]
    private var byNumber: [Int32: AdvertPort] = [:]
    private var frames: [FramePort] = []

    func advertPort(_ tag: SocketTag) -> AdvertPort? { byTag[tag] }

    /// The advert socket with this descriptor number.
    func advertPort(number: Int32) -> AdvertPort? { byNumber[number] }

    /// Takes a socket of an earlier engine.
    mutating func adopt(_ descriptor: consuming Descriptor, _ tag: SocketTag) -> AdvertPort {
        let socket = AdvertSocket(adopting: descriptor, family: tag.family, index: tag.interfaceIndex)
        // The last engine may have died in a flood.
        socket.letEverythingIn()
        let port = AdvertPort(socket, tag)
        insert(port)
        return port
    }

    private mutating func insert(_ port: AdvertPort) {
        adverts.append(port)
        byTag[port.tag] = port
        byNumber[port.socket.number] = port
    }

    mutating func open(_ tag: SocketTag, interface: String) throws(SystemError) -> AdvertPort {
        let socket = try AdvertSocket(opening: tag.family, interface: interface, index: tag.interfaceIndex)
        let port = AdvertPort(socket, tag)
        insert(port)
        return port
    }

    /// Takes advert sockets out of the list. The caller stops watching them before it lets them go: the supervisor's
    /// duplicate would keep the poller busy with what nobody reads.
    mutating func takeAdverts(where unwanted: (SocketTag) -> Bool) -> [AdvertPort] {
        let taken = adverts.filter { unwanted($0.tag) }
        guard !taken.isEmpty else { return [] }
        adverts.removeAll { unwanted($0.tag) }
        for port in taken {
            byTag[port.tag] = nil
            byNumber[port.socket.number] = nil
        }
        return taken
    }

    /// Sends a frame out of the interface, opening its port when it is used for the first time or came back with another
    /// index.
    mutating func send(_ frame: [UInt8], on link: LinkState) throws(SystemError) {
        if let port = frames.first(where: { $0.index == link.index }) {
            try port.port.send(frame: frame)
            return
        }
        let port = FramePort(try AnnouncementPort(interface: link.name), index: link.index)
        frames.append(port)
        try port.port.send(frame: frame)
    }

    /// Opens the announcement port of an interface before it is needed.
    mutating func prepareFrames(on link: LinkState) {
        guard link.hasNeighbours, !frames.contains(where: { $0.index == link.index }) else { return }
        guard let port = try? AnnouncementPort(interface: link.name) else { return }
        frames.append(FramePort(port, index: link.index))
    }

    mutating func closeFrames(index: UInt32) { frames.removeAll { $0.index == index } }
}
