// The asking side of rtnetlink for whole interfaces: macvlans for virtual hardware addresses, and the settings of an interface that they need.
// Which there are to be, and when they are up, is decided elsewhere.

import CNetlink
import Glibc
import System
import Wire

extension NetlinkRequests {
    /// One interface; nil when there is none of this index.
    package borrowing func link(_ index: UInt32) throws(KernelError) -> LinkState? {
        try link(asking: NetlinkRequest.link(index, Int32(RTM_GETLINK)))
    }

    /// One interface; nil when there is none of this name.
    package borrowing func link(named name: String) throws(KernelError) -> LinkState? {
        try link(asking: NetlinkRequest.link(named: name))
    }

    private borrowing func link(asking request: consuming NetlinkRequest) throws(KernelError) -> LinkState? {
        var answers: [UInt8] = []
        if let refusal = try exchange(request, keeping: &answers) {
            if refusal.code == ENODEV { return nil }
            throw refusal
        }
        var events: [KernelEvent] = []
        NetlinkParser.parse(answers.span, into: &events)
        for event in events { if case .link(let link) = event { return link } }
        return nil
    }

    /// Makes the macvlan of a virtual hardware address: in bridge mode, so that the interface below hears adverts whatever becomes of it (checklist
    /// LX-22), and down. EEXIST when there is something of its name.
    package borrowing func make(_ key: VirtualLinkKey) throws(KernelError) {
        try perform(try NetlinkRequest.macvlan(key))
    }

    /// Sets IFF_UP, or takes it away, which takes a macvlan some 10 ms.
    package borrowing func set(_ index: UInt32, up: Bool) throws(KernelError) {
        try perform(try NetlinkRequest.set(index, up: up))
    }

    /// RTM_DELLINK; success too when there is none. It takes some 20 ms.
    package borrowing func removeLink(_ index: UInt32) throws(KernelError) {
        do throws(KernelError) {
            try perform(try NetlinkRequest.link(index, Int32(RTM_DELLINK)))
        } catch {
            if error.code != ENODEV { throw error }
        }
    }

    package borrowing func describe(_ index: UInt32, as alias: String) throws(KernelError) {
        try perform(try NetlinkRequest.describe(index, alias))
    }

    /// IPv6 is not to make addresses of its own there (checklist LX-33). Success too where there is no IPv6.
    package borrowing func makeNoAddresses(on index: UInt32) throws(KernelError) {
        do throws(KernelError) {
            try perform(try NetlinkRequest.makeNoAddresses(on: index))
        } catch {
            if error.code != EAFNOSUPPORT { throw error }
        }
    }

    /// Sets those of these that are others, and reads them back: EPERM when one is not as wanted afterwards.
    package borrowing func set(_ settings: [(IPv4Setting, UInt32)], on index: UInt32) throws(KernelError) {
        let before = try self.settings(of: index)
        let wrong = settings.filter { before($0.0) != $0.1 }
        guard !wrong.isEmpty else { return }
        try perform(try NetlinkRequest.set(wrong, on: index))
        let found = try self.settings(of: index)
        for (setting, value) in settings where found(setting) != value {
            let text = "\(setting) on \(Interface.name(of: index))"
            throw KernelError("RTM_SETLINK", text, code: EPERM, explanation: "it is still \(found(setting) ?? 0)")
        }
    }

    /// The IPv4 settings of an interface, of which none is there without IPv4.
    package borrowing func settings(of index: UInt32) throws(KernelError) -> (IPv4Setting) -> UInt32? {
        let answers = try answers(to: try NetlinkRequest.link(index, Int32(RTM_GETLINK)))
        let values = NetlinkParser.ipv4Settings(answers.span)
        return { setting in
            // They are counted from one.
            let place = Int(setting.rawValue) - 1
            return place < values.count ? values[place] : nil
        }
    }

    /// Writes a setting of IPv6 where it is another; false where that is not permitted or there is no IPv6.
    package borrowing func set(_ setting: IPv6Setting, _ value: UInt8, on interface: String) -> Bool {
        let path = "/proc/sys/net/ipv6/conf/\(interface)/\(setting.rawValue)"
        let number = unsafe open(path, O_WRONLY | O_CLOEXEC)
        guard number >= 0 else { return false }
        let file = Descriptor(taking: number)
        let text = Array(String(value).utf8)
        return unsafe write(file.number, text, text.count) == text.count
    }

    private borrowing func perform(_ request: consuming NetlinkRequest) throws(KernelError) {
        _ = try answers(to: request)
    }
}

extension NetlinkRequest {
    static func link(_ index: UInt32, _ type: Int32) throws(KernelError) -> NetlinkRequest {
        unsafe try NetlinkRequest(callName(type), .interface(index), vipd_build_link_request(type, index, nil, 0, 0))
    }

    static func link(named name: String) throws(KernelError) -> NetlinkRequest {
        unsafe try NetlinkRequest(
            "RTM_GETLINK", .named(name), vipd_build_link_request(Int32(RTM_GETLINK), 0, name, 0, 0))
    }

    static func macvlan(_ key: VirtualLinkKey) throws(KernelError) -> NetlinkRequest {
        let octets = (0..<6).map { key.hardware.octet($0) }
        let message = unsafe octets.withUnsafeBytes { bytes in
            unsafe vipd_build_macvlan(key.name, key.parent, bytes.baseAddress)
        }
        return unsafe try NetlinkRequest("RTM_NEWLINK", .named(key.name), message)
    }

    static func set(_ index: UInt32, up: Bool) throws(KernelError) -> NetlinkRequest {
        let flag: UInt32 = 1  // IFF_UP
        let message = unsafe vipd_build_link_request(Int32(RTM_SETLINK), index, nil, up ? flag : 0, flag)
        return unsafe try NetlinkRequest("RTM_SETLINK", .interface(index), message)
    }

    static func describe(_ index: UInt32, _ alias: String) throws(KernelError) -> NetlinkRequest {
        let request = try link(index, Int32(RTM_SETLINK))
        unsafe try request.extend { message in unsafe vipd_add_alias(message, alias, alias.utf8.count) }
        return request
    }

    static func set(_ settings: [(IPv4Setting, UInt32)], on index: UInt32) throws(KernelError) -> NetlinkRequest {
        let request = try link(index, Int32(RTM_SETLINK))
        let pairs = settings.flatMap { [$0.0.rawValue, $0.1] }
        unsafe try request.extend { message in unsafe vipd_add_ipv4_settings(message, pairs, settings.count) }
        return request
    }

    static func makeNoAddresses(on index: UInt32) throws(KernelError) -> NetlinkRequest {
        let request = try link(index, Int32(RTM_SETLINK))
        unsafe try request.extend { message in unsafe vipd_add_no_own_addresses(message) }
        return request
    }

    private static func callName(_ type: Int32) -> String {
        switch type {
        case Int32(RTM_GETLINK): "RTM_GETLINK"
        case Int32(RTM_DELLINK): "RTM_DELLINK"
        default: "RTM_SETLINK"
        }
    }
}
