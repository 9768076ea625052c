// Every advert of the vector file, the way back from values to octets, and input that nobody meant.

import Testing
import Wire

@Suite struct AdvertisementTests {
    @Test(arguments: VectorFile.shared.vectors)
    func `a vector gets its verdict`(_ vector: AdvertVector) throws {
        let base = try #require(VectorFile.shared.receivers[vector.receiver])
        let rules = try base.overridden(by: vector.receiverOverrides).rules()
        let payload = octets(vector.hex)
        do {
            let advert = try Advertisement(parsing: payload.span, from: vector.origin(), expecting: rules)
            #expect(vector.expect == "accept")
            try check(advert, payload, rules, against: #require(vector.decoded))
        } catch let reason as DropReason {
            #expect(reason.name == vector.expect)
        }
    }

    private func check(
        _ advert: Advertisement, _ payload: [UInt8], _ rules: ReceptionRules, against decoded: AdvertVector.Decoded
    ) throws {
        #expect(Int(advert.version.rawValue) == decoded.version)
        #expect(advert.vrid == decoded.vrid)
        #expect(advert.priority == decoded.priority)
        #expect(advert.addressCount == decoded.addressCount)
        if let centiseconds = decoded.maxAdvertiseInterval {
            #expect(advert.interval == .milliseconds(centiseconds * 10))
        }
        if let seconds = decoded.advertisementInterval { #expect(advert.interval == .seconds(seconds)) }
        let list = (0..<Int(advert.addressCount)).map {
            Advertisement.address(at: $0, in: payload.span, rules.family).description
        }
        #expect(list == decoded.addresses)
        #expect(advert.addressDigest == AddressDigest(decoded.addresses.reversed().compactMap { IPAddress($0) }))
        #expect(advert.hasTrailingOctets == ((decoded.trailingOctets ?? 0) > 0))
    }

    /// What the encoder makes of the decoded fields are the vector's own octets (checklist V3-TX-01), wherever the vector
    /// is what a correct sender sends.
    @Test(arguments: VectorFile.shared.vectors.filter { $0.expect == "accept" })
    func `an accepted vector is encoded octet for octet`(_ vector: AdvertVector) throws {
        let decoded = try #require(vector.decoded)
        let payload = octets(vector.hex)
        let unusual = [
            "v3-ipv4-reserved-bits-set", "v3-ipv4-checksum-ffff-for-zero", "v2-auth-none-data-ignored",
        ]
        guard !unusual.contains(vector.name), decoded.trailingOctets ?? 0 == 0 else { return }
        let origin = try vector.origin()
        let base = try #require(VectorFile.shared.receivers[vector.receiver])
        let rules = try base.overridden(by: vector.receiverOverrides).rules()
        let advert = try Advertisement(parsing: payload.span, from: origin, expecting: rules)
        let outgoing = OutgoingAdvertisement(
            version: advert.version, vrid: advert.vrid, priority: advert.priority, interval: advert.interval,
            addresses: decoded.addresses.compactMap { IPAddress($0) }, checksumForm: advert.checksumForm,
            password: rules.password)
        var encoded: [UInt8] = [1, 2, 3]
        outgoing.encode(into: &encoded, source: origin.source, destination: origin.destination)
        #expect(encoded == payload)
    }

    @Test(arguments: [1, 2, 20, 255])
    func `length follows the number of addresses`(_ count: Int) {
        for family in AddressFamily.allCases {
            let addresses: [IPAddress] = (0..<count).map {
                family == .ipv4
                    ? .ipv4(IPv4Address(bits: 0xC000_0200 + UInt32($0)))
                    : .ipv6(IPv6Address(high: 0xFE80 << 48, low: UInt64($0)))
            }
            var payload: [UInt8] = []
            OutgoingAdvertisement(
                version: .v3, vrid: 1, priority: 100, interval: .milliseconds(40_950), addresses: addresses
            )
            .encode(into: &payload, source: addresses[0], destination: .vrrpGroup(family))
            #expect(payload.count == 8 + count * family.addressLength)
            #expect(payload[4] == 0x0F && payload[5] == 0xFF)
        }
    }

    @Test func `reception traps on no input`() {
        var random = SystemRandomNumberGenerator()
        let seeds = VectorFile.shared.vectors.map { octets($0.hex) }
        let receivers = VectorFile.shared.receivers.values.compactMap { try? $0.rules() }
        var accepted = 0
        for round in 0..<60_000 {
            var payload = seeds[round % seeds.count]
            for _ in 0..<Int.random(in: 0...3, using: &random) where !payload.isEmpty {
                payload[Int.random(in: 0..<payload.count, using: &random)] = .random(in: 0...255, using: &random)
            }
            if round % 3 == 0 { payload.removeLast(Int.random(in: 0...payload.count, using: &random)) }
            for rules in receivers {
                let source: IPAddress =
                    rules.family == .ipv4
                    ? .ipv4(IPv4Address(192, 0, 2, 3)) : .ipv6(IPv6Address(high: 0xFE80 << 48, low: 3))
                let origin = PacketOrigin(source: source, destination: .vrrpGroup(rules.family), hopLimit: 255)
                if (try? Advertisement(parsing: payload.span, from: origin, expecting: rules)) != nil { accepted += 1 }
            }
        }
        #expect(accepted > 0)
    }

    @Test func `the digest ignores order and nothing else`() throws {
        let a = try #require(IPAddress("192.0.2.1"))
        let b = try #require(IPAddress("192.0.2.2"))
        let c = try #require(IPAddress("2001:db8::1"))
        #expect(AddressDigest([a, b, c]) == AddressDigest([c, a, b]))
        #expect(AddressDigest([a, b]) != AddressDigest([a, c]))
        #expect(AddressDigest([a]) != AddressDigest([a, a]))
    }
}
