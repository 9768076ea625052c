// When a flood begins and ends, and for how many packets one of it stands, with the kernel's filter and without.

import Kernel
import Testing

@testable import Engine

private let second: Int64 = 1_000_000_000

/// A message that is long enough to be an advert.
private func message(_ vrid: UInt8) -> [UInt8] { [0x31, vrid, 100, 1, 0, 100, 0, 0, 1, 2, 3, 4] }

/// A guard whose socket listens for VRID 10.
private func watching() -> FloodGuard {
    var guarding = FloodGuard()
    guarding.expected.expect(vrid: 10, leastHops: 255)
    return guarding
}

/// Weighs so many packets with another VRID that came at `stamp`; what each of them stands for.
private func flood(_ guarding: inout FloodGuard, _ count: UInt64, at stamp: Int64) -> Set<UInt32> {
    var weights: Set<UInt32> = []
    for _ in 0..<count { weights.insert(guarding.weigh(message(11).span, hopLimit: 255, stamp: stamp)) }
    return weights
}

@Suite struct FloodGuardTests {
    @Test func `every VRID of a filter passes and no other one does`() {
        for vrid in UInt8(1)...255 {
            var one = FloodFilter()
            one.expect(vrid: vrid, leastHops: 200)
            var others = FloodFilter()
            for other in UInt8(1)...255 where other != vrid { others.expect(vrid: other, leastHops: 200) }
            let heard = (UInt8(1)...255).filter { one.passes(message($0).span, hopLimit: 200) }
            let missed = (UInt8(1)...255).filter { !others.passes(message($0).span, hopLimit: 200) }
            #expect(heard == [vrid] && missed == [vrid])
            let isFar = one.passes(message(vrid).span, hopLimit: 199)
            #expect(!isFar)
        }
    }

    @Test func `what is expected is no flood`() {
        var guarding = watching()
        for _ in 0..<2 * FloodGuard.flood {
            let weight = guarding.weigh(message(10).span, hopLimit: 255, stamp: second)
            #expect(weight == 1)
        }
        #expect(!guarding.isFlooded)
    }

    @Test func `a packet stands for 64 from the moment when the filter was attached until it is taken off`() {
        var guarding = watching()
        #expect(flood(&guarding, FloodGuard.flood - 1, at: second) == [1] && !guarding.isFlooded)
        #expect(flood(&guarding, 1, at: second) == [1] && guarding.isFlooded)
        guarding.set(.attached, at: 2 * second)
        #expect(!guarding.isFlooded)
        #expect(flood(&guarding, 10, at: 2 * second - 1) == [1], "it was in the queue before")
        #expect(flood(&guarding, 1_000, at: 2 * second) == [FloodFilter.sample])
        #expect(guarding.weigh(message(10).span, hopLimit: 255, stamp: 3 * second) == 1)
        guarding.set(.none, at: 4 * second)
        #expect(flood(&guarding, 10, at: 5 * second) == [1])
    }

    @Test func `where the kernel refuses a filter each packet stands for itself, and it is not asked again meanwhile`()
    {
        var guarding = watching()
        _ = flood(&guarding, FloodGuard.flood, at: second)
        guarding.set(.refused, at: second)
        for _ in 0..<3 {
            #expect(flood(&guarding, FloodGuard.flood, at: 2 * second) == [1])
            #expect(!guarding.isFlooded)
            let hasEnded = guarding.tick()
            #expect(!hasEnded)
        }
        for calm in 0...FloodGuard.patience {
            let hasEnded = guarding.tick()
            #expect(hasEnded == (calm == FloodGuard.patience))
        }
        guarding.set(.none, at: 20 * second)
        _ = flood(&guarding, FloodGuard.flood, at: 21 * second)
        #expect(guarding.isFlooded, "the next flood asks again")
    }

    @Test func `a flood has ended when it was calm for ten whole seconds`() {
        var guarding = watching()
        guarding.set(.attached, at: second)
        for calm in [3, FloodGuard.patience] {
            for _ in 0..<calm {
                let hasEnded = guarding.tick()
                #expect(!hasEnded)
            }
            if calm < FloodGuard.patience {
                _ = flood(&guarding, FloodGuard.calm / UInt64(FloodFilter.sample) + 1, at: 2 * second)
                let hasEnded = guarding.tick()
                #expect(!hasEnded, "it goes on")
            }
        }
        let hasEnded = guarding.tick()
        #expect(hasEnded)
    }
}
