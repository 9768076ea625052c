// What `vipd run` hands to the supervisor: where things are, and the two parts that are made elsewhere, the parser of the
// configuration and the status server, as functions.

import Configuration
import Status

/// What came of reading the configuration.
package enum LoadResult: Sendable {
    case loaded(Configuration)
    /// All errors, `file:line:column: message` each; never empty.
    case invalid([String])
}

/// What the status server is given: the mirror to read, the events to follow, the queue for what changes something.
package struct StatusServices: Sendable {
    package var socket: StatusSocket
    package var mirror: Mirror
    package var events: EventHub
    package var control: ControlQueue
    /// The socket that the program before this one listened on; it is served from now on if it is at the same path.
    package var listener: InheritedListener?

    package init(
        socket: StatusSocket, mirror: Mirror, events: EventHub, control: ControlQueue,
        listener: InheritedListener? = nil
    ) {
        self.listener = listener
        self.socket = socket
        self.mirror = mirror
        self.events = events
        self.control = control
    }
}

/// Options of `vipd run`.
package struct SupervisorOptions: Sendable {
    /// The main file; `conf.d` is beside it.
    package var configuration: String
    /// `--engine`; nil looks at VIPD_ENGINE, beside this program, and in `../libexec/vipd/`.
    package var engine: String?
    /// What this process was started as; nil: it cannot be upgraded.
    package var incarnation: Incarnation?

    package init(
        configuration: String = "/etc/vipd/vipd.yaml", engine: String? = nil, incarnation: Incarnation? = nil
    ) {
        self.incarnation = incarnation
        self.configuration = configuration
        self.engine = engine
    }
}

/// Reads the configuration at a path and finds all its errors. Called on a thread that may block.
package typealias LoadConfiguration = @Sendable (_ path: String) -> LoadResult

/// A status server that runs.
package struct StatusServing {
    /// Serves the socket with these settings from now on; when that fails the old socket stays.
    package var move: (StatusSocket) throws -> Void
    package var stop: () -> Void
    /// The listening socket, which a next program may go on with; nil where there is none.
    package var listener: () -> InheritedListener?

    package init(
        move: @escaping (StatusSocket) throws -> Void, stop: @escaping () -> Void,
        listener: @escaping () -> InheritedListener? = { nil }
    ) {
        self.listener = listener
        self.move = move
        self.stop = stop
    }
}

/// Starts the status server on threads of its own; throws what keeps the socket from being served.
package typealias ServeStatus = (_ services: StatusServices) throws -> StatusServing

/// The status server of the agent: HTTP on the configured Unix socket.
package func serveStatusOverHTTP(_ services: StatusServices) throws -> StatusServing {
    let server = StatusServer(service: StatusService(services))
    do {
        try server.listen(on: services.socket, adopting: services.listener)
    } catch {
        server.close()
        throw error
    }
    return StatusServing(
        move: { try server.listen(on: $0) }, stop: { server.close() }, listener: { server.inheritance })
}
