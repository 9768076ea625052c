"""Virtual hardware addresses (`virtual-mac: yes`) on the wire: the macvlan of the master speaks and answers, that of a backup is silent whatever
happens. Judged by the switch's table and captures on the switch's ports."""

import time

import pytest
from scapy.layers.l2 import ARP, Ether

from agent import Agent
from cases import database, follows
from frr import Frr
from interop import answering, counterpart
from keepalived import Keepalived
from lab import GATEWAY, IPV4, IPV6, stays, wait_until
from virtualmac import VRID, Watch, held, link, links, mac, pair, rests, serves, sysctl
from wire import Capture, wait_for_advert


@pytest.fixture
def lab(make_lab):
    return make_lab(hosts=("a", "b"), clients=("client", "asker"))


def test_a_master_speaks_and_answers_with_it_alone(lab, family):
    capture = Capture(lab["client"])
    a, b = pair(lab, family)
    serves(lab, family, "a")
    rests(lab["b"])
    hardware = mac(family)
    advert = wait_for_advert(capture, source=lab["a"].source(family))
    assert {item.mac for item in capture.adverts()} == {hardware} and (advert.ttl, advert.traffic_class) == (255, 0xC0)
    assert {item.mac for item in capture.announcements(family.vip())} == {hardware}
    assert a.router()["virtual-mac"] == hardware and a.router()["local-address"] == lab["a"].source(family)
    found = link(lab["a"])
    assert found["address"] == hardware and found["linkinfo"]["info_data"]["mode"] == "bridge" and found["link"] == "eth0"
    assert len(found["ifname"]) <= 15 and found["ifalias"] == f"vipd vrid={VRID} arp_ignore=0 arp_announce=0"
    assert [sysctl(lab["a"], f"{found['ifname']}/{name}") for name in ("arp_ignore", "rp_filter", "send_redirects", "accept_redirects")] == [1, 0, 0, 0]
    assert (sysctl(lab["a"], "eth0/arp_ignore"), sysctl(lab["a"], "eth0/arp_announce")) == (1, 2)
    # Whoever asks from the host asks with the hardware address of eth0 for an address of eth0.
    lab["a"].ip("neighbour", "flush", "dev", "eth0")
    lab["a"].ping(lab["client"].address(family))
    assert lab["client"].neighbour(family.vip()) == hardware


@pytest.mark.parametrize("way", ["stop", "silence"])
def test_at_a_move_the_neighbour_learns_nothing_and_the_switch_with_the_first_frame(lab, family, way):
    # Nothing but an advert can have told the switch within three seconds.
    a, b = pair(lab, family, announce={"rounds": ["0s"] if family.ipv6 else ["0s", "100ms"], "refresh": False}, b={"announce": {"rounds": ["3s"], "refresh": False}})
    serves(lab, family, "a")
    entries = lab.directory / "entries"
    with open(entries, "wb") as out:
        lab["client"].popen("ip", "monitor", "neigh", stdout=out)
    capture = Capture(lab["client"])
    wait_for_advert(capture)
    if way == "stop":
        a.stop()
    else:
        lab.cut("a")
    b.wait_state("master")
    wait_until(lambda: capture.adverts(source=lab["b"].source(family)), 5, "the first advert")
    assert lab.port_of(mac(family)) == "b"
    assert not capture.announcements(family.vip(), mac=mac(family))[2:], "nobody else told"
    assert lab["client"].neighbour(family.vip()) == mac(family)
    assert lab["client"].ping(family.vip(), 2)
    changed = [line for line in entries.read_text().splitlines() if line.startswith(f"{family.vip()} ") and "lladdr" in line]
    assert all(mac(family) in line for line in changed), changed


def test_the_kernel_has_reported_the_groups_before_the_host_can_have_left(lab):
    """Its repeats come a second later by themselves, and lead the switch back to who has given the addresses up meanwhile."""
    watch = Watch(lab, "a", mac(IPV6))
    # With each renewal of a lease it reports them anew.
    Agent(lab["a"], {"database": database(IPV6, lease="off", **{"virtual-mac": True})}).start().wait_state("master")
    time.sleep(3)
    frames = [(sum(float(part) * unit for part, unit in zip(line.split()[0].split(":"), (3600, 60, 1))), "multicast listener report" in line)
              for line in watch.frames()]
    first = min(time for time, _ in frames)
    reports = [time - first for time, is_report in frames if is_report]
    assert len(reports) >= 2 and max(reports) < 0.5, reports


def silent_for(lab, family, duration):
    """What happens to a backup, and what it says meanwhile from the virtual hardware address: nothing."""
    host, hardware = lab["b"], mac(family)
    watch = Watch(lab, "b", hardware)
    # One of IPv6 in any case: it is MLD and neighbour discovery that speak by themselves.
    also = [] if family.ipv6 else [IPV6.vip()]
    a, b = pair(lab, family, addresses=[family.vip_prefix()] + [{"address": f"{address}/64", "advertise": False} for address in also])
    rests(host)
    end = time.monotonic() + duration
    steps = [lambda: host.ip("link", "set", "eth0", "down"), lambda: host.ip("link", "set", "eth0", "up"),
             lambda: lab.unplug("b"), lambda: lab.switch.ip("link", "set", "dev", "b", "up"), b.kill_engine,
             lambda: (b.stop(), b.start()), lambda: (b.kill(), b.start()),
             lambda: host.run("sh", "-ec", "echo 1 >/proc/sys/net/ipv4/conf/all/arp_notify; echo 1 >/proc/sys/net/ipv6/conf/all/ndisc_notify"),
             # An IGMP and an MLD querier ask who is there.
             lambda: lab.switch.run("ip", "link", "set", "br0", "type", "bridge", "mcast_querier", "1", "mcast_query_interval", "100")]
    place = 0
    while time.monotonic() < end or place < len(steps):
        if place < len(steps):
            steps[place]()
            place += 1
        until = time.monotonic() + max(0.7, duration / (2 * len(steps)))
        while time.monotonic() < until:
            assert lab.port_of(hardware) in ("a", None), "the switch has the virtual hardware address at the backup's port"
            time.sleep(0.02)
    b.wait_state("backup")
    assert a.state() == "master" and watch.frames() == []
    serves(lab, family, "a", also=also)
    # The watch would have seen it.
    a.stop()
    b.wait_state("master")
    wait_until(watch.frames, 5, "frames of a master")


def test_a_backup_says_nothing_from_it(lab, family):
    silent_for(lab, family, 5)


@pytest.mark.full
def test_a_backup_says_nothing_from_it_for_a_minute(lab, family):
    silent_for(lab, family, 60)


def test_who_was_master_says_nothing_from_it_after_the_move(lab, family):
    """The groups of IPv6 addresses are left without a message, also where there are dozens: it would lead the switch to the wrong host."""
    crowd = [f"2001:db8::1:{number:x}" for number in range(1, 61 if family.ipv6 else 2)]
    a, b = pair(lab, family, priority=100, b={"priority": 90},
                addresses=[family.vip_prefix()] + [{"address": address, "advertise": False} for address in crowd])
    wait_until(lambda: len(held(lab["a"])) > len(crowd) and a.state() == "master", 10, "a holds them all")
    follows(lab, family.vip(), "a", mac=mac(family))
    time.sleep(3)  # the kernel repeats its reports of new groups
    watch = Watch(lab, "a", mac(family))
    a.cli("handover", "database", "--for", "1m")
    b.wait_state("master")
    capture = Capture(lab["client"])
    stays(lambda: lab.port_of(mac(family)) == "b", 3, lambda: f"the switch has it at {lab.port_of(mac(family))}")
    assert {item.source for item in capture.adverts()} == {lab["b"].source(family)}
    words = [line for line in watch.frames() if "ICMP6, multicast listener" in line]
    assert not words, words
    rests(lab["a"])
    wait_until(lambda: len(held(lab["b"])) > len(crowd), 5, "b holds them all")
    follows(lab, family.vip(), "b", mac=mac(family))


def test_a_backup_takes_no_frame_for_it(lab):
    a, b = pair(lab, IPV4)
    serves(lab, IPV4, "a")
    lab["b"].run("sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward")
    rests(lab["b"])
    lab.switch.run("bridge", "fdb", "replace", mac(IPV4), "dev", "b", "master", "static", "sticky")
    assert not lab["client"].ping(IPV4.vip()), "what the switch leads to the backup is not answered there"
    lab.switch.run("bridge", "fdb", "del", mac(IPV4), "dev", "b", "master")
    serves(lab, IPV4, "a")


def test_the_same_address_from_a_peer_is_no_conflict_and_another_is(lab):
    a = Agent(lab["a"], {"database": database(IPV4, **{"virtual-mac": True, "announce": {"rounds": ["0s"], "refresh": False}})}).start()
    a.wait_state("master")
    serves(lab, IPV4, "a")
    time.sleep(1.5)
    port = lab["b"].packet_socket()

    def claim(hardware):
        port.send(bytes(Ether(src=hardware, dst="ff:ff:ff:ff:ff:ff") / ARP(op=1, hwsrc=hardware, hwdst=hardware, psrc=IPV4.vip(), pdst=IPV4.vip())))
    claim(mac(IPV4))
    time.sleep(1.2)
    assert a.statistic("address-conflicts") == 0 and a.router()["conflicts"] == []
    claim("02:00:00:00:00:77")
    wait_until(lambda: a.statistic("address-conflicts") == 1, 3, "another one is a conflict")
    serves(lab, IPV4, "a")


def test_addresses_on_another_interface_are_not_behind_it(make_lab):
    lab = make_lab(hosts=("a", "b"), clients=("client", "asker"))
    for number, name in enumerate(("a", "b"), 2):
        lab.second_segment(name, f"203.0.113.{number}/24")
    a, b = pair(lab, IPV4, addresses=[IPV4.vip_prefix(), {"address": "203.0.113.10", "advertise": False, "interface": "eth1"}])
    serves(lab, IPV4, "a")
    assert lab["a"].has("203.0.113.10", "eth1") and not lab["b"].has("203.0.113.10", "eth1")


def test_beside_two_of_ours_and_one_of_keepalived_on_one_interface(lab):
    """keepalived sets arp_ignore too, and puts back what it found when it ends."""
    other = {"interface": "eth0", "vrid": 52, "virtual-mac": True, "advertisement-interval": "200ms", "priority": 150, "addresses": [f"{IPV4.vip(2)}/24"]}
    theirs = Keepalived(lab["a"], IPV4, priority=150, addresses=[f"{IPV4.vip(3)}/32"], extra=["use_vmac"])
    text = theirs.configuration()
    theirs.configuration = lambda: text.replace("virtual_router_id 51", "virtual_router_id 53")
    theirs.start()
    theirs.wait_state("master")
    a = Agent(lab["a"], {"database": database(IPV4, priority=150, **{"virtual-mac": True}), "other": other}).start()
    a.wait_state("master")
    a.wait_state("master", name="other")
    expected = {IPV4.vip(): mac(IPV4), IPV4.vip(2): mac(IPV4, 52), IPV4.vip(3): mac(IPV4, 53)}

    def all_answer():
        return {address: answering(lab, address) for address in expected} == {address: {hardware} for address, hardware in expected.items()}
    wait_until(all_answer, 5, lambda: {address: answering(lab, address) for address in expected})
    theirs.stop()
    expected.pop(IPV4.vip(3))
    time.sleep(1.5)
    assert sysctl(lab["a"], "eth0/arp_ignore") == 1 and all_answer()
    a.stop()
    assert links(lab["a"]) == []


@pytest.mark.parametrize("ours_first", [True, False], ids=["ours-is-master", "theirs-is-master"])
def test_with_frr_which_always_has_one(lab, family, ours_first):
    theirs = Frr(lab["b"], family, priority=100 if ours_first else 200).start()
    # vrrpd compares no list; it insists on a pseudo-header.
    extra = {} if family.ipv6 else {"checksum": "pseudo-header"}
    ours = Agent(lab["a"], {"database": counterpart(family, priority=150, **{"virtual-mac": True}, **extra)}).start()
    if ours_first:
        ours.wait_state("master")
        theirs.wait_state("backup")
        serves(lab, family, "a")
        ours.stop()
        theirs.wait_state("master")
        follows(lab, family.vip(), "b", mac=mac(family))
    else:
        theirs.wait_state("master")
        ours.wait_state("backup")
        rests(lab["a"])
        follows(lab, family.vip(), "b", mac=mac(family))
        assert answering(lab, family.vip()) == {mac(family)}
        theirs.stop()
        ours.wait_state("master")
        serves(lab, family, "a")


def test_a_takeover_is_verified_from_behind_it(lab, family):
    """The gateway is told the virtual hardware address and none else, and its answer to the address counts."""
    gateway = family.address(GATEWAY)
    route = ["-6"] if family.ipv6 else []
    lab["a"].ip(*route, "route", "add", "default", "via", gateway)
    capture = Capture(lab.switch, device="br0")
    a = Agent(lab["a"], {"database": database(family, **{"virtual-mac": True})}).start()
    a.wait_state("master")
    serves(lab, family, "a")
    wait_until(lambda: a.logged("event=verified"), 10, lambda: a.log()[-2000:])
    told = {frame[ARP].hwsrc for frame in capture.frames() if ARP in frame and frame[ARP].psrc == family.vip()}
    assert family.ipv6 or told == {mac(family)}, told
    assert lab["client"].neighbour(family.vip()) == mac(family)
