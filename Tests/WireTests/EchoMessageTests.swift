// Echo messages: what is sent is what is read, and what is no whole, correct message is nothing. That other programs read them is for the
// namespaces, where the kernel answers them.

import Testing
import Wire

private let mine = MACAddress(2, 0, 0, 0, 0, 1)
private let theirs = MACAddress(2, 0, 0, 0, 0, 2)

private func address(_ number: Int, _ family: AddressFamily) -> IPAddress {
    family == .ipv4
        ? .ipv4(IPv4Address(bits: 0xC000_0200 + UInt32(number)))
        : .ipv6(IPv6Address(high: 0x2001_0DB8 << 32, low: UInt64(number)))
}

// The testing macros cannot hold a span.
private func read(_ frame: [UInt8]) -> EchoMessage? { EchoMessage(frame: frame.span) }
private func overheard(_ frame: [UInt8]) -> Overheard? { Overheard(frame: frame.span) }

@Suite struct EchoMessageTests {
    private func message(_ kind: EchoMessage.Kind, _ family: AddressFamily) -> EchoMessage {
        EchoMessage(kind, from: address(10, family), to: address(1, family), identifier: 0xABCD, sequence: 0x1234)
    }

    @Test(arguments: [EchoMessage.Kind.request, .reply], AddressFamily.allCases)
    func `what is sent is read again, padded or with data behind it`(_ kind: EchoMessage.Kind, _ family: AddressFamily)
    {
        let sent = message(kind, family)
        let frame = sent.frame(from: mine, to: theirs)
        #expect(EthernetHeader(frame: frame.span)?.source == mine && frame.count == (family == .ipv4 ? 42 : 62))
        #expect(read(frame) == sent)
        #expect(read(frame + [UInt8](repeating: 0, count: 18)) == sent)
        #expect(overheard(frame) == (kind == .reply ? .answer(sent, at: theirs) : nil))
    }

    @Test func `the octets are those of RFC 792`() {
        let frame = message(.request, .ipv4).frame(from: mine, to: theirs)
        #expect(
            frame[14...] == [
                0x45, 0, 0, 28, 0, 0, 0x40, 0, 64, 1, 0xB6, 0xD5, 192, 0, 2, 10, 192, 0, 2, 1,
                8, 0, 0x39, 0xFE, 0xAB, 0xCD, 0x12, 0x34,
            ])
    }

    @Test(arguments: AddressFamily.allCases)
    func `cut short, of another kind, a fragment, or with a wrong checksum it is nothing`(_ family: AddressFamily) {
        let frame = message(.reply, family).frame(from: mine, to: theirs)
        for length in 0..<frame.count { #expect(read(Array(frame.prefix(length))) == nil) }
        for place in 14..<frame.count where place != 15 && !(family == .ipv4 && (18...19).contains(place)) {
            var broken = frame
            broken[place] ^= 0x21
            // Of the IPv4 header only the addresses and what says that it is an echo message are looked at; a hop limit is not.
            let changed = read(broken)
            #expect(changed == nil || changed != message(.reply, family) || (14..<54).contains(place), "octet \(place)")
        }
        var broken = frame
        broken[frame.count - 1] ^= 1
        #expect(read(broken) == nil)
        guard family == .ipv4 else { return }
        var fragment = frame
        fragment[20] = 0x20
        #expect(read(fragment) == nil)
    }
}
