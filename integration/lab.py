"""A network segment on one machine: hosts in network namespaces, joined by a bridge in a namespace of its own.

It exists so that whole agents run against the real kernel and fail the way hosts and cables fail: cut off in silence, unplugged,
deaf in one direction, split into two segments. Every name carries the lab's prefix and everything is removed by `close()`; what a killed
test run leaves is removed by `integration/cleanup PREFIX`. It knows nothing of agents or tests and touches nothing outside its namespaces.
"""

import ctypes
import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

CLONE_NEWNET = 0x40000000
VRRP = 112

_libc = ctypes.CDLL(None, use_errno=True)
_numbers = itertools.count(1)


def wait_until(predicate, timeout, what, every=0.02):
    """The first true value of `predicate`; fails with `what` (text, or a function that tells the present state)."""
    deadline = time.monotonic() + timeout
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout} s: {what() if callable(what) else what}")
        time.sleep(every)


def stays(predicate, duration, what, every=0.05):
    """Fails with `what` if `predicate` is false at any look during `duration` seconds."""
    deadline = time.monotonic() + duration
    while time.monotonic() < deadline:
        assert predicate(), what() if callable(what) else what
        time.sleep(every)


@dataclass(frozen=True)
class Family:
    """One address family's part of the address plan: 192.0.2.0/24 and 2001:db8::/64, the VIPs from 10 up."""

    name: str

    def __str__(self):
        return self.name

    @property
    def ipv6(self):
        return self.name == "ipv6"

    @property
    def bits(self):
        return 64 if self.ipv6 else 24

    def address(self, number):
        return f"2001:db8::{number}" if self.ipv6 else f"192.0.2.{number}"

    def vip(self, index=0):
        """A virtual address without prefix."""
        return self.address(10 + index)

    def vip_prefix(self, index=0):
        return f"{self.vip(index)}/{self.bits}"

    def group(self):
        return "ff02::12" if self.ipv6 else "224.0.0.18"


IPV4 = Family("ipv4")
IPV6 = Family("ipv6")
GATEWAY = "254"


class Host:
    """One namespace with one interface, `eth0`, on the segment."""

    def __init__(self, lab, name, number):
        self.lab = lab
        self.name = name
        self.number = number
        self.namespace = f"{lab.prefix}-{name}"
        self.mac = f"02:00:00:00:00:{number:02x}"
        self.link_local = f"fe80::ff:fe00:{number:x}"

    def address(self, family):
        return family.address(self.number)

    def source(self, family):
        """The address that adverts of this host come from."""
        return self.link_local if family.ipv6 else self.address(family)

    def enter(self, command):
        """`command` as it is started inside the namespace; the process id stays that of the command."""
        return ["nsenter", f"--net=/run/netns/{self.namespace}", *[str(word) for word in command]]

    def run(self, *command, check=True, timeout=20, **options):
        """Runs to the end; the result has `stdout` and `stderr` as text."""
        options.setdefault("stdin", subprocess.DEVNULL)
        if "input" in options:
            options.pop("stdin")
        result = subprocess.run(self.enter(command), capture_output=True, text=True, timeout=timeout, **options)
        if check and result.returncode:
            raise RuntimeError(f"{self.name}: {' '.join(map(str, command))}: {result.stdout}{result.stderr}")
        return result

    def popen(self, *command, **options):
        """Starts in the background, in a session of its own; the lab kills it at the end."""
        options.setdefault("stdin", subprocess.DEVNULL)
        process = subprocess.Popen(self.enter(command), start_new_session=True, **options)
        self.lab.processes.append(process)
        return process

    def inside(self, function):
        """The value of `function`, called in a thread whose network namespace is this host's. Sockets keep the namespace."""
        outcome = {}

        def body():
            try:
                with open(f"/run/netns/{self.namespace}", encoding="ascii") as file:
                    if _libc.setns(file.fileno(), CLONE_NEWNET):
                        raise OSError(ctypes.get_errno(), "setns")
                outcome["value"] = function()
            except BaseException as error:  # handed to the caller's thread below
                outcome["error"] = error

        thread = threading.Thread(target=body)
        thread.start()
        thread.join()
        if "error" in outcome:
            raise outcome["error"]
        return outcome["value"]

    def packet_socket(self, protocol=0, device="eth0"):
        """An AF_PACKET socket bound to `device`; protocol 0 only sends."""
        def make():
            link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            link.bind((device, protocol))
            return link
        return self.inside(make)

    def entries(self, device="eth0"):
        """What `ip` says of each address on the interface."""
        links = json.loads(self.run("ip", "-j", "address", "show", "dev", device).stdout)
        return [entry for link in links for entry in link.get("addr_info", [])]

    def addresses(self, device="eth0"):
        """All addresses on the interface, as text without prefix."""
        return [entry["local"] for entry in self.entries(device)]

    def has(self, address, device="eth0"):
        return address in self.addresses(device)

    def neighbour(self, address):
        """The MAC in the neighbour cache for `address`, or None."""
        entries = json.loads(self.run("ip", "-j", "neighbour", "show", "to", address, "dev", "eth0").stdout or "[]")
        return next((entry["lladdr"] for entry in entries if "lladdr" in entry), None)

    def ping(self, address, timeout=1):
        """Whether one echo is answered."""
        return self.run("ping", "-c1", f"-W{timeout}", "-n", "-q", address, check=False, timeout=timeout + 10).returncode == 0

    def pids(self):
        """Everything that runs here; zombies no longer do."""
        return _pids(self.namespace)

    def ip(self, *arguments, check=True):
        return self.run("ip", *arguments, check=check)


class Lab:
    """The segment. `cut` leaves the carrier, `unplug` takes it, `partition` makes two segments, `heal` undoes all of them."""

    def __init__(self, hosts=("a", "b"), clients=("client",)):
        base = os.environ.get("VIPD_LAB_PREFIX", f"vipd{os.getpid()}")
        self.prefix = f"{base}-{os.getpid()}-{next(_numbers)}"
        self.directory = Path(tempfile.mkdtemp(prefix=f"{self.prefix}-", dir="/tmp"))
        self.directory.chmod(0o755)
        self.processes = []
        self.finalizers = []
        self.switch = Host(self, "switch", 254)
        self.hosts = {}
        for index, name in enumerate(hosts):
            self.hosts[name] = Host(self, name, 2 + index)
        for index, name in enumerate(clients):
            self.hosts[name] = Host(self, name, 100 + index)
        try:
            self._build()
        except BaseException:
            self.close()
            raise

    def __getitem__(self, name):
        return self.hosts[name]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _build(self):
        _namespace(self.switch.namespace)
        # A port that is taken off the bridge must not answer for the bridge's own addresses: ARP only on the right interface,
        # no IPv6 on ports, and a MAC of the bridge that no port has.
        self.switch.run("sh", "-c", "echo 1 >/proc/sys/net/ipv4/conf/all/arp_ignore"
                        "; echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6")
        self._batch(self.switch, [
            "link set lo up",
            f"link add br0 address {self.switch.mac} type bridge stp_state 0 forward_delay 0",
            "link add br1 address 02:00:00:00:01:fe type bridge stp_state 0 forward_delay 0",
            "link set br0 up", "link set br1 up"])
        self.switch.run("sh", "-c", "for f in accept_dad router_solicitations disable_ipv6; do"
                        " echo 0 >/proc/sys/net/ipv6/conf/br0/$f; done")
        self._batch(self.switch, [f"address add {family.address(GATEWAY)}/{family.bits} dev br0 {'nodad' if family.ipv6 else ''}"
                                  for family in (IPV4, IPV6)])
        for host in self.hosts.values():
            _namespace(host.namespace)
            host.run("sh", "-c", "for f in accept_dad router_solicitations; do for i in all default; do"
                     " echo 0 >/proc/sys/net/ipv6/conf/$i/$f; done; done")
            self._batch(self.switch, [
                f"link add name {host.name} type veth peer name eth0 address {host.mac} netns {host.namespace}",
                f"link set dev {host.name} master br0 up"])
            self._batch(host, ["link set lo up", "link set eth0 up"] + [
                f"address add {host.address(family)}/{family.bits} dev eth0 {'nodad' if family.ipv6 else ''}"
                for family in (IPV4, IPV6)])
        for host in self.hosts.values():
            wait_until(lambda host=host: host.link_local in host.addresses(), 5, f"link-local address of {host.name}")

    @staticmethod
    def _batch(host, lines):
        host.run("ip", "-batch", "-", input="\n".join(lines) + "\n")

    def second_segment(self, name, *addresses):
        """Gives the host an interface `eth1` on the second segment, which it shares with others that have one."""
        host = self.hosts[name]
        self._batch(self.switch, [
            f"link add name {name}1 type veth peer name eth1 address 02:00:00:00:02:{host.number:02x} netns {host.namespace}",
            f"link set dev {name}1 master br1 up"])
        self._batch(host, ["link set eth1 up"] + [
            f"address add {address} dev eth1 {'nodad' if ':' in address else ''}" for address in addresses])
        wait_until(lambda: any(address.startswith("fe80") for address in host.addresses("eth1")), 5, f"link-local address of {name}'s eth1")

    # Faults.

    def cut(self, *names):
        """Takes the host's port off the bridge: it keeps its carrier and hears and reaches nobody, the gateway included."""
        for name in names:
            self.switch.ip("link", "set", "dev", name, "nomaster")

    def partition(self, *names):
        """Moves these hosts to a second segment; the gateway stays on the first."""
        for name in names:
            self.switch.ip("link", "set", "dev", name, "master", "br1")

    def unplug(self, *names):
        """Takes the host's carrier away."""
        for name in names:
            self.switch.ip("link", "set", "dev", name, "down")

    def mute(self, name):
        """What the host sends is lost; it still hears."""
        self._drop("iifname", name)

    def deafen(self, name):
        """What is sent to the host is lost; it is still heard."""
        self._drop("oifname", name)

    def _drop(self, match, name):
        hooks = ("forward", "input") if match == "iifname" else ("forward", "output")
        lines = ["table bridge lab {}"]
        for hook in hooks:
            lines.append(f"add chain bridge lab {hook} {{ type filter hook {hook} priority 0; }}")
            lines.append(f"add rule bridge lab {hook} {match} {name} counter drop")
        self.switch.run("nft", "-f", "-", input="\n".join(lines) + "\n")

    def heal(self):
        """Every host is plugged in, on the one segment, in both directions."""
        for name in self.hosts:
            self.switch.ip("link", "set", "dev", name, "master", "br0", "up")
        self.switch.run("nft", "delete", "table", "bridge", "lab", check=False)

    # What the switch knows.

    def port_of(self, mac, bridge="br0"):
        """The bridge port behind which the switch has learned `mac`, or None."""
        entries = json.loads(self.switch.run("bridge", "-j", "fdb", "show", "br", bridge).stdout or "[]")
        learned = [entry["ifname"] for entry in entries if entry["mac"] == mac and entry.get("state") != "permanent"]
        return learned[0] if learned else None

    def close(self):
        """Ends what was started and removes what was made; safe to repeat."""
        for finalizer in reversed(self.finalizers):
            finalizer()
        self.finalizers.clear()
        for process in self.processes:
            if process.poll() is None:
                try:
                    os.killpg(process.pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
                process.wait()
            for stream in (process.stdin, process.stdout, process.stderr):
                if stream:
                    stream.close()
        self.processes.clear()
        cleanup(f"{self.prefix}-")
        shutil.rmtree(self.directory, ignore_errors=True)


def _namespace(name):
    subprocess.run(["ip", "netns", "add", name], check=True, stdin=subprocess.DEVNULL)


def _pids(namespace):
    result = subprocess.run(["ip", "netns", "pids", namespace], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    return [int(pid) for pid in result.stdout.split()]


def cleanup(prefix):
    """Kills what runs in the namespaces whose names start with `prefix` and removes them."""
    try:
        names = [name for name in os.listdir("/run/netns") if name.startswith(prefix)]
    except FileNotFoundError:
        return
    for name in names:
        for pid in _pids(name):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)
