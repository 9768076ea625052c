// Every key that a configuration may have, once. The parser reads fields by these cases, so a key that is not here cannot
// be read, and one that is here is checked against the annotated reference by a test.

/// The keys of one kind of mapping.
protocol FieldKey: RawRepresentable<String>, CaseIterable, Hashable {}

extension FieldKey {
    static var names: [String] { allCases.map(\.rawValue) }
}

enum TopKey: String, FieldKey {
    case statusSocket = "status-socket"
    case stateDirectory = "state-directory"
    case logLevel = "log-level"
    case engine
    case checks
    case virtualRouters = "virtual-routers"
}

enum StatusSocketKey: String, FieldKey {
    case path
    case mode
    case group
}

enum EngineKey: String, FieldKey {
    case priority
    case cpus
    case oomScoreAdjust = "oom-score-adjust"
    case announcementsPerSecond = "announcements-per-second"
}

enum CheckKey: String, FieldKey {
    case command
    case shell
    case interval
    case timeout
    case rise
    case fall
    case user
    case onFailure = "on-failure"
}

enum RouterKey: String, FieldKey {
    case interface
    case vrid
    case version
    case peers
    case priority
    case advertisementInterval = "advertisement-interval"
    case preempt
    case preemptDelay = "preempt-delay"
    case startDelay = "start-delay"
    case intervalLimit = "interval-limit"
    case addresses
    case linkLocal = "link-local"
    case virtualMAC = "virtual-mac"
    case routes
    case rules
    case checksum
    case password
    case strictFirstAddress = "strict-first-address"
    case accept
    case announce
    case lease
    case resetConnections = "reset-connections"
    case claim
    case conflictCheck = "conflict-check"
    case filteredAdverts = "filtered-adverts"
    case promiscuous
    case verify
    case checks
    case gateClaim = "gate-claim"
    case gateRelease = "gate-release"
    case hooks
}

enum AddressKey: String, FieldKey {
    case address
    case advertise
    case interface
    case scope
    case label
    case preferredLifetime = "preferred-lifetime"
}

enum RouteFieldKey: String, FieldKey {
    case destination
    case via
    case device
    case source
    case table
    case metric
    case scope
    case onLink = "on-link"
}

enum RuleFieldKey: String, FieldKey {
    case priority
    case from
    case to
    case table
}

enum PeerKey: String, FieldKey {
    case address
    case minimumTTL = "minimum-ttl"
}

enum AnnounceKey: String, FieldKey {
    case rounds
    case refresh
    case kinds
    case pacing
}

enum RouterCheckKey: String, FieldKey {
    case check
    case onFailure = "on-failure"
}

enum CommandKey: String, FieldKey {
    case command
    case shell
    case timeout
    case user
}

enum HookKey: String, FieldKey {
    case onMaster = "on-master"
    case onBackup = "on-backup"
    case onFault = "on-fault"
    case onStop = "on-stop"
    case onVerified = "on-verified"
}

/// What the parser knows, for tests and for completion.
package enum KnownKeys {
    /// Every key, each once, in the order of the reference.
    package static let all: [String] = {
        let lists = [
            TopKey.names, StatusSocketKey.names, EngineKey.names, CheckKey.names, RouterKey.names,
            AddressKey.names, RouteFieldKey.names, RuleFieldKey.names, PeerKey.names, AnnounceKey.names,
            RouterCheckKey.names, CommandKey.names, HookKey.names,
        ]
        var result: [String] = []
        for name in lists.joined() where !result.contains(name) { result.append(name) }
        return result
    }()
}
