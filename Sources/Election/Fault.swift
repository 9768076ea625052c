// Why a virtual router may not run, and why its priority is what it is. Faults are a set that is derived anew from present
// facts; nothing counts them up and down.

import Wire

/// Why a check does not pass, in one word for people.
package enum CheckFailure: Hashable, Sendable {
    /// Cold start: no run has ended yet.
    case pending
    /// The command ended with this status, not 0.
    case exited(UInt8)
    /// The command was ended by this signal, not by us.
    case killed(UInt8)
    /// The command did not end within its timeout.
    case timedOut
    /// There is no such command.
    case missing
    /// The command exists but may not be executed, or is no program.
    case notExecutable
    /// The command could not be started for another reason; the errno.
    case notStarted(Int32)
    /// No verdict arrived within its time to live.
    case stale
}

/// The outcome of a check after its rise and fall counts.
package enum Verdict: Hashable, Sendable {
    case passing
    case failing(CheckFailure)
}

/// The kernel refused an address.
package struct ClaimFailure: Hashable, Sendable {
    package var address: InterfaceAddress
    /// errno(3).
    package var code: Int32

    package init(address: InterfaceAddress, code: Int32) {
        self.address = address
        self.code = code
    }
}

/// What can be wrong with an interface that is only to hold addresses.
package enum InterfaceTrouble: UInt8, Hashable, Sendable, CaseIterable {
    case missing
    case down
    case noCarrier
}

/// A present reason that keeps a virtual router from running (RFC 9568 Initialize, shown as `fault`).
package enum Fault: Hashable, Sendable {
    /// No interface of this name.
    case interfaceMissing
    /// The interface is administratively down.
    case interfaceDown
    /// The interface is up and has no carrier.
    case noCarrier
    /// One of these is wrong with another interface that addresses are put on, of this name.
    case addressInterface(String, InterfaceTrouble)
    /// No IPv4 address of our own, or no usable IPv6 link-local address, to send adverts from.
    case noSourceAddress
    /// The advert sockets could not be opened; the errno.
    case socket(Int32)
    /// A check with effect `fault` fails.
    case check(CheckID, CheckFailure)
    /// The claim gate failed or timed out; tried again after a pause.
    case gate(CheckFailure)
    /// The interface of the virtual hardware address could not be made, for this errno; EEXIST: something of its name is there that is not ours.
    case virtualMAC(interface: String, Int32)
    /// The kernel refused an address; tried again after a pause.
    case claim(ClaimFailure)
    /// As master none of its adverts could be sent for three intervals; the errno of the last try. Tried again after a pause.
    case cannotSend(Int32)
    /// Somebody else took an address off for the third time within 10 s; who, as far as the kernel tells, or empty. Tried again after a pause.
    case addressRemoved(InterfaceAddress, by: String)
    /// Somebody else has put an address there that is only the master's to have.
    case addressNotOurs(InterfaceAddress)
    /// The kernel refused a route or a rule; tried again after a pause.
    case routing(RoutingFailure)
    /// Somebody else took a route or a rule off for the third time within 10 s; who, as far as the kernel tells, or empty. Tried again after a pause.
    case routingRemoved(RoutingEntry, by: String)
}

/// A check's part in the effective priority.
package struct Contribution: Hashable, Sendable {
    package var check: CheckID
    package var effect: CheckEffect
    package var failure: CheckFailure

    package init(check: CheckID, effect: CheckEffect, failure: CheckFailure) {
        self.check = check
        self.effect = effect
        self.failure = failure
    }
}
