"""In a QEMU guest: the wall clock is stepped and the machine suspended, which nobody does to the machine that runs the tests; and VLAN, bond, VRF
and netem, which its kernel may lack.

For the clocks the guest is host a of the lab, beside native hosts that judge it. What needs such a kernel on both sides is played inside of
the guest, among its network namespaces. The guest is slow, so its milliseconds say little: what happens, in which order, and what kernels say
is judged. One guest serves all tests; one that does not answer any more is followed by another.
"""

import itertools
import time
from datetime import datetime

import pytest

import guestimage
from agent import Agent
from cases import Probing, database, follows, gaps, holders, in_attempts, one_holder, words
from guest import Guest, GuestAgent, Inside
from lab import IPV4, IPV6, Lab, stays, wait_until
from stalls import Stalls
from wire import Capture, read_advert, read_announcement

pytestmark = [pytest.mark.guest, pytest.mark.alone]
INTERVAL = 0.1
ROUTERS = {"database": IPV4, "database6": IPV6}
_names = itertools.count(1)


@pytest.fixture(scope="module")
def machines():
    """Makes a lab with host b, a client and the guest as host a, or gives the one that is there while its guest lives."""
    labs = []

    def machine():
        if not labs or not labs[-1]["a"].alive():
            for lab in labs:
                lab.close()
            labs.append(Lab(hosts=("b",)))
            labs[-1].guest = Guest(labs[-1])
        return labs[-1]
    yield machine
    for lab in labs:
        lab.close()


@pytest.fixture
def lab(machines, request):
    """The guest as host a with its addresses on `eth0`, and native hosts b and client; agents of the last test are gone."""
    if guestimage.missing():
        pytest.skip(guestimage.missing())
    lab = machines()
    lab.agents = []
    lab["a"].prepare(IPV4, IPV6)
    for host in (lab["b"], lab["client"]):
        host.ip("neighbour", "flush", "all")
    yield lab
    for process in lab.processes:
        if process is not lab.guest.process and process.poll() is None:
            process.terminate()
            process.wait(5)
    for agent in lab.agents:
        if getattr(request.node, "report_call", None) and request.node.report_call.failed:
            print(f"log of {agent.host.name}:\n{agent.log()[-8000:]}")
        agent.end()
    lab.heal()


@pytest.fixture
def inside(lab):
    """Makes hosts in namespaces of the guest, each of a new name, on a bridge of the guest."""
    made = []

    def host(number):
        made.append(Inside(lab["a"], f"n{next(_names)}", number))
        return made[-1]
    yield host
    for host in made:
        host.remove()


class NativeAgent(Agent):
    """An agent of a native host whose lab outlives the test."""

    def end(self):
        self._end()
        # The engine of a dead supervisor resigns.
        wait_until(lambda: not self.host.pids(), 5, "its engine is gone")
        # A killed agent leaves its address to the lease, and that is not what is tested here.
        self.host.ip("address", "flush", "dynamic", check=False)


def pair(lab, a, b, **common):
    """The guest's agent and that of host b with these priorities, each with a router of either family; settled."""
    def routers(priority):
        return {name: database(family, priority=priority, advertisement_interval="100ms", **common) for name, family in ROUTERS.items()}
    agents = [GuestAgent(lab["a"], routers(a)), NativeAgent(lab["b"], routers(b))]
    for agent in agents if a > b else reversed(agents):
        agent.start()
    for name, family in ROUTERS.items():
        for agent, state in zip(agents, ("master", "backup") if a > b else ("backup", "master")):
            agent.wait_state(state, 60, name)
        follows(lab, family.vip(), "a" if a > b else "b")
    return agents


def seconds(text):
    """A time of the status, in seconds of the epoch."""
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def told(agent, name):
    """The last transition as the status tells it, without its time, which follows the wall clock; and how many the log has."""
    transition = agent.router(name)["last-transition"]
    return {key: value for key, value in transition.items() if key != "at"}, len(agent.transitions(name))


# The wall clock.

@pytest.mark.parametrize("role", ["master", "backup"])
def test_a_step_of_the_wall_clock_changes_nothing(lab, role, measured):
    """An hour forward, back, an hour further back, and forward again, at 100 ms adverts. As backup the guest's agent does not run for the moment
    of the step, so that adverts with stamps of the old time wait for it behind the new one."""
    guest, began, worst = lab["a"], time.monotonic(), []
    a, b = pair(lab, *((150, 100) if role == "master" else (100, 150)))
    source = lab["a" if role == "master" else "b"]
    asleep = [a.pid, a.engine_pid] if role == "backup" else []

    def attempt():
        # Where the machine stood still in the last attempt, the hosts have to find back.
        for name in ROUTERS:
            a.wait_state(role, name=name)
        wait_until(lambda: b.state() == b.state("database6") == ("backup" if role == "master" else "master"), 10, "b is what it was")
        before, capture, events = {name: told(a, name) for name in ROUTERS}, Capture(lab["client"]), b.events()
        guest.record()
        with Stalls(realtime=False) as stalls:
            for step, ahead in ((3600, 3600), (-3600, 0), (-3600, -3600), (3600, 0)):
                guest.step_clock(step, meanwhile=asleep)
                assert abs(guest.seconds() - time.time() - ahead) < 60, "the clock was stepped"
                looks_right(a, role, ahead, began)
                time.sleep(1)
        moved = events.states() + events.states("database6") + [name for name in ROUTERS if told(a, name) != before[name]]
        if moved and stalls.worst < 0.05:
            # No second attempt: it is not the machine that did this.
            pytest.fail(f"somebody moved: {moved}\n{a.log()[-3000:]}")
        assert not moved, f"somebody moved, and the machine stood still for {stalls.worst} s: {moved}"
        for family in ROUTERS.values():
            adverts = capture.adverts()
            assert not {advert.mac for advert in adverts} - {source.mac}, "only the master advertises"
            late = max(gaps([advert for advert in adverts if advert.source == source.source(family)])) - INTERVAL
            assert late < INTERVAL / 2, f"an advert was {late * 1000:.1f} ms late"
            worst.append(late)
        capture.stop()
        assert not any(a.statistic("late-wake-ups", name) for name in ROUTERS)
        vips = [family.vip() for family in ROUTERS.values()]
        assert not [change for change in guest.recorded()[1] if change[1] == "deleted" and change[2] in vips], "no address was taken off"

    in_attempts(attempt)
    measured("four steps of an hour in a guest", [f"as {role}: latest advert of the master {max(worst) * 1000:.1f} ms"])


def looks_right(agent, role, ahead, began):
    """The status, asked while the guest's clock is wrong by `ahead` seconds, counts from when things happened, since `began`."""
    document = agent.status()
    now = seconds(document["as-of"])
    assert abs(now - time.time() - ahead) < 60, document["as-of"]
    for router in document["virtual-routers"]:
        age = now - seconds(router["since"])
        assert router["state"] == role and -1 < age < time.monotonic() - began + 1, (age, router)
        if role == "master":
            assert -1 < seconds(router["lease-expires"]) - now < router["lease"] + 1, router
        else:
            assert router["last-advert-heard-ms-ago"] < 1000, router


# Suspension.

def suspend(lab, length):
    """Suspends the guest, and sees that it really was: returns when it was woken, in seconds of the epoch."""
    guest = lab["a"]
    before = guest.suspended_for()
    woken = guest.suspend(length)
    slept = guest.suspended_for() - before
    # The kernel learns the length from a clock that counts seconds.
    assert length - 2 < slept < length + 20, f"CLOCK_BOOTTIME moved by {slept:.1f} s more than CLOCK_MONOTONIC"
    return woken


def was_late(agent):
    for name in ROUTERS:
        wait_until(lambda name=name: agent.statistic("late-wake-ups", name) == 1, 30, "it was late")
        assert any("from=master to=backup cause=late" in line and "did not run" in line for line in agent.transitions(name)), agent.log()


def test_a_suspended_master_is_none_any_more_and_does_not_say_a_word(lab, measured):
    """b serves meanwhile. With `preempt: no` the guest stays behind it when it is resumed."""
    a, b = pair(lab, 150, 100, preempt=False)
    capture = Capture(lab["client"])
    with Probing(lab["client"], IPV4.vip(), interval="10ms") as probing:
        woken = suspend(lab, 5)
        for name in ROUTERS:
            assert b.state(name) == "master"
            a.wait_state("backup", name=name)
    was_late(a)
    stays(lambda: {b.state(name) for name in ROUTERS} == {"master"}, 2, "no-preempt is obeyed")
    for name, family in ROUTERS.items():
        assert a.state(name) == "backup"
        assert not words(capture, lab["a"], family, woken), "not an advert, not an announcement"
        assert holders(lab, family.vip()) == ["b"]
        follows(lab, family.vip(), "b")
    # Its kernel answers from when its card is awake until its programs are.
    assert probing.overlap < 3000, probing.records
    measured("a guest that was suspended as master", [f"both hosts answered for {probing.overlap:.0f} ms after it was woken (an emulated processor)"])


def test_a_suspended_master_that_preempts_first_releases_then_listens_then_wins_once(lab):
    a, b = pair(lab, 150, 100)
    capture, events, guest = Capture(lab["client"]), b.events(), lab["a"]
    guest.record()
    woken = suspend(lab, 5)
    for name in ROUTERS:
        b.wait_state("backup", 60, name)
        a.wait_state("master", name=name)
    was_late(a)
    frames, changes = guest.recorded()
    for name, family in ROUTERS.items():
        assert events.states(name)[0] == "master" and events.states(name)[-1] == "backup" and events.states(name).count("backup") == 1, events.states(name)
        assert words(capture, guest, family, woken)[0][1:] == ("advert", 150), "its first word is an advert of its own priority"
        own = [float(frame.time) for frame in frames if (advert := read_advert(frame)) and advert.source == guest.source(family)]
        own += [item.time for frame in frames if (item := read_announcement(frame)) and item.mac == guest.mac and item.address == family.vip()]
        own.sort()
        silence = max(range(1, len(own)), key=lambda index: own[index] - own[index - 1])
        gone = [at for at, what, address in changes if what == "deleted" and address == family.vip()]
        # The stamp of a change is from when it was told, a little after it.
        assert len(gone) == 1 and own[silence - 1] < gone[0] < own[silence], f"the address went at {gone}, it spoke at {own[silence - 1:silence + 1]}"
        assert [what for _, what, address in changes if address == family.vip()][-1] == "added"
        assert one_holder(lab, family.vip()) == "a"
        follows(lab, family.vip(), "a")


def test_a_suspended_backup_takes_nothing_over(lab):
    """Its card was off: no advert waits for it, and its own absence is not the master's silence."""
    a, b = pair(lab, 100, 150)
    capture, events, before = Capture(lab["client"]), b.events(), {name: len(a.transitions(name)) for name in ROUTERS}
    woken = suspend(lab, 5)
    time.sleep(3)
    for name, family in ROUTERS.items():
        assert a.state(name) == "backup" and len(a.transitions(name)) == before[name], a.log()
        assert not events.states(name)
        assert not words(capture, lab["a"], family, woken)
        assert a.statistic("late-wake-ups", name) == 0, "it was no master"


def test_when_all_hosts_were_suspended_one_is_master(inside, lab):
    """Both agents run in the guest, so both were away for as long, and neither knows of the other's sleep."""
    first, second = agents = [start(inside, number, priority) for number, priority in ((2, 150), (3, 100))]
    settle(first, second)
    suspend(lab, 5)
    wait_until(lambda: first.statistic("late-wake-ups") == 1, 30, "the master was late")
    wait_until(lambda: [agent.state() for agent in agents] == ["master", "backup"], 30, lambda: [agent.log() for agent in agents])
    stays(lambda: [agent.host.has(IPV4.vip()) for agent in agents] == [True, False], 3, "one has the address")
    moves = [line.split("to=")[1].split()[0] for line in first.transitions()]
    assert moves[-2:] == ["backup", "master"] and "cause=late" in first.transitions()[-2], moves


# Kinds of interfaces, among namespaces of the guest.

def start(inside, number, priority, prepare="", interface="eth0", interval="200ms"):
    """An agent in a new namespace of the guest. `prepare` makes its interface."""
    host = inside(number)
    host.shell(f"set -e\n{prepare}\nip address add {IPV4.address(number)}/24 dev {interface}")
    return GuestAgent(host, {"database": database(IPV4, priority=priority, interface=interface, advertisement_interval=interval)}).start()


def settle(first, second, interface="eth0"):
    first.wait_state("master")
    second.wait_state("backup")
    assert first.host.has(IPV4.vip(), interface) and not second.host.has(IPV4.vip(), interface)


def client_of(inside, prepare="", interface="eth0"):
    host = inside(100)
    host.shell(f"set -e\n{prepare}\nip address add {IPV4.address(100)}/24 dev {interface}")
    return host


def reaches(client, holder, interface="eth0"):
    """The client has the address at the holder, whose interface has the MAC address of its card."""
    assert client.ping(IPV4.vip(), 5), f"{client.shell('ip neighbour')}"
    wait_until(lambda: holder.host.mac in client.ip("neighbour", "show", "to", IPV4.vip()).stdout, 10,
               lambda: f"{client.ip('neighbour').stdout}, not {holder.host.mac}")


def fails_over(first, second, client, interface="eth0"):
    """`first` is cut off and `second` serves; it is heard again and serves."""
    reaches(client, first)
    first.host.cut()
    second.wait_state("master")
    reaches(client, second)
    first.host.heal()
    second.wait_state("backup")
    first.wait_state("master")
    assert not second.host.has(IPV4.vip(), interface)
    reaches(client, first)


def test_vlan(inside, lab):
    """Both hosts and the client are in VLAN 10; a fourth in VLAN 20 of the same segment and an agent of the same VRID that is in none see nothing of it."""
    vlan = "ip link add link eth0 name eth0.{0} up type vlan id {0}".format
    first, second = start(inside, 2, 150, vlan(10), "eth0.10"), start(inside, 3, 100, vlan(10), "eth0.10")
    settle(first, second, "eth0.10")
    stranger, untagged = start(inside, 4, 50, vlan(20), "eth0.20"), start(inside, 5, 60)
    for agent in (stranger, untagged):
        agent.wait_state("master")
        assert agent.statistic("advertisement-rcvd") == 0
    text = lab["a"].run("timeout", "10", "tcpdump", "-i", first.host.name, "-Z", "root", "-e", "-n", "-c", "1", "vlan 10 and ip proto 112").stdout
    assert "vlan 10" in text and IPV4.address(2) in text, text
    fails_over(first, second, client_of(inside, vlan(10), "eth0.10"), "eth0.10")
    assert (stranger.state(), untagged.state()) == ("master", "master") and stranger.statistic("advertisement-rcvd") == 0


def test_vrf(inside):
    """The interface belongs to a VRF, and so does the address's route."""
    vrf = "ip link add red up type vrf table 10; ip link set dev eth0 master red"
    first, second = start(inside, 2, 150, vrf), start(inside, 3, 100, vrf)
    settle(first, second)
    assert IPV4.vip() in first.host.ip("route", "show", "table", "10", "type", "local").stdout
    assert IPV4.vip() not in first.host.ip("route", "show", "table", "local").stdout
    fails_over(first, second, client_of(inside))


def test_delay_and_loss(inside, lab):
    """Adverts that take almost as long as an interval, out of order and now and then lost, are adverts; when none arrives the master is silent."""
    netem = "tc qdisc add dev eth0 root netem delay 150ms 40ms loss 1%"
    first, second = start(inside, 2, 150, netem), start(inside, 3, 100, netem)
    settle(first, second)
    before, heard = [len(agent.transitions()) for agent in (first, second)], second.statistic("advertisement-rcvd")
    time.sleep(12)
    assert [len(agent.transitions()) for agent in (first, second)] == before, second.log()
    assert second.statistic("advertisement-rcvd") - heard > 30
    first.host.run("tc", "qdisc", "change", "dev", "eth0", "root", "netem", "loss", "100%")
    second.wait_state("master")
    first.host.run("tc", "qdisc", "change", "dev", "eth0", "root", "netem", "delay", "150ms", "40ms")
    second.wait_state("backup")
    assert first.state() == "master" and not second.host.has(IPV4.vip())


def test_a_bond_that_changes_its_port_keeps_the_address(lab, measured):
    """Active-backup, both ports on the switch. The carrier of the bond stays, so nothing moves; the switch has to learn the other port."""
    guest = lab["a"]
    guest.shell("""set -e
        ip link add bond0 type bond mode active-backup miimon 50 2>/dev/null || ip link set bond0 type bond mode active-backup miimon 50
        for port in eth0 eth1; do ip address flush dev $port; ip link set $port down; ip link set $port master bond0; done
        ip link set bond0 type bond primary eth0""")
    guest.prepare(IPV4, IPV6, device="bond0")
    slow = {"advertisement_interval": "1s"}
    # Refreshed announcements would hide that there is none at the change.
    a = GuestAgent(guest, {name: database(family, priority=150, interface="bond0", announce={"refresh": False}, **slow) for name, family in ROUTERS.items()})
    b = NativeAgent(lab["b"], {name: database(family, **slow) for name, family in ROUTERS.items()})
    try:
        for agent, state in ((a.start(), "master"), (b.start(), "backup")):
            for name in ROUTERS:
                agent.wait_state(state, 60, name)
        for family in ROUTERS.values():
            follows(lab, family.vip(), "a")
        time.sleep(4)  # the last round of the claim
        capture, events, before = Capture(lab["client"]), b.events(), {name: len(a.transitions(name)) for name in ROUTERS}
        guest.plug(0, False)
        wait_until(lambda: "eth1" in guest.run("cat", "/sys/class/net/bond0/bonding/active_slave").stdout, 30, "the bond changes its port")
        wait_until(lambda: lab.port_of(guest.mac) == "a1", 20, "the switch learns the other port")
        for family in ROUTERS.values():
            assert lab["client"].ping(family.vip(), 5), "the address is reached through it"
        time.sleep(4)
        said = {name: len(capture.announcements(address=family.vip(), mac=guest.mac)) for name, family in ROUTERS.items()}
        # The kernel does it once, which one lost frame undoes; ours are the rounds of a claim.
        assert all(said[name] >= (3 if family.ipv6 else 4) for name, family in ROUTERS.items()), f"announced again: {said}"
        for name in ROUTERS:
            assert not events.states(name) and a.state(name) == "master" and len(a.transitions(name)) == before[name]
        measured("a bond's change of port in a guest", [f"announcements of the address: {said}"])
    finally:
        a.end()
        guest.plug(0, True)
        guest.shell("ip link delete bond0", check=False)
