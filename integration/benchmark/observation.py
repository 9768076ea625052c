"""What the prober saw, read as a client would tell it: who answered, for how long nobody did, who advertised and announced, and when. Pure but for
`Watch`, which runs the prober in a host's namespace."""

import pickle
import subprocess
import sys
from pathlib import Path

from lab import wait_until

from .figures import quantile

PATIENCE = 20_000_000  # ns; an answer that takes longer is none: it waited in a queue for somebody to have the address


class Observation:
    """Times are nanoseconds of the wall clock, as the kernel stamps frames; results are milliseconds."""

    def __init__(self, sent, echoed, answers, adverts=(), announcements=(), late=(), step=1_000_000, echoes_of=()):
        self.sent, self.answers, self.adverts, self.announcements = sent, answers, list(adverts), list(announcements)
        self.late, self.step, self.echoes_of = late, step, echoes_of
        self.answered = [bool(echo) and echo - begun <= PATIENCE for begun, echo in zip(sent, echoed)]

    def since(self, begun, until=None):
        """Numbers of the probes sent then."""
        return [number for number, sent in enumerate(self.sent) if sent >= begun and (until is None or sent < until)]

    def holes(self, begun=0, until=None):
        """`(first lost, first answered again or None, lost)` of each stretch without an answer."""
        found, first, lost = [], None, 0
        for number in self.since(begun, until):
            if not self.answered[number]:
                first, lost = (self.sent[number], 1) if first is None else (first, lost + 1)
            elif first is not None:
                found.append((first, self.sent[number], lost))
                first = None
        if first is not None:
            found.append((first, None, lost))
        return found

    def outage(self, begun=0, until=None):
        """`{lost, outage-ms, recovered}`: all lost probes, the longest hole, and whether the last probe was answered."""
        holes = self.holes(begun, until)
        numbers = self.since(begun, until)
        last = self.sent[numbers[-1]] + self.step if numbers else begun
        longest = max(((again or last) - first for first, again, _ in holes), default=0)
        return {"probes": len(numbers), "lost": sum(lost for *_, lost in holes), "outage-ms": longest / 1e6,
                "recovered": not holes or holes[-1][1] is not None}

    def doubles(self, begun=0, until=None):
        """`{doubled, overlap-ms}`: requests that two or more answered, and the longest stretch of them."""
        longest = run = total = 0
        for number in self.since(begun, until):
            run = run + 1 if len(self.answers[number]) > 1 else 0
            total += run > 0
            longest = max(longest, run)
        return {"doubled": total, "overlap-ms": longest * self.step / 1e6}

    def last_answer_of(self, mac, begun=0):
        """When a request was last answered by `mac`, or None."""
        return next((self.sent[number] for number in reversed(self.since(begun)) if mac in self.answers[number]), None)

    def last_double(self, begun=0):
        return next((self.sent[number] for number in reversed(self.since(begun)) if len(self.answers[number]) > 1), None)

    def echoes_from(self, mac, begun, until):
        """How many probes that were sent then a host with `mac` answered."""
        wanted = int(mac.replace(":", ""), 16)
        return sum(self.echoes_of[number] == wanted for number in self.since(begun, until))

    def adverts_of(self, source, begun=0, vrid=None):
        """Stamps of the adverts from `source` with a priority that is not 0."""
        return [stamp for stamp, origin, number, priority, _ in self.adverts
                if origin == source and stamp >= begun and priority and vrid in (None, number)]

    def resignations_of(self, source, begun=0):
        return [stamp for stamp, origin, _, priority, _ in self.adverts if origin == source and stamp >= begun and priority == 0]

    def announced(self, address, begun=0):
        """When `address` was first announced, or None."""
        return next((stamp for stamp, told, _ in self.announcements if told == address and stamp >= begun), None)

    def reached_again(self, begun):
        """When the first probe after the last hole was sent, or None without a hole that ended."""
        holes = self.holes(begun)
        return holes[-1][1] if holes else None

    def lateness(self):
        """The prober's own jitter, ms."""
        late = [value / 1e6 for value in self.late]
        return {"p50": quantile(late, 0.5), "p99": quantile(late, 0.99), "max": max(late, default=None)}


class Watch:
    """Runs the prober on a host of the lab from `start` on; `stop` returns the observation."""

    def __init__(self, host, address=None, device="eth0", step=1000):
        self.file = host.lab.directory / f"observation-{len(host.lab.processes)}"
        self.process = host.popen(sys.executable, "-I", Path(__file__).with_name("prober.py"), self.file, device or "-", address or "-", step,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if line != "started\n":
            raise RuntimeError(f"the prober does not start: {self.process.stderr.read()}")

    def stop(self):
        self.process.terminate()
        _, error = self.process.communicate(timeout=30)
        if self.process.returncode:
            raise RuntimeError(f"the prober: {error}")
        wait_until(self.file.exists, 1, "the observation")
        with open(self.file, "rb") as file:
            seen = pickle.load(file)
        self.file.unlink()
        return Observation(**seen)
