// How `vipd arping` prints what it finds: a line of text or an object of JSON for each. No decision is made here.

import Status
import Wire

/// Prints one run.
struct ArpingText {
    private let options: ArpingOptions
    private let path: ProbePath

    init(_ options: ArpingOptions, _ path: ProbePath) {
        self.options = options
        self.path = path
    }

    /// `after`: since the last frame that was sent.
    func answer(_ hardware: MACAddress, after: Duration, isNew: Bool, isOnly: Bool) -> String {
        let milliseconds = Double(nanoseconds(after) / 1_000) / 1_000
        if options.json {
            return json(Answer(hardwareAddress: "\(hardware)", afterMilliseconds: milliseconds))
        }
        let also = isNew && !isOnly ? ": MORE THAN ONE HAS IT" : ""
        return "\(options.address) is at \(hardware) (\(milliseconds) ms)\(also)"
    }

    func closing(_ result: ArpingResult) -> String {
        if options.json {
            return json(
                Summary(
                    address: "\(options.address)", interface: path.interface, sent: result.sent,
                    holders: result.holders.map { Holder(hardwareAddress: "\($0.hardware)", answers: $0.answers) },
                    isInUse: options.purpose == .announce ? nil : result.isAnswered))
        }
        let (address, interface) = (options.address, path.interface)
        let holders = result.holders.map { "\($0.hardware)" }.joined(separator: " and ")
        switch options.purpose {
        case .ask:
            let frames = count(result.sent, "request")
            return result.isAnswered
                ? "\(frames) on \(interface): \(address) is at \(holders)"
                : "\(frames) on \(interface): nobody has \(address)"
        case .check:
            return result.isAnswered
                ? "\(address) is in use on \(interface), by \(holders)"
                : "\(address) is free on \(interface): \(count(result.sent, "probe")) unanswered"
        case .announce:
            return "\(count(result.sent, "announcement")) on \(interface): \(address) is at \(path.hardware)"
        }
    }

    private func count(_ number: Int, _ noun: String) -> String { number == 1 ? "1 \(noun)" : "\(number) \(noun)s" }

    private func json(_ value: some Encodable) -> String {
        // Nothing in these records can fail to be encoded: no number in them is infinite.
        guard let octets = try? jsonText(value) else { return "{}" }
        return String(decoding: octets, as: UTF8.self)
    }

    private struct Answer: Encodable {
        var type = "answer"
        var hardwareAddress: String
        var afterMilliseconds: Double

        enum CodingKeys: String, CodingKey {
            case type
            case hardwareAddress = "hardware-address"
            case afterMilliseconds = "after-ms"
        }
    }

    private struct Holder: Encodable {
        var hardwareAddress: String
        var answers: Int

        enum CodingKeys: String, CodingKey {
            case answers
            case hardwareAddress = "hardware-address"
        }
    }

    private struct Summary: Encodable {
        var type = "summary"
        var address: String
        var interface: String
        var sent: Int
        var holders: [Holder]
        /// Nil where nobody was asked.
        var isInUse: Bool?

        enum CodingKeys: String, CodingKey {
            case type, address, interface, sent, holders
            case isInUse = "in-use"
        }
    }
}
