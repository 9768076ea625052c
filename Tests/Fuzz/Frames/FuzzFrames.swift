// Fuzzes what reads whole Ethernet frames: ARP and RARP, neighbour advertisements and solicitations, and what is overheard. A frame that is
// read is written again to the same octets (ARP) or to the same value (neighbour discovery, where options may repeat).

import FuzzSupport
import Wire

@main struct FuzzFrames {
    static func main() { unsafe fuzz(testOneInput) }
}

/// The first octet decides whether the ICMPv6 checksum is put right before; the frame follows.
@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
    var choices = Choices(unsafe input(start, count))
    let repairs = choices.byte() & 1 != 0
    var frame = choices.rest
    if repairs { repairChecksum(&frame) }
    let ethernet = EthernetHeader(frame: frame.span)
    promise((ethernet != nil) == (frame.count >= EthernetHeader.length), "14 octets are a header")
    if let packet = ARPPacket(frame: frame.span), let ethernet {
        let again = packet.frame(destination: ethernet.destination, source: ethernet.source)
        promise(again == Array(frame.prefix(again.count)), "an ARP packet is written as it was read")
    }
    if let advertisement = NeighborAdvertisement(frame: frame.span), let ethernet {
        let again = advertisement.frame(source: ethernet.source, destination: ethernet.destination)
        promise(NeighborAdvertisement(frame: again.span) == advertisement, "an advertisement survives")
        promise(NeighborSolicitation(frame: frame.span) == nil, "one frame is not two messages")
    }
    if let solicitation = NeighborSolicitation(frame: frame.span), let ethernet {
        let again = solicitation.frame(source: ethernet.source, destination: ethernet.destination)
        promise(NeighborSolicitation(frame: again.span) == solicitation, "a solicitation survives")
    }
    overhear(frame)
    if let message = EchoMessage(frame: frame.span), let ethernet = EthernetHeader(frame: frame.span) {
        let again = message.frame(from: ethernet.source, to: ethernet.destination)
        promise(EchoMessage(frame: again.span) == message, "an echo message survives")
    }
    return 0
}

private func overhear(_ frame: [UInt8]) {
    let claim = AddressClaim(frame: frame.span)
    let advert = AdvertGlimpse(frame: frame.span)
    promise(claim == nil || advert == nil, "who claims an address sends no advert")
    if let claim {
        let isNeighbour = EthernetHeader(frame: frame.span)?.type == EtherType.ipv6
        promise((claim.address.family == .ipv6) == isNeighbour, "the family is the frame's")
    }
    if let advert { promise(advert.interval >= .milliseconds(10), "an interval can be waited for") }
    switch Overheard(frame: frame.span) {
    case .claim(let other): promise(other == claim, "it is the claim")
    case .advert(let other): promise(other == advert, "it is the advert")
    case .answer(let message, at: let destination):
        promise(claim == nil && advert == nil && message.kind == .reply, "it is an answer, and nothing else")
        promise(message.source.family == message.destination.family, "both ends are of one family")
        promise(EthernetHeader(frame: frame.span)?.destination == destination, "it went where the frame went")
    case nil: promise(claim == nil && advert == nil, "nothing is left out")
    }
}

private func repairChecksum(_ frame: inout [UInt8]) {
    let header = EthernetHeader.length
    let start = header + 40
    guard frame.count >= start + 24 else { return }
    let length = Int(frame[header + 4]) << 8 | Int(frame[header + 5])
    guard length >= 24, frame.count >= start + length else { return }
    frame[start + 2] = 0
    frame[start + 3] = 0
    var checksum = InternetChecksum()
    let source = address(frame, header + 8)
    let destination = address(frame, header + 24)
    checksum.addPseudoHeader(source: source, destination: destination, length: length, nextHeader: 58)
    checksum.add(frame.span.extracting(start..<(start + length)), count: length)
    frame[start + 2] = UInt8(checksum.field >> 8)
    frame[start + 3] = UInt8(checksum.field & 0xFF)
}

private func address(_ frame: [UInt8], _ place: Int) -> IPAddress {
    var choices = Choices(Array(frame[place...]))
    let high = choices.quad()
    return .ipv6(IPv6Address(high: high, low: choices.quad()))
}
