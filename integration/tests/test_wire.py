"""Adverts as they are on the wire, judged by tcpdump, scapy and tshark, and what the agent makes of adverts by others."""

import pytest

from agent import Agent
from cases import database, start_pair
from lab import IPV4, IPV6, stays, wait_until
from wire import Capture, Peer, wait_for_advert


def test_advert_fields(lab, family):
    capture = Capture(lab["client"])
    addresses = [family.vip_prefix(index) for index in range(3)]
    Agent(lab["a"], {"database": database(family, priority=123, advertisement_interval="250ms", addresses=addresses)}).start()
    advert = wait_for_advert(capture)
    listed = [family.vip(index) for index in range(3)]
    assert advert.mac == lab["a"].mac
    assert advert.destination_mac == ("33:33:00:00:00:12" if family.ipv6 else "01:00:5e:00:00:12")
    assert advert.source == lab["a"].source(family) and advert.destination == family.group()
    assert advert.ttl == 255
    assert advert.traffic_class == 0xC0, "DSCP CS6"
    assert (advert.version, advert.vrid, advert.priority, advert.interval) == (3, 51, 123, 25)
    assert advert.addresses == (["fe80::5e:33"] if family.ipv6 else []) + listed
    assert advert.form == ("pseudo" if family.ipv6 else "message")
    assert not advert.authentication


def test_adverts_as_tshark_reads_them(lab, family):
    capture = Capture(lab["client"])
    Agent(lab["a"], {"database": database(family)}).start()
    wait_for_advert(capture)
    rows = capture.tshark("vrrp.version", "vrrp.type", "vrrp.virt_rtr_id", "vrrp.prio", "vrrp.checksum.status",
                          "vrrp.ipv6_addr" if family.ipv6 else "vrrp.ip_addr")
    assert rows[0] == ["3", "1", "51", "100", "1", f"fe80::5e:33,{family.vip()}" if family.ipv6 else family.vip()]
    assert not capture.tshark("frame.number", display="_ws.malformed")


def test_the_source_is_never_the_virtual_address(lab, family):
    capture = Capture(lab["client"])
    Agent(lab["a"], {"database": database(family)}).start().wait_state("master")
    wait_until(lambda: len(capture.adverts()) > 5, 10, "adverts after the claim")
    assert {advert.source for advert in capture.adverts()} == {lab["a"].source(family)}


def test_link_local_address_can_be_named_or_left_out(lab):
    capture = Capture(lab["client"])
    a = Agent(lab["a"], {"one": database(IPV6, link_local="fe80::99"),
                         "two": database(IPV6, vrid=52, addresses=[IPV6.vip_prefix(1)], link_local=False)}).start()
    a.wait_state("master", name="one")
    a.wait_state("master", name="two")
    assert wait_for_advert(capture, vrid=51).addresses == ["fe80::99", IPV6.vip()]
    assert wait_for_advert(capture, vrid=52).addresses == [IPV6.vip(1)]
    assert lab["a"].has("fe80::99")


@pytest.mark.parametrize("form", ["message", "pseudo"])
def test_both_checksum_forms_are_accepted_and_ours_follows_the_peers(lab, form):
    a = Agent(lab["a"], {"database": database(IPV4, priority=150)}).start()
    a.wait_state("master")
    capture = Capture(lab["client"])
    assert wait_for_advert(capture).form == "message", "RFC 9568's form until something else is heard"
    low = Peer(lab["c"], IPV4, priority=50, form=form).start()
    wait_until(lambda: a.statistic("advertisement-rcvd") > 0, 5, "the peer is heard")
    wait_until(lambda: capture.adverts(source=lab["a"].address(IPV4))[-1].form == form, 15, f"ours has the form {form}")
    assert a.state() == "master"
    low.stop()
    Peer(lab["c"], IPV4, priority=200, form=form).start()
    a.wait_state("backup")
    assert a.statistic("checksum-errors") == 0


def test_the_checksum_form_can_be_forced(lab):
    Peer(lab["c"], IPV4, priority=50).start()
    capture = Capture(lab["client"])
    a = Agent(lab["a"], {"database": database(IPV4, checksum="pseudo-header")}).start()
    a.wait_state("master")
    ours = lab["a"].address(IPV4)
    wait_until(lambda: len(capture.adverts(source=ours)) > 5, 10, "adverts")
    assert {advert.form for advert in capture.adverts(source=ours)} == {"pseudo"}


@pytest.mark.parametrize("fault", ["hop limit", "checksum", "length", "type", "count"])
def test_bad_adverts_change_nothing_and_are_counted(lab, family, fault):
    a = Agent(lab["a"], {"database": database(family)}).start()
    a.wait_state("master")
    before = a.router()["statistics"]
    peer = Peer(lab["c"], family, priority=254)
    octets = peer.message()
    if fault == "hop limit":
        peer.ttl = 254
    elif fault == "checksum":
        octets = octets[:6] + bytes([octets[6] ^ 1]) + octets[7:]
    elif fault == "length":
        octets = octets[:-1]
    elif fault == "type":
        octets = bytes([0x32]) + octets[1:]
    else:
        octets = peer.message(addresses=[])
    for _ in range(5):
        peer.send(octets=octets)
    counted = lambda: {key: value for key, value in a.router()["statistics"].items()
                       if value != before[key] and ("error" in key or "invalid" in key or "pkts" in key)}
    wait_until(counted, 5, "some error counter rises")
    assert a.state() == "master"
    assert sum(counted().values()) >= 5


def test_an_ipv6_advert_with_a_global_address_first_is_accepted_unless_strict(lab):
    """Both count it, as what it is to them, and name the peer."""
    peer = Peer(lab["c"], IPV6, priority=200, addresses=[IPV6.vip()]).start()
    a = Agent(lab["a"], {"database": database(IPV6)}).start()
    b = Agent(lab["b"], {"database": database(IPV6, strict_first_address=True, addresses=[IPV6.vip_prefix(1)])}).start()
    stays(lambda: a.state() == "backup", 1.5, "a follows the peer")
    b.wait_state("master")
    for agent, counter in ((a, "first-address-not-link-local-pkts"), (b, "not-link-local-errors")):
        wait_until(lambda agent=agent, counter=counter: agent.statistic(counter) > 3, 5, f"{counter} rises with each")
    assert a.statistic("not-link-local-errors") == b.statistic("first-address-not-link-local-pkts") == 0
    dropped = [line for line in b.log().splitlines() if "event=packet-dropped" in line]
    assert dropped and "reason=drop-not-link-local" in dropped[0] and f"source={lab['c'].link_local}" in dropped[0], b.log()
    named = [line for line in a.log().splitlines() if "event=peer-differs" in line and "link-local" in line]
    assert named and all(f"peer={lab['c'].link_local}" in line and "router=database" in line for line in named), a.log()
    assert len(named) == 1, "said once, not for every advert"
    peer.stop()


def test_adverts_with_a_link_local_address_first_are_not_counted_as_others(lab):
    a, b = start_pair(lab, IPV6)
    wait_until(lambda: b.statistic("advertisement-rcvd") > 5, 5, "adverts are heard")
    assert b.statistic("first-address-not-link-local-pkts") == 0 and "peer-differs" not in b.log()


def test_an_interval_is_learned_from_the_master(lab, family):
    """The master advertises every second, ours is 200 ms: patience follows the master's interval (version 3)."""
    a = Agent(lab["a"], {"database": database(family)}).start()
    Peer(lab["c"], family, priority=200, interval=100).start()
    wait_until(lambda: (a.router()["master"] or {}).get("priority") == 200, 5, "a hears the peer")
    a.wait_state("backup")
    stays(lambda: a.state() == "backup", 3, "a is patient")
    assert a.router()["master-down-interval-ms"] > 3000


def test_version_2_with_password(lab):
    version2 = {"version": 2, "advertisement_interval": "1s", "password": "secret"}
    capture = Capture(lab["client"])
    start_pair(lab, IPV4, **version2)
    advert = wait_for_advert(capture, source=lab["a"].address(IPV4))
    assert (advert.version, advert.interval, advert.authentication) == (2, 1, b"secret\0\0")
    assert advert.form == "message" and advert.octets[4] == 1
    rows = capture.tshark("vrrp.version", "vrrp.auth_type", "vrrp.auth_string", "vrrp.checksum.status")
    assert rows[0][:2] == ["2", "1"] and rows[0][3] == "1"


def test_version_2_wrong_password_is_dropped(lab):
    a = Agent(lab["a"], {"database": database(IPV4, version=2, advertisement_interval="1s", password="secret")}).start()
    a.wait_state("master")
    peer = Peer(lab["c"], IPV4, priority=200, version=2, interval=1, password="other")
    before = a.router()["statistics"]
    for _ in range(3):
        peer.send()
    wait_until(lambda: a.router()["statistics"] != before and any(
        "auth" in key and value for key, value in a.router()["statistics"].items()), 5, "an authentication error is counted")
    assert a.state() == "master"
    peer.send(password="secret")
    a.wait_state("backup")


def test_version_2_and_3_do_not_mix(lab):
    a = Agent(lab["a"], {"database": database(IPV4)}).start()
    a.wait_state("master")
    Peer(lab["c"], IPV4, priority=200, version=2, interval=1).send()
    stays(lambda: a.state() == "master", 0.5, "a version 2 advert is none of ours")
