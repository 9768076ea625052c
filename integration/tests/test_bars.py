"""Measurements against the stated bars. Figures are printed; what is asserted is a median, generously: the machine is shared.

Beside each timed round a monitor notes how long the machine did not run anything at all; rounds it marks are repeated.
"""

import os
import random
import statistics
import subprocess
import time
from pathlib import Path

import pytest

from agent import Agent, binaries
from cases import database, follows, start_pair
from lab import IPV4, wait_until
from stalls import Stalls
from watching import Neighbours
from wire import Capture

pytestmark = pytest.mark.alone

ROUNDS = 20
INTERVAL = 0.1
MOVES = 10


def undisturbed(count, attempt):
    """The rows of up to `count` rounds of `attempt`, and how many others were disturbed: by the machine, or so that there is no row."""
    rows, dirty = [], 0
    while len(rows) < count and dirty < count:
        with Stalls() as stalls:
            row = attempt()
        if row and stalls.worst <= 0.003:
            rows.append(row)
        else:
            dirty += 1
    assert len(rows) >= count // 2, f"this machine is too restless to measure: {dirty} of {dirty + len(rows)} rounds disturbed"
    return rows, dirty


def takeover(lab, agents, vip, choices):
    """Cuts the master off; (lateness, claim) in ms: of the new master's first advert after the master-down interval, and from that
    advert to the first announcement."""
    old, new = ("a", "b") if agents["a"].state() == "master" else ("b", "a")
    interval = agents[new].router()["master-down-interval-ms"]
    capture = Capture(lab.switch, "br0")
    time.sleep(0.25 + choices.random() * INTERVAL)
    lab.cut(old)
    agents[new].wait_state("master")
    wait_until(lambda: capture.announcements(vip, mac=lab[new].mac), 5, "the first announcement")
    capture.stop()
    last = capture.adverts(source=lab[old].address(IPV4))[-1].time
    first = capture.adverts(source=lab[new].address(IPV4))[0].time
    announced = capture.announcements(vip, mac=lab[new].mac)[0].time
    lab.heal()
    agents["b"].wait_state("backup")
    agents["a"].wait_state("master")
    return (first - last) * 1000 - interval, (announced - first) * 1000


def test_takeover_after_silence(make_lab, measured):
    lab = make_lab()
    a, b = start_pair(lab, IPV4, advertisement_interval="100ms")
    agents = {"a": a, "b": b}
    choices = random.Random(1)
    rows, dirty = undisturbed(ROUNDS, lambda: takeover(lab, agents, IPV4.vip(), choices))
    table = [f"{number:5d} {late:+9.2f} ms {claim:9.2f} ms" for number, (late, claim) in enumerate(rows, 1)]
    late, claim = (sorted(column) for column in zip(*rows))
    measured("takeover after silence, 100 ms adverts (bar: median <= 5 ms each)", [
        "round  detection      claim     detection: last advert of the dead master to the first of the new one,",
        "                                minus the master-down interval; claim: from there to the first announcement",
        *table,
        f"median {statistics.median(late):+7.2f} ms {statistics.median(claim):9.2f} ms",
        f"worst  {late[-1]:+7.2f} ms {claim[-1]:9.2f} ms   ({dirty} disturbed rounds repeated)"])
    assert -2 < statistics.median(late) < 20
    assert statistics.median(claim) < 20


def test_the_clients_neighbour_entry_follows_the_first_announcement(make_lab, family, measured):
    """Out of the blue, and within a second of the move before, when Linux keeps what it has but for a proper announcement (locktime)."""
    lab = make_lab()
    a, b = start_pair(lab, family, advertisement_interval="100ms")
    follows(lab, family.vip(), "a")
    neighbours = Neighbours(lab["client"])

    def two_moves():
        time.sleep(1.2)
        capture = Capture(lab["client"])
        begun = time.time()
        lab.cut("a")
        wait_until(lambda: neighbours.entered(family.vip(), lab["b"].mac, begun), 5, "the client has b", every=0.02)
        first = neighbours.entered(family.vip(), lab["b"].mac, begun)
        lab.heal()
        wait_until(lambda: neighbours.entered(family.vip(), lab["a"].mac, first), 5, "the client has a", every=0.02)
        second = neighbours.entered(family.vip(), lab["a"].mac, first)
        b.wait_state("backup")
        capture.stop()
        taken, back = (next(item.time for item in capture.announcements(family.vip(), mac=lab[name].mac) if item.time >= since)
                       for name, since in (("b", begun), ("a", first)))
        return ((first - taken) * 1000, (second - back) * 1000) if back - first < 1 else None

    rows, _ = undisturbed(MOVES, two_moves)
    table = [sorted(column) for column in zip(*rows)]
    measured(f"client's neighbour entry after the first announcement, {family} (bar: median <= 1 ms)", [
        f"{what}: median {statistics.median(column):.2f} ms, worst of {len(column)} {column[-1]:.2f} ms"
        for what, column in zip(("takeover", "the next move, within 1 s"), table)])
    for column in table:
        assert statistics.median(column) <= 1


def memory(pid):
    """(resident, private) in MiB."""
    values = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        key, amount, _ = line.split()
        values[key.rstrip(":")] = int(amount)
    return values["Rss"] / 1024, (values["Private_Clean"] + values["Private_Dirty"]) / 1024


def test_engine_memory_and_time(make_lab, measured):
    lab = make_lab(hosts=("a", "b"))
    a, b = start_pair(lab, IPV4, advertisement_interval="100ms")
    lines = []
    usage = []
    engines = {agent.host.name: agent.engine_pid for agent in (a, b)}
    before = {name: _seconds(pid) for name, pid in engines.items()}
    begun = time.monotonic()
    time.sleep(10)
    span = time.monotonic() - begun
    for name, pid in engines.items():
        resident, private = memory(pid)
        share = (_seconds(pid) - before[name]) / span * 100
        usage.append((resident, private, share))
        lines.append(f"{'master' if name == 'a' else 'backup'}: {resident:.1f} MiB resident, {private:.1f} MiB private, {share:.2f} % of a core")
    resident, private = memory(a.process.pid)
    lines.append(f"(supervisor: {resident:.1f} MiB resident, {private:.1f} MiB private)")
    measured("engine, one router at 100 ms adverts (bar: <= 12 MiB resident, <= 3 MiB private, <= 0.5 %)", lines)
    for resident, private, share in usage:
        assert resident <= 12 and private <= 3
        assert share < 2


def _seconds(pid):
    """Processor time of a process, exact to the nanosecond."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


def test_status_latency(make_lab, measured):
    lab = make_lab(hosts=("a",))
    a = Agent(lab["a"], {"database": database(IPV4, advertisement_interval="100ms")}).start()
    a.wait_state("master")
    command = [str(binaries() / "vipd"), "status", "--socket", str(a.socket)]
    times = []
    for _ in range(30):
        begun = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        times.append((time.perf_counter() - begun) * 1000)
    times.sort()
    measured("vipd status, start of the command to its end (bar: <= 20 ms)",
             [f"median {statistics.median(times):.1f} ms, worst of {len(times)} {times[-1]:.1f} ms"])
    assert statistics.median(times) < 60
