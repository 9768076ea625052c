// Which frames the engine's tap of an interface lets through: claims of our addresses in ARP and neighbour discovery, adverts of those that
// are not known yet, and answers to our own echo requests. Whatever else is said on a segment, and however often, wakes nobody. A classic
// BPF program (pcap-filter(7) would take longer to compile than a takeover may last).

import CPcap
import Wire

/// The wanted frames of one interface.
package struct TapFilter: Hashable, Sendable {
    /// Who sends adverts from where.
    package struct Speaker: Hashable, Sendable {
        package var source: IPAddress
        package var hardware: MACAddress

        package init(source: IPAddress, hardware: MACAddress) {
            self.source = source
            self.hardware = hardware
        }
    }

    /// More addresses of a family than this are looked for as so many ranges, with some of others between them.
    package static let ranges = 48

    /// IPv6 addresses are looked for by their last 32 bits: who reads the frame looks at all of them.
    private var ipv4: [ClosedRange<UInt32>]
    private var ipv6: [ClosedRange<UInt32>]
    private var known: [Speaker]
    private var holder: MACAddress?
    private var echoes: UInt16

    /// Lets through who claims one of `addresses`, but for `holder`, adverts but for those of `known`, at most a few dozen, and
    /// echo replies with the identifier `echoes`.
    package init(
        claimsOf addresses: some Sequence<IPAddress>, exceptBy holder: MACAddress? = nil,
        advertsExceptOf known: [Speaker], echoes: UInt16
    ) {
        var (ipv4, ipv6): (Set<UInt32>, Set<UInt32>) = ([], [])
        for address in addresses {
            switch address {
            case .ipv4(let address): ipv4.insert(address.bits)
            case .ipv6(let address): ipv6.insert(UInt32(truncatingIfNeeded: address.low))
            }
        }
        self.ipv4 = Self.ranges(covering: ipv4)
        self.ipv6 = Self.ranges(covering: ipv6)
        self.known = known
        self.holder = holder
        self.echoes = echoes
    }

    /// The widest gaps are left out.
    private static func ranges(covering keys: Set<UInt32>) -> [ClosedRange<UInt32>] {
        let sorted = keys.sorted()
        guard var begin = sorted.first, let end = sorted.last else { return [] }
        var starts = Array(sorted.indices.dropFirst())
        if starts.count >= ranges {
            starts.sort { sorted[$0] - sorted[$0 - 1] > sorted[$1] - sorted[$1 - 1] }
            starts.removeLast(starts.count - ranges + 1)
            starts.sort()
        }
        var result: [ClosedRange<UInt32>] = []
        for start in starts {
            result.append(begin...sorted[start - 1])
            begin = sorted[start]
        }
        result.append(begin...end)
        return result
    }

    /// Whether the program lets this frame through, by libpcap's own interpreter.
    package func passes(_ frame: [UInt8]) -> Bool {
        let program = program
        let length = unsafe program.withUnsafeBufferPointer { code in
            unsafe frame.withUnsafeBufferPointer { octets in
                unsafe bpf_filter(
                    code.baseAddress, octets.baseAddress, UInt32(octets.count), UInt32(octets.count))
            }
        }
        return length > 0
    }
}

// MARK: - The program

/// Places in a frame, octets from its beginning.
private enum Place {
    static let type: UInt32 = 12
    static let hardware: UInt32 = 6
    static let arpSender: UInt32 = 28
    static let protocolIPv4: UInt32 = 23
    static let sourceIPv4: UInt32 = 26
    static let protocolIPv6: UInt32 = 20
    /// The last 32 bits.
    static let sourceIPv6: UInt32 = 34
    static let typeICMPv6: UInt32 = 54
    static let targetICMPv6: UInt32 = 74
    static let identifierICMPv6: UInt32 = 58
    static let headerIPv4: UInt32 = 14
    static let typeICMP: UInt32 = 34
    static let identifierICMP: UInt32 = 38
}

extension TapFilter {
    private typealias Code = [bpf_insn]

    /// Jumps are counted from the next instruction, and conditional ones reach no further than 255: so they only ever pass over
    /// what stands beside them, and long ways are unconditional.
    var program: [bpf_insn] {
        let arp = claims(ipv4, at: Place.arpSender)
        let version6 = version6
        var code: Code = [
            load(half: Place.type),
            equal(UInt32(EtherType.arp), else: 1), pass(5),
            equal(UInt32(EtherType.ipv6), else: 1), pass(3 + arp.count),
            equal(UInt32(EtherType.ipv4), else: 1), pass(1 + arp.count + version6.count),
            drop,
        ]
        let answers = answers([
            (load(byte: Place.headerIPv4), 0x45), (load(half: Place.typeICMP), 0),
            (load(half: Place.identifierICMP), UInt32(echoes)),
        ])
        let version4: Code = [
            load(byte: Place.protocolIPv4), equal(UInt32(vrrpProtocolNumber), else: 1), pass(3 + answers.count),
            equal(1, else: 1), pass(1), drop,
        ]
        code += arp
        code += version6
        code += version4
        code += answers
        code += adverts(.ipv4, sourceAt: Place.sourceIPv4)
        return code
    }

    private var version6: Code {
        let advertisement = claims(ipv6, at: Place.targetICMPv6)
        let solicitation = claims(ipv6, at: Place.sourceIPv6)
        let answers = answers([
            (load(half: Place.typeICMPv6), 129 << 8), (load(half: Place.identifierICMPv6), UInt32(echoes)),
        ])
        let toAdverts = 11 + advertisement.count + solicitation.count + answers.count
        var code: Code = [
            load(byte: Place.protocolIPv6), equal(UInt32(vrrpProtocolNumber), else: 1), pass(toAdverts),
            equal(58, else: 1), pass(1), drop, load(byte: Place.typeICMPv6),
            equal(136, else: 1), pass(5), equal(135, else: 1), pass(3 + advertisement.count),
            equal(129, else: 1), pass(1 + advertisement.count + solicitation.count), drop,
        ]
        code += advertisement
        code += solicitation
        code += answers
        code += adverts(.ipv6, sourceAt: Place.sourceIPv6)
        return code
    }

    private func claims(_ ranges: [ClosedRange<UInt32>], at place: UInt32) -> Code {
        var code: Code = []
        if let holder { code += isFrom(holder) + [drop] }
        code.append(load(word: place))
        for range in ranges {
            code.append(atLeast(range.lowerBound, else: 2))
            code.append(notAbove(range.upperBound, else: 1))
            code.append(keep)
        }
        code.append(drop)
        return code
    }

    /// Keeps what has all these values, and drops the rest.
    private func answers(_ values: [(load: bpf_insn, value: UInt32)]) -> Code {
        var code: Code = []
        for (place, wanted) in values.enumerated() {
            code += [wanted.load, equal(wanted.value, else: UInt8(2 * (values.count - place) - 1))]
        }
        return code + [keep, drop]
    }

    private func adverts(_ family: AddressFamily, sourceAt place: UInt32) -> Code {
        var code: Code = []
        for speaker in known where speaker.source.family == family {
            let source: UInt32 =
                switch speaker.source {
                case .ipv4(let address): address.bits
                case .ipv6(let address): UInt32(truncatingIfNeeded: address.low)
                }
            code += [load(word: place), equal(source, else: 5)]
            code += isFrom(speaker.hardware)
            code.append(drop)
        }
        code.append(keep)
        return code
    }

    /// Goes on with the one instruction behind it for frames from there, and passes over it for others.
    private func isFrom(_ hardware: MACAddress) -> Code {
        [
            load(half: Place.hardware), equal(UInt32(hardware.bits >> 32), else: 3),
            load(word: Place.hardware + 2), equal(UInt32(truncatingIfNeeded: hardware.bits), else: 1),
        ]
    }

    // MARK: Instructions

    private func load(word place: UInt32) -> bpf_insn { instruction(BPF_LD | BPF_W | BPF_ABS, place) }
    private func load(half place: UInt32) -> bpf_insn { instruction(BPF_LD | BPF_H | BPF_ABS, place) }
    private func load(byte place: UInt32) -> bpf_insn { instruction(BPF_LD | BPF_B | BPF_ABS, place) }

    /// Goes on with the next instruction, or passes over so many.
    private func equal(_ value: UInt32, else skipped: UInt8) -> bpf_insn {
        instruction(BPF_JMP | BPF_JEQ, value, ifNot: skipped)
    }
    private func atLeast(_ value: UInt32, else skipped: UInt8) -> bpf_insn {
        instruction(BPF_JMP | BPF_JGE, value, ifNot: skipped)
    }
    private func notAbove(_ value: UInt32, else skipped: UInt8) -> bpf_insn {
        instruction(BPF_JMP | BPF_JGT, value, ifSo: skipped)
    }

    private func pass(_ count: Int) -> bpf_insn { instruction(BPF_JMP | BPF_JA, UInt32(count)) }
    private var keep: bpf_insn { instruction(BPF_RET, 0x40000) }
    private var drop: bpf_insn { instruction(BPF_RET, 0) }

    /// With the constant as operand, which BPF_K, a zero, stands for.
    private func instruction(_ code: Int32, _ value: UInt32, ifSo: UInt8 = 0, ifNot: UInt8 = 0) -> bpf_insn {
        bpf_insn(code: UInt16(code), jt: ifSo, jf: ifNot, k: value)
    }
}
