"""Gates, which must open before a host claims or gives up, and hooks, which are told about transitions in order."""

import os
import signal
import subprocess
import time

import pytest

from agent import Agent, binaries, script
from cases import database, holders, one_holder, start_pair
from lab import IPV4, stays, wait_until
from wire import Capture

KINDS = ("on-master", "on-backup", "on-fault", "on-stop")


def recorder(lab, name="record", extra=""):
    """A command that writes its VIPD_ variables as one line to a file; returns both."""
    log = lab.directory / f"{name}.log"
    log.write_text("")
    return log, script(lab, name, extra + f'echo "$VIPD_KIND|$VIPD_ROUTER|$VIPD_PREVIOUS_STATE|$VIPD_STATE|$VIPD_CAUSE|$VIPD_ADDRESSES|'
                       f'$VIPD_INTERFACE|$VIPD_PRIORITY|$VIPD_SEQUENCE|$VIPD_CAUSE_TEXT" >>{log}\n')


def lines(log):
    return [line.split("|") for line in log.read_text().splitlines()]


def hooks(command, **extra):
    return {kind: {"command": [str(command)], **extra} for kind in KINDS}


def test_hooks_run_in_order_with_everything_they_need(lab, family):
    log, record = recorder(lab)
    a = Agent(lab["a"], {"database": database(family, priority=150, hooks=hooks(record))}).start()
    a.wait_state("master")
    wait_until(lambda: any(line[0] == "on-master" for line in lines(log)), 5, "on-master")
    lab.unplug("a")
    a.wait_state("fault")
    wait_until(lambda: lines(log)[-1][0] == "on-fault", 5, "on-fault")
    lab.heal()
    a.wait_state("master")
    wait_until(lambda: lines(log)[-1][0] == "on-master", 5, "on-master again")
    a.stop()
    seen = lines(log)
    assert seen[-1][0] == "on-stop"
    kinds = [line[0] for line in seen]
    assert kinds.count("on-master") == 2 and kinds.count("on-fault") == 1 and kinds.count("on-stop") == 1
    first = next(line for line in seen if line[0] == "on-master")
    assert first[1:5] == ["database", "backup", "master", "master-silent"]
    assert family.vip_prefix() in first[5].split() and first[6:8] == ["eth0", "150"] and first[9]
    sequence = [int(line[8]) for line in seen]
    assert sequence == sorted(sequence) and len(set(sequence)) == len(sequence)


def test_a_newer_state_supersedes_a_queued_hook(lab):
    """The first hook hangs while the state changes several times: afterwards only the newest state is told."""
    release = lab.directory / "release"
    log, record = recorder(lab, extra=f"while ! [ -e {release} ]; do sleep 0.05; done\n")
    a = Agent(lab["a"], {"database": database(IPV4, hooks=hooks(record, timeout="60s"))}).start()
    a.wait_state("master")
    for _ in range(3):
        lab.unplug("a")
        a.wait_state("fault")
        lab.heal()
        a.wait_state("master")
    release.write_text("")
    wait_until(lambda: lines(log) and lines(log)[-1][0] == "on-master" and lines(log)[-1][3] == "master", 5, "the newest state")
    time.sleep(0.5)
    assert len(lines(log)) <= 3, lines(log)


def test_a_hook_that_hangs_is_killed_and_said_so(lab):
    slow = script(lab, "slow", "sleep 60\n")
    a = Agent(lab["a"], {"database": database(IPV4, hooks={"on-master": {"command": [str(slow)], "timeout": "500ms"}})}).start()
    a.wait_state("master")
    wait_until(lambda: "on-master" in a.log() and "timed out" in a.log(), 5, "the log tells of the time-out")
    assert a.state() == "master", "a hook decides nothing"


def test_the_claim_gate_runs_before_advert_and_address(lab, family):
    capture = Capture(lab["client"])
    release = lab.directory / "release"
    log, gate = recorder(lab, "gate", extra=f"while ! [ -e {release} ]; do sleep 0.05; done\n")
    a = Agent(lab["a"], {"database": database(family, gate_claim={"command": [str(gate)], "timeout": "20s"})}).start()
    stays(lambda: a.state() != "master" and not lab["a"].has(family.vip()) and not capture.adverts(), 2, "the gate is closed")
    opened = time.time()
    release.write_text("")
    a.wait_state("master")
    assert capture.adverts()[0].time > opened - 0.01
    assert lines(log)[0][:1] == ["gate-claim"] and lines(log)[0][3] == "master"
    assert lab["a"].has(family.vip())


@pytest.mark.parametrize("how", ["fails", "hangs"])
def test_a_claim_gate_that_does_not_open_is_a_fault_and_another_host_serves(lab, family, how):
    gate = script(lab, "gate", "exit 3\n" if how == "fails" else "sleep 60\n")
    a = Agent(lab["a"], {"database": database(family, priority=150, gate_claim={"command": [str(gate)], "timeout": "600ms"})}).start()
    a.wait_state("fault")
    assert a.router()["faults"][0]["fault"] == "gate-claim"
    assert ("timed out" if how == "hangs" else "3") in a.router()["faults"][0]["reason"]
    b = Agent(lab["b"], {"database": database(family)}).start()
    b.wait_state("master")
    assert one_holder(lab, family.vip()) == "b"
    assert not lab["a"].has(family.vip())


def test_the_claim_gate_is_tried_again_after_a_failure(lab):
    flag = lab.directory / "open"
    gate = script(lab, "gate", f"test -e {flag}\n")
    a = Agent(lab["a"], {"database": database(IPV4, gate_claim={"command": [str(gate)]})}).start()
    a.wait_state("fault")
    flag.write_text("")
    a.wait_state("master", timeout=45)


def test_the_master_is_heard_while_the_claim_gate_runs(lab):
    """b's gate takes long; a comes back meanwhile: b does not claim when its gate opens at last."""
    release = lab.directory / "release"
    gate = script(lab, "gate", f"while ! [ -e {release} ]; do sleep 0.05; done\n")
    a, b = start_pair(lab, IPV4, b={"gate-claim": {"command": [str(gate)], "timeout": "20s"}})
    lab.mute("a")
    time.sleep(1.5)
    lab.heal()
    time.sleep(0.5)
    capture = Capture(lab["client"])
    release.write_text("")
    stays(lambda: a.state() == "master" and b.state() == "backup" and holders(lab, IPV4.vip()) == ["a"], 1.5, "a is master all along")
    assert not capture.adverts(source=lab["b"].address(IPV4))


@pytest.mark.parametrize("move", ["disable", "stop"])
def test_the_release_gate_runs_before_a_planned_resignation(lab, family, move):
    capture = Capture(lab["client"])
    log, gate = recorder(lab, "gate", extra="sleep 0.7\n")
    a, b = start_pair(lab, family, a={"gate-release": {"command": [str(gate)], "timeout": "20s"}})
    begun = time.time()
    if move == "disable":
        assert a.cli("disable", "database").returncode == 0
    else:
        a.stop()
    b.wait_state("master")
    zero = next(advert for advert in capture.adverts(source=lab["a"].source(family)) if advert.priority == 0)
    assert zero.time - begun > 0.65, "the resignation waits for the gate"
    assert lines(log)[0][0] == "gate-release" and lines(log)[0][3] == "backup"
    assert one_holder(lab, family.vip()) == "b"


def closed_gate(lab, how):
    """A release gate that does not open, and the word for why."""
    if how == "fails":
        return {"command": [str(script(lab, "gate", "exit 3\n"))], "timeout": "20s"}, "exit status 3"
    return {"command": [str(script(lab, "gate", "sleep 60\n"))], "timeout": "600ms"}, "timed out"


@pytest.mark.parametrize("how", ["fails", "hangs"])
def test_a_release_gate_that_does_not_open_refuses_disable(lab, family, how):
    """What may still be written to must not be given up by a wish: the router stays master and enabled, now and after a restart."""
    gate, word = closed_gate(lab, how)
    a, b = start_pair(lab, family, a={"gate-release": gate})
    events, events_b = a.events(), b.events()
    capture = Capture(lab["client"])
    result = a.cli("disable", "database")
    assert result.returncode == 1
    assert len(result.stderr.strip().splitlines()) == 1 and "gate-release" in result.stderr and word in result.stderr, result.stderr
    stays(lambda: a.state() == "master" and b.state() == "backup" and holders(lab, family.vip()) == ["a"], 1.5, "a stays master")
    assert events.transitions() == [] and events_b.transitions() == []
    assert {advert.priority for advert in capture.adverts()} == {150}
    failed = [line for line in a.log().splitlines() if "event=gate-release-failed" in line]
    assert len(failed) == 1 and word in failed[0] and "stays master" in failed[0], a.log()
    a.kill()
    b.wait_state("master")
    a.start()
    a.wait_state("master")


@pytest.mark.parametrize("how", ["fails", "hangs"])
def test_a_release_gate_that_does_not_open_does_not_keep_a_stop_waiting(lab, family, how):
    """The host goes down, whatever the gate says: it resigns all the same, and says so."""
    gate, word = closed_gate(lab, how)
    a, b = start_pair(lab, family, a={"gate-release": gate})
    capture = Capture(lab["client"])
    begun = time.monotonic()
    assert a.stop() == 0
    assert time.monotonic() - begun < 5
    assert not lab["a"].has(family.vip())
    b.wait_state("master")
    assert b.cause() == "master-resigned"
    assert capture.adverts(source=lab["a"].source(family))[-1].priority == 0
    failed = [line for line in a.log().splitlines() if "event=gate-release-failed" in line]
    assert len(failed) == 1 and word in failed[0] and "given up all the same" in failed[0], a.log()
    assert one_holder(lab, family.vip()) == "b"


def test_the_release_gate_does_not_hold_up_an_unplanned_loss(lab, family):
    log, slow = recorder(lab, "slow", extra="sleep 30\n")
    a, b = start_pair(lab, family, a={"gate-release": {"command": [str(slow)], "timeout": "60s"}})
    lab.unplug("a")
    a.wait_state("fault", timeout=3)
    wait_until(lambda: not lab["a"].has(family.vip()), 2, "the address goes at once")
    b.wait_state("master")
    assert "event=gate-started" not in a.log(), "nothing was planned"


def blocked_gate(lab):
    """A gate that notes its process id when it begins and ends when `release` is there: (gate, file of the ids, release)."""
    begun, release = lab.directory / "begun", lab.directory / "release"
    begun.write_text("")
    gate = script(lab, "gate", f"echo $$ >>{begun}; while ! [ -e {release} ]; do sleep 0.05; done\n")
    return {"command": [str(gate)], "timeout": "60s"}, begun, release


def runs(begun):
    """The ids of the gates that began, oldest first."""
    return [int(line) for line in begun.read_text().split()]


def test_a_claim_gate_is_asked_again_by_the_engine_that_follows_a_killed_one(lab, family):
    """The gate runs for an engine that dies: its answer is for nobody, so it is ended, and the next engine asks anew."""
    gate, begun, release = blocked_gate(lab)
    a = Agent(lab["a"], {"database": database(family, gate_claim=gate)}).start()
    wait_until(lambda: runs(begun), 10, "the gate runs")
    a.kill_engine()
    wait_until(lambda: len(runs(begun)) == 2, 10, lambda: f"the gate runs again\n{a.log()}")
    first, second = runs(begun)
    assert not os.path.exists(f"/proc/{first}") and os.path.exists(f"/proc/{second}"), "never two at once"
    assert a.state() == "backup" and not lab["a"].has(family.vip())
    release.write_text("")
    a.wait_state("master")
    assert lab["a"].has(family.vip()) and len(runs(begun)) == 2


def disable_and_kill(lab, family):
    """a is master with a blocked release gate, is told to disable, and its engine is killed while the gate runs; a new engine is there."""
    gate, begun, release = blocked_gate(lab)
    a, b = start_pair(lab, family, a={"gate-release": gate})
    asked = lab["a"].popen(binaries() / "vipd", "disable", "database", "--socket", a.socket, stdout=subprocess.DEVNULL,
                           stderr=subprocess.PIPE, text=True)
    wait_until(lambda: runs(begun), 10, "the gate runs")
    a.kill_engine()
    wait_until(lambda: a.status()["engine"]["restarts"] == 1 and a.status()["engine"]["state"] == "running", 10, "a new engine")
    return a, b, asked, begun, release


def test_a_disable_whose_engine_is_killed_during_the_release_gate_comes_to_an_end(lab, family):
    """Nobody waits for ever for the answer to a question that died with its engine."""
    a, b, asked, begun, release = disable_and_kill(lab, family)
    release.write_text("")
    a.wait_state("disabled")
    b.wait_state("master")
    assert one_holder(lab, family.vip()) == "b"
    _, said = asked.communicate(timeout=10)
    assert asked.returncode == 0, f"{said}\n{a.log()}"
    wait_until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in runs(begun)), 5, "no gate is left running")
    assert a.cli("enable", "database").returncode == 0
    a.wait_state("master")
    assert one_holder(lab, family.vip()) == "a"


def test_a_new_engine_does_not_give_up_what_the_release_gate_still_holds(lab, family):
    """The gate stops a service that must not be written to in two places; that the engine died is no reason to pass it over."""
    a, b, asked, begun, release = disable_and_kill(lab, family)
    stays(lambda: a.state() == "master" and holders(lab, family.vip()) == ["a"], 1, "it waits for the gate, as master")
    release.write_text("")
    a.wait_state("disabled")
    b.wait_state("master")
    assert b.cause() == "master-resigned" and one_holder(lab, family.vip()) == "b"


def test_a_stop_ends_although_the_engine_is_killed_during_its_release_gate(lab, family):
    """The gate stops a service: it is left to finish, and the agent ends after it."""
    gate, begun, release = blocked_gate(lab)
    a, b = start_pair(lab, family, a={"gate-release": gate})
    engine = a.engine_pid
    a.process.send_signal(signal.SIGTERM)
    wait_until(lambda: runs(begun), 10, "the gate runs")
    os.kill(engine, signal.SIGKILL)
    b.wait_state("master")
    release.write_text("")
    assert a.process.wait(15) == 0, a.log()
    assert len(runs(begun)) == 1 and not os.path.exists(f"/proc/{runs(begun)[0]}")
    assert holders(lab, family.vip()) == ["b"], "nothing is left behind"


def test_gates_and_hooks_run_as_their_user(lab):
    log, record = recorder(lab, extra="")
    log.chmod(0o666)
    who = script(lab, "who", f"id -un >>{log}\n")
    a = Agent(lab["a"], {"database": database(IPV4, gate_claim={"command": [str(who)], "user": "nobody"},
                                              hooks={"on-master": {"command": [str(who)], "user": "nobody"}})}).start()
    a.wait_state("master")
    wait_until(lambda: log.read_text().split() == ["nobody", "nobody"], 5, lambda: log.read_text())
