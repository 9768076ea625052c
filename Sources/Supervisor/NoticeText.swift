// Notices of the engine as log lines, and how important a transition is. The words of states, causes and faults come from Status; these are
// for the log alone.

import Configuration
import Election
import Messages
import Status
import System
import Wire

/// A log line that is still to be written.
struct LogLine: Hashable {
    var level: LogLevel
    var event: String
    var fields: [Field]

    struct Field: Hashable {
        var key: String
        var value: String
    }

    init(_ level: LogLevel, _ event: String, _ fields: [(String, String)]) {
        self.level = level
        self.event = event
        self.fields = fields.map { Field(key: $0.0, value: $0.1) }
    }
}

extension LogLine {
    /// The line of `notice`; `name` gives a virtual router's name, `preempts` whether it takes over from lower priorities.
    init(
        _ notice: Notice, name: (RouterID) -> String, checks: CheckNames = CheckNames(),
        preempts: (RouterID) -> Bool = { _ in true }
    ) {
        switch notice {
        case .dropped(let router, let interface, let reason, let source, let count):
            // Another election on the segment is no mistake of anybody.
            let isForeign = router == nil && reason == .vrid
            self.init(
                isForeign ? .info : .warning, "packet-dropped",
                [
                    ("router", router.map(name) ?? ""), ("interface-index", "\(interface)"), ("reason", reason.name),
                    ("source", source.map { "\($0)" } ?? ""), ("count", "\(count)"),
                ])
        case .peerDiffers(let router, let peer, let difference):
            // Where nobody preempts, equal priorities are how two hosts are set up.
            let isMeant = difference.kind == .equalPriority && !preempts(router)
            self.init(
                isMeant ? .info : .warning, "peer-differs",
                [
                    ("router", name(router)), ("peer", "\(peer)"), ("what", difference.word),
                    ("own-value", difference.values?.own ?? ""), ("peer-value", difference.values?.peer ?? ""),
                    ("text", difference.sentence),
                ])
        case .addressClaimed(let router, let address, let hardware, let state):
            self.init(
                .warning, "address-conflict",
                [
                    ("router", name(router)), ("address", "\(address)"), ("hardware-address", "\(hardware)"),
                    ("state", state.word), ("text", conflictSentence(state)),
                ])
        case .kernel(let router, let call, let subject, let code, let explanation):
            let reason = SystemError(call, subject, code: code).reason
            self.init(
                .error, "kernel-refused",
                [
                    ("router", router.map(name) ?? ""), ("call", call), ("subject", subject), ("error", reason),
                    ("explanation", explanation),
                ])
        case .leftoverRemoved(let address, let interface):
            self.init(.notice, "leftover-removed", [("address", "\(address)"), ("interface", interface)])
        case .routingLeftoverRemoved(let entry):
            self.init(.notice, "leftover-removed", [("routing", "\(entry)")])
        case .routingNotOurs(let router, let entry):
            let text = "somebody else has put the same there: it serves as well, and stays when this router leaves"
            self.init(
                .notice, "routing-not-ours",
                [("router", name(router)), ("routing", "\(entry)"), ("text", text)])
        case .flood(let tag, let isFiltering):
            let begun =
                "packets that no virtual router here expects come as a flood: the kernel lets in a sample of them,"
                + " by which all are counted"
            self.init(
                isFiltering ? .warning : .notice, isFiltering ? "flood" : "flood-ended",
                [
                    ("interface-index", "\(tag.interfaceIndex)"), ("family", "\(tag.family)"),
                    ("text", isFiltering ? begun : "every packet is read again"),
                ])
        case .connectionsReset(let count):
            self.init(
                .notice, "connections-reset",
                [
                    ("count", "\(count)"),
                    ("text", "connections of addresses that leave this host were ended with a reset"),
                ])
        case .resynchronised:
            self.init(.notice, "resynchronised", [("text", "kernel events were lost; everything was read again")])
        case .memoryNotLocked(let code, let isPartly):
            self.init(EngineScheduling.limit(lockingMemory: code, isPartly: isPartly))
        case .releaseGateFailed(let router, let failure, let stopping):
            let consequence = stopping ? "the router is given up all the same" : "the router stays master"
            self.init(
                .error, "gate-release-failed",
                [("router", name(router)), ("reason", failure.reason), ("text", consequence)])
        case .degraded(let router, let missing):
            self.init(
                missing.isEmpty ? .notice : .warning, missing.isEmpty ? "degraded-ended" : "degraded",
                [
                    ("router", name(router)), ("missing", "\(missing.count)"),
                    ("text", degradedSentence(missing, checks)),
                ])
        case .unsteady(let router, let transitions, let window):
            let text = Self.unsteadyText(transitions, within: window)
            self.init(.warning, "unsteady", [("router", name(router)), ("text", text)])
        }
    }
}

extension LogLine {
    /// Why a router that flaps is worth a look (RFC 9568 §2.5).
    static func unsteadyText(_ transitions: UInt32, within window: Duration) -> String {
        "\(transitions) changes from or to master within \(window.components.seconds) s; is the interval too short for this"
            + " network, or for this machine?"
    }
}

extension Transition {
    /// A fault is worth a warning, unless it only waits for a check's first result, as at every start.
    var logLevel: LogLevel {
        guard to == .fault else { return .notice }
        return isPendingFault ? .info : .warning
    }
}

extension Log {
    func write(_ line: LogLine) { write(line.level, line.event, line.fields.map { ($0.key, $0.value) }) }
}
