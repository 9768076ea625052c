"""The macvlan of a virtual hardware address: who makes, keeps, repairs and removes it, and the settings below it. Judged by `ip` and /proc/sys."""

import json
import time

import pytest

from agent import Agent
from cases import database, follows, start_pair
from interop import answering
from lab import IPV4, IPV6, stays, wait_until
from virtualmac import VRID, Watch, held, is_up, link, links, mac, pair, rests, serves, sysctl, wanted


@pytest.fixture
def lab(make_lab):
    return make_lab(hosts=("a", "b"), clients=("client", "asker"))


def test_at_the_end_nothing_is_left_and_settings_are_as_before(lab, family):
    lab["a"].run("sh", "-c", "echo 1 >/proc/sys/net/ipv4/conf/eth0/arp_announce")
    a, b = pair(lab, family)
    serves(lab, family, "a")
    assert sysctl(lab["a"], "eth0/arp_announce") == 2
    a.stop()
    b.stop()
    for name, announce in (("a", 1), ("b", 0)):
        assert links(lab[name]) == []
        assert (sysctl(lab[name], "eth0/arp_ignore"), sysctl(lab[name], "eth0/arp_announce")) == (0, announce)


def test_a_new_engine_goes_on_with_it(lab, family):
    a, b = pair(lab, family)
    events = b.events()
    serves(lab, family, "a")
    before = link(lab["a"])["ifindex"]
    a.kill_engine()
    wait_until(lambda: a.status()["engine"]["restarts"] == 1 and a.state() == "master", 10, "a new engine")
    stays(lambda: held(lab["a"]) == wanted(family) and is_up(lab["a"]), 2.5, lambda: f"{held(lab['a'])} on {links(lab['a'])}")
    assert link(lab["a"])["ifindex"] == before and not events.states()
    serves(lab, family, "a")
    done = a.cli("upgrade", timeout=60)
    assert done.returncode == 0, done
    stays(lambda: held(lab["a"]) == wanted(family) and is_up(lab["a"]), 1, lambda: f"{held(lab['a'])} on {links(lab['a'])}")
    assert link(lab["a"])["ifindex"] == before and not events.states()
    serves(lab, family, "a")


@pytest.mark.parametrize("again", [True, False], ids=["with-it", "without-it"])
def test_what_a_crash_leaves_is_taken_over_or_removed(lab, family, again):
    a, b = pair(lab, family, lease="off")
    serves(lab, family, "a")
    a.kill()
    b.wait_state("master")
    # The kernel goes on with what it has begun, and nobody is there to stop it: MLD repeats its reports for some seconds.
    time.sleep(3)
    assert is_up(lab["a"]) and held(lab["a"]) == wanted(family)
    watch = Watch(lab, "a", mac(family))
    a = Agent(lab["a"], {"database": database(family, priority=90, **{"virtual-mac": again})}).start()
    a.wait_state("backup")
    if again:
        rests(lab["a"])
        assert sysctl(lab["a"], "eth0/arp_ignore") == 1
    else:
        wait_until(lambda: links(lab["a"]) == [], 5, "it is removed")
        assert (sysctl(lab["a"], "eth0/arp_ignore"), sysctl(lab["a"], "eth0/arp_announce")) == (0, 0)
    serves(lab, family, "b")
    time.sleep(0.5)
    assert watch.frames() == []
    a.stop()
    assert links(lab["a"]) == [] and sysctl(lab["a"], "eth0/arp_ignore") == 0


def test_a_name_that_is_taken_is_a_fault_that_says_so(lab):
    index = json.loads(lab["a"].run("ip", "-j", "link", "show", "eth0").stdout)[0]["ifindex"]
    name = f"vipd4-{index}-{VRID}"
    lab["a"].ip("link", "add", name, "type", "veth", "peer", "name", "other")
    a = Agent(lab["a"], {"database": database(IPV4, **{"virtual-mac": True})}).start()
    a.wait_state("fault")
    (fault,) = a.router()["faults"]
    assert fault["fault"] == "virtual-mac" and name in fault["text"], fault
    assert lab["a"].run("ip", "link", "show", name).stdout, "it is left alone"
    lab["a"].ip("link", "del", name)
    a.wait_state("master")
    serves(lab, IPV4, "a")


def test_a_reload_moves_the_addresses_to_it_and_back(lab, family):
    a, b = start_pair(lab, family)
    follows(lab, family.vip(), "a")
    for agent in (b, a):
        agent.change(virtual_mac=True)
        agent.reload()
    serves(lab, family, "a")
    rests(lab["b"])
    for agent in (b, a):
        agent.change(virtual_mac=None)
        agent.reload()
    wait_until(lambda: lab["a"].has(family.vip()), 5, "it is on eth0 again")
    follows(lab, family.vip(), "a")
    assert answering(lab, family.vip()) == {lab["a"].mac}
    for name in ("a", "b"):
        wait_until(lambda name=name: links(lab[name]) == [], 5, "the macvlan goes")
        assert (sysctl(lab[name], "eth0/arp_ignore"), sysctl(lab[name], "eth0/arp_announce")) == (0, 0)
    assert (a.state(), b.state()) == ("master", "backup") and a.statistic("master-transitions") == 1


@pytest.mark.parametrize("commands", [
    "ip link del {name}", "ip link set {name} down", "ip link set {name} down; ip link set {name} address 02:00:00:00:00:77",
    "ip address del {address} dev {name}", "ip link set {name} alias other", "echo 0 >/proc/sys/net/ipv4/conf/eth0/arp_ignore",
    "echo 1 >/proc/sys/net/ipv4/conf/{name}/rp_filter", "ip link set eth0 address 02:00:00:00:00:aa", "ip link set eth0 mtu 1400"],
    ids=lambda text: text.replace("/proc/sys/net/ipv4/conf/", "").replace(" ", "-").replace("/", "-"))
def test_what_others_do_to_it_is_put_right(lab, family, commands):
    a, b = pair(lab, family)
    serves(lab, family, "a")
    lab["a"].run("sh", "-ec", commands.format(name=link(lab["a"])["ifname"], address=family.vip_prefix()))
    time.sleep(1.5)
    serves(lab, family, "a")
    assert (a.state(), b.state()) == ("master", "backup"), a.router()["last-transition"]
    a.stop()
    assert links(lab["a"]) == []


def test_one_that_is_put_down_is_lost_once(lab, family):
    """With IPv6 the kernel takes the addresses off as well, and tells of that when they may be on again: two of these in a row would be more
    than the two losses in ten seconds that a master bears. Sixteen of them at once: the order varies."""
    routers = {f"r{number}": database(family, vrid=100 + number, addresses=[family.vip_prefix(number)], virtual_mac=True) for number in range(16)}
    a = Agent(lab["a"], routers).start()
    for name in routers:
        a.wait_state("master", name=name)
    wait_until(lambda: len(held(lab["a"])) == (32 if family.ipv6 else 16), 5, lambda: held(lab["a"]))
    for _ in range(2):
        lab["a"].run("ip", "-batch", "-", input="".join(f"link set {found['ifname']} down\n" for found in links(lab["a"])))
        wait_until(lambda: len(held(lab["a"])) == (32 if family.ipv6 else 16) and all("UP" in found["flags"] for found in links(lab["a"])), 5,
                   lambda: f"{held(lab['a'])} on {links(lab['a'])}")
    assert "taken off three times" not in a.log()
    for name in routers:
        a.wait_state("master", name=name)
        wait_until(lambda name=name: all(item["present"] for item in a.router(name)["addresses"]), 2, "the status shows them again")


def test_put_up_on_a_backup_it_goes_down_again(lab, family):
    a, b = pair(lab, family)
    rests(lab["b"])
    lab["b"].ip("link", "set", link(lab["b"])["ifname"], "up")
    rests(lab["b"])
    serves(lab, family, "a")


@pytest.mark.parametrize("gone, back", [
    ("ip link set eth0 down", "ip link set eth0 up"), ("ip link del eth0", None),
    ("ip link set eth0 down; ip link set eth0 name far0", "ip link set far0 name eth0; ip link set eth0 up")], ids=["down", "deleted", "renamed"])
def test_the_interface_below_goes_and_comes_back(lab, family, gone, back):
    a, b = pair(lab, family)
    serves(lab, family, "a")
    lab["a"].run("sh", "-ec", gone)
    b.wait_state("master")
    a.wait_state("fault")
    serves(lab, family, "b")
    if "down" not in gone or "name" in gone:
        wait_until(lambda: links(lab["a"]) == [], 5, "none is left without its interface")
    if back:
        lab["a"].run("sh", "-ec", back)
    else:
        host = lab["a"]
        lab._batch(lab.switch, [f"link add name a type veth peer name eth0 address {host.mac} netns {host.namespace}", "link set dev a master br0 up"])
        lab._batch(host, ["link set eth0 up"])
    for of in (IPV4, IPV6):
        lab["a"].ip("address", "replace", f"{lab['a'].address(of)}/{of.bits}", "dev", "eth0", *(["nodad"] if of.ipv6 else []))
    a.wait_state("master")
    serves(lab, family, "a")
    rests(lab["b"])


def test_reverse_path_filtering_that_cannot_be_undone_is_a_warning(lab):
    lab["a"].run("sh", "-c", "echo 1 >/proc/sys/net/ipv4/conf/all/rp_filter")
    a = Agent(lab["a"], {"database": database(IPV4, **{"virtual-mac": True})}).start()
    assert "net.ipv4.conf.all.rp_filter is 1" in a.log()
    lab["b"].run("sh", "-c", "echo 2 >/proc/sys/net/ipv4/conf/all/rp_filter")
    b = Agent(lab["b"], {"database": database(IPV4, **{"virtual-mac": True})}).start()
    assert "rp_filter" not in b.log()
