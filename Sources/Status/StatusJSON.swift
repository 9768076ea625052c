// Between the status types and JSON text. The one place that uses FoundationEssentials: its coder is enough for documents
// of a few kilobytes, and full Foundation would cost 40 MB of binary.

import FoundationEssentials

/// An optional whose key is always there: nil is `null`, and a missing key is an error.
@propertyWrapper
package struct OrNull<Value: Hashable & Sendable & Codable>: Hashable, Sendable, Codable {
    package var wrappedValue: Value?

    package init(wrappedValue: Value?) { self.wrappedValue = wrappedValue }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        wrappedValue = container.decodeNil() ? nil : try container.decode(Value.self)
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        if let wrappedValue {
            try container.encode(wrappedValue)
        } else {
            try container.encodeNil()
        }
    }
}

/// JSON in one line: keys sorted, so that the same state always gives the same text; `/` is not escaped, so that prefixes
/// can be read.
///
/// - Throws: `EncodingError`, which no type of this module causes unless a number is not finite.
package func jsonText(_ value: some Encodable) throws -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return Array(try encoder.encode(value))
}

/// Reads what `jsonText` wrote.
///
/// - Throws: `DecodingError`.
package func decodeJSON<Value: Decodable>(_ type: Value.Type, from octets: [UInt8]) throws -> Value {
    try JSONDecoder().decode(type, from: Data(octets))
}
