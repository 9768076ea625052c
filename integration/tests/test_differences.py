"""What a peer is configured with otherwise: named once, with the peer and both values, in log, status, events and `vipd watch`."""

import subprocess
from dataclasses import dataclass, field

import pytest
from scapy.layers.inet import IP
from scapy.layers.l2 import Ether

from agent import Agent, binaries
from cases import database
from lab import IPV4, IPV6, VRRP, wait_until
from wire import Peer, build_advert


@dataclass
class Case:
    """How the agent is configured, how the peer, and the two values that differ."""

    kind: str
    own: str | None
    theirs: str | None
    router: dict = field(default_factory=dict)
    peer: dict = field(default_factory=dict)
    family: object = IPV4


VERSION_2 = {"version": 2, "advertisement_interval": "1s"}
CASES = [
    Case("interval", "200 ms", "1 s", peer={"interval": 100}),
    Case("addresses", f"1 with {IPV4.vip()}", f"2 with {IPV4.vip(1)}", peer={"addresses": [IPV4.vip(1), IPV4.vip(2)]}),
    Case("version", "3", "2", peer={"version": 2, "interval": 1}),
    Case("checksum-form", "message", "pseudo-header", peer={"form": "pseudo"}),
    Case("authentication", "no authentication", "a password", VERSION_2, {"version": 2, "interval": 1, "password": "x"}),
    Case("authentication", "a password", "another password", {**VERSION_2, "password": "y"},
         {"version": 2, "interval": 1, "password": "x"}),
    Case("two-owners", "255", "255", {"priority": "owner"}, {"priority": 255}),
    Case("owner-hears", "255", "100", {"priority": "owner"}, {"priority": 100}),
    Case("equal-priority", "100", "100", peer={"priority": 100}),
    Case("first-address-not-link-local", None, None, peer={"addresses": [IPV6.vip()]}, family=IPV6),
]


class Watch:
    """`vipd watch` in the background."""

    def __init__(self, agent):
        self.file = agent.directory / "watch"
        with open(self.file, "wb") as output:
            agent.host.popen(binaries() / "vipd", "watch", "--socket", agent.socket, stdout=output, stderr=output)
        wait_until(lambda: "is " in self.text(), 5, "the present state is shown")

    def text(self):
        return self.file.read_text()


def assert_named_once(agent, case, peer, events, watch):
    def named():
        return [item for item in agent.router()["differences"] if item["kind"] == case.kind]
    wait_until(named, 5, lambda: f"{case.kind} in {agent.router()['differences']}\n{agent.log()[-2000:]}")
    if case.kind != "checksum-form":  # ours follows theirs with the first advert
        wait_until(lambda: named()[0]["count"] >= 3, 10, "it is heard again")
    item = named()[0]
    assert (item["peer"], item["own-value"], item["peer-value"]) == (peer, case.own, case.theirs), item
    assert item["text"] and item["first"] <= item["last"]
    lines = [line for line in agent.log().splitlines() if "event=peer-differs" in line and f"what={case.kind}" in line]
    assert len(lines) == 1 and f"peer={peer}" in lines[0] and "level=warning" in lines[0], lines
    for value, key in ((case.own, "own-value"), (case.theirs, "peer-value")):
        assert value is None or f'{key}="{value}"' in lines[0] or f"{key}={value} " in lines[0] + " ", lines
    told = [event for event in events.items if event.get("type") == "difference" and event["kind"] == case.kind]
    assert len(told) == 1, told
    assert (told[0]["router"], told[0]["peer"], told[0]["own-value"], told[0]["peer-value"]) == ("database", peer, case.own, case.theirs)
    assert told[0]["text"] == item["text"]
    wait_until(lambda: f"database  {peer} DIFFERS  {case.kind}: {item['text']}" in watch.text(), 5, lambda: watch.text())
    assert watch.text().count(f"DIFFERS  {case.kind}: ") == 1, watch.text()
    text = agent.cli("status", "database").stdout
    assert f"DIFFERS    {peer}: " in text or f"{peer}: {item['text']}" in text, text


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.kind}-{case.theirs}".replace(" ", "-"))
def test_each_difference_is_named_once(lab, case):
    agent = Agent(lab["a"], {"database": database(case.family, **case.router)}).start()
    events, watch = agent.events(), Watch(agent)
    Peer(lab["c"], case.family, **{"priority": 200, **case.peer}).start()
    assert_named_once(agent, case, lab["c"].source(case.family), events, watch)


def test_our_own_address_as_source_is_named(lab):
    """The kernel drops such packets itself unless it is told to accept them."""
    a = lab["a"]
    a.run("sh", "-c", "for i in all eth0; do echo 1 >/proc/sys/net/ipv4/conf/$i/accept_local; echo 0 >/proc/sys/net/ipv4/conf/$i/rp_filter; done")
    agent = Agent(a, {"database": database(IPV4)}).start()
    agent.wait_state("master")
    events, watch = agent.events(), Watch(agent)
    message = build_advert(a.address(IPV4), IPV4.group(), 51, 254, [IPV4.vip()], interval=20)
    frame = Ether(src=lab["c"].mac, dst="01:00:5e:00:00:12") / IP(src=a.address(IPV4), dst=IPV4.group(), ttl=255, proto=VRRP) / message
    link = lab["c"].packet_socket()
    for _ in range(4):
        link.send(bytes(frame))
    link.close()
    assert_named_once(agent, Case("our-address", None, None), a.address(IPV4), events, watch)
    wait_until(lambda: agent.statistic("own-advertisements-heard") == 4, 5, "each is counted")
    assert agent.state() == "master"


def test_equal_priorities_are_meant_where_nobody_preempts(lab):
    agent = Agent(lab["a"], {"database": database(IPV4, preempt=False)}).start()
    Peer(lab["c"], IPV4, priority=100).start()
    wait_until(lambda: agent.router()["differences"], 5, "it is shown")
    lines = [line for line in agent.log().splitlines() if "event=peer-differs" in line]
    assert len(lines) == 1 and "level=info" in lines[0] and "what=equal-priority" in lines[0], lines


def test_a_difference_that_is_over_leaves_the_election_as_it_is(lab):
    """Two agents with other intervals and addresses elect one master all the same."""
    a = Agent(lab["a"], {"database": database(IPV4, priority=150, advertisement_interval="500ms")}).start()
    b = Agent(lab["b"], {"database": database(IPV4, addresses=[IPV4.vip_prefix(), IPV4.vip_prefix(1)])}).start()
    a.wait_state("master")
    b.wait_state("backup")
    wait_until(lambda: {item["kind"] for item in b.router()["differences"]} == {"interval", "addresses"}, 5, "b names both")
    assert a.state() == "master" and b.state() == "backup"


def test_drops_for_nobody_are_counted_by_interface_and_in_the_sums(lab):
    agent = Agent(lab["a"], {"database": database(IPV4)}).start()
    peer = Peer(lab["c"], IPV4, vrid=99)
    for _ in range(5):
        peer.send()
    peer.ttl = 7
    for _ in range(3):
        peer.send()

    def counted():
        document = agent.status()
        interface = next(item for item in document["interfaces"] if item["name"] == "eth0")
        sums = document["statistics"]
        return (interface["statistics"]["vrid-errors"], interface["statistics"]["ip-ttl-errors"], sums["vrid-errors"], sums["ip-ttl-errors"])
    wait_until(lambda: counted() == (5, 3, 5, 3), 5, lambda: str(counted()))
    agent.kill_engine()
    wait_until(lambda: agent.status()["engine"]["restarts"] == 1 and agent.status()["engine"]["state"] == "running", 10, "a new engine")
    assert counted() == (5, 3, 5, 3), "the sums outlive the engine"
    assert agent.status()["statistics"]["discontinuity-datetime"] == agent.status()["started"]
    peer.send()
    wait_until(lambda: counted() == (5, 4, 5, 4), 5, lambda: str(counted()))


def test_vipd_check_has_no_warning_for_what_is_usual(lab):
    agent = Agent(lab["a"], {"database": database(IPV4)})
    result = subprocess.run([binaries() / "vipd", "check", agent.file], capture_output=True, text=True, timeout=20, check=False)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
