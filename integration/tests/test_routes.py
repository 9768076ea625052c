"""Routes and rules of a virtual router: there while it is master and only then, put back, given up for, kept through engines and reloads. `ip` says what
the kernel has, and a host outside of the segment where packets come from."""

import socket
import time

import pytest

import netlink
from agent import Agent
from cases import database, follows, holders, one_holder, start_pair
from lab import GATEWAY, IPV4, IPV6, stays, wait_until
from routes import TAG, ours, routes, rules, way

TABLE = 100


def outside(family, number=1):
    """An address behind the gateway."""
    return f"2001:db8:ffff::{number}" if family.ipv6 else f"198.51.100.{number}"


def network(family):
    return "2001:db8:ffff::/64" if family.ipv6 else "198.51.100.0/24"


def gateway(family):
    return family.address(GATEWAY)


def default(family, **values):
    return {"destination": "default", "via": gateway(family), "source": family.vip(), "metric": 10, **values}


def routed(family):
    """A default route, one of a table of its own, and the rule that leads there."""
    return {"routes": [default(family), {"destination": network(family), "via": gateway(family), "table": TABLE}],
            "rules": [{"priority": 1000, "from": family.vip(), "table": TABLE}]}


def has_all(host, family):
    main, own = ours(host, family, "main"), ours(host, family, str(TABLE))
    found = rules(host, family).get(1000, {})
    return (main.get("default", {}).get("prefsrc") == family.vip() and network(family) in own
            and found.get("src") == family.vip() and str(found.get("table")) == str(TABLE))


def has_none(host, family):
    return not ours(host, family) and not rules(host, family)


def presence(agent, name="database"):
    router = agent.router(name)
    return [entry["present"] for entry in router["routes"] + router["rules"]]


def old_default(host, family):
    """The host's own default route, and how `ip` shows it."""
    host.ip("-6" if family.ipv6 else "-4", "route", "add", "default", "via", gateway(family), "dev", "eth0", "metric", "100")
    return shown_default(host, family)


def shown_default(host, family):
    return [route for route in routes(host, "main", family) if route["dst"] == "default" and route["metric"] == 100]


class Listener:
    """A host outside of the segment: what comes there, and from whom."""

    def __init__(self, lab, family):
        self.family = family
        if family.ipv6:
            lab.switch.run("sh", "-c", "echo 0 >/proc/sys/net/ipv6/conf/lo/disable_ipv6")
        lab.switch.ip("address", "add", outside(family), "dev", "lo", *(["nodad"] if family.ipv6 else []))
        self.socket = lab.switch.inside(self._open)
        lab.finalizers.append(self.socket.close)

    def _open(self):
        found = socket.socket(socket.AF_INET6 if self.family.ipv6 else socket.AF_INET, socket.SOCK_DGRAM)
        found.bind((outside(self.family), 9999))
        found.settimeout(2)
        return found

    def source(self, host):
        """Where a packet of a program of `host` comes from that has not chosen a source."""
        def send():
            with socket.socket(self.socket.family, socket.SOCK_DGRAM) as sender:
                sender.sendto(b"?", (outside(self.family), 9999))
        host.inside(send)
        return self.socket.recvfrom(10)[1][0]


def test_they_are_there_while_it_is_master_and_packets_leave_with_the_virtual_address(lab, family):
    old = {name: old_default(lab[name], family) for name in ("a", "b")}
    listener = Listener(lab, family)
    own = lab["a"].address(family)
    assert listener.source(lab["a"]) == own
    a, b = start_pair(lab, family, **routed(family))
    assert has_all(lab["a"], family) and has_none(lab["b"], family)
    assert presence(a) == [True] * 3 and presence(b) == [False] * 3
    assert listener.source(lab["a"]) == family.vip()
    assert listener.source(lab["b"]) == lab["b"].address(family)
    text = a.cli("status").stdout
    assert f"routes     default via {gateway(family)} dev eth0 src {family.vip()} metric 10" in text, text
    assert f"rules      1000: from {family.vip()} lookup {TABLE}" in text, text
    assert "ABSENT" not in text
    a.stop()
    b.wait_state("master")
    assert has_none(lab["a"], family) and has_all(lab["b"], family)
    assert listener.source(lab["a"]) == own and listener.source(lab["b"]) == family.vip()
    b.stop()
    for name in ("a", "b"):
        assert has_none(lab[name], family) and shown_default(lab[name], family) == old[name]


@pytest.mark.parametrize("election", [IPV4, IPV6], ids=str)
def test_both_families_follow_one_election(lab, election):
    other = IPV4 if election.ipv6 else IPV6
    both = [default(IPV4), default(IPV6)]
    a, b = start_pair(lab, election, routes=both, rules=[{"priority": 900, "to": network(IPV6), "table": "main"}],
                      addresses=[election.vip_prefix(), {"address": other.vip_prefix(), "advertise": False}])
    for family in (IPV4, IPV6):
        assert ours(lab["a"], family)["default"]["prefsrc"] == family.vip()
        assert ours(lab["b"], family) == {}
    assert 900 in rules(lab["a"], IPV6) and 900 not in rules(lab["a"], IPV4)
    a.cli("disable", "database")
    b.wait_state("master")
    for family in (IPV4, IPV6):
        assert has_none(lab["a"], family)
        assert ours(lab["b"], family)["default"]["prefsrc"] == family.vip()


def test_what_somebody_removes_is_put_back_and_the_third_time_given_up(lab, family):
    a, b = start_pair(lab, family, **routed(family))
    host, number = lab["a"], "-6" if family.ipv6 else "-4"
    moves = a.statistic("master-transitions")
    for words in (["route", "del", "default", "metric", "10"], ["route", "flush", "table", str(TABLE)], ["rule", "del", "priority", "1000"]):
        for _ in range(2):
            host.ip(number, *words)
            begin = time.monotonic()
            wait_until(lambda: has_all(host, family), 1, lambda: f"{words}: {ours(host, family)} {rules(host, family)}", every=0.01)
            assert time.monotonic() - begin < 0.5
    assert a.statistic("master-transitions") == moves and b.state() == "backup"
    host.ip(number, "rule", "del", "priority", "1000")
    b.wait_state("master")
    line = next(line for line in a.log().splitlines() if "cause=fault" in line and "three times in 10 s" in line)
    assert "rule 1000" in line
    assert has_none(host, family) and has_all(lab["b"], family)
    a.wait_state("backup", 10)
    # It has shown that it cannot hold it: b, who can, is left alone.
    time.sleep(1)
    assert holders(lab, family.vip()) == ["b"]


def test_a_route_that_the_kernel_refuses_makes_it_no_master(lab, family):
    far = "2001:db8:dead::1" if family.ipv6 else "203.0.113.1"
    a, b = start_pair(lab, family, wait=False, a={"routes": [{"destination": network(family), "via": far}]})
    b.wait_state("master")
    wait_until(lambda: "cause=fault" in a.log(), 5, "a has tried")
    (fault,) = {(entry["fault"]) for entry in a.router()["faults"]} or {"routing"}
    assert fault == "routing"
    line = next(line for line in a.log().splitlines() if "cause=fault" in line)
    assert f"via {far}" in line and "the gateway is in no network" in line, line
    assert has_none(lab["a"], family) and one_holder(lab, family.vip()) == "b"
    # With on-link it is taken.
    a.change(routes=[{"destination": network(family), "via": far, "on-link": True}])
    assert a.cli("reload").returncode == 0
    b.stop()
    a.wait_state("master")
    assert ours(lab["a"], family)[network(family)]["gateway"] == far


def test_a_backed_off_master_tries_again_when_the_way_is_free(lab, family):
    """Another route is in the place of ours: it is not ours to remove, so this host is no master until it is gone."""
    host, number = lab["a"], "-6" if family.ipv6 else "-4"
    words = ["default", "via", family.address(3), "dev", "eth0", "metric", "10"]
    host.ip(number, "route", "add", *words)
    agent = Agent(host, {"database": database(family, routes=[default(family)])}).start()
    wait_until(lambda: any(entry["fault"] == "routing" for entry in agent.router()["faults"]), 5, "the fault")
    assert "somebody else has another route" in agent.log()
    assert holders(lab, family.vip()) == [] and ours(host, family) == {}
    host.ip(number, "route", "del", *words)
    agent.wait_state("master", 10)
    assert ours(host, family)["default"]["gateway"] == gateway(family)


def test_the_same_route_of_somebody_else_serves_and_is_never_removed(lab, family):
    host, number = lab["a"], "-6" if family.ipv6 else "-4"
    words = [network(family), "via", gateway(family), "dev", "eth0"]
    host.ip(number, "route", "add", *words)
    agent = Agent(host, {"database": database(family, routes=[{"destination": network(family), "via": gateway(family)}])}).start()
    agent.wait_state("master")
    assert presence(agent) == [True] and ours(host, family) == {}
    assert "event=routing-not-ours" in agent.log()
    host.ip(number, "route", "del", *words)
    wait_until(lambda: network(family) in ours(host, family), 1, "ours takes its place")
    host.ip(number, "route", "del", *words)
    wait_until(lambda: network(family) in ours(host, family), 1, "ours is put back")
    agent.stop()
    assert routes(host, "main", family) and has_none(host, family)
    host.ip(number, "route", "add", *words)
    agent.start()
    agent.wait_state("master")
    agent.stop()
    assert any(route["dst"] == network(family) for route in routes(host, "main", family)), "it is not ours to remove"


def test_an_engine_that_dies_leaves_them_to_the_next(lab, family):
    a, b = start_pair(lab, family, **routed(family))
    events = b.events()
    before = (ours(lab["a"], family), rules(lab["a"], family))
    changes = lab["a"].popen("ip", "-6" if family.ipv6 else "-4", "monitor", "route", "rule", stdout=-1, text=True)
    time.sleep(0.3)
    a.kill_engine()
    wait_until(lambda: a.status()["engine"]["restarts"] == 1, 10, "a new engine")
    wait_until(lambda: a.state() == "master" and presence(a) == [True] * 3, 5, "it goes on")
    time.sleep(1.5)
    changes.terminate()
    told = changes.communicate(timeout=5)[0]
    assert f"lookup {TABLE}" not in told and "default via" not in told, "nothing was taken off or put on anew: " + told
    assert (ours(lab["a"], family), rules(lab["a"], family)) == before and events.states() == []
    lab["a"].ip("-6" if family.ipv6 else "-4", "rule", "del", "priority", "1000")
    wait_until(lambda: has_all(lab["a"], family), 1, "the new engine hears of it")


def test_an_upgrade_leaves_them_where_they_are(lab, family):
    a, b = start_pair(lab, family, **routed(family))
    events = b.events()
    before, pid = (ours(lab["a"], family), rules(lab["a"], family)), a.engine_pid
    changes = lab["a"].popen("ip", "-6" if family.ipv6 else "-4", "monitor", "route", "rule", stdout=-1, text=True)
    time.sleep(0.3)
    assert a.cli("upgrade").returncode == 0
    wait_until(lambda: a.engine_pid != pid and a.state() == "master" and presence(a) == [True] * 3, 10, "the next engine goes on")
    time.sleep(1.5)
    changes.terminate()
    told = changes.communicate(timeout=5)[0]
    assert f"lookup {TABLE}" not in told and "default via" not in told, told
    assert (ours(lab["a"], family), rules(lab["a"], family)) == before and events.states() == []


def test_left_overs_of_an_earlier_run_are_removed_at_the_start(lab, family):
    host, number = lab["a"], "-6" if family.ipv6 else "-4"
    agent = Agent(host, {"database": database(family, **routed(family))}).start()
    agent.wait_state("master")
    agent.kill()
    assert network(family) in ours(host, family), "nobody took it off"
    host.ip(number, "route", "add", outside(family, 9), "via", gateway(family), "proto", "static")
    agent.change(routes=None, rules=None)
    agent.start()
    wait_until(lambda: has_none(host, family), 3, lambda: f"{ours(host, family)} {rules(host, family)}")
    assert agent.log().count("event=leftover-removed") >= 2
    assert any(route["dst"] == outside(family, 9) for route in routes(host, "main", family))


def test_a_reload_changes_what_changed(lab, family):
    a, b = start_pair(lab, family, **routed(family))
    host = lab["a"]
    keep = {"destination": network(family), "via": gateway(family), "table": TABLE}
    changes = host.popen("ip", "-6" if family.ipv6 else "-4", "monitor", "route", stdout=-1, text=True)
    time.sleep(0.3)
    a.change(routes=[keep, default(family, via=family.address(3), metric=20)], rules=[{"priority": 1001, "from": family.vip(), "table": TABLE}])
    done = a.cli("reload")
    assert (done.returncode, done.stdout) == (0, "changed: database\n"), done
    wait_until(lambda: ours(host, family, "main").get("default", {}).get("gateway") == family.address(3), 2, "the other default route")
    wait_until(lambda: list(rules(host, family)) == [1001], 2, "the other rule")
    # The same place in the table, another gateway.
    a.change(routes=[keep, default(family, metric=20)])
    assert a.cli("reload").returncode == 0
    wait_until(lambda: ours(host, family, "main").get("default", {}).get("gateway") == gateway(family), 2, "back again")
    # A configuration with a mistake changes nothing.
    a.change(routes=[default(family, via=IPV4.address(1) if family.ipv6 else IPV6.address(1))])
    done = a.cli("reload")
    assert done.returncode != 0 and "as the destination is" in done.stdout + done.stderr
    assert ours(host, family, "main")["default"]["gateway"] == gateway(family)
    changes.terminate()
    assert f"table {TABLE}" not in changes.communicate(timeout=5)[0], "what did not change was not touched"
    a.change(routes=None, rules=None)
    assert a.cli("reload").returncode == 0
    wait_until(lambda: has_none(host, family), 2, "nothing is wanted any more")
    assert a.state() == "master" and b.state() == "backup"


def test_a_route_moves_from_one_router_to_another_by_a_reload(lab, family):
    """Both are master here; the one brings it before or after the other gives it up."""
    host = lab["a"]
    route = {"destination": network(family), "via": gateway(family)}
    other = database(family, vrid=52, addresses=[family.vip_prefix(1)])
    agent = Agent(host, {"database": database(family, routes=[route]), "second": other}).start()
    for name in ("database", "second"):
        agent.wait_state("master", name=name)
    for _ in range(2):
        for holder, free in (("second", "database"), ("database", "second")):
            agent.routers[holder]["routes"] = [route]
            agent.routers[free].pop("routes")
            agent.write(agent.routers)
            assert agent.cli("reload").returncode == 0
            wait_until(lambda: presence(agent, holder) == [True] and presence(agent, free) == [], 3, "the status says so")
            time.sleep(0.2)
            assert network(family) in ours(host, family)


def test_another_interface_that_goes_down_takes_its_routes_and_the_mastership(lab, family):
    """IPv4 routes go without a word of the kernel."""
    lab.second_segment("a", "203.0.113.2/24", "2001:db8:1::2/64")
    lab.second_segment("b", "203.0.113.3/24", "2001:db8:1::3/64")
    via = "2001:db8:1::9" if family.ipv6 else "203.0.113.9"
    a, b = start_pair(lab, family, routes=[{"destination": network(family), "via": via, "device": "eth1"}])
    assert ours(lab["a"], family)[network(family)]["dev"] == "eth1"
    lab["a"].ip("link", "set", "eth1", "down")
    b.wait_state("master")
    wait_until(lambda: "via" in a.log() and "cause=fault" in a.log(), 2, "the reason")
    assert any(f"dev eth1" in line for line in a.log().splitlines() if "cause=fault" in line)
    follows(lab, family.vip(), "b")
    assert ours(lab["b"], family)[network(family)]["dev"] == "eth1"
    # The kernel gives it its IPv6 address again only if it is told to keep it.
    lab["a"].ip("link", "set", "eth1", "up")
    if family.ipv6:
        lab["a"].ip("address", "add", "2001:db8:1::2/64", "dev", "eth1", "nodad", check=False)
    b.stop()
    a.wait_state("master", 20)
    assert ours(lab["a"], family)[network(family)]["dev"] == "eth1"


def test_where_the_address_goes_the_kernel_changes_the_route_and_both_come_back(lab, family):
    a, b = start_pair(lab, family, **routed(family))
    host = lab["a"]
    host.ip("address", "del", family.vip_prefix(), "dev", "eth0")
    wait_until(lambda: host.has(family.vip()) and has_all(host, family), 1, lambda: f"{ours(host, family)}")
    stays(lambda: a.state() == "master" and has_all(host, family), 1, "it stays")
    assert way(host, family, outside(family, 5))["prefsrc"] == family.vip()


def test_others_changes_do_not_wake_the_engine(lab):
    """Thousands of routes of a daemon, with other prefixes than ours, cost the agent nothing."""
    a, _ = start_pair(lab, IPV4, routes=[default(IPV4)])
    host = lab["a"]
    lines = [f"route add 10.{number // 256}.{number % 256}.0/24 via {gateway(IPV4)}" for number in range(4000)]
    lines += [line.replace("add", "replace") for line in lines] + [line.replace("add", "del") for line in lines]

    def wakeups():
        text = open(f"/proc/{a.engine_pid}/status", encoding="ascii").read()
        return int(next(line for line in text.splitlines() if line.startswith("voluntary_ctxt_switches")).split()[1])
    before, begin = wakeups(), time.monotonic()
    host.run("ip", "-batch", "-", input="\n".join(lines) + "\n", timeout=60)
    busy, took = wakeups() - before, time.monotonic() - begin
    before = wakeups()
    time.sleep(max(took, 0.5))
    idle = (wakeups() - before) * took / max(took, 0.5)
    assert busy <= idle * 2 + 20, f"{busy} wake-ups with 12,000 changes of routes, {idle:.0f} without"
    assert a.state() == "master" and ours(host, IPV4)["default"]


def test_a_host_with_many_of_them_takes_over_in_time(lab):
    many = [{"destination": f"10.{number // 256}.{number % 256}.0/24", "via": gateway(IPV4)} for number in range(256)]
    rule = [{"priority": 2000 + number, "from": f"10.0.{number}.0/24", "table": TABLE} for number in range(64)]
    a, b = start_pair(lab, IPV4, routes=many, rules=rule)
    assert len(ours(lab["a"], IPV4)) == 256 and len(rules(lab["a"], IPV4)) == 64
    assert sum(presence(a)) == 320
    events = b.events()
    a.stop()
    b.wait_state("master")
    assert has_none(lab["a"], IPV4)
    assert len(ours(lab["b"], IPV4)) == 256 and len(rules(lab["b"], IPV4)) == 64
    assert [state for state in events.states() if state == "fault"] == []
    assert netlink.addresses(lab["b"])[IPV4.vip()]["proto"] == int(TAG)
