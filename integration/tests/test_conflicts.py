"""Who else claims the addresses, and whose adverts pass by: a master has the last word (RFC 5227 §2.4), a backup tells what it sees, and a local
firewall that drops adverts is named instead of making a second master."""

import json
import time

import pytest
from scapy.layers.inet6 import ICMPv6ND_NA, IPv6
from scapy.layers.l2 import ARP, Ether

from agent import Agent
from cases import database, holders, hub, one_holder, start_pair
from lab import IPV4, IPV6, wait_until
from wire import Capture, Peer, Responder, announce, announcement

STRANGER = "02:00:00:00:00:99"
ONCE = {"rounds": ["0s"], "refresh": False}


def told(events):
    return [item for item in events.items if item.get("type") == "address-conflict"]


def conflicts(agent):
    return agent.statistic("address-conflicts")


def test_of_a_hundred_claims_one_is_answered_one_is_told_and_all_are_counted(lab, family):
    capture = Capture(lab["client"])
    agent = Agent(lab["a"], {"database": database(family, announce=ONCE)}).start()
    agent.wait_state("master")
    wait_until(lambda: capture.announcements(family.vip()), 5, "its own announcement")
    events = agent.events()
    for _ in range(100):
        announce(lab["b"], family.vip(), STRANGER)
        time.sleep(0.05)
    wait_until(lambda: conflicts(agent) == 100, 5, lambda: f"100 conflicts, not {conflicts(agent)}")
    assert len(capture.announcements(family.vip(), mac=lab["a"].mac)) == 2, "that of the claim, and one answer"
    assert [(item["address"], item["hardware-address"], item["state"]) for item in told(events)] == [(family.vip(), STRANGER, "master")]
    assert agent.log().count("address-conflict") == 1 and STRANGER in agent.log()
    entry, = agent.router()["conflicts"]
    assert (entry["address"], entry["hardware-address"], entry["count"]) == (family.vip(), STRANGER, 100)
    assert f"CONFLICT   {family.vip()} is claimed by {STRANGER} (100 times" in agent.cli("status").stdout
    assert agent.state() == "master", "nobody can talk it out of its addresses"


def test_a_client_that_believed_somebody_else_is_told_better_at_once(lab, family):
    agent = Agent(lab["a"], {"database": database(family, announce=ONCE)}).start()
    agent.wait_state("master")
    client = lab["client"]
    client.ping(family.vip())
    assert client.neighbour(family.vip()) == lab["a"].mac
    capture = Capture(client)
    announce(lab["b"], family.vip(), STRANGER)
    wait_until(lambda: len(capture.announcements(family.vip())) == 2, 5, "the claim and the answer")
    claim, answer = capture.announcements(family.vip())
    assert claim.mac == STRANGER and answer.mac == lab["a"].mac
    wait_until(lambda: client.neighbour(family.vip()) == lab["a"].mac, 2, "it has the master again")


def test_a_host_that_uses_the_address_as_its_own_is_noticed_when_it_asks_for_others(lab, family):
    """It need not announce anything: every question that it asks for another host names the address as its sender's."""
    agent = Agent(lab["a"], {"database": database(family, announce=ONCE)}).start()
    agent.wait_state("master")
    lab["b"].run("ip", "address", "add", family.vip_prefix(), "dev", "eth0", *(["nodad"] if family.ipv6 else []))
    lab["b"].run("ping", "-6" if family.ipv6 else "-4", "-c", "1", "-W", "1", "-I", family.vip(), lab["client"].address(family), check=False)
    wait_until(lambda: conflicts(agent) > 0, 5, "a conflict")
    assert {entry["hardware-address"] for entry in agent.router()["conflicts"]} == {lab["b"].mac}


def test_it_goes_on_listening_when_the_interface_has_been_down(lab, family):
    agent = Agent(lab["a"], {"database": database(family, announce=ONCE)}).start()
    agent.wait_state("master")
    lab["a"].ip("link", "set", "eth0", "down")
    agent.wait_state("fault")
    lab["a"].ip("link", "set", "eth0", "up")
    agent.wait_state("master")
    time.sleep(1.1)
    announce(lab["b"], family.vip(), STRANGER)
    wait_until(lambda: conflicts(agent) == 1, 3, "it is heard again")


def test_a_backup_tells_of_those_who_are_not_the_master_and_answers_nothing(lab, family):
    a, b = start_pair(lab, family, announce={"rounds": ["0s"], "refresh": "1s"})
    capture, events = Capture(lab["client"]), b.events()
    wait_until(lambda: len(capture.announcements(family.vip(), mac=lab["a"].mac)) >= 2, 5, "the master's announcements")
    assert conflicts(b) == 0, "they are the master's"
    announce(lab["client"], family.vip(), STRANGER)
    wait_until(lambda: conflicts(b) == 1, 5, "the stranger's")
    assert [(item["hardware-address"], item["state"]) for item in told(events)] == [(STRANGER, "backup")]
    assert not capture.announcements(family.vip(), mac=lab["b"].mac)
    wait_until(lambda: conflicts(a) == 1, 5, "a saw it, too")


def test_moves_are_no_conflicts(lab, family):
    """Handover, failback, a cut and its heal, a stop: whoever had the addresses, or is about to notice that he has not, is no stranger."""
    a, b = start_pair(lab, family)
    a.cli("handover", "database", "--for", "1s")
    b.wait_state("master")
    a.wait_state("master")
    b.wait_state("backup")
    lab.cut("a")
    b.wait_state("master")
    time.sleep(1)
    lab.heal()
    b.wait_state("backup")
    assert one_holder(lab, family.vip()) == "a"
    before = conflicts(a)
    a.stop()
    b.wait_state("master")
    time.sleep(1.5)
    assert before == 0 and conflicts(b) == 0


# A local firewall.

def drop_input(host):
    host.run("nft", "-f", "-", input="table inet deaf {\n chain in {\n type filter hook input priority 0;\n meta l4proto 112 counter drop\n }\n}\n")


def let_in(host):
    host.run("nft", "delete", "table", "inet", "deaf")


def differences(agent):
    return {entry["kind"] for entry in agent.router()["differences"]}


@pytest.mark.parametrize("interval", ["200ms", "1s"])
def test_a_backup_whose_firewall_drops_adverts_does_not_take_over(lab, family, interval):
    a, b = start_pair(lab, family, advertisement_interval=interval)
    events = b.events()
    drop_input(lab["b"])
    wait_until(lambda: "filtered" in differences(b), 10, "it says why it hears nothing")
    time.sleep(2)
    assert not events.states() and holders(lab, family.vip()) == ["a"]
    entry = next(entry for entry in b.router()["differences"] if entry["kind"] == "filtered")
    assert entry["peer"] == lab["a"].source(family) and "firewall" in entry["text"]
    assert b.statistic("filtered-advertisements") > 0
    # Who is silent on the wire, too, is gone.
    lab.cut("a")
    b.wait_state("master", 15)
    lab.heal()
    let_in(lab["b"])
    b.wait_state("backup", 15)
    assert one_holder(lab, family.vip()) == "a"


def test_a_host_that_starts_behind_such_a_firewall_claims_nothing(lab, family):
    drop_input(lab["b"])
    a = Agent(lab["a"], {"database": database(family, priority=100)}).start()
    a.wait_state("master")
    b = Agent(lab["b"], {"database": database(family, priority=200)}).start()
    b.wait_ready()
    wait_until(lambda: "filtered" in differences(b), 10, "it says why it hears nothing")
    time.sleep(2)
    assert b.state() == "backup" and holders(lab, family.vip()) == ["a"], "though its priority is higher"
    let_in(lab["b"])
    b.wait_state("master")


def test_it_can_be_told_to_go_by_what_it_hears_and_the_master_says_that_it_is_not_heard(lab, family):
    a, b = start_pair(lab, family, b={"filtered-adverts": "ignore"})
    drop_input(lab["b"])
    b.wait_state("master")
    wait_until(lambda: "does-not-hear" in differences(a), 10, "a is not heard")
    assert a.state() == "master" and "filtered" in differences(b)
    let_in(lab["b"])
    b.wait_state("backup")


def test_a_second_host_with_our_own_address_is_named(lab):
    """Over IPv4 the kernel drops adverts from an address that it has itself in front of every socket: only the wire shows them."""
    agent = Agent(lab["a"], {"database": database(IPV4)}).start()
    agent.wait_state("master")
    lab["b"].run("ip", "address", "del", f"{lab['b'].address(IPV4)}/24", "dev", "eth0")
    lab["b"].run("ip", "address", "add", f"{lab['a'].address(IPV4)}/24", "dev", "eth0")
    lab["b"].number = lab["a"].number
    Peer(lab["b"], IPV4).start()
    wait_until(lambda: "our-address" in differences(agent), 5, "a second host with its address")
    assert agent.state() == "master"


# The skew time.

@pytest.mark.parametrize("check", ["off", "warn", "hold"])
def test_who_answers_for_the_addresses_of_a_silent_master_is_noticed(lab, family, check):
    """Its agent is dead and its kernel is not, or its adverts do not come through."""
    peer = Peer(lab["b"], family).start()
    agent = Agent(lab["a"], {"database": database(family, conflict_check=check)}).start()
    agent.wait_state("backup")
    wait_until(lambda: agent.router()["master"] is not None, 5, "it hears the master")
    Responder(lab["b"], family.vip(), STRANGER)
    asked = Capture(lab["client"])
    peer.stop()
    silent = time.monotonic()
    agent.wait_state("master")
    # Three intervals of 200 ms and a skew time of 122 ms; with hold twice.
    took = time.monotonic() - silent
    assert (took > 0.95) == (check == "hold"), f"{took} s"
    # What it answers to the announcements of the new master is another conflict.
    told = [line for line in agent.log().splitlines() if "event=address-conflict" in line and "state=backup" in line]
    assert len(told) == (check != "off") and all(STRANGER in line for line in told)
    if not family.ipv6:
        probes = asked.tshark("arp.src.proto_ipv4", display=f"arp.opcode == 1 && arp.dst.proto_ipv4 == {family.vip()} && arp.src.proto_ipv4 == 0.0.0.0")
        assert len(probes) == (check != "off"), probes


def promiscuity(host):
    return json.loads(host.ip("-j", "-d", "link", "show", "dev", "eth0").stdout)[0]["promiscuity"]


def answer(lab, address):
    """b says to the client alone, from another hardware address, that the address is its own."""
    frame = Ether(announcement(address, STRANGER))
    frame.dst = lab["client"].mac
    if ARP in frame:
        frame[ARP].op, frame[ARP].hwdst, frame[ARP].pdst = 2, lab["client"].mac, lab["client"].address(IPV4)
    else:
        frame[IPv6].dst = lab["client"].address(IPV6)
        del frame[ICMPv6ND_NA].cksum
    link = lab["b"].packet_socket()
    link.send(bytes(frame))
    link.close()


def test_what_others_say_to_each_other_is_heard_if_one_asks_for_it(lab, family):
    hub(lab)
    agent = Agent(lab["a"], {"database": database(family, announce=ONCE)}).start()
    agent.wait_state("master")
    assert promiscuity(lab["a"]) == 0
    # A veth has no filter in hardware, so what is heard without it cannot be shown here; that the interface is in the mode can.
    for wanted in (True, False, True):
        agent.change(promiscuous=wanted)
        assert agent.reload()
        wait_until(lambda wanted=wanted: promiscuity(lab["a"]) == int(wanted), 5, "the interface is in the mode that was asked for")
    answer(lab, family.vip())
    wait_until(lambda: conflicts(agent) == 1, 3, "it is heard")
    assert agent.state() == "master"
    agent.stop()
    assert promiscuity(lab["a"]) == 0
