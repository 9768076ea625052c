"""What the new master tells its neighbours: content, count and spacing of gratuitous ARP and unsolicited neighbour advertisements."""

import time

import pytest
from scapy.layers.inet6 import ICMPv6ND_NA, IPv6
from scapy.layers.l2 import ARP, Ether

from agent import Agent
from cases import database, follows, in_attempts, one_holder, start_pair
from lab import IPV4, IPV6, wait_until
from wire import Capture

EARLY, LATE = 0.01, 0.05  # seconds that a round may be off: never early but for the clock's grain; attempts beside a monitor of stalls


def rounds(capture, address, count, timeout=10):
    """Times of the announcements of an address, relative to the first, once there are `count` of them and some quiet after."""
    wait_until(lambda: len(capture.announcements(address)) >= count, timeout,
               lambda: f"{count} announcements of {address}, not {capture.announcements(address)}")
    found = capture.announcements(address)
    return [item.time - found[0].time for item in found]


def assert_spacing(times, wanted):
    assert len(times) == len(wanted), f"rounds at {times}, not {wanted}"
    for time, due in zip(times, wanted):
        assert due - EARLY <= time <= due + LATE, f"rounds at {times}, not {wanted}"


def test_gratuitous_arp_content(lab):
    capture = Capture(lab["client"])
    Agent(lab["a"], {"database": database(IPV4)}).start().wait_state("master")
    rounds(capture, IPV4.vip(), 1)
    for item in capture.announcements(IPV4.vip()):
        assert item.kind == "request"
        frame = item.frame
        assert frame[Ether].dst == "ff:ff:ff:ff:ff:ff"
        assert frame[Ether].src == frame[ARP].hwsrc == lab["a"].mac
        assert frame[ARP].hwdst == lab["a"].mac, "sender and target hardware address are the same (RFC 9568, erratum 7949)"
        assert frame[ARP].psrc == frame[ARP].pdst == IPV4.vip()
    rows = capture.tshark("arp.isgratuitous", "arp.src.proto_ipv4", display=f"arp.src.proto_ipv4 == {IPV4.vip()}")
    assert rows and all(row == ["1", IPV4.vip()] or row == ["True", IPV4.vip()] for row in rows), rows


def test_unsolicited_neighbour_advertisement_content(lab):
    capture = Capture(lab["client"])
    Agent(lab["a"], {"database": database(IPV6)}).start().wait_state("master")
    for address in (IPV6.vip(), "fe80::5e:33"):
        rounds(capture, address, 1)
        for item in capture.announcements(address):
            frame = item.frame
            assert frame[Ether].dst == "33:33:00:00:00:01" and frame[Ether].src == lab["a"].mac
            assert frame[IPv6].dst == "ff02::1" and frame[IPv6].hlim == 255
            assert frame[ICMPv6ND_NA].S == 0 and frame[ICMPv6ND_NA].O == 1
            assert item.mac == lab["a"].mac, "the target link-layer option"
            carried = frame[ICMPv6ND_NA].cksum
            rebuilt = frame.copy()
            del rebuilt[ICMPv6ND_NA].cksum
            assert Ether(bytes(rebuilt))[ICMPv6ND_NA].cksum == carried, "the checksum"


def test_the_router_flag_follows_forwarding(lab):
    """A change of the flag from 1 to 0 would make hosts drop their default router (NA-05)."""
    lab["b"].run("sh", "-c", "echo 1 >/proc/sys/net/ipv6/conf/all/forwarding")
    capture = Capture(lab["client"])
    a, b = start_pair(lab, IPV6)
    rounds(capture, IPV6.vip(), 1)
    assert capture.announcements(IPV6.vip(), mac=lab["a"].mac)[0].frame[ICMPv6ND_NA].R == 0
    a.stop()
    b.wait_state("master")
    wait_until(lambda: capture.announcements(IPV6.vip(), mac=lab["b"].mac), 5, "b announces")
    assert capture.announcements(IPV6.vip(), mac=lab["b"].mac)[0].frame[ICMPv6ND_NA].R == 1


def test_default_rounds(make_lab, family):
    """Gratuitous ARP at 0, 0.1, 1 and 3 s; unsolicited advertisements at 0, 1 and 2 s, as RFC 4861 limits them."""
    def attempt():
        lab = make_lab(hosts=("a",))
        capture = Capture(lab["client"])
        Agent(lab["a"], {"database": database(family)}).start().wait_state("master")
        wanted = [0, 1, 2] if family.ipv6 else [0, 0.1, 1, 3]
        rounds(capture, family.vip(), len(wanted))
        assert_spacing(rounds(capture, family.vip(), len(wanted)), wanted)
        if family.ipv6:
            assert_spacing(rounds(capture, "fe80::5e:33", len(wanted)), wanted)
    in_attempts(attempt)


def test_rounds_can_be_configured(make_lab, family):
    wanted = [0, 1.2] if family.ipv6 else [0, 0.3, 0.6]

    def attempt():
        lab = make_lab(hosts=("a",))
        capture = Capture(lab["client"])
        Agent(lab["a"], {"database": database(
            family, announce={"rounds": [f"{round(time * 1000)}ms" for time in wanted], "refresh": False})}).start().wait_state("master")
        assert_spacing(rounds(capture, family.vip(), len(wanted)), wanted)
        wait_until(lambda: len(capture.adverts()) > 15, 10, "3 s pass")
        assert_spacing(rounds(capture, family.vip(), len(wanted)), wanted)
    in_attempts(attempt)


def test_the_refresh_repeats_announcements(lab):
    capture = Capture(lab["client"])
    Agent(lab["a"], {"database": database(IPV4, announce={"rounds": ["0s"], "refresh": "1s"})}).start().wait_state("master")
    times = rounds(capture, IPV4.vip(), 4)
    assert all(late - early > 0.8 for early, late in zip(times, times[1:])), times


def test_every_address_is_announced_in_the_first_round(lab, family):
    capture = Capture(lab["client"])
    addresses = [family.vip_prefix(index) for index in range(5)]
    Agent(lab["a"], {"database": database(family, addresses=addresses)}).start().wait_state("master")
    for index in range(5):
        rounds(capture, family.vip(index), 1)
    order = [item.address for item in capture.announcements() if not item.address.startswith("fe80")]
    assert set(order[:5]) == {family.vip(index) for index in range(5)}, "one each before the second of any"


def test_the_advert_comes_before_the_announcement(lab, family):
    capture = Capture(lab["client"])
    Agent(lab["a"], {"database": database(family)}).start().wait_state("master")
    rounds(capture, family.vip(), 1)
    assert capture.adverts()[0].time < capture.announcements(family.vip())[0].time


def test_rounds_end_with_mastership(lab, family):
    """a becomes master, announces, and must yield to b before its rounds are over: nothing is announced by a afterwards."""
    b = Agent(lab["b"], {"database": database(family, priority=200)})
    a = Agent(lab["a"], {"database": database(family, priority=100)}).start()
    a.wait_state("master")
    capture = Capture(lab["client"])
    b.start().wait_state("master")
    a.wait_state("backup")
    wait_until(lambda: len(capture.announcements(family.vip(), mac=lab["b"].mac)) >= (3 if family.ipv6 else 4), 10, "b's rounds")
    taken = capture.announcements(family.vip(), mac=lab["b"].mac)[0].time
    assert not [item for item in capture.announcements(family.vip(), mac=lab["a"].mac) if item.time > taken + 0.02]


def test_the_kinds_of_announcements_can_be_chosen(lab):
    """A gratuitous reply is believed by a client as the request is; the reverse ARP request is for switches alone, once a round."""
    every = Capture(lab["client"], expression="arp or rarp")
    table = database(IPV4, addresses=[IPV4.vip_prefix(index) for index in range(3)],
                     announce={"kinds": ["garp-reply", "rarp"], "rounds": ["0s", "300ms"], "refresh": False})
    lab["client"].run("ip", "neighbour", "replace", IPV4.vip(), "lladdr", "02:00:5e:00:00:01", "dev", "eth0", "nud", "stale")
    Agent(lab["a"], {"database": table}).start().wait_state("master")
    for index in range(3):
        rounds(every, IPV4.vip(index), 2)
    assert {item.kind for item in every.announcements()} == {"reply"}
    for item in every.announcements():
        assert item.frame[ARP].hwdst == item.frame[ARP].hwsrc == lab["a"].mac, "zero or broadcast loses within Linux' locktime"
    reverse = [frame for frame in every.frames() if Ether in frame and frame[Ether].type == 0x8035]
    assert len(reverse) == 2 and {frame[Ether].src for frame in reverse} == {lab["a"].mac}, reverse
    assert lab["client"].neighbour(IPV4.vip()) == lab["a"].mac


def settled(lab, family):
    """A pair whose master a has said all that it says of itself."""
    a, b = start_pair(lab, family, announce={"refresh": False})
    capture = Capture(lab["client"])
    wait_until(lambda: len(capture.adverts()) > 40, 20, "the rounds of the claim are over")
    return a, b, Capture(lab["client"])


def test_the_operator_has_the_master_announce(lab, family):
    a, b, capture = settled(lab, family)
    other = lab["b"].mac
    lab["client"].run("ip", "neighbour", "replace", family.vip(), "lladdr", other, "dev", "eth0", "nud", "stale")
    refused = b.cli("announce", "database")
    assert refused.returncode == 1 and "only its master announces" in refused.stderr, refused
    nothing = b.cli("announce")
    assert nothing.returncode == 1 and "not master of any" in nothing.stderr, nothing
    assert lab["client"].neighbour(family.vip()) == other and not capture.announcements()
    done = a.cli("announce")
    count = 2 if family.ipv6 else 1
    assert (done.returncode, done.stdout) == (0, f"database: announcing {count} address{'es' if family.ipv6 else ''}\n"), done
    wait_until(lambda: lab["client"].neighbour(family.vip()) == lab["a"].mac, 2, "the client has a's MAC again")
    rounds(capture, family.vip(), 3 if family.ipv6 else 4)
    assert not capture.announcements(family.vip(), mac=other)


def test_another_hardware_address_is_announced(lab, family):
    a, b, capture = settled(lab, family)
    follows(lab, family.vip(), "a")
    events, new = b.events(), "02:00:5e:10:00:0a"
    lab["a"].run("ip", "link", "set", "dev", "eth0", "address", new)
    wait_until(lambda: lab["client"].neighbour(family.vip()) == new, 2, "the client has a's new MAC")
    wait_until(lambda: capture.announcements(family.vip(), mac=new), 2, "a announces it")
    assert lab["client"].ping(family.vip(), 2)
    assert not events.states() and a.state() == "master"


def test_the_winner_of_a_conflict_announces_again(lab, family):
    a, b = start_pair(lab, family)
    lab.partition("b", "client")
    b.wait_state("master")
    lab["client"].ping(family.vip(), 2)
    wait_until(lambda: lab["client"].neighbour(family.vip()) == lab["b"].mac, 5, "the client has b's MAC")
    capture = Capture(lab["client"])
    lab.heal()
    b.wait_state("backup")
    wait_until(lambda: capture.announcements(family.vip(), mac=lab["a"].mac), 6, "a announces again")
    assert one_holder(lab, family.vip()) == "a"
    follows(lab, family.vip(), "a")


def most_in_a_second(times):
    return max(sum(1 for time in times if start <= time < start + 1) for start in times)


@pytest.mark.parametrize("family", [IPV4, IPV6], ids=str)
def test_no_more_than_so_many_leave_an_interface_in_a_second(make_lab, family):
    """Two routers with 101 addresses each and 100 announcements a second: every address gets its turn, none is lost, and a reload lets the rest go."""
    lab = make_lab(hosts=("a",))
    capture = Capture(lab["client"])
    prefix, width = ("2001:db8:5::{:x}", 128) if family.ipv6 else ("10.53.0.{}", 32)
    crowds = [[prefix.format(number) for number in range(first, first + 100)] for first in (1, 101)]
    routers = {name: database(family, vrid=vrid, announce={"rounds": ["0s", "1s"], "refresh": False},
                              addresses=[family.vip_prefix(vrid), *({"address": f"{address}/{width}", "advertise": False} for address in crowd)])
               for name, vrid, crowd in (("one", 51, crowds[0]), ("two", 52, crowds[1]))}
    agent = Agent(lab["a"], routers, engine={"announcements-per-second": 100}).start()
    for name in routers:
        agent.wait_state("master", name=name)

    def heard():
        return [item for item in capture.announcements(mac=lab["a"].mac) if not item.address.startswith("fe80")]

    wanted = {address for crowd in crowds for address in crowd}
    wait_until(lambda: wanted <= {item.address for item in heard()}, 20, "every address is announced")
    items = heard()
    assert most_in_a_second([item.time for item in items]) <= 100
    assert agent.statistic("announcements-delayed", "one") + agent.statistic("announcements-delayed", "two") > 100
    # Who waits for its first announcement is before whoever waits for its second.
    firsts = [item.address for item in items if item.address in wanted]
    assert len(set(firsts[:200])) == 200, "one each before the second of any"
    agent.write(routers, engine={"announcements-per-second": 100000})
    assert agent.reload()
    for name in routers:
        assert agent.cli("announce", name).returncode == 0
    begin = time.time()
    wait_until(lambda: len({item.address for item in heard() if item.time > begin - 0.5}) >= 200, 5, "nothing waits any more")
