// One connection to the status socket: reads a request, asks the service, writes the answer, or follows the events. All of
// it on the server's event loop; what others answer from their threads is brought back to the loop first. Everything a
// client can make it hold is limited.

import NIOCore
import NIOHTTP1
import Status

/// What a client may use. Tests set smaller ones.
package struct StatusServerLimits: Hashable, Sendable {
    /// Connections at the same time; the next one gets 503.
    package var connections = 64
    /// Octets of a request's body; bodies are read and ignored.
    package var body = 64 * 1024
    /// From the connection or the last answer to the end of the next request.
    package var request: Duration = .seconds(10)
    /// For the agent to answer a request, beyond the release gate that a request may have to wait for.
    package var answer: Duration = .seconds(60)
    /// Between keep-alive lines of an event stream.
    package var alive: Duration = .seconds(5)
    /// Octets of answers or events that wait for a slow client beyond the kernel's buffer. With more it is dropped at the next
    /// request or event.
    package var waiting = 256 * 1024

    package init() {}
}

final class StatusServerConnection: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private enum State {
        /// Waiting for a request.
        case idle
        /// Head read, body not yet.
        case reading(HTTPRequestHead, bodyOctets: Int)
        /// The service has not answered yet; `ticket` tells a late answer from the awaited one.
        case answering(ticket: Int)
        /// Events are written until the connection ends.
        case streaming(cancel: @Sendable () -> Void, alive: RepeatedTask)
        /// The last answer is being written.
        case closing
    }

    private let service: StatusService
    private let limits: StatusServerLimits
    private var state = State.idle
    private var deadline: Scheduled<Void>?
    private var tickets = 0

    init(service: StatusService, limits: StatusServerLimits) {
        self.service = service
        self.limits = limits
    }

    func channelActive(context: ChannelHandlerContext) {
        startDeadline(limits.request, context: context) { connection, context in connection.close(context) }
        context.fireChannelActive()
    }

    func channelInactive(context: ChannelHandlerContext) {
        deadline?.cancel()
        if case .streaming(let cancel, let alive) = state {
            alive.cancel()
            cancel()
        }
        state = .closing
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard case .idle = state, let error = error as? HTTPParserError else { return close(context) }
        let tooLong = error == .headerOverflow
        let head = HTTPRequestHead(version: .http1_1, method: .GET, uri: "/", headers: ["connection": "close"])
        respond(
            ErrorAnswer(error: tooLong ? "the head of the request is too long" : "this is not an HTTP/1.1 request"),
            status: tooLong ? .requestHeaderFieldsTooLarge : .badRequest, to: head, context: context)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch (Self.unwrapInboundIn(data), state) {
        case (.head(let head), .idle):
            // It asks on without reading what it asked for; whoever reads an answer before the next request never gets here.
            guard context.channel.isWritable else {
                state = .closing
                return close(context)
            }
            state = .reading(head, bodyOctets: 0)
        case (.body(let part), .reading(let head, let octets)):
            state = .reading(head, bodyOctets: octets + part.readableBytes)
            guard octets + part.readableBytes > limits.body else { return }
            respond(
                ErrorAnswer(error: "the body is longer than \(limits.body) octets"), status: .payloadTooLarge,
                to: head, closing: true, context: context)
        case (.end, .reading(let head, _)):
            deadline?.cancel()
            handle(head, context: context)
        case (.head, .answering):
            // A second request before the first has its answer: no client of ours does this.
            close(context)
        default: break  // the rest of a refused request, or of a client that talks into its event stream
        }
    }

    private func handle(_ head: HTTPRequestHead, context: ChannelHandlerContext) {
        let route: StatusRoute
        do throws(StatusRefusal) {
            route = try StatusRoute(method: head.method, target: head.uri)
        } catch {
            return respond(
                ErrorAnswer(error: error.text), status: error.status, to: head, allow: error.allow, context: context)
        }
        switch route {
        case .status: respond(service.status(), status: .ok, to: head, context: context)
        case .router(let name):
            let routers = service.status().virtualRouters
            if let router = routers.first(where: { $0.name == name }) {
                respond(router, status: .ok, to: head, context: context)
            } else {
                respondUnknown(name, known: routers.map(\.name), to: head, context: context)
            }
        case .events: stream(head, context: context)
        case .control(let request): ask(request, head: head, context: context)
        }
    }

    /// Passes the request on and writes the answer when it comes, if the client still waits for it then.
    private func ask(_ request: ControlRequest, head: HTTPRequestHead, context: ChannelHandlerContext) {
        tickets += 1
        let ticket = tickets
        state = .answering(ticket: ticket)
        let limit = patience(with: request)
        startDeadline(limit, context: context) { connection, context in
            let text = "the agent has not answered for \(limit.spoken)"
            connection.respond(
                ErrorAnswer(error: text), status: .serviceUnavailable, to: head, closing: true, context: context)
        }
        let loop = context.eventLoop
        let bound = NIOLoopBound((self, context), eventLoop: loop)
        service.control(request) { reply in
            loop.execute {
                let (connection, context) = bound.value
                guard case .answering(ticket) = connection.state else { return }
                connection.deadline?.cancel()
                connection.respond(reply, to: request, head: head, context: context)
            }
        }
    }

    /// The agent bounds its own answer by the gate's timeout; this is for one that does not answer at all.
    private func patience(with request: ControlRequest) -> Duration {
        switch request {
        case .reload, .enable, .announce, .verify, .upgrade: return limits.answer
        case .disable(let name):
            let router = service.status().virtualRouters.first { $0.name == name }
            return limits.answer + (router?.releasePatience ?? .zero)
        case .handOver(let name, _):
            let router = service.status().virtualRouters.first { $0.name == name }
            return limits.answer + (router?.handoverPatience ?? .zero)
        }
    }

    private func startDeadline(
        _ span: Duration, context: ChannelHandlerContext,
        _ action: @escaping (StatusServerConnection, ChannelHandlerContext) -> Void
    ) {
        deadline?.cancel()
        let bound = NIOLoopBound((self, context, action), eventLoop: context.eventLoop)
        deadline = context.eventLoop.scheduleTask(in: TimeAmount(span)) {
            let (connection, context, action) = bound.value
            action(connection, context)
        }
    }

    private func close(_ context: ChannelHandlerContext) {
        context.close(promise: nil)
    }
}

// MARK: - Answers

extension StatusServerConnection {
    private func respondUnknown(
        _ name: String, known: [String], to head: HTTPRequestHead, context: ChannelHandlerContext
    ) {
        let text = unknownRouterText(name, known: known)
        respond(ErrorAnswer(error: text), status: .notFound, to: head, context: context)
    }

    private func respond(
        _ reply: ControlReply, to request: ControlRequest, head: HTTPRequestHead, context: ChannelHandlerContext
    ) {
        switch (reply, request) {
        case (.reloaded(let summary), _):
            let answer = ReloadAnswer(
                changed: summary.changed, added: summary.added, removed: summary.removed, warnings: summary.warnings)
            respond(answer, status: .ok, to: head, context: context)
        case (.invalid(let errors), _):
            respond(ReloadErrors(errors: errors), status: .unprocessableEntity, to: head, context: context)
        case (.done, .disable(let name)):
            respond(RouterAnswer(name: name, disabled: true), status: .ok, to: head, context: context)
        case (.done, .enable(let name)):
            respond(RouterAnswer(name: name, disabled: false), status: .ok, to: head, context: context)
        case (.handedOver(let result), .handOver(let name, _)):
            respond(HandoverAnswer(name: name, result), status: .ok, to: head, context: context)
        case (.announcing(let count), .announce(let name)):
            respond(AnnounceAnswer(name: name, addresses: count), status: .ok, to: head, context: context)
        case (.verified(let verification), _):
            respond(verification, status: .ok, to: head, context: context)
        case (.done, .reload), (.done, .upgrade):
            respond(ReloadAnswer(), status: .ok, to: head, context: context)
        case (.upgrading(let upgrade), _):
            respond(upgrade, status: .ok, to: head, closing: true, context: context)
        case (.unknownRouter, .disable(let name)), (.unknownRouter, .enable(let name)),
            (.unknownRouter, .announce(let name)), (.unknownRouter, .verify(let name)),
            (.unknownRouter, .handOver(let name, _)):
            respondUnknown(name, known: service.status().virtualRouters.map(\.name), to: head, context: context)
        case (.refused(let text), _):
            respond(ErrorAnswer(error: text), status: .conflict, to: head, context: context)
        case (.untold(let text), _):
            respond(ErrorAnswer(error: text), status: .serviceUnavailable, to: head, context: context)
        case (.unknownRouter, .reload), (.unknownRouter, .upgrade), (.done, .handOver), (.done, .announce),
            (.done, .verify), (.handedOver, _), (.announcing, _):
            respond(ErrorAnswer(error: "the agent gave no answer"), status: .conflict, to: head, context: context)
        }
    }

    /// Writes one JSON answer; the connection stays open if the client wants that and `closing` is not set.
    private func respond(
        _ answer: some Encodable, status: HTTPResponseStatus, to head: HTTPRequestHead, allow: String? = nil,
        closing: Bool = false, context: ChannelHandlerContext
    ) {
        guard context.channel.isActive, var text = try? jsonText(answer) else { return close(context) }
        text.append(UInt8(ascii: "\n"))
        let keepAlive = head.isKeepAlive && !closing
        var headers: HTTPHeaders = [
            "content-type": "application/json", "content-length": String(text.count), "cache-control": "no-store",
            "connection": keepAlive ? "keep-alive" : "close",
        ]
        if let allow { headers.add(name: "allow", value: allow) }
        write(HTTPResponseHead(version: head.version, status: status, headers: headers), context)
        context.write(Self.wrapOutboundOut(.body(.byteBuffer(ByteBuffer(bytes: text)))), promise: nil)
        guard keepAlive else {
            state = .closing
            // The deadline still runs or is set anew: a client that does not read its answer does not stay.
            startDeadline(limits.request, context: context) { connection, context in connection.close(context) }
            let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
            context.writeAndFlush(Self.wrapOutboundOut(.end(nil))).whenComplete { _ in
                bound.value.close(promise: nil)
            }
            return
        }
        state = .idle
        context.writeAndFlush(Self.wrapOutboundOut(.end(nil)), promise: nil)
        startDeadline(limits.request, context: context) { connection, context in connection.close(context) }
    }

    /// Answers with the head of an endless body and subscribes to the events.
    private func stream(_ head: HTTPRequestHead, context: ChannelHandlerContext) {
        let loop = context.eventLoop
        let bound = NIOLoopBound((self, context), eventLoop: loop)
        let cancel = service.subscribe { event in
            loop.execute {
                let (connection, context) = bound.value
                connection.send(event, context)
            }
        }
        guard let cancel else {
            let answer = ErrorAnswer(error: "too many clients follow the events already")
            return respond(answer, status: .serviceUnavailable, to: head, context: context)
        }
        let headers: HTTPHeaders = [
            "content-type": "application/x-ndjson", "cache-control": "no-store", "connection": "close",
        ]
        write(HTTPResponseHead(version: head.version, status: .ok, headers: headers), context)
        let alive = loop.scheduleRepeatedTask(initialDelay: .zero, delay: TimeAmount(limits.alive)) { _ in
            let (connection, context) = bound.value
            connection.send(.alive, context)
        }
        state = .streaming(cancel: cancel, alive: alive)
    }

    private func send(_ event: EventDocument, _ context: ChannelHandlerContext) {
        guard case .streaming = state, context.channel.isActive, var text = try? jsonText(event) else { return }
        // The channel stops being writable when `limits.waiting` octets wait: this client does not keep up.
        guard context.channel.isWritable else { return close(context) }
        text.append(UInt8(ascii: "\n"))
        let part = HTTPServerResponsePart.body(.byteBuffer(ByteBuffer(bytes: text)))
        context.writeAndFlush(Self.wrapOutboundOut(part), promise: nil)
    }

    private func write(_ head: HTTPResponseHead, _ context: ChannelHandlerContext) {
        context.write(Self.wrapOutboundOut(.head(head)), promise: nil)
    }
}

extension TimeAmount {
    init(_ span: Duration) {
        let (seconds, attoseconds) = span.components
        self = .nanoseconds(seconds * 1_000_000_000 + attoseconds / 1_000_000_000)
    }
}
