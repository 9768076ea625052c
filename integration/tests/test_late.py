"""A host that does not run for a while, or cannot be heard, is late and not dead: it hears what waits before it judges, and a master that was
away for longer than its peers' patience stops being one before it does anything else.

Both processes are stopped here, the supervisor first: it would take a stopped engine alone for one that hangs.
"""

import os
import signal
import time

import pytest

from cases import follows, holders, one_holder, start_pair, words
from lab import IPV4, stays, wait_until
from netlink import AddressEvents
from wire import Capture

SPANS = [pytest.param(0.5, id="500ms"), pytest.param(2, id="2s"), pytest.param(10, id="10s", marks=pytest.mark.full)]


def pause(agent, seconds):
    """Neither process runs for `seconds`; returns when they go on, in seconds of the epoch."""
    supervisor, engine = agent.process.pid, agent.engine_pid
    for pid in (supervisor, engine):
        os.kill(pid, signal.SIGSTOP)
    time.sleep(seconds)
    woken = time.time()
    for pid in (engine, supervisor):
        os.kill(pid, signal.SIGCONT)
    return woken


@pytest.mark.parametrize("span", SPANS)
@pytest.mark.parametrize("interval", ["100ms", "1s"])
def test_a_paused_backup_takes_nothing_over(lab, family, span, interval):
    """However long it was away, the master's adverts wait in its queue."""
    a, b = start_pair(lab, family, advertisement_interval=interval)
    # At the start whichever was first may have been master for a moment; what counts is from here.
    capture, events = Capture(lab["client"]), [a.events(), b.events()]
    started = time.time()
    woken = pause(b, span)
    time.sleep(1.5)
    assert not words(capture, lab["b"], family, started), f"woken at {woken}"
    assert (a.state(), b.state()) == ("master", "backup")
    assert not [state for told in events for state in told.states()], "neither moved"
    assert b.statistic("late-wake-ups") == 0, "it was no master"


@pytest.mark.parametrize("span", SPANS)
def test_a_paused_master_is_none_any_more_and_does_not_say_a_word(lab, family, span):
    """b serves meanwhile. With `preempt: no` a stays behind it, and what it was is seen in its status and its log alone."""
    a, b = start_pair(lab, family, a={"preempt": False}, advertisement_interval="100ms")
    follows(lab, family.vip(), "a")
    capture, kernel = Capture(lab["client"]), AddressEvents(lab["a"])
    woken = pause(a, span)
    router = a.wait_state("backup")
    b.wait_state("master")
    stays(lambda: (a.state(), b.state()) == ("backup", "master"), 1.5, "no-preempt is obeyed")
    assert not words(capture, lab["a"], family, woken), "not an advert, not an announcement"
    assert router["last-transition"]["cause"] == "late" and "did not run" in router["last-transition"]["text"], router
    assert a.logged("cause=late", since=woken - 0.1) is not None
    wait_until(lambda: a.statistic("late-wake-ups") == 1, 3, "it is counted")
    assert kernel.of(family.vip())[-1][1] == "deleted" and holders(lab, family.vip()) == ["b"]
    follows(lab, family.vip(), "b")


@pytest.mark.parametrize("span", SPANS)
def test_a_paused_master_that_preempts_first_releases_then_listens_then_wins_once(lab, family, span):
    a, b = start_pair(lab, family, advertisement_interval="100ms")
    capture, kernel = Capture(lab["client"]), AddressEvents(lab["a"])
    woken, at = pause(a, span), time.monotonic()
    a.wait_state("master")
    wait_until(lambda: a.statistic("late-wake-ups") == 1 and a.state() == "master", 5, "it was late")
    b.wait_state("backup")
    assert one_holder(lab, family.vip()) == "a"
    said = words(capture, lab["a"], family, woken)
    # An interval and its skew time of 41 ms at least; the two clocks are read apart.
    assert said[0][1:] == ("advert", 150) and said[0][0] - woken > 0.12, said[:3]
    changes = [(moment - at, what) for moment, what in kernel.of(family.vip())]
    gone = next(moment for moment, what in changes if what == "deleted")
    assert gone < said[0][0] - woken, f"the address went {gone} s after it woke, its first word came after {said[0][0] - woken} s"
    assert [what for _, what in changes][-1] == "added"
    follows(lab, family.vip(), "a")


def test_a_pause_that_no_peer_minds_changes_nothing(lab, family):
    """Half a second at an interval of one: no peer has lost its patience."""
    a, b = start_pair(lab, family, advertisement_interval="1s")
    kernel, events = AddressEvents(lab["a"]), b.events()
    pause(a, 0.5)
    stays(lambda: a.state() in ("master", None), 1.5, "a goes on")
    assert not events.states() and a.statistic("late-wake-ups") == 0
    assert not [what for _, what in kernel.of(family.vip()) if what == "deleted"]


def drop_adverts(host):
    host.run("nft", "-f", "-", input="table inet mute {\n chain out {\n type filter hook output priority 0;\n"
             " meta l4proto 112 counter drop\n }\n}\n")


def let_adverts_pass(host):
    host.run("nft", "delete", "table", "inet", "mute")


def test_a_master_whose_adverts_are_dropped_leaves_and_another_serves(lab, family):
    """An output rule of the firewall. The kernel tells the sender, so it need not wait to be replaced."""
    a, b = start_pair(lab, family)
    follows(lab, family.vip(), "a")
    events = a.events()
    drop_adverts(lab["a"])
    wait_until(lambda: "fault" in events.states(), 5, "a is in fault")
    fault = next(item for item in events.transitions() if item["to"] == "fault")
    assert fault["from"] == "master" and "no advert could be sent for three intervals" in fault["text"] and "firewall" in fault["text"]
    b.wait_state("master")
    assert one_holder(lab, family.vip()) == "b"
    follows(lab, family.vip(), "b")
    # Tried again, it hears b and leaves it alone: it has not shown that it can be heard.
    a.wait_state("backup")
    # Alone, it tries, and still claims nothing before an advert has left it.
    kernel = AddressEvents(lab["a"])
    lab.cut("b")
    seen = len(events.states())
    wait_until(lambda: "fault" in events.states()[seen:], 15, "it tries again")
    assert not kernel.of(family.vip()), "nothing was claimed"
    assert [entry["fault"] for entry in a.router()["faults"]] in (["cannot-send"], []), "or it tries already again"
    let_adverts_pass(lab["a"])
    a.wait_state("master", 20)
    assert lab["a"].has(family.vip())
    lab.heal()
    b.wait_state("backup")
    assert one_holder(lab, family.vip()) == "a"
    follows(lab, family.vip(), "a")


def test_hogs_on_every_core_move_nothing(lab):
    """At an interval of a second, twice as many busy processes as cores do not make anybody late enough, whatever the engine's scheduling."""
    a, b = start_pair(lab, IPV4, advertisement_interval="1s")
    events = [a.events(), b.events()]
    hogs = [lab["client"].popen("timeout", "20", "sh", "-c", "while :; do :; done") for _ in range(2 * (os.cpu_count() or 1))]
    try:
        time.sleep(6)
    finally:
        for hog in hogs:
            os.killpg(hog.pid, signal.SIGKILL)
            hog.wait(5)
    assert not [state for told in events for state in told.states()]
    assert (a.state(), b.state()) == ("master", "backup")
