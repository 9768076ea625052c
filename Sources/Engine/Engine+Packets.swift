// From the advert sockets to the elections: reading without being held by a flood, and keeping most of a flood in the kernel.

import Election
import Kernel
import Messages
import System
import Wire

extension Engine {
    /// Reads what arrived before this moment, however much it is (promise 5): it is heard before a timer is believed. The sockets'
    /// queues bound it, and the kernel knows which of them to look at; what comes in meanwhile is left for the next turn.
    func drainAll() {
        look &+= 1
        while true {
            do throws(SystemError) {
                try poller.wait(milliseconds: 0, into: &readable)
            } catch {
                for port in ports.adverts { drain(port, atMost: AdvertSocket.queueLength) }
                return
            }
            var isNew = false
            for token in readable {
                guard let port = port(token), port.look != look else { continue }
                port.look = look
                isNew = true
                drain(port, atMost: AdvertSocket.queueLength)
            }
            // What is readable goes round: a full answer with nothing new in it means that all have been seen.
            guard isNew, readable.count == Poller.capacity else { return }
        }
    }

    func port(_ token: UInt64) -> AdvertPort? {
        guard token >= Token.firstSocket else { return nil }
        return ports.advertPort(number: Int32(truncatingIfNeeded: token - Token.firstSocket))
    }

    func drain(_ port: AdvertPort, atMost limit: Int) {
        // What an earlier engine left in the queue is for the routers of the first commit.
        guard isCommitted else { return }
        port.arrivals.beginDrain()
        for count in 0..<limit {
            do throws(SystemError) {
                guard let received = try port.socket.receive(into: &packet, droppingErrors: count == 0) else {
                    port.arrivals.endDrain()
                    return
                }
                receive(received, from: port)
                // And so does all that follows.
                if port.arrivals.isLater(received.stamp) { return }
            } catch {
                // A receive error (ENETDOWN after the link went) says nothing that netlink does not say better.
                return
            }
        }
    }

    private func receive(_ received: ReceivedPacket, from port: AdvertPort) {
        let origin = PacketOrigin(
            source: received.source, destination: received.destination, hopLimit: received.hopLimit)
        let weight = port.guarding.weigh(
            packet.bytes.span.extracting(received.payload), hopLimit: received.hopLimit, stamp: received.stamp)
        let heardAt = port.arrivals.arrival(received.stamp)
        port.senders.note(received.source, stamp: received.stamp, at: heardAt)
        let notice = node.receive(
            packet.bytes.span.extracting(received.payload), from: origin, interfaceIndex: received.interfaceIndex,
            heardAt: heardAt, at: now, weight: weight, appendingTo: &actions)
        if let notice {
            reporter.send(
                .notice(
                    .dropped(
                        notice.router, interface: received.interfaceIndex, reason: notice.reason,
                        source: received.source, count: notice.count)))
        }
        if port.guarding.isFlooded { filter(port) }
        if !actions.isEmpty { perform() }
    }

    // MARK: - Floods

    private func filter(_ port: AdvertPort) {
        do throws(SystemError) {
            try port.socket.sample(port.guarding.expected)
            port.guarding.set(.attached, at: Clock.wall())
            reporter.send(.notice(.flood(port.tag, isFiltering: true)))
        } catch {
            port.guarding.set(.refused, at: Clock.wall())
            tell(error, for: nil)
        }
    }

    /// Once a second: lets everything in again where a flood is over.
    func watchFloods() {
        for port in ports.adverts where port.guarding.tick() { stopFiltering(port) }
    }

    private func stopFiltering(_ port: AdvertPort) {
        if port.guarding.filtering == .attached {
            port.socket.letEverythingIn()
            reporter.send(.notice(.flood(port.tag, isFiltering: false)))
        }
        port.guarding.set(.none, at: Clock.wall())
    }

    /// Takes what the routers of a socket expect. A filter that is attached is of the old ones and goes; the flood, if it lasts,
    /// brings a new one.
    func expect(_ expected: FloodFilter, on port: AdvertPort) {
        guard expected != port.guarding.expected else { return }
        port.guarding.expected = expected
        if port.guarding.filtering == .attached { port.socket.letEverythingIn() }
        if port.guarding.filtering != .none { port.guarding.set(.none, at: Clock.wall()) }
    }
}
