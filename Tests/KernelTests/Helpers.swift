// What several of these tests need. They are functions because closures inside #expect are not safe: where a function has
// several, the compiler may call another one of them (Swift 6.3.1).

import Glibc
import Kernel
import Namespaces
import System
import Wire

/// The index of an interface of the thread's namespace.
func index(of name: String) throws -> UInt32 {
    let index = unsafe if_nametoindex(name)
    guard index != 0 else { throw SystemError("if_nametoindex", name) }
    return index
}

extension [LinkState] {
    func named(_ name: String) -> LinkState? { first { $0.name == name } }
}

extension [AddressState] {
    /// Every entry for this address, whatever its prefix.
    func entries(for address: IPAddress) -> [AddressState] { filter { $0.address.address == address } }

    /// The entry for exactly this address and prefix.
    func entry(for address: InterfaceAddress) -> AddressState? { first { $0.address == address } }
}

/// Throws when the interface has no carrier after some seconds.
func waitForCarrier(_ name: String, _ requests: borrowing NetlinkRequests) throws {
    for _ in 0..<600 {
        if try requests.links().named(name)?.hasCarrier == true { return }
        usleep(5_000)
    }
    throw LabError("no carrier on \(name)")
}

/// The error that `body` throws, or nil.
func refusal(_ body: () throws(KernelError) -> Void) -> KernelError? {
    do throws(KernelError) {
        try body()
        return nil
    } catch {
        return error
    }
}
