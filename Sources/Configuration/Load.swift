// Finds and reads the files of a configuration: the one that was named and `conf.d/*.yaml` beside it. Only regular files of
// a bounded size are read, so that a reload can neither block nor fill memory.

import Glibc

/// Octets of one file; a thousand virtual routers need a fifth of it.
private let sizeLimit = 1 << 20

/// Reads the file at `path` and the pieces `conf.d/*.yaml` beside it, sorted by name, as one configuration. Throws every
/// error of every file at once; a file that cannot be read is an error at its first line.
package func loadConfiguration(path: String) throws(ConfigurationErrors) -> Configuration {
    var errors: [ConfigurationProblem] = []
    var files: [(name: String, text: [UInt8])] = []
    func refuse(_ file: String, _ message: String) {
        errors.append(ConfigurationProblem(file: file, line: 1, column: 1, message: message))
    }
    var names = [path]
    do throws(FileError) {
        names += try pieces(beside: path)
    } catch {
        refuse(error.path, error.message)
    }
    for name in names {
        guard name == path || name.hasSuffix(".yaml") else {
            refuse(name, "only files that end in .yaml are read here; rename or remove it")
            continue
        }
        do throws(FileError) {
            files.append((name, try readFile(name)))
        } catch {
            refuse(name, error.message)
        }
    }
    if errors.isEmpty { return try parseConfiguration(files) }
    // What can be read is still checked, so that one run shows everything.
    do throws(ConfigurationErrors) {
        if files.first?.name == path { _ = try parseConfiguration(files, isComplete: false) }
    } catch {
        errors += error.errors
    }
    var inOrder: [ConfigurationProblem] = []
    for name in names { inOrder += errors.filter { $0.file == name } }
    inOrder += errors.filter { !names.contains($0.file) }
    throw ConfigurationErrors(inOrder)
}

private struct FileError: Error {
    var path: String
    var message: String

    /// With the words of strerror(3) for the present errno.
    init(_ path: String, _ what: String, code: Int32) {
        self.path = path
        message = unsafe "\(what): \(String(cString: strerror(code)))"
    }

    init(_ path: String, _ message: String) {
        self.path = path
        self.message = message
    }
}

/// The names in `conf.d` beside `path` that end in `.yaml` or `.yml`, sorted by their octets; none without `conf.d`.
private func pieces(beside path: String) throws(FileError) -> [String] {
    let folder = path.lastIndex(of: "/").map { String(path[...$0]) } ?? ""
    let directory = folder + "conf.d"
    guard let stream = unsafe opendir(directory) else {
        let code = errno
        if code == ENOENT { return [] }
        throw FileError(directory, "cannot be read", code: code)
    }
    defer { unsafe closedir(stream) }
    var names: [String] = []
    while true {
        errno = 0
        guard let entry = unsafe readdir(stream) else {
            let code = errno
            if code != 0 { throw FileError(directory, "cannot be read", code: code) }
            break
        }
        let name = unsafe withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
            unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
        if !name.hasPrefix("."), name.hasSuffix(".yaml") || name.hasSuffix(".yml") { names.append(name) }
    }
    names.sort { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    return names.map { "\(directory)/\($0)" }
}

private func readFile(_ path: String) throws(FileError) -> [UInt8] {
    // O_NONBLOCK: opening a named pipe must not wait for its writer.
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw FileError(path, "cannot be read", code: errno) }
    defer { close(descriptor) }
    var status = stat()
    guard unsafe fstat(descriptor, &status) == 0 else { throw FileError(path, "cannot be read", code: errno) }
    guard status.st_mode & S_IFMT == S_IFREG else { throw FileError(path, "not a regular file") }
    var text: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 64 * 1024)
    while true {
        let count = unsafe read(descriptor, &chunk, chunk.count)
        if count < 0, errno == EINTR { continue }
        guard count >= 0 else { throw FileError(path, "cannot be read", code: errno) }
        if count == 0 { return text }
        text += chunk.prefix(count)
        guard text.count <= sizeLimit else { throw FileError(path, "larger than \(sizeLimit) octets") }
    }
}
