"""How steadily adverts leave, idle and on a machine that is busy: each peer's pair in a lab of its own, all at the same time, so that the same
hogs and the same hiccups of the machine meet all of them. A *false failover* is a backup that advertises although its master lives."""

import os
import subprocess
import sys
import time
from contextlib import ExitStack

from lab import IPV4, Lab

from . import figures
from .observation import Watch
from .peers import start_pair

LONGEST = 180  # seconds that a hog lives at most, whatever becomes of us
_HOG = f"import time\nend = time.monotonic() + {LONGEST}\nwhile time.monotonic() < end:\n    sum(range(20000))"


class Hogs:
    """`count` processes that do nothing but keep a core busy, at ordinary priority."""

    def __init__(self, count):
        self.count, self.processes = count, []

    def __enter__(self):
        self.processes = [subprocess.Popen([sys.executable, "-I", "-c", _HOG], stdin=subprocess.DEVNULL) for _ in range(self.count)]
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.kill()
            process.wait()


def hogs_of(per_core):
    return per_core * os.cpu_count()


def run(peers, interval, hogs, seconds):
    """`{peer: values}` of one stretch of `seconds`."""
    with ExitStack() as stack:
        labs, watches, outcome = {}, {}, {}
        for peer in peers:
            lab = stack.enter_context(Lab(hosts=("a", "b")))
            try:
                start_pair(lab, peer, interval)
                labs[peer] = lab
            except (AssertionError, RuntimeError) as error:  # one that fails must not take the others' figures with it
                outcome[peer] = {"failed": str(error)[-300:]}
                lab.close()
        with Hogs(hogs):
            time.sleep(0.5)
            for peer in labs:
                watches[peer] = Watch(labs[peer]["client"])
            begun = time.time_ns()
            time.sleep(seconds)
            ended = time.time_ns()
            seen = {peer: watch.stop() for peer, watch in watches.items()}
        return outcome | {peer: values(seen[peer], begun, ended, interval, lab) for peer, lab in labs.items()}


def values(seen, begun, ended, interval, lab):
    master, backup = (lab[name].address(IPV4) for name in ("a", "b"))
    sent = [stamp for stamp in seen.adverts_of(master, begun) if stamp < ended]
    if not sent:
        raise AssertionError("the master sent nothing")
    return {"false-failovers": takeovers(seen.adverts_of(backup, begun), interval), "sent": len(sent), "due": round((ended - begun) / 1e9 / interval),
            "jitter": figures.jitter([stamp / 1e9 for stamp in sent], interval)}


def takeovers(stamps, interval):
    """How many times a backup began to advertise: stretches of its adverts with a pause of three intervals between them."""
    return sum(1 for number, stamp in enumerate(stamps) if number == 0 or stamp - stamps[number - 1] > 3e9 * interval)
