// The HTTP server of the status socket: one thread of its own, so that no query, however slow its client, touches the
// threads that read the engine or run commands. It answers from the service's values and decides nothing.

import Configuration
import NIOCore
import NIOHTTP1
import NIOPosix
import Status
import Synchronization
import System

/// Serves a `StatusService` over HTTP/1.1 on a Unix socket.
package final class StatusServer: Sendable {
    private struct Listener {
        var settings: StatusSocket
        var identity: FileIdentity
        var channel: any Channel
        /// A duplicate of its socket, for a next program of this process.
        var duplicate: KeptSocket
    }

    private let service: StatusService
    private let limits: StatusServerLimits
    private let group: MultiThreadedEventLoopGroup
    private let listener = Mutex<Listener?>(nil)

    /// Starts the server's thread; nothing is open before `listen`.
    package init(service: StatusService, limits: StatusServerLimits = StatusServerLimits()) {
        self.service = service
        self.limits = limits
        group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    }

    /// Opens the socket, or moves it: after a reload only what changed is changed, open connections stay, and when the new
    /// socket cannot be opened the old one stays in service. Not to be called from a closure of the service.
    /// `inherited` is the socket of the program before this one; it is closed unless it is the one that is wanted.
    package func listen(on settings: StatusSocket, adopting inherited: InheritedListener? = nil)
        throws(StatusSocketError)
    {
        try listener.withLock { current throws(StatusSocketError) in
            if var present = current, present.settings.path == settings.path,
                FileIdentity(path: settings.path) == present.identity
            {
                guard present.settings != settings else { return }
                try changeStatusSocket(settings)
                present.settings = settings
                current = present
                return
            }
            let opened = try open(settings, adopting: inherited)
            if let old = current { Self.close(old) }
            current = opened
        }
    }

    /// Closes everything, removes the socket and ends the thread. The server cannot be used again.
    package func close() {
        listener.withLock { current in
            if let old = current { Self.close(old) }
            current = nil
        }
        // It fails only when it is called twice, and then there is nothing left to do.
        try? group.syncShutdownGracefully()
    }

    /// The socket that is listened on.
    var inheritance: InheritedListener? {
        listener.withLock { listener in
            listener.map {
                InheritedListener(
                    descriptor: $0.duplicate.descriptor.number, path: $0.settings.path, device: $0.identity.device,
                    inode: $0.identity.inode)
            }
        }
    }

    private func open(
        _ settings: StatusSocket, adopting inherited: InheritedListener?
    ) throws(StatusSocketError) -> Listener {
        let file = try StatusSocketFile.open(settings, adopting: inherited)
        let identity = file.identity
        let duplicate = try file.duplicate()
        let socket = file.socket()
        let (service, limits) = (service, limits)
        let connections = ConnectionCount()
        let bootstrap = ServerBootstrap(group: group)
            .childChannelOption(
                .writeBufferWaterMark, value: .init(low: limits.waiting / 2, high: limits.waiting)
            )
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try Self.prepare(channel, service: service, limits: limits, connections: connections)
                }
            }
        do {
            let channel = try bootstrap.withBoundSocket(socket.release()).wait()
            return Listener(settings: settings, identity: identity, channel: channel, duplicate: duplicate)
        } catch {
            removeStatusSocket(path: settings.path, identity: identity)
            throw .server("\(error)")
        }
    }

    private static func close(_ listener: Listener) {
        removeStatusSocket(path: listener.settings.path, identity: listener.identity)
        // A channel that is already closed says so with an error; that is the wanted state.
        try? listener.channel.close().wait()
    }

    /// Builds the handlers of a new connection, on its event loop.
    private static func prepare(
        _ channel: any Channel, service: StatusService, limits: StatusServerLimits, connections: ConnectionCount
    ) throws {
        guard connections.increment(upTo: limits.connections) else {
            let text = #"{"error":"too many connections"}"# + "\n"
            let head = "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nconnection: close\r\n"
            let answer = ByteBuffer(string: "\(head)content-length: \(text.utf8.count)\r\n\r\n\(text)")
            try channel.pipeline.syncOperations.addHandler(RefusingHandler(answer: answer))
            return
        }
        channel.closeFuture.whenComplete { _ in connections.decrement() }
        var decoder = NIOHTTPDecoderLimitConfiguration()
        decoder.maxHeaderFieldSize = 8 * 1024
        decoder.maxHeaderListSize = 16 * 1024
        decoder.maxHeaderFieldCount = 64
        try channel.pipeline.syncOperations.configureHTTPServerPipeline(
            withPipeliningAssistance: false, withErrorHandling: false,
            withEncoderConfiguration: HTTPResponseEncoder.Configuration(), withDecoderLimitConfiguration: decoder)
        try channel.pipeline.syncOperations.addHandler(StatusServerConnection(service: service, limits: limits))
    }
}

/// How many connections there are.
private final class ConnectionCount: Sendable {
    private let count = Mutex(0)

    func increment(upTo limit: Int) -> Bool {
        count.withLock { count in
            guard count < limit else { return false }
            count += 1
            return true
        }
    }

    func decrement() { count.withLock { $0 -= 1 } }
}

/// Says that there are too many connections, and closes.
private final class RefusingHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let answer: ByteBuffer

    init(answer: ByteBuffer) { self.answer = answer }

    func channelActive(context: ChannelHandlerContext) {
        let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
        context.writeAndFlush(Self.wrapOutboundOut(answer)).whenComplete { _ in bound.value.close(promise: nil) }
    }
}
