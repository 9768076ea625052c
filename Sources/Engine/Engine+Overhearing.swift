// Who else claims our addresses, and whose adverts pass by unheard? A master that resigns may go when its successor's announcement was seen
// (promise 9), one that stays tells the neighbours again where an address is that somebody else claimed (promise 3), and a host whose firewall
// drops adverts does not take another one's silence for granted. The taps' filters let through what concerns our addresses and nothing
// else, so a busy segment wakes nobody.

import Election
import Kernel
import Messages
import System
import Wire

extension Engine {
    /// Frames that are read of one tap in one turn at most.
    private static let framesPerTurn = 64
    /// A frame and the packet in it have the same stamp; this is for what may have been given another, nanoseconds.
    private static let stampTolerance: Int64 = 5_000_000

    /// Opens the tap of an interface that is up before it is needed. Interfaces that know neither ARP nor neighbour discovery have none, and
    /// nothing is lost there: a resigning master goes by its successor's advert alone.
    func openTap(on link: LinkState) {
        guard link.hasNeighbours else { return }
        let hearsAll = members[link.name]?.contains { records[$0]?.configuration.isPromiscuous ?? false } ?? false
        let old = taps.firstIndex { $0.index == link.index }
        if let old, taps[old].hearsAll == hearsAll { return }
        do throws(SystemError) {
            let tap = try WireTap(
                interface: link.name, index: link.index, echoes: verifier.identifier, hearsAll: hearsAll)
            if let old { listen(taps.remove(at: old), false) }
            taps.append(tap)
            listen(tap, true)
        } catch {
            // Asked for, it is not left out without a word.
            if hearsAll || old != nil { tell(error, for: nil) }
        }
    }

    /// Closes taps of interfaces that are gone or that no router uses.
    func closeTaps(exceptOn wanted: Set<UInt32>) {
        for tap in taps where !wanted.contains(tap.index) { listen(tap, false) }
        taps.removeAll { !wanted.contains($0.index) }
    }

    /// Tells each tap which addresses are ours on its interface.
    func addressTaps() {
        for tap in taps {
            guard let name = table.links[tap.index]?.name else { continue }
            var addresses: Set<IPAddress> = []
            for id in members[name] ?? [] {
                guard let configuration = records[id]?.configuration else { continue }
                for address in configuration.addresses where configuration.interface(of: address) == name {
                    addresses.insert(address.address)
                }
            }
            tap.addresses = addresses
            refilter(tap)
        }
    }

    /// Once a second: those that were spoken to too often are listened to again, and filters follow what was learned.
    func tendTaps() {
        for tap in taps {
            tap.framesLeft = WireTap.framesPerSecond
            if !tap.isWatched, tap.empty() { listen(tap, true) }
            tap.holder = holder(on: tap)
            refilter(tap)
        }
    }

    /// Where the master of all routers of an interface speaks from, while all are its backups: its announcements, which with many addresses
    /// are hundreds a second, are no news to them. Nil where there is none. It may be old by a second, in which the claims of those who
    /// have just been master mean nothing anyway.
    private func holder(on tap: WireTap) -> MACAddress? {
        guard let name = table.links[tap.index]?.name, let users = members[name] else { return nil }
        var holder: MACAddress?
        for id in users {
            guard let master = node.look(at: id, { $0.followedMaster(at: now) }) ?? nil,
                let hardware = tap.speakers.hardware(of: master), holder == nil || holder == hardware
            else { return nil }
            holder = hardware
        }
        return holder
    }

    /// Who is there is to be heard of these hosts, too.
    func hear(_ hosts: Set<IPAddress>, on tap: WireTap) {
        guard tap.hosts != hosts else { return }
        tap.hosts = hosts
        refilter(tap)
    }

    private func refilter(_ tap: WireTap) {
        do throws(SystemError) {
            try tap.refilter()
        } catch {
            tell(error, for: nil)
        }
    }

    private func listen(_ tap: WireTap, _ wanted: Bool) {
        guard wanted != tap.isWatched else { return }
        if wanted {
            let token = Token.firstTap + UInt64(tap.number)
            guard (try? poller.watch(tap.number, token: token)) != nil else { return }
        } else {
            poller.unwatch(tap.number)
        }
        tap.isWatched = wanted
    }

    /// Adverts first: a master's advert comes before its announcement, but the two descriptors are not ordered.
    func overhear() {
        drainAll()
        for tap in taps where tap.isWatched {
            for _ in 0..<Self.framesPerTurn {
                do throws(SystemError) {
                    guard let (heard, stamp) = try tap.next() else { break }
                    take(heard, stamp, on: tap)
                } catch {
                    listen(tap, false)
                    break
                }
            }
            if tap.framesLeft == 0 { listen(tap, false) }
        }
    }

    private func take(_ heard: Overheard, _ stamp: Int64, on tap: WireTap) {
        switch heard {
        case .claim(let claim):
            // A switch may send our own frames back to us (checklist ACD-08).
            guard !table.isOwn(claim.hardware) || claim.hardware.isVirtualRouter else { return }
            resolve(claim, on: tap)
            node.claimHeard(
                claim, speakers: tap.speakers, interfaceIndex: tap.index, at: now, appendingTo: &actions)
        case .advert(let advert):
            judge(advert, stamp, on: tap)
        case .answer(let reply, let destination):
            if table.isOwn(destination) { take(reply, stamp, on: tap) }
        }
        if !actions.isEmpty { perform() }
    }

    private func judge(_ advert: AdvertGlimpse, _ stamp: Int64, on tap: WireTap) {
        let source = advert.origin.source
        // All routers of an election may share the address that their adverts come from; ours never come in.
        guard isCommitted, !table.isOwn(advert.hardware) || advert.hardware.isVirtualRouter,
            advert.destination.isGroup || table.isOwn(advert.destination),
            let port = ports.advertPort(SocketTag(family: source.family, interfaceIndex: tap.index))
        else { return }
        var arrived = port.senders.hasHeard(source, since: stamp - Self.stampTolerance)
        if !arrived {
            // It may have come since the sockets were read.
            drain(port, atMost: Self.packetsPerDrain)
            arrived = port.senders.hasHeard(source, since: stamp - Self.stampTolerance)
        }
        let isOurs = node.listens(on: tap.index, source.family, vrid: advert.vrid)
        let missed = tap.see(advert, arrived: arrived, isOurs: isOurs, at: now)
        nextListen = min(nextListen, (now + advert.interval * 3 / 2).nanoseconds)
        guard missed > 0 else { return }
        node.advertMissed(advert, inARow: missed, interfaceIndex: tap.index, at: now, appendingTo: &actions)
    }

    /// Looks on the wire for the adverts of speakers that no socket has heard of for one and a half of their intervals, and forgets those
    /// of whom there is nothing either.
    func listenForSilent() {
        let moment = now
        guard moment.nanoseconds >= nextListen else { return }
        nextListen = .max
        for tap in taps {
            for speaker in tap.speakers.speakers {
                let next = follow(speaker, on: tap, at: moment)
                nextListen = min(nextListen, next.nanoseconds)
            }
            refilter(tap)
        }
    }

    /// Returns when to look at this speaker again.
    private func follow(_ speaker: Speaker, on tap: WireTap, at moment: Instant) -> Instant {
        let patience = speaker.interval * 3 / 2
        if let suspected = speaker.suspected {
            let end = suspected + patience * 2
            if end <= moment { tap.forget(speaker.source) }
            return max(end, moment + patience)
        }
        let tag = SocketTag(family: speaker.source.family, interfaceIndex: tap.index)
        let heard = speaker.missed > 0 ? nil : ports.advertPort(tag)?.senders.lastHeard(speaker.source)
        let due = max(heard ?? speaker.seen, speaker.seen) + patience
        guard due <= moment else { return due }
        tap.suspect(speaker.source, at: moment)
        return moment + patience * 2
    }
}
