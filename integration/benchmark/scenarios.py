"""The misfortunes and planned moves of one pair, each measured by a client that probes the address every millisecond.

A scenario is a fault and how long to look on; what is reported is the same for all: lost probes and the longest hole, requests that two
answered, how long the outage exceeded the RFC's arithmetic, and how long the address stayed on a dead host. Nothing is asked of the agents
while it is measured: a question costs time that the answer would tell of.
"""

import random
import signal
import time
from dataclasses import dataclass
from typing import Callable

from lab import IPV4, Lab, wait_until

from . import figures
from .observation import Watch
from .peers import ADDED, KINDS, Unsupported, settle, start_pair, wait_state

VIP = IPV4.vip()
ALL = (1.0, 0.1, 0.01)


@dataclass(frozen=True)
class Scenario:
    name: str
    title: str
    fault: Callable  # of (lab, a, b)
    # How long it is looked at after the fault, seconds, by the interval.
    window: Callable
    # Who must be master afterwards; None: whoever was.
    ends_at: str = "b"
    intervals: tuple = (1.0, 0.1)
    # The address may outlive the agent on the host that lost it.
    leaves: bool = False
    # The host with the better priority is not there at first.
    late: bool = False
    # Nobody else has such a thing; the others are not even asked.
    only: str = ""
    # It must lose nothing (the bars of planned moves).
    planned: bool = False


def _down(extra):
    return lambda interval: figures.master_down(interval) + extra


def _lease(interval):
    """Until a kernel lease has ended and the peer has taken over."""
    return max(figures.master_down(interval), max(2, 3 * interval)) + 2


def _reload(lab, a, b):
    """The backup first, and the master at once afterwards, as an administrator would."""
    b.reload_with_more()
    a.reload_with_more()


def _restart(lab, a, b):
    a.stop()
    a.start(wait=False)


SCENARIOS = {scenario.name: scenario for scenario in (
    Scenario("silent", "silent host", lambda lab, a, b: lab.cut("a"), _down(0.8), intervals=ALL),
    Scenario("carrier", "carrier loss", lambda lab, a, b: lab.unplug("a"), _down(0.8)),
    Scenario("stop", "graceful stop", lambda lab, a, b: a.stop(), _down(0.8), intervals=ALL, planned=True),
    Scenario("kill-main", "kill -9 of the main process", lambda lab, a, b: a.signal(signal.SIGKILL, only_main=True), _lease, leaves=True),
    Scenario("kill-all", "kill -9 of all processes", lambda lab, a, b: a.signal(signal.SIGKILL), _lease, intervals=ALL, leaves=True),
    Scenario("hang", "all processes hang", lambda lab, a, b: a.signal(signal.SIGSTOP), _lease, leaves=True),
    Scenario("preempt", "the better host returns", lambda lab, a, b: a.start(wait=False), _down(2.5), ends_at="a", late=True, planned=True),
    Scenario("engine", "kill -9 of the engine", lambda lab, a, b: a.kill_engine(), _down(1), ends_at="a", only="vipd", planned=True),
    Scenario("reload", "reload with an address added", _reload, _down(2), ends_at="a"),
    Scenario("restart", "daemon restart", _restart, lambda interval: 2 * figures.master_down(interval) + 3, ends_at="a"),
    Scenario("upgrade", "upgrade in place", lambda lab, a, b: a.upgrade(), _down(2), ends_at="a", only="vipd", planned=True),
    Scenario("handover", "planned handover", lambda lab, a, b: a.handover(), _down(1.5), ends_at="b", only="vipd", planned=True),
)}


STAYS = {"engine", "reload", "upgrade"}  # nothing has to move


def run(scenario, peer, interval):
    """One round; the values for the record."""
    if scenario.only not in ("", peer):
        raise Unsupported({"engine": "has no engine apart", "handover": "has no planned handover"}.get(
            scenario.name, "has no upgrade in place; see restart"))
    with Lab(hosts=("a", "b")) as lab:
        if scenario.late:
            a, b = KINDS[peer](lab["a"], interval, 150), KINDS[peer](lab["b"], interval, 100)
            b.start()
            settle(lab, b)
        else:
            a, b = start_pair(lab, peer, interval)
        watch = Watch(lab["client"], VIP)
        time.sleep(0.3 + (2 + random.random()) * interval)
        begun = time.time_ns()
        scenario.fault(lab, a, b)
        time.sleep(max(0, begun / 1e9 + scenario.window(interval) - time.time()))
        ended = time.time_ns()
        seen = watch.stop()
        if scenario.name == "reload":
            wait_until(lambda: lab["client"].ping(IPV4.vip(ADDED)), 5, "the added address is reached")
        return values(scenario, seen, begun, ended, interval, lab, a, b)


def values(scenario, seen, begun, ended, interval, lab, a, b):
    """What the observation says; fails if the round did not end as it had to, since its figures would be those of something else."""
    holder = lab[scenario.ends_at]
    late = [stamp for stamp in seen.adverts_of(holder.address(IPV4), begun) if stamp > ended - 2.5e9 * interval - 5e7]
    if not late:
        raise AssertionError(f"{scenario.name}: {scenario.ends_at} is not master at the end\n{a.log()[-800:]}\n{b.log()[-800:]}")
    found = {**seen.outage(begun), **seen.doubles(begun), "prober": seen.lateness()}
    if scenario.name in STAYS:
        found["moved"] = bool(seen.adverts_of(lab["b"].address(IPV4), begun))
        sent = seen.adverts_of(lab["a"].address(IPV4), begun - 2e9 * interval)
        found["advert-late-ms"] = (max(later - earlier for earlier, later in zip(sent, sent[1:])) / 1e9 - interval) * 1000
    if scenario.ends_at == "b":
        taken = seen.adverts_of(lab["b"].address(IPV4), begun)
        due = due_at(seen, begun, interval, lab["a"].address(IPV4), taken[0])
        found.update(overhead(seen, begun, due, taken[0]))
        # By a host that is not master: what the switch floods reaches it, and it answers.
        found["served-by-backup"] = seen.echoes_from(lab["b"].mac, begun, taken[0])
    if scenario.leaves:
        last = seen.last_answer_of(a.mac, begun) if a.mac != b.mac else seen.last_double(begun)
        found["left-ms"] = (last - begun) / 1e6 if last else 0.0
        # To the very end: nothing takes it away.
        found["left-for-good"] = bool(last and last > ended - 100e6)
    return found


def due_at(seen, begun, interval, old, taken, priority=100):
    """`(when, resigned)`: from when the RFC lets the backup take over from `old`, as it has `taken` over: the skew time after a resignation, else the
    master-down interval after the last advert; None if it heard of neither."""
    resigned = [stamp for stamp in seen.resignations_of(old, begun) if stamp < taken]
    if resigned:
        return resigned[0] + figures.skew(interval, priority) * 1e9, True
    before = [stamp for stamp in seen.adverts_of(old) if stamp < taken]
    return (before[-1] + figures.master_down(interval, priority) * 1e9, False) if before else None


def overhead(seen, begun, due, taken):
    """Milliseconds from the RFC's moment to the new master's first advert (`detection-ms`), from there to the first announcement (`claim-ms`), and
    from the RFC's moment to when the client is told or reaches the address (`overhead-ms`), whichever of the two the prober can tell more exactly.
    Where no probe was lost because the dead host's kernel went on answering, the announcement counts; where a planned move lost none there is
    nothing to tell."""
    reached, told = seen.reached_again(begun), seen.announced(VIP, taken - 1_000_000)
    if due is None or (reached is None and (due[1] or told is None)):
        return {}
    if reached is None:
        moment = told
    else:
        # It came into reach between the last lost probe and the first answered one; the announcement says when exactly.
        moment = told if told and reached - 2 * seen.step < told < reached else reached
    return {"overhead-ms": (moment - due[0]) / 1e6, "detection-ms": (taken - due[0]) / 1e6, "claim-ms": (told - taken) / 1e6 if told else None}


def heal(peer, interval, partition, count, other=None):
    """`count` partitions of at least `partition` seconds in one lab: the client is on the side of the host that will lose. Returns how long its
    longest hole after each heal was, ms, in the order they happened; one that did not end within 45 s counts as that."""
    holes, doubled = [], []
    with Lab(hosts=("a", "b")) as lab:
        a, b = start_pair(lab, peer, interval, other)
        for _ in range(count):
            lab.partition("a")
            wait_state(b, "master", 30)
            time.sleep(partition + random.random() * max(2 * interval, 1))
            wait_until(lambda: lab["client"].ping(VIP), 10, "the client reaches the address on its side of the partition")
            watch = Watch(lab["client"], VIP, step=2000)
            time.sleep(0.2)
            begun = time.time_ns()
            lab.heal()
            time.sleep(max(2 * interval, 2) + 1)
            limit = time.monotonic() + 42
            while not lab["client"].ping(VIP) and time.monotonic() < limit:
                time.sleep(0.2)
            time.sleep(0.3)
            seen = watch.stop()
            holes.append(seen.outage(begun)["outage-ms"])
            doubled.append(seen.doubles(begun)["doubled"])
            settle(lab, a, b, timeout=60)
    return {"holes-ms": holes, "doubled": doubled}
