// What an advert socket of ours expects, and how the rest is kept out of user space while it comes as a flood.
//
// Normally every packet is read, because each that is rejected is counted by its reason. That costs about two microseconds a
// packet, and a flood would make it a large part of a processor. So, and only while one lasts, a filter in the kernel lets through what
// looks like an advert that somebody here listens for, and of the rest one packet in 64, chosen at random and not by anything
// that a sender could know. Each of these stands for 64 in the counters: under a flood they are estimates, but none stops. What
// only a look at the whole message can tell (checksum, count, source, password) is not filtered, and counted exactly.

import CLinux
import Glibc
import System

/// The packets that the virtual routers of one socket may be sent: by hop limit, version, type and VRID.
package struct FloodFilter: Hashable, Sendable {
    /// Of the packets that are not expected one in so many passes the filter.
    package static let sample: UInt32 = 64

    private var vrids: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
    /// The lowest that any of them accepts.
    private var leastHops: UInt8 = 255

    package init() {}

    /// One of the virtual routers listens for `vrid`, and takes adverts with `leastHops` (1...255) or more.
    package mutating func expect(vrid: UInt8, leastHops: UInt8) {
        let bit = UInt64(1) << UInt64(vrid % 64)
        switch vrid / 64 {
        case 0: vrids.0 |= bit
        case 1: vrids.1 |= bit
        case 2: vrids.2 |= bit
        default: vrids.3 |= bit
        }
        self.leastHops = min(self.leastHops, leastHops)
    }

    private func expects(vrid: UInt8) -> Bool {
        let bit = UInt64(vrid % 64)
        return switch vrid / 64 {
        case 0: vrids.0 >> bit & 1 == 1
        case 1: vrids.1 >> bit & 1 == 1
        case 2: vrids.2 >> bit & 1 == 1
        default: vrids.3 >> bit & 1 == 1
        }
    }

    /// Whether the filter would let this packet through whatever its luck; `message` is what follows the IP header.
    package func passes(_ message: Span<UInt8>, hopLimit: UInt8) -> Bool {
        guard message.count >= 8, hopLimit >= leastHops else { return false }
        return (message[0] == 0x31 || message[0] == 0x21) && expects(vrid: message[1])
    }

    package static func == (left: Self, right: Self) -> Bool {
        left.vrids == right.vrids && left.leastHops == right.leastHops
    }

    package func hash(into hasher: inout Hasher) {
        for part in [vrids.0, vrids.1, vrids.2, vrids.3] { hasher.combine(part) }
        hasher.combine(leastHops)
    }

    fileprivate var expected: vipd_expected {
        func low(_ part: UInt64) -> UInt32 { UInt32(truncatingIfNeeded: part) }
        func high(_ part: UInt64) -> UInt32 { UInt32(truncatingIfNeeded: part >> 32) }
        return vipd_expected(
            vrids: (
                low(vrids.0), high(vrids.0), low(vrids.1), high(vrids.1), low(vrids.2), high(vrids.2), low(vrids.3),
                high(vrids.3)
            ), first_octets: (0x31, 0x21), least_hops: leastHops)
    }
}

extension AdvertSocket {
    /// From now on only a sample of what `filter` does not expect comes in. Needs no privilege.
    package borrowing func sample(_ filter: FloodFilter) throws(SystemError) {
        var expected = filter.expected
        guard unsafe vipd_attach_filter(number, family == .ipv6, &expected, FloodFilter.sample) == 0 else {
            throw SystemError("setsockopt", "SO_ATTACH_FILTER, \(family) advert socket")
        }
    }

    /// Everything comes in again.
    package borrowing func letEverythingIn() { vipd_detach_filter(number) }
}
