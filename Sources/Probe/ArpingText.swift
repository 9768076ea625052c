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

    /// `after`: since the last frame that was sent; `isAnother`: somebody else has answered before.
    func answer(_ hardware: MACAddress, after: Duration, isAnother: Bool) -> String {
        if options.json {
            return json(Answer(hardwareAddress: "\(hardware)", afterMilliseconds: milliseconds(after)))
        }
        let also = isAnother ? ": MORE THAN ONE HAS IT" : ""
        return "\(options.address) is at \(hardware) (\(milliseconds(after)) ms)\(also)"
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
