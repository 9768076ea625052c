// `virtual-mac` of a virtual router, and with what it does not go together.

import Wire

extension Problems {
    mutating func virtualMAC(_ fields: Fields<RouterKey>, _ draft: RouterDraft) -> Bool? {
        guard let node = fields[.virtualMAC] else { return false }
        guard let isWanted = boolean(node, "virtual-mac") else { return nil }
        guard isWanted else { return false }
        if draft.isUnicast {
            add(
                node.place,
                "virtual-mac is for adverts by multicast: what does not carry those seldom carries a second hardware address;"
                    + " leave it or 'peers' out")
        }
        if draft.priority == 255 {
            add(
                node.place,
                "virtual-mac is not for the owner: its addresses are on its interface already, with the hardware address of"
                    + " that; give it a priority up to 254 and leave the addresses to vipd")
        }
        return true
    }
}
