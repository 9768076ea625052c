"""A master goes away in each way a master can, and comes back: who serves, and do the neighbours know."""

import contextlib
import ctypes
import json
import os
import random
import signal
import subprocess
import time

import pytest

import netlink
from agent import binaries
from cases import follows, gaps, holders, one_holder, start_pair
from lab import stays, wait_until
from wire import Capture


def test_a_silent_master_is_replaced(lab, family):
    a, b = start_pair(lab, family)
    follows(lab, family.vip(), "a")
    lab.cut("a")
    router = b.wait_state("master")
    assert router["last-transition"]["cause"] == "master-silent"
    assert lab["a"].source(family) in router["last-transition"]["text"], "the text names the silent master"
    follows(lab, family.vip(), "b")
    assert a.state() == "master", "a host that hears nobody cannot know; it is alone on its segment"


def test_a_master_without_carrier_gives_up_and_is_replaced(lab, family):
    a, b = start_pair(lab, family)
    follows(lab, family.vip(), "a")
    lab.unplug("a")
    a.wait_state("fault")
    b.wait_state("master")
    assert a.cause() == "fault"
    assert [fault["fault"] for fault in a.router()["faults"]], "the fault is named"
    wait_until(lambda: not lab["a"].has(family.vip()), 5, "the address leaves the host without carrier")
    follows(lab, family.vip(), "b")
    lab.heal()
    a.wait_state("master")
    assert one_holder(lab, family.vip()) == "a"
    follows(lab, family.vip(), "a")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["TERM", "INT"])
def test_a_stopped_master_resigns_and_releases(lab, family, number):
    a, b = start_pair(lab, family, advertisement_interval="1s")
    follows(lab, family.vip(), "a")
    capture = Capture(lab["client"])
    assert a.stop(number) == 0
    assert not lab["a"].has(family.vip())
    b.wait_state("master")
    assert b.cause() == "master-resigned"
    ours = capture.adverts(source=lab["a"].source(family))
    assert ours[-1].priority == 0
    successor = capture.adverts(source=lab["b"].source(family))[0]
    assert successor.time - ours[-1].time < 2.5, "the skew time (0.6 s), not the master-down interval (3.6 s)"
    follows(lab, family.vip(), "b")


def test_a_stopped_backup_says_nothing(lab, family):
    a, b = start_pair(lab, family)
    capture = Capture(lab["client"])
    assert b.stop() == 0
    stays(lambda: a.state() == "master", 0.5, "a stays master")
    assert not capture.adverts(source=lab["b"].source(family))


@pytest.mark.parametrize("side", ["a", "b"])
def test_after_partition_and_heal_there_is_one_master_and_neighbours_know(make_lab, family, side):
    """The client is on the side of `side`; a, of higher priority, has the last word."""
    lab = make_lab(hosts=("a", "b"), clients=("client", "other"))
    a, b = start_pair(lab, family)
    for client in ("client", "other"):
        follows(lab, family.vip(), "a", client=client)
    lab.partition(*(["a", "client"] if side == "a" else ["b", "client"]))
    b.wait_state("master")
    assert a.state() == "master"
    here, there = ("client", "other") if side == "b" else ("other", "client")
    lab[here].ping(family.vip(), 2)
    wait_until(lambda: lab[here].neighbour(family.vip()) == lab["b"].mac, 5, "the client beside b follows it")
    assert lab[there].neighbour(family.vip()) == lab["a"].mac
    lab.heal()
    b.wait_state("backup")
    assert b.cause() == "higher-priority"
    assert one_holder(lab, family.vip()) == "a"
    for client in ("client", "other"):
        wait_until(lambda client=client: lab[client].neighbour(family.vip()) == lab["a"].mac, 6, f"{client} points to a")
        follows(lab, family.vip(), "a", client=client)


def test_a_master_that_is_not_heard_yields_when_it_is_heard_again(lab, family):
    """One direction of the cable fails: both claim, and after the repair one is left, which everybody knows."""
    a, b = start_pair(lab, family)
    follows(lab, family.vip(), "a")
    lab.mute("a")
    b.wait_state("master")
    lab.heal()
    assert one_holder(lab, family.vip()) == "a"
    follows(lab, family.vip(), "a")


def test_never_two_holders_after_quiet(lab, family):
    start_pair(lab, family)
    follows(lab, family.vip(), "a")
    seed = int(os.environ.get("VIPD_SEED", random.randrange(1 << 30)))
    print(f"VIPD_SEED={seed} repeats this")
    choices = random.Random(seed)
    for _ in range(8):
        name = choices.choice("ab")
        choices.choice([lab.cut, lab.unplug, lab.mute, lab.deafen])(name)
        time.sleep(choices.uniform(0.05, 1.2))
        lab.heal()
        time.sleep(choices.uniform(0, 0.5))
    assert one_holder(lab, family.vip(), timeout=15, quiet=2) == "a"
    follows(lab, family.vip(), "a")


def test_a_killed_engine_of_the_master_is_replaced_without_a_transition_elsewhere(lab, family):
    a, b = start_pair(lab, family, advertisement_interval="500ms")
    transitions = b.statistic("master-transitions")
    capture = Capture(lab["client"])
    wait_until(lambda: capture.adverts(), 5, "an advert")
    old = a.kill_engine()
    wait_until(lambda: a.status()["engine"]["pid"] not in (None, old) and a.state() == "master", 10, "a new engine, still master")
    assert a.status()["engine"]["restarts"] == 1
    count = len(capture.adverts())
    wait_until(lambda: len(capture.adverts()) > count + 3, 10, "it goes on advertising")
    assert max(gaps(capture.adverts())) < 1.5, "no gap near the master-down interval"
    assert {advert.source for advert in capture.adverts()} == {lab["a"].source(family)}
    assert all(advert.priority == 150 for advert in capture.adverts())
    assert b.state() == "backup" and b.statistic("master-transitions") == transitions
    assert holders(lab, family.vip()) == ["a"]


def test_a_killed_engine_of_a_backup_stays_backup(lab, family):
    a, b = start_pair(lab, family)
    capture = Capture(lab["client"])
    old = b.kill_engine()
    wait_until(lambda: b.status()["engine"]["pid"] not in (None, old) and b.state() == "backup", 10, "a new engine, still backup")
    wait_until(lambda: len(capture.adverts()) > 8, 10, "time passes")
    assert {advert.source for advert in capture.adverts()} == {lab["a"].source(family)}
    lab.cut("a")
    b.wait_state("master")
    assert lab["b"].has(family.vip())


@contextlib.contextmanager
def adopting():
    """Orphans become this process's children meanwhile, so that their exit status can be read."""
    prctl, set_child_subreaper = ctypes.CDLL(None).prctl, 36
    prctl(set_child_subreaper, 1, 0, 0, 0)
    try:
        yield
    finally:
        prctl(set_child_subreaper, 0, 0, 0, 0)


def test_a_killed_supervisor_takes_its_engine_along_in_order(lab, family):
    """A client sees one change of holder, as with a stop, and no gap that is worth the name."""
    a, b = start_pair(lab, family, advertisement_interval="1s")
    follows(lab, family.vip(), "a")
    capture = Capture(lab["client"])
    probe = lab["client"].popen(binaries() / "vipd", "probe", family.vip(), "--for", "4s", "--interval", "20ms", "--json",
                                stdout=subprocess.PIPE, text=True)
    seen = []
    while not seen or seen[-1]["type"] != "holder":
        seen.append(json.loads(probe.stdout.readline()))
    assert seen[-1]["hardware-address"] == lab["a"].mac
    engine = a.engine_pid
    with adopting():
        a.process.kill()
        a.process.wait(5)
        status = wait_until(lambda: [status for pid, status in [os.waitpid(engine, os.WNOHANG)] if pid], 10, "the engine ends")[0]
    assert os.waitstatus_to_exitcode(status) == 0, "it ended in order, not by a signal"
    assert not lab["a"].has(family.vip())
    b.wait_state("master")
    assert b.cause() == "master-resigned"
    assert capture.adverts(source=lab["a"].source(family))[-1].priority == 0
    follows(lab, family.vip(), "b")
    assert one_holder(lab, family.vip()) == "b"
    seen += [json.loads(line) for line in probe.communicate(timeout=20)[0].splitlines()]
    assert [(item["from"], item["to"]) for item in seen if item["type"] == "change"] == [(lab["a"].mac, lab["b"].mac)], seen
    gaps = [item["length-ms"] for item in seen if item["type"] == "gap"]
    assert max(gaps, default=0) < 400, f"it kept the address until b had it, so not even the skew time (609 ms): {gaps}"


def test_left_over_addresses_are_removed_at_start_and_others_left_alone(lab, family):
    foreign = family.address(77)
    lab["a"].ip("address", "add", f"{foreign}/{family.bits}", "dev", "eth0")
    a, b = start_pair(lab, family)
    tags = netlink.addresses(lab["a"])
    assert tags[family.vip()]["proto"] not in (None, 0, tags[foreign]["proto"]), "our addresses carry a tag of their own"
    follows(lab, family.vip(), "a")
    a.kill()
    assert lab["a"].has(family.vip()), "nobody was left to remove it"
    b.wait_state("master")
    a.change(priority=50)
    a.start()
    wait_until(lambda: not lab["a"].has(family.vip()), 5, "the left-over address is removed")
    assert a.state() == "backup"
    assert lab["a"].has(foreign)
    assert one_holder(lab, family.vip()) == "b"
    follows(lab, family.vip(), "b")


def test_an_address_that_somebody_deletes_is_put_back(lab, family):
    a, b = start_pair(lab, family)
    transitions = a.statistic("master-transitions")
    lab["a"].ip("address", "del", family.vip_prefix(), "dev", "eth0")
    wait_until(lambda: lab["a"].has(family.vip()), 5, "it is back")
    assert a.state() == "master" and a.statistic("master-transitions") == transitions


def test_an_address_that_the_kernel_refuses_is_a_fault(lab):
    """IPv6 switched off on the interface after the start: the host says so and does not call itself master."""
    from lab import IPV6
    a, b = start_pair(lab, IPV6, a={"priority": 100}, b={"priority": 150}, wait=False)
    b.wait_state("master")
    a.wait_state("backup")
    lab["a"].run("sh", "-c", "echo 1 >/proc/sys/net/ipv6/conf/eth0/disable_ipv6")
    a.wait_state("fault")
    lab.cut("b")
    stays(lambda: a.state() != "master", 1.5, "a host without IPv6 is never master")
    lab["a"].run("sh", "-c", "echo 0 >/proc/sys/net/ipv6/conf/eth0/disable_ipv6")
    a.wait_state("master")
    assert lab["a"].has(IPV6.vip())


def test_a_stopped_engine_does_not_stay_master_when_it_continues(lab, family):
    """The whole agent is descheduled for longer than its peers' patience: it reads what arrived before it acts."""
    a, b = start_pair(lab, family, a={"priority": 100}, b={"priority": 150}, wait=False)
    b.wait_state("master")
    a.wait_state("backup")
    capture = Capture(lab["client"])
    pids = [a.process.pid, a.engine_pid]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(2)
    for pid in pids:
        os.kill(pid, signal.SIGCONT)
    time.sleep(1)
    assert not capture.adverts(source=lab["a"].source(family)), "a backup that was late must not time out a living master"
    a.wait_state("backup")
    assert a.statistic("master-transitions") == 0


def test_a_stopped_master_yields_to_what_waits_in_its_queue(lab, family):
    """It was master alone, sleeps, and wakes with a second of a better master's adverts waiting: it yields once, for good. The oldest of
    them is older than the master-down interval, and still nobody was silent."""
    a, b = start_pair(lab, family)
    lab.cut("a")
    b.wait_state("master")
    events = b.events()
    transitions = b.statistic("master-transitions")
    pids = [b.process.pid, b.engine_pid]
    capture = Capture(lab["client"])
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    lab.heal()
    time.sleep(2)
    for pid in pids:
        os.kill(pid, signal.SIGCONT)
    b.wait_state("backup")
    time.sleep(0.5)
    assert events.states() == ["backup"], "one transition"
    assert b.statistic("master-transitions") == transitions
    woken = [advert for advert in capture.adverts(source=lab["b"].source(family)) if advert.priority > 1]
    assert not woken, "it advertises nothing before it has read what waited"
    assert one_holder(lab, family.vip()) == "a"


@pytest.mark.full
def test_forty_heals(make_lab, family):
    """The segment splits and heals forty times, a client on each side: after each, both find the one master at once."""
    lab = make_lab(hosts=("a", "b"), clients=("client", "other"))
    a, b = start_pair(lab, family, advertisement_interval="100ms")
    for client in ("client", "other"):
        follows(lab, family.vip(), "a", client=client)
    choices = random.Random(40)
    for _ in range(40):
        lab.partition("b", "other")
        b.wait_state("master")
        lab["other"].ping(family.vip())
        time.sleep(choices.uniform(0, 0.3))
        lab.heal()
        b.wait_state("backup")
        assert one_holder(lab, family.vip(), quiet=0.3) == "a"
        for client in ("client", "other"):
            wait_until(lambda client=client: lab[client].neighbour(family.vip()) == lab["a"].mac, 6, f"{client} points to a")
    assert a.statistic("master-transitions") == 1
