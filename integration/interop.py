"""What the tests against other implementations share: their common shape, and what the segment says about who is master.

A `Foreign` is another program that speaks VRRP on a host of the lab; `keepalived.py` and `frr.py` know how to run one and how to ask it.
What it says of itself is never taken as proof alone: `settled` also asks the segment, by ARP or neighbour discovery.
"""

import signal
import socket
import time

from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6NDOptSrcLLAddr, IPv6
from scapy.layers.l2 import ARP, Ether

from cases import database, follows
from lab import IPV4, stays, wait_until
from wire import ETH_P_ALL

VRID = 51


class Foreign:
    """Another implementation on `host`. A subclass starts it and tells its own view: `state`, `heard`, `holds`, `mac`."""

    name = "?"

    def __init__(self, host, family, version=3, priority=100, interval=0.2, preempt=True):
        self.host, self.family, self.version = host, family, version
        self.priority, self.interval, self.preempt = priority, interval, preempt
        self.directory = host.lab.directory / f"{self.name}-{host.name}"
        self.directory.mkdir()
        self.log_file = self.directory / "log"
        self.process = None

    @property
    def mac(self):
        """The MAC that it serves the virtual address with."""
        return self.host.mac

    def state(self):
        """Its own word for its state, in ours, or None while it does not answer."""
        raise NotImplementedError

    def heard(self):
        """How many adverts it has accepted, by its own count."""
        raise NotImplementedError

    def learned_interval(self):
        """The interval of the master that it goes by, in seconds, by its own word."""
        raise NotImplementedError

    def holds(self, address):
        return self.host.has(address)

    def stop(self):
        """Asks it to end, as an administrator would; it resigns."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(10)

    def log(self):
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def wait_state(self, state, timeout=10):
        wait_until(lambda: self.state() == state, timeout,
                   lambda: f"{self.host.name}: {self.name} is {self.state()}, not {state}\n{self.log()[-3000:]}", every=0.1)


def is_ours(agent):
    """Whether this side is an agent of ours."""
    return not isinstance(agent, Foreign)


def mac_of(side):
    return side.host.mac if is_ours(side) else side.mac


def holds(side, address):
    return side.host.has(address) if is_ours(side) else side.holds(address)


def answering(lab, address, patience=0.3):
    """The MACs that answer when the host `asker` asks the whole segment for `address`. It is not the client, whose neighbour entry the answers
    would set right."""
    asker = lab["asker"]
    link = asker.packet_socket(protocol=ETH_P_ALL)
    try:
        if ":" in address:
            last = socket.inet_pton(socket.AF_INET6, address)[13:]
            group = socket.inet_ntop(socket.AF_INET6, socket.inet_pton(socket.AF_INET6, "ff02::1:ff00:0")[:13] + last)
            frame = Ether(src=asker.mac, dst="33:33:ff:" + ":".join(f"{octet:02x}" for octet in last)) / IPv6(
                src=asker.link_local, dst=group, hlim=255) / ICMPv6ND_NS(tgt=address) / ICMPv6NDOptSrcLLAddr(lladdr=asker.mac)
        else:
            frame = Ether(src=asker.mac, dst="ff:ff:ff:ff:ff:ff") / ARP(
                op=1, hwsrc=asker.mac, psrc=asker.address(IPV4), pdst=address)
        link.send(bytes(frame))
        found, deadline = set(), time.monotonic() + patience
        while (left := deadline - time.monotonic()) > 0:
            link.settimeout(left)
            try:
                octets, origin = link.recvfrom(2048)
            except TimeoutError:
                break
            if origin[2] == socket.PACKET_OUTGOING:
                continue
            heard = Ether(octets)
            if ARP in heard and heard[ARP].op == 2 and heard[ARP].psrc == address and heard[ARP].pdst != address:
                found.add(heard[ARP].hwsrc)
            elif ICMPv6ND_NA in heard and heard[ICMPv6ND_NA].tgt == address and heard[ICMPv6ND_NA].S:
                found.add(heard[Ether].src)
        return found
    finally:
        link.close()


def settled(lab, family, master, backup=None, timeout=10, quiet=0.5, announced=True):
    """Waits until `master` and `backup` both say that they are, and stay so for `quiet` seconds; then one host of the two has the address, the
    client's neighbour entry and the switch lead there, and one MAC answers for it. Without `backup`, the other side is gone or cut off. Where
    the master is known not to announce (`announced`), the client has to find out by itself."""
    address = family.vip()
    master.wait_state("master", timeout)
    if backup:
        backup.wait_state("backup", timeout)

    def views():
        return master.state(), backup.state() if backup else "backup"
    stays(lambda: views() == ("master", "backup"), quiet, lambda: f"master and backup say {views()}", every=0.1)
    wait_until(lambda: holds(master, address) and not (backup and holds(backup, address)), 2, f"{master.host.name} alone has {address}")
    if not announced:
        _find_out(lab["client"], address, mac_of(master))
    follows(lab, address, master.host.name, mac=mac_of(master))
    assert answering(lab, address) == {mac_of(master)}


def _find_out(client, address, mac):
    """The client talks until its neighbour entry, which nobody confirms, has been given up; Linux takes some 10 to 40 seconds, here it hurries."""
    client.run("sh", "-ec", "for f in ipv4 ipv6; do cd /proc/sys/net/$f/neigh/eth0; echo 1 >delay_first_probe_time"
               "; echo 500 >base_reachable_time_ms; echo 100 >retrans_time_ms; done")
    wait_until(lambda: client.ping(address) and client.neighbour(address) == mac, 10,
               lambda: f"the client has {address} at {client.neighbour(address)}, not {mac}", every=0.2)


def counterpart(family, version=3, **values):
    """Our virtual router for a foreign one with the same defaults, VRID 51 and one VIP: 200 ms, in version 2 one second."""
    given = {"version": 2, "advertisement_interval": "1s"} if version == 2 else {}
    return database(family, **{**given, **values})
