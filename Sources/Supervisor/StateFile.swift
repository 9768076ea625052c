// One small file in the state directory, replaced whole: written to a temporary file that is renamed, so that a crash leaves
// the old content or the new one. It may block on the disk and is therefore used by workers, except at start.

import Glibc
import System

/// A file in the state directory.
struct StateFile: Sendable {
    /// More than this is not ours and not read.
    static let limit = 1 << 20

    let directory: String
    let name: String

    private var path: String { "\(directory)/\(name)" }

    /// The content; nil when there is no file.
    func read() throws(SystemError) -> [UInt8]? {
        let number = unsafe open(path, O_RDONLY | O_CLOEXEC)
        if number < 0 {
            if errno == ENOENT { return nil }
            throw SystemError("open", path)
        }
        let file = Descriptor(taking: number)
        var content: [UInt8] = []
        var slice = [UInt8](repeating: 0, count: 4_096)
        while content.count < Self.limit {
            let length = unsafe slice.withUnsafeMutableBytes {
                unsafe Glibc.read(file.number, $0.baseAddress, $0.count)
            }
            if length < 0 { throw SystemError("read", path) }
            if length == 0 { break }
            content.append(contentsOf: slice[..<length])
        }
        return content
    }

    /// Replaces the content. `durable`: when this returns it survives a power cut; else only the end of this process.
    func write(_ octets: [UInt8], durable: Bool) throws(SystemError) {
        if unsafe mkdir(directory, 0o755) < 0, errno != EEXIST { throw SystemError("mkdir", directory) }
        let temporary = "\(path).new"
        let number = unsafe open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard number >= 0 else { throw SystemError("open", temporary) }
        let file = Descriptor(taking: number)
        var rest = octets[...]
        while !rest.isEmpty {
            let length = unsafe rest.withUnsafeBytes { unsafe Glibc.write(file.number, $0.baseAddress, $0.count) }
            guard length > 0 else { throw SystemError("write", temporary) }
            rest = rest.dropFirst(length)
        }
        if durable, fsync(file.number) != 0 { throw SystemError("fsync", temporary) }
        guard unsafe rename(temporary, path) == 0 else { throw SystemError("rename", path) }
        guard durable else { return }
        let folder = unsafe open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard folder >= 0 else { throw SystemError("open", directory) }
        let opened = Descriptor(taking: folder)
        guard fsync(opened.number) == 0 else { throw SystemError("fsync", directory) }
    }
}
