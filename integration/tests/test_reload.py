"""Changing the configuration of a running agent: a bad file changes nothing, a good one touches only what it changes."""

import os
import signal

import pytest

from agent import Agent, StatusError, binaries
from cases import database, holders, start_pair, without_a_gap
from lab import IPV4, IPV6, stays, wait_until
from watching import Addresses
from wire import Capture

BAD = [
    ("unknown key", "    prioritty: 90\n", "priority"),
    ("priority out of range", "    priority: 300\n", "254"),
    ("address", "    addresses: [192.0.2.300/24]\n", "192.0.2.300"),
    ("address with a letter too far", "    addresses: ['2001:db8::1g/64']\n", "2001:db8::1g"),
    ("prefix too long", "    addresses: ['2001:db8::10/129']\n", "128"),
    ("unknown check", "    checks: [nothing]\n", "nothing"),
]


def bad_text(agent, family, line):
    """The agent's file with one wrong line in place of the right one, and where that line is."""
    key = line.split(":")[0].strip()
    keep = {name: value for name, value in database(family).items() if name != key}
    agent.write({"database": keep})
    text = agent.file.read_text() + line
    agent.file.write_text(text)
    return text.count("\n")


@pytest.mark.parametrize("name, line, hint", BAD, ids=[case[0] for case in BAD])
def test_a_bad_configuration_changes_nothing_and_says_where(lab, family, name, line, hint):
    a, b = start_pair(lab, family)
    events = a.events()
    number = bad_text(a, family, line)

    def refused():
        with pytest.raises(StatusError) as error:
            a.reload()
        assert error.value.code == 422
        errors = error.value.document["errors"]
        assert any(text.startswith(f"{a.file}:{number}:") and hint in text for text in errors), errors
    without_a_gap(lab, refused)
    assert events.transitions() == [] and a.state() == "master" and a.router()["priority"] == 150
    assert b.state() == "backup" and holders(lab, family.vip()) == ["a"]


def test_a_bad_configuration_on_hangup_is_logged_with_its_place(lab, family):
    a = Agent(lab["a"], {"database": database(family)}).start()
    a.wait_state("master")
    number = bad_text(a, family, "    prioritty: 90\n")
    a.process.send_signal(signal.SIGHUP)
    wait_until(lambda: f"{a.file}:{number}:" in a.log(), 5, "the log tells the place")
    assert a.state() == "master" and lab["a"].has(family.vip())


def test_hangup_reads_the_configuration_again(lab, family):
    a, b = start_pair(lab, family)
    a.change(priority=50)
    a.process.send_signal(signal.SIGHUP)
    b.wait_state("master")
    a.wait_state("backup")
    assert a.router()["priority"] == 50


def test_reload_answers_what_changed(lab):
    a = Agent(lab["a"], {"one": database(IPV4), "two": database(IPV4, vrid=52, addresses=[IPV4.vip_prefix(1)])}).start()
    assert a.reload() == {"changed": [], "added": [], "removed": [], "warnings": []}
    routers = dict(a.routers)
    routers["one"] = {**routers["one"], "priority": 90}
    routers["three"] = database(IPV4, vrid=53, addresses=[IPV4.vip_prefix(2)])
    del routers["two"]
    a.write(routers)
    assert a.reload() == {"changed": ["one"], "added": ["three"], "removed": ["two"], "warnings": []}
    a.wait_state("master", name="three")


def test_an_address_added_to_one_router_leaves_the_other_alone(lab, family):
    def routers(extra):
        return {"one": database(family, priority=150),
                "two": database(family, priority=150, vrid=52, addresses=[family.vip_prefix(1)] + extra)}
    a = Agent(lab["a"], routers([])).start()
    for name in ("one", "two"):
        a.wait_state("master", name=name)
    b = Agent(lab["b"], {name: {**router, "priority": 100} for name, router in routers([]).items()}).start()
    events, events_b = a.events(), b.events()

    def there_and_back():
        for _ in range(3):
            a.write(routers([family.vip_prefix(2)]))
            a.reload()
            wait_until(lambda: lab["a"].has(family.vip(2)), 5, "the new address")
            a.write(routers([]))
            a.reload()
            wait_until(lambda: not lab["a"].has(family.vip(2)), 5, "the address goes again")
        a.write(routers([family.vip_prefix(2)]))
        a.reload()
    capture = without_a_gap(lab, there_and_back, vrids=(51, 52))
    assert events.transitions() == [] and events_b.transitions() == []
    assert capture.adverts(vrid=52)[-1].addresses[-1] == family.vip(2)
    assert capture.announcements(family.vip(2)), "the new address is announced"
    assert all(advert.priority == 150 for advert in capture.adverts())
    assert {family.vip(0), family.vip(1), family.vip(2)} <= set(lab["a"].addresses())


def test_a_router_that_leaves_the_configuration_resigns(lab, family):
    routers = {"one": database(family), "two": database(family, vrid=52, addresses=[family.vip_prefix(1)])}
    a = Agent(lab["a"], routers).start()
    for name in routers:
        a.wait_state("master", name=name)
    capture = Capture(lab["client"])
    a.write({"one": routers["one"]})
    a.reload()
    wait_until(lambda: not lab["a"].has(family.vip(1)), 5, "its address is gone")
    wait_until(lambda: any(advert.priority == 0 for advert in capture.adverts(vrid=52)), 5, "priority 0")
    assert [router["name"] for router in a.status()["virtual-routers"]] == ["one"]
    assert lab["a"].has(family.vip(0)) and not any(advert.priority == 0 for advert in capture.adverts(vrid=51))


def test_a_change_of_priority_needs_no_restart(lab, family):
    a, b = start_pair(lab, family)
    events = b.events()
    b.change(priority=200)
    b.reload()
    b.wait_state("master")
    assert events.states() == ["master"]
    assert b.cause() == "preempted-lower"


def test_files_in_conf_d_are_read_too(lab):
    a = Agent(lab["a"], {"one": database(IPV4)})
    (a.directory / "conf.d").mkdir()
    (a.directory / "conf.d" / "two.yaml").write_text(
        f"virtual-routers:\n  two: {{interface: eth0, vrid: 52, advertisement-interval: 200ms, addresses: [{IPV4.vip_prefix(1)}]}}\n")
    a.start()
    a.wait_state("master", name="one")
    a.wait_state("master", name="two")


def test_vipd_check_needs_no_agent_and_tells_all_errors_at_once(lab):
    a = Agent(lab["a"], {"database": database(IPV4)})
    unprivileged = ("setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups")
    good = lab["a"].run(*unprivileged, binaries() / "vipd", "check", a.file, check=False)
    assert good.returncode == 0, good.stderr
    a.file.write_text(a.file.read_text() + "    prioritty: 9\n    preempt: maybe\n")
    bad = lab["a"].run(binaries() / "vipd", "check", a.file, check=False)
    assert bad.returncode == 1
    lines = bad.stderr.strip().splitlines()
    last = a.file.read_text().count("\n")
    assert any(line.startswith(f"{a.file}:{last - 1}:") and "priority" in line for line in lines), lines
    assert any(line.startswith(f"{a.file}:{last}:") for line in lines), lines


def test_an_agent_does_not_start_with_a_bad_configuration(lab):
    a = Agent(lab["a"], {"database": database(IPV4)})
    a.file.write_text(a.file.read_text() + "    prioritty: 9\n")
    a.start(wait=False)
    assert a.process.wait(10) not in (0, None)
    assert f"{a.file}:{a.file.read_text().count(chr(10))}:" in a.log()
    assert os.listdir("/run/netns") and not lab["a"].has(IPV4.vip())


def test_reload_again_and_again_costs_nothing(lab):
    a, b = start_pair(lab, IPV4)
    events = b.events()

    def reloads():
        for _ in range(50):
            a.reload()
    without_a_gap(lab, reloads)
    assert events.transitions() == []
    stays(lambda: a.state() == "master", 0.3, "still master")


# What makes a virtual router another one: the election that it takes part in. Each changes one key, and the addresses where it must.
IDENTITIES = [("interface", family) for family in (IPV4, IPV6)] + [("vrid", family) for family in (IPV4, IPV6)] + [
    ("version", IPV4), ("family", IPV4), ("family", IPV6)]
SECOND_SEGMENT = {IPV4: "198.51.100.2/24", IPV6: "2001:db8:1::2/64"}


def other_identity(which, family):
    """(changed keys, device, family, VRID, version) of the router after the change."""
    if which == "interface":
        return {"interface": "eth1"}, "eth1", family, 51, 3
    if which == "vrid":
        return {"vrid": 52}, "eth0", family, 52, 3
    if which == "version":
        return {"version": 2}, "eth0", family, 51, 2
    other = IPV4 if family.ipv6 else IPV6
    return {"addresses": [other.vip_prefix()]}, "eth0", other, 51, 3


@pytest.mark.parametrize("which, family", IDENTITIES, ids=[f"{which}-{family}" for which, family in IDENTITIES])
def test_a_router_that_becomes_another_one_leaves_the_old_election_first(lab, which, family):
    """Priority 0 under the old identity, the address off the old interface, then a start as backup under the new one. Never two at once."""
    lab.second_segment("a", *SECOND_SEGMENT.values())
    lab.second_segment("b", *(address.replace("2/", "3/") for address in SECOND_SEGMENT.values()))
    a = Agent(lab["a"], {"database": database(family, priority=150, advertisement_interval="1s")}).start()
    a.wait_state("master")
    old, new = Capture(lab["b"]), Capture(lab["b"], device="eth1")
    events = a.events()
    changes, device, new_family, vrid, version = other_identity(which, family)
    capture = new if device == "eth1" else old
    addresses = Addresses(lab["a"])
    a.change(**changes)
    assert a.reload() == {"changed": ["database"], "added": [], "removed": [], "warnings": []}
    wait_until(lambda: events.states()[-1:] == ["master"], 10, lambda: f"master again: {events.items}\n{a.log()}")

    def ours(adverts, wanted_family, wanted_vrid, wanted_version):
        return [advert for advert in adverts if (advert.vrid, advert.version) == (wanted_vrid, wanted_version)
                and (":" in advert.source) == wanted_family.ipv6]

    wait_until(lambda: ours(capture.adverts(), new_family, vrid, version), 5, "an advert of the new identity")
    left = ours(old.adverts(), family, 51, 3)
    assert left[-1].priority == 0 and [advert.priority for advert in left].count(0) == 3, "one resignation, said three times, and it is the last word"
    first = ours(capture.adverts(), new_family, vrid, version)[0]
    assert first.priority == 150
    assert first.time - left[-1].time > 3, "the new identity begins as a backup, which waits for the master-down interval (3.4 s)"
    assert "backup" in events.states() and events.states().count("master") == 1, events.items
    told = addresses.lines()
    gone = next(index for index, line in enumerate(told) if line.startswith("Deleted") and f" {family.vip_prefix()} " in line and "eth0" in line)
    # Where it is the same address on the same interface, what comes before are renewals of its lease.
    is_same = which in ("vrid", "version")
    came = next(index for index, line in enumerate(told) if (index > gone or not is_same)
                and not line.startswith("Deleted") and f" {new_family.vip_prefix()} " in line and device in line)
    assert gone < came, told
    assert lab["a"].has(new_family.vip(), device)
    assert (which in ("vrid", "version")) == lab["a"].has(family.vip())
    assert a.router()["vrid"] == vrid and a.router()["interface"] == device and a.router()["family"] == str(new_family)


def test_a_backup_that_becomes_another_router_says_nothing_in_the_old_election(lab, family):
    a, b = start_pair(lab, family)
    events = a.events()
    capture = Capture(lab["client"])
    b.change(vrid=52, addresses=[family.vip_prefix(1)])
    b.reload()
    b.wait_state("master")
    wait_until(lambda: capture.adverts(vrid=52), 5, "the new identity advertises")
    assert {advert.source for advert in capture.adverts(vrid=51)} == {lab["a"].source(family)}
    assert all(advert.priority == 150 for advert in capture.adverts(vrid=51))
    assert events.transitions() == [] and a.state() == "master"
    assert holders(lab, family.vip()) == ["a"] and holders(lab, family.vip(1)) == ["b"]
