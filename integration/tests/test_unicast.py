"""Unicast: adverts to the listed peers and to nobody else, failover among them, strangers, and elections that share a VRID."""

import ipaddress

import pytest

from agent import Agent
from cases import database, follows, holders, one_holder
from lab import IPV4, IPV6, stays, wait_until
from wire import Capture, Peer

SCOPES = [(IPV4, False), (IPV6, False), (IPV6, True)]
SCOPE_NAMES = ["ipv4", "ipv6-link-local", "ipv6-global"]
EVERYTHING = "ip proto 112 or ip6 proto 112 or igmp or icmp6 or (ip6 and ip6[6] == 0)"


def address(host, family, is_global=False):
    """Where a host's adverts come from and go to."""
    return host.address(family) if is_global else host.source(family)


def pair(lab, family, is_global=False, **common):
    """Agents on a (priority 150) and b (priority 100) that list each other."""
    a = Agent(lab["a"], {"database": database(family, priority=150, peers=[address(lab["b"], family, is_global)], **common)})
    b = Agent(lab["b"], {"database": database(family, peers=[address(lab["a"], family, is_global)], **common)})
    for agent in (a.start(wait=False), b.start(wait=False)):
        agent.wait_ready()
    a.wait_state("master")
    b.wait_state("backup")
    return a, b


def joins(capture, group):
    """Frames of IGMP or MLD that name `group`. MLD is ICMPv6 behind a hop-by-hop header: types 131, 132 and 143."""
    packed = ipaddress.ip_address(group).packed

    def is_membership(octets):
        if octets[12:14] == b"\x86\xdd":
            return octets[20] == 0 and octets[62] in (131, 132, 143)
        return octets[23] == 2
    return [octets for octets in map(bytes, capture.frames()) if is_membership(octets) and packed in octets[34:]]


@pytest.mark.parametrize("family, is_global", SCOPES, ids=SCOPE_NAMES)
def test_failover_among_peers_without_any_multicast(lab, family, is_global):
    captures = {name: Capture(lab[name], expression=EVERYTHING) for name in ("a", "b")}
    a, b = pair(lab, family, is_global)
    follows(lab, family.vip(), "a")
    lab.cut("a")
    b.wait_state("master")
    follows(lab, family.vip(), "b")
    lab.heal()
    b.wait_state("backup")
    assert one_holder(lab, family.vip()) == "a"
    follows(lab, family.vip(), "a")
    a.stop()
    b.wait_state("master")
    follows(lab, family.vip(), "b")
    hosts = {address(lab[name], family, is_global) for name in ("a", "b")}
    for name, capture in captures.items():
        adverts = capture.adverts()
        assert len(adverts) > 10 and {advert.source for advert in adverts} == hosts, name
        assert {advert.destination for advert in adverts} == hosts, "to the peers and to nobody else"
        assert all(advert.ttl == 255 and advert.form == ("pseudo" if family.ipv6 else "message") for advert in adverts)
        assert not joins(capture, family.group()), f"{name} joined {family.group()}"
        assert family.group() not in lab[name].ip("maddress", "show", "dev", "eth0").stdout
    assert not b.router()["differences"], b.router()["differences"]


def test_a_multicast_router_does_join_so_that_the_test_above_can_fail(lab, family):
    capture = Capture(lab["a"], expression=EVERYTHING)
    Agent(lab["a"], {"database": database(family)}).start().wait_state("master")
    assert family.group() in lab["a"].ip("maddress", "show", "dev", "eth0").stdout
    wait_until(lambda: joins(capture, family.group()), 5, "the join is on the wire")


@pytest.mark.parametrize("family, is_global", SCOPES, ids=SCOPE_NAMES)
def test_a_stranger_is_dropped_and_counted(lab, family, is_global):
    a, b = pair(lab, family, is_global)
    stranger = Peer(lab["c"], family, priority=254, to=address(lab["a"], family, is_global)).start()
    wait_until(lambda: a.statistic("source-errors") >= 5, 5, "each is counted")
    multicast = Peer(lab["c"], family, priority=254).start()
    stays(lambda: a.state() == "master" and b.state() == "backup", 1.5, "nothing moves")
    assert a.statistic("advertisement-rcvd") == 0
    stranger.stop()
    multicast.stop()
    dropped = [line for line in a.log().splitlines() if "event=packet-dropped" in line and "reason=drop-source" in line]
    assert len(dropped) == 1 and f"source={address(lab['c'], family, is_global)}" in dropped[0], dropped
    assert holders(lab, family.vip()) == ["a"]


@pytest.mark.parametrize("family, is_global", SCOPES, ids=SCOPE_NAMES)
def test_the_least_hop_limit_of_a_peer(lab, family, is_global):
    far = {"address": address(lab["c"], family, is_global), "minimum-ttl": 200}
    a = Agent(lab["a"], {"database": database(family, peers=[far])}).start()
    a.wait_state("master")
    assert a.router()["peers"] == [far]
    peer = Peer(lab["c"], family, priority=254, to=address(lab["a"], family, is_global))
    peer.ttl = 199
    for _ in range(5):
        peer.send()
    wait_until(lambda: a.statistic("ip-ttl-errors") == 5, 5, "below the least one")
    assert a.state() == "master" and a.router()["last-protocol-error"] == "ip-ttl-error"
    peer.ttl = 200
    peer.start()
    a.wait_state("backup")
    assert a.statistic("ip-ttl-errors") == 5


def test_one_vrid_with_two_sets_of_peers(lab):
    """a shares `one` with b and `two` with c, all of them VRID 51."""
    def router(index, priority, *peers):
        return database(IPV4, priority=priority, addresses=[IPV4.vip_prefix(index)], peers=[lab[name].address(IPV4) for name in peers])
    a = Agent(lab["a"], {"one": router(0, 150, "b"), "two": router(1, 100, "c")}).start()
    b = Agent(lab["b"], {"one": router(0, 100, "a")}).start()
    c = Agent(lab["c"], {"two": router(1, 150, "a")}).start()
    a.wait_state("master", name="one")
    b.wait_state("backup", name="one")
    c.wait_state("master", name="two")
    a.wait_state("backup", name="two")
    assert a.router("two")["master"]["address"] == lab["c"].address(IPV4)
    moves = b.events()
    c.stop()
    a.wait_state("master", name="two")
    assert a.state("one") == "master" and not moves.states("one")
    assert (holders(lab, IPV4.vip(0)), holders(lab, IPV4.vip(1))) == (["a"], ["a"])
    assert not a.router("one")["differences"] and not a.router("two")["differences"]


def test_peers_change_with_a_reload_and_the_master_stays(lab):
    a, b = pair(lab, IPV4)
    moves = a.events()
    a.change(peers=[lab["b"].address(IPV4), lab["c"].address(IPV4)])
    a.reload()
    capture = Capture(lab["c"])
    wait_until(lambda: len(capture.adverts()) > 3, 5, "the new peer is sent to")
    assert {advert.destination for advert in capture.adverts()} == {lab["c"].address(IPV4)}
    assert b.state() == "backup" and not moves.transitions()
