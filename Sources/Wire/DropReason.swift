// Why a received advert is not believed. One reason per check of RFC 9568 §7.1 and RFC 3768 §7.1 and of the checklist's
// additions; each has its own counter.

/// The first reception check that failed.
package enum DropReason: UInt8, Error, Hashable, Sendable, CaseIterable {
    case destination
    case source
    case ttl
    case truncated
    case version
    case type
    case checksum
    case vrid
    case addressCount
    case intervalZero
    case notLinkLocal
    case authenticationType
    case authenticationData
    case intervalMismatch
    case addressList

    /// The word for people and test vectors, `drop-ttl`.
    package var name: String {
        switch self {
        case .destination: "drop-destination"
        case .source: "drop-source"
        case .ttl: "drop-ttl"
        case .truncated: "drop-truncated"
        case .version: "drop-version"
        case .type: "drop-type"
        case .checksum: "drop-checksum"
        case .vrid: "drop-vrid"
        case .addressCount: "drop-address-count"
        case .intervalZero: "drop-interval-zero"
        case .notLinkLocal: "drop-not-link-local"
        case .authenticationType: "drop-auth-type"
        case .authenticationData: "drop-auth-data"
        case .intervalMismatch: "drop-interval-mismatch"
        case .addressList: "drop-address-list"
        }
    }
}
