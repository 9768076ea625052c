"""What many test cases share: the usual virtual router, the usual pair of agents, and questions to the whole segment."""

import json
import subprocess
import time

import pytest

from agent import Agent, binaries
from lab import wait_until
from stalls import Stalls
from wire import Capture, wait_for_advert


def database(family, **values):
    """A virtual router `database`, VRID 51, with one VIP; `_` in keys stands for `-`."""
    router = {"interface": "eth0", "vrid": 51, "priority": 100, "advertisement-interval": "200ms",
              "addresses": [family.vip_prefix()]}
    router.update({key.replace("_", "-"): value for key, value in values.items()})
    return router


def start_pair(lab, family, a=None, b=None, wait=True, **common):
    """Agents on hosts a (priority 150) and b (priority 100), settled: a is master."""
    first = Agent(lab["a"], {"database": database(family, **{"priority": 150, **common, **(a or {})})}).start(wait=False)
    # One after the other: the better one's timer ends only some 40 ms before the other's, less than a busy machine may start apart.
    first.wait_ready()
    second = Agent(lab["b"], {"database": database(family, **{**common, **(b or {})})}).start(wait=False)
    second.wait_ready()
    if wait:
        first.wait_state("master")
        second.wait_state("backup")
    return first, second


def hub(lab):
    """The switch sends everything everywhere, as one does that has forgotten who is where."""
    lab.switch.ip("link", "set", "br0", "type", "bridge", "ageing_time", "0")


def holders(lab, address):
    """The names of the hosts that have `address` on their interface now."""
    return [name for name, host in lab.hosts.items() if host.has(address)]


def follows(lab, address, holder, client="client", timeout=5, mac=None):
    """Waits until the client has `address` at `holder` and the switch would deliver there what the client sends. A client that knows the address
    already sends nothing meanwhile: it is for the announcements to tell it and the switch. Then it reaches the address. `mac` stands for the
    host's own where it uses a virtual one."""
    client, holder = lab[client], lab[holder]
    mac = mac or holder.mac
    if client.neighbour(address) is None:
        client.ping(address)
    wait_until(lambda: client.neighbour(address) == mac, timeout,
               lambda: f"{client.name} has {address} at {client.neighbour(address)}, not {mac} ({holder.name})")
    wait_until(lambda: lab.port_of(client.neighbour(address)) == holder.name, timeout,
               lambda: f"the switch has {client.neighbour(address)} at port {lab.port_of(client.neighbour(address))}, not {holder.name}")
    assert client.ping(address, 2), f"{client.name} does not reach {address} at {holder.name}"


def one_holder(lab, address, timeout=10, quiet=1.0):
    """Waits until one host holds `address` and nothing changes for `quiet` seconds; returns its name."""
    deadline = time.monotonic() + timeout
    since, last = time.monotonic(), None
    while True:
        now = holders(lab, address)
        if now != last:
            since, last = time.monotonic(), now
        if len(now) == 1 and time.monotonic() - since >= quiet:
            return now[0]
        assert time.monotonic() < deadline, f"{address} is held by {now}"
        time.sleep(0.05)


def gaps(adverts):
    """Seconds between one advert and the next."""
    return [later.time - earlier.time for earlier, later in zip(adverts, adverts[1:])]


def words(capture, host, family, since):
    """Adverts and announcements of `host` since then: `(time, "advert", priority)` and `(time, "announcement", address)`, in order."""
    found = [(advert.time, "advert", advert.priority) for advert in capture.adverts(source=host.source(family))]
    found += [(item.time, "announcement", item.address) for item in capture.announcements(mac=host.mac) if not item.address.startswith("fe80::ff:")]
    return sorted(word for word in found if word[0] >= since)


def in_attempts(attempt, count=3, stall=0.02):
    """Runs a measurement up to `count` times and fails with the last failure: one sample proves nothing on a shared machine. A failure during
    which this machine let a process like the engine wait for more than `stall` seconds does not count, ten times at most."""
    disturbed = 0
    while True:
        stalls = Stalls(realtime=False)
        try:
            with stalls:
                return attempt()
        except AssertionError as error:
            if stalls.worst > stall and disturbed < 10:
                disturbed += 1
                continue
            count -= 1
            if count == 0:
                error.add_note(f"the longest stall was {stalls.worst * 1000:.1f} ms; {disturbed} disturbed attempts did not count")
                raise


def without_a_gap(lab, meanwhile=lambda: None, interval=0.2, vrids=(51,), more=5):
    """Does `meanwhile`, and fails if an advert that is due every `interval` seconds came half an interval late, until `more` adverts later.
    Returns the capture."""
    def attempt():
        capture = Capture(lab["client"])
        for vrid in vrids:
            wait_for_advert(capture, vrid=vrid)
        meanwhile()
        count = len(capture.adverts(vrid=vrids[0]))
        wait_until(lambda: len(capture.adverts(vrid=vrids[0])) >= count + more, 10, "adverts go on")
        for vrid in vrids:
            assert max(gaps(capture.adverts(vrid=vrid))) < 1.5 * interval, f"gaps {gaps(capture.adverts(vrid=vrid))}"
        return capture
    return in_attempts(attempt)


class Probing:
    """While this lasts `host` probes for `address` every millisecond, or `interval` (`vipd probe`). Afterwards `lost` is how many probes in a row nobody answered,
    at most, and `overlap` for how many milliseconds two hosts did at most."""

    def __init__(self, host, address, interval="1ms"):
        self.host, self.address, self.interval = host, address, interval

    def __enter__(self):
        self.process = self.host.popen(binaries() / "vipd", "probe", self.address, "--interval", self.interval, "--json",
                                       stdout=subprocess.PIPE, text=True)
        assert json.loads(self.process.stdout.readline())["type"] == "start"
        assert json.loads(self.process.stdout.readline())["type"] == "holder", "somebody answers before it begins"
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.records = [json.loads(line) for line in self.process.communicate(timeout=10)[0].splitlines()]
        # The last probe may not have had the time to be answered.
        self.lost = max((item["probes"] for item in self._of("gap") if item["over"] or item["probes"] > 1), default=0)
        self.overlap = max((item["length-ms"] for item in self._of("overlap")), default=0)

    def _of(self, kind):
        return [item for item in self.records if item["type"] == kind]


def clean_rounds(measure, wanted, stall=0.005):
    """What `measure` returns for up to `wanted` rounds in which this machine let no process of the engine's kind wait for longer than `stall`
    seconds; three times as many are tried. Without any such round nothing can be judged, and the test is skipped."""
    found, tried = [], 0
    while len(found) < wanted and tried < 3 * wanted:
        with Stalls(realtime=False) as stalls:
            figures = measure()
        tried += 1
        if stalls.worst <= stall:
            found.append(figures)
    if not found:
        pytest.skip(f"this machine is too restless to measure: none of {tried} rounds was without a stall of {stall * 1000:g} ms")
    return found
