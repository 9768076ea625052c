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
    case .verification(let event):
        "\(event.at)  \(event.router)  \(event.verdict == "unanswered" ? "UNVERIFIED" : event.verdict)  \(event.text)"
    case .degraded(let event):
        "\(event.at)  \(event.router)  \(event.missing == 0 ? "whole" : "DEGRADED")  \(event.text)"
    case .unsteady(let unsteady):
        "\(unsteady.at)  \(unsteady.router)  UNSTEADY  \(unsteady.text)"
    case .dropped(let dropped):
        "\(dropped.at)  \(dropped.router ?? "-")  DROPPED \(dropped.count)  \(dropped.reason)"
            + (dropped.source.map { " from \($0)" } ?? "")
    case .alive: nil
    }
}

/// The lines with which `vipd watch` introduces each router before the first event: its state, what peers are configured
/// with otherwise, and who else claims its addresses.
package func presentText(_ router: RouterStatus, asOf: Timestamp) -> [String] {
    let state =
        "\(asOf)  \(router.name)  is \(router.state.rawValue)  priority \(router.effectivePriority)"
        + (router.since.map { "  since \($0)" } ?? "") + (router.held == nil ? "" : "  held back")
    let differences = router.differences.map { difference in
        "\(asOf)  \(router.name)  \(difference.peer) DIFFERS  \(difference.kind): \(difference.text)"
            + "  since \(difference.first)"
    }
    let conflicts = router.conflicts.map { conflict in
        "\(asOf)  \(router.name)  CONFLICT  \(conflict.address) is claimed by \(conflict.hardwareAddress)"
            + "  since \(conflict.first)"
    }
    let unverified = [router.verification].compactMap { $0 }.filter { $0.verdict == "unanswered" }.map {
        "\(asOf)  \(router.name)  UNVERIFIED  \($0.text)"
    }
    let degraded = router.degraded.map { "\(asOf)  \(router.name)  DEGRADED  \($0.text)" }
    return [state] + degraded + differences + conflicts + unverified
}

extension StatusDocument {
    /// The event tells of a difference or of a conflict that this document has already.
    package func includes(_ event: EventDocument) -> Bool {
        switch event {
        case .difference(let event):
            router(event.router, at: event.at)?.differences.contains { difference in
                difference.peer == event.peer && difference.kind == event.kind && difference.ownValue == event.ownValue
                    && difference.peerValue == event.peerValue
            } ?? false
        case .conflict(let event):
            router(event.router, at: event.at)?.conflicts.contains { conflict in
                conflict.address == event.address && conflict.hardwareAddress == event.hardwareAddress
            } ?? false
        case .verification(let event):
            router(event.router, at: event.at)?.verification?.text == event.text
        case .transition, .degraded, .unsteady, .dropped, .alive: false
        }
    }

    /// The router, if this document was made after `moment`.
    private func router(_ name: String, at moment: Timestamp) -> RouterStatus? {
        moment <= asOf ? virtualRouters.first { $0.name == name } : nil
    }
}
