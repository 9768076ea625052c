// The engine's process: descriptor 3 is its end of the pair with the supervisor. It confines itself before it reads a single
// octet, ignores the signals that are the supervisor's business, and exits 0 when everything is released.

import CLinux
import Engine
import Glibc
import System

/// Writes one line to standard error; only for what goes wrong before there is anybody to report to.
func complain(_ text: String) {
    let line = Array("vipd-engine: \(text)\n".utf8)
    _ = unsafe line.withUnsafeBytes { unsafe write(2, $0.baseAddress, $0.count) }
}

func main() -> Int32 {
    guard fcntl(3, F_GETFD) >= 0 else {
        complain("descriptor 3 is not open; this program is started by 'vipd run'")
        return 64
    }
    _ = fcntl(3, F_SETFD, FD_CLOEXEC)
    for number in [SIGTERM, SIGINT, SIGHUP, SIGPIPE] { _ = signal(number, SIG_IGN) }
    RealTimeProcess.prepare()
    // Before the confinement, which gives CAP_IPC_LOCK up.
    let locked = vipd_lock_memory()
    // More than a part would have needed a right, too.
    let refusal = locked < 0 ? errno : EPERM
    if vipd_confine() != 0 {
        complain("cannot give up privileges: \(SystemError("prctl").reason)")
        return 1
    }
    // What ProtectSystem and PrivateTmp would do in the unit, where checks and hooks would inherit it; not every kernel can.
    _ = vipd_freeze_files()
    do throws(EngineError) {
        let engine = try Engine(supervisor: MessageSocket(taking: Descriptor(taking: 3)))
        if locked != 0 { engine.tellMemoryNotLocked(refusal, isPartly: locked > 0) }
        RealTimeProcess.touchWorkingSet()
        engine.run()
        return 0
    } catch {
        switch error {
        case .system(let error): complain("\(error)")
        case .kernel(let error): complain("\(error)")
        }
        return 1
    }
}

exit(main())
