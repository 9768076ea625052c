"""The command behind `integration/bench`: chooses rounds, runs those that are missing, and writes the report from all that are there.

It ends what it started, whatever ends it: its namespaces have its own prefix, and its children die with it.
"""

import argparse
import json
import os
import shutil
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lab import cleanup

from . import chart, machine, report
from .peers import KINDS
from .series import Series, plan
from .table import interval, table

RESULTS = Path(__file__).resolve().parent.parent / "results"
QUICK = 285  # seconds that `--quick` may take


def arguments(words=None):
    parser = argparse.ArgumentParser(prog="integration/bench", description="vipd beside keepalived and FRR's vrrpd, in one run and the same lab")
    parser.add_argument("--quick", action="store_true", help="the headline scenarios, 3 runs, in 5 minutes")
    parser.add_argument("--full", action="store_true", help="everything, 10 runs, in about 2 hours; goes on where it was interrupted")
    parser.add_argument("--only", type=_words, default=(), metavar="SCENARIO[,..]", help="only these (of --full, if neither is given); see --list")
    parser.add_argument("--peer", type=_words, default=(), metavar="PEER[,..]", help=f"only these: {', '.join(KINDS)}")
    parser.add_argument("--interval", type=lambda text: tuple(_seconds(word) for word in text.split(",")), default=(), metavar="T[,..]",
                        help="only these advertisement intervals: 1s, 100ms, 10ms")
    parser.add_argument("--runs", type=int, metavar="N", help="how many rounds of each")
    parser.add_argument("--lanes", type=int, default=4, metavar="N", help="labs side by side for rounds that mostly wait (4)")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="DIR", help="where the rounds and the report are")
    parser.add_argument("--report", action="store_true", help="run nothing, write the report of the rounds that are there")
    parser.add_argument("--list", action="store_true", help="run nothing, print what would be run and what is there already")
    chosen = parser.parse_args(words)
    if not (chosen.quick or chosen.full or chosen.only or chosen.report or chosen.list):
        parser.error("say --quick, --full or --only")
    unknown = set(chosen.only) - {job.scenario for job in plan(True) + plan(False)}
    if unknown:
        parser.error(f"no scenario {', '.join(sorted(unknown))}; there are {', '.join(sorted({job.scenario for job in plan(True)}))}")
    if set(chosen.peer) - set(KINDS):
        parser.error(f"no peer {', '.join(sorted(set(chosen.peer) - set(KINDS)))}")
    return chosen


def _words(text):
    return tuple(text.split(","))


def _seconds(text):
    for unit, factor in (("ms", 0.001), ("s", 1)):
        if text.endswith(unit):
            return round(float(text[:-len(unit)]) * factor, 3)
    raise argparse.ArgumentTypeError(f"a duration with its unit, not {text}")


def say(text):
    print(text, flush=True)


class Run:
    """Performs jobs and prints a line for each."""

    def __init__(self, series, total, deadline=None):
        self.series, self.total, self.deadline = series, total, deadline
        self.begun, self.done, self.skipped = time.monotonic(), 0, 0
        self.lock = threading.Lock()

    def perform(self, job):
        if self.deadline and time.monotonic() + job.seconds > self.deadline:
            self.skipped += 1
            return
        for line in self.series.perform(job):
            with self.lock:
                say(f"[{time.monotonic() - self.begun:6.0f} s {self.done + 1:4d}/{self.total}] {told(line)}")
        with self.lock:
            self.done += 1


def told(line):
    head = f"{line['scenario']:<20} {line['peer']:<16} {interval(line['interval']):>6}  run {line['run']:<2}"
    if "values" not in line:
        return f"{head} {'failed: ' + line['failed'].splitlines()[0][:120] if 'failed' in line else line['unsupported']}"
    notes = [] if line["clean"] else [f"DIRTY ({line['stall-ms']} ms)"]
    if line["dirty-repeated"]:
        notes.append(f"{line['dirty-repeated']} dirty repeated")
    return f"{head} {report.gist(line['values'])} {' '.join(notes)}".rstrip()


def perform_all(jobs, series, chosen):
    """First those that need the machine for themselves, then the others side by side."""
    deadline = time.monotonic() + QUICK if chosen.quick else None
    run = Run(series, len(jobs), deadline)
    for job in jobs:
        if job.alone:
            run.perform(job)
    with ThreadPoolExecutor(chosen.lanes) as lanes:
        for outcome in [lanes.submit(run.perform, job) for job in jobs if not job.alone]:
            outcome.result()
    if run.skipped:
        say(f"time is up: {run.skipped} rounds were not run; the same command again goes on with them")


def publish(series, directory):
    """The table, the figures and the chart of everything that is there."""
    records = series.records()
    if not records:
        say("no round is there yet")
        return
    cells = table(records)
    (directory / "README.md").write_text(report.markdown(cells, series.setting, records), encoding="utf-8")
    (directory / "results.json").write_text(json.dumps(report.document(cells, series.setting, records), indent=1) + "\n", encoding="utf-8")
    (directory / "outage.svg").write_text(chart.outages(cells), encoding="utf-8")
    say(f"written: README.md, results.json and outage.svg in {os.path.relpath(directory)}")


def end(*_):
    """At once, from anywhere: children die, namespaces go, and nothing is written."""
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    for _ in range(2):  # the lanes go on meanwhile and may have begun something more
        for child in _children():
            try:
                os.kill(child, signal.SIGKILL)
            except ProcessLookupError:
                pass
        tidy()
    os._exit(130)


def _children():
    found = []
    for task in Path("/proc/self/task").iterdir():
        try:
            found += map(int, (task / "children").read_text(encoding="ascii").split())
        except OSError:
            continue
    return found


def tidy():
    prefix = f"{os.environ['VIPD_LAB_PREFIX']}-"
    cleanup(prefix)
    for directory in Path("/tmp").glob(f"{prefix}*"):
        shutil.rmtree(directory, ignore_errors=True)


def main():
    chosen = arguments()
    os.environ.setdefault("VIPD_LAB_PREFIX", f"vipd{os.getpid()}")
    series = Series(chosen.results / "runs.jsonl", machine.setting())
    if chosen.report:
        return publish(series, chosen.results)
    wanted = plan(chosen.full or not chosen.quick, chosen.runs, chosen.only, chosen.peer, chosen.interval)
    missing = series.missing(wanted)
    alone = sum(job.seconds for job in missing if job.alone)
    minutes = (alone + sum(job.seconds for job in missing if not job.alone) / chosen.lanes) / 60
    say(f"{len(wanted)} rounds, {len(wanted) - len(missing)} of them are there, about {minutes:.0f} min to go")
    if chosen.list:
        for job in missing:
            say(f"{job.scenario:<20} {interval(job.interval):>6}  run {job.run:<2} {', '.join(job.peers)}")
        return None
    chosen.results.mkdir(parents=True, exist_ok=True)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, end)
    begun = time.monotonic()
    try:
        perform_all(missing, series, chosen)
    finally:
        tidy()
    publish(series, chosen.results)
    say(f"elapsed: {(time.monotonic() - begun) / 60:.1f} min")
    return None


if __name__ == "__main__":
    sys.exit(main())
