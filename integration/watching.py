"""What a client and the kernel see while something is done to an agent: probes every millisecond, and every change of an address or of a neighbour."""

import datetime
import json
import subprocess
import time

from agent import binaries
from lab import wait_until


class Probes:
    """`vipd probe` from a client, every millisecond, in the background until `finish`."""

    def __init__(self, client, address, interval="1ms", longest="60s"):
        self.process = client.popen(binaries() / "vipd", "probe", address, "--for", longest, "--interval", interval, "--json",
                                    stdout=subprocess.PIPE, text=True)
        self.records = []
        while not self.records or self.records[-1]["type"] != "holder":
            line = self.process.stdout.readline()
            assert line, "nobody answers the probes"
            self.records.append(json.loads(line))

    def finish(self):
        """Ends it and returns its summary."""
        self.process.terminate()
        out, _ = self.process.communicate(timeout=20)
        self.records += [json.loads(line) for line in out.splitlines()]
        return next(item for item in self.records if item["type"] == "summary")

    def of(self, kind):
        return [item for item in self.records if item["type"] == kind]


class Monitor:
    """What `ip monitor` tells on a host, in the kernel's order."""

    def __init__(self, host, what, provoke, *options):
        """It says nothing when it listens: what `provoke` does shows that. The lines of that, which name 127.7.7.7, are left out."""
        self.file = host.lab.directory / f"{what}-{len(host.lab.processes)}"
        with open(self.file, "wb") as out:
            self.process = host.popen("ip", "-o", *options, "monitor", what, stdout=out, stderr=subprocess.STDOUT)

        def hears():
            provoke()
            return "127.7.7.7" in self.file.read_text()
        wait_until(hears, 5, "ip monitor listens", every=0.05)

    def lines(self):
        return [line for line in self.file.read_text().splitlines() if "127.7.7.7" not in line]


class Addresses(Monitor):
    """Which addresses came to the host's interfaces and left them."""

    def __init__(self, host):
        def provoke():
            for action in ("add", "del"):
                host.ip("address", action, "127.7.7.7/32", "dev", "lo", check=False)
        super().__init__(host, "address", provoke)

    def removed(self):
        """The lines of addresses that were removed since it began."""
        time.sleep(0.05)
        return [line for line in self.lines() if line.startswith("Deleted")]


class Neighbours(Monitor):
    """When which hardware address was entered for an address."""

    def __init__(self, host):
        def provoke():
            host.ip("neigh", "replace", "127.7.7.7", "lladdr", "02:00:00:07:07:07", "dev", "eth0", "nud", "stale")
            host.ip("neigh", "del", "127.7.7.7", "dev", "eth0")
        super().__init__(host, "neigh", provoke, "-ts")

    def entered(self, address, mac, since):
        """When `mac` was first entered for `address` after this time; None if it was not."""
        for line in self.lines():
            stamp, _, entry = line.partition("] ")
            if not entry.startswith(f"{address} dev ") or f" lladdr {mac} " not in f"{entry} ":
                continue
            moment = datetime.datetime.fromisoformat(stamp.lstrip("[")).timestamp()
            if moment >= since:
                return moment
        return None
