// Hears whole Ethernet frames that come in on an interface and match a filter, by libpcap: answers to the probes of the
// command line, and what the engine overhears beside its sockets. Adverts are heard on sockets of their own.

import CPcap
import Glibc
import System

/// Incoming frames of one interface.
package struct FrameTap: ~Copyable {
    private let capture: Capture

    /// `filter` is in the language of pcap-filter(7), `ring` the octets that frames may wait in. EINVAL when it does not compile, ENODEV
    /// without such an interface, ENETDOWN when it is down, EPERM without CAP_NET_RAW.
    package init(interface: String, filter: String, ring: Int32 = 256 << 10) throws(SystemError) {
        capture = try Capture(interface: interface, purpose: .receiving(.text(filter), ring: ring, hearsAll: false))
    }

    /// The same with a filter of frames; EPROTONOSUPPORT on an interface that has none of Ethernet. With `hearsAll` the interface is in promiscuous
    /// mode as long as the tap is open: what others send to others is heard, where it comes here.
    package init(interface: String, filter: TapFilter, ring: Int32, hearsAll: Bool) throws(SystemError) {
        capture = try Capture(
            interface: interface, purpose: .receiving(.frames(filter), ring: ring, hearsAll: hearsAll))
    }

    /// Takes another filter. What passed the old one stays; of what comes in this moment a frame may be lost.
    package borrowing func change(to filter: TapFilter) throws(SystemError) { try capture.install(filter.program) }

    /// For poll and epoll; readable when a frame waits.
    package var number: Int32 { unsafe pcap_get_selectable_fd(capture.handle) }

    /// Calls `body` with the next frame that waits, at most its first 128 octets, and when the kernel received it
    /// (CLOCK_REALTIME, nanoseconds). False when none waits. Throws when the interface went away.
    package borrowing func next(_ body: (_ frame: Span<UInt8>, _ stamp: Int64) -> Void) throws(SystemError) -> Bool {
        var header: UnsafeMutablePointer<pcap_pkthdr>?
        var octets: UnsafePointer<UInt8>?
        let result = unsafe pcap_next_ex(capture.handle, &header, &octets)
        guard result >= 0 else { throw capture.failure("pcap_next_ex", ENETDOWN) }
        guard result == 1, let header = unsafe header?.pointee, let octets = unsafe octets else { return false }
        let frame = unsafe UnsafeBufferPointer(start: octets, count: Int(header.caplen))
        // The precision asked for makes the second field nanoseconds.
        let stamp = Int64(header.ts.tv_sec) * 1_000_000_000 + Int64(header.ts.tv_usec)
        unsafe body(frame.span, stamp)
        return true
    }
}
