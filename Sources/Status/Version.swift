// The version of the agent: printed by `vipd --version` and in the status document.

/// Of the whole agent; supervisor, engine and command line are always of one build.
package let agentVersion = "0.1.0"
