// What keeps an agent from being late, and what bounds the harm when it is gone: the mapping `engine`, and `lease` of a virtual
// router. Whether the host permits what is asked for here is found out when the engine starts, not by the parser.

import Election

extension Problems {
    /// The mapping `engine`.
    mutating func engine(_ node: Node, at place: Place) -> EngineConfiguration? {
        guard let fields = Fields<EngineKey>(node, subject: "engine", place: place, problems: &self) else { return nil }
        var engine = EngineConfiguration()
        if let node = fields[.priority] {
            if case .scalar("no", _) = node.content {
                engine.priority = nil
            } else if let priority = integer(
                node, "priority", in: 1...99, hint: "; 'no' runs it like any other process")
            {
                engine.priority = Int32(priority)
            }
        }
        if let node = fields[.cpus] { engine.cpus = processors(node) }
        if let node = fields[.oomScoreAdjust], let score = integer(node, "oom-score-adjust", in: -1000...1000) {
            engine.oomScoreAdjust = Int32(score)
        }
        if let node = fields[.announcementsPerSecond],
            let limit = integer(node, "announcements-per-second", in: 10...1_000_000)
        {
            engine.announcementsPerSecond = UInt32(limit)
        }
        return engine
    }

    private mutating func processors(_ node: Node) -> [UInt32] {
        var processors: [UInt32] = []
        for item in list(node, "cpus", of: "numbers of processors") ?? [] {
            guard let number = integer(item, "a processor", in: 0...1023) else { continue }
            guard !processors.contains(UInt32(number)) else {
                add(item.place, "processor \(number) is already in the list")
                continue
            }
            processors.append(UInt32(number))
        }
        return processors.sorted()
    }

    /// `auto`, `off`, or whole seconds that are no shorter than the patience of peers: an address must not go while this host may
    /// still be the master that everybody believes.
    mutating func lease(_ fields: Fields<RouterKey>, interval: Duration?) -> LeasePolicy? {
        guard let node = fields[.lease] else { return fields.has(.lease) ? nil : .automatic }
        if case .scalar("auto", _) = node.content { return .automatic }
        if case .scalar("off", _) = node.content { return .off }
        let alternative = " in whole seconds, or auto or off"
        let range: ClosedRange<Duration> = .seconds(2) ... .seconds(3600)
        guard let span = duration(node, "lease", in: range, alternative: alternative) else { return nil }
        guard span.components.attoseconds == 0 else {
            refuse(node, "lease", allowed: "a duration from 2s to 1h\(alternative)")
            return nil
        }
        if let interval, span < interval * 3 {
            add(
                node.place,
                "lease \(span.written) is shorter than three advertisement intervals (\((interval * 3).written)), for which peers"
                    + " believe a silent master; write at least \(leastLease(interval))s, or auto")
            return nil
        }
        return .seconds(UInt32(span.components.seconds))
    }

    private func leastLease(_ interval: Duration) -> Int64 {
        let (seconds, attoseconds) = (interval * 3).components
        return max(2, attoseconds > 0 ? seconds + 1 : seconds)
    }
}
