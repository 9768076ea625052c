// The vector file as Swift values. Any file of the same format works: VIPD_VECTORS names another one.

import Foundation
import Testing
import Wire

struct VectorFile: Decodable, Sendable {
    let format: Int
    let expectValues: [String]
    let receivers: [String: Receiver]
    let vectors: [AdvertVector]
    let frames: [FrameVector]
    let timers: [TimerVector]
    let addressOrder: [OrderVector]

    static let shared: VectorFile = {
        let name = ProcessInfo.processInfo.environment["VIPD_VECTORS"]
        let url =
            name.map { URL(fileURLWithPath: $0) }
            ?? URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("vectors.json")
        do {
            return try JSONDecoder().decode(VectorFile.self, from: Data(contentsOf: url))
        } catch {
            preconditionFailure("\(url.path): \(error)")
        }
    }()
}

struct Receiver: Decodable, Sendable {
    var version: Int?
    var family: String?
    var vrid: UInt8?
    var priority: UInt8?
    var advertisementInterval: Int?
    var intervalUnit: String?
    var localAddress: String?
    var addresses: [String]?
    var owner: Bool?
    var checksum: String?
    var verifyAddressList: Bool?
    var unicastPeers: [String]?
    var firstAddressMustBeLinkLocal: Bool?
    var authType: Int?
    var authData: String?

    /// These members, replaced by those that `other` has.
    func overridden(by other: Receiver?) -> Receiver {
        guard let other else { return self }
        var merged = self
        merged.version = other.version ?? version
        merged.family = other.family ?? family
        merged.vrid = other.vrid ?? vrid
        merged.priority = other.priority ?? priority
        merged.advertisementInterval = other.advertisementInterval ?? advertisementInterval
        merged.intervalUnit = other.intervalUnit ?? intervalUnit
        merged.localAddress = other.localAddress ?? localAddress
        merged.addresses = other.addresses ?? addresses
        merged.owner = other.owner ?? owner
        merged.checksum = other.checksum ?? checksum
        merged.verifyAddressList = other.verifyAddressList ?? verifyAddressList
        merged.unicastPeers = other.unicastPeers ?? unicastPeers
        merged.firstAddressMustBeLinkLocal = other.firstAddressMustBeLinkLocal ?? firstAddressMustBeLinkLocal
        merged.authType = other.authType ?? authType
        merged.authData = other.authData ?? authData
        return merged
    }

    func rules() throws -> ReceptionRules {
        let version: ProtocolVersion = self.version == 2 ? .v2 : .v3
        let count = advertisementInterval ?? 100
        var rules = ReceptionRules(
            version: version, family: family == "ipv6" ? .ipv6 : .ipv4, vrid: vrid ?? 0,
            localAddress: localAddress.flatMap { IPAddress($0) },
            interval: intervalUnit == "seconds" ? .seconds(count) : .milliseconds(count * 10))
        switch checksum {
        case "message": rules.checksum = .message
        case "pseudo": rules.checksum = .pseudoHeader
        case "either", nil: rules.checksum = .either
        default: throw BadVector(text: "checksum \(checksum ?? "")")
        }
        if authType == 1 { rules.password = Array((authData ?? "").utf8) }
        rules.verifyAddressList = verifyAddressList ?? false
        rules.addressDigest = AddressDigest((addresses ?? []).compactMap { IPAddress($0) })
        rules.unicastPeers = (unicastPeers ?? []).compactMap { IPAddress($0).map { UnicastPeer($0) } }
        rules.firstAddressMustBeLinkLocal = firstAddressMustBeLinkLocal ?? false
        return rules
    }
}

struct BadVector: Error { let text: String }

struct AdvertVector: Decodable, Sendable, CustomTestStringConvertible {
    struct Decoded: Decodable, Sendable {
        let version: Int
        let vrid: UInt8
        let priority: UInt8
        let addressCount: UInt8
        let checksum: String
        let maxAdvertiseInterval: Int?
        let advertisementInterval: Int?
        let addresses: [String]
        let authType: Int?
        let authData: String?
        let trailingOctets: Int?
    }

    let name: String
    let family: String
    let src: String
    let dst: String
    let ttl: UInt8
    let hex: String
    let expect: String
    let receiver: String
    let receiverOverrides: Receiver?
    let decoded: Decoded?

    var testDescription: String { name }

    func origin() throws -> PacketOrigin {
        guard let source = IPAddress(src), let destination = IPAddress(dst) else { throw BadVector(text: name) }
        return PacketOrigin(source: source, destination: destination, hopLimit: ttl)
    }
}

struct FrameVector: Decodable, Sendable {
    let name: String
    let hex: String
}

struct TimerVector: Decodable, Sendable {
    let version: Int
    let priority: UInt8
    let activeAdverIntervalCs: Int?
    let advertisementIntervalS: Int?
    let skewNanoseconds: Int64
    let activeDownNanoseconds: Int64
}

struct OrderVector: Decodable, Sendable {
    let a: String
    let b: String
    let order: Int
}

func octets(_ hex: String) -> [UInt8] {
    var result: [UInt8] = []
    var index = hex.startIndex
    while index < hex.endIndex {
        let next = hex.index(index, offsetBy: 2)
        result.append(UInt8(hex[index..<next], radix: 16) ?? 0)
        index = next
    }
    return result
}
