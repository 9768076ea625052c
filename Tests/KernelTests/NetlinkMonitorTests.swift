// Events of interfaces and addresses as the real kernel sends them.

import Glibc
import Kernel
import Namespaces
import Testing
import Wire

/// Gathers events until one fits, at most three seconds. (Its closures stay outside of #expect: the compiler gives a
/// closure inside of it the name of another one in the same function, and then calls that.)
private func event(
    from monitor: borrowing NetlinkMonitor, into all: inout [KernelEvent], _ fits: (KernelEvent) -> Bool
) throws -> KernelEvent? {
    for _ in 0..<60 {
        var events: [KernelEvent] = []
        try monitor.receive(into: &events)
        all += events
        if let found = events.first(where: fits) { return found }
        _ = isReadable(monitor.number, within: 50)
    }
    return nil
}

extension KernelEvent {
    fileprivate var link: LinkState? { if case .link(let link) = self { link } else { nil } }
    fileprivate var isRemoval: Bool {
        switch self {
        case .linkRemoved, .addressRemoved: true
        default: false
        }
    }
}

@Suite(.enabled(if: canMakeNamespaces))
struct NetlinkMonitorTests {
    @Test("An interface that goes down and up again is heard of")
    func downAndUp() async throws {
        try await withTwoHosts { _ in
            let monitor = try NetlinkMonitor()
            var all: [KernelEvent] = []
            try sh("ip link set va down")
            let down = try event(from: monitor, into: &all) { $0.link?.name == "va" && $0.link?.isUp == false }
            #expect(down != nil)
            try sh("ip link set va up")
            let up = try event(from: monitor, into: &all) {
                $0.link?.name == "va" && $0.link?.isUp == true && $0.link?.hasCarrier == true
            }
            #expect(up != nil)
        }
    }

    @Test("Carrier is lost and found while the interface stays up")
    func carrier() async throws {
        try await withTwoHosts { hosts in
            let monitor = try NetlinkMonitor()
            var all: [KernelEvent] = []
            try hosts.onB { _ = try sh("ip link set vb down") }
            let lost = try event(from: monitor, into: &all) { $0.link?.name == "va" && $0.link?.hasCarrier == false }
            #expect(lost?.link?.isUp == true)
            try hosts.onB { _ = try sh("ip link set vb up") }
            let found = try event(from: monitor, into: &all) { $0.link?.name == "va" && $0.link?.hasCarrier == true }
            #expect(found != nil)
        }
    }

    @Test("Addresses come and go, first the addresses of a deleted interface and then the interface")
    func addresses() async throws {
        try await withTwoHosts { _ in
            let monitor = try NetlinkMonitor()
            var all: [KernelEvent] = []
            let index = unsafe if_nametoindex("va")
            let requests = try NetlinkRequests()
            let wanted = try #require(InterfaceAddress("10.9.0.100/32"))
            try requests.add(wanted, index: index)
            let added = try event(from: monitor, into: &all) {
                if case .address(let state) = $0 { state.address == wanted && state.isOurs } else { false }
            }
            #expect(added != nil)
            try sh("ip address del 10.9.0.100/32 dev va")
            let removed = try event(from: monitor, into: &all) {
                if case .addressRemoved(let state, _) = $0 { state.address == wanted && state.isOurs } else { false }
            }
            #expect(removed != nil)
            all = []
            try sh("ip link delete va")
            let gone = KernelEvent.linkRemoved(index: index, name: "va")
            let heard = try event(from: monitor, into: &all) { $0 == gone }
            #expect(heard != nil)
            let lastAddress = all.lastIndex { if case .addressRemoved = $0 { true } else { false } }
            let removal = all.firstIndex(of: gone)
            #expect(try #require(lastAddress) < (try #require(removal)))
        }
    }

    @Test(
        "A renewed lifetime of ours is not heard of, what else happens to the address is",
        arguments: [("10.9.0.100/32", true), ("2001:db8::100/128", true), ("2001:db8::100/128", false)])
    func renewals(text: String, isPreferred: Bool) async throws {
        try await withTwoHosts { _ in
            let monitor = try NetlinkMonitor()
            let index = unsafe if_nametoindex("va")
            let requests = try NetlinkRequests()
            let wanted = try #require(InterfaceAddress(text))
            let options = AddressOptions(isPreferred: isPreferred)
            func isOf(_ event: KernelEvent) -> Bool {
                if case .address(let state) = event { state.address == wanted } else { false }
            }
            var all: [KernelEvent] = []
            try requests.add(wanted, index: index, options, lifetime: 30)
            let added = try event(from: monitor, into: &all, isOf)
            #expect(added != nil)
            // The kernel's stamps are hundredths of a second.
            for _ in 0..<10 {
                usleep(20_000)
                try requests.renew(wanted, index: index, options, lifetime: 30)
            }
            all = []
            // Somebody else's change, which takes the tag away.
            try sh("ip address change \(text) dev va valid_lft 40 preferred_lft 40")
            let changed = try event(from: monitor, into: &all, isOf)
            #expect(changed != nil)
            let heard = all.count(where: isOf)
            #expect(heard == 1)
            try sh("ip address del \(text) dev va")
            let removed = try event(from: monitor, into: &all) { if case .addressRemoved = $0 { true } else { false } }
            #expect(removed != nil)
        }
    }

    @Test("A port that leaves a bridge is not taken for a removed interface")
    func bridgePort() async throws {
        try await withTwoHosts { _ in
            try sh("ip link add br0 type bridge; ip link set va master br0")
            let monitor = try NetlinkMonitor()
            var all: [KernelEvent] = []
            try sh("ip link set va nomaster; ip link set va mtu 1300")
            let changed = try event(from: monitor, into: &all) { $0.link?.mtu == 1300 }
            #expect(changed != nil)
            let removals = all.filter(\.isRemoval)
            #expect(removals == [])
        }
    }

    @Test("A full queue is told as lost events, and events go on afterwards")
    func lostEvents() async throws {
        try await withTwoHosts { _ in
            let monitor = try NetlinkMonitor(receiveQueue: 2048)
            let index = unsafe if_nametoindex("va")
            let requests = try NetlinkRequests()
            for number in 1...100 {
                let host = IPAddress.ipv4(IPv4Address(10, 10, 0, UInt8(number)))
                try requests.add(InterfaceAddress(address: host, prefixLength: 32), index: index)
            }
            var all: [KernelEvent] = []
            let lost = try event(from: monitor, into: &all) { $0 == .eventsLost }
            #expect(lost != nil)
            try sh("ip link set va mtu 1300")
            let changed = try event(from: monitor, into: &all) { $0.link?.mtu == 1300 }
            #expect(changed != nil)
            #expect(try requests.addresses(on: index).filter(\.isOurs).count == 100)
        }
    }
}
