// Who a virtual router speaks with, and how patient it is: the listed peers of a unicast one, the versions that it speaks at
// once, the start delay and the limit of what an advert may teach.

import Election
import Wire

extension Problems {
    /// An advert goes to each of them, one after the other.
    private static let peerLimit = 255

    /// Reads `peers`. An empty list is an error: it must not become multicast silently.
    mutating func peers(_ fields: Fields<RouterKey>, _ draft: inout RouterDraft) {
        draft.isUnicast = fields.has(.peers)
        guard let node = fields[.peers], let items = list(node, "peers", of: "addresses of the other hosts") else {
            return
        }
        for item in items {
            guard let peer = peer(item) else { continue }
            if let first = draft.peers.first(where: { $0.value.address == peer.value.address }) {
                let line = reference(to: first.place, from: peer.place)
                add(peer.place, "peer \(peer.value.address) is already on \(line)")
                continue
            }
            draft.peers.append(peer)
        }
        if items.count > Self.peerLimit {
            add(node.place, "at most \(Self.peerLimit) peers are allowed, not \(items.count)")
        }
        guard let family = draft.family else { return }
        for peer in draft.peers where peer.value.address.family != family {
            let name = family == .ipv4 ? "IPv4" : "IPv6"
            add(peer.place, "peer \(peer.value.address) is not \(name), as this virtual router is by its first address")
        }
        guard family == .ipv6, let first = draft.peers.first else { return }
        for peer in draft.peers where peer.value.address.isLinkLocal != first.value.address.isLinkLocal {
            add(
                peer.place,
                "peer \(peer.value.address) is \(peer.value.address.isLinkLocal ? "" : "not ")link-local, unlike the first one;"
                    + " adverts have one source address, so all peers must be link-local, or none")
        }
    }

    /// An address, or a mapping with the least hop limit.
    private mutating func peer(_ item: Node) -> Located<UnicastPeer>? {
        let form = "an IP address without a prefix, or {address, minimum-ttl}"
        guard case .mapping = item.content else {
            return hostAddress(item, "a peer", form, as: "a peer").map {
                Located(value: UnicastPeer($0), place: item.place)
            }
        }
        guard let fields = Fields<PeerKey>(item, subject: "a peer", place: item.place, problems: &self) else {
            return nil
        }
        let least = fields[.minimumTTL].map { integer($0, "minimum-ttl", in: 1...255) } ?? 255
        guard let node = fields.required(.address, "an IP address", problems: &self),
            let address = hostAddress(node, "address", "an IP address without a prefix", as: "a peer"), let least
        else { return nil }
        return Located(value: UnicastPeer(address, minimumHopLimit: UInt8(least)), place: node.place)
    }

    /// The address of another host; `role` is what it is to be.
    mutating func hostAddress(_ node: Node, _ what: String, _ form: String, as role: String) -> IPAddress? {
        guard let text = text(node, what, allowed: form) else { return nil }
        guard let address = IPAddress(text) else {
            let hint = text.utf8.contains(UInt8(ascii: "%")) ? "; leave the zone out, 'interface' says it" : ""
            refuse(node, what, allowed: form, hint: hint)
            return nil
        }
        let whole = InterfaceAddress(address: address, prefixLength: UInt8(address.family.hostPrefixLength))
        if let reason = Self.reasonNotToServe(whole) {
            add(node.place, "\(address) cannot be \(role): \(reason)")
            return nil
        }
        return address
    }

    /// `start-delay`, `interval-limit`, and what there is to say about speaking both versions.
    mutating func patience(_ fields: Fields<RouterKey>, _ draft: inout RouterDraft) {
        draft.startDelay =
            fields[.startDelay].map { duration($0, "start-delay", in: .zero ... .seconds(3600)) } ?? .zero
        draft.intervalLimit = VirtualRouterConfiguration.defaultIntervalLimit
        if let node = fields[.intervalLimit] {
            draft.intervalLimit = integer(node, "interval-limit", in: 1...4095).map(UInt16.init)
            if draft.version == .version2 {
                add(
                    node.place,
                    "interval-limit is for version 3; a router of version 2 drops adverts with another interval, so"
                        + " remove it")
            }
        }
        guard draft.version == .both, let node = fields[.version] else { return }
        warn(
            node.place,
            "version both is for the time of a migration (RFC 9568 section 8.4): write 3 when the last router of version"
                + " 2 is gone")
        guard let interval = draft.interval, interval.components.attoseconds != 0 || interval < .seconds(1) else {
            return
        }
        let sent = Duration.seconds(max(1, interval.components.seconds))
        warn(
            fields[.advertisementInterval]?.place ?? node.place,
            "version 2 counts whole seconds, so its adverts say \(sent.written) while they are sent every"
                + " \(interval.written); routers of version 2 believe them only if they are configured with"
                + " \(sent.written)")
    }
}
