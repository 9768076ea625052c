"""Hundreds of virtual routers on two hosts of the lab, with our agent or with keepalived, and what a process costs meanwhile.

The configurations are made here and nowhere else, so that both programs get the same routers. It measures from outside: /proc of the process
and captures of the segment.
"""

import ipaddress
import os
import signal
import subprocess
from pathlib import Path

from lab import wait_until

KEEPALIVED = "/usr/sbin/keepalived"
FIRST = int(ipaddress.ip_address("10.51.0.0"))


def vip(number):
    """The virtual address of router `number`."""
    return str(ipaddress.ip_address(FIRST + number))


def plan(count, interfaces=("eth0",)):
    """(name, interface, VRID, address) of `count` routers, spread evenly; VRIDs begin with 1 on each interface."""
    each = -(-count // len(interfaces))
    assert each <= 255
    return [(f"r{number:04d}", interfaces[number // each], number % each + 1, vip(number)) for number in range(count)]


def routers(planned, priority, interval="100ms"):
    """The table `virtual-routers` for our agent."""
    return {name: {"interface": interface, "vrid": vrid, "priority": priority, "advertisement-interval": interval,
                   "addresses": [f"{address}/32"]}
            for name, interface, vrid, address in planned}


def more_interfaces(lab, count, one="a", other="b"):
    """Joins two hosts by `count` further cables, `link0`, `link1`, …; returns the names of the interfaces."""
    names = [f"link{number}" for number in range(count)]
    first, second = lab[one], lab[other]
    lines = []
    for number, name in enumerate(names):
        lines.append(f"link add name {name} type veth peer name {name} netns {second.namespace}")
        lines.append(f"link set {name} up")
        lines.append(f"address add 198.18.{number}.1/24 dev {name}")
    first.run("ip", "-batch", "-", input="\n".join(lines) + "\n")
    second.run("ip", "-batch", "-", input="\n".join(
        line for number, name in enumerate(names)
        for line in (f"link set {name} up", f"address add 198.18.{number}.2/24 dev {name}")) + "\n")
    return names


def seconds(pid):
    """Processor time of a process, exact to the nanosecond."""
    return int(Path(f"/proc/{pid}/schedstat").read_text(encoding="ascii").split()[0]) / 1e9


def memory(pid):
    """(resident, private) in MiB."""
    values = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()[1:]:
        key, amount, _ = line.split()
        values[key.rstrip(":")] = int(amount)
    return values["Rss"] / 1024, (values["Private_Clean"] + values["Private_Dirty"]) / 1024


def states(agent):
    """How many routers are in each state."""
    found = {}
    for router in agent.status()["virtual-routers"]:
        found[router["state"]] = found.get(router["state"], 0) + 1
    return found


def wait_all(agent, state, count, timeout=20):
    """Waits until all `count` routers of the agent are in the state."""
    wait_until(lambda: states(agent) == {state: count}, timeout, lambda: f"{agent.host.name}: {states(agent)}", every=0.2)


def lateness(capture, vrids, interval=0.1):
    """For each router how much later than an interval after the one before it its latest advert was, in milliseconds."""
    times = {}
    for advert in capture.adverts():
        if advert.vrid in vrids and advert.priority:
            times.setdefault(advert.vrid, []).append(advert.time)
    assert set(times) == set(vrids), "every router was heard"
    return {vrid: max(later - earlier - interval for earlier, later in zip(found, found[1:])) * 1000 for vrid, found in times.items()}


class ManyKeepalived:
    """keepalived with the planned routers; nothing of it is written outside the lab's directory."""

    def __init__(self, host, planned, priority, interval=0.1):
        self.host = host
        self.directory = host.lab.directory / f"{host.name}-keepalived"
        self.directory.mkdir(exist_ok=True)
        self.file, self.log_file = self.directory / "keepalived.conf", self.directory / "log"
        self.file.write_text("".join(
            f"vrrp_instance {name} {{\n  state BACKUP\n  interface {interface}\n  virtual_router_id {vrid}\n  version 3\n"
            f"  priority {priority}\n  advert_int {interval:g}\n  virtual_ipaddress {{\n    {address}/32\n  }}\n}}\n"
            for name, interface, vrid, address in planned), encoding="ascii")
        self.process = self.pid = None

    def start(self):
        pids = [option for letter in "prcb" for option in (f"-{letter}", self.directory / f"{letter}.pid")]
        with open(self.log_file, "wb") as log:
            self.process = self.host.popen(KEEPALIVED, "--dont-fork", "--log-console", "--no-syslog", "--vrrp", "-f", self.file, *pids,
                                           stdout=log, stderr=log, env={**os.environ, "TMPDIR": str(self.directory)})
        wait_until(lambda: "Startup complete" in self.log(), 20, lambda: f"keepalived starts:\n{self.log()[-2000:]}")
        self.pid = int((self.directory / "r.pid").read_text(encoding="ascii"))
        return self

    def log(self):
        return self.log_file.read_text(encoding="utf-8", errors="replace")

    def wait_all(self, state, count, timeout=20):
        """Waits until each router has entered the state (`MASTER`, `BACKUP`) as often as to be in it."""
        def reached():
            last = {}
            for line in self.log().splitlines():
                if " Entering " in line:
                    name, entered = line.split(") Entering ")
                    last[name.rsplit("(", 1)[1]] = entered.split()[0]
            return sum(entered == state for entered in last.values()) == count
        wait_until(reached, timeout, lambda: f"keepalived of {self.host.name}: {count} are {state}\n{self.log()[-1500:]}", every=0.2)

    def kill(self):
        """Ends it with no chance to tidy up."""
        for pid in (self.process.pid, self.pid):
            os.kill(pid, signal.SIGKILL)
        self.process.wait(5)


def present():
    """Whether keepalived is installed, which `integration/setup` does."""
    return subprocess.run([KEEPALIVED, "--version"], capture_output=True, check=False).returncode == 0 if os.path.exists(KEEPALIVED) else False
