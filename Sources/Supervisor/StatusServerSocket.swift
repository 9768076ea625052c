// The file of the status socket: made with the right mode and group, put in the place of a dead agent's, never in the
// place of a living one's, and removed only while it is still ours.

import Configuration
import Glibc
import System

/// Why the status socket could not be opened.
package enum StatusSocketError: Error, Hashable, Sendable, CustomStringConvertible {
    /// Another process answers on it.
    case inUse(path: String)
    /// There is a file at its path that is no socket.
    case notASocket(path: String)
    /// A call failed.
    case system(SystemError)
    /// The server's event loop refused the socket.
    case server(String)

    package var description: String {
        switch self {
        case .inUse(let path): "another vipd is running: it answers on \(path)"
        case .notASocket(let path): "\(path) exists and is no socket; it was left alone"
        case .system(let error): "status socket: \(error)"
        case .server(let text): "status socket: \(text)"
        }
    }
}

/// Which file it is, whatever its name: device and inode number (inode(7)).
struct FileIdentity: Hashable, Sendable {
    var device: UInt
    var inode: UInt

    /// The file at `path` without following a link; nil when there is none.
    init?(path: String, isSocket: inout Bool) {
        var information = stat()
        guard unsafe lstat(path, &information) == 0 else { return nil }
        isSocket = information.st_mode & S_IFMT == S_IFSOCK
        device = UInt(information.st_dev)
        inode = UInt(information.st_ino)
    }

    init?(path: String) {
        var isSocket = false
        self.init(path: path, isSocket: &isSocket)
    }
}

/// A status socket that listens and is not served yet.
struct StatusSocketFile: ~Copyable {
    private let descriptor: Descriptor
    let identity: FileIdentity

    /// Opens the socket. Its directory is made when only that is missing.
    static func open(_ settings: StatusSocket) throws(StatusSocketError) -> StatusSocketFile {
        do {
            let path = settings.path
            let group = try groupNumber(settings.group)
            if let slash = path.lastIndex(of: "/"), slash > path.startIndex {
                let directory = String(path[..<slash])
                guard unsafe mkdir(directory, 0o755) == 0 || errno == EEXIST else {
                    throw SystemError("mkdir", directory)
                }
            }
            switch try occupant(of: path) {
            case .nobody: break
            case .deadSocket:
                guard unsafe unlink(path) == 0 || errno == ENOENT else { throw SystemError("unlink", path) }
            case .livingSocket: throw StatusSocketError.inUse(path: path)
            case .otherFile: throw StatusSocketError.notASocket(path: path)
            }
            let socket = try LocalStream.listen(path: path, mode: settings.mode, group: group, backlog: 64)
            guard let identity = FileIdentity(path: path) else { throw SystemError("lstat", path) }
            return StatusSocketFile(descriptor: socket, identity: identity)
        } catch let error as StatusSocketError {
            throw error
        } catch let error as SystemError {
            throw .system(error)
        } catch {
            throw .server("\(error)")
        }
    }

    /// The socket of the program before this one if it is what is wanted, else a new one.
    static func open(_ settings: StatusSocket, adopting inherited: InheritedListener?) throws(StatusSocketError)
        -> StatusSocketFile
    {
        if let adopted = try adopt(inherited, settings) { return adopted }
        return try open(settings)
    }

    /// nil, with the socket closed, where it is not what is wanted.
    private static func adopt(_ inherited: InheritedListener?, _ settings: StatusSocket) throws(StatusSocketError)
        -> StatusSocketFile?
    {
        guard let inherited, let descriptor = Takeover.inherited(inherited.descriptor) else { return nil }
        guard inherited.path == settings.path, let identity = FileIdentity(path: settings.path),
            identity.device == inherited.device, identity.inode == inherited.inode
        else { return nil }
        try changeStatusSocket(settings)
        return StatusSocketFile(descriptor: descriptor, identity: identity)
    }

    /// A second descriptor of the socket.
    func duplicate() throws(StatusSocketError) -> KeptSocket {
        do throws(SystemError) {
            return KeptSocket(try descriptor.duplicate())
        } catch {
            throw .system(error)
        }
    }

    /// The socket itself, for whoever serves it and closes it.
    consuming func socket() -> Descriptor { descriptor }
}

/// Changes mode and group of a socket that is open.
func changeStatusSocket(_ settings: StatusSocket) throws(StatusSocketError) {
    do throws(SystemError) {
        // Without a group the file goes back to the agent's own, which is what a new socket would have.
        let group = try groupNumber(settings.group) ?? getegid()
        try LocalStream.setAccess(path: settings.path, mode: settings.mode, group: group)
    } catch {
        throw .system(error)
    }
}

/// Unlinks `path` if it is still the file that we made.
func removeStatusSocket(path: String, identity: FileIdentity) {
    if FileIdentity(path: path) == identity { _ = unsafe unlink(path) }
}

/// What is at the path before the socket is made.
private enum Occupant {
    case nobody, deadSocket, livingSocket, otherFile
}

/// A socket file outlives the process that made it. Only a refused connection proves that nobody listens.
private func occupant(of path: String) throws(SystemError) -> Occupant {
    var isSocket = false
    guard FileIdentity(path: path, isSocket: &isSocket) != nil else { return .nobody }
    guard isSocket else { return .otherFile }
    do throws(SystemError) {
        _ = try LocalStream.connect(path: path, timeout: .seconds(1))
        return .livingSocket
    } catch {
        switch error.code {
        case ECONNREFUSED: return .deadSocket
        case ENOENT: return .nobody
        case EAGAIN: return .livingSocket  // its queue of connections is full
        default: throw error
        }
    }
}

/// A number is taken as it is; nil stays nil.
private func groupNumber(_ name: String?) throws(SystemError) -> UInt32? {
    guard let name else { return nil }
    if let number = UInt32(name) { return number }
    return try UserIdentity.findGroup(name)
}
