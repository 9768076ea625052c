// One entry of `virtual-routers`: its fields, and the rules between the fields of one router (RFC 9568, RFC 3768). What two
// routers or a router and its checks say to each other is in CrossChecks.

import Election
import Wire

/// A check as a router names it.
struct CheckUse {
    var name: Located<String>
    /// Nil: the check's own effect.
    var effect: Located<CheckEffect>?
}

/// Which versions a router speaks.
enum SpokenVersion: Hashable {
    case version3
    case version2
    /// Version 3, and version 2 beside it.
    case both

    var version: ProtocolVersion { self == .version2 ? .v2 : .v3 }
    var alsoVersion2: Bool { self == .both }
}

/// A virtual router as it was read. Parts that were wrong are nil or missing; they are reported.
struct RouterDraft {
    var name: String
    var place: Place
    var interface: String?
    var vrid: UInt8?
    var version: SpokenVersion?
    var priority: UInt8?
    var interval: Duration?
    var preempt: Bool?
    var preemptDelay: Duration?
    var startDelay: Duration?
    var intervalLimit: UInt16?
    var peers: [Located<UnicastPeer>] = []
    /// In the order of the advert.
    var addresses: [Located<InterfaceAddress>] = []
    /// Those that adverts do not list, the router's own family first.
    var unadvertised: [Located<InterfaceAddress>] = []
    var addressOptions: [InterfaceAddress: AddressOptions] = [:]
    /// Routes, then rules.
    var routing: [Located<RoutingEntry>] = []
    var checksum: ChecksumPolicy?
    var password: [UInt8]?
    var strictFirstAddress: Bool?
    var announcements: AnnouncementPlan?
    var lease: LeasePolicy?
    var resetsConnections: Bool?
    var claim: ClaimPolicy?
    var conflictCheck: ConflictCheck?
    var obeysFiltered: Bool?
    var isPromiscuous: Bool?
    var verification: VerificationPlan?
    var usesVirtualMAC: Bool?
    var checks: [CheckUse] = []
    var gateClaim: CommandLine?
    var gateRelease: CommandLine?
    var hooks = Hooks()

    /// `peers` was written, whatever is in it.
    var isUnicast = false

    /// All that it holds as master.
    var served: [Located<InterfaceAddress>] { addresses + unadvertised }

    var family: AddressFamily? { addresses.first?.value.address.family }
}

extension Problems {
    /// The virtual router `name` whose key was written at `place`.
    mutating func router(_ name: String, at place: Place, _ node: Node) -> RouterDraft {
        var draft = RouterDraft(name: name, place: place)
        _ = isName(name, at: place, "virtual router")
        guard
            let fields = Fields<RouterKey>(
                node, subject: "virtual router '\(quotable(name))'", place: place, problems: &self)
        else { return draft }
        identity(fields, &draft)
        addresses(fields, &draft)
        routing(fields, &draft)
        peers(fields, &draft)
        election(fields, &draft)
        patience(fields, &draft)
        versionDetails(fields, &draft)
        draft.announcements = announcements(
            fields, family: draft.family ?? .ipv4, interval: draft.interval ?? .seconds(1))
        draft.lease = lease(fields, interval: draft.interval)
        draft.resetsConnections = fields[.resetConnections].map { boolean($0, "reset-connections") } ?? true
        draft.claim = claim(fields, draft)
        draft.conflictCheck =
            fields[.conflictCheck].map { node in
                choice(node, "conflict-check", [("off", ConflictCheck.off), ("warn", .warn), ("hold", .hold)])
            } ?? .off
        draft.obeysFiltered =
            fields[.filteredAdverts].map { node in
                choice(node, "filtered-adverts", [("obey", true), ("ignore", false)])
            } ?? true
        draft.isPromiscuous = fields[.promiscuous].map { boolean($0, "promiscuous") } ?? false
        draft.verification = verification(fields, draft)
        draft.usesVirtualMAC = virtualMAC(fields, draft)
        draft.checks = checkUses(fields)
        commands(fields, &draft)
        return draft
    }

    private mutating func claim(_ fields: Fields<RouterKey>, _ draft: RouterDraft) -> ClaimPolicy? {
        guard let node = fields[.claim] else { return .all }
        let policy = choice(node, "claim", [("all", ClaimPolicy.all), ("any", .any)])
        guard policy == .any, draft.priority == 255 else { return policy }
        add(
            node.place,
            "the owner (priority 255) takes its addresses from everybody, also without some of them; use claim: all")
        return nil
    }

    private mutating func identity(_ fields: Fields<RouterKey>, _ draft: inout RouterDraft) {
        if let node = fields.required(.interface, "the name of a Linux interface", problems: &self) {
            draft.interface = interfaceName(node)
        }
        let meaning = "a whole number from 1 to 255, the same on every host"
        if let node = fields.required(.vrid, meaning, problems: &self) {
            draft.vrid = integer(node, "vrid", in: 1...255).map(UInt8.init)
        }
        draft.version =
            fields[.version].map { node in
                choice(node, "version", [("3", SpokenVersion.version3), ("2", .version2), ("both", .both)])
            } ?? .version3
        draft.priority = fields[.priority].map { priority($0) } ?? 100
    }

    /// What the kernel accepts (dev_valid_name in net/core/dev.c), and printable ASCII.
    mutating func interfaceName(_ node: Node, _ what: String = "interface") -> String? {
        let allowed = "1 to 15 printable characters without space, '/' and ':'"
        guard let text = text(node, what, allowed: allowed) else { return nil }
        let isGood = text.utf8.allSatisfy {
            $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "/") && $0 != UInt8(ascii: ":")
        }
        guard isGood, text.utf8.count <= 15, text != ".", text != ".." else {
            refuse(node, what, allowed: allowed)
            return nil
        }
        return text
    }

    private mutating func priority(_ node: Node) -> UInt8? {
        let allowed = "a whole number from 1 to 254, or owner (255)"
        guard let text = text(node, "priority", allowed: allowed) else { return nil }
        if text == "owner" { return 255 }
        guard let value = decimalNumber(text), (1...255).contains(value) else {
            refuse(node, "priority", allowed: allowed, hint: text == "0" ? "; 0 is sent by a master that resigns" : "")
            return nil
        }
        return UInt8(value)
    }

    private mutating func addresses(_ fields: Fields<RouterKey>, _ draft: inout RouterDraft) {
        guard let node = fields.required(.addresses, "a list with at least one address", problems: &self) else {
            return
        }
        let all = addresses(node, on: draft.interface)
        var written = all.advertised
        guard let family = written.first?.value.address.family else { return }
        for other in written where other.value.address.family != family {
            let name = family == .ipv4 ? "IPv4" : "IPv6"
            add(
                other.place,
                "\(other.value) is not \(name), as the first address is; to let it follow this election write {address:"
                    + " \"\(other.value)\", advertise: no}, or make a second virtual router, for an election of its own"
            )
        }
        written.removeAll { $0.value.address.family != family }
        draft.addresses = completed(
            written, vrid: draft.vrid, linkLocal: fields[.linkLocal], addressesPlace: fields.place(of: .addresses))
        checkCount(draft.addresses, written: written.count, at: fields.place(of: .addresses))
        draft.addressOptions = all.options
        draft.unadvertised =
            all.unadvertised.filter { $0.value.address.family == family }
            + all.unadvertised.filter { $0.value.address.family != family }
        checkLinkLocal(&draft)
        if let version = draft.version, version != .version3, family == .ipv6 {
            add(
                fields[.version]?.place ?? fields.place,
                "version 2 has no IPv6 (RFC 3768); leave 'version' out, or give IPv4 addresses")
        }
    }

    /// The link-local address that comes first in the advert may not have been written, or elsewhere.
    private mutating func checkLinkLocal(_ draft: inout RouterDraft) {
        guard let first = draft.addresses.first?.value.address, first.isLinkLocal else { return }
        for other in draft.unadvertised where other.value.address == first {
            add(other.place, "\(first) is the link-local address that adverts list first; leave 'advertise: no' out")
        }
        draft.unadvertised.removeAll { $0.value.address == first }
    }

    private mutating func election(_ fields: Fields<RouterKey>, _ draft: inout RouterDraft) {
        draft.interval = interval(fields, version: draft.version)
        let isOwner = draft.priority == 255
        draft.preempt = fields[.preempt].map { boolean($0, "preempt") } ?? true
        if isOwner, draft.preempt == false, let node = fields[.preempt] {
            add(node.place, "the owner of the addresses (priority 255) always preempts (RFC 9568 section 6.1)")
        }
        guard let node = fields[.preemptDelay] else {
            draft.preemptDelay = .zero
            return
        }
        draft.preemptDelay = duration(node, "preempt-delay", in: .zero ... .seconds(65535))
        if draft.preempt == false {
            add(node.place, "preempt-delay has no effect with 'preempt: no'; remove one of them")
        } else if isOwner {
            add(node.place, "preempt-delay has no effect on the owner (priority 255), which is master at once")
        }
    }

    private mutating func interval(_ fields: Fields<RouterKey>, version: SpokenVersion?) -> Duration? {
        let what = "advertisement-interval"
        guard let node = fields[.advertisementInterval] else {
            return fields.has(.advertisementInterval) ? nil : .seconds(1)
        }
        switch version {
        case .version2:
            let hint = " in whole seconds (version 2 counts seconds; version 3 goes down to 10ms)"
            guard let interval = duration(node, what, in: .seconds(1) ... .seconds(255), alternative: hint) else {
                return nil
            }
            guard interval.components.attoseconds == 0 else {
                refuse(node, what, allowed: "a duration from 1s to 255s\(hint)")
                return nil
            }
            return interval
        case .version3, .both, nil:
            let hint = " in steps of 10ms"
            let range: ClosedRange<Duration> = .milliseconds(10) ... .milliseconds(40950)
            guard let interval = duration(node, what, in: range, alternative: hint) else { return nil }
            guard interval.components.attoseconds % 10_000_000_000_000_000 == 0 else {
                refuse(node, what, allowed: "a duration from 10ms to 40.95s\(hint)")
                return nil
            }
            return interval
        }
    }

    private mutating func versionDetails(_ fields: Fields<RouterKey>, _ draft: inout RouterDraft) {
        draft.checksum = .automatic
        if let node = fields[.checksum] {
            draft.checksum = choice(
                node, "checksum",
                [("auto", ChecksumPolicy.automatic), ("message", .message), ("pseudo-header", .pseudoHeader)])
            if draft.version == .version2 {
                add(node.place, "checksum is for version 3 over IPv4; version 2 has one form only")
            } else if draft.family == .ipv6 {
                add(node.place, "checksum is for version 3 over IPv4; IPv6 always has the pseudo-header")
            }
        }
        if let node = fields[.password] { draft.password = password(node, version: draft.version) }
        draft.strictFirstAddress =
            fields[.strictFirstAddress].map { boolean($0, "strict-first-address") } ?? false
        if draft.strictFirstAddress == true, draft.family == .ipv4, let node = fields[.strictFirstAddress] {
            add(node.place, "strict-first-address is for IPv6; this virtual router is IPv4, as its first address is")
        }
        if let node = fields[.accept], boolean(node, "accept") == false {
            add(
                node.place,
                "'accept: no' is not supported: a master answers for its addresses here, as services need; leave it out"
            )
        }
    }

    private mutating func password(_ node: Node, version: SpokenVersion?) -> [UInt8]? {
        let allowed = "1 to 8 printable ASCII characters"
        guard let text = text(node, "password", allowed: allowed) else { return nil }
        if version == .version3 {
            add(
                node.place,
                "password is for version 2; version 3 has no authentication (RFC 9568 section 9), so remove it")
            return nil
        }
        guard (1...8).contains(text.utf8.count), text.utf8.allSatisfy({ $0 >= 0x20 && $0 < 0x7F }) else {
            // The password itself is not repeated: errors end up in logs.
            add(node.place, "password must be \(allowed)")
            return nil
        }
        return Array(text.utf8)
    }

    /// The refresh is on by default: a loser of another make leaves no trace by which the winner could know that neighbours have
    /// its binding.
    private mutating func announcements(
        _ fields: Fields<RouterKey>, family: AddressFamily, interval: Duration
    ) -> AnnouncementPlan? {
        var plan = AnnouncementPlan.standard(for: family)
        plan.refresh = max(interval * 2, .seconds(2))
        guard let node = fields[.announce] else { return plan }
        guard
            let announce = Fields<AnnounceKey>(
                node, subject: "announce", place: fields.place(of: .announce), problems: &self)
        else { return nil }
        if let node = announce[.rounds] { plan.rounds = rounds(node, family: family) ?? plan.rounds }
        if let node = announce[.refresh] {
            switch node.content {
            case .scalar("auto", _): break
            case .scalar("no", _): plan.refresh = nil
            default:
                plan.refresh = duration(
                    node, "refresh", in: .seconds(1) ... .seconds(86400), alternative: ", auto or no")
            }
        }
        if let node = announce[.kinds] { plan.kinds = announcementKinds(node) ?? plan.kinds }
        if let node = announce[.pacing] {
            switch node.content {
            case .scalar("off", _): plan.pacing = .zero
            default:
                plan.pacing =
                    duration(node, "pacing", in: .milliseconds(1) ... .seconds(1), alternative: " or off")
                    ?? plan.pacing
            }
        }
        return plan
    }

    /// Each family that is served must be announced by something that its neighbours believe, so its main form cannot be left out.
    private mutating func announcementKinds(_ node: Node) -> AnnouncementKinds? {
        let names: [(String, AnnouncementKinds)] = [
            ("garp-request", .garpRequest), ("garp-reply", .garpReply), ("unsolicited-na", .unsolicitedNA),
            ("rarp", .rarp),
        ]
        guard let items = list(node, "kinds", of: "kinds of announcements") else { return nil }
        var kinds: AnnouncementKinds = []
        for item in items {
            guard let kind = choice(item, "a kind", names) else { return nil }
            if kinds.contains(kind) {
                add(item.place, "this kind is already in the list")
                return nil
            }
            kinds.insert(kind)
        }
        // What is left out of one family says nothing of the other.
        if kinds.isDisjoint(with: [.garpRequest, .garpReply]) { kinds.insert(.garpRequest) }
        kinds.insert(.unsolicitedNA)
        return kinds
    }

    private mutating func rounds(_ node: Node, family: AddressFamily) -> [Duration]? {
        guard let items = list(node, "rounds", of: "durations from the claim on") else { return nil }
        var rounds: [Duration] = []
        for item in items {
            guard let offset = duration(item, "a round", in: .zero ... .seconds(3600)) else { return nil }
            if let last = rounds.last, offset <= last {
                add(item.place, "rounds must ascend: \(offset.written) does not come after \(last.written)")
                return nil
            }
            if family == .ipv6, let last = rounds.last, offset - last < .seconds(1) {
                add(item.place, "IPv6 rounds must be at least 1s apart (RFC 4861 section 7.2.6)")
                return nil
            }
            rounds.append(offset)
        }
        let limit = family == .ipv6 ? 3 : 16
        guard rounds.count <= limit else {
            add(
                node.place,
                "at most \(limit) rounds are allowed\(family == .ipv6 ? " for IPv6 (RFC 4861 section 7.2.6)" : ""), not"
                    + " \(rounds.count)")
            return nil
        }
        return rounds
    }

    private mutating func checkUses(_ fields: Fields<RouterKey>) -> [CheckUse] {
        guard let node = fields[.checks] else { return [] }
        guard let items = list(node, "checks", of: "names of checks") else { return [] }
        var uses: [CheckUse] = []
        for item in items {
            guard let use = checkUse(item) else { continue }
            if let first = uses.first(where: { $0.name.value == use.name.value }) {
                let line = reference(to: first.name.place, from: use.name.place)
                add(use.name.place, "check '\(quotable(use.name.value))' is already on \(line)")
                continue
            }
            uses.append(use)
        }
        return uses
    }

    private mutating func checkUse(_ item: Node) -> CheckUse? {
        if case .scalar = item.content {
            guard let name = text(item, "a check", allowed: "the name of a check") else { return nil }
            return CheckUse(name: Located(value: name, place: item.place), effect: nil)
        }
        guard
            let fields = Fields<RouterCheckKey>(
                item, subject: "a check of a router", place: item.place, problems: &self)
        else { return nil }
        var effect: Located<CheckEffect>?
        if let node = fields[.onFailure] {
            guard let value = self.effect(node) else { return nil }
            effect = Located(value: value, place: node.place)
        }
        guard let node = fields.required(.check, "the name of a check", problems: &self),
            let name = text(node, "check", allowed: "the name of a check")
        else { return nil }
        return CheckUse(name: Located(value: name, place: node.place), effect: effect)
    }

    private mutating func commands(_ fields: Fields<RouterKey>, _ draft: inout RouterDraft) {
        let gateTimeout = Duration.seconds(30)
        let hookTimeout = Duration.seconds(10)
        if let node = fields[.gateClaim] {
            draft.gateClaim = commandLine(node, "gate-claim", place: fields.place(of: .gateClaim), timeout: gateTimeout)
        }
        if let node = fields[.gateRelease] {
            draft.gateRelease = commandLine(
                node, "gate-release", place: fields.place(of: .gateRelease), timeout: gateTimeout)
        }
        guard let node = fields[.hooks],
            let hooks = Fields<HookKey>(node, subject: "hooks", place: fields.place(of: .hooks), problems: &self)
        else { return }
        func hook(_ key: HookKey, _ problems: inout Problems) -> CommandLine? {
            guard let node = hooks[key] else { return nil }
            return problems.commandLine(node, key.rawValue, place: hooks.place(of: key), timeout: hookTimeout)
        }
        draft.hooks = Hooks(
            onMaster: hook(.onMaster, &self), onBackup: hook(.onBackup, &self), onFault: hook(.onFault, &self),
            onStop: hook(.onStop, &self), onVerified: hook(.onVerified, &self))
    }
}
