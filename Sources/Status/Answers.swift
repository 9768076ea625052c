// The other things that are said on the status socket: events, the answers to requests, errors. With StatusDocument.swift
// this is the whole vocabulary of the socket.

/// One line of `GET /v1/events` (application/x-ndjson). A reader ignores types that it does not know.
package enum EventDocument: Hashable, Sendable {
    /// `{"type":"transition", …}`: a virtual router changed its state.
    case transition(TransitionDocument)
    /// `{"type":"difference", …}`: a peer is configured otherwise; told when it is new or changed, and every 10 minutes
    /// while it lasts.
    case difference(DifferenceDocument)
    /// `{"type":"address-conflict", …}`: another host claims an address; told when it is new, and every 10 minutes while it lasts.
    case conflict(ConflictDocument)
    /// `{"type":"verification", …}`: whether a takeover arrived at neighbours.
    case verification(VerificationDocument)
    /// `{"type":"degraded", …}`: a master goes without something that the kernel refuses it, or without something else, or has everything again.
    case degraded(DegradedDocument)
    /// `{"type":"unsteady", …}`: a virtual router came to and went from master too often.
    case unsteady(UnsteadyDocument)
    /// `{"type":"packet-dropped", …}`: packets were not believed; one event for each reason in 10 s at most.
    case dropped(DroppedDocument)
    /// `{"type":"alive"}`: every 5 s, so that both ends notice when the other is gone.
    case alive
}

/// A change of state as an event.
package struct TransitionDocument: Hashable, Sendable, Codable {
    /// `router`: its name.
    package var router: String
    /// `from` and `to`: states.
    package var from: RouterState
    package var to: RouterState
    /// `cause`: its word, `master-silent`.
    package var cause: String
    /// `text`: the evidence in a sentence.
    package var text: String
    /// `at`: when.
    package var at: Timestamp
    /// `priority`: the effective one at that moment.
    package var priority: UInt8

    package init(
        router: String, from: RouterState, to: RouterState, cause: String, text: String, at: Timestamp, priority: UInt8
    ) {
        self.router = router
        self.from = from
        self.to = to
        self.cause = cause
        self.text = text
        self.at = at
        self.priority = priority
    }
}

/// A difference of a peer as an event; the keys are those of `DifferenceStatus`, with `router` and `at`.
package struct DifferenceDocument: Hashable, Sendable, Codable {
    /// `router`: the name of the virtual router that heard it.
    package var router: String
    /// `peer`: the source of its adverts.
    package var peer: String
    /// `kind`: its word, `interval`.
    package var kind: String
    /// `own-value` and `peer-value`: the two that differ; null where there are none.
    @OrNull package var ownValue: String?
    @OrNull package var peerValue: String?
    /// `text`: the sentence.
    package var text: String
    /// `at`: when.
    package var at: Timestamp

    private enum CodingKeys: String, CodingKey {
        case router, peer, kind, text, at
        case ownValue = "own-value"
        case peerValue = "peer-value"
    }

    package init(
        router: String, peer: String, kind: String, ownValue: String?, peerValue: String?, text: String, at: Timestamp
    ) {
        self.router = router
        self.peer = peer
        self.kind = kind
        _ownValue = OrNull(wrappedValue: ownValue)
        _peerValue = OrNull(wrappedValue: peerValue)
        self.text = text
        self.at = at
    }
}

/// A claim of an address by another host as an event.
package struct ConflictDocument: Hashable, Sendable, Codable {
    /// `router`: the name of the virtual router that has the address.
    package var router: String
    /// `address`.
    package var address: String
    /// `hardware-address`: where it is, as the other host says.
    package var hardwareAddress: String
    /// `state`: that of the virtual router on this host.
    package var state: RouterState
    /// `text`: the sentence.
    package var text: String
    /// `at`: when.
    package var at: Timestamp

    private enum CodingKeys: String, CodingKey {
        case router, address, state, text, at
        case hardwareAddress = "hardware-address"
    }

    package init(
        router: String, address: String, hardwareAddress: String, state: RouterState, text: String, at: Timestamp
    ) {
        self.router = router
        self.address = address
        self.hardwareAddress = hardwareAddress
        self.state = state
        self.text = text
        self.at = at
    }
}

/// Too many changes from and to master as an event.
package struct UnsteadyDocument: Hashable, Sendable, Codable {
    /// `router`: its name.
    package var router: String
    /// `transitions`: from or to master.
    package var transitions: UInt32
    /// `within-s`: in so many seconds.
    package var withinS: Int64
    /// `text`: the sentence.
    package var text: String
    /// `at`: when.
    package var at: Timestamp

    private enum CodingKeys: String, CodingKey {
        case router, transitions, text, at
        case withinS = "within-s"
    }

    package init(router: String, transitions: UInt32, withinS: Int64, text: String, at: Timestamp) {
        self.router = router
        self.transitions = transitions
        self.withinS = withinS
        self.text = text
        self.at = at
    }
}

/// Packets that were dropped, as an event; it stands for the protocol errors of RFC 6527 and RFC 8347 (checklist ST-05).
package struct DroppedDocument: Hashable, Sendable, Codable {
    /// `router`: whose VRID they have; null when nobody here has it.
    @OrNull package var router: String?
    /// `reason`: its word, `drop-ttl`.
    package var reason: String
    /// `counter`: the name of the counter that they moved.
    package var counter: String
    /// `source`: of the last one; null when it is not known.
    @OrNull package var source: String?
    /// `count`: since the last event of this reason.
    package var count: UInt32
    /// `at`: when.
    package var at: Timestamp

    package init(router: String?, reason: String, counter: String, source: String?, count: UInt32, at: Timestamp) {
        _router = OrNull(wrappedValue: router)
        self.reason = reason
        self.counter = counter
        _source = OrNull(wrappedValue: source)
        self.count = count
        self.at = at
    }
}

extension EventDocument: Codable {
    private enum TypeKey: String, CodingKey { case type }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: TypeKey.self)
        switch try container.decode(String.self, forKey: .type) {
        case "transition": self = .transition(try TransitionDocument(from: decoder))
        case "difference": self = .difference(try DifferenceDocument(from: decoder))
        case "address-conflict": self = .conflict(try ConflictDocument(from: decoder))
        case "verification": self = .verification(try VerificationDocument(from: decoder))
        case "degraded": self = .degraded(try DegradedDocument(from: decoder))
        case "unsteady": self = .unsteady(try UnsteadyDocument(from: decoder))
        case "packet-dropped": self = .dropped(try DroppedDocument(from: decoder))
        case "alive": self = .alive
        case let other:
            throw DecodingError.dataCorruptedError(
                forKey: .type, in: container, debugDescription: "unknown event \(other)")
        }
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: TypeKey.self)
        switch self {
        case .transition(let transition):
            try container.encode("transition", forKey: .type)
            try transition.encode(to: encoder)
        case .difference(let difference):
            try container.encode("difference", forKey: .type)
            try difference.encode(to: encoder)
        case .conflict(let conflict):
            try container.encode("address-conflict", forKey: .type)
            try conflict.encode(to: encoder)
        case .verification(let verification):
            try container.encode("verification", forKey: .type)
            try verification.encode(to: encoder)
        case .degraded(let degraded):
            try container.encode("degraded", forKey: .type)
            try degraded.encode(to: encoder)
        case .unsteady(let unsteady):
            try container.encode("unsteady", forKey: .type)
            try unsteady.encode(to: encoder)
        case .dropped(let dropped):
            try container.encode("packet-dropped", forKey: .type)
            try dropped.encode(to: encoder)
        case .alive:
            try container.encode("alive", forKey: .type)
        }
    }
}

/// The answer to `POST /v1/reload` when the configuration was good: names of virtual routers, in its order.
package struct ReloadAnswer: Hashable, Sendable, Codable {
    /// `changed`: reconfigured; every other router was not touched.
    package var changed: [String]
    package var added: [String]
    package var removed: [String]
    /// `warnings`: one `file:line:column: warning: message` for each, as `vipd check` prints them.
    package var warnings: [String]

    package init(changed: [String] = [], added: [String] = [], removed: [String] = [], warnings: [String] = []) {
        self.changed = changed
        self.added = added
        self.removed = removed
        self.warnings = warnings
    }
}

/// The answer to `POST /v1/reload` when the configuration was bad and nothing was changed.
package struct ReloadErrors: Hashable, Sendable, Codable {
    /// `errors`: one `file:line:column: message` for each, as `vipd check` prints them.
    package var errors: [String]

    package init(errors: [String]) { self.errors = errors }
}

/// Every other answer that is not a success.
package struct ErrorAnswer: Hashable, Sendable, Codable {
    /// `error`: one clear sentence.
    package var error: String

    package init(error: String) { self.error = error }
}

/// The answer to `POST /v1/routers/NAME/disable` and `enable`.
package struct RouterAnswer: Hashable, Sendable, Codable {
    /// `name`: of the virtual router.
    package var name: String
    /// `disabled`: whether it is out from now on.
    package var disabled: Bool

    package init(name: String, disabled: Bool) {
        self.name = name
        self.disabled = disabled
    }
}

/// The answer to `POST /v1/routers/NAME/announce`.
package struct AnnounceAnswer: Hashable, Sendable, Codable {
    /// `name`: of the virtual router.
    package var name: String
    /// `addresses`: how many are announced, within a second.
    package var addresses: Int

    package init(name: String, addresses: Int) {
        self.name = name
        self.addresses = addresses
    }
}

/// The answer to `POST /v1/routers/NAME/handover` when another host is master.
package struct HandoverAnswer: Hashable, Sendable, Codable {
    /// `name`: of the virtual router.
    package var name: String
    /// `successor`: who is master now, as its adverts name it.
    package var successor: String
    /// `after-ms`: from the order to its first advert.
    package var afterMs: Double
    /// `overlap-ms`: how long both answered; 0 where there was a gap.
    package var overlapMs: Double
    /// `gap-ms`: how long nobody answered; 0 without a release gate.
    package var gapMs: Double
    /// `held`: how this host is held back now; null when that has ended already.
    @OrNull package var held: HeldStatus?
    /// `text`: the sentence.
    package var text: String

    private enum CodingKeys: String, CodingKey {
        case name, successor, held, text
        case afterMs = "after-ms"
        case overlapMs = "overlap-ms"
        case gapMs = "gap-ms"
    }

    package init(
        name: String, successor: String, afterMs: Double, overlapMs: Double, gapMs: Double, held: HeldStatus?,
        text: String
    ) {
        self.name = name
        self.successor = successor
        self.afterMs = afterMs
        self.overlapMs = overlapMs
        self.gapMs = gapMs
        _held = OrNull(wrappedValue: held)
        self.text = text
    }
}
