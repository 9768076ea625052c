// What `vipd watch` prints: one line an event, readable without the other lines, wide enough for the reason.

/// One line without a newline; nil for events that say nothing to a person.
package func eventText(_ event: EventDocument) -> String? {
    switch event {
    case .transition(let move):
        "\(move.at)  \(move.router)  \(move.from.rawValue) -> \(move.to.rawValue)  priority \(move.priority)  "
            + "\(move.cause): \(move.text)"
    case .difference(let difference):
        "\(difference.at)  \(difference.router)  \(difference.peer) DIFFERS  \(difference.kind): \(difference.text)"
    case .unsteady(let unsteady):
        "\(unsteady.at)  \(unsteady.router)  UNSTEADY  \(unsteady.text)"
    case .dropped(let dropped):
        "\(dropped.at)  \(dropped.router ?? "-")  DROPPED \(dropped.count)  \(dropped.reason)"
            + (dropped.source.map { " from \($0)" } ?? "")
    case .alive: nil
    }
}

/// The line with which `vipd watch` introduces each router before the first event.
package func presentText(_ router: RouterStatus, asOf: Timestamp) -> String {
    "\(asOf)  \(router.name)  is \(router.state.rawValue)  priority \(router.effectivePriority)"
        + (router.since.map { "  since \($0)" } ?? "") + (router.held == nil ? "" : "  held back")
}
