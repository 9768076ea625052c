// What became of the last upgrade of the running agent: the answer to `POST /v1/upgrade`, and a member of the status document, where
// the one who asked finds the end of it.

/// One upgrade.
package struct UpgradeStatus: Hashable, Sendable, Codable {
    package enum State: String, Hashable, Sendable, Codable {
        /// The new program takes the process over.
        case underWay = "under-way"
        /// The new program and the new engine go on.
        case done
        /// The new program goes on with the old engine, because the new engine did not come up.
        case engineKept = "engine-kept"
        /// The new program could not take over what the old one left and started anew, as after a restart.
        case restarted
        /// The new program could not be started; the old one goes on.
        case failed
    }

    /// `state`.
    package var state: State
    /// `from` and `to`: versions of the agent.
    package var from: String
    package var to: String
    /// `at`: when the old program left; it tells one upgrade from another.
    package var at: Timestamp
    /// `paused-us`: for how many microseconds no engine was there to send adverts; null before the end, and unless it is done.
    @OrNull package var pausedUs: Int64?
    /// `text`: why it is not `done`; null otherwise.
    @OrNull package var text: String?

    private enum CodingKeys: String, CodingKey {
        case state, from, to, at, text
        case pausedUs = "paused-us"
    }

    package init(state: State, from: String, to: String, at: Timestamp, pausedUs: Int64? = nil, text: String? = nil) {
        self.state = state
        self.from = from
        self.to = to
        self.at = at
        _pausedUs = OrNull(wrappedValue: pausedUs)
        _text = OrNull(wrappedValue: text)
    }
}
