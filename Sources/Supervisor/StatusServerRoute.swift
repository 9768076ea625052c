// Which request is meant: method and path to a route, or the answer that says why there is none. Pure, so that every wrong
// request is a line in a test.

import Configuration
import NIOHTTP1

/// A request that the server knows.
enum StatusRoute: Hashable {
    case status
    case router(String)
    case events
    case control(ControlRequest)
}

/// A request that it does not know: the code, the sentence and, for a wrong method, the right one.
struct StatusRefusal: Error, Hashable {
    var status: HTTPResponseStatus
    var text: String
    var allow: String?
}

extension StatusRoute {
    /// The paths, for the answer to a wrong one.
    static let known =
        "GET /v1/status, GET /v1/status/NAME, GET /v1/events, POST /v1/reload, POST /v1/upgrade, "
        + "POST /v1/routers/NAME/disable, POST /v1/routers/NAME/enable, POST /v1/routers/NAME/announce, "
        + "POST /v1/routers/NAME/verify and POST /v1/routers/NAME/handover?for=DURATION"

    /// Reads the target of a request; names may be percent-encoded. Of a query only the `for` of a handover is looked at.
    init(method: HTTPMethod, target: String) throws(StatusRefusal) {
        let halves = target.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        let path = halves.first ?? ""
        var parts: [String] = []
        for part in path.split(separator: "/", omittingEmptySubsequences: false).dropFirst() {
            guard let part = decodePercent(part) else {
                throw StatusRefusal(status: .badRequest, text: "the path is not correctly percent-encoded")
            }
            parts.append(part)
        }
        let (route, allowed): (StatusRoute, HTTPMethod)
        switch (parts.count, parts.first, parts.dropFirst().first) {
        case (2, "v1", "status"): (route, allowed) = (.status, .GET)
        case (3, "v1", "status"): (route, allowed) = (.router(parts[2]), .GET)
        case (2, "v1", "events"): (route, allowed) = (.events, .GET)
        case (2, "v1", "reload"): (route, allowed) = (.control(.reload), .POST)
        case (2, "v1", "upgrade"): (route, allowed) = (.control(.upgrade), .POST)
        case (4, "v1", "routers") where parts[3] == "disable": (route, allowed) = (.control(.disable(parts[2])), .POST)
        case (4, "v1", "routers") where parts[3] == "enable": (route, allowed) = (.control(.enable(parts[2])), .POST)
        case (4, "v1", "routers") where parts[3] == "announce":
            (route, allowed) = (.control(.announce(parts[2])), .POST)
        case (4, "v1", "routers") where parts[3] == "verify":
            (route, allowed) = (.control(.verify(parts[2])), .POST)
        case (4, "v1", "routers") where parts[3] == "handover":
            let span = try Self.hold(in: halves.dropFirst().first ?? "")
            (route, allowed) = (.control(.handOver(parts[2], holdFor: span)), .POST)
        default: throw StatusRefusal(status: .notFound, text: "there is no such path; there are \(StatusRoute.known)")
        }
        guard method == allowed else {
            throw StatusRefusal(
                status: .methodNotAllowed, text: "\(path) takes \(allowed.rawValue), not \(method.rawValue)",
                allow: allowed.rawValue)
        }
        self = route
    }

    /// `for` in the query of a handover; nil when it is not there.
    private static func hold(in query: Substring) throws(StatusRefusal) -> Duration? {
        let holds = ControlRequest.holds
        for field in query.split(separator: "&") where field.hasPrefix("for=") {
            guard let span = try? Duration(written: String(field.dropFirst(4))), holds.contains(span) else {
                let allowed = "a duration from \(holds.lowerBound.written) to \(holds.upperBound.written)"
                throw StatusRefusal(status: .badRequest, text: "for must be \(allowed)")
            }
            return span
        }
        return nil
    }
}

/// The sentence for a name that no virtual router has, with the nearest one and the first few that there are.
func unknownRouterText(_ name: String, known: [String]) -> String {
    var text = "there is no virtual router \"\(name.count <= 64 ? name : name.prefix(64) + "…")\""
    guard !known.isEmpty else { return text + "; none is configured" }
    if let nearest = nearest(to: name, among: known) { text += "; did you mean \"\(nearest)\"?" }
    let rest = known.count > 8 ? " and \(known.count - 8) more" : ""
    return text + " (there are: \(known.prefix(8).joined(separator: ", "))\(rest))"
}

/// RFC 3986 §2.1; nil for a broken escape or octets that are not UTF-8.
private func decodePercent(_ text: Substring) -> String? {
    var octets: [UInt8] = []
    var rest = Array(text.utf8)[...]
    while let octet = rest.popFirst() {
        guard octet == UInt8(ascii: "%") else {
            octets.append(octet)
            continue
        }
        guard rest.count >= 2, let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16) else {
            return nil
        }
        octets.append(value)
        rest = rest.dropFirst(2)
    }
    return String(validating: octets, as: UTF8.self)
}
