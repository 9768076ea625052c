"""The bars of the project, judged: *met*, *not met* or *not measured*, with keepalived's figure beside. Pure, and without mercy: a figure that is not there
is never a bar that is met, and one that is missed stays in the table."""

from dataclasses import dataclass

from .figures import quantile, summary
from .scenarios import SCENARIOS
from .series import ADDRESSES
from .table import NOTHING, column, interval, number, spread

MET, FEW, MISSED, UNKNOWN = "met", "met so far", "**not met**", "not measured"
ROUNDS = 10  # that make a median count
LOADS, COSTS = 5, 3
LEASE_SLACK = 500  # ms
KILLS = 20  # rounds of a lease that count
HEALS = 40
DRIFT = 200  # ppm: a period that slips by what the process is late is off by thousands


@dataclass(frozen=True)
class Bar:
    text: str
    verdict: str
    ours: str
    theirs: str = NOTHING


def _verdict(values, need, holds):
    """Of the rounds that are there; with fewer than it needs, what is met is met so far."""
    if not values:
        return UNKNOWN
    if not holds(values):
        return MISSED
    return MET if len(values) >= need else FEW


def _no_slower(ours, theirs, need):
    """Medians of one run beside each other."""
    return _verdict(ours if theirs else [], need, lambda ours: summary(ours)["median"] <= summary(theirs)["median"])


def _told(values, unit):
    return f"{spread(values)} {unit}" if values else NOTHING


def lease(seconds):
    """How long a kernel lease is by default, ms."""
    return max(2, int(3 * seconds + 1e-9)) * 1000


def judge(table):
    return [*_planned(table), *_silent(table), *_loaded(table), *_crowds(table), *_leases(table), *_heals(table)]


def _unsupported(table, scenario, seconds, peer="vipd"):
    cell = table.get((scenario, seconds, peer))
    return cell["unsupported"] if cell and not cell["values"] else None


def _planned(table):
    found = []
    for name, scenario in SCENARIOS.items():
        if not scenario.planned:
            continue
        for seconds in scenario.intervals:
            lost, overlap = (column(table, name, seconds, "vipd", figure) for figure in ("lost", "overlap-ms"))
            text = f"{scenario.title}, {interval(seconds)}: 0 lost probes in the median, ≤ 1 in 9 of 10 rounds, overlap ≤ 60 ms"
            holds = _verdict(lost, ROUNDS, lambda lost, overlap=overlap: summary(lost)["median"] == 0 and quantile(lost, 0.9) <= 1 and max(overlap) <= 60)
            told = f"lost {spread(lost)}, overlap {spread(overlap)} ms" if lost else _unsupported(table, name, seconds) or NOTHING
            other = column(table, name, seconds, "keepalived", "lost")
            found.append(Bar(text, holds, told, f"lost {spread(other)}" if other else NOTHING))
    return found


def _silent(table):
    found = []
    for seconds in SCENARIOS["silent"].intervals:
        ours, theirs = (column(table, "silent", seconds, peer, "overhead-ms") for peer in ("vipd", "keepalived"))
        shown = _told(ours, "ms"), _told(theirs, "ms")
        found.append(Bar(f"silent host, {interval(seconds)}: median ≤ 1 ms over the RFC's time",
                         _verdict(ours, ROUNDS, lambda ours: summary(ours)["median"] <= 1), *shown))
        found.append(Bar(f"silent host, {interval(seconds)}: not slower than keepalived (medians)", _no_slower(ours, theirs, ROUNDS), *shown))
    return found


def _loaded(table):
    found = []
    names = sorted({key[0] for key in table if key[0].startswith("hogs-") and key[1] == 0.01}, key=lambda name: int(name[5:])) or ["hogs-4", "hogs-16"]
    for name in names:
        false = column(table, name, 0.01, "vipd", "false-failovers")
        other = column(table, name, 0.01, "keepalived", "false-failovers")
        hogs = f"10 ms adverts, {name[5:]} hogs"
        found.append(Bar(f"{hogs}, 60 s × 5: no false failover", _verdict(false, LOADS, lambda false: sum(false) == 0),
                         f"{sum(false)} in {len(false)} rounds" if false else NOTHING, f"{sum(other)} in {len(other)} rounds" if other else NOTHING))
        late, prompt, plain = (column(table, name, 0.01, peer, "jitter", "late-p99") for peer in ("vipd", "keepalived-rt", "keepalived"))
        found.append(Bar(f"{hogs}: p99 of lateness ≤ keepalived's with real-time priority (medians)",
                         _no_slower(late, prompt, LOADS), _told(late, "ms"), f"{spread(prompt)} ms; by default {spread(plain)} ms" if prompt else NOTHING))
        drift = column(table, name, 0.01, "vipd", "jitter", "drift-ppm")
        other = column(table, name, 0.01, "keepalived", "jitter", "drift-ppm")
        found.append(Bar(f"{hogs}: no drift (≤ {DRIFT} ppm)", _verdict(drift, LOADS, lambda drift: max(map(abs, drift)) <= DRIFT),
                         _told(drift, "ppm"), _told(other, "ppm")))
    return found


def _crowds(table):
    found = []
    for count in (255, 1020):
        for role in ("master", "backup"):
            ours, theirs = (column(table, f"cost-{count}", 0.1, peer, role, "cpu") for peer in ("vipd", "keepalived"))
            found.append(Bar(f"{count:,} routers, 100 ms, {role}: processor time ≤ keepalived's (all processes, medians)",
                             _no_slower(ours, theirs, COSTS), _told(ours, "%"), _told(theirs, "%")))
    sizes = [size for role in ("master", "backup") for size in column(table, "cost-1020", 0.1, "vipd", role, "engine-resident")]
    other = column(table, "cost-1020", 0.1, "keepalived", "master", "engine-resident")
    found.append(Bar("1,020 routers: engine ≤ 16 MiB resident", _verdict(sizes, 2 * COSTS, lambda sizes: max(sizes) <= 16),
                     _told(sizes, "MiB"), _told(other, "MiB")))
    for name, text, limit in (("routers-1020", "1,020 routers taken over: last ≤ 100 ms after the first (median)", 100),
                              ("addresses-1000", "1,000 IPv4 addresses of one router: ≤ 30 ms (median)", 30)):
        ours, theirs = (column(table, name, 0.1, peer, "spread-ms") for peer in ("vipd", "keepalived"))
        found.append(Bar(text, _verdict(ours, ROUNDS, lambda ours, limit=limit: summary(ours)["median"] <= limit),
                         _told(ours, "ms") if ours else _unsupported(table, name, 0.1) or NOTHING, _told(theirs, "ms")))
    for name in (name for name in ADDRESSES if name.endswith("ipv6")):
        ours, theirs = (column(table, name, 0.1, peer, "spread-ms") for peer in ("vipd", "keepalived"))
        found.append(Bar(f"{int(name.split('-')[1]):,} IPv6 addresses: not slower than keepalived (medians)",
                         _no_slower(ours, theirs, ROUNDS), _told(ours, "ms"), _told(theirs, "ms")))
    return found


def _leases(table):
    found = []
    for name in ("kill-all", "hang"):
        over, left = [], []
        for seconds in SCENARIOS[name].intervals:
            stayed = column(table, name, seconds, "vipd", "left-ms")
            left += stayed
            over += [value - lease(seconds) for value in stayed]
        late = sum(value > LEASE_SLACK for value in over)
        theirs = [value for seconds in SCENARIOS[name].intervals for value in column(table, name, seconds, "keepalived", "left-for-good")]
        found.append(Bar(f"{SCENARIOS[name].title}: address gone ≤ lease + 0.5 s, {KILLS} of {KILLS}",
                         _verdict(over, KILLS, lambda over, late=late: not late),
                         f"{len(over) - late} of {len(over)}, longest {number(max(left))} ms" if over else NOTHING,
                         f"for good in {sum(theirs)} of {len(theirs)}" if theirs else NOTHING))
    return found


def _heals(table):
    found = []
    limit = max(2 * 0.1, 2) * 1000 + 100
    theirs = {seconds: column(table, f"heals-{seconds}s", 0.1, "keepalived/vipd", "holes-ms") for seconds in (1, 20)}
    for seconds in (1, 20):
        for pairing in ("vipd", "vipd/keepalived"):
            holes = column(table, f"heals-{seconds}s", 0.1, pairing, "holes-ms")
            late = sum(hole > limit for hole in holes)
            loser = pairing.split("/")[-1]
            found.append(Bar(f"heal after {seconds} s, vipd wins over {loser}: longest hole ≤ {number(limit)} ms, {HEALS} of {HEALS}",
                             _verdict(holes, HEALS, lambda holes, late=late: not late),
                             f"{len(holes) - late} of {len(holes)}, longest {number(max(holes))} ms" if holes else NOTHING,
                             f"wins over vipd: {spread(theirs[seconds])} ms" if theirs[seconds] else NOTHING))
    return found
