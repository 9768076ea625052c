// The segments: who reaches whom, how long it takes, what is lost or doubled. A switch with one neighbour that uses the
// addresses; announcements move its table as they move those of real hosts and switches.

import Election
import Wire

/// One segment and what is wrong with it now. Bit h of a mask is host h; the bit above the hosts is the neighbour.
struct Segment {
    /// Whom each host cannot reach.
    var blocked: [UInt8]
    /// The part that each host and the neighbour are in while the segment is partitioned.
    var group: [UInt8]
    /// Partitions that are active at once; each is a bit of the groups.
    var divisions: UInt8 = 0
    /// Hosts whose adverts do not leave, though everything else does; a bit each.
    var mute: UInt8 = 0
    var loss = 0
    var duplication = 0
    var isSlow = false
    /// Somebody hears others who do not hear him.
    var isLopsided = false
    /// Until then what happens is the faults' doing: bounds count from here.
    var disturbed: Int64 = 0
    /// When connections last changed.
    var changed: Int64 = 0

    init(hosts: Int) {
        blocked = [UInt8](repeating: 0, count: hosts)
        group = [UInt8](repeating: 0, count: hosts + 1)
    }

    func reaches(_ from: Int, _ to: Int) -> Bool { blocked[from] >> UInt8(to) & 1 == 0 }

    /// Adverts of the one can be heard by the other.
    func isHeard(_ from: Int, by to: Int) -> Bool { reaches(from, to) && mute >> UInt8(from) & 1 == 0 }

    /// Adverts may be lost, late or out of order beyond the ordinary.
    var isUnruly: Bool { loss > 0 || isSlow }
}

extension World {
    mutating func disturb(_ segment: Int, until time: Int64) {
        segments[segment].disturbed = max(segments[segment].disturbed, time)
    }

    /// Sends an advert to whom it is for on the segment.
    mutating func transmit(_ packet: Packet) {
        let segment = packet.segment
        var copies = 0
        let index = freePackets.popLast() ?? packets.count
        if index == packets.count { packets.append(packet) } else { packets[index] = packet }
        for host in 0..<plan.hosts where host != packet.sender {
            guard packet.destination < 0 || packet.destination == host else { continue }
            guard segments[segment].reaches(packet.sender, host) else { continue }
            if segments[segment].loss > 0, random.chance(segments[segment].loss) {
                note(host, packet.router) { "an advert of host \(packet.sender + 1) is lost" }
                continue
            }
            let twice = segments[segment].duplication > 0 && random.chance(segments[segment].duplication)
            for _ in 0..<(twice ? 2 : 1) {
                let slow = segments[segment].isSlow && random.chance(500)
                let delay = random.within(slow ? 0...plan.slowDelay : plan.delay)
                queue.add(.delivery, at: now + delay, host: host, index: index)
                copies += 1
            }
        }
        if copies == 0 { freePackets.append(index) } else { packets[index].copies = copies }
    }

    /// A packet reaches the card of a host. The kernel keeps it for whoever has the sockets.
    mutating func deliver(_ index: Int, to host: Int) {
        if hosts[host].isListening, hosts[host].hasCarrier[packets[index].segment], hosts[host].suspendedBy == nil {
            hosts[host].socket.append(Waiting(packet: index, heardAt: now))
            turn(host)
        } else {
            consume(index)
        }
    }

    /// One copy of a packet is done with.
    mutating func consume(_ index: Int) {
        packets[index].copies -= 1
        if packets[index].copies == 0 { freePackets.append(index) }
    }

    /// Announcements go to everybody: on an idle port none is lost, and they take no longer than on a LAN.
    mutating func announce(_ range: Range<Int>, _ host: Int, _ router: Int) {
        let segment = plan.routers[router].segment
        guard hosts[host].hasCarrier[segment] else { return }
        var packet = Packet(
            payload: [], sender: host, router: router, segment: segment, sent: now, announced: range)
        let advertised = seats[plan.seat(host, router)].advertised
        packet.addresses = advertised[range.clamped(to: advertised.indices)]
        for other in 0...plan.hosts where other != host && segments[segment].reaches(host, other) {
            packet.reach |= 1 << UInt8(other)
        }
        let index = freePackets.popLast() ?? packets.count
        if index == packets.count { packets.append(packet) } else { packets[index] = packet }
        queue.add(.announcement, at: now + min(plan.delay.upperBound, 20_000_000), index: index)
    }

    mutating func announceArrives(_ index: Int) {
        let packet = packets[index]
        freePackets.append(index)
        // Only who resigns listens to announcements; one that is paused finds them when it runs again.
        for host in 0..<plan.hosts where packet.reach >> UInt8(host) & 1 == 1 && hosts[host].suspendedBy == nil {
            guard seats[plan.seat(host, packet.router)].leaving != nil, hosts[host].hasCarrier[packet.segment] else {
                continue
            }
            order(host, .announced(router: packet.router, packet.addresses))
        }
        guard packet.reach >> UInt8(plan.hosts) & 1 == 1 else { return }
        for place in packet.announced where place < neighbours[packet.router].count {
            neighbours[packet.router][place] = Neighbour(holder: packet.sender, told: packet.sent)
        }
    }
}
