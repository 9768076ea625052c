// The other things that are said on the status socket: events, the answers to requests, errors. With StatusDocument.swift
// this is the whole vocabulary of the socket.

/// One line of `GET /v1/events` (application/x-ndjson). A reader ignores types that it does not know.
package enum EventDocument: Hashable, Sendable {
    /// `{"type":"transition", …}`: a virtual router changed its state.
    case transition(TransitionDocument)
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

extension EventDocument: Codable {
    private enum TypeKey: String, CodingKey { case type }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: TypeKey.self)
        switch try container.decode(String.self, forKey: .type) {
        case "transition": self = .transition(try TransitionDocument(from: decoder))
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

    package init(changed: [String] = [], added: [String] = [], removed: [String] = []) {
        self.changed = changed
        self.added = added
        self.removed = removed
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
