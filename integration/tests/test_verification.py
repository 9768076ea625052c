"""Did the takeover arrive? A new master asks the gateway, listed hosts and neighbours, and only an answer that comes in at it counts: an answer to an
ARP request would prove nothing about the cache of who gives it."""

import json
import time

import pytest
from scapy.layers.inet import ICMP, IP
from scapy.layers.inet6 import ICMPv6EchoReply, ICMPv6EchoRequest, ICMPv6ND_NS, IPv6
from scapy.layers.l2 import ARP, Ether

from agent import Agent, script
from cases import database, hub, start_pair
from lab import IPV4, IPV6, stays, wait_until
from wire import Capture

ALL = "arp or icmp or icmp6"


def gateway(lab, family, name="client"):
    """The host becomes the default gateway of a and b; returns its address as they name it."""
    address = lab[name].link_local if family.ipv6 else lab[name].address(family)
    for host in ("a", "b"):
        lab[host].ip("-6" if family.ipv6 else "-4", "route", "replace", "default", "via", address, "dev", "eth0")
    return address


def requests(capture, source):
    """Echo requests from this address: `(destination, Ethernet source, Ethernet destination)`."""
    found = []
    for frame in capture.frames():
        if IP in frame and ICMP in frame and frame[ICMP].type == 8 and frame[IP].src == source:
            found.append((frame[IP].dst, frame[Ether].src, frame[Ether].dst))
        if ICMPv6EchoRequest in frame and frame[IPv6].src == source:
            found.append((frame[IPv6].dst, frame[Ether].src, frame[Ether].dst))
    return found


def updates(capture, source):
    """ARP requests and neighbour solicitations from this address that ask for another: `(target, Ethernet destination)`."""
    found = []
    for frame in capture.frames():
        if ARP in frame and frame[ARP].op == 1 and frame[ARP].psrc == source and frame[ARP].pdst != source:
            found.append((frame[ARP].pdst, frame[Ether].dst))
        if ICMPv6ND_NS in frame and frame[IPv6].src == source:
            found.append((frame[ICMPv6ND_NS].tgt, frame[Ether].dst))
    return found


def verification(agent, complete=True):
    wait_until(lambda: (agent.router()["verification"] or {}).get("complete") is complete, 8, "the end of the verification")
    return agent.router()["verification"]


def freeze(host, address, mac, family):
    """The host sends what is for `address` to `mac`, whatever it hears, as one does that follows no announcement."""
    host.ip("-6" if family.ipv6 else "-4", "neighbour", "replace", address, "lladdr", mac, "dev", "eth0", "nud", "permanent")


def thaw(host, address):
    host.ip("neighbour", "del", address, "dev", "eth0")


def test_a_takeover_is_verified_by_the_gateway_and_the_user_reads_it(lab, family):
    router = gateway(lab, family)
    lab["b"].run("ping", "-c", "1", lab["client"].address(family))
    capture = Capture(lab["client"], expression=ALL)
    a, b = start_pair(lab, family)
    assert verification(a)["verdict"] == "verified"
    events = b.events()
    a.kill()
    b.wait_state("master")
    found = verification(b)
    assert found["verdict"] == "verified" and found["text"].startswith(f"verified by {router} (gateway) after ")
    asked = {(answer["target"], answer["witness"]): answer for answer in found["answers"] if answer["address"] == family.vip()}
    assert 0 < asked[router, "gateway"]["after-ms"] < 1000 and asked[router, "gateway"]["asked"] == 1
    assert f"verified   by {router} (gateway) after" in b.cli("status").stdout
    assert f"{family.vip_prefix()}  present, found here by " in b.cli("status").stdout
    assert f"verified by {router} (gateway)" in b.log()
    told = [item for item in events.items if item.get("type") == "verification"]
    assert [(item["router"], item["verdict"]) for item in told] == [("database", "verified")]
    mine = [item for item in requests(capture, family.vip()) if item[1] == lab["b"].mac]
    assert (router, lab["b"].mac, lab["client"].mac) in mine, "the question goes from the address to the gateway alone"


@pytest.mark.parametrize("everywhere", [False, True], ids=["switch", "hub"])
def test_an_arp_answer_proves_nothing_and_a_gateway_that_sends_elsewhere_is_named(lab, family, everywhere):
    """Nor does an echo reply to another host that comes here all the same."""
    if everywhere:
        hub(lab)
    router = gateway(lab, family)
    seen = lab.directory / "verified"
    hook = script(lab, "hook", f'echo "$VIPD_KIND|$VIPD_STATE|$VIPD_VERIFIED|$VIPD_UNVERIFIED" >>{seen}\n')
    agent = Agent(lab["a"], {"database": database(family, hooks={"on-verified": [str(hook)], "on-master": [str(hook)]})})
    freeze(lab["client"], family.vip(), lab["b"].mac, family)
    capture = Capture(lab["client"], expression=ALL)
    agent.start()
    agent.wait_state("master")
    found = verification(agent)
    assert found["verdict"] == "unanswered"
    assert f"{router} (gateway) does not send here what it sends to {family.vip()}: no answer to " in found["text"]
    assert f"UNVERIFIED {router} (gateway) does not send here" in agent.cli("status").stdout
    assert "not-verified" in agent.log() and agent.state() == "master", "it is no reason not to serve"
    wait_until(lambda: len(seen.read_text().splitlines()) == 2, 3, "both hooks")
    assert seen.read_text().splitlines() == ["on-master|master||", f"on-verified|master||{router} (gateway)"]
    replies = [frame[Ether].dst for frame in capture.frames() if (IP in frame and ICMP in frame and frame[ICMP].type == 0 and frame[IP].dst == family.vip())
               or (ICMPv6EchoReply in frame and frame[IPv6].dst == family.vip())]
    assert replies and set(replies) == {lab["b"].mac}, "it answered to where it had the address"
    again = agent.cli("verify", "database")
    assert again.returncode == 1 and "no answer" in again.stdout
    thaw(lab["client"], family.vip())
    again = agent.cli("verify", "database")
    assert again.returncode == 0 and again.stdout.startswith(f"database: verified by {router} (gateway) after "), again
    assert agent.router()["verification"]["verdict"] == "verified"
    assert len(seen.read_text().splitlines()) == 2, "who asks needs no hook"


def test_hosts_that_follow_no_announcement_are_told_by_the_question(lab, family):
    """`drop_gratuitous_arp` and `drop_unsolicited_na`: only what is asked of such a host reaches its cache."""
    setting = "ipv6.conf.eth0.drop_unsolicited_na" if family.ipv6 else "ipv4.conf.eth0.drop_gratuitous_arp"
    lab["client"].run("sysctl", "-qw", f"net.{setting}=1")
    router = gateway(lab, family)
    a, b = start_pair(lab, family)
    lab["b"].run("ping", "-c", "1", "-I", "eth0", router)  # who is known is told without a broadcast
    lab["client"].ping(family.vip())
    assert lab["client"].neighbour(family.vip()) == lab["a"].mac
    capture = Capture(lab["client"], expression=ALL)
    a.kill()
    b.wait_state("master")
    wait_until(lambda: lab["client"].neighbour(family.vip()) == lab["b"].mac, 2, "the gateway has the new master")
    assert verification(b)["text"].startswith(f"verified by {router} (gateway)")
    assert (router, lab["client"].mac) in updates(capture, family.vip())


def test_listed_hosts_are_expected_and_neighbours_only_reported(lab, family):
    silent = family.address(77)
    lab["a"].run("ping", "-c", "1", lab["b"].address(family))
    agent = Agent(lab["a"], {"database": database(family, verify=[lab["client"].address(family), silent])}).start()
    agent.wait_state("master")
    found = verification(agent)
    witnesses = {(answer["target"], answer["witness"]): answer["after-ms"] for answer in found["answers"]}
    assert witnesses[lab["client"].address(family), "listed"] is not None
    assert witnesses[silent, "listed"] is None
    assert witnesses[lab["b"].address(family), "neighbour"] is not None, "that it is known by is enough to ask"
    assert found["verdict"] == "unanswered" and silent in found["text"] and lab["client"].address(family) not in found["text"]


def test_without_anybody_to_ask_it_says_so_and_off_asks_nobody(lab, family):
    agent = Agent(lab["a"], {"database": database(family)}).start()
    agent.wait_state("master")
    found = verification(agent)
    assert (found["verdict"], found["answers"]) == ("unwitnessed", []) and "nobody could verify it" in found["text"]
    assert agent.cli("verify", "database").returncode == 1
    agent.stop()
    gateway(lab, family)
    capture = Capture(lab["client"], expression=ALL)
    agent = Agent(lab["a"], {"database": database(family, verify="off")}).start()
    agent.wait_state("master")
    stays(lambda: not requests(capture, family.vip()) and not updates(capture, family.vip()), 1.5, "nobody is asked")
    assert agent.router()["verification"] is None
    assert agent.cli("verify", "database").returncode == 0, "but when the operator wants to know"


def test_nobody_asks_himself_when_the_address_is_the_gateway_of_the_other_hosts(lab, family):
    for host in ("a", "b"):
        lab[host].ip("-6" if family.ipv6 else "-4", "route", "replace", "default", "via", family.vip(), "dev", "eth0", "onlink")
    a, _ = start_pair(lab, family)
    found = verification(a)
    assert found["verdict"] != "unanswered" and not [answer for answer in found["answers"] if answer["witness"] == "gateway"]


def test_only_a_master_can_be_verified(lab):
    a, b = start_pair(lab, IPV4)
    refused = b.cli("verify", "database")
    assert refused.returncode == 1 and "database is backup on this host; only its master can be verified" in refused.stderr
    assert a.cli("verify", "databse").returncode == 2


def test_nothing_is_asked_any_more_after_the_addresses_have_gone(lab, family):
    gateway(lab, family)
    freeze(lab["client"], family.vip(), lab["b"].mac, family)
    a, b = start_pair(lab, family)
    capture = Capture(lab["client"], expression=ALL)
    a.cli("handover", "database", "--for", "1h")
    b.wait_state("master")
    a.wait_state("backup")
    gone = time.time()
    time.sleep(1.5)
    late = [frame for frame in capture.frames() if float(frame.time) > gone + 0.1 and frame[Ether].src == lab["a"].mac
            and ((ARP in frame and frame[ARP].psrc == family.vip()) or (IPv6 in frame and frame[IPv6].src == family.vip()) or (IP in frame and frame[IP].src == family.vip()))]
    assert not late and a.router()["verification"] is None


@pytest.mark.alone
def test_of_many_addresses_some_stand_for_all_and_at_most_one_a_millisecond_is_asked(lab):
    gateway(lab, IPV4)
    capture = Capture(lab["client"], expression="icmp or arp")
    addresses = [f"192.0.2.{number}" for number in range(101, 251)]
    agent = Agent(lab["a"], {"database": database(IPV4, addresses=addresses)}).start()
    agent.wait_state("master")
    found = verification(agent)
    assert found["verdict"] == "verified" and len(found["answers"]) == 64
    times = sorted(float(frame.time) for frame in capture.frames() if ICMP in frame and frame[ICMP].type == 8)
    assert len(times) == 64
    busiest = max(sum(1 for other in times if time <= other < time + 0.02) for time in times)
    assert busiest <= 8 + 20 + 2, f"{busiest} questions within 20 ms"
    assert json.loads(agent.cli("status", "--json").stdout)["virtual-routers"][0]["verification"]["complete"]


def test_a_router_of_both_families_asks_both_gateways(lab):
    routers = [gateway(lab, family) for family in (IPV4, IPV6)]
    addresses = [IPV4.vip_prefix(), {"address": IPV6.vip_prefix(), "advertise": False}]
    agent = Agent(lab["a"], {"database": database(IPV4, addresses=addresses)}).start()
    agent.wait_state("master")
    found = verification(agent)
    assert found["verdict"] == "verified"
    assert {answer["target"] for answer in found["answers"] if answer["witness"] == "gateway"} == set(routers)
