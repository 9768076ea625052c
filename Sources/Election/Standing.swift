// May this router run, and at what priority? Derived anew from all present facts whenever one of them changes; never counted
// up and down, so that no order of events can leave a fault behind.

import Wire

/// What the facts of this host mean for one virtual router.
package struct Standing: Hashable, Sendable {
    /// Why it may not run; empty if it may.
    package var faults: [Fault] = []
    /// The operator disabled it.
    package var isDisabled = false
    /// The agent stops, or the router left the configuration.
    package var isLeaving = false
    /// It is the configuration that it left.
    package var isRemoved = false
    /// Nobody is there to run gates.
    package var skipsGates = false
    /// The operator handed it over and holds it back: no preemption until it is master again, or the hold is taken off.
    package var isHeld = false
    /// 1...255.
    package var effectivePriority: UInt8 = 100
    /// A failed check that leaves the router as last resort only.
    package var lastResort: Contribution?
    package var contributions: [Contribution] = []
    /// Where adverts are sent from; nil is a fault.
    package var localAddress: IPAddress?

    package init() {}

    /// Nothing but checks is wrong. A check that fails while a planned move waits for its gate does not cut the gate short.
    var canServe: Bool {
        faults.allSatisfy { if case .check = $0 { true } else { false } }
    }

    /// An advert can leave this host.
    package var canSend: Bool {
        localAddress != nil
            && !faults.contains { fault in
                switch fault {
                case .interfaceMissing, .interfaceDown, .noCarrier, .noSourceAddress, .socket: true
                case .check, .gate, .claim, .cannotSend, .addressRemoved, .addressNotOurs, .addressInterface, .routing,
                    .routingRemoved, .virtualMAC:
                    false
                }
            }
    }
}

/// Why there is no interface for the virtual hardware address of an election.
package struct VirtualMACError: Hashable, Sendable {
    package var family: AddressFamily
    package var vrid: UInt8
    /// The name that it would have.
    package var interface: String
    /// errno(3).
    package var code: Int32

    package init(family: AddressFamily, vrid: UInt8, interface: String, code: Int32) {
        self.family = family
        self.vrid = vrid
        self.interface = interface
        self.code = code
    }
}

/// What is known of an interface.
package struct InterfaceFacts: Hashable, Sendable {
    package var index: UInt32
    /// IFF_UP.
    package var isUp: Bool
    /// IFF_LOWER_UP.
    package var hasCarrier: Bool
    /// Where IPv4 adverts are sent from: the first address that is not a virtual one.
    package var sourceIPv4: IPv4Address?
    /// Where IPv6 adverts are sent from: the first usable link-local address that is not a virtual one.
    package var sourceIPv6: IPv6Address?
    /// Where IPv6 adverts to peers beyond the link are sent from, where none of `networks` has them: the first usable global or
    /// unique local address that is not a virtual one.
    package var globalIPv6: IPv6Address?
    /// The usable addresses that are not virtual ones, with their networks, in ascending order; only where a router has peers.
    package var networks: [InterfaceAddress] = []
    /// Addresses of its virtual routers that somebody else has put there, in ascending order.
    package var foreign: [IPAddress] = []
    /// Virtual hardware addresses that could not be had there.
    package var virtualMACErrors: [VirtualMACError] = []
    /// Why the advert socket of a family could not be opened; the errno.
    package var socketErrorIPv4: Int32?
    package var socketErrorIPv6: Int32?

    package init(
        index: UInt32, isUp: Bool = true, hasCarrier: Bool = true, sourceIPv4: IPv4Address? = nil,
        sourceIPv6: IPv6Address? = nil, globalIPv6: IPv6Address? = nil, socketErrorIPv4: Int32? = nil,
        socketErrorIPv6: Int32? = nil
    ) {
        self.index = index
        self.isUp = isUp
        self.hasCarrier = hasCarrier
        self.sourceIPv4 = sourceIPv4
        self.sourceIPv6 = sourceIPv6
        self.globalIPv6 = globalIPv6
        self.socketErrorIPv4 = socketErrorIPv4
        self.socketErrorIPv6 = socketErrorIPv6
    }

    /// Peers believe an address that they have in their list. Where one list serves all hosts it names ours; otherwise it is the
    /// one in the network of the first peer that is on the link, whatever peers behind routers stand before it.
    package func source(for configuration: VirtualRouterConfiguration) -> IPAddress? {
        for peer in configuration.peers where networks.contains(where: { $0.address == peer.address }) {
            return peer.address
        }
        for peer in configuration.peers where !peer.address.isLinkLocal {
            for network in networks where network.contains(peer.address) { return network.address }
        }
        switch configuration.family {
        case .ipv4: return sourceIPv4.map { .ipv4($0) }
        case .ipv6: return (configuration.needsGlobalSource ? globalIPv6 : sourceIPv6).map { .ipv6($0) }
        }
    }

    /// The faults that this interface means for a router; nil facts mean that there is no interface.
    static func faults(_ facts: InterfaceFacts?, _ configuration: VirtualRouterConfiguration) -> [Fault] {
        guard let facts else { return [.interfaceMissing] }
        guard facts.isUp else { return [.interfaceDown] }
        guard facts.hasCarrier else { return [.noCarrier] }
        let socketError = configuration.family == .ipv4 ? facts.socketErrorIPv4 : facts.socketErrorIPv6
        if let socketError { return [.socket(socketError)] }
        var faults: [Fault] = facts.source(for: configuration) == nil ? [.noSourceAddress] : []
        if configuration.usesVirtualMAC,
            let error = facts.virtualMACErrors.first(where: {
                $0.vrid == configuration.vrid && $0.family == configuration.family
            })
        {
            faults.append(.virtualMAC(interface: error.interface, error.code))
        }
        // What an owner has is its own (RFC 9568 §1.7).
        if !facts.foreign.isEmpty, !configuration.isOwner,
            let address = configuration.addresses.first(where: { facts.foreign.contains($0.address) })
        {
            faults.append(.addressNotOurs(address))
        }
        return faults
    }

    /// The faults that another interface, which holds addresses of the router, means for it.
    static func faults(on name: String, _ facts: InterfaceFacts?, _ configuration: VirtualRouterConfiguration)
        -> [Fault]
    {
        guard let facts else { return [.addressInterface(name, .missing)] }
        guard facts.isUp else { return [.addressInterface(name, .down)] }
        guard facts.hasCarrier else { return [.addressInterface(name, .noCarrier)] }
        guard !facts.foreign.isEmpty, !configuration.isOwner,
            let address = configuration.addresses.first(where: {
                facts.foreign.contains($0.address) && configuration.interface(of: $0) == name
            })
        else { return [] }
        return [.addressNotOurs(address)]
    }
}

extension Standing {
    /// The standing of a router with `configuration`, given its interface, the `others` that hold addresses, and the failures of its checks.
    init(
        _ configuration: VirtualRouterConfiguration, interface: InterfaceFacts?,
        others: [(name: String, facts: InterfaceFacts?)] = [], failures: (CheckID) -> CheckFailure?
    ) {
        faults = InterfaceFacts.faults(interface, configuration)
        for other in others { faults += InterfaceFacts.faults(on: other.name, other.facts, configuration) }
        localAddress = interface?.source(for: configuration)
        var priority = Int(configuration.priority)
        for reference in configuration.checks {
            guard let failure = failures(reference.check) else { continue }
            let contribution = Contribution(check: reference.check, effect: reference.effect, failure: failure)
            switch reference.effect {
            case .fault:
                faults.append(.check(reference.check, failure))
            case .weight(let weight):
                priority += Int(weight)
                contributions.append(contribution)
            case .lastResort:
                lastResort = lastResort ?? contribution
                contributions.append(contribution)
            }
        }
        if lastResort != nil {
            effectivePriority = 1
        } else if configuration.isOwner {
            effectivePriority = 255
        } else {
            effectivePriority = UInt8(max(1, min(254, priority)))
        }
    }
}
