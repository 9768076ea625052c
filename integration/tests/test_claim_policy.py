"""`claim: any`: what is left to serve when every host is refused something, and how it ends. `ip` and the wire say what is there and what is said."""

import pytest

from agent import Agent
from cases import database, follows, start_pair
from lab import GATEWAY, IPV4, IPV6, stays, wait_until
from wire import Capture

OTHER = IPV6.vip(7)


def without_ipv6(lab, off):
    """IPv6 on the interfaces of a and b."""
    for name in "ab":
        lab[name].run("sh", "-c", f"echo {int(off)} >/proc/sys/net/ipv6/conf/eth0/disable_ipv6")


def unreachable(family):
    """A route by a gateway that nothing leads to."""
    return {"destination": "2001:db8:ffff::/64" if family.ipv6 else "198.51.100.0/24",
            "via": "2001:db8:eeee::1" if family.ipv6 else "203.0.113.1"}


def lead(lab, family, hosts="ab"):
    """Then something does."""
    for name in hosts:
        lab[name].ip("-6" if family.ipv6 else "-4", "route", "add", unreachable(family)["via"], "dev", "eth0")


def masters(*agents):
    return [agent for agent in agents if agent.state() == "master"]


def degraded(lab, *agents):
    """The one that has come to serve in part."""
    wait_until(lambda: masters(*agents) and masters(*agents)[0].router()["degraded"], 20, "somebody serves what it can")
    return masters(*agents)[0]


def test_an_address_that_all_hosts_are_refused_does_not_keep_the_others_dark(lab):
    without_ipv6(lab, True)
    capture = Capture(lab["client"])
    values = {"addresses": [IPV4.vip_prefix(), {"address": f"{OTHER}/128", "advertise": False}], "claim": "any"}
    agents = start_pair(lab, IPV4, wait=False, **values)
    one = degraded(lab, *agents)
    router = one.router()
    assert router["effective-priority"] == 1 and [item["present"] for item in router["addresses"]] == [True, False]
    assert router["degraded"][0]["fault"] == "claim" and f"{OTHER}/128: Permission denied" in router["degraded"][0]["text"]
    text = one.cli("status").stdout
    assert f"DEGRADED   the kernel refused {OTHER}/128: Permission denied" in text and "(degraded)" in text
    assert one.logged("event=degraded router=database missing=1")
    for agent in agents:
        assert agent.logged("to=fault cause=fault"), "both have resigned first, so that the other could try"
    follows(lab, IPV4.vip(), one.host.name)
    assert not capture.announcements(OTHER), "nobody is told of what is not here"
    assert all(item["address"] != OTHER for item in (one.router()["verification"] or {"answers": []})["answers"]), "nor asked about it"
    wait_until(lambda: capture.adverts(source=one.host.source(IPV4))[-1].priority == 1, 5, "it stands behind everybody else")
    stays(lambda: masters(*agents) == [one], 2, "who failed as well leaves it alone")

    events = one.events()
    without_ipv6(lab, False)
    # The pauses between two tries double, up to a minute.
    wait_until(lambda: not one.router()["degraded"], 40, "it has everything")
    assert one.router()["effective-priority"] == one.router()["priority"] and one.host.has(OTHER)
    wait_until(lambda: capture.announcements(OTHER, mac=one.host.mac), 5, "and says so")
    assert not events.states() and one.logged("event=degraded-ended router=database")


@pytest.mark.parametrize("family", [IPV4, IPV6], ids=str)
def test_a_route_that_is_refused_is_gone_without_and_a_fresh_host_comes_first(lab, family):
    agents = start_pair(lab, family, wait=False, claim="any", routes=[unreachable(family)])
    one = degraded(lab, *agents)
    assert [item["present"] for item in one.router()["routes"]] == [False]
    assert one.router()["degraded"][0]["fault"] == "routing"
    follows(lab, family.vip(), one.host.name)
    # The engine dies: the next one goes on where it stopped.
    events = one.events()
    one.kill_engine()
    wait_until(lambda: one.status()["engine"]["restarts"] == 1 and one.router()["degraded"], 10, "a new engine serves in part")
    wait_until(events.transitions, 5, "it goes on as master")
    assert one.host.has(family.vip()) and {move["cause"] for move in events.transitions()} == {"resumed"}
    # A host that has just started has not been refused anything.
    other = next(agent for agent in agents if agent is not one)
    other.stop()
    lead(lab, family)
    other.start()
    other.wait_state("master")
    assert other.router()["degraded"] == [] and [item["present"] for item in other.router()["routes"]] == [True]
    follows(lab, family.vip(), other.host.name)
    one.wait_state("backup")
    assert one.router()["degraded"] == []


@pytest.mark.parametrize("family", [IPV4, IPV6], ids=str)
def test_with_claim_all_nobody_serves_and_a_reload_to_any_does(lab, family):
    """And back: what is degraded is a fault again."""
    agents = start_pair(lab, family, wait=False, routes=[unreachable(family)])
    for agent in agents:
        wait_until(lambda agent=agent: agent.logged("to=fault cause=fault"), 15, "it was refused")
    stays(lambda: not masters(*agents), 4, "nobody serves without it")
    for agent in agents:
        agent.change(claim="any")
        assert agent.reload()
    one = degraded(lab, *agents)
    one.change(claim="all")
    assert one.reload()
    one.wait_state("fault")
    assert not one.host.has(family.vip())


@pytest.mark.parametrize("family", [IPV4, IPV6], ids=str)
def test_hundreds_of_refused_routes_end_with_one_that_serves(make_lab, family):
    """Each refusal takes its time, and a claim is cut into slices: every entry is tried once in a claim, and the log is told of the first."""
    lab = make_lab(hosts=("a",))
    one = unreachable(family)
    prefix = "2001:db8:{:x}:ff::/64" if family.ipv6 else "198.18.{}.0/24"
    routes = [{**one, "destination": prefix.format(number)} for number in range(1, 201)]
    # One that is there, with another gateway: the whole table is read to find that out.
    lab["a"].ip("-6" if family.ipv6 else "-4", "route", "add", routes[0]["destination"], "dev", "eth0")
    agent = Agent(lab["a"], {"database": database(family, claim="any", routes=routes)}).start()
    degraded(lab, agent)
    assert len(agent.router()["degraded"]) == 200
    assert agent.log().count("event=kernel-refused") == 2, "one when it resigned, one since"
    follows(lab, family.vip(), "a")
    lead(lab, family, "a")
    wait_until(lambda: len(agent.router()["degraded"]) <= 1, 40, "all but the one that is somebody else's")


def test_what_is_missing_and_somebody_else_puts_there_is_not_ours(make_lab):
    lab = make_lab(hosts=("a",))
    host = lab["a"]
    host.run("sh", "-c", "echo 1 >/proc/sys/net/ipv6/conf/eth0/disable_ipv6")
    agent = Agent(host, {"database": database(IPV4, claim="any", addresses=[
        IPV4.vip_prefix(), {"address": f"{OTHER}/128", "advertise": False}])}).start()
    degraded(lab, agent)
    host.run("sh", "-c", f"echo 0 >/proc/sys/net/ipv6/conf/eth0/disable_ipv6; ip address add {OTHER}/128 dev eth0 nodad")
    agent.wait_state("fault")
    assert [fault["fault"] for fault in agent.router()["faults"]] == ["address-not-ours"]
    agent.stop()
    assert host.has(OTHER) and not host.has(IPV4.vip())
