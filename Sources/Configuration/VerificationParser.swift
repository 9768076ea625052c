// Who a new master asks whether its takeover arrived: `verify` of a virtual router.

import Election
import Wire

extension Problems {
    /// Off, or the addresses of hosts on the link; without the key the default gateway alone is expected to answer. Nil when it is wrong.
    mutating func verification(_ fields: Fields<RouterKey>, _ draft: RouterDraft) -> VerificationPlan? {
        guard fields.has(.verify) else { return VerificationPlan(isOn: true) }
        guard let node = fields[.verify] else { return nil }
        if case .scalar = node.content {
            let isOn = choice(
                node, "verify", [("gateway", true), ("off", false)], alternative: " or a list of addresses")
            return isOn.map { VerificationPlan(isOn: $0) }
        }
        guard let items = list(node, "verify", of: "addresses of hosts on the link") else { return nil }
        var targets: [IPAddress] = []
        let before = count
        for item in items {
            guard let target = target(item, draft) else { continue }
            if targets.contains(target) {
                add(item.place, "\(target) is already in the list")
            } else {
                targets.append(target)
            }
        }
        if targets.count > VerificationPlan.limit {
            add(node.place, "at most \(VerificationPlan.limit) hosts are asked, not \(targets.count)")
        }
        return count == before ? VerificationPlan(isOn: true, targets: targets) : nil
    }

    private mutating func target(_ item: Node, _ draft: RouterDraft) -> IPAddress? {
        let form = "an IP address without a prefix"
        guard let target = hostAddress(item, "a host to verify", form, as: "asked") else { return nil }
        if draft.served.contains(where: { $0.value.address == target }) {
            add(item.place, "\(target) is an address of this virtual router; list hosts that have to find it")
            return nil
        }
        guard draft.served.isEmpty || draft.served.contains(where: { $0.value.address.family == target.family }) else {
            let name = target.family == .ipv4 ? "IPv4" : "IPv6"
            add(item.place, "\(target) cannot be asked: this virtual router has no \(name) address")
            return nil
        }
        return target
    }
}
