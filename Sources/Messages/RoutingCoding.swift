// The binary form of routes and rules, in configurations, snapshots, faults and notices.

import Election
import Wire

extension RoutingEntry {
    func write(to writer: inout Writer) {
        switch self {
        case .route(let route):
            writer.write(UInt8(1))
            route.write(to: &writer)
        case .rule(let rule):
            writer.write(UInt8(2))
            rule.write(to: &writer)
        }
    }

    init(from reader: inout Reader) throws(MessageError) {
        switch try reader.byte() {
        case 1: self = .route(try Route(from: &reader))
        case 2: self = .rule(try PolicyRule(from: &reader))
        case let other: throw .unknown(other)
        }
    }
}

extension Route {
    func write(to writer: inout Writer) {
        writer.write(destination)
        writer.write(gateway) { $0.write($1) }
        writer.write(device)
        writer.write(source) { $0.write($1) }
        writer.write(table)
        writer.write(metric)
        writer.write(scope.rawValue)
        writer.write(isOnLink)
    }

    init(from reader: inout Reader) throws(MessageError) {
        let destination = try reader.interfaceAddress()
        let gateway = try reader.optional { reader throws(MessageError) in try reader.address() }
        let device = try reader.text()
        let source = try reader.optional { reader throws(MessageError) in try reader.address() }
        let table = try reader.integer(UInt32.self)
        let metric = try reader.integer(UInt32.self)
        let number = try reader.byte()
        guard let scope = AddressOptions.Scope(rawValue: number) else { throw .unknown(number) }
        self.init(
            destination: destination, gateway: gateway, device: device, source: source, table: table, metric: metric,
            scope: scope, isOnLink: try reader.bool())
    }
}

extension PolicyRule {
    func write(to writer: inout Writer) {
        writer.write(family.rawValue)
        writer.write(priority)
        writer.write(from) { $0.write($1) }
        writer.write(to) { $0.write($1) }
        writer.write(table)
    }

    init(from reader: inout Reader) throws(MessageError) {
        let family = try reader.family()
        let priority = try reader.integer(UInt32.self)
        let from = try reader.optional { reader throws(MessageError) in try reader.interfaceAddress() }
        let to = try reader.optional { reader throws(MessageError) in try reader.interfaceAddress() }
        self.init(family: family, priority: priority, from: from, to: to, table: try reader.integer(UInt32.self))
    }
}
