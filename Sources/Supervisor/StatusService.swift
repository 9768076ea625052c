// What the status server needs of the agent, as closures over values: the server knows HTTP and nothing of mirrors, queues
// or engines, and its tests need no agent. The closures are called on the server's thread and must not block it.

import Status

/// The agent behind the status socket.
package struct StatusService: Sendable {
    /// The present state; called for each request.
    package var status: @Sendable () -> StatusDocument
    /// Does what changes something; the reply is given once, from any thread.
    package var control:
        @Sendable (_ request: ControlRequest, _ reply: @escaping @Sendable (ControlReply) -> Void) -> Void
    /// Delivers every event from now on, in order, from any thread, until the returned closure is called; nil when too
    /// many follow already.
    package var subscribe: @Sendable (_ deliver: @escaping @Sendable (EventDocument) -> Void) -> (@Sendable () -> Void)?

    package init(
        status: @escaping @Sendable () -> StatusDocument,
        control: @escaping @Sendable (ControlRequest, @escaping @Sendable (ControlReply) -> Void) -> Void,
        subscribe: @escaping @Sendable (@escaping @Sendable (EventDocument) -> Void) -> (@Sendable () -> Void)?
    ) {
        self.status = status
        self.control = control
        self.subscribe = subscribe
    }
}
