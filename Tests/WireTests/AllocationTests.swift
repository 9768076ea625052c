// Parsing is on the engine's hot path: it allocates nothing, whether the packet is good or bad.

import CAllocations
import Testing
import Wire

@Suite struct AllocationTests {
    @Test func `the counter sees an allocation`() {
        let before = vipd_allocations()
        let list = [UInt8](repeating: 1, count: Int.random(in: 5_000...6_000))
        let after = vipd_allocations()
        #expect(after > before && list.count >= 5_000)
    }

    @Test func `parsing any vector allocates nothing`() throws {
        for vector in VectorFile.shared.vectors {
            let base = try #require(VectorFile.shared.receivers[vector.receiver])
            let rules = try base.overridden(by: vector.receiverOverrides).rules()
            let payload = octets(vector.hex)
            let origin = try vector.origin()
            var accepted = 0
            // The first use of a type may allocate what describes it, once in a process.
            _ = try? Advertisement(parsing: payload.span, from: origin, expecting: rules)
            let before = vipd_allocations()
            for _ in 0..<100 {
                do throws(DropReason) {
                    let advert = try Advertisement(parsing: payload.span, from: origin, expecting: rules)
                    accepted &+= Int(advert.addressCount)
                } catch {
                    accepted &-= 1
                }
            }
            let after = vipd_allocations()
            // The testing library boxes every error that is thrown, once a frame; without it a drop allocates nothing either.
            let boxes: UInt64 = accepted < 0 ? 200 : 0
            #expect(after - before <= boxes, "\(vector.name): \(after - before) allocations in 100 runs")
        }
    }
}
