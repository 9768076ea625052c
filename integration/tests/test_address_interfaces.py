"""Addresses on another interface than the one on which their virtual router speaks: claimed, announced, renewed, watched and released there, while
adverts go out where they always did."""

import json
import time

import pytest

import netlink
from agent import Agent
from cases import database, follows, start_pair
from lab import IPV4, stays, wait_until
from wire import Capture, wait_for_advert

# Of the second segment, where the router does not speak.
SECOND4, SECOND6 = "203.0.113.10", "2001:db8:2::10"
TAG = 112


@pytest.fixture
def lab(make_lab):
    lab = make_lab(hosts=("a", "b"), clients=("client", "other"))
    for number, name in enumerate(("a", "b", "other"), 2):
        lab.second_segment(name, f"203.0.113.{number}/24", f"2001:db8:2::{number}/64")
    return lab


def addresses(family, second="eth1", **options):
    """One on eth0 and one of each family on the second segment."""
    return [family.vip_prefix()] + [{"address": address, "advertise": False, "interface": second, **options}
                                    for address in (f"{SECOND4}/24", f"{SECOND6}/64")]


def held(host):
    """What the agent has put where; no link-local addresses."""
    found = []
    for device in ("eth0", "eth1"):
        try:
            states = netlink.addresses(host, device)
        except OSError:  # there is no such interface
            continue
        found += [(device, address) for address, state in states.items() if state.get("proto") == TAG and not address.startswith("fe80")]
    return sorted(found)


def answers(lab, address):
    return lab["other"].run("ping", "-c1", "-W1", "-n", "-q", address, check=False).returncode == 0


def leads_to(lab, address, name):
    """The neighbour on the second segment, who was told, has it at this host's eth1."""
    mac = json.loads(lab[name].run("ip", "-j", "link", "show", "eth1").stdout)[0]["address"]
    def entry():
        found = json.loads(lab["other"].run("ip", "-j", "neighbour", "show", "to", address, "dev", "eth1").stdout or "[]")
        return next((item["lladdr"] for item in found if "lladdr" in item), None)
    if entry() is None:
        answers(lab, address)
    wait_until(lambda: entry() == mac, 5, lambda: f"{address} is at {entry()}, not {mac}")
    wait_until(lambda: lab.port_of(mac, "br1") == f"{name}1", 5, "the second switch knows")
    assert answers(lab, address)


def test_they_are_held_announced_and_released_there(lab, family):
    capture = Capture(lab["client"])
    a, b = start_pair(lab, family, addresses=addresses(family))
    wait_until(lambda: held(lab["a"]) == [("eth0", family.vip()), ("eth1", SECOND6), ("eth1", SECOND4)], 5, lambda: held(lab["a"]))
    assert held(lab["b"]) == []
    follows(lab, family.vip(), "a")
    for address in (SECOND4, SECOND6):
        leads_to(lab, address, "a")
        assert not capture.announcements(address), "it is not announced where it is not"
    wait_for_advert(capture, source=lab["a"].source(family))
    time.sleep(3)
    assert len(held(lab["a"])) == 3, "the lease is renewed there"
    assert {item["address"].split("/")[0]: (item["interface"], item["present"]) for item in a.router()["addresses"]}[SECOND4] == ("eth1", True)
    assert f"{SECOND4}/24" in a.cli("status").stdout and "present on eth1" in a.cli("status").stdout
    a.stop()
    b.wait_state("master")
    assert held(lab["a"]) == []
    for address in (SECOND4, SECOND6):
        leads_to(lab, address, "b")


def test_one_that_somebody_deletes_comes_back_and_one_that_others_have_is_a_fault(lab):
    a, b = start_pair(lab, IPV4, addresses=addresses(IPV4))
    for option, address in (("-4", f"{SECOND4}/24"), ("-6", f"{SECOND6}/64")):
        lab["a"].ip(option, "address", "del", address, "dev", "eth1")
        wait_until(lambda: len(held(lab["a"])) == 3, 2, f"{address} comes back")
    assert a.state() == "master"
    lab["b"].ip("address", "add", f"{SECOND4}/24", "dev", "eth1")
    b.wait_state("fault")
    assert [entry["fault"] for entry in b.router()["faults"]] == ["address-not-ours"]
    lab["b"].ip("address", "del", f"{SECOND4}/24", "dev", "eth1")
    b.wait_state("backup")


@pytest.mark.parametrize("trouble, commands, undo", [
    ("interface-down", "ip link set eth1 down", "ip link set eth1 up"),
    ("no-carrier", None, None),
    ("interface-missing", "ip link set eth1 down; ip link set eth1 name far0", "ip link set far0 name eth1; ip link set eth1 up")])
def test_trouble_with_that_interface_is_a_fault_that_names_it(lab, trouble, commands, undo):
    a, b = start_pair(lab, IPV4, addresses=addresses(IPV4))

    def run(command, state):
        if command is None:
            lab.switch.ip("link", "set", "dev", "a1", state)
        else:
            lab["a"].run("sh", "-ec", command)
    run(commands, "down")
    b.wait_state("master")
    wait_until(lambda: trouble in [entry["fault"] for entry in a.router()["faults"]], 5, lambda: a.router()["faults"])
    assert "eth1" in a.router()["faults"][0]["text"]
    wait_until(lambda: [item for item in held(lab["a"]) if item[0] == "eth0"] == [], 5, "it has let go")
    leads_to(lab, SECOND4, "b")
    run(undo, "up")
    a.wait_state("master")
    wait_until(lambda: len(held(lab["a"])) == 3, 5, lambda: held(lab["a"]))
    leads_to(lab, SECOND4, "a")


def test_an_interface_that_is_made_anew_gets_them_again(lab):
    a, b = start_pair(lab, IPV4, addresses=addresses(IPV4))
    lab["a"].ip("link", "del", "eth1")
    b.wait_state("master")
    a.wait_state("fault")
    lab.second_segment("a", "203.0.113.2/24", "2001:db8:2::2/64")
    a.wait_state("master")
    wait_until(lambda: len(held(lab["a"])) == 3, 5, lambda: held(lab["a"]))
    leads_to(lab, SECOND4, "a")
    leads_to(lab, SECOND6, "a")


def test_a_reload_moves_an_address_from_one_interface_to_the_other_and_back(lab):
    a, b = start_pair(lab, IPV4, addresses=addresses(IPV4))
    a.change(addresses=addresses(IPV4, second="eth0"))
    a.reload()
    wait_until(lambda: [device for device, _ in held(lab["a"])] == ["eth0"] * 3, 5, lambda: held(lab["a"]))
    a.change(addresses=addresses(IPV4))
    a.reload()
    wait_until(lambda: [device for device, _ in held(lab["a"])] == ["eth0", "eth1", "eth1"], 5, lambda: held(lab["a"]))
    leads_to(lab, SECOND4, "a")
    assert a.state() == "master" and b.state() == "backup"


def test_a_new_engine_goes_on_with_them_and_a_new_agent_removes_what_it_no_longer_wants(lab):
    a, b = start_pair(lab, IPV4, addresses=addresses(IPV4), lease="off")
    events = b.events()
    a.kill_engine()
    wait_until(lambda: a.status()["engine"]["restarts"] == 1 and a.state() == "master", 10, "a new engine")
    stays(lambda: len(held(lab["a"])) == 3, 1, lambda: held(lab["a"]))
    assert not events.states()
    a.kill()
    b.wait_state("master")
    assert len(held(lab["a"])) == 3, "nobody takes them off"
    Agent(lab["a"], {"database": database(IPV4, priority=90)}).start().wait_state("backup")
    assert held(lab["a"]) == []
    leads_to(lab, SECOND4, "b")
