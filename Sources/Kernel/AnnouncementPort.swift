// Where announcements leave: whole Ethernet frames (gratuitous ARP, neighbour advertisements, RARP) sent by libpcap. It
// hears nothing, so it needs no attention between sends.

import CPcap
import Glibc
import System

/// Sends Ethernet frames out of one interface.
///
/// It can only be opened while the interface is up; it survives the interface going down and up again, not its removal.
package struct AnnouncementPort: ~Copyable {
    private let capture: Capture

    /// ENODEV without such an interface, ENETDOWN when it is down, EPERM without CAP_NET_RAW.
    package init(interface: String) throws(SystemError) {
        capture = try Capture(interface: interface, purpose: .sending)
    }

    /// Sends one frame from its destination address to its last octet, without padding or checksum.
    ///
    /// ENETDOWN when the interface is down, ENXIO when it is gone, ENOBUFS when its queue is full.
    package borrowing func send(frame: [UInt8]) throws(SystemError) {
        var code: Int32 = 0
        // The first send after the interface came back reports that it had been away.
        for _ in 0..<2 {
            code = unsafe frame.withUnsafeBytes { bytes in
                unsafe vipd_inject(capture.handle, bytes.baseAddress, bytes.count)
            }
            if code == 0 { return }
        }
        throw SystemError("pcap_inject", capture.interface, code: code)
    }
}
