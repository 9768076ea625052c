// Which process is behind a netlink port? /proc is memory of the kernel and never a disk, so the engine may look.

import Glibc
import System

/// `NetworkManager (process 812)`, or `process 812` when it is gone; empty when the port says nothing of a process.
func processName(ofPort port: UInt32) -> String {
    // A process' first socket has its number; libnl's further ones have it in the lower 22 bits. What the kernel gives to others is negative.
    let process = port & 0x3F_FFFF
    guard Int32(bitPattern: port) > 0, process > 0 else { return "" }
    let file = unsafe open("/proc/\(process)/comm", O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return "process \(process)" }
    let descriptor = Descriptor(taking: file)
    // TASK_COMM_LEN, with a newline at its end.
    var octets = [UInt8](repeating: 0, count: 16)
    let count = unsafe read(descriptor.number, &octets, octets.count)
    let name = octets.prefix(max(0, count)).prefix { $0 != UInt8(ascii: "\n") && $0 != 0 }
    let text = String(decoding: name.map { $0 >= 0x20 && $0 < 0x7F ? $0 : UInt8(ascii: "?") }, as: UTF8.self)
    return text.isEmpty ? "process \(process)" : "\(text) (process \(process))"
}
