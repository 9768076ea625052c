// The addresses of a virtual router: which ones can be served at all, which of them adverts list, the link-local one that
// RFC 9568 §5.2.9 wants first, and how many fit into an advert.

import Election
import Wire

/// The addresses of a router as they were written.
struct WrittenAddresses {
    var advertised: [Located<InterfaceAddress>] = []
    /// Those with `advertise: no`.
    var unadvertised: [Located<InterfaceAddress>] = []
    /// Of those that are put on the interface in another way than is the standard.
    var options: [InterfaceAddress: AddressOptions] = [:]
}

/// One of them.
private struct WrittenAddress {
    var address: InterfaceAddress
    var isAdvertised = true
    var options: AddressOptions?
}

extension Problems {
    /// One message carries a configuration to the engine, and one a snapshot back; and a claim has to end some time.
    private static let addressLimit = 2_000

    /// The items of `addresses` that are good, with their places; `own` is the router's interface.
    mutating func addresses(_ node: Node, on own: String?) -> WrittenAddresses {
        var result = WrittenAddresses()
        guard let items = list(node, "addresses", of: "addresses") else { return result }
        if items.count > Self.addressLimit {
            add(node.place, "at most \(Self.addressLimit) addresses are allowed, not \(items.count)")
            return result
        }
        let before = count
        var places: [IPAddress: Place] = [:]
        for item in items {
            guard let written = addressItem(item, on: own) else { continue }
            let address = written.address
            if let first = places[address.address] {
                let line = reference(to: first, from: item.place)
                add(item.place, "address \(address.address) is already on \(line)")
                continue
            }
            places[address.address] = item.place
            let located = Located(value: address, place: item.place)
            if written.isAdvertised { result.advertised.append(located) } else { result.unadvertised.append(located) }
            result.options[address] = written.options
        }
        if result.advertised.isEmpty, count == before {
            add(node.place, "an advert lists at least one address; leave 'advertise: no' out of one of them")
        }
        return result
    }

    /// An address, or a mapping of it and what makes it special.
    private mutating func addressItem(_ item: Node, on own: String?) -> WrittenAddress? {
        let form = "ADDRESS or ADDRESS/PREFIX"
        guard case .mapping(let entries) = item.content, !Self.isUnquoted(entries) else {
            return address(item, "an address", form: form).map { WrittenAddress(address: $0) }
        }
        guard let fields = Fields<AddressKey>(item, subject: "an address", place: item.place, problems: &self) else {
            return nil
        }
        let isAdvertised = fields[.advertise].map { boolean($0, "advertise") } ?? true
        guard let node = fields.required(.address, form, problems: &self),
            let address = address(node, "address", form: form), let isAdvertised,
            var options = options(fields, of: address)
        else { return nil }
        if options.interface == own { options.interface = nil }
        let isStandard = options == .standard(for: address.address.family)
        return WrittenAddress(address: address, isAdvertised: isAdvertised, options: isStandard ? nil : options)
    }

    private mutating func options(_ fields: Fields<AddressKey>, of address: InterfaceAddress) -> AddressOptions? {
        let family = address.address.family
        var options = AddressOptions.standard(for: family)
        let before = count
        if let node = fields[.interface] { options.interface = interfaceName(node) }
        if let node = fields[.scope] {
            if family == .ipv6 {
                add(node.place, "scope is for IPv4; an IPv6 address has the scope that it says itself")
            } else if let scope = choice(node, "scope", AddressOptions.Scope.allCases.map { ("\($0)", $0) }) {
                if scope != .global, address.prefixLength < 32 {
                    add(node.place, "scope \(scope) is for a /32: within one network the kernel takes one scope only")
                }
                options.scope = scope
            }
        }
        if let node = fields[.label] {
            if family == .ipv6 {
                add(node.place, "label is for IPv4; IPv6 addresses have none")
            } else {
                options.label = label(node)
            }
        }
        if let node = fields[.preferredLifetime] {
            if family == .ipv4 {
                let instead = "'scope: link' or 'scope: host' keeps the address from being one"
                add(node.place, "preferred-lifetime is for IPv6; IPv4 does not choose sources by it, \(instead)")
            } else if let isPreferred = choice(node, "preferred-lifetime", [("0", false), ("forever", true)]) {
                options.isPreferred = isPreferred
            }
        }
        return count == before ? options : nil
    }

    /// What `ip address` and `ifconfig` show instead of the interface's name.
    private mutating func label(_ node: Node) -> String? {
        let form = "up to 15 letters, digits and signs, as eth0:db"
        guard let text = text(node, "label", allowed: form) else { return nil }
        guard text.utf8.count <= 15, text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
            refuse(node, "label", allowed: form)
            return nil
        }
        if text == "vipd" || text.hasSuffix(":vipd") {
            add(
                node.place,
                "a label of 'vipd' marks vipd's own addresses on kernels that cannot tag them; take another one")
            return nil
        }
        return text
    }

    /// `2001:db8::` without quotes is a mapping from `2001:db8:` to nothing.
    private static func isUnquoted(_ entries: [Entry]) -> Bool {
        guard entries.count == 1, let entry = entries.first else { return false }
        return entry.key.utf8.contains(UInt8(ascii: ":"))
    }

    /// One address that a host can serve.
    mutating func address(_ node: Node, _ what: String, form: String) -> InterfaceAddress? {
        if case .mapping = node.content {
            add(node.place, "\(what) must be \(form), not a mapping; quote an address that ends in ':'")
            return nil
        }
        guard let text = text(node, what, allowed: form) else { return nil }
        guard let address = InterfaceAddress(text) else {
            refuse(node, what, allowed: form, hint: Self.addressHint(text))
            return nil
        }
        if let reason = Self.reasonNotToServe(address) {
            add(node.place, "\(address) cannot be served: \(reason)")
            return nil
        }
        return address
    }

    private static func addressHint(_ text: String) -> String {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        if text.utf8.contains(UInt8(ascii: "%")) { return "; leave the zone out, 'interface' says it" }
        guard parts.count == 2, let address = IPAddress(String(parts[0])) else { return "" }
        return "; a prefix of \(address.family == .ipv4 ? "IPv4" : "IPv6") is 1 to \(address.family.hostPrefixLength)"
    }

    /// Why no host may answer for this address; nil if one may.
    static func reasonNotToServe(_ address: InterfaceAddress) -> String? {
        let length = Int(address.prefixLength)
        if length == 0 { return "prefix 0 would make every address of the world a neighbour" }
        switch address.address {
        case .ipv4(let ip):
            if ip.bits == 0 { return "it is the unspecified address" }
            if ip.octet(0) == 0 { return "0.0.0.0/8 is 'this network' (RFC 1122)" }
            if ip.octet(0) == 127 { return "it is a loopback address" }
            if ip.isMulticast { return "it is a multicast address" }
            if ip.bits == .max { return "it is the broadcast address" }
            guard length <= 30 else { return nil }
            let host = ip.bits & (UInt32.max >> UInt32(length))
            if host == UInt32.max >> UInt32(length) { return "it is the broadcast address of its network" }
            if host == 0 { return "it is the address of the network itself" }
        case .ipv6(let ip):
            if ip.isUnspecified { return "it is the unspecified address" }
            if ip.high == 0, ip.low == 1 { return "it is the loopback address" }
            if ip.isMulticast { return "it is a multicast address" }
            if ip.high == 0, ip.low >> 32 == 0xFFFF { return "it is an IPv4 address in IPv6 form" }
            guard length <= 126 else { return nil }
            let isHostZero =
                length >= 64
                ? (length == 64 ? ip.low : ip.low & (UInt64.max >> UInt64(length - 64))) == 0
                : ip.low == 0 && ip.high & (UInt64.max >> UInt64(length)) == 0
            if isHostZero { return "it is the address of the network itself (the anycast address of its routers)" }
        }
        return nil
    }

    /// The list in the order of the advert: for IPv6 with a link-local address first, moved or added, unless `link-local: no`.
    mutating func completed(
        _ addresses: [Located<InterfaceAddress>], vrid: UInt8?, linkLocal node: Node?, addressesPlace: Place
    ) -> [Located<InterfaceAddress>] {
        guard let family = addresses.first?.value.address.family else { return addresses }
        let listed = addresses.firstIndex { $0.value.address.isLinkLocal }
        if let node {
            if family == .ipv4 {
                add(node.place, "link-local is for IPv6; this virtual router is IPv4, as its first address is")
                return addresses
            }
            if case .scalar(let text, _) = node.content, text == "no" || text == "false" { return addresses }
            let form = "an IPv6 link-local address (fe80::/10) or no"
            guard let given = address(node, "link-local", form: form) else { return addresses }
            guard given.address.isLinkLocal else {
                refuse(node, "link-local", allowed: form)
                return addresses
            }
            if let listed {
                let line = reference(to: addresses[listed].place, from: node.place)
                add(
                    node.place,
                    "'addresses' has the link-local address \(addresses[listed].value) on \(line); give one of them")
                return addresses
            }
            return [Located(value: given, place: node.place)] + addresses
        }
        guard family == .ipv6 else { return addresses }
        if let listed {
            var moved = addresses
            moved.insert(moved.remove(at: listed), at: 0)
            return moved
        }
        guard let vrid else { return addresses }
        let standard = IPv6Address(high: 0xFE80 << 48, low: 0x005E << 16 | UInt64(vrid))
        return [
            Located(value: InterfaceAddress(address: .ipv6(standard), prefixLength: 128), place: addressesPlace)
        ] + addresses
    }

    /// An advert's count ends at 255, and 1500 octets hold 90 IPv6 addresses (checklist V3-PK-12).
    mutating func checkCount(_ addresses: [Located<InterfaceAddress>], written: Int, at place: Place) {
        guard let family = addresses.first?.value.address.family else { return }
        let limit = family == .ipv4 ? 255 : 90
        guard addresses.count > limit else { return }
        let added = addresses.count > written ? ", the link-local one included" : ""
        let reason =
            family == .ipv4
            ? "an advert counts up to 255" : "an advert of 1500 octets holds 90 IPv6 addresses"
        add(
            place,
            "\(addresses.count) addresses\(added) do not fit into one advert: \(reason); leave the others out of it, as"
                + " {address: ADDRESS, advertise: no}, or make a second virtual router")
    }
}
