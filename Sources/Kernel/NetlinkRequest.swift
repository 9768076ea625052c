// Requests on their way out: one owner for each message that libnl built, and one place for the pointers.

import CNetlink
import Glibc
import Wire

/// A message of libnl, freed with its owner.
@safe
struct NetlinkRequest: ~Copyable {
    /// What a request is about. Errors say it in words; those are made when there is an error, because the name of an interface costs as
    /// much as claiming an address.
    enum Subject {
        case interfaces
        case addresses
        case route(IPAddress)
        case neighbors(index: UInt32)
        case connections
        case routes
        case rules
        case routing(RoutingEntry)
        case address(InterfaceAddress, index: UInt32)
        case interface(UInt32)
        case named(String)

        var text: String {
            switch self {
            case .interfaces: "interfaces"
            case .addresses: "addresses"
            case .route(let address): "\(address)"
            case .connections: "TCP connections"
            case .neighbors(let index): "neighbours on \(Interface.name(of: index))"
            case .routes: "routes"
            case .rules: "rules"
            case .routing(let entry): "\(entry)"
            case .address(let address, let index): "\(address) on \(Interface.name(of: index))"
            case .interface(let index): Interface.name(of: index)
            case .named(let name): name
            }
        }
    }

    /// The request's name in rtnetlink(7) and what it is about, for errors.
    private let call: String
    private let subject: Subject
    private let message: OpaquePointer

    /// Throws ENOMEM when libnl could not build the message.
    init(_ call: String, _ subject: Subject, _ message: OpaquePointer?) throws(KernelError) {
        guard let message = unsafe message else { throw KernelError(call, subject.text, code: ENOMEM) }
        self.call = call
        self.subject = subject
        unsafe self.message = unsafe message
    }

    deinit { unsafe nlmsg_free(message) }

    /// Every interface, without its counters.
    static func linkDump() throws(KernelError) -> NetlinkRequest {
        unsafe try NetlinkRequest("RTM_GETLINK", .interfaces, vipd_build_link_dump())
    }

    /// Every address of a family on one interface, or (0) on all.
    static func addressDump(_ family: AddressFamily, index: UInt32) throws(KernelError) -> NetlinkRequest {
        unsafe try NetlinkRequest("RTM_GETADDR", .addresses, vipd_build_address_dump(family.domain, index))
    }

    /// How the kernel would reach `address`, by one interface or (0) by any.
    static func route(to address: IPAddress, by index: UInt32 = 0) throws(KernelError) -> NetlinkRequest {
        let message = unsafe address.octets.withUnsafeBytes { bytes in
            unsafe vipd_build_route_query(address.family.domain, bytes.baseAddress, bytes.count, index)
        }
        return unsafe try NetlinkRequest("RTM_GETROUTE", .route(address), message)
    }

    /// The neighbours of a family that the kernel knows on one interface.
    static func neighborDump(_ family: AddressFamily, index: UInt32) throws(KernelError) -> NetlinkRequest {
        unsafe try NetlinkRequest(
            "RTM_GETNEIGH", .neighbors(index: index), vipd_build_neighbor_dump(family.domain, index))
    }

    /// RTM_NEWADDR that creates and never replaces or, with `renewing`, gives a present address another lifetime (and creates a
    /// missing one: the kernel does not tell the two apart). `lifetime` is in seconds, nil for ever.
    static func add(
        _ wanted: InterfaceAddress, index: UInt32, flags: UInt32, _ options: AddressOptions, lifetime: UInt32?,
        renewing: Bool = false
    ) throws(KernelError) -> NetlinkRequest {
        let request = Int32(renewing ? NLM_F_REPLACE : NLM_F_CREATE | NLM_F_EXCL)
        // Said and not left out where it matters: a renewal without lifetimes would keep the old ones in IPv4.
        let valid = lifetime ?? (renewing || !options.isPreferred ? .max : 0)
        // Else equal, so that the address goes without having been deprecated first, which would change source addresses.
        let preferred = options.isPreferred ? valid : 0
        let message = unsafe wanted.address.octets.withUnsafeBytes { bytes in
            unsafe vipd_build_address_request(
                1, request, wanted.address.family.domain, bytes.baseAddress, bytes.count, Int32(wanted.prefixLength),
                index, flags, AddressTag.value, options.scope.rawValue, options.label, valid, preferred)
        }
        return unsafe try NetlinkRequest("RTM_NEWADDR", .address(wanted, index: index), message)
    }

    /// An RTM_NEWADDR that is none: the kernel acknowledges it and does nothing.
    static func void(_ address: InterfaceAddress) throws(KernelError) -> NetlinkRequest {
        let request = try add(address, index: 0, flags: 0, AddressOptions(), lifetime: 1)
        unsafe vipd_make_void(request.message)
        return request
    }

    /// RTM_DELADDR.
    static func remove(_ wanted: InterfaceAddress, index: UInt32) throws(KernelError) -> NetlinkRequest {
        let message = unsafe wanted.address.octets.withUnsafeBytes { bytes in
            unsafe vipd_build_address_request(
                0, 0, wanted.address.family.domain, bytes.baseAddress, bytes.count, Int32(wanted.prefixLength), index,
                0, 0, 0, nil, 0, 0)
        }
        return unsafe try NetlinkRequest("RTM_DELADDR", .address(wanted, index: index), message)
    }

    /// Puts more into the message; `body` is negative when libnl has no room for it.
    borrowing func extend(_ body: (OpaquePointer) -> Int32) throws(KernelError) {
        guard unsafe body(message) >= 0 else { throw failure(ENOMEM) }
    }

    /// Sends the message on a connected socket of libnl and returns the sequence number that its answers carry.
    borrowing func send(on socket: OpaquePointer) throws(KernelError) -> UInt32 {
        errno = 0
        let sent = unsafe nl_send_auto(socket, message)
        guard sent >= 0 else {
            let code = errno
            throw failure(code == 0 ? EIO : code, Self.errorText(sent))
        }
        return unsafe vipd_sequence(message)
    }

    /// An error about this request.
    borrowing func failure(_ code: Int32, _ explanation: String = "") -> KernelError {
        KernelError(call, subject.text, code: code, explanation: explanation)
    }

    private static func errorText(_ error: Int32) -> String {
        guard let text = unsafe nl_geterror(error) else { return "" }
        return unsafe String(cString: text)
    }
}

extension IPAddress {
    /// In network byte order.
    var octets: [UInt8] { (0..<family.addressLength).map { octet($0) } }
}
