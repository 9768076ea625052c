"""How an address is put on the interface: scope, label and preferred lifetime, through renewals of the lease, a reload and a new engine; and
which source a host takes while it holds the address."""

import json
import time

from cases import follows, start_pair
from lab import IPV4, IPV6, wait_until

LINK, PLAIN, PREFERRED = IPV4.vip(6), IPV6.vip(6), IPV6.vip(7)


def addresses(**link):
    return [IPV4.vip_prefix(), {"address": f"{LINK}/32", "scope": "link", "label": "eth0:db", **link},
            {"address": f"{PLAIN}/128", "advertise": False}, {"address": f"{PREFERRED}/128", "advertise": False, "preferred-lifetime": "forever"}]


def shown(host, address):
    """What `ip` says of the address, or None."""
    return next((entry for entry in host.entries() if entry["local"] == address), None)


def source(host, to):
    return json.loads(host.run("ip", "-j", "-6", "route", "get", to).stdout)[0]["prefsrc"]


def as_wanted(host):
    link, plain, preferred = (shown(host, address) for address in (LINK, PLAIN, PREFERRED))
    assert (link["scope"], link["label"]) == ("link", "eth0:db"), link
    assert plain["deprecated"] and plain["preferred_life_time"] == 0 and 0 < plain["valid_life_time"] <= 2, plain
    assert "deprecated" not in preferred and 0 < preferred["preferred_life_time"] == preferred["valid_life_time"] <= 2, preferred


def test_scope_label_and_preference_last(lab):
    a, b = start_pair(lab, IPV4, addresses=addresses())
    events = b.events()
    for address in (LINK, PLAIN, PREFERRED):
        follows(lab, address, "a")
    for _ in range(10):
        as_wanted(lab["a"])
        time.sleep(0.3)
    a.kill_engine()
    wait_until(lambda: a.status()["engine"]["restarts"] == 1, 10, "a new engine")
    time.sleep(2.5)
    as_wanted(lab["a"])
    assert not events.states()


def test_no_connection_begins_from_a_virtual_ipv6_address(lab):
    peer = lab["client"].address(IPV6)
    own = source(lab["a"], peer)
    a, _ = start_pair(lab, IPV4, addresses=[IPV4.vip_prefix(), {"address": f"{PLAIN}/64", "advertise": False}])
    follows(lab, PLAIN, "a")
    assert source(lab["a"], peer) == own
    assert lab["a"].run("ping", "-6", "-c", "1", "-W", "1", "-I", PLAIN, peer, check=False).returncode == 0, "unless a program binds to it"
    assert a.state() == "master"


def test_a_reload_puts_an_address_on_anew(lab):
    a, b = start_pair(lab, IPV4, addresses=addresses())
    events = b.events()
    follows(lab, LINK, "a")
    changed = addresses(scope="host")
    changed[3]["preferred-lifetime"] = 0
    a.change(addresses=changed)
    done = a.cli("reload")
    assert (done.returncode, done.stdout) == (0, "changed: database\n"), done
    wait_until(lambda: (shown(lab["a"], LINK) or {}).get("scope") == "host", 5, "the other scope")
    wait_until(lambda: (shown(lab["a"], PREFERRED) or {}).get("deprecated"), 5, "the other preference")
    assert shown(lab["a"], LINK)["label"] == "eth0:db"
    follows(lab, LINK, "a")
    a.stop()
    b.wait_state("master")
    for address in (LINK, PLAIN, PREFERRED):
        assert not lab["a"].has(address)
        follows(lab, address, "b")
    assert [state for state in events.states() if state != "master"] == []
