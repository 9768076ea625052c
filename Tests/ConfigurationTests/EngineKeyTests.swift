// The mapping `engine`, the key `lease` and those of conflicts: values, defaults, and exact errors.

import Configuration
import Election
import Testing

private func engine(_ lines: String...) -> String {
    "engine:\n" + lines.map { "  \($0)\n" }.joined() + router()
}

struct EngineKeyTests {
    @Test func everyKeyHasItsDefault() throws {
        let written = try parseConfiguration(router(), file: "f").engine
        #expect(
            written
                == EngineConfiguration(priority: 50, cpus: [], oomScoreAdjust: -900, announcementsPerSecond: 20_000))
    }

    @Test func everyKeyIsRead() throws {
        let text = engine("priority: 7", "cpus: [3, 1]", "oom-score-adjust: -1000", "announcements-per-second: 10")
        #expect(
            try parseConfiguration(text, file: "f").engine
                == EngineConfiguration(priority: 7, cpus: [1, 3], oomScoreAdjust: -1000, announcementsPerSecond: 10))
        #expect(try parseConfiguration(engine("priority: no"), file: "f").engine.priority == nil)
    }

    @Test(arguments: [
        (
            "priority: 0",
            "f:2:13: priority must be a whole number from 1 to 99, not '0'; 'no' runs it like any other process"
        ),
        (
            "priority: 100",
            "f:2:13: priority must be a whole number from 1 to 99, not '100'; 'no' runs it like any other process"
        ),
        ("cpus: []", "f:2:9: cpus must be a list of numbers of processors, not an empty list"),
        ("cpus: [1, 1]", "f:2:13: processor 1 is already in the list"),
        ("cpus: [1024]", "f:2:10: a processor must be a whole number from 0 to 1023, not '1024'"),
        ("oom-score-adjust: 1001", "f:2:21: oom-score-adjust must be a whole number from -1000 to 1000, not '1001'"),
        (
            "announcements-per-second: 9",
            "f:2:29: announcements-per-second must be a whole number from 10 to 1000000, not '9'"
        ),
        (
            "nice: 3",
            "f:2:3: unknown key 'nice'; allowed in engine: priority, cpus, oom-score-adjust, announcements-per-second"
        ),
    ])
    func aWrongValueIsRefused(_ line: String, _ error: String) { #expect(errors(engine(line)) == [error]) }

    @Test(arguments: [
        ("10ms", "auto", 2), ("100ms", "auto", 2), ("660ms", "auto", 2), ("1s", "auto", 3), ("1.33s", "auto", 3),
        ("40.95s", "auto", 122), ("100ms", "5s", 5), ("1s", "1h", 3600),
    ])
    func aLeaseIsWholeSeconds(_ interval: String, _ lease: String, _ seconds: UInt32) throws {
        let text = router("advertisement-interval: \(interval)", "lease: \(lease)")
        #expect(try onlyRouter(text).election.leaseSeconds == seconds)
    }

    @Test func aLeaseIsAutomaticUnlessItIsOff() throws {
        #expect(try onlyRouter(router()).election.lease == .automatic)
        #expect(try onlyRouter(router("lease: off")).election.leaseSeconds == nil)
    }

    @Test func nobodyIsAskedForTheAddressesUnlessOneSaysSo() throws {
        let standard = try onlyRouter(router()).election
        #expect(standard.conflictCheck == .off && standard.obeysFiltered)
        for (word, check) in [("off", ConflictCheck.off), ("warn", .warn), ("hold", .hold)] {
            #expect(try onlyRouter(router("conflict-check: \(word)")).election.conflictCheck == check)
        }
        #expect(try onlyRouter(router("filtered-adverts: obey")).election.obeysFiltered)
        #expect(try !onlyRouter(router("filtered-adverts: ignore")).election.obeysFiltered)
    }

    @Test func onlyWhatComesToThisHostIsHeardUnlessOneSaysSo() throws {
        #expect(try !onlyRouter(router()).election.isPromiscuous)
        #expect(try onlyRouter(router("promiscuous: yes")).election.isPromiscuous)
        #expect(errors(router("promiscuous: 1")) == ["f:6:18: promiscuous must be yes or no, not '1'"])
    }

    @Test func everythingIsClaimedUnlessOneSaysSo() throws {
        #expect(try onlyRouter(router()).election.claim == .all)
        #expect(try onlyRouter(router("claim: any")).election.claim == .any)
        #expect(errors(router("claim: some")) == ["f:6:12: claim must be all or any, not 'some'"])
        #expect(try onlyRouter(router("priority: owner\n    claim: all")).election.claim == .all)
        let owner =
            "f:7:12: the owner (priority 255) takes its addresses from everybody, also without some of them; use claim: all"
        #expect(errors(router("priority: owner\n    claim: any")) == [owner])
    }

    @Test(arguments: [
        ("conflict-check: wait", "f:6:21: conflict-check must be off, warn or hold, not 'wait'"),
        ("filtered-adverts: off", "f:6:23: filtered-adverts must be obey or ignore, not 'off'"),
    ])
    func aWrongWordForConflictsIsRefused(_ line: String, _ error: String) { #expect(errors(router(line)) == [error]) }
}
