"""Interfaces other than a plain one: a bridge with the port below it, a macvlan, a VXLAN. A takeover, the way back, and the interface deleted and
made again. VLAN, bond and VRF are in the guest, because not every kernel that runs these tests has them."""

import json

import pytest

from agent import Agent
from cases import database
from lab import wait_until

DEVICE = "svc0"


def make(host, kind):
    """The interface of a host, up, without addresses."""
    how = {"bridge": ["type", "bridge", "stp_state", "0", "forward_delay", "0"],
           "macvlan": ["link", "eth0", "type", "macvlan", "mode", "bridge"],
           "vxlan": ["type", "vxlan", "id", "60", "group", "239.1.1.60", "dev", "eth0", "dstport", "4789"]}
    host.ip("link", "add", DEVICE, *how[kind])
    if kind == "bridge":
        host.ip("link", "set", "eth0", "master", DEVICE)
    host.ip("link", "set", DEVICE, "up")


def number(family, index):
    """An address of the network on top, which is not that of the lab."""
    return f"2001:db8:60::{index}" if family.ipv6 else f"10.60.0.{index}"


def settle(host, family, device=DEVICE):
    host.ip("address", "add", f"{number(family, host.number)}/{family.bits}", "dev", device, *(["nodad"] if family.ipv6 else []))


def hardware(host):
    return json.loads(host.ip("-j", "link", "show", "dev", DEVICE).stdout)[0]["address"]


class Client:
    """The neighbour of both: on the interface itself where the network on top has none of the lab's frames, else on its own."""

    def __init__(self, lab, kind, family):
        self.host, self.device = lab["client"], DEVICE if kind == "vxlan" else "eth0"
        if kind == "vxlan":
            make(self.host, kind)
        settle(self.host, family, self.device)

    def neighbour(self, address):
        entries = json.loads(self.host.ip("-j", "neighbour", "show", "to", address, "dev", self.device).stdout or "[]")
        return next((entry["lladdr"] for entry in entries if "lladdr" in entry), None)

    def follows(self, address, holder):
        """It knows the address already, so it is for the announcements to tell it."""
        if self.neighbour(address) is None:
            wait_until(lambda: self.host.ping(address), 5, "the client reaches the address")
        wait_until(lambda: self.neighbour(address) == hardware(holder), 5,
                   lambda: f"the client has {address} at {self.neighbour(address)}, not at {hardware(holder)}")
        assert self.host.ping(address, 2)


@pytest.mark.parametrize("kind", ["bridge", "macvlan", "vxlan"])
def test_a_takeover_on(lab, family, kind):
    client = Client(lab, kind, family)
    agents = {}
    for name, priority in (("a", 150), ("b", 100)):
        make(lab[name], kind)
        settle(lab[name], family)
        router = database(family, interface=DEVICE, priority=priority, addresses=[f"{number(family, 10)}/{family.bits}"],
                          verify=[number(family, client.host.number)])
        agents[name] = Agent(lab[name], {"database": router})
    a, b = agents["a"].start(), agents["b"].start()
    a.wait_state("master", timeout=15)
    b.wait_state("backup")
    client.follows(number(family, 10), lab["a"])

    a.kill()
    b.wait_state("master")
    client.follows(number(family, 10), lab["b"])
    wait_until(lambda: (b.router()["verification"] or {}).get("complete"), 8, "the end of the verification")
    assert b.router()["verification"]["verdict"] == "verified", b.router()["verification"]
    wait_until(lambda: not lab["a"].has(number(family, 10), DEVICE), 5, "the lease of the host whose agent was killed has ended")

    a.start().wait_state("master", timeout=15)
    client.follows(number(family, 10), lab["a"])
    b.wait_state("backup")
    assert not lab["b"].has(number(family, 10), DEVICE)

    lab["a"].ip("link", "del", DEVICE)
    a.wait_state("fault")
    b.wait_state("master")
    client.follows(number(family, 10), lab["b"])
    make(lab["a"], kind)
    settle(lab["a"], family)
    a.wait_state("master", timeout=15)
    client.follows(number(family, 10), lab["a"])
    b.wait_state("backup")
    assert not lab["b"].has(number(family, 10), DEVICE) and a.router()["conflicts"] == []
