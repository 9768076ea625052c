// Fuzzes what reads the kernel's words: datagrams of rtnetlink, and the IPv4 header in front of an advert. The kernel is
// no enemy, but its messages grow with its versions.

import FuzzSupport
import Kernel
import Wire

@main struct FuzzNetlink {
    static func main() { unsafe fuzz(testOneInput) }
}

@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
    let octets = unsafe input(start, count)
    var events: [KernelEvent] = []
    NetlinkParser.parse(octets.span, into: &events)
    // A message of 16 octets can mean itself and that events were lost.
    promise(events.count <= octets.count / 16 * 2, "no message becomes more than two events")
    for event in events { check(event) }
    var twice: [KernelEvent] = events
    NetlinkParser.parse(octets.span, into: &twice)
    promise(twice == events + events, "the same octets say the same, and nothing before is touched")
    checkHeader(octets)
    checkNeighborhood(octets)
    promise(NetlinkParser.ipv4Settings(octets.span).count <= octets.count / 4, "a setting has four octets")
    return 0
}

private func check(_ event: KernelEvent) {
    switch event {
    case .link(let link):
        promise(!link.name.utf8.contains(0), "a name ends before its zero")
    case .linkRemoved(_, let name):
        promise(!name.utf8.contains(0), "a name ends before its zero")
    case .address(let state), .addressRemoved(let state, _):
        let address = state.address
        promise(address.prefixLength <= address.address.family.hostPrefixLength, "a prefix fits its family")
        promise(!(state.isTentative && state.isUsable), "what is tentative is not usable")
    case .route(let state), .routeRemoved(let state, _):
        let destination = state.key.destination
        promise(destination.prefixLength <= destination.address.family.hostPrefixLength, "a prefix fits its family")
        promise(state.gateway.map { $0.family == destination.address.family } ?? true, "a gateway is of its family")
        _ = state.route(device: "eth0").description
    case .rule(let state), .ruleRemoved(let state, _):
        for network in [state.rule.from, state.rule.to].compactMap(\.self) {
            promise(network.prefixLength <= network.address.family.hostPrefixLength, "a prefix fits its family")
            promise(network.address.family == state.rule.family, "a network is of its family")
        }
        _ = state.rule.description
    case .peersToNotify, .eventsLost: break
    }
}

private func checkNeighborhood(_ octets: [UInt8]) {
    for family in AddressFamily.allCases {
        let neighbors = NetlinkParser.neighbors(octets.span, family, index: 7)
        promise(neighbors.count <= octets.count / 16, "no message becomes more than one neighbour")
        for neighbor in neighbors {
            promise(neighbor.address.family == family && !neighbor.hardware.isGroup, "a neighbour is one host")
        }
        let gateway = NetlinkParser.gateway(octets.span, family, index: 7)
        promise(gateway.map { $0.family == family } ?? true, "a gateway is of the family")
    }
}

private func checkHeader(_ octets: [UInt8]) {
    guard let header = IPv4Header(octets.span) else { return }
    promise(header.payload.lowerBound >= 20 && header.payload.upperBound <= octets.count, "the payload is there")
    promise(header.hasOptions == (header.payload.lowerBound > 20), "options are what is beyond 20 octets")
}
