"""The report: a table of all rounds, as Markdown and as JSON. Pure: it reads records and nothing else, and what is missing is said to be missing."""

from . import bars
from .figures import summary
from .scenarios import SCENARIOS
from .table import NOTHING, PEERS, cell_text, column, interval, number, spread

LOADED = ("vipd", "keepalived", "keepalived-rt", "frr")
TITLES = {**{name: scenario.title for name, scenario in SCENARIOS.items()}, "heal": "after a partition of 1 s"}


def gist(values):
    """The few figures of one round that are worth a line."""
    if "jitter" in values:
        return f"false failovers {values['false-failovers']}, p99 {values['jitter']['p99']:.3f} ms, max {values['jitter']['max']:.1f} ms"
    if "master" in values:
        return f"{values['master']['cpu']:.2f} % master, {values['backup']['cpu']:.2f} % backup, {values['master']['resident']:.1f} MiB"
    if "spread-ms" in values:
        return f"first to last {values['spread-ms']:.1f} ms"
    if "holes-ms" in values:
        return f"holes {', '.join(f'{hole:.0f}' for hole in values['holes-ms'])} ms"
    extra = f", {values['overhead-ms']:+.2f} ms over the RFC" if values.get("overhead-ms") is not None else ""
    return f"outage {values['outage-ms']:.0f} ms, {values['lost']} lost, {values['doubled']} doubled{extra}"


def rows_of(table, names):
    """The (scenario, interval) that are there, in the order of `names` and from long to short."""
    return sorted({key[:2] for key in table if key[0] in names}, key=lambda key: (names.index(key[0]), -key[1]))


def _rows(head, rows):
    return ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)] + ["| " + " | ".join(row) + " |" for row in rows] + [""]


def _outages(table):
    names = [*SCENARIOS, "heal"]
    lines = ["## Outage of a client that probes every millisecond", "",
             "Longest hole, ms: median (min–max); lost probes likewise. †: probes were answered by a backup, before it was master. *moved in N*: in so"
             " many rounds the other host was master meanwhile, where nothing had to move.", ""]

    def text(scenario, seconds, peer):
        lost = column(table, scenario, seconds, peer, "lost")
        hole = spread(column(table, scenario, seconds, peer, "outage-ms"))
        mark = " †" if any(column(table, scenario, seconds, peer, "served-by-backup")) else ""
        moved = [value for value in column(table, scenario, seconds, peer, "moved") if value]
        mark += f"; moved in {len(moved)}" if moved else ""
        return cell_text(table, scenario, seconds, peer, hole + (f"; lost {spread(lost)}" if lost else "") + mark)
    return lines + _rows(("scenario", "interval", *PEERS), [
        (TITLES[scenario], interval(seconds), *(text(scenario, seconds, peer) for peer in PEERS)) for scenario, seconds in rows_of(table, names)])


def _overheads(table):
    names = [*SCENARIOS]
    rows = [key for key in rows_of(table, names) if any(column(table, *key, peer, "overhead-ms") for peer in PEERS)]
    lines = ["## Beyond the RFC's arithmetic", "",
             "From when RFC 9568 lets the backup take over (master-down interval after the last advert; skew time after a resignation) to when the"
             " client reaches the address, ms: median (min–max); then the medians of its two parts, to the first advert and from there to the announcement."
             " Planned moves without an outage are not in it.", ""]

    def text(scenario, seconds, peer):
        parts = [summary(column(table, scenario, seconds, peer, name)) for name in ("detection-ms", "claim-ms")]
        whole = spread(column(table, scenario, seconds, peer, "overhead-ms"))
        return f"{whole}; {' + '.join(number(part['median']) for part in parts)}" if all(parts) else whole
    return lines + _rows(("scenario", "interval", *PEERS), [
        (TITLES[scenario], interval(seconds), *(text(scenario, seconds, peer) for peer in PEERS)) for scenario, seconds in rows])


def _doubles(table):
    names = [*SCENARIOS, "heal"]
    lines = ["## Two that answer", "",
             "Requests (one each millisecond) that two hosts answered, and, where the agent dies with the address, how long after it the dead host went"
             " on answering, ms: median (min–max). *for good*: to the end of the round.", ""]

    def text(scenario, seconds, peer):
        answer = spread(column(table, scenario, seconds, peer, "doubled"))
        left = column(table, scenario, seconds, peer, "left-ms")
        if left:
            good = column(table, scenario, seconds, peer, "left-for-good")
            answer += "; for good" if good and all(good) else f"; left {spread(left)}"
        return cell_text(table, scenario, seconds, peer, answer)
    return lines + _rows(("scenario", "interval", *PEERS), [
        (TITLES[scenario], interval(seconds), *(text(scenario, seconds, peer) for peer in PEERS)) for scenario, seconds in rows_of(table, names)])


def _steady(table):
    rows = [key for key in rows_of(table, [*SCENARIOS]) if any(column(table, *key, peer, "advert-late-ms") for peer in PEERS)]
    lines = ["## Adverts while nothing has to move", "",
             "What the longest gap between two of the master's adverts exceeded the interval by, ms: median (min–max).", ""]
    return lines + _rows(("scenario", "interval", *PEERS), [
        (TITLES[scenario], interval(seconds), *(cell_text(table, scenario, seconds, peer, spread(column(table, scenario, seconds, peer, "advert-late-ms")))
                                                for peer in PEERS)) for scenario, seconds in rows])


def _loads(table):
    names = sorted({key[0] for key in table if key[0] == "idle" or key[0].startswith("hogs-")}, key=lambda name: (name != "idle", len(name), name))
    lines = ["## Adverts under load", "",
             "The pairs run at the same time on the same machine. Distance of a gap between two adverts from the interval, ms: p50 / p99 / longest excess"
             " (worst round), drift of the mean gap, and false failovers of all rounds. `keepalived-rt` has `vrrp_rt_priority 50`; Debian's default has not.", ""]

    def text(scenario, seconds, peer):
        parts = [column(table, scenario, seconds, peer, "jitter", name) for name in ("p50", "p99", "max", "drift-ppm")]
        if not parts[0]:
            return cell_text(table, scenario, seconds, peer, NOTHING)
        false = column(table, scenario, seconds, peer, "false-failovers")
        worst = [summary(parts[0])["median"], summary(parts[1])["median"], max(parts[2])]
        drift = f" {summary(parts[3])['median']:+,.0f} ppm;" if parts[3] else ""
        return f"{' / '.join(f'{value:.3f}' for value in worst)};{drift} {sum(false)} false in {len(false)}"
    return lines + _rows(("load", "interval", *LOADED), [
        (f"{scenario[5:]} hogs" if scenario != "idle" else "idle", interval(seconds), *(text(scenario, seconds, peer) for peer in LOADED))
        for scenario, seconds in rows_of(table, names)])


def _costs(table):
    names = sorted({key[0] for key in table if key[0].startswith("cost-")}, key=lambda name: int(name[5:]))
    lines = ["## Processor time and memory", "",
             "All processes of an agent (for FRR zebra and vrrpd), 100 ms adverts, all at the same time: % of a core as master / as backup, MiB resident"
             " (of the process that advertises).", ""]

    def text(scenario, seconds, peer):
        shares = [summary(column(table, scenario, seconds, peer, role, "cpu")) for role in ("master", "backup")]
        if not shares[0]:
            return cell_text(table, scenario, seconds, peer, NOTHING)
        sizes = [summary(column(table, scenario, seconds, peer, "master", name))["median"] for name in ("resident", "engine-resident")]
        return f"{' / '.join(format(share['median'], '.2f') for share in shares)} %; {sizes[0]:.1f} ({sizes[1]:.1f}) MiB"
    return lines + _rows(("virtual routers", *PEERS), [
        (scenario[5:], *(text(scenario, seconds, peer) for peer in PEERS)) for scenario, seconds in rows_of(table, names)])


CROWDS = {"routers-1020": "1,020 virtual routers", "addresses-255": "255 IPv4 addresses of one router", "addresses-1000": "1,000 IPv4 addresses of one router",
          "addresses-1000-split": "1,000 IPv4 addresses, 255 a router", "addresses-255-ipv6": "255 IPv6 addresses, 85 a router",
          "addresses-1000-ipv6": "1,000 IPv6 addresses, 85 a router"}


def _crowds(table):
    lines = ["## Taking over many", "", "From the first announcement to the first one of the last address, ms: median (min–max); 100 ms adverts.", ""]
    both = PEERS[:2]
    return lines + _rows(("what", *both), [
        (CROWDS[scenario], *(cell_text(table, scenario, seconds, peer, spread(column(table, scenario, seconds, peer, "spread-ms"))) for peer in both))
        for scenario, seconds in rows_of(table, [*CROWDS])])


def _heals(table):
    names = ["heals-1s", "heals-20s"]
    rows = [(f"{key[0][6:-1]} s", f"{pairing.split('/')[0]} wins over {pairing.split('/')[-1]}",
             spread(column(table, *key, pairing, "holes-ms")), str(len(column(table, *key, pairing, "holes-ms"))))
            for key in rows_of(table, names) for pairing in ("vipd", "vipd/keepalived", "keepalived/vipd") if (*key, pairing) in table]
    lines = ["## After a heal", "", "Longest hole of a client on the loser's side, from the heal on, ms: median (min–max); 100 ms adverts.", ""]
    return lines + _rows(("partition", "pairing", "hole", "heals"), rows)


def _quality(table):
    clean = sum(len(cell["values"]) for cell in table.values())
    counts = {word: sum(cell[word] for cell in table.values()) for word in ("dirty", "repeated", "failed")}
    late = [value for values in (column(table, *key, "prober", "p99") for key in table) for value in values]
    worst = [value for values in (column(table, *key, "prober", "max") for key in table) for value in values]
    lines = ["## How clean it was", "",
             f"{clean} clean rounds. {counts['repeated']} were repeated because the machine stood still meanwhile, {counts['dirty']} stayed dirty and are in no"
             f" figure, {counts['failed']} did not end as they had to."]
    if late:
        lines.append(f"The prober's own probes were late by {summary(late)['median']:.3f} ms (p99, median of all rounds), by {max(worst):.1f} ms at worst.")
    lines += [f"- failed: {scenario}, {peer}, {interval(seconds)}: {cell['failed']}" for (scenario, seconds, peer), cell in table.items() if cell["failed"]]
    return lines + [""]


def markdown(table, setting, records):
    stamps = [record["at"] for record in records if "at" in record]
    span = f"{(max(stamps) - min(stamps)) / 60:.0f} min between the first and the last round." if stamps else ""
    lines = ["# Measured beside keepalived and FRR", "",
             f"vipd {setting.get('vipd', '?').removeprefix('vipd ')}, keepalived {setting['keepalived']}, FRR {setting['frr']} on {setting['cpus']} CPUs"
             f" ({setting['processor']}), {setting['memory-gib']} GiB, Linux {setting['kernel']}, {setting['system']}. {span}", "",
             "Made by `sudo integration/bench` (`--full` makes all of it); the rounds are in `runs.jsonl`. What each figure is and how to read it:"
             " CONTRIBUTING.md, \"Benchmark\".", "", "![outages](outage.svg)", "", "## Bars", ""]
    lines += _rows(("bar", "verdict", "vipd", "keepalived"), [
        (bar.text, bar.verdict, bar.ours, bar.theirs) for bar in bars.judge(table)])
    for section in (_outages, _overheads, _doubles, _steady, _loads, _costs, _crowds, _heals, _quality):
        lines += section(table)
    return "\n".join(lines).rstrip() + "\n"


def document(table, setting, records):
    """The same for programs: each cell with the summary of each of its figures."""
    cells = []
    for (scenario, seconds, peer), cell in sorted(table.items(), key=lambda item: (item[0][0], -item[0][1], item[0][2])):
        names = sorted({name for values in cell["values"] for name, value in values.items() if isinstance(value, (int, float)) and not isinstance(value, bool)})
        cells.append({"scenario": scenario, "interval-s": seconds, "peer": peer, "clean": len(cell["values"]),
                      **{name: cell[name] for name in ("dirty", "repeated", "failed", "unsupported")},
                      "figures": {name: summary(column(table, scenario, seconds, peer, name)) for name in names}})
    return {"setting": setting, "rounds": len(records), "cells": cells,
            "bars": [{"bar": bar.text, "verdict": bar.verdict, "vipd": bar.ours, "keepalived": bar.theirs} for bar in bars.judge(table)]}
