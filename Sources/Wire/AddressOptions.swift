// What else than its prefix an address of an interface has: how far it is valid, what `ip` calls it, whether connections may
// begin from it, and which interface it is, where that is not its virtual router's.

/// How an address is put on an interface (ip-address(8), rtnetlink(7)).
package struct AddressOptions: Hashable, Sendable {
    /// IPv4: how far the address means the same, which decides who may be told it as a source. IPv6 addresses have the scope that they
    /// say themselves (RFC 4291 §2.5), and the kernel ignores another one.
    package enum Scope: UInt8, Hashable, Sendable, CaseIterable {
        /// RT_SCOPE_UNIVERSE: everywhere.
        case global = 0
        /// RT_SCOPE_LINK: on this link; not a source for what is behind a router.
        case link = 253
        /// RT_SCOPE_HOST: on this host; never a source for others, and answered for all the same.
        case host = 254
    }

    package var scope: Scope
    /// IPv4: IFA_LABEL, at most 15 octets; nil for the interface's name, which the kernel takes then.
    package var label: String?
    /// IPv6: connections may begin from it. False is a preferred lifetime of 0: it is deprecated (RFC 4862 §5.5.4), so it is used when a
    /// program binds to it, and otherwise only where there is no other.
    package var isPreferred: Bool
    /// The interface that it is put on; nil for that of its virtual router.
    package var interface: String?

    package init(
        scope: Scope = .global, label: String? = nil, isPreferred: Bool = true, interface: String? = nil
    ) {
        self.scope = scope
        self.label = label
        self.isPreferred = isPreferred
        self.interface = interface
    }

    /// Those of an address of which nothing else is said. An IPv6 address that moves is no good source: who begins a connection from it
    /// loses that with the address. In IPv4 an address of a host's own network is preferred anyway.
    package static func standard(for family: AddressFamily) -> AddressOptions {
        AddressOptions(isPreferred: family == .ipv4)
    }

    /// Going from one to the other takes the address off for a moment: the kernel changes lifetimes in place, and nothing else.
    package func needsNewAddress(after other: AddressOptions) -> Bool {
        scope != other.scope || label != other.label || interface != other.interface
    }
}
