// The door of the simulation: run the world of a seed, and make a failing one as small as is cheap.

import Election
import Wire

/// What became of a world.
package struct Outcome: Sendable {
    /// Things that happened in it.
    package var events: Int
    /// The first broken rule, if any; the world ends there.
    package var violation: Violation?
    /// What happened, a line each; empty unless asked for.
    package var transcript: [String]
}

/// Runs the world of a plan to its end.
package func simulate(_ plan: Plan, transcript isRecording: Bool = false) -> Outcome {
    var world = World(plan, isRecording: isRecording)
    world.run()
    return Outcome(events: world.eventCount, violation: world.violation, transcript: world.record.transcript)
}

extension Plan {
    /// The same world with as few of its faults as still break the rule, by leaving out one after the other. Chance runs
    /// differently in a world with other faults, so this may stop early, but what it returns does fail.
    package func shrunk(toBreak rule: Rule) -> Plan {
        var smallest = self
        var index = 0
        while index < smallest.faults.count {
            var smaller = smallest
            smaller.faults.remove(at: index)
            if simulate(smaller).violation?.rule == rule {
                smallest = smaller
                index = 0
            } else {
                index += 1
            }
        }
        return smallest
    }
}
