// A libpcap handle on one interface, for the two things whole Ethernet frames are needed for: sending announcements and,
// in the command line, hearing answers. It knows nothing of what is in the frames.

import CPcap
import Glibc
import System

/// What a capture is opened for.
enum CapturePurpose {
    /// Takes no packet; the ring stays empty.
    case sending
    /// Takes the packets that come in and match a filter, into a ring of so many octets; in promiscuous mode (packet(7)) where it is to hear all.
    case receiving(CaptureFilter, ring: Int32, hearsAll: Bool)
}

enum CaptureFilter {
    /// In the language of pcap-filter(7).
    case text(String)
    case frames(TapFilter)
}

/// An activated libpcap handle, closed with its owner.
@safe
struct Capture: ~Copyable {
    let handle: OpaquePointer
    let interface: String

    /// Opens and activates. ENODEV without such an interface, ENETDOWN when it is down, EPERM without CAP_NET_RAW.
    init(interface: String, purpose: CapturePurpose) throws(SystemError) {
        let capture = try Capture(creating: interface)
        try capture.activate(purpose)
        self = capture
    }

    private init(creating interface: String) throws(SystemError) {
        var text = [CChar](repeating: 0, count: Int(PCAP_ERRBUF_SIZE))
        guard let handle = unsafe pcap_create(interface, &text) else {
            let words = String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            throw SystemError("pcap_create", "\(interface): \(words)", code: EIO)
        }
        unsafe self.handle = unsafe handle
        self.interface = interface
    }

    private borrowing func activate(_ purpose: CapturePurpose) throws(SystemError) {
        unsafe pcap_set_snaplen(handle, 128)
        unsafe pcap_set_timeout(handle, 1)
        // Without it a frame waits up to 100 ms in the ring before the descriptor becomes readable.
        unsafe pcap_set_immediate_mode(handle, 1)
        unsafe pcap_set_tstamp_precision(handle, PCAP_TSTAMP_PRECISION_NANO)
        switch purpose {
        case .sending:
            unsafe pcap_set_promisc(handle, 0)
            unsafe pcap_set_buffer_size(handle, 16_384)
        case .receiving(_, let ring, let hearsAll):
            unsafe pcap_set_promisc(handle, hearsAll ? 1 : 0)
            unsafe pcap_set_buffer_size(handle, ring)
        }
        let status = unsafe pcap_activate(handle)
        guard status >= 0 else { throw failure("pcap_activate", Self.code(of: status)) }
        var text = [CChar](repeating: 0, count: Int(PCAP_ERRBUF_SIZE))
        guard unsafe pcap_setnonblock(handle, 1, &text) == 0 else { throw failure("pcap_setnonblock", EIO) }
        switch purpose {
        case .sending:
            // Takes no packet at all: the ring stays empty.
            try install([bpf_insn(code: UInt16(BPF_RET), jt: 0, jf: 0, k: 0)])
        case .receiving(let filter, _, _):
            switch filter {
            case .text(let text): try install(text)
            case .frames(let filter):
                guard unsafe pcap_datalink(handle) == DLT_EN10MB else {
                    throw SystemError("pcap_datalink", "\(interface): no Ethernet", code: EPROTONOSUPPORT)
                }
                try install(filter.program)
            }
            guard unsafe pcap_setdirection(handle, PCAP_D_IN) == 0 else { throw failure("pcap_setdirection", EIO) }
        }
    }

    deinit { unsafe pcap_close(handle) }

    private borrowing func install(_ filter: String) throws(SystemError) {
        var program = unsafe bpf_program()
        guard unsafe pcap_compile(handle, &program, filter, 1, 0xFFFF_FFFF) == 0 else {
            throw failure("pcap_compile", EINVAL)
        }
        defer { unsafe pcap_freecode(&program) }
        guard unsafe pcap_setfilter(handle, &program) == 0 else { throw failure("pcap_setfilter", EIO) }
    }

    borrowing func install(_ instructions: [bpf_insn]) throws(SystemError) {
        var code = instructions
        let capture = unsafe handle
        let status = unsafe code.withUnsafeMutableBufferPointer { buffer in
            var program = unsafe bpf_program(bf_len: UInt32(buffer.count), bf_insns: buffer.baseAddress)
            return unsafe pcap_setfilter(capture, &program)
        }
        guard status == 0 else { throw failure("pcap_setfilter", EIO) }
    }

    /// An error with libpcap's words.
    borrowing func failure(_ call: String, _ code: Int32) -> SystemError {
        var words = interface
        if let text = unsafe pcap_geterr(handle) {
            let detail = unsafe String(cString: text)
            if !detail.isEmpty { words += ": \(detail)" }
        }
        return SystemError(call, words, code: code)
    }

    private static func code(of status: Int32) -> Int32 {
        switch status {
        case PCAP_ERROR_NO_SUCH_DEVICE: ENODEV
        case PCAP_ERROR_IFACE_NOT_UP: ENETDOWN
        case PCAP_ERROR_PERM_DENIED, PCAP_ERROR_PROMISC_PERM_DENIED: EPERM
        default: EIO
        }
    }
}
