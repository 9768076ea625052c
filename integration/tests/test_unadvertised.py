"""Addresses that adverts do not list (`advertise: no`): held, announced and released like the others, a thousand of them by one virtual router, and
with keepalived's `virtual_ipaddress_excluded` as the other side."""

import re

import pytest

from agent import Agent
from benchmark.crowds import asked, written
from cases import database, follows, start_pair
from interop import counterpart, settled
from keepalived import Keepalived
from lab import IPV4, IPV6, wait_until
from wire import Capture, wait_for_advert

EXTRA, OTHER = IPV4.vip(7), IPV6.vip(7)
HIDDEN = [{"address": f"{EXTRA}/32", "advertise": False}, {"address": f"{OTHER}/128", "advertise": False}]
LIST = [IPV4.vip_prefix(), *HIDDEN]


def crowd(count):
    """Addresses of IPv4 by hundreds, none of which the lab has."""
    return [f"10.53.{number // 256}.{number % 256}" for number in range(1, count + 1)]


def test_the_other_family_and_more_follow_one_election(lab):
    """The advert lists one address; three are claimed, announced, answered for and released, and come back when somebody deletes one."""
    capture = Capture(lab["client"])
    a, b = start_pair(lab, IPV4, addresses=LIST)
    advert = wait_for_advert(capture, source=lab["a"].address(IPV4))
    assert advert.addresses == [IPV4.vip()], "what is not advertised is not in the advert"
    for address in (IPV4.vip(), EXTRA, OTHER):
        wait_until(lambda address=address: lab["a"].has(address), 5, f"a has {address}")
        assert not lab["b"].has(address)
        follows(lab, address, "a")
    assert capture.announcements(OTHER, mac=lab["a"].mac) and capture.announcements(EXTRA, mac=lab["a"].mac)
    assert [(item["address"], item["advertised"]) for item in a.router()["addresses"]] == [
        (IPV4.vip_prefix(), True), (f"{EXTRA}/32", False), (f"{OTHER}/128", False)]
    assert re.search(rf"{EXTRA}/32 +present, not advertised", a.cli("status").stdout)
    assert b.router()["differences"] == [] and b.statistic("address-list-errors") == 0
    for family, address in (("-4", f"{EXTRA}/32"), ("-6", f"{OTHER}/128")):
        heard = len(capture.announcements(address.split("/")[0], mac=lab["a"].mac))
        lab["a"].ip(family, "address", "del", address, "dev", "eth0")
        wait_until(lambda address=address: lab["a"].has(address.split("/")[0]), 5, f"{address} is put back")
        wait_until(lambda address=address, heard=heard: len(capture.announcements(address.split("/")[0], mac=lab["a"].mac)) > heard, 5,
                   f"{address} is announced again")
    assert a.state() == "master"
    a.stop()
    b.wait_state("master")
    for address in (IPV4.vip(), EXTRA, OTHER):
        assert not lab["a"].has(address)
        follows(lab, address, "b")


def test_a_reload_hides_an_address_without_touching_it(lab):
    a = Agent(lab["a"], {"database": database(IPV4, addresses=[IPV4.vip_prefix(), f"{EXTRA}/32"])}).start()
    a.wait_state("master")
    capture = Capture(lab["client"])
    assert wait_for_advert(capture).addresses == [IPV4.vip(), EXTRA]
    changes = lab["a"].popen("ip", "-o", "monitor", "address", stdout=-1, text=True)
    a.change(addresses=LIST[:2], lease="off")
    a.reload()
    wait_until(lambda: capture.adverts()[-1].addresses == [IPV4.vip()], 5, "it is not advertised any more")
    wait_until(lambda: [item["advertised"] for item in a.router()["addresses"]] == [True, False], 5, "the status says so")
    changes.terminate()
    assert "Deleted" not in changes.communicate(timeout=5)[0], "nothing was taken off"
    assert lab["a"].has(EXTRA) and a.state() == "master"


def test_an_address_of_the_other_family_that_is_refused_is_a_reason_to_leave(lab):
    lab["a"].run("sh", "-c", "echo 1 >/proc/sys/net/ipv6/conf/eth0/disable_ipv6")
    a, b = start_pair(lab, IPV4, addresses=LIST, wait=False)
    b.wait_state("master")
    a.wait_state("fault")
    assert OTHER in a.router()["faults"][0]["text"]
    assert not lab["a"].has(IPV4.vip()) and not lab["a"].has(EXTRA)


@pytest.mark.parametrize("higher", ["ours", "theirs"])
def test_beside_keepalived(make_lab, higher):
    """What it calls excluded moves with the election to us and back, IPv6 beside IPv4, and neither complains of the other's list."""
    lab = make_lab(hosts=("a", "b"), clients=("client", "asker"))
    ours = Agent(lab["a"], {"database": counterpart(IPV4, priority=150 if higher == "ours" else 100, checksum="pseudo-header", addresses=LIST)})
    theirs = Keepalived(lab["b"], IPV4, priority=150 if higher == "theirs" else 100,
                        extra=["virtual_ipaddress_excluded {", f"{EXTRA}/32", f"{OTHER}/128", "}"])
    first, second = (ours, theirs) if higher == "ours" else (theirs, ours)
    theirs.start()
    ours.start()
    settled(lab, IPV4, first, second)

    def held_by(winner, loser):
        for address in (EXTRA, OTHER):
            wait_until(lambda address=address: winner.host.has(address) and not loser.host.has(address), 5, f"{winner.host.name} has {address}")
            follows(lab, address, winner.host.name)
    held_by(first, second)
    if higher == "ours":
        assert theirs.heard() > 0 and theirs.document()["stats"]["addr_list_err"] == 0
    else:
        assert [item for item in ours.router()["differences"] if item["difference"] == "addresses"] == []
        assert ours.statistic("address-list-errors") == 0
    first.stop()
    settled(lab, IPV4, second)
    held_by(second, first)


def test_a_thousand_addresses_of_one_router(make_lab):
    """Both hosts hold 1,000 addresses in turn: each is claimed, announced and answered for, and none stays where it was."""
    lab = make_lab(hosts=("a", "b"))
    addresses = crowd(1000)
    a, b = start_pair(lab, IPV4, addresses=written(addresses, IPV4))
    capture = Capture(lab["client"])
    assert len(wait_for_advert(capture, source=lab["a"].address(IPV4)).addresses) == 255
    wait_until(lambda: set(addresses) <= set(lab["a"].addresses()), 20, "a has them all")
    assert asked(lab["client"], addresses, lab["a"].mac) == set(addresses)
    router = a.router()
    assert sum(item["present"] for item in router["addresses"]) == 1000 and sum(item["advertised"] for item in router["addresses"]) == 255
    lab.cut("a")
    b.wait_state("master")
    wait_until(lambda: {item.address for item in capture.announcements(mac=lab["b"].mac)} >= set(addresses), 20, "b announces them all")
    assert set(addresses) <= set(lab["b"].addresses())
    assert asked(lab["client"], addresses, lab["b"].mac) == set(addresses)
    lab.heal()
    # The better one comes back, and what it takes the other lets go.
    wait_until(lambda: a.state() == "master" and b.state() == "backup", 20, "a is master again")
    wait_until(lambda: set(addresses) <= set(lab["a"].addresses()) and not set(addresses) & set(lab["b"].addresses()), 20, "only a has them")
    assert asked(lab["client"], addresses, lab["a"].mac) == set(addresses)
