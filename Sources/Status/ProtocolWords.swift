// The words of RFC 8347 and RFC 6527 for what happened to a virtual router. They are coarser than our causes and stand beside
// them, for programs that know these standards.

import Election
import Wire

/// `last-event` of RFC 8347: the identities below `vrrp-event` without their prefix.
package enum ProtocolEvent: String, Hashable, Sendable, CaseIterable {
    case none
    case startup
    case shutdown
    case higherPriorityBackup = "higher-priority-backup"
    case masterTimeout = "master-timeout"
    case interfaceUp = "interface-up"
    case interfaceDown = "interface-down"
    case noPrimaryIPAddress = "no-primary-ip-address"
    case primaryIPAddress = "primary-ip-address"
    case noVirtualIPAddresses = "no-virtual-ip-addresses"
    case virtualIPAddresses = "virtual-ip-addresses"
    case preemptHoldTimeout = "preempt-hold-timeout"
    case lowerPriorityMaster = "lower-priority-master"
    case ownerPreempt = "owner-preempt"

    /// What a transition is in these words; nil for one that changes nothing. `fault` is the last one before it,
    /// `delaysPreemption` whether there is a preempt delay. Checks, gates and the operator are not in RFC 8347: what they end
    /// is a shutdown, what they begin a startup.
    package init?(_ cause: Cause, after fault: Fault?, delaysPreemption: Bool) {
        switch cause {
        case .resumed: return nil
        case .started, .enabled, .nobodyTookOver: self = .startup
        case .stopped, .disabled, .reconfigured, .lastResort, .handedOver: self = .shutdown
        case .owner: self = .ownerPreempt
        case .masterSilent, .masterResigned, .late: self = .masterTimeout
        case .preemptedLower: self = delaysPreemption ? .preemptHoldTimeout : .lowerPriorityMaster
        case .higherPriority, .greaterAddress: self = .higherPriorityBackup
        case .fault(let fault):
            switch fault {
            case .interfaceMissing, .interfaceDown, .noCarrier, .addressInterface, .socket, .cannotSend:
                self = .interfaceDown
            case .noSourceAddress: self = .noPrimaryIPAddress
            case .claim, .addressRemoved, .addressNotOurs, .virtualMAC: self = .noVirtualIPAddresses
            case .check, .gate, .routing, .routingRemoved: self = .shutdown
            }
        case .recovered:
            switch fault {
            case .interfaceMissing, .interfaceDown, .noCarrier, .addressInterface, .socket, .cannotSend:
                self = .interfaceUp
            case .noSourceAddress: self = .primaryIPAddress
            case .claim, .addressRemoved, .addressNotOurs, .virtualMAC: self = .virtualIPAddresses
            case .check, .gate, .routing, .routingRemoved, nil: self = .startup
            }
        }
    }
}

/// `new-master-reason` of RFC 8347 (checklist ST-07).
package enum NewMasterReason: String, Hashable, Sendable, CaseIterable {
    case notMaster = "not-master"
    /// The last master resigned, or we own the addresses.
    case priority
    /// A master of lower priority was replaced.
    case preempted
    /// The last master fell silent.
    case noResponse = "no-response"

    /// The reason of a router that is in `state` since a transition with `cause`.
    package init(_ state: StateName, since cause: Cause?) {
        guard state == .master, let cause else {
            self = .notMaster
            return
        }
        switch cause {
        case .preemptedLower: self = .preempted
        case .masterSilent, .nobodyTookOver: self = .noResponse
        case .masterResigned, .owner, .started, .resumed, .higherPriority, .greaterAddress, .fault, .recovered,
            .lastResort, .disabled, .enabled, .stopped, .reconfigured, .handedOver, .late:
            self = .priority
        }
    }
}

extension DropReason {
    /// `ip-ttl-error`, `version-error`, `checksum-error` (vrrpv3StatisticsProtoErrReason of RFC 6527); nil for others.
    package var protocolErrorWord: String? {
        switch self {
        case .ttl: "ip-ttl-error"
        case .version: "version-error"
        case .checksum: "checksum-error"
        case .destination, .source, .truncated, .type, .vrid, .addressCount, .intervalZero, .notLinkLocal,
            .authenticationType, .authenticationData, .intervalMismatch, .addressList:
            nil
        }
    }
}
