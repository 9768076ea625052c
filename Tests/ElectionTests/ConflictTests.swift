// Who else claims our addresses, and whose adverts pass by unheard: RFC 5227 §2.4, checklist ACD-05 and ACD-11 to ACD-14.

import Testing
import Wire

@testable import Election

extension NodeBench {
    /// What the last step announced.
    fileprivate var announced: [Range<Int>] {
        actions.compactMap { if case .announce(let range) = $0.action { range } else { nil } }
    }

    /// Whose claims the last step told of.
    fileprivate var told: [MACAddress] {
        actions.compactMap { if case .addressClaimed(let claim) = $0.action { claim.hardware } else { nil } }
    }

    fileprivate var differences: [PeerDifference] {
        actions.compactMap { if case .peerDiffers(_, let what) = $0.action { what } else { nil } }
    }

    /// A node whose router 1 is master, or backup of the peer, and has been for a while.
    fileprivate init(
        _ state: StateName, _ change: (inout VirtualRouterConfiguration) -> Void = { _ in }
    ) {
        self.init()
        add(1, change)
        if state == .master {
            for _ in 0..<200 { wait(.milliseconds(50)) }
        } else {
            for _ in 0..<10 {
                receive(200)
                wait(.milliseconds(500))
            }
        }
        actions = []
    }
}

@Suite struct ConflictTests {
    @Test func `ACD-12: of 100 claims in 5 s one is answered and one is told, and all are counted`() {
        var bench = NodeBench(.master) { $0.announcements.refresh = nil }
        var (announced, told) = (0, 0)
        for _ in 0..<100 {
            bench.claim(Bench.vip.address)
            announced += bench.announced.count
            told += bench.told.count
            bench.wait(.milliseconds(50))
        }
        #expect(announced == 1 && told == 1)
        #expect(bench.counter(.addressConflicts) == 100)
        #expect(bench.state(1) == .master)
        let heard = bench.node.conflicts(of: RouterID(1), at: bench.now)
        #expect(heard.map(\.count) == [100] && heard.map(\.hardware) == [NodeBench.stranger])
        bench.now = bench.now + .seconds(5)
        bench.claim(Bench.vip.address)
        #expect(bench.announced == [0..<1] && bench.told.isEmpty, "10 s later it is answered again")
    }

    @Test func `each address is defended by itself`() {
        let second = InterfaceAddress(address: .ipv4(IPv4Address(192, 0, 2, 101)), prefixLength: 24)
        var bench = NodeBench(.master) { $0.addresses = [Bench.vip, second] }
        bench.claim(second.address, isAnnouncement: false)
        #expect(bench.announced == [1..<2], "a plain request with the address as its sender is a conflict, too")
        bench.claim(Bench.vip.address)
        #expect(bench.announced == [0..<1])
        #expect(bench.told.isEmpty, "one in 10 s")
    }

    @Test func `what others say of other addresses, or on another interface, is no conflict`() {
        var bench = NodeBench(.master)
        bench.claim(.ipv4(IPv4Address(192, 0, 2, 200)))
        #expect(bench.actions.isEmpty)
        bench.claim(Bench.vip.address, interface: 8)
        #expect(bench.actions.isEmpty && bench.counter(.addressConflicts) == 0)
    }

    @Test func `the announcements of a rival within 20 ms of its advert are the election's business`() {
        var bench = NodeBench(.master)
        bench.receive(50)
        bench.now = bench.now + .milliseconds(19)
        bench.claim(Bench.vip.address, at: NodeBench.peerHardware)
        #expect(bench.told.isEmpty && bench.counter(.addressConflicts) == 0)
        bench.claim(Bench.vip.address)
        #expect(bench.told == [NodeBench.stranger], "another host's are not")
        bench.now = bench.now + .milliseconds(1)
        bench.claim(Bench.vip.address, at: NodeBench.peerHardware)
        #expect(bench.counter(.addressConflicts) == 2)
    }

    @Test func `who was master a moment ago may still speak of the addresses`() {
        var bench = NodeBench()
        bench.add(1)
        bench.receive(200)
        bench.wait(.seconds(4))
        #expect(bench.state(1) == .master)
        bench.now = bench.now + .milliseconds(999)
        bench.claim(Bench.vip.address, at: NodeBench.peerHardware)
        #expect(bench.counter(.addressConflicts) == 0)
        bench.now = bench.now + .milliseconds(1)
        bench.claim(Bench.vip.address, at: NodeBench.peerHardware)
        #expect(bench.counter(.addressConflicts) == 1)
    }

    @Test func `who resigns defends nothing, and its addresses go with an announcement only`() {
        var bench = NodeBench(.master)
        bench.receive(200)
        #expect(bench.state(1) == .resigning)
        bench.claim(Bench.vip.address, at: NodeBench.peerHardware, isAnnouncement: false)
        #expect(bench.actions.isEmpty && bench.state(1) == .resigning)
        bench.claim(Bench.vip.address, at: NodeBench.peerHardware)
        #expect(bench.state(1) == .backup && bench.counter(.addressConflicts) == 0)
    }

    @Test func `ACD-14: a backup never defends; it tells of those who are not the master`() {
        var bench = NodeBench(.backup)
        bench.claim(Bench.vip.address, at: NodeBench.peerHardware)
        #expect(bench.actions.isEmpty, "the master's")
        bench.claim(Bench.vip.address, at: .virtualRouter(10, family: .ipv4))
        #expect(bench.actions.isEmpty, "the virtual router's own")
        bench.claim(Bench.vip.address)
        #expect(bench.told == [NodeBench.stranger] && bench.announced.isEmpty)
        #expect(bench.counter(.addressConflicts) == 1)
    }

    @Test func `a backup that does not know where its master speaks from tells nothing`() {
        var bench = NodeBench(.backup)
        bench.claim(Bench.vip.address, speakers: SpeakerTable())
        #expect(bench.actions.isEmpty && bench.counter(.addressConflicts) == 0)
    }

    @Test func `a conflict is told again after 10 minutes while it lasts, and forgotten after 10 without`() {
        var bench = NodeBench(.master)
        var told = 0
        for _ in 0..<13 {
            bench.claim(Bench.vip.address)
            told += bench.told.count
            bench.now = bench.now + .seconds(60)
        }
        #expect(told == 2)
        bench.now = bench.now + .seconds(541)
        #expect(bench.node.conflicts(of: RouterID(1), at: bench.now).isEmpty)
        bench.claim(Bench.vip.address)
        #expect(bench.told == [NodeBench.stranger])
        #expect(bench.node.conflicts(of: RouterID(1), at: bench.now).map(\.count) == [1])
    }

    @Test func `who changes its hardware address makes no flood of warnings, and no memory without end`() {
        var bench = NodeBench(.master)
        var told = 0
        for number in 0..<200 as Range<UInt8> {
            bench.claim(Bench.vip.address, at: MACAddress(2, 0, 0, 1, 0, number))
            told += bench.told.count
            bench.now = bench.now + .milliseconds(100)
        }
        #expect(told == 2)
        #expect(bench.node.conflicts(of: RouterID(1), at: bench.now).count == 16)
    }

    // MARK: - Before a takeover

    @Test(arguments: [ConflictCheck.off, .warn, .hold])
    func `ACD-05: a silent master's addresses are asked for when the skew time begins`(_ check: ConflictCheck) {
        var bench = NodeBench(.backup) { $0.conflictCheck = check }
        bench.receive(200)
        bench.wait(.seconds(3) - .nanoseconds(1))
        #expect(bench.actions.isEmpty)
        bench.wait(.nanoseconds(1))
        #expect(bench.actions == (check == .off ? [] : [RouterAction(RouterID(1), .ask(0..<1))]))
        bench.claim(Bench.vip.address, at: NodeBench.peerHardware, isAnnouncement: false)
        #expect(bench.told == (check == .off ? [] : [NodeBench.peerHardware]), "whoever answers holds it")
        bench.wait(.milliseconds(610))
        #expect(bench.state(1) == (check == .hold ? .backup : .master))
        guard check == .hold else { return }
        bench.wait(.seconds(3))
        #expect(bench.state(1) == .master, "it waits once")
    }

    @Test func `an advert ends the question, and the next silence begins another`() {
        var bench = NodeBench(.backup) { $0.conflictCheck = .hold }
        for _ in 0..<2 {
            bench.receive(200)
            bench.wait(.seconds(3))
            #expect(bench.actions == [RouterAction(RouterID(1), .ask(0..<1))])
        }
        bench.wait(.milliseconds(610))
        #expect(bench.state(1) == .master, "nobody answered: no time is lost")
    }

    // MARK: - What passes by

    @Test func `adverts that no socket gets keep a backup from taking over, whatever their priority`() {
        var bench = NodeBench()
        bench.add(1)
        var differences: [PeerDifference] = []
        for count in 1...10 {
            bench.miss(50, inARow: count)
            differences += bench.differences
            bench.wait(.seconds(1))
        }
        #expect(bench.state(1) == .backup)
        #expect(differences == [.filtered(isObeyed: true)])
        #expect(bench.counter(.filteredAdverts) == 10)
        bench.wait(.seconds(3))
        #expect(bench.state(1) == .master, "when they end it takes over as from silence")
    }

    @Test func `they can be told and ignored`() {
        var bench = NodeBench()
        bench.add(1) { $0.obeysFiltered = false }
        var differences: [PeerDifference] = []
        for count in 1...4 {
            bench.miss(200, inARow: count)
            differences += bench.differences
            bench.wait(.seconds(1))
        }
        #expect(bench.state(1) == .master && differences == [.filtered(isObeyed: false)])
    }

    @Test func `a master yields to a better one that it cannot hear, but not for a single advert`() {
        var bench = NodeBench(.master)
        bench.miss(200, inARow: 1)
        #expect(bench.state(1) == .master && bench.counter(.filteredAdverts) == 0)
        bench.miss(200, inARow: 2)
        #expect(bench.state(1) == .resigning)
        bench.wait(.milliseconds(60))
        #expect(bench.state(1) == .backup)
    }

    @Test func `a master answers a lower one that it cannot hear`() {
        var bench = NodeBench(.master)
        bench.miss(50, inARow: 2)
        let isAnswered = bench.actions.contains { $0.action == .sendAdvert(priority: 100) }
        #expect(bench.state(1) == .master && isAnswered)
    }

    @Test
    func `adverts of other elections, versions and distances mean nothing, and those of our own address a second host`()
    {
        var bench = NodeBench()
        bench.add(1)
        for advert in [
            NodeBench.glimpse(200, vrid: 11), NodeBench.glimpse(200, version: 2), NodeBench.glimpse(200, hopLimit: 254),
        ] {
            bench.miss(advert, inARow: 5)
            #expect(bench.actions.isEmpty && bench.counter(.filteredAdverts) == 0)
        }
        bench.miss(NodeBench.glimpse(200, from: Bench.me), inARow: 1)
        #expect(bench.differences == [.ourAddress])
    }

    @Test func `a lower master that goes on for 5 intervals does not hear us`() {
        var bench = NodeBench(.master)
        var log: [(Int, PeerDifference)] = []
        for second in 0...20 {
            bench.receive(50)
            log += bench.differences.map { (second, $0) }
            bench.wait(.seconds(1))
        }
        #expect(log.map(\.0) == [5] && log.map(\.1) == [.doesNotHear(priority: 50)])
    }

    @Test func `one that comes and goes is answered and no more`() {
        var bench = NodeBench(.master)
        for _ in 0..<10 {
            bench.receive(50)
            #expect(bench.differences.isEmpty)
            for _ in 0..<4 { bench.wait(.seconds(1)) }
        }
        #expect(bench.state(1) == .master)
    }
}

@Suite struct SpeakerTableTests {
    private let now = Instant(nanoseconds: 5)

    @Test func `a speaker is known by where it sends from, until it sends from elsewhere`() {
        var table = SpeakerTable()
        #expect(table.see(NodeBench.glimpse(100), arrived: true, at: now) == (0, true))
        #expect(table.see(NodeBench.glimpse(100), arrived: true, at: now) == (0, false))
        #expect(table.hardware(of: NodeBench.peer) == NodeBench.peerHardware)
        #expect(table.see(NodeBench.glimpse(100, at: NodeBench.stranger), arrived: true, at: now) == (0, true))
        #expect(table.hardware(of: NodeBench.peer) == NodeBench.stranger)
        table.forget(NodeBench.peer)
        #expect(table.hardware(of: NodeBench.peer) == nil)
    }

    @Test func `adverts in a row that did not arrive are counted, and one that did ends the row`() {
        var table = SpeakerTable()
        #expect(table.see(NodeBench.glimpse(100), arrived: false, at: now) == (1, true))
        #expect(table.see(NodeBench.glimpse(100), arrived: false, at: now) == (2, false))
        #expect(table.see(NodeBench.glimpse(100), arrived: true, at: now) == (0, true))
        #expect(table.speakers[0].isHeard)
        table.suspect(NodeBench.peer, at: now)
        #expect(!table.speakers[0].isHeard)
        #expect(table.see(NodeBench.glimpse(100), arrived: true, at: now) == (0, true))
        #expect(table.speakers[0].isHeard)
    }

    @Test func `of too many those go that were not seen for the longest time`() {
        var table = SpeakerTable()
        for number in 0..<40 as Range<UInt8> {
            let source = IPAddress.ipv4(IPv4Address(192, 0, 2, 10 + number))
            _ = table.see(NodeBench.glimpse(100, from: source), arrived: true, at: Instant(nanoseconds: Int64(number)))
        }
        #expect(table.speakers.count == SpeakerTable.capacity)
        #expect(table.hardware(of: .ipv4(IPv4Address(192, 0, 2, 17))) == nil)
        #expect(table.hardware(of: .ipv4(IPv4Address(192, 0, 2, 18))) != nil)
    }
}
