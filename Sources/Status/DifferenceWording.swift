// What a peer is configured with that differs from this host, in words. One place for log, status and events.

import Election
import Wire

extension PeerDifference {
    /// The kind of difference in a word or two, for programs.
    package var word: String {
        switch self {
        case .interval: "interval"
        case .addresses: "addresses"
        case .version: "version"
        case .checksumForm: "checksum-form"
        case .authentication: "authentication"
        case .bothOwner: "two-owners"
        case .ownerHears: "owner-hears"
        case .equalPriority: "equal-priority"
        case .ourAddress: "our-address"
        case .firstAddressNotLinkLocal: "first-address-not-link-local"
        }
    }

    /// How the peer differs, as a sentence without a full stop; `own` values are this host's.
    package var sentence: String {
        switch self {
        case .interval(let own, let peer, let limit):
            let obeyed = peer > limit ? "; only \(limit.spoken) are believed" : ""
            return "it advertises every \(peer.spoken), here \(own.spoken) is configured\(obeyed)"
        case .addresses(let own, let peer, let missing, let unexpected):
            var parts: [String] = []
            if let missing { parts.append("it lacks \(missing)") }
            if let unexpected { parts.append("\(unexpected) is not configured here") }
            if parts.isEmpty { parts.append("it names an address twice") }
            return "it advertises \(peer) addresses, here are \(own): \(parts.joined(separator: ", "))"
        case .version(let own, let peer):
            return "it speaks VRRP version \(peer), here version \(own.rawValue) is configured; its adverts are dropped"
        case .checksumForm(let own, let peer):
            return "it computes the checksum \(peer.phrase), this host \(own.phrase)"
        case .authentication(let own, let peer):
            if own == 1, peer == 1 { return "its password is another one; its adverts are dropped" }
            let ownWords = Self.authenticationWords(own)
            let peerWords = Self.authenticationWords(peer)
            return "it sends \(peerWords), here \(ownWords) is configured; its adverts are dropped"
        case .bothOwner:
            return "it too advertises priority 255 as owner of the addresses"
        case .ownerHears(let priority):
            return "it advertises our own addresses at priority \(priority)"
        case .equalPriority(let priority):
            return "it too has priority \(priority); of two masters the one with the greater address stays"
        case .ourAddress:
            return "its adverts come from our own address: another host has it too, or a loop returns ours;"
                + " they are dropped"
        case .firstAddressNotLinkLocal:
            return "its first address is not link-local, as RFC 9568 wants it"
        }
    }

    private static func authenticationWords(_ type: UInt8) -> String {
        switch type {
        case 0: "no authentication"
        case 1: "a password"
        default: "authentication type \(type)"
        }
    }
}

extension ChecksumForm {
    fileprivate var phrase: String {
        switch self {
        case .message: "over the message alone (RFC 9568)"
        case .pseudoHeader: "with the IPv4 pseudo-header"
        }
    }
}
