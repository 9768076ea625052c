// "Did you mean": the nearest known word, and text from the file made fit for a message. Only for people; nothing is
// ever corrected silently.

/// The known word that `word` was most likely meant to be; nil when none is near. Words of other agents are translated.
package func nearest(to word: String, among known: [String]) -> String? {
    guard (2...64).contains(word.utf8.count) else { return nil }
    let wanted = folded(word)
    if let translated = otherAgents[String(decoding: wanted, as: UTF8.self)], known.contains(translated) {
        return translated
    }
    // A shortened word: `warn`.
    if wanted.count >= 3, let whole = known.first(where: { folded($0).starts(with: wanted) }) { return whole }
    var best: String?
    var bestDistance = max(1, wanted.count / 3) + 1
    for candidate in known where candidate.utf8.count <= 64 {
        let distance = editDistance(wanted, folded(candidate))
        if distance < bestDistance {
            best = candidate
            bestDistance = distance
        }
    }
    return best
}

/// What users of keepalived and of the YANG model (RFC 8347) will type first.
private let otherAgents = [
    "vrrp-instance": "virtual-routers",
    "vrrp-script": "checks",
    "track-script": "checks",
    "script": "command",
    "virtual-router-id": "vrid",
    "virtual-ipaddress": "addresses",
    "virtual-ip": "addresses",
    "vip": "addresses",
    "virtual-routes": "routes",
    "virtual-rules": "rules",
    "gateway": "via",
    "nexthop": "via",
    "src": "source",
    "dev": "device",
    "onlink": "on-link",
    "preference": "priority",
    "lookup": "table",
    "advert-int": "advertisement-interval",
    "interval": "advertisement-interval",
    "advertise-interval": "advertisement-interval",
    "nopreempt": "preempt",
    "hold-time": "preempt-delay",
    "auth-pass": "password",
    "authentication": "password",
    "vrrp-version": "version",
    "weight": "on-failure",
    "notify": "hooks",
    "notify-master": "on-master",
    "notify-backup": "on-backup",
    "notify-fault": "on-fault",
    "notify-stop": "on-stop",
]

/// Lower case, with `_` as `-`: differences that are not worth a distance.
private func folded(_ word: String) -> [UInt8] {
    word.utf8.map { octet in
        switch octet {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): octet + 32
        case UInt8(ascii: "_"): UInt8(ascii: "-")
        default: octet
        }
    }
}

/// Insertions, deletions, replacements and swaps of neighbours (optimal string alignment).
func editDistance(_ left: [UInt8], _ right: [UInt8]) -> Int {
    guard !left.isEmpty else { return right.count }
    guard !right.isEmpty else { return left.count }
    var beforeLast = [Int](repeating: 0, count: right.count + 1)
    var last = Array(0...right.count)
    for row in 1...left.count {
        var current = [row] + [Int](repeating: 0, count: right.count)
        for column in 1...right.count {
            let cost = left[row - 1] == right[column - 1] ? 0 : 1
            current[column] = min(last[column] + 1, current[column - 1] + 1, last[column - 1] + cost)
            if row > 1, column > 1, left[row - 1] == right[column - 2], left[row - 2] == right[column - 1] {
                current[column] = min(current[column], beforeLast[column - 2] + 1)
            }
        }
        beforeLast = last
        last = current
    }
    return last[right.count]
}

/// `; did you mean 'X'?`, or only `otherwise`.
func suggestion(for word: String, among known: [String], otherwise: String = ";") -> String {
    guard let word = nearest(to: word, among: known) else { return otherwise }
    return "; did you mean '\(quotable(word))'?"
}

/// `a, b or c`.
func alternatives(_ words: [String]) -> String {
    guard words.count > 1, let last = words.last else { return words.first ?? "" }
    return words.dropLast().joined(separator: ", ") + " or " + last
}

/// Text of the file on one line and not too long, so that a message stays one line.
func quotable(_ text: String) -> String {
    var result = ""
    var length = 0
    for scalar in text.unicodeScalars {
        guard length < 60 else { return result + "…" }
        switch scalar {
        case "\n": result += "\\n"
        case "\t": result += "\\t"
        default:
            if scalar.properties.generalCategory == .control || scalar.properties.generalCategory == .lineSeparator {
                result += "\\u{" + String(scalar.value, radix: 16) + "}"
            } else {
                result.unicodeScalars.append(scalar)
            }
        }
        length += 1
    }
    return result
}
