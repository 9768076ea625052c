// Macvlans are put down and removed behind the loop's back, in order, late enough, and not any more once they are wanted again.

import Glibc
import Kernel
import Namespaces
import System
import Testing
import Wire

@testable import Engine

@Suite(.enabled(if: canMakeNamespaces), .serialized)
struct LinkKeeperTests {
    /// Macvlans that are up, and somebody else's view of them.
    private func withLinks(
        _ count: UInt8, _ body: @escaping @Sendable (LinkKeeper, [UInt32], borrowing NetlinkRequests) throws -> Void
    ) async throws {
        try await withTwoHosts { _ in
            let requests = try NetlinkRequests()
            var indexes: [UInt32] = []
            for vrid in 1...count {
                let key = VirtualLinkKey(parent: unsafe if_nametoindex("va"), family: .ipv4, vrid: vrid)
                try requests.make(key)
                let made = try #require(try requests.link(named: key.name))
                try requests.set(made.index, up: true)
                indexes.append(made.index)
            }
            let keeper = try LinkKeeper()
            try body(keeper, indexes, requests)
            keeper.abandon()
        }
    }

    /// Up, down (false), or gone.
    private func state(_ index: UInt32, _ requests: borrowing NetlinkRequests) throws -> Bool? {
        try requests.link(index)?.isUp
    }

    private func wait(for wanted: Bool?, of index: UInt32, _ requests: borrowing NetlinkRequests) throws {
        for _ in 0..<500 where try state(index, requests) != wanted { usleep(10_000) }
        try expect(wanted, of: index, requests)
    }

    private func expect(_ wanted: Bool?, of index: UInt32, _ requests: borrowing NetlinkRequests) throws {
        let found = try state(index, requests)
        #expect(found == wanted)
    }

    @Test func `they go down and away, not before others had their turn`() async throws {
        try await withLinks(2) { keeper, indexes, requests in
            keeper.lower(indexes[0])
            keeper.remove(indexes[1])
            try expect(true, of: indexes[0], requests)
            try wait(for: false, of: indexes[0], requests)
            try wait(for: nil, of: indexes[1], requests)
            #expect(keeper.takeFailures().isEmpty)
        }
    }

    @Test func `one that is wanted again stays up`() async throws {
        try await withLinks(1) { keeper, indexes, requests in
            for _ in 0..<5 {
                keeper.lower(indexes[0])
                keeper.cancel(indexes[0])
            }
            usleep(200_000)
            try expect(true, of: indexes[0], requests)
            // Also where it is under way: afterwards it can be put up again.
            for round in 0..<10 {
                keeper.lower(indexes[0])
                usleep(50_000 + UInt32(round) * 1_000)
                keeper.cancel(indexes[0])
                try requests.set(indexes[0], up: true)
                usleep(50_000)
                try expect(true, of: indexes[0], requests)
            }
        }
    }

    @Test func `at the end what waits to be removed is removed at once`() async throws {
        try await withLinks(2) { keeper, indexes, requests in
            keeper.remove(indexes[0])
            keeper.lower(indexes[1])
            keeper.finish(with: requests)
            try expect(nil, of: indexes[0], requests)
        }
    }

    @Test func `another engine finds what waits as it was`() async throws {
        try await withLinks(1) { keeper, indexes, requests in
            keeper.remove(indexes[0])
            keeper.abandon()
            usleep(200_000)
            try expect(true, of: indexes[0], requests)
        }
    }
}
