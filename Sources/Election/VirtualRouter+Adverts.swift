// What a router says of itself and to whom: the content of its adverts and where they go, in one place for the engine, the
// simulation and the transcripts. Through which socket is not decided here. Sending is on the hot path, so nothing here allocates.

import Wire

extension VirtualRouter {
    /// What goes out for `Action.sendAdvert` of this priority: the advert, and behind it the same in version 2 where both
    /// versions are spoken (RFC 9568 §8.4.2).
    package func adverts(priority: UInt8) -> (advert: OutgoingAdvertisement, twin: OutgoingAdvertisement?) {
        let advert = OutgoingAdvertisement(
            version: configuration.version, vrid: configuration.vrid, priority: priority,
            interval: configuration.advertisementInterval, addresses: advertised, checksumForm: checksumForm,
            password: configuration.version == .v2 ? configuration.password : nil)
        guard configuration.alsoVersion2 else { return (advert, nil) }
        var twin = advert
        twin.version = .v2
        twin.interval = configuration.version2Interval
        twin.checksumForm = .message
        twin.password = configuration.password
        return (advert, twin)
    }
}

extension VirtualRouterConfiguration {
    /// Calls `send` with each address that adverts from `source` go to: the group, or each peer and nobody else. One list may
    /// serve all hosts, so `source` itself is passed over.
    package func forEachDestination(from source: IPAddress, _ send: (IPAddress) -> Void) {
        guard isUnicast else {
            send(.vrrpGroup(family))
            return
        }
        for peer in peers where peer.address != source { send(peer.address) }
    }
}
