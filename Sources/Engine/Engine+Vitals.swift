// Signs of life for the supervisor's watchdog: the loop and every step of long work mark a shared page, and the loop wakes often
// enough to do so when nothing else is to be done. It decides only what is promised; what follows from silence is decided there.

import Election
import Messages
import System

extension Engine {
    /// The bounds of what is promised, nanoseconds: two intervals of the most frequent router, but not less than a machine under load
    /// may take for a turn, and not more than a user would wait for.
    static let leastPromise: Int64 = 100_000_000
    static let mostPromise: Int64 = 5_000_000_000
    /// So many times within the promise there is a sign of life.
    static let signsPerPromise: Int64 = 4

    /// A sign of life, with what is being done.
    func mark(_ work: Work, _ router: RouterID? = nil) { vitals?.mark(work, router?.number ?? 0) }

    /// Takes the page over. One that cannot be mapped leaves the engine as it is, unwatched but for its reports.
    func share(_ descriptor: consuming Descriptor) {
        do throws(SystemError) {
            let vitals = try Vitals(mapping: descriptor)
            vitals.mark(.command)
            vitals.speakLast()
            self.vitals = vitals
        } catch {
            tell(error, for: nil)
        }
    }

    /// Everything is configured: says how long a silence would mean that this engine hangs.
    func promiseSigns() {
        let shortest = records.values.lazy.map { $0.configuration.advertisementInterval.nanoseconds }.min()
        promise = min(Self.mostPromise, max(Self.leastPromise, 2 * (shortest ?? 1_000_000_000)))
        mark(.command)
        vitals?.promise(promise)
    }

    /// When the loop must wake for a sign of life alone.
    var nextSign: Int64 {
        guard promise > 0, let vitals else { return .max }
        return vitals.beat + promise / Self.signsPerPromise
    }
}

extension Action {
    /// What the watchdog's page says meanwhile.
    var work: Work {
        switch self {
        case .sendAdvert: .advert
        case .claim, .settleRouting: .claim
        case .release: .release
        case .announce, .verify, .ask: .announcement
        case .runGate, .cancelGate, .releaseGateFailed: .gate
        case .transition: .transition
        case .peerDiffers, .addressClaimed, .unsteady, .degraded, .handover: .report
        }
    }
}
