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
        case .filtered: "filtered"
        case .doesNotHear: "does-not-hear"
        }
    }

    /// How the peer differs, as a sentence without a full stop; `own` values are this host's.
    package var sentence: String {
        switch self {
        case .interval(let own, let peer, let limit):
            let obeyed =
                limit == .zero
                ? "; its adverts are dropped" : peer > limit ? "; it is obeyed as if it were \(limit.exact)" : ""
            return "it advertises every \(peer.exact), here \(own.exact) is configured\(obeyed)"
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
        case .filtered(let isObeyed):
            let consequence =
                isObeyed ? "while they come this host does not take over" : "this host goes by what it hears"
            return "its adverts come in on the wire and reach no socket: filtered by the local firewall, or by"
                + " rp_filter; \(consequence)"
        case .doesNotHear(let priority):
            return "it goes on advertising priority \(priority) though this host answers: it does not hear this host"
        }
    }

    /// Our value and the peer's, where the difference has two.
    package var values: (own: String, peer: String)? {
        switch self {
        case .interval(let own, let peer, _): (own.exact, peer.exact)
        case .addresses(let own, let peer, let missing, let unexpected):
            (
                missing.map { "\(own) with \($0)" } ?? "\(own)", unexpected.map { "\(peer) with \($0)" } ?? "\(peer)"
            )
        case .version(let own, let peer): ("\(own.rawValue)", "\(peer)")
        case .checksumForm(let own, let peer): (own.word, peer.word)
        case .authentication(1, 1): ("a password", "another password")
        case .authentication(let own, let peer): (Self.authenticationWords(own), Self.authenticationWords(peer))
        case .bothOwner: ("255", "255")
        case .ownerHears(let priority): ("255", "\(priority)")
        case .equalPriority(let priority): ("\(priority)", "\(priority)")
        case .ourAddress, .firstAddressNotLinkLocal, .filtered, .doesNotHear: nil
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

extension Duration {
    /// An interval with all its digits, which are hundredths of a second at the most: `100 ms`, `1 s`, `40.95 s`. Rounded ones
    /// could look the same.
    fileprivate var exact: String {
        let milliseconds = nanoseconds / 1_000_000
        guard milliseconds >= 1000 else { return "\(milliseconds) ms" }
        var fraction = "\(milliseconds % 1000 + 1000)".dropFirst()
        while fraction.last == "0" { fraction.removeLast() }
        return fraction.isEmpty ? "\(milliseconds / 1000) s" : "\(milliseconds / 1000).\(fraction) s"
    }
}

extension ChecksumForm {
    /// As the configuration spells it.
    fileprivate var word: String {
        switch self {
        case .message: "message"
        case .pseudoHeader: "pseudo-header"
        }
    }

    fileprivate var phrase: String {
        switch self {
        case .message: "over the message alone (RFC 9568)"
        case .pseudoHeader: "with the IPv4 pseudo-header"
        }
    }
}
