// The pure part: netlink messages and IPv4 headers from octets, good ones and every kind of bad one.

import Kernel
import Testing
import Wire

/// Builds messages as the kernel lays them out. Netlink numbers are in host order; these tests run on little-endian hosts.
private enum Build {
    static func number<Number: FixedWidthInteger>(_ value: Number) -> [UInt8] {
        (0..<(Number.bitWidth / 8)).map { UInt8(truncatingIfNeeded: value.littleEndian >> (8 * $0)) }
    }

    static func message(_ type: UInt16, flags: UInt16 = 0, _ body: [UInt8]) -> [UInt8] {
        pad(number(UInt32(16 + body.count)) + number(type) + number(flags) + number(UInt64(0)) + body)
    }

    static func attribute(_ type: UInt16, _ value: [UInt8]) -> [UInt8] {
        pad(number(UInt16(4 + value.count)) + number(type) + value)
    }

    static func link(
        family: UInt8 = 0, index: UInt32 = 7, flags: UInt32 = 0x1_0043, _ attributes: [UInt8]
    ) -> [UInt8] {
        [family, 0, 1, 0] + number(index) + number(flags) + number(UInt32(0)) + attributes
    }

    static func address(
        family: UInt8 = 2, prefix: UInt8 = 24, flags: UInt8 = 0x80, index: UInt32 = 7, _ attributes: [UInt8]
    ) -> [UInt8] {
        [family, prefix, flags, 0] + number(index) + attributes
    }

    private static func pad(_ octets: [UInt8]) -> [UInt8] {
        octets + [UInt8](repeating: 0, count: (4 - octets.count % 4) % 4)
    }
}

private func parse(_ octets: [UInt8]) -> [KernelEvent] {
    var events: [KernelEvent] = []
    NetlinkParser.parse(octets.span, into: &events)
    return events
}

private let name = Build.attribute(3, Array("eth0".utf8) + [0])
private let linkMessage = Build.message(
    16,
    Build.link(
        name + Build.attribute(1, [2, 0, 0, 0, 0, 9]) + Build.attribute(4, Build.number(UInt32(1500)))
            + Build.attribute(16, [6])))
private let addressMessage = Build.message(
    20,
    Build.address(
        Build.attribute(1, [10, 0, 0, 1]) + Build.attribute(2, [10, 0, 0, 1])
            + Build.attribute(3, Array("eth0".utf8) + [0]) + Build.attribute(8, Build.number(UInt32(0x281)))
            + Build.attribute(11, [112])))

@Suite struct NetlinkParserTests {
    @Test("A datagram with several messages gives their events in order")
    func several() {
        let link = LinkState(
            index: 7, name: "eth0", isUp: true, hasCarrier: true, hardwareAddress: MACAddress(2, 0, 0, 0, 0, 9),
            mtu: 1500, isLoopback: false)
        let address = AddressState(
            interfaceIndex: 7,
            address: InterfaceAddress(address: .ipv4(IPv4Address(10, 0, 0, 1)), prefixLength: 24), tag: 112,
            flags: 0x281, scope: 0, label: "eth0")
        let removal = Build.message(21, Array(addressMessage.dropFirst(16)))
        let events = parse(linkMessage + addressMessage + removal + Build.message(17, Build.link(name)))
        #expect(
            events == [
                .link(link), .address(address), .addressRemoved(address), .linkRemoved(index: 7, name: "eth0"),
            ])
    }

    @Test("Carrier needs both the lower layer up and an operational state that is up or unknown")
    func carrier() {
        func carrier(flags: UInt32, state: UInt8?) -> Bool? {
            let attributes = name + (state.map { Build.attribute(16, [$0]) } ?? [])
            guard case .link(let link)? = parse(Build.message(16, Build.link(flags: flags, attributes))).first else {
                return nil
            }
            return link.hasCarrier
        }
        #expect(carrier(flags: 0x1_0043, state: 6) == true)
        #expect(carrier(flags: 0x1_0043, state: nil) == true)
        #expect(carrier(flags: 0x1_0043, state: 0) == true)
        #expect(carrier(flags: 0x1_0043, state: 2) == false)
        #expect(carrier(flags: 0x1_0043, state: 5) == false)
        #expect(carrier(flags: 0x43, state: 6) == false)
    }

    @Test("A bond's failover and a wish to notify peers follow the link itself", arguments: [2, 3, 4, 5] as [UInt32])
    func moved(_ reason: UInt32) {
        let told = parse(Build.message(16, Build.link(name + Build.attribute(44, Build.number(reason)))))
        #expect(told.count == (reason == 3 || reason == 4 ? 2 : 1))
        if reason == 4 { #expect(told.last == .peersToNotify(index: 7)) }
    }

    @Test("Messages of bridges and of wireless extensions are no news of the interface")
    func notAboutTheLink() {
        #expect(parse(Build.message(17, Build.link(family: 7, name))) == [])
        #expect(parse(Build.message(16, Build.link(name + Build.attribute(11, [0, 0, 0, 0])))) == [])
    }

    @Test("A point-to-point address is the local one, not the peer's")
    func pointToPoint() throws {
        let body = Build.address(
            prefix: 32, Build.attribute(1, [10, 0, 0, 2]) + Build.attribute(2, [10, 0, 0, 1]))
        guard case .address(let state)? = parse(Build.message(20, body)).first else {
            Issue.record("no event")
            return
        }
        #expect(state.address.address == .ipv4(IPv4Address(10, 0, 0, 1)))
        #expect(state.tag == 0)
        #expect(state.flags == 0x80)
    }

    @Test("A tentative IPv6 address is not usable, an optimistic one is, a duplicate never")
    func usability() throws {
        func state(_ flags: UInt8) throws -> AddressState {
            let octets: [UInt8] = [0xFE, 0x80] + [UInt8](repeating: 1, count: 14)
            let body = Build.address(family: 10, prefix: 64, flags: flags, Build.attribute(1, octets))
            guard case .address(let state)? = parse(Build.message(20, body)).first else {
                throw Missing()
            }
            return state
        }
        #expect(try !state(0x40).isUsable && state(0x40).isTentative)
        #expect(try state(0x44).isUsable)
        #expect(try state(0x82).isUsable)
        #expect(try !state(0x88).isUsable)
    }

    @Test("An interrupted dump and an overrun mean that events were lost; errors and ends mean nothing")
    func control() {
        #expect(parse(Build.message(3, flags: 0x10, Build.number(UInt32(0)))) == [.eventsLost])
        #expect(parse(Build.message(4, [])) == [.eventsLost])
        #expect(parse(Build.message(3, Build.number(UInt32(0)))) == [])
        #expect(parse(Build.message(2, Build.number(UInt32(0)) + [UInt8](repeating: 0, count: 16))) == [])
    }

    @Test("What is cut short is left out, at every length")
    func truncation() {
        let whole = linkMessage + addressMessage
        for length in 0..<whole.count {
            let events = parse(Array(whole.prefix(length)))
            #expect(events.count == (length >= linkMessage.count ? 1 : 0))
        }
        #expect(parse(whole).count == 2)
    }

    @Test("Impossible lengths, prefixes and families give no event")
    func impossible() {
        #expect(parse(Build.message(20, Build.address(prefix: 33, Build.attribute(1, [10, 0, 0, 1])))) == [])
        #expect(parse(Build.message(20, Build.address(family: 3, Build.attribute(1, [10, 0, 0, 1])))) == [])
        #expect(parse(Build.message(20, Build.address(Build.attribute(1, [10, 0, 0])))) == [])
        #expect(parse(Build.message(20, Build.address([]))) == [])
        #expect(parse(Build.number(UInt32(8)) + [UInt8](repeating: 0, count: 12)) == [])
        #expect(parse([UInt8](repeating: 0xFF, count: 64)) == [])
        #expect(parse([UInt8](repeating: 0, count: 64)) == [])
    }

    @Test("Random octets and damaged messages never trap")
    func random() {
        var generator = SplitMix(state: 0x5EED)
        let whole = linkMessage + addressMessage
        var events: [KernelEvent] = []
        for round in 0..<200_000 {
            var octets: [UInt8]
            if round % 4 == 0 {
                octets = (0..<Int.random(in: 0...96, using: &generator)).map { _ in
                    UInt8.random(in: 0...255, using: &generator)
                }
            } else {
                octets = whole
                for _ in 0..<Int.random(in: 1...6, using: &generator) {
                    octets[Int.random(in: 0..<octets.count, using: &generator)] = UInt8.random(
                        in: 0...255, using: &generator)
                }
                octets.removeLast(Int.random(in: 0...8, using: &generator))
            }
            NetlinkParser.parse(octets.span, into: &events)
            events.removeAll(keepingCapacity: true)
            _ = IPv4Header(octets.span)
        }
    }

    @Test("An IPv4 header with impossible lengths is none")
    func header() {
        var octets: [UInt8] = [0x46, 0, 0, 28, 0, 0, 0, 0, 64, 112, 0, 0, 10, 0, 0, 1, 224, 0, 0, 18, 1, 1, 1, 1]
        octets += [1, 2, 3, 4, 9, 9, 9]
        let header = IPv4Header(octets.span)
        #expect(header?.payload == 24..<28)
        #expect(header?.hasOptions == true)
        #expect(header?.timeToLive == 64)
        #expect(header?.source == IPv4Address(10, 0, 0, 1))
        #expect(header?.destination == .vrrpGroup)
        func rejects(_ place: Int, _ value: UInt8) -> Bool {
            var damaged = octets
            damaged[place] = value
            return IPv4Header(damaged.span) == nil
        }
        #expect(rejects(0, 0x44))  // header of 16 octets
        #expect(rejects(0, 0x66))  // version 6
        #expect(rejects(3, 23))  // shorter than its header
        #expect(rejects(3, 32))  // longer than what is there
        #expect(IPv4Header(octets.span.extracting(0..<19)) == nil)
    }
}

@Suite struct NeighborhoodTests {
    private func route(type: UInt8 = 1, index: UInt32 = 7, _ gateway: [UInt8]?) -> [UInt8] {
        let body: [UInt8] = [2, 32, 0, 0, 254, 0, 0, type, 0, 0, 0, 0]
        let attributes = Build.attribute(4, Build.number(index)) + (gateway.map { Build.attribute(5, $0) } ?? [])
        return Build.message(24, body + attributes)
    }

    private func gateway(_ octets: [UInt8]) -> IPAddress? { NetlinkParser.gateway(octets.span, .ipv4, index: 7) }

    @Test func `a gateway is that of a unicast route by the interface`() {
        #expect(gateway(route([192, 0, 2, 1])) == .ipv4(IPv4Address(192, 0, 2, 1)))
        #expect(gateway(route(nil)) == nil, "on the link")
        #expect(gateway(route(type: 6, [192, 0, 2, 1])) == nil, "a black hole")
        #expect(gateway(route(index: 8, [192, 0, 2, 1])) == nil)
        #expect(gateway(route([UInt8](repeating: 0, count: 16))) == nil, "of another family")
        let whole = route([192, 0, 2, 1])
        for length in 0..<whole.count { _ = gateway(Array(whole.prefix(length))) }
    }

    @Test func `neighbours are those that the kernel knows to be somewhere`() {
        func neighbor(
            _ last: UInt8, family: UInt8 = 2, index: UInt32 = 7, state: UInt16 = 4, flags: UInt8 = 0,
            hardware: [UInt8]? = [2, 0, 0, 0, 0, 1]
        ) -> [UInt8] {
            let body = [family, 0, 0, 0] + Build.number(index) + Build.number(state) + [flags, 1]
            return Build.message(
                28, body + Build.attribute(1, [192, 0, 2, last]) + (hardware.map { Build.attribute(2, $0) } ?? []))
        }
        let octets =
            neighbor(1) + neighbor(2, family: 10) + neighbor(3, index: 8) + neighbor(4, state: 0x20)  // NUD_FAILED
            + neighbor(5, state: 0x40) + neighbor(6, flags: 8) + neighbor(7, hardware: nil)  // NUD_NOARP, NTF_PROXY
            + neighbor(8, hardware: [1, 0, 0x5E, 0, 0, 1]) + neighbor(9, state: 0x80)
        func neighbors(_ octets: [UInt8]) -> [Neighbor] { NetlinkParser.neighbors(octets.span, .ipv4, index: 7) }
        let there = MACAddress(2, 0, 0, 0, 0, 1)
        #expect(
            neighbors(octets) == [
                Neighbor(address: .ipv4(IPv4Address(192, 0, 2, 1)), hardware: there),
                Neighbor(address: .ipv4(IPv4Address(192, 0, 2, 9)), hardware: there),
            ])
        for length in 0..<octets.count { _ = neighbors(Array(octets.prefix(length))) }
    }
}

private struct Missing: Error {}

/// A small generator with a seed, so that a failure can be had again.
private struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
        return value ^ value >> 31
    }
}
