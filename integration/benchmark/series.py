"""Which rounds are wanted, which are there, and how one is run: repeated while the machine was not quiet, with an end.

Every round that is done is one line of a file, so a series that was interrupted goes on where it was. Order is by run first, then by scenario,
with the peers in turn, so that a quiet and a busy hour of the machine meet all of them.
"""

import json
import threading
import time
from dataclasses import dataclass, field
from typing import Callable

from lab import IPV4, IPV6
from stalls import Stalls

from . import crowds, load, scenarios
from .figures import rounded
from .peers import NAMES, Unsupported

ATTEMPTS = 4  # of a round that the machine disturbs
FAILURES = 3  # of a round that does not end as it has to
# A stall of the machine that is longer makes the round dirty, seconds: where milliseconds are compared, and where labs share the machine.
EXACT, SHARED, LOADED = 0.003, 0.030, 0.008
LOAD_PEERS = ("vipd", "keepalived", "keepalived-rt", "frr")
HEALS = 5  # in one round
PAIRINGS = {"vipd": ("vipd", "vipd"), "vipd/keepalived": ("vipd", "keepalived"), "keepalived/vipd": ("keepalived", "vipd")}
CROWDS = (1, 100, 255, 1020)
ADDRESSES = {"addresses-255": (255, IPV4, False), "addresses-1000": (1000, IPV4, False), "addresses-1000-split": (1000, IPV4, True),
             "addresses-255-ipv6": (255, IPV6, True), "addresses-1000-ipv6": (1000, IPV6, True)}
# Scenarios whose figures decide a bar in milliseconds run alone; the others wait most of the time.
ALONE = {"silent", "stop", "preempt", "engine", "upgrade", "handover", "kill-all"}


@dataclass(frozen=True)
class Job:
    """One round. `execute` returns `{peer: values}`; values of `{"unsupported": …}` and `{"failed": …}` are told as such."""

    scenario: str
    peers: tuple
    interval: float
    run: int
    alone: bool
    limit: float
    seconds: float  # about, for the estimate
    execute: Callable = field(compare=False, repr=False)

    def keys(self):
        return [(self.scenario, peer, self.interval, self.run) for peer in self.peers]


def _pair(name, peer, interval, run):
    scenario = scenarios.SCENARIOS[name]
    alone = name in ALONE and (interval < 1 or name == "silent")
    return Job(name, (peer,), interval, run, alone, EXACT if alone else SHARED, 1.7 + 4 * interval + scenario.window(interval),
               lambda: {peer: scenarios.run(scenario, peer, interval)})


def _healing(peer, run):
    def execute():
        found = scenarios.heal(peer, 0.1, 1, 1)
        return {peer: {"outage-ms": found["holes-ms"][0], "doubled": found["doubled"][0], "overlap-ms": None, "lost": None}}
    return Job("heal", (peer,), 0.1, run, False, SHARED, 9, execute)


def _heals(pairing, partition, run):
    better, worse = PAIRINGS[pairing]
    return Job(f"heals-{partition}s", (pairing,), 0.1, run, False, SHARED * 2, HEALS * (partition + 7),
               lambda: {pairing: scenarios.heal(better, 0.1, partition, HEALS, worse)})


def _load(per_core, interval, run, peers, seconds):
    name = f"hogs-{load.hogs_of(per_core)}" if per_core else "idle"
    return Job(name, peers, interval, run, True, LOADED, seconds + 12, lambda: load.run(peers, interval, load.hogs_of(per_core), seconds))


def _cost(count, run, peers):
    return Job(f"cost-{count}", peers, 0.1, run, True, 1.0, 25 + count / 25, lambda: crowds.cost(peers, count, 10))


def _routers(peer, run):
    return Job("routers-1020", (peer,), 0.1, run, True, EXACT * 3, 15.5, lambda: {peer: crowds.takeover_of_routers(peer, 1020)})


def _addresses(name, peer, run):
    count, family, _ = ADDRESSES[name]
    # The kernel needs 0.4 ms for the thousandth IPv6 address, under a lock and with a work queue beside it: what keeps the monitor waiting
    # is what is measured.
    limit = count * 0.25e-3 if family == IPV6 else EXACT * 3
    return Job(name, (peer,), 0.1, run, True, limit, 9.5, lambda: {peer: crowds.takeover_of_addresses(peer, *ADDRESSES[name])})


def plan(full, runs=None, names=(), peers=(), intervals=()):
    """The jobs that are wanted, in their order; `names`, `peers` and `intervals` choose among them."""
    count = runs or (10 if full else 3)
    jobs = []
    for run in range(1, count + 1):
        turn = (run - 1) % len(NAMES)
        order = NAMES[turn:] + NAMES[:turn]
        jobs += _quick(run, order) if not full else _full(run, order)
    return [job for job in map(lambda job: _only(job, peers), jobs) if job
            and (not names or job.scenario in names) and (not intervals or job.interval in intervals)]


def _quick(run, order):
    wanted = [(name, 0.1) for name in ("silent", "stop", "kill-all", "preempt", "engine", "handover", "upgrade")] + [("silent", 0.01)]
    jobs = [_pair(name, peer, interval, run) for name, interval in wanted for peer in order if scenarios.SCENARIOS[name].only in ("", peer)]
    # Once, with the first rounds: what is missed when time is up are repetitions.
    return jobs + ([_load(2, 0.01, 1, LOAD_PEERS, 15), _cost(100, 1, NAMES)] if run == 1 else [])


def _full(run, order):
    jobs = [_pair(name, peer, interval, run) for name, scenario in scenarios.SCENARIOS.items() for interval in scenario.intervals
            for peer in order if scenario.only in ("", peer)]
    jobs += [_healing(peer, run) for peer in order]
    if run <= 8:
        jobs += [_heals(pairing, partition, run) for pairing in PAIRINGS for partition in (1, 20)]
    if run <= 5:
        jobs += [_load(per_core, interval, run, LOAD_PEERS, 60) for per_core, interval in ((2, 0.01), (8, 0.01), (2, 0.1))]
    if run <= 3:
        jobs += [_load(0, interval, run, LOAD_PEERS, 30) for interval in (0.01, 0.1)] + [_cost(number, run, NAMES) for number in CROWDS]
    both = [peer for peer in order if peer != "frr"]
    jobs += [_routers(peer, run) for peer in both] + [_addresses(name, peer, run) for name in ADDRESSES for peer in both]
    return jobs


def _only(job, peers):
    """The job, or a smaller one, or None. Those side by side stay together but for whom nobody wants."""
    kept = tuple(peer for peer in job.peers if not peers or peer in peers or set(peer.split("/")) & set(peers))
    if kept == job.peers:
        return job
    if not kept or not peers:
        return None
    if job.scenario.startswith("cost-"):
        return _cost(int(job.scenario[5:]), job.run, kept)
    per_core = 0 if job.scenario == "idle" else int(job.scenario[5:]) // load.hogs_of(1)
    return _load(per_core, job.interval, job.run, kept, round(job.seconds - 12))


class Series:
    """The file of rounds. Safe to use from several threads."""

    def __init__(self, file, setting):
        self.file, self.setting = file, setting
        self.lock = threading.Lock()
        # After a line that was cut short the next one must begin on its own.
        if file.exists() and file.read_bytes()[-1:] not in (b"", b"\n"):
            with open(file, "ab") as end:
                end.write(b"\n")

    def records(self):
        """The newest line of each round of this setting. A line that was cut short, by a power cut say, is none."""
        return newest(read(self.file), self.setting["id"])

    def missing(self, jobs):
        """Those of `jobs` that are not there: a failed round is run again, one that stayed dirty is not."""
        done = {key(record) for record in self.records() if "failed" not in record}
        return [job for job in jobs if not all(one in done for one in job.keys())]

    def append(self, record):
        with self.lock, open(self.file, "a", encoding="utf-8") as file:
            file.write(json.dumps({**record, "setting": self.setting["id"], "at": round(time.time())}) + "\n")
            file.flush()

    def perform(self, job):
        """Runs a round to its end and appends what came of it, a line a peer; returns the lines."""
        dirty = failures = 0
        while True:
            stalls = Stalls()
            try:
                with stalls:
                    outcome = job.execute()
            except Unsupported as reason:
                outcome = {peer: {"unsupported": str(reason)} for peer in job.peers}
                break
            except Exception as error:  # whatever one round meets must not end the hours of the others
                failures += 1
                if failures >= FAILURES:
                    outcome = {peer: {"failed": shortened(f"{type(error).__name__}: {error}")} for peer in job.peers}
                    break
                continue
            if stalls.worst <= job.limit or dirty + 1 >= ATTEMPTS:
                break
            dirty += 1
        head = {"scenario": job.scenario, "interval": job.interval, "run": job.run, "dirty-repeated": dirty, "failures": failures,
                "stall-ms": round(stalls.worst * 1000, 2), "clean": stalls.worst <= job.limit}
        lines = []
        for peer in job.peers:
            values = rounded(outcome[peer])
            told = {word: values[word] for word in ("unsupported", "failed") if word in values}
            lines.append({**head, "peer": peer, **(told or {"values": values})})
            self.append(lines[-1])
        return lines


def shortened(text, most=1200):
    """Its beginning, which says what was expected, and its end, which says what was seen."""
    return text if len(text) <= most else f"{text[:most // 3]} … {text[-2 * most // 3:]}"


def key(record):
    return record["scenario"], record["peer"], record["interval"], record["run"]


def read(file):
    """The lines of the file that are whole, as dictionaries."""
    found = []
    try:
        with open(file, encoding="utf-8") as lines:
            for line in lines:
                try:
                    found.append(json.loads(line))
                except ValueError:
                    continue
    except FileNotFoundError:
        pass
    return [record for record in found if isinstance(record, dict)]


def newest(records, setting):
    """The last record of each round of one setting, in the order of the file."""
    found = {}
    for record in records:
        if record.get("setting") == setting and "scenario" in record:
            found[key(record)] = record
    return list(found.values())
