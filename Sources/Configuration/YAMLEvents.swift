// The boundary to libyaml: its parser as a stream of Swift values. All unsafe memory of this target that is not a system
// call is here. It knows YAML, and nothing of what the words in the file mean.

import CLibYAML

/// Line and column as libyaml counts them, moved to start at 1.
struct YAMLMark {
    var line: Int
    var column: Int
}

/// The text is no YAML.
struct YAMLSyntaxError: Error {
    var mark: YAMLMark
    var message: String
}

/// One parsing event, without what this agent has no use for.
struct YAMLEvent {
    enum Kind {
        case streamStart
        case streamEnd
        /// `hasTagDirective`: the document began with `%TAG`.
        case documentStart(hasTagDirective: Bool)
        case documentEnd
        case alias(String)
        /// `isPlain`: written without quotes.
        case scalar(String, isPlain: Bool)
        case sequenceStart
        case sequenceEnd
        case mappingStart
        case mappingEnd
    }

    var kind: Kind
    var mark: YAMLMark
    var anchor: String?
    var tag: String?
}

/// Pulls events out of a text. The text is copied, because libyaml reads it while events are asked for.
@safe struct YAMLEvents: ~Copyable {
    /// On the heap: libyaml keeps pointers into it.
    private let parser: UnsafeMutablePointer<yaml_parser_t>
    private let input: UnsafeMutableBufferPointer<UInt8>

    /// Only when memory has run out.
    init(_ text: [UInt8]) throws(YAMLSyntaxError) {
        unsafe parser = .allocate(capacity: 1)
        unsafe input = .allocate(capacity: max(text.count, 1))
        _ = unsafe input.initialize(from: text)
        guard unsafe yaml_parser_initialize(parser) == 1 else {
            unsafe parser.deallocate()
            unsafe input.deallocate()
            throw YAMLSyntaxError(mark: YAMLMark(line: 1, column: 1), message: "out of memory")
        }
        unsafe yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING)
        unsafe yaml_parser_set_input_string(parser, input.baseAddress, text.count)
    }

    deinit {
        unsafe yaml_parser_delete(parser)
        unsafe parser.deallocate()
        unsafe input.deallocate()
    }

    /// The next event. Must not be called again after an error or the end of the stream.
    mutating func next() throws(YAMLSyntaxError) -> YAMLEvent {
        var event = unsafe yaml_event_t()
        guard unsafe yaml_parser_parse(parser, &event) == 1 else { throw syntaxError() }
        defer { unsafe yaml_event_delete(&event) }
        let mark = unsafe YAMLMark(line: event.start_mark.line + 1, column: event.start_mark.column + 1)
        var result = YAMLEvent(kind: .streamEnd, mark: mark, anchor: nil, tag: nil)
        switch unsafe event.type {
        case YAML_STREAM_START_EVENT:
            result.kind = .streamStart
        case YAML_DOCUMENT_START_EVENT:
            let directives = unsafe event.data.document_start.tag_directives
            result.kind = unsafe .documentStart(hasTagDirective: directives.start != directives.end)
        case YAML_DOCUMENT_END_EVENT:
            result.kind = .documentEnd
        case YAML_ALIAS_EVENT:
            result.kind = unsafe .alias(Self.text(event.data.alias.anchor) ?? "")
        case YAML_SCALAR_EVENT:
            let scalar = unsafe event.data.scalar
            let octets = unsafe UnsafeBufferPointer(start: scalar.value, count: scalar.length)
            result.kind = unsafe .scalar(
                String(decoding: octets, as: UTF8.self), isPlain: scalar.style == YAML_PLAIN_SCALAR_STYLE)
            result.anchor = unsafe Self.text(scalar.anchor)
            result.tag = unsafe Self.text(scalar.tag)
        case YAML_SEQUENCE_START_EVENT:
            result.kind = .sequenceStart
            result.anchor = unsafe Self.text(event.data.sequence_start.anchor)
            result.tag = unsafe Self.text(event.data.sequence_start.tag)
        case YAML_SEQUENCE_END_EVENT:
            result.kind = .sequenceEnd
        case YAML_MAPPING_START_EVENT:
            result.kind = .mappingStart
            result.anchor = unsafe Self.text(event.data.mapping_start.anchor)
            result.tag = unsafe Self.text(event.data.mapping_start.tag)
        case YAML_MAPPING_END_EVENT:
            result.kind = .mappingEnd
        default:
            result.kind = .streamEnd
        }
        return result
    }

    private static func text(_ pointer: UnsafeMutablePointer<yaml_char_t>?) -> String? {
        guard let pointer = unsafe pointer else { return nil }
        return unsafe String(cString: pointer)
    }

    /// libyaml's words, with the place that they are about.
    private func syntaxError() -> YAMLSyntaxError {
        let state = unsafe parser.pointee
        guard unsafe state.error != YAML_MEMORY_ERROR, let problem = unsafe state.problem else {
            return YAMLSyntaxError(mark: YAMLMark(line: 1, column: 1), message: "out of memory")
        }
        var message = unsafe String(cString: problem)
        if unsafe state.error == YAML_READER_ERROR {
            // The marks are empty here; only the offset in octets is known.
            return unsafe YAMLSyntaxError(mark: mark(offset: state.problem_offset), message: message)
        }
        if message == "found character that cannot start any token" {
            message += " (a tab, or text that begins with @, ` or %: indent with spaces, quote the text)"
        }
        if let context = unsafe state.context {
            message += unsafe " \(String(cString: context)) that begins on line \(state.context_mark.line + 1)"
        }
        return unsafe YAMLSyntaxError(
            mark: YAMLMark(line: state.problem_mark.line + 1, column: state.problem_mark.column + 1),
            message: message)
    }

    /// The line and column of an offset in octets; continuation octets of UTF-8 do not count.
    private func mark(offset: Int) -> YAMLMark {
        var mark = YAMLMark(line: 1, column: 1)
        for index in 0..<(unsafe min(offset, input.count)) {
            let octet = unsafe input[index]
            if octet == UInt8(ascii: "\n") {
                mark.line += 1
                mark.column = 1
            } else if octet & 0xC0 != 0x80 {
                mark.column += 1
            }
        }
        return mark
    }
}
