// What `vipd watch` prints: one line an event, readable without the other lines, wide enough for the reason.

/// One line without a newline; nil for events that say nothing to a person.
package func eventText(_ event: EventDocument) -> String? {
    switch event {
    case .transition(let move):
        "\(move.at)  \(move.router)  \(move.from.rawValue) -> \(move.to.rawValue)  priority \(move.priority)  "
            + "\(move.cause): \(move.text)"
    case .difference(let difference):
        "\(difference.at)  \(difference.router)  \(difference.peer) DIFFERS  \(difference.kind): \(difference.text)"
    case .conflict(let conflict):
        "\(conflict.at)  \(conflict.router)  CONFLICT  \(conflict.address) is claimed by \(conflict.hardwareAddress): "
            + conflict.text
    case .unsteady(let unsteady):
        "\(unsteady.at)  \(unsteady.router)  UNSTEADY  \(unsteady.text)"
    case .dropped(let dropped):
        "\(dropped.at)  \(dropped.router ?? "-")  DROPPED \(dropped.count)  \(dropped.reason)"
            + (dropped.source.map { " from \($0)" } ?? "")
    case .alive: nil
    }
}

/// The lines with which `vipd watch` introduces each router before the first event: its state, and what peers are configured
/// with otherwise.
package func presentText(_ router: RouterStatus, asOf: Timestamp) -> [String] {
    let state =
        "\(asOf)  \(router.name)  is \(router.state.rawValue)  priority \(router.effectivePriority)"
        + (router.since.map { "  since \($0)" } ?? "") + (router.held == nil ? "" : "  held back")
    return [state]
        + router.differences.map { difference in
            "\(asOf)  \(router.name)  \(difference.peer) DIFFERS  \(difference.kind): \(difference.text)"
                + "  since \(difference.first)"
        }
}

extension StatusDocument {
    /// The event tells of a difference that this document has already.
    package func includes(_ event: DifferenceDocument) -> Bool {
        guard event.at <= asOf, let router = virtualRouters.first(where: { $0.name == event.router }) else {
            return false
        }
        return router.differences.contains { difference in
            difference.peer == event.peer && difference.kind == event.kind && difference.ownValue == event.ownValue
                && difference.peerValue == event.peerValue
        }
    }
}
