"""`vipd upgrade`: another program takes over in the running process and another engine goes on, and nobody on the segment notices. What cannot
take over changes nothing."""

import os
import random
import shutil
import signal
import time

import pytest

from agent import Agent, StatusError, binaries, script
from cases import database, gaps, holders, in_attempts, one_holder, start_pair
from lab import IPV4, wait_until
from scale import lateness, plan, routers, states, wait_all
from watching import Addresses, Probes
from wire import Capture, wait_for_advert


@pytest.fixture
def installed(make_lab):
    """A directory with programs that can be replaced, as a package does it."""
    lab = make_lab(hosts=("a", "b"))
    place = lab.directory / "bin"
    place.mkdir()
    for name in ("vipd", "vipd-engine"):
        install(binaries() / name, place / name)
    return lab, place


def install(source, target):
    new = target.with_suffix(".new")
    shutil.copy2(source, new)
    os.replace(new, target)


def pair(lab, place, family=IPV4, **values):
    a, b = start_pair(lab, family, wait=False, **values)
    a.stop()
    a.log_file.unlink()
    a.program = place / "vipd"
    a.start()
    a.wait_state("master", timeout=20)
    b.wait_state("backup", timeout=20)
    return a, b


def pids(agent):
    document = agent.status()
    return document["pid"], document["engine"]["pid"]


@pytest.mark.alone
@pytest.mark.parametrize("interval", [1.0, 0.1])
def test_an_upgrade_costs_nothing(installed, family, interval, measured):
    lab, place = installed
    hooks = lab.directory / "hooks"
    hook = script(lab, "hook", f"echo $VIPD_STATE >>{hooks}\n")
    a, b = pair(lab, place, family, advertisement_interval=f"{interval * 1000:.0f}ms", a={"hooks": {"on-master": [str(hook)]}})
    wait_until(hooks.exists, 5, "the hook ran")
    told = hooks.read_text()
    choices = random.Random(7)
    seen = {}

    def attempt():
        a.wait_state("master", timeout=20)
        before = pids(a)
        addresses, events = Addresses(lab["a"]), b.events()
        transitions = b.statistic("master-transitions")
        capture = Capture(lab["client"])
        wait_for_advert(capture)
        probes = Probes(lab["client"], family.vip())
        install(binaries() / "vipd", place / "vipd")
        install(binaries() / "vipd-engine", place / "vipd-engine")
        time.sleep(choices.uniform(0, interval))
        result = a.cli("upgrade", timeout=60)
        assert result.returncode == 0, result.stdout + result.stderr + a.log()[-3000:]
        count = len(capture.adverts())
        wait_until(lambda: len(capture.adverts()) >= count + 4, 10, "adverts go on")
        summary = probes.finish()
        after = pids(a)
        found = gaps(capture.adverts())
        upgrade = a.status()["upgrade"]
        seen.update(text=result.stdout.strip(), gap=max(found), lost=summary["sent"] - summary["answered"], sent=summary["sent"])
        assert after[0] == before[0] == a.process.pid, "the process stays"
        assert after[1] != before[1], "another engine goes on"
        assert upgrade["state"] == "done" and upgrade["paused-us"] > 0
        assert a.state() == "master" and a.status()["engine"]["restarts"] == 0
        assert not events.states() and b.state() == "backup" and b.statistic("master-transitions") == transitions
        assert not probes.of("change") and not probes.of("double"), probes.records
        assert summary["sent"] == summary["answered"], probes.records
        assert not addresses.removed()
        assert max(found) < 1.5 * interval, found
        assert {advert.priority for advert in capture.adverts()} == {150}, "nobody resigned"
        assert {advert.source for advert in capture.adverts()} == {lab["a"].source(family)}
        events.close()
        capture.stop()
    in_attempts(attempt, stall=0.01)
    assert hooks.read_text() == told, "who was told before is not told again"
    measured(f"vipd upgrade, {family}, {interval * 1000:.0f} ms adverts (bar: no advert late by half an interval)", [
        f"{seen['text']}; {seen['lost']} of {seen['sent']} probes lost; longest time between two adverts {seen['gap'] * 1000:.1f} ms"])
    assert a.stop() == 0
    assert not lab["a"].has(family.vip()), "the new program stops as any does"


def test_an_upgraded_agent_goes_on_as_any(installed, family):
    """Checks, a disabled router, reloads, a second upgrade, and the engine's death: all of it after an upgrade."""
    lab, place = installed
    flag = lab.directory / "flag"
    flag.write_text("")
    checks = {"flag": {"command": ["/usr/bin/test", "-e", str(flag)], "interval": "100ms", "timeout": "2s"}}
    routers = {"database": database(family, checks=["flag"]),
               "other": database(family, vrid=52, addresses=[family.vip_prefix(1)])}
    a = Agent(lab["a"], routers, checks)
    a.program = place / "vipd"
    a.start()
    a.wait_state("master")
    a.wait_state("master", name="other")
    assert a.cli("disable", "other").returncode == 0
    for _ in range(2):
        result = a.cli("upgrade", timeout=60)
        assert result.returncode == 0, result.stdout + result.stderr + a.log()[-3000:]
        a.wait_state("master")
        assert a.state("other") == "disabled"
        assert a.cause() == "master-silent", "what led to its state is still known"
    a.change(priority=120)
    a.reload()
    wait_until(lambda: a.router()["priority"] == 120, 5, "the reload is in force")
    old = a.kill_engine()
    wait_until(lambda: a.status()["engine"]["pid"] not in (None, old) and a.state() == "master", 10, "a new engine, still master")
    assert a.cli("enable", "other").returncode == 0
    a.wait_state("master", name="other")
    flag.unlink()
    a.wait_state("fault")
    assert a.stop() == 0
    assert holders(lab, family.vip()) == holders(lab, family.vip(1)) == []
    assert a.cli("upgrade").returncode == 2, "there is nobody to ask"


def refused(agent, *words):
    """An upgrade that is refused for this reason and changes nothing."""
    before = pids(agent)
    result = agent.cli("upgrade", timeout=60)
    text = result.stdout + result.stderr
    assert result.returncode == 1 and all(word in text for word in words), f"{result.returncode} {text}"
    assert pids(agent) == before and agent.process.poll() is None
    return text


def test_what_cannot_take_over_changes_nothing(installed):
    lab, place = installed
    a, b = pair(lab, place, advertisement_interval="500ms")
    transitions = b.statistic("master-transitions")
    good = a.file.read_text()
    a.file.write_text(good.replace("priority: 150", "priority: 149"))
    refused(a, "not the one in force", "reload")
    a.file.write_text(good + "nonsense: 1\n")
    refused(a, "has errors", "nonsense")
    a.file.write_text(good)
    (place / "vipd").unlink()
    refused(a, "cannot take over", str(place / "vipd"))
    script(lab, "broken", "echo this is no agent; exit 3\n")
    install(lab.directory / "broken", place / "vipd")
    refused(a, "exit status 3", "this is no agent")
    install(binaries() / "vipd", place / "vipd")
    (place / "vipd-engine").unlink()
    refused(a, "vipd-engine is missing")
    install(binaries() / "vipd-engine", place / "vipd-engine")
    assert b.statistic("master-transitions") == transitions and a.state() == "master"
    assert a.cli("upgrade", timeout=60).returncode == 0, "and when all is there it is done"


def test_a_new_engine_that_does_not_come_up_leaves_the_old_one_in_place(installed):
    lab, place = installed
    a, b = pair(lab, place, advertisement_interval="500ms")
    transitions = b.statistic("master-transitions")
    supervisor, engine = pids(a)
    script(lab, "broken", "echo no engine today; exit 9\n")
    install(lab.directory / "broken", place / "vipd-engine")
    result = a.cli("upgrade", timeout=60)
    assert result.returncode == 1 and "no engine today" in result.stderr and "old engine" in result.stderr, result.stderr
    assert pids(a) == (supervisor, engine)
    assert a.status()["upgrade"]["state"] == "engine-kept"
    assert a.state() == "master" and b.statistic("master-transitions") == transitions
    # The old engine is watched by the new program as by the old.
    install(binaries() / "vipd-engine", place / "vipd-engine")
    os.kill(engine, signal.SIGSTOP)
    wait_until(lambda: a.status()["engine"]["pid"] not in (None, engine), 10, "it is replaced when it hangs")
    assert one_holder(lab, IPV4.vip(), timeout=20) == "a"


def test_a_gate_or_a_slow_hook_puts_an_upgrade_off(installed):
    lab, place = installed
    waiting = lab.directory / "waiting"
    gate = script(lab, "gate", f"touch {waiting}; while [ -e {waiting} ]; do sleep 0.1; done\n")
    hook = script(lab, "hook", "sleep 1\n")
    a = Agent(lab["a"], {"database": database(IPV4, **{"gate-claim": {"command": [str(gate)], "timeout": "30s"}, "hooks": {"on-master": [str(hook)]}})})
    a.program = place / "vipd"
    a.start()
    wait_until(waiting.exists, 10, "the gate runs")
    refused(a, "a gate runs")
    waiting.unlink()
    a.wait_state("master")
    begun = time.monotonic()
    assert a.cli("upgrade", timeout=60).returncode == 0
    assert time.monotonic() - begun > 0.5, "the hook was waited for"
    a.wait_state("master")


def test_what_is_left_by_an_unknown_version_is_a_start_like_others(lab):
    memory = os.memfd_create("state", os.MFD_ALLOW_SEALING)
    os.write(memory, b'{"format": 99, "messages": 1, "from": "9.9", "to": "0.1", "at": 5}')
    import fcntl
    fcntl.fcntl(memory, 1033, 0xF)  # F_ADD_SEALS: shrink, grow, write, seal
    os.set_inheritable(memory, True)
    a = Agent(lab["a"], {"database": database(IPV4)})
    with open(a.log_file, "ab") as log:
        a.process = lab["a"].popen(a.program, "run", "--config", a.file, stdout=log, stderr=log, pass_fds=[memory],
                                   env={**os.environ, "SWIFT_BACKTRACE": "enable=no", "VIPD_TAKEOVER": str(memory)})
    a.wait_ready()
    os.close(memory)
    assert "event=not-taken-over" in a.log() and "format 99" in a.log(), a.log()
    assert a.status()["upgrade"]["state"] == "restarted"
    a.wait_state("master")


def test_an_upgrade_is_asked_for_by_post(lab):
    a = Agent(lab["a"], {"database": database(IPV4)}).start()
    with pytest.raises(StatusError) as error:
        a.request("GET", "/v1/upgrade")
    assert error.value.code == 405
    assert a.status()["upgrade"] is None
    answer = a.request("POST", "/v1/upgrade", timeout=60)
    assert answer["state"] == "under-way" and answer["from"] == a.status()["version"]
    wait_until(lambda: (a.status()["upgrade"] or {}).get("state") == "done", 15, lambda: a.log()[-2000:])


@pytest.mark.alone
def test_an_upgrade_of_200_routers_makes_no_advert_late_by_half_an_interval(make_lab, measured):
    lab = make_lab(hosts=("a",))
    planned = plan(200)
    a = Agent(lab["a"], routers(planned, 150, interval="100ms"), log_level="info").start()
    wait_all(a, "master", len(planned))
    vrids = {vrid for _, _, vrid, _ in planned}
    rows = []

    def attempt():
        capture = Capture(lab["client"], expression="ip proto 112")
        time.sleep(0.5)
        result = a.cli("upgrade", timeout=60)
        assert result.returncode == 0, result.stdout + result.stderr
        time.sleep(0.5)
        capture.stop()
        late = lateness(capture, vrids)
        rows.append(f"{result.stdout.strip()}; latest advert of 200 routers {max(late.values()):.1f} ms late")
        assert max(late.values()) < 50
        assert set(states(a)) == {"master"}
    in_attempts(attempt, stall=0.02)
    measured("vipd upgrade, 200 routers at 100 ms adverts (bar: no advert late by half an interval)", rows)
