// An interface of a virtual hardware address as the engine has it: its socket for adverts, and what was ordered of it. What is done with it is in
// Engine+VirtualLinks.

import Kernel
import Wire

/// A macvlan; a class because it owns a descriptor.
final class VirtualLink {
    let key: VirtualLinkKey
    let index: UInt32
    let name: String
    /// Adverts leave by it.
    let port: AdvertPort
    /// What of the interface below is to be put back.
    let original: ParentSettings
    /// It was put up, and not down since.
    var isRaised: Bool
    /// IPv6 is on; it is off while it is not needed, so that nothing is said in its name.
    var speaksIPv6: Bool

    init(
        _ key: VirtualLinkKey, index: UInt32, port: AdvertPort, original: ParentSettings, isRaised: Bool,
        speaksIPv6: Bool
    ) {
        self.key = key
        self.index = index
        self.port = port
        self.original = original
        self.isRaised = isRaised
        self.speaksIPv6 = speaksIPv6
        name = key.name
    }
}
