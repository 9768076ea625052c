// Virtual hardware addresses (RFC 9568 §7.3, checklist LX-20 to LX-28): a macvlan over the interface for each election that wants one. It is
// there as long as it is configured and up only while its addresses are, because a frame from a backup would lead the switch to it. Making one
// and putting it up are matters of a tenth of a millisecond; the slow ways back are LinkKeeper's.

import Election
import Glibc
import Kernel
import Messages
import System
import Wire

extension Engine {
    /// Settings of macvlans and of what is below them that are looked at in one go, once a second.
    private static let settingsPerLook = 16
    /// Milliseconds; the kernel's own are a second and ten.
    private static let reportInterval: UInt8 = 20

    /// The macvlan that the addresses of this router belong on; nil where it has none.
    func virtualLink(of record: RouterRecord) -> VirtualLink? {
        guard let parent = table.link(named: record.configuration.interface) else { return nil }
        return virtualKey(of: record.configuration, on: parent.index).flatMap { virtualLinks[$0] }
    }

    private func virtualKey(of configuration: VirtualRouterConfiguration, on parent: UInt32) -> VirtualLinkKey? {
        guard configuration.usesVirtualMAC else { return nil }
        return VirtualLinkKey(parent: parent, family: configuration.family, vrid: configuration.vrid)
    }

    func virtualLink(index: UInt32) -> VirtualLink? { virtualLinks.values.first { $0.index == index } }

    // MARK: - Making and keeping them

    /// Sees to it that there is one for each of these routers that wants it; those of which there cannot be one.
    func makeVirtualLinks(for users: [RouterRecord], on parent: LinkState) -> [VirtualMACError] {
        var errors: [VirtualMACError] = []
        for record in users {
            guard let key = virtualKey(of: record.configuration, on: parent.index) else { continue }
            do throws(KernelError) {
                try keep(key, on: parent)
            } catch {
                if error.code != EEXIST { tell(error, for: nil) }
                errors.append(
                    VirtualMACError(family: key.family, vrid: key.vrid, interface: key.name, code: error.code))
            }
        }
        return errors.sorted { ($0.vrid, $0.family.rawValue) < ($1.vrid, $1.family.rawValue) }
    }

    /// With `asking` the kernel is asked in any case: events may be on their way.
    private func keep(_ key: VirtualLinkKey, on parent: LinkState, asking: Bool = false) throws(KernelError) {
        if let known = virtualLinks[key] {
            // Events tell of what was; the kernel knows what is.
            let told = table.links[known.index].map { $0.serves(key) && $0.isVirtualLink && $0.isUp == known.isRaised }
            if told ?? false, !asking { return }
            if let state = try requests.link(known.index), state.serves(key) {
                table.apply(.link(state))
                if !state.isVirtualLink { try requests.describe(known.index, as: known.original.alias(vrid: key.vrid)) }
                adjust(known, to: state)
                return
            }
            virtualLinks[key] = nil
        }
        if let present = try requests.link(named: key.name) {
            if present.suits(key) {
                try take(present, as: key, on: parent)
                return
            }
            guard present.isVirtualLink else {
                throw KernelError("RTM_NEWLINK", key.name, code: EEXIST)
            }
            // Ours, and somebody has changed it.
            try requests.removeLink(present.index)
        }
        try requests.make(key)
        do throws(KernelError) {
            guard let made = try requests.link(named: key.name), made.suits(key) else {
                throw KernelError(
                    "RTM_NEWLINK", key.name, code: EOPNOTSUPP, explanation: "it is not there as it was made")
            }
            try take(made, as: key, on: parent)
        } catch {
            if let made = try requests.link(named: key.name) { try requests.removeLink(made.index) }
            throw error
        }
    }

    /// Somebody put it up or down; nil of that is left alone. Up without addresses it would take frames that are for the master.
    private func adjust(_ link: VirtualLink, to state: LinkState) {
        if link.isRaised, !state.isUp {
            // Its router hears that the addresses are lost, and puts it up again with them.
            link.isRaised = false
        } else if !link.isRaised, state.isUp {
            linkKeeper?.lower(link.index)
        }
    }

    /// A macvlan that was just made, or was left by an earlier engine, and then goes on as it is.
    private func take(_ state: LinkState, as key: VirtualLinkKey, on parent: LinkState) throws(KernelError) {
        if linkKeeper == nil {
            do throws(EngineError) {
                linkKeeper = try LinkKeeper()
            } catch {
                throw KernelError("LinkKeeper", key.name, code: ENOMEM)
            }
        }
        let original = try original(of: parent.index, besides: state)
        // Not of one that may be up: with each change of an interface the kernel reports its groups anew (MLD), also for a backup.
        if !state.isVirtualLink {
            try requests.describe(state.index, as: original.alias(vrid: key.vrid))
            try requests.makeNoAddresses(on: state.index)
        }
        try requests.set(Self.wantedSettings, on: state.index)
        try requests.set(Self.settings(of: original.needed), on: parent.index)
        _ = requests.set(.acceptAdvertisements, 0, on: key.name)
        // A report that is repeated after this host has given its addresses up would lead the switch back to it.
        _ = requests.set(.reportInterval, Self.reportInterval, on: key.name)
        _ = requests.set(.firstVersionReportInterval, Self.reportInterval, on: key.name)
        if !state.isUp { _ = requests.set(.disableIPv6, 1, on: key.name) }
        requests.promoteSecondaries(on: state.index)
        let socket: AdvertSocket
        do throws(SystemError) {
            socket = try AdvertSocket(sendingFrom: key.family, interface: key.name, index: state.index)
        } catch {
            throw KernelError(error.call, error.subject, code: error.code)
        }
        let tag = SocketTag(family: key.family, interfaceIndex: state.index)
        virtualLinks[key] = VirtualLink(
            key, index: state.index, port: AdvertPort(socket, tag), original: original, isRaised: state.isUp,
            speaksIPv6: false)
        table.apply(.link(state))
    }

    /// A redirect would be about the hardware address of another router; where packets come from is not this interface's business (LX-21, LX-24).
    private static let wantedSettings: [(IPv4Setting, UInt32)] = [
        (.arpIgnore, 1), (.rpFilter, 0), (.acceptRedirects, 0), (.sendRedirects, 0),
    ]

    private static func settings(of parent: ParentSettings) -> [(IPv4Setting, UInt32)] {
        [(.arpIgnore, parent.arpIgnore), (.arpAnnounce, parent.arpAnnounce)]
    }

    /// What the interface below had before the first macvlan of ours, as that or another one says.
    private func original(of parent: UInt32, besides state: LinkState) throws(KernelError) -> ParentSettings {
        if let other = virtualLinks.values.first(where: { $0.key.parent == parent }) { return other.original }
        let kept = ([state] + table.links.values.filter { $0.macvlan?.parent == parent && $0.isVirtualLink })
            .lazy.compactMap { ParentSettings(alias: $0.macvlan?.alias ?? "") }
        if let first = kept.first { return first }
        let present = try requests.settings(of: parent)
        return ParentSettings(arpIgnore: present(.arpIgnore) ?? 0, arpAnnounce: present(.arpAnnounce) ?? 0)
    }

    // MARK: - Up and down

    /// Puts it up, and IPv6 on if it is needed, before the first advert and the addresses.
    func raise(_ link: VirtualLink, needsIPv6: Bool) throws(KernelError) {
        if needsIPv6, !link.speaksIPv6 {
            _ = requests.set(.disableIPv6, 0, on: link.name)
            link.speaksIPv6 = true
        }
        guard !link.isRaised else { return }
        linkKeeper?.cancel(link.index)
        try requests.set(link.index, up: true)
        link.isRaised = true
    }

    /// A claim puts addresses there.
    func raise(for record: RouterRecord, _ addresses: [InterfaceAddress]) throws(KernelError) {
        guard record.configuration.usesVirtualMAC, let parent = table.link(named: record.configuration.interface),
            let key = virtualKey(of: record.configuration, on: parent.index)
        else { return }
        // Some that were there are gone, perhaps with the macvlan.
        if let known = virtualLinks[key], known.isRaised, record.places.values.contains(known.index) {
            try keep(key, on: parent, asking: true)
        }
        guard let link = virtualLinks[key] else { return }
        let needsIPv6 =
            link.key.family == .ipv6
            || addresses.contains {
                $0.address.family == .ipv6 && record.configuration.isBehindVirtualMAC($0)
            }
        try raise(link, needsIPv6: needsIPv6)
    }

    /// Its addresses go. With IPv6 off at once the kernel takes the groups of the addresses out of its lists without a word; the MLD message that
    /// it would send else could lead the switch to this host when another one is master already.
    func lower(_ link: VirtualLink) {
        guard link.isRaised else { return }
        link.isRaised = false
        _ = requests.set(.disableIPv6, 1, on: link.name)
        link.speaksIPv6 = false
        linkKeeper?.lower(link.index)
    }

    /// These addresses are about to be taken off: the macvlan goes down that none of the router's will be on.
    func lowerAfter(_ placed: ArraySlice<PlacedAddress>, of id: RouterID) {
        guard !virtualLinks.isEmpty, let places = records[id]?.places else { return }
        let going = Set(placed.map(\.address))
        // The successor has them all when it announces the first, and what is sent to the shared address goes there already.
        let resigns = node.look(at: id) { $0.stateName } == .resigning
        for index in Set(placed.map(\.index)) {
            guard let link = virtualLink(index: index) else { continue }
            if resigns || !places.contains(where: { $0.value == index && !going.contains($0.key) }) { lower(link) }
        }
    }

    // MARK: - Removing them

    /// Those that no router wants any more, and what earlier engines left.
    func removeUnwantedVirtualLinks() {
        var wanted: Set<VirtualLinkKey> = []
        for record in records.values {
            guard let parent = table.link(named: record.configuration.interface),
                let key = virtualKey(of: record.configuration, on: parent.index)
            else { continue }
            wanted.insert(key)
        }
        var going: [(index: UInt32, parent: UInt32, original: ParentSettings)] = []
        for link in virtualLinks.values where !wanted.contains(link.key) {
            lower(link)
            virtualLinks[link.key] = nil
            going.append((link.index, link.key.parent, link.original))
        }
        let kept = Set(virtualLinks.values.map(\.index) + going.map(\.index) + removedLinks)
        // One that was made anew has the name of its predecessor, of whose end the event may not have come.
        let names = Set(virtualLinks.values.map(\.name))
        for state in table.links.values
        where state.isVirtualLink && !kept.contains(state.index) && !names.contains(state.name) {
            guard let macvlan = state.macvlan, let original = ParentSettings(alias: macvlan.alias) else { continue }
            _ = requests.set(.disableIPv6, 1, on: state.name)
            going.append((state.index, macvlan.parent, original))
        }
        for (index, parent, original) in going {
            removedLinks.insert(index)
            if let linkKeeper { linkKeeper.remove(index) } else { removeAtOnce(index) }
            restore(parent, original)
        }
    }

    private func removeAtOnce(_ index: UInt32) {
        do throws(KernelError) {
            try requests.removeLink(index)
        } catch {
            tell(error, for: nil)
        }
    }

    /// Puts the settings of an interface back on which there is none of ours any more; not what somebody else has set meanwhile.
    private func restore(_ parent: UInt32, _ original: ParentSettings) {
        guard !virtualLinks.values.contains(where: { $0.key.parent == parent }),
            let present = try? requests.settings(of: parent)
        else { return }
        let wanted = zip(Self.settings(of: original.needed), Self.settings(of: original))
        let back = wanted.filter { needed, old in needed.1 != old.1 && present(needed.0) == needed.1 }.map(\.1)
        if !back.isEmpty { try? requests.set(back, on: parent) }
    }

    /// The engine ends: what it made goes with it.
    func removeVirtualLinks() {
        linkKeeper?.finish(with: requests)
        for link in virtualLinks.values {
            mark(.leaving)
            removeAtOnce(link.index)
            virtualLinks[link.key] = nil
            restore(link.key.parent, link.original)
        }
    }

    /// An engine that begins finds macvlans of an earlier one up whose router is not master any more.
    func lowerIdleVirtualLinks() {
        for link in virtualLinks.values where link.isRaised {
            if !records.values.contains(where: { $0.places.contains { $0.value == link.index } }) { lower(link) }
        }
    }

    // MARK: - What others do to them

    /// The interfaces below those of these that are macvlans of ours: what becomes of them is the business of their routers.
    func parents(of names: [String]) -> [String] {
        guard !virtualLinks.isEmpty else { return [] }
        let parents = virtualLinks.values.filter { names.contains($0.name) }.compactMap {
            table.links[$0.key.parent]?.name
        }
        return parents.filter { !names.contains($0) }
    }

    /// Once a second: other agents, and people, set what we have set, and put back what they found when they came.
    func tendVirtualLinks() {
        for error in linkKeeper?.takeFailures() ?? [] { tell(error, for: nil) }
        removedLinks = removedLinks.filter { table.links[$0] != nil }
        guard !virtualLinks.isEmpty else { return }
        var parents: [UInt32: ParentSettings] = [:]
        for link in virtualLinks.values { parents[link.key.parent] = link.original.needed }
        for (parent, needed) in parents { repair(Self.settings(of: needed), on: parent, atLeast: true) }
        let raised = virtualLinks.values.filter(\.isRaised)
        guard !raised.isEmpty else { return }
        // Of many others the next time.
        let first = Int(nextSnapshot / Self.snapshotPeriod) * Self.settingsPerLook % raised.count
        for place in 0..<min(Self.settingsPerLook, raised.count) {
            let link = raised[(first + place) % raised.count]
            repair(Self.wantedSettings, on: link.index, atLeast: false)
        }
    }

    private func repair(_ wanted: [(IPv4Setting, UInt32)], on index: UInt32, atLeast: Bool) {
        guard let present = try? requests.settings(of: index) else { return }
        let wrong = wanted.filter { setting, value in
            guard let found = present(setting) else { return false }
            return atLeast ? found < value : found != value
        }
        guard !wrong.isEmpty else { return }
        do throws(KernelError) {
            try requests.set(wrong, on: index)
        } catch {
            tell(error, for: nil)
        }
    }
}
