// Settings of the host that vipd leaves alone and that spoil what is configured: worth a warning when a configuration comes into force. It changes
// nothing.

import Configuration
import Glibc
import System

enum HostSettings {
    /// What is wrong with this host for `configuration`, as sentences.
    static func warnings(for configuration: Configuration) -> [String] {
        guard configuration.routers.contains(where: { $0.election.usesVirtualMAC }), number(allReversePaths) == 1 else {
            return []
        }
        return [
            "\(allReversePaths) is 1, which no interface can undo: nobody gets an answer from a virtual hardware address"
                + " (virtual-mac); set it to 0, or to 2"
        ]
    }

    private static let allReversePaths = "net.ipv4.conf.all.rp_filter"

    /// The value of a setting by its name in sysctl(8), if it is a number of one digit.
    private static func number(_ name: String) -> UInt8? {
        let path = "/proc/sys/" + name.split(separator: ".").joined(separator: "/")
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        let file = Descriptor(taking: descriptor)
        var octet: UInt8 = 0
        guard unsafe read(file.number, &octet, 1) == 1, octet >= UInt8(ascii: "0") else { return nil }
        return octet - UInt8(ascii: "0")
    }
}
