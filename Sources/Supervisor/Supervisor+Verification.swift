// Whether takeovers arrived at neighbours: what the engine found out becomes a line in the log, an event, a hook and the answer to an
// operator who asked. Nothing is decided by it.

import Configuration
import Election
import Status
import System

/// An operator who waits for a verification.
struct AwaitedVerification {
    let answer: AwaitedAnswer
    /// What began before that, boot time in nanoseconds, is not what was asked for.
    let since: Int64
}

extension Supervisor {
    /// The engine takes 3 s when somebody does not answer.
    private static let verificationLimit = Duration.seconds(10)

    /// Asks the neighbours of a master now.
    func verify(_ name: String, _ answer: @escaping (ControlReply) -> Void) {
        let router: NumberedRouter
        switch reach(name, asMasterFor: "can be verified") {
        case .yes(let found): router = found
        case .no(let reply):
            answer(reply)
            return
        }
        log.write(.notice, "verify", ["router": name])
        let awaited = AwaitedVerification(answer: AwaitedAnswer(answer), since: Clock.boottime())
        awaitingVerification[router.router, default: []].append(awaited)
        awaited.answer.limit = loop.after(Self.verificationLimit) { [unowned self] in
            awaitingVerification[router.router]?.removeAll { $0.answer === awaited.answer }
            awaited.answer.give(.untold("the engine has not said who answered"))
        }
        keeper.send(.verify(router.router))
    }

    /// The engine says what is known of a verification.
    func verified(_ router: RouterID, _ verification: Verification) {
        guard let record = records[router], record.state == .master else { return }
        mirror.update { $0.note(verification, of: router) }
        if verification.verdict != .pending, record.toldVerification != verification.began {
            record.toldVerification = verification.began
            tell(verification, of: record)
        }
        guard verification.isComplete else { return }
        let boot = Clock.boottime()
        let time = AnswerTime(boot: boot, wallAhead: Clock.wall() - boot)
        answerVerification(of: router, .verified(VerificationStatus(verification, at: time))) {
            verification.began.nanoseconds >= $0.since
        }
    }

    private func tell(_ verification: Verification, of record: VirtualRouterRecord) {
        let level: LogLevel =
            switch verification.verdict {
            case .verified: .notice
            case .unanswered: .warning
            case .unwitnessed, .pending: .info
            }
        log.write(
            level, verification.verdict == .verified ? "verified" : "not-verified",
            ["router": record.name, "text": verification.sentence])
        events.publish(.verified(router: record.name, verification, at: Clock.wall()))
        guard !verification.isOrdered, let command = record.configuration.hooks[.onVerified],
            let last = mirror.read().router(named: record.name)?.snapshot?.lastTransition
        else { return }
        let moment = VirtualRouterRecord.Moment(
            kind: HookKind.onVerified.rawValue, state: .master, previous: last.from, cause: last.cause,
            priority: last.effectivePriority)
        let variables =
            record.variables(moment, inForce.checkNames) + [
                "VIPD_VERIFIED=\(verification.witnesses)", "VIPD_UNVERIFIED=\(verification.absentees)",
            ]
        record.hooks.add(HookQueue.Entry(kind: .onVerified, command: command, variables: variables))
    }

    /// It is master no more: nobody will answer.
    func endVerification(of record: VirtualRouterRecord) {
        let state = record.state ?? .initialize
        answerVerification(
            of: record.router, .refused("\(record.name) has become \(state.word) on this host meanwhile"))
    }

    /// The engine is gone.
    func loseVerifications() {
        for router in awaitingVerification.keys.sorted() {
            answerVerification(of: router, .untold("the engine ended before it had said who answered"))
        }
    }

    private func answerVerification(
        of router: RouterID, _ reply: ControlReply, where isMeant: (AwaitedVerification) -> Bool = { _ in true }
    ) {
        guard let all = awaitingVerification.removeValue(forKey: router) else { return }
        let others = all.filter { !isMeant($0) }
        if !others.isEmpty { awaitingVerification[router] = others }
        for awaited in all where isMeant(awaited) {
            loop.cancel(awaited.answer.limit)
            awaited.answer.give(reply)
        }
    }
}
