"""What others do to a host beside the agent: to its addresses, links, neighbours and settings. Afterwards the kernel's state is the wanted one,
or the agent has resigned with a reason that names it."""

import time
from dataclasses import dataclass

import pytest

import netlink
from agent import Agent
from cases import database, follows, holders, one_holder, start_pair
from lab import GATEWAY, IPV4, IPV6, wait_until
from routes import ours, rules

TAG = 112  # IFA_PROTO of what the agent adds


def faults(agent):
    return [(entry["fault"], entry["text"]) for entry in agent.router()["faults"]]


def delete(host, family):
    host.ip("address", "del", family.vip_prefix(), "dev", "eth0", check=False)


def test_an_address_that_is_taken_off_again_and_again_goes_to_another_host(lab, family):
    a, b = start_pair(lab, family, a={"preempt": True})
    for _ in range(2):
        delete(lab["a"], family)
        wait_until(lambda: lab["a"].has(family.vip()), 1, "it is put back")
    delete(lab["a"], family)
    b.wait_state("master")
    line = next(line for line in a.log().splitlines() if "cause=fault" in line and "three times in 10 s" in line)
    assert family.vip() in line
    if not family.ipv6:  # over IPv6 the kernel does not tell who it was
        assert "process " in line
    a.wait_state("backup", 10)
    # It has shown that it cannot hold it: b, who can, is left alone.
    time.sleep(2)
    assert holders(lab, family.vip()) == ["b"]
    follows(lab, family.vip(), "b")
    b.stop()
    a.wait_state("master")
    follows(lab, family.vip(), "a")


def test_an_address_that_others_configured_on_a_backup_is_a_fault_and_stays(lab, family):
    a, b = start_pair(lab, family)
    lab["b"].ip("address", "add", family.vip_prefix(), "dev", "eth0", *(["nodad"] if family.ipv6 else []))
    b.wait_state("fault")
    (fault, text), = faults(b)
    assert fault == "address-not-ours" and family.vip() in text and "take it off" in text
    assert lab["b"].has(family.vip()), "it is not ours to remove"
    a.stop()
    time.sleep(1.5)
    assert b.state() == "fault", "it is no master of what it does not control"
    delete(lab["b"], family)
    b.wait_state("master")
    assert one_holder(lab, family.vip()) == "b"
    follows(lab, family.vip(), "b")


def test_the_same_with_another_prefix_on_a_master(lab, family):
    a, b = start_pair(lab, family)
    bits = 128 if family.ipv6 else 32
    lab["a"].ip("address", "add", f"{family.vip()}/{bits}", "dev", "eth0", *(["nodad"] if family.ipv6 else []), check=False)
    if family.ipv6:
        # The kernel has an IPv6 address once, whatever its prefix.
        time.sleep(1)
        assert a.state() == "master" and one_holder(lab, family.vip()) == "a"
        return
    a.wait_state("fault")
    b.wait_state("master")
    lab["a"].ip("address", "del", f"{family.vip()}/{bits}", "dev", "eth0")
    a.wait_state("master")


def test_an_address_left_by_others_at_the_start_is_never_removed(lab, family):
    lab["a"].ip("address", "add", family.vip_prefix(), "dev", "eth0", *(["nodad"] if family.ipv6 else []))
    agent = Agent(lab["a"], {"database": database(family)}).start()
    agent.wait_state("fault")
    assert faults(agent)[0][0] == "address-not-ours"
    agent.stop()
    assert lab["a"].has(family.vip())


def test_an_address_that_somebody_changes_keeps_its_tag_also_where_no_lease_renews_it(lab, family):
    """`ip address change` takes the tag off. Without it the next engine would take the address for somebody else's."""
    a, b = start_pair(lab, family, lease="off")
    lab["a"].ip("address", "change", family.vip_prefix(), "dev", "eth0", "preferred_lft", "forever", "valid_lft", "forever")
    wait_until(lambda: holds(lab["a"], family), 2, "the tag is there again")
    moves = [agent.statistic("master-transitions") for agent in (a, b)]
    a.kill_engine()
    wait_until(lambda: a.state() == "master", 5, "the next engine goes on")
    time.sleep(1)
    assert [agent.statistic("master-transitions") for agent in (a, b)] == moves and holds(lab["a"], family)


@dataclass(frozen=True)
class Interference:
    """Shell commands on the master's host, and what undoes them. With `reasons` the master resigns for one of them, without it stays; over both
    families unless one is named. `{}` names are filled in: see `places`."""

    name: str
    commands: str
    reasons: tuple = ()
    undo: str = ""
    families: tuple = (IPV4, IPV6)
    mac: str = None
    may_move: bool = False  # it may resign or not; one of the two has the address in the end

    def __str__(self):
        return self.name.replace(" ", "-")


OTHER_MAC = "02:00:00:00:00:aa"
INTERFERENCES = [
    Interference("the address is deleted", "ip address del {vip_prefix} dev eth0"),
    Interference("the address is deleted twice", "ip address del {vip_prefix} dev eth0; sleep 1; ip address del {vip_prefix} dev eth0"),
    Interference("it is deleted three times", "for i in 1 2 3; do ip address del {vip_prefix} dev eth0; sleep 0.5; done", ("address-removed",)),
    Interference("it is given a lifetime of a second", "ip address change {vip_prefix} dev eth0 valid_lft 1 preferred_lft 1"),
    Interference("it is given a lifetime for ever", "ip address change {vip_prefix} dev eth0 valid_lft forever preferred_lft forever"),
    Interference("it is added with another prefix", "ip address add {vip}/32 dev eth0", ("address-not-ours",), "ip address del {vip}/32 dev eth0",
                 families=(IPV4,)),
    Interference("another address is added", "ip address add {other}/{bits} dev eth0 {nodad}"),
    Interference("another address comes and goes", "ip address add {other}/{bits} dev eth0 {nodad}; sleep 0.3; ip address del {other}/{bits} dev eth0"),
    Interference("the host's own address is deleted", "ip address del {source}/{source_bits} dev eth0", ("no-source-address",),
                 "ip address add {source}/{source_bits} dev eth0 {nodad}"),
    Interference("all addresses are flushed", "ip -{number} address flush dev eth0", ("no-source-address",),
                 "ip address add {source}/{source_bits} dev eth0 {nodad}"),
    Interference("addresses with a lifetime are flushed", "ip -{number} address flush dev eth0 dynamic", may_move=True),  # in rounds, until nobody puts any back
    Interference("addresses for everywhere are flushed", "ip -{number} address flush dev eth0 scope global; ip address replace {own}/{bits} dev eth0 {nodad}", may_move=True),
    Interference("its route gets another metric", "ip address change {vip_prefix} dev eth0 metric 50"),
    Interference("it is given to loopback, too", "ip address add {vip}/{whole} dev lo"),
    Interference("a second interface in its network has it", "ip link add eth8 type veth peer name eth7; ip link set eth8 up; ip address add {vip}/{whole} dev eth8 {nodad}"),
    Interference("neighbours are flushed", "ip neighbour flush dev eth0"),
    Interference("a neighbour entry is made for the address", "ip neighbour replace {vip} lladdr 02:00:00:00:00:99 dev eth0 nud permanent"),
    Interference("it is proxied", "ip neighbour add proxy {vip} dev eth0"),
    Interference("the interface goes down for a moment", "ip link set eth0 down; sleep 0.3; ip link set eth0 up; ip address replace {own}/{bits} dev eth0 {nodad}",
                 may_move=True),
    Interference("another interface takes its name", "ip link set eth0 down; ip link set eth0 name eth9; ip link add eth0 type veth peer name eth7; ip link set eth0 up",
                 ("interface-missing", "interface-down", "no-source-address"),
                 "ip link del eth0; ip link set eth9 name eth0; ip link set eth0 up; ip address replace {own}/{bits} dev eth0 {nodad}"),
    Interference("the interface goes down", "ip link set eth0 down", ("interface-down",), "ip link set eth0 up"),
    Interference("the interface is renamed", "ip link set eth0 down; ip link set eth0 name eth9; ip link set eth9 up",
                 ("interface-missing", "interface-down"), "ip link set eth9 down; ip link set eth9 name eth0; ip link set eth0 up"),
    Interference("the interface is deleted", "ip link del eth0", ("interface-missing",)),
    Interference("the hardware address changes", f"ip link set eth0 address {OTHER_MAC}", mac=OTHER_MAC),
    Interference("the MTU changes", "ip link set eth0 mtu 1400"),
    Interference("the MTU is too small for IPv6", "ip link set eth0 mtu 1000", ("no-source-address", "claim"),
                 "ip link set eth0 mtu 1500; ip address replace {own}/{bits} dev eth0 {nodad}; ip address replace {source}/64 dev eth0 {nodad}", families=(IPV6,)),
    Interference("the queue becomes short", "ip link set eth0 txqueuelen 1"),
    Interference("it listens to everything", "ip link set eth0 promisc on allmulticast on"),
    Interference("an alias is given", "ip link set eth0 alias uplink"),
    Interference("a queueing discipline is put on", "tc qdisc replace dev eth0 root pfifo limit 100"),
    Interference("adverts are dropped on the way out",
                 "nft 'table inet x {{ chain o {{ type filter hook output priority 0; meta l4proto 112 drop; }}; }}'", ("cannot-send",),
                 "nft delete table inet x"),
    Interference("adverts are dropped on the way in", "nft 'table inet x {{ chain i {{ type filter hook input priority 0; meta l4proto 112 drop; }}; }}'"),
    Interference("secondaries are not promoted", "sysctl -qw net.ipv4.conf.eth0.promote_secondaries=0", families=(IPV4,)),
    Interference("ARP is announced and filtered", "sysctl -qw net.ipv4.conf.eth0.arp_announce=2 net.ipv4.conf.eth0.arp_filter=1 net.ipv4.conf.eth0.arp_notify=1",
                 families=(IPV4,)),
    Interference("ARP is answered on the right interface only", "sysctl -qw net.ipv4.conf.eth0.arp_ignore=1", families=(IPV4,)),
    Interference("gratuitous ARP is dropped and others are answered for",
                 "sysctl -qw net.ipv4.conf.eth0.drop_gratuitous_arp=1 net.ipv4.conf.eth0.proxy_arp=1 net.ipv4.conf.eth0.arp_accept=1", families=(IPV4,)),
    Interference("echo requests are ignored", "sysctl -qw net.ipv4.icmp_echo_ignore_broadcasts=1 net.ipv4.conf.eth0.force_igmp_version=2", families=(IPV4,)),
    Interference("addresses of others may be bound", "sysctl -qw net.ipv4.ip_nonlocal_bind=1 net.ipv6.ip_nonlocal_bind=1"),
    Interference("reverse paths are filtered", "sysctl -qw net.ipv4.conf.all.rp_filter=1 net.ipv4.conf.eth0.rp_filter=1", families=(IPV4,)),
    Interference("the host becomes a router", "sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1"),
    Interference("IPv6 is switched off", "sysctl -qw net.ipv6.conf.eth0.disable_ipv6=1", ("no-source-address", "claim"),
                 "sysctl -qw net.ipv6.conf.eth0.disable_ipv6=0", families=(IPV6,)),
    Interference("IPv6 is switched off beside it", "sysctl -qw net.ipv6.conf.eth0.disable_ipv6=1", families=(IPV4,)),
    Interference("IPv6 makes no addresses of its own", "sysctl -qw net.ipv6.conf.eth0.addr_gen_mode=1", families=(IPV6,)),
    Interference("addresses are kept when it goes down", "sysctl -qw net.ipv6.conf.eth0.keep_addr_on_down=1", families=(IPV6,)),
    Interference("neighbours are proxied and told of", "sysctl -qw net.ipv6.conf.eth0.proxy_ndp=1 net.ipv6.conf.eth0.ndisc_notify=1 net.ipv6.conf.eth0.drop_unsolicited_na=1",
                 families=(IPV6,)),
    Interference("temporary addresses are made", "sysctl -qw net.ipv6.conf.eth0.use_tempaddr=2 net.ipv6.conf.eth0.accept_ra=2 net.ipv6.conf.eth0.autoconf=1", families=(IPV6,)),
    Interference("duplicates are looked for", "sysctl -qw net.ipv6.conf.eth0.accept_dad=2", families=(IPV6,)),
]


# The same with a router that has a default route (metric 10, the virtual address as source), another one in table 100, a third out of eth1, and a
# rule that leads to table 100.
ROUTING = [
    Interference("the default route is deleted", "ip -{number} route del default metric 10"),
    Interference("a route of a table is deleted twice", "for i in 1 2; do ip -{number} route del {network} table 100; sleep 1; done"),
    Interference("a route is deleted three times", "for i in 1 2 3; do ip -{number} route del default metric 10; sleep 0.3; done", ("routing-removed",)),
    Interference("the default route is replaced with another next hop", "ip -{number} route replace default via {client} dev eth0 metric 10", ("routing",),
                 "ip -{number} route del default via {client} metric 10"),
    Interference("its source is taken out of it", "ip -{number} route replace default via {gateway} dev eth0 metric 10", ("routing",),
                 "ip -{number} route del default via {gateway} metric 10"),
    Interference("its table is flushed", "ip -{number} route flush table 100"),
    Interference("the same is added with a better metric", "ip -{number} route add default via {client} dev eth0 metric 5"),
    Interference("a second way is appended", "ip -4 route append default via {client} dev eth0 metric 10", families=(IPV4,)),
    Interference("a second way is appended over IPv6", "ip -6 route append default via {client} dev eth0 metric 10", ("routing",),
                 "ip -6 route del default via {client} dev eth0 metric 10", families=(IPV6,)),
    Interference("all our routes are flushed", "ip -{number} route flush table all proto 112"),
    Interference("the same route comes by somebody else's hand", "ip -{number} route del default metric 10;"
                 " ip -{number} route add default via {gateway} dev eth0 src {vip} metric 10; sleep 0.5; ip -{number} route del default metric 10"),
    Interference("the rule is deleted", "ip -{number} rule del priority 1000"),
    Interference("the rule is deleted three times", "for i in 1 2 3; do ip -{number} rule del priority 1000; sleep 0.3; done", ("routing-removed",)),
    Interference("all rules are flushed", "ip -{number} rule flush; ip -{number} rule add lookup main priority 32766"),
    Interference("a rule of the same priority is added", "ip -{number} rule add from {other} lookup main priority 1000"),
    Interference("the same rule is added by somebody else and deleted", "ip -{number} rule add from {vip} lookup 100 priority 1000 protocol static; sleep 0.3;"
                 " ip -{number} rule del from {vip} lookup 100 priority 1000 protocol static"),
    Interference("the network of the segment is no more in the table", "ip -{number} route del {segment} dev eth0 proto kernel",
                 undo="ip -{number} route add {segment} dev eth0 proto kernel {scope}"),
    Interference("and then the route is deleted", "ip -{number} route del {segment} dev eth0 proto kernel; ip -{number} route del default metric 10",
                 ("routing",), "ip -{number} route add {segment} dev eth0 proto kernel {scope}"),
    Interference("the interface of a route goes down", "ip link set eth1 down", ("routing",), "ip link set eth1 up; {eth1}"),
    Interference("the interface of a route flaps", "ip link set eth1 down; ip link set eth1 up; {eth1}"),
    Interference("the interface of a route is deleted", "ip link del eth1", ("routing",)),
    Interference("the interface of most routes goes down", "ip link set eth0 down", ("interface-down",),
                 "ip link set eth0 up; ip address add {source}/{source_bits} dev eth0 {nodad} || true; ip address add {own}/{bits} dev eth0 {nodad} || true"),
    Interference("addresses of the interface of a route are flushed", "ip -{number} address flush dev eth1", families=(IPV6,)),
    Interference("the last IPv4 address of the interface of a route is deleted", "ip -4 address flush dev eth1", ("routing",), "{eth1}", families=(IPV4,)),
    Interference("the address that is the source is deleted", "ip address del {vip_prefix} dev eth0"),
    Interference("another route is blackholed", "ip -{number} route add blackhole {outside}"),
]


def places(host, family):
    source = host.source(family)
    return {"vip": family.vip(), "vip_prefix": family.vip_prefix(), "other": family.address(88), "bits": family.bits, "source": source,
            "source_bits": 64 if family.ipv6 else family.bits, "whole": 128 if family.ipv6 else 32, "nodad": "nodad" if family.ipv6 else "", "number": 6 if family.ipv6 else 4,
            "gateway": family.address(GATEWAY), "client": host.lab["client"].address(family), "own": host.address(family),
            "network": far_network(family), "outside": "2001:db8:ffff::9" if family.ipv6 else "198.51.100.9",
            "segment": "2001:db8::/64" if family.ipv6 else "192.0.2.0/24", "scope": "metric 256" if family.ipv6 else f"scope link src {host.address(family)}",
            "eth1": f"ip address add {second_address(family, host)} dev eth1 {'nodad' if family.ipv6 else ''} || true"}


def second_address(family, host):
    """The host's own on the second segment."""
    return f"2001:db8:1::{host.number}/64" if family.ipv6 else f"203.0.113.{host.number}/24"


def holds(host, family):
    """The address is on the interface, as the agent put it there; False where there is no such interface."""
    try:
        return netlink.addresses(host).get(family.vip(), {}).get("proto") == TAG
    except OSError:
        return False


@pytest.mark.parametrize("interference, family", [
    pytest.param(item, family, id=f"{item}-{family}") for item in INTERFERENCES for family in item.families])
def test_afterwards_the_state_is_the_wanted_one_or_it_has_resigned(lab, interference, family):
    a, b = start_pair(lab, family, advertisement_interval="100ms")
    host = lab["a"]
    names = places(host, family)
    moves = a.statistic("master-transitions")
    host.run("sh", "-c", interference.commands.format(**names))
    if interference.reasons:
        wait_until(lambda: {entry["fault"] for entry in a.router()["faults"]} & set(interference.reasons), 5,
                   lambda: f"one of {interference.reasons}, not {a.router()['faults']}", every=0.05)
        b.wait_state("master")
        wait_until(lambda: not holds(host, family), 3, "it has let go")
        follows(lab, family.vip(), "b")
        host.run("sh", "-c", interference.undo.format(**names))
    else:
        time.sleep(2.5)
        if interference.may_move:
            keeper = one_holder(lab, family.vip())
            assert {"a": a, "b": b}[keeper].state() == "master" and holds(lab[keeper], family)
            follows(lab, family.vip(), keeper)
            return
        assert a.state() == "master" and a.statistic("master-transitions") == moves, a.router()["last-transition"]
        assert holds(host, family)
        follows(lab, family.vip(), "a", mac=interference.mac)
    if interference.undo or not interference.reasons:
        keeper = one_holder(lab, family.vip())
        assert {"a": a, "b": b}[keeper].state() == "master"


def routing(family):
    gateway, far = family.address(GATEWAY), "2001:db8:fffe::/64" if family.ipv6 else "198.18.0.0/24"
    return {"routes": [{"destination": "default", "via": gateway, "source": family.vip(), "metric": 10},
                       {"destination": far_network(family), "via": gateway, "table": 100},
                       {"destination": far, "via": "2001:db8:1::9" if family.ipv6 else "203.0.113.9", "device": "eth1"}],
            "rules": [{"priority": 1000, "from": family.vip(), "table": 100}]}


def far_network(family):
    return "2001:db8:ffff::/64" if family.ipv6 else "198.51.100.0/24"


def routes_of(host, family):
    """What it has of ours, as far as it matters: `{destination: (gateway, source, device)}` and the priorities of rules."""
    found = {name: (route.get("gateway"), route.get("prefsrc"), route["dev"]) for name, route in ours(host, family).items()}
    return found, sorted(rules(host, family))


@pytest.mark.parametrize("interference, family", [
    pytest.param(item, family, id=f"{item}-{family}") for item in ROUTING for family in item.families])
def test_afterwards_routes_and_rules_are_the_wanted_ones_or_it_has_resigned(lab, interference, family):
    for name in ("a", "b"):
        lab.second_segment(name, second_address(family, lab[name]))
    a, b = start_pair(lab, family, advertisement_interval="100ms", **routing(family))
    host = lab["a"]
    names = places(host, family)
    wanted = routes_of(host, family)
    assert len(wanted[0]) == 3 and wanted[1] == [1000]
    moves = a.statistic("master-transitions")
    host.run("sh", "-c", interference.commands.format(**names))
    if interference.reasons:
        wait_until(lambda: {entry["fault"] for entry in a.router()["faults"]} & set(interference.reasons), 5,
                   lambda: f"one of {interference.reasons}, not {a.router()['faults']}", every=0.02)
        b.wait_state("master")
        wait_until(lambda: not holds(host, family) and routes_of(host, family) == ({}, []), 3, lambda: f"it has let go, not {routes_of(host, family)}")
        assert routes_of(lab["b"], family) == wanted
        follows(lab, family.vip(), "b")
        host.run("sh", "-c", interference.undo.format(**names))
    else:
        wait_until(lambda: routes_of(host, family) == wanted, 1, lambda: f"{wanted}, not {routes_of(host, family)}")
        time.sleep(1.5)
        assert a.state() == "master" and a.statistic("master-transitions") == moves, a.router()["last-transition"]
        assert holds(host, family) and routes_of(host, family) == wanted
        assert all(entry["present"] for entry in a.router()["routes"] + a.router()["rules"])
        host.run("sh", "-c", interference.undo.format(**names))
        follows(lab, family.vip(), "a")
    if interference.undo or not interference.reasons:
        keeper = one_holder(lab, family.vip())
        assert {"a": a, "b": b}[keeper].state() == "master"
        assert routes_of(lab[keeper], family) == wanted
