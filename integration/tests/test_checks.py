"""Checks: what they see, what they do to a router, and what happens when they cannot be run."""

import os
import signal
import time

import pytest

from agent import Agent, flag_check, script
from cases import database, follows, holders, one_holder, start_pair, without_a_gap
from lab import IPV4, stays, wait_until
from wire import Capture


def pair_with_check(lab, family, effect, **check):
    """a (150) with a flag check of this effect, b (100) without; settled, a is master."""
    file, definition = flag_check(lab, "service", **check)
    entry = "service" if effect == "fault" else {"check": "service", "on-failure": effect}
    a = Agent(lab["a"], {"database": database(family, priority=150, checks=[entry])}, {"service": definition}).start(wait=False)
    b = Agent(lab["b"], {"database": database(family)}).start()
    a.wait_ready()
    a.wait_state("master", timeout=15)
    b.wait_state("backup")
    return file, a, b


def test_a_failing_fault_check_gives_mastership_away_and_back(lab, family):
    file, a, b = pair_with_check(lab, family, "fault")
    file.unlink()
    a.wait_state("fault")
    b.wait_state("master")
    assert b.cause() == "master-resigned", "a says that it goes"
    fault = a.router()["faults"][0]
    assert fault["fault"] == "check" and fault["check"] == "service" and "1" in fault["reason"], fault
    assert a.router()["checks"][0]["state"] == "failing"
    assert one_holder(lab, family.vip()) == "b"
    file.write_text("")
    a.wait_state("master")
    assert a.router()["faults"] == []
    assert one_holder(lab, family.vip()) == "a"


def test_a_failing_weight_check_lowers_the_priority(lab, family):
    capture = Capture(lab["client"])
    file, a, b = pair_with_check(lab, family, "weight -60")
    file.unlink()
    b.wait_state("master")
    a.wait_state("backup")
    router = a.router()
    assert (router["priority"], router["effective-priority"]) == (150, 90)
    assert router["contributions"][0]["check"] == "service"
    assert [advert.priority for advert in capture.adverts(source=lab["a"].source(family))][-1] in (90, 1, 0)
    file.write_text("")
    a.wait_state("master")
    assert a.router()["effective-priority"] == 150 and a.router()["contributions"] == []


def test_a_cold_start_waits_for_the_first_success(lab, family):
    file, definition = flag_check(lab, "service")
    file.unlink()
    a = Agent(lab["a"], {"database": database(family, checks=["service"])}, {"service": definition}).start()
    a.wait_state("fault")
    stays(lambda: a.state() == "fault" and not holders(lab, family.vip()), 1.5, "no success yet")
    file.write_text("")
    a.wait_state("master")


@pytest.mark.parametrize("kind, word", [("missing", "not found"), ("not executable", "executable"), ("killed", "kill"), ("slow", "timed out")])
def test_a_check_that_cannot_say_yes_fails_by_name(lab, kind, word):
    """Missing, not executable, killed and late are failures, and status says which."""
    if kind == "missing":
        command = [str(lab.directory / "nothing-here")]
    elif kind == "not executable":
        command = [str(script(lab, "plain", "exit 0\n"))]
        os.chmod(command[0], 0o644)
    elif kind == "killed":
        command = [str(script(lab, "suicide", "kill -9 $$\n"))]
    else:
        command = [str(script(lab, "slow", "sleep 30\n"))]
    definition = {"command": command, "interval": "200ms", "timeout": "300ms"}
    a = Agent(lab["a"], {"database": database(IPV4, checks=["service"])}, {"service": definition}).start()
    wait_until(lambda: word in str(a.router()["faults"]).lower(), 8, lambda: f"{word} in {a.router()['faults']}")
    assert a.state() == "fault"


def test_a_check_that_takes_too_long_is_killed_with_its_children(lab):
    marker = 7654.321 + os.getpid() % 1000
    slow = script(lab, "slow", f"sleep {marker} &\nsleep {marker}\n")
    a = Agent(lab["a"], {"database": database(IPV4, checks=["service"])},
              {"service": {"command": [str(slow)], "interval": "200ms", "timeout": "300ms"}}).start()
    wait_until(lambda: "timed out" in str(a.router()["faults"]), 8, "the time-out is reported")
    a.stop()
    left = lab["a"].run("pgrep", "-f", f"sleep {marker}", check=False).stdout.split()
    assert not left, "no child survives its check"


def test_a_slow_check_costs_no_advert(lab, family):
    slow = script(lab, "slow", "sleep 0.8\n")
    Agent(lab["a"], {"database": database(family, checks=["service"])},
          {"service": {"command": [str(slow)], "interval": "100ms", "timeout": "2s"}}).start().wait_state("master", timeout=15)
    without_a_gap(lab, more=15)


def test_a_check_never_runs_twice_at_once(lab):
    log = lab.directory / "runs"
    overlap = script(lab, "overlap", f"echo in >>{log}; sleep 0.4; echo out >>{log}\n")
    Agent(lab["a"], {"database": database(IPV4, checks=["service"])},
          {"service": {"command": [str(overlap)], "interval": "100ms", "timeout": "2s"}}).start()
    wait_until(lambda: log.exists() and log.read_text().count("out") >= 4, 10, "four runs")
    lines = log.read_text().split()
    assert all(first != second for first, second in zip(lines, lines[1:])), lines


def test_a_check_runs_as_its_user_without_a_shell(lab):
    log = lab.directory / "seen"
    log.write_text("")
    log.chmod(0o666)
    seen = script(lab, "look", f'echo "$(id -un) $VIPD_KIND $VIPD_CHECK $1" >>{log}\n')
    Agent(lab["a"], {"database": database(IPV4, checks=["service"])},
          {"service": {"command": [str(seen), "$HOME;x"], "interval": "200ms", "timeout": "2s", "user": "nobody"}}).start()
    wait_until(lambda: log.read_text(), 5, "a run")
    assert log.read_text().splitlines()[0] == "nobody check service $HOME;x"


def test_a_check_may_ask_for_a_shell(lab):
    a = Agent(lab["a"], {"database": database(IPV4, checks=["service"])},
              {"service": {"shell": "test 1 = 1 && exit 0", "interval": "200ms", "timeout": "2s"}}).start()
    a.wait_state("master")


def test_rise_and_fall_count_runs_in_a_row(lab):
    """fall 3: two failures do nothing."""
    counter = lab.directory / "count"
    flaky = script(lab, "flaky", f"n=$(cat {counter} 2>/dev/null || echo 0); n=$((n+1)); echo $n >{counter}; [ $((n % 3)) = 0 ]\n")
    a = Agent(lab["a"], {"database": database(IPV4, checks=["service"])},
              {"service": {"command": [str(flaky)], "interval": "100ms", "timeout": "2s", "rise": 1, "fall": 3}}).start()
    a.wait_state("master")
    stays(lambda: a.state() == "master", 2, "never three failures in a row")


def test_both_hosts_failing_leaves_nobody_but_last_resort_serves(lab, family):
    """With `fault` on both nobody serves; with `last-resort` on one, that one does, at priority 1, until a healthy one is back."""
    file, definition = flag_check(lab, "service")
    a = Agent(lab["a"], {"database": database(family, priority=150, checks=["service"])}, {"service": definition}).start()
    b = Agent(lab["b"], {"database": database(family, checks=[{"check": "service", "on-failure": "last-resort"}])},
              {"service": definition}).start()
    a.wait_state("master")
    b.wait_state("backup")
    capture = Capture(lab["client"])
    file.unlink()
    a.wait_state("fault")
    b.wait_state("master")
    assert b.router()["effective-priority"] == 1
    assert one_holder(lab, family.vip()) == "b"
    wait_until(lambda: [advert for advert in capture.adverts(source=lab["b"].source(family)) if advert.priority == 1], 5, "priority 1")
    file.write_text("")
    a.wait_state("master")
    assert one_holder(lab, family.vip()) == "a"


def serves_alone(lab, family, agents):
    """The name of the one agent that is master, at priority 1, and that the client reaches."""
    name = one_holder(lab, family.vip(), timeout=15, quiet=2)
    assert {other: agent.state() for other, agent in agents.items()} == {other: "master" if other == name else "backup" for other in agents}
    for agent in agents.values():
        router = agent.router()
        assert router["effective-priority"] == 1 and router["contributions"][0]["check"] == "service", router
    follows(lab, family.vip(), name)
    return name


@pytest.mark.parametrize("begins", ["healthy", "failing"])
def test_of_two_hosts_with_a_failing_last_resort_one_serves(lab, family, begins):
    """The natural configuration: the same file on both hosts, and what is checked fails on both, from the start or later."""
    file, definition = flag_check(lab, "service")
    if begins == "failing":
        file.unlink()
    router = {"checks": [{"check": "service", "on-failure": "last-resort"}]}
    agents = {name: Agent(lab[name], {"database": database(family, priority=priority, **router)}, {"service": definition}).start(wait=False)
              for name, priority in (("a", 150), ("b", 100))}
    for agent in agents.values():
        agent.wait_ready()
    if begins == "healthy":
        agents["a"].wait_state("master", timeout=15)
        wait_until(lambda: agents["b"].router()["checks"][0]["state"] == "passing", 5, "b's check passes")
        follows(lab, family.vip(), "a")
        file.unlink()
    for agent in agents.values():
        wait_until(lambda agent=agent: agent.router()["effective-priority"] == 1, 10, "priority 1")
    first = serves_alone(lab, family, agents)
    second = "b" if first == "a" else "a"
    lab.cut(first)
    agents[second].wait_state("master")
    follows(lab, family.vip(), second)
    lab.heal()
    serves_alone(lab, family, agents)
    file.write_text("")
    agents["a"].wait_state("master")
    assert one_holder(lab, family.vip()) == "a"
    follows(lab, family.vip(), "a")


def test_both_hosts_in_fault_serve_nothing(lab, family):
    file, definition = flag_check(lab, "service")
    a, b = (Agent(lab[name], {"database": database(family, priority=priority, checks=["service"])}, {"service": definition}).start()
            for name, priority in (("a", 150), ("b", 100)))
    a.wait_state("master")
    file.unlink()
    a.wait_state("fault")
    b.wait_state("fault")
    assert holders(lab, family.vip()) == []


def test_last_resort_does_not_take_over_from_a_master(lab, family):
    file, definition = flag_check(lab, "service")
    file.unlink()
    a = Agent(lab["a"], {"database": database(family, priority=50)}).start()
    a.wait_state("master")
    b = Agent(lab["b"], {"database": database(family, priority=200, checks=[{"check": "service", "on-failure": "last-resort"}])},
              {"service": definition}).start()
    stays(lambda: a.state() == "master" and b.state() != "master", 2.5, "somebody else advertises")


def test_a_check_added_by_reload_has_no_effect_before_its_first_verdict(lab, family):
    a, b = start_pair(lab, family)
    events = a.events()
    release = lab.directory / "release"
    waits = script(lab, "waits", f"while ! [ -e {release} ]; do sleep 0.05; done; exit 1\n")
    a.write({"database": {**a.routers["database"], "checks": ["service"]}},
            {"service": {"command": [str(waits)], "interval": "100ms", "timeout": "20s", "fall": 1, "rise": 1}})
    a.reload()
    stays(lambda: a.state() == "master", 1.5, "the new check has not spoken yet")
    assert events.transitions() == []
    release.write_text("")
    a.wait_state("fault")
    b.wait_state("master")


def test_known_verdicts_survive_a_reload(lab):
    """A reload that changes the router does not send a passing check back to its cold start."""
    file, definition = flag_check(lab, "service", rise=20)
    a = Agent(lab["a"], {"database": database(IPV4, checks=["service"])}, {"service": definition}).start()
    a.wait_state("master", timeout=15)
    events = a.events()
    a.change(addresses=[IPV4.vip_prefix(), IPV4.vip_prefix(1)])
    a.reload()
    wait_until(lambda: lab["a"].has(IPV4.vip(1)), 5, "the new address")
    stays(lambda: a.state() == "master", 1, "the verdict is known")
    assert events.transitions() == []


def test_a_verdict_that_is_not_renewed_is_stale(lab, family):
    """The supervisor is stopped: the engine goes on advertising, until it no longer believes the last verdict."""
    _, a, b = pair_with_check(lab, family, "fault", timeout="500ms")
    capture = Capture(lab["client"])
    stopped = time.monotonic()
    os.kill(a.process.pid, signal.SIGSTOP)
    try:
        b.wait_state("master", timeout=10)
        assert time.monotonic() - stopped > 0.9, "the verdict lives for interval x fall + timeout + 1 s"
        ours = capture.adverts(source=lab["a"].source(family))
        assert len(ours) > 4 and ours[-1].priority == 0, "it advertised until it resigned"
        assert not lab["a"].has(family.vip())
    finally:
        os.kill(a.process.pid, signal.SIGCONT)
    a.wait_state("master", timeout=15)
    assert one_holder(lab, family.vip()) == "a"
