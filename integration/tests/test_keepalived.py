"""What only keepalived does: simple passwords, its judgement of the address list, its answer to a lost conflict, unicast.

Debian 12's keepalived 2.2.7. What it shares with FRR is in test_interop.py.
"""

import pytest

from agent import Agent
from interop import counterpart, settled
from keepalived import Keepalived
from lab import IPV4, IPV6, wait_until
from wire import Capture, wait_for_advert


@pytest.fixture
def lab(make_lab):
    return make_lab(hosts=("a", "b"), clients=("client", "asker"))


@pytest.mark.parametrize("higher", ["ours", "theirs"])
def test_a_simple_password_is_shared(lab, higher):
    """Authentication is a matter of version 2, whose intervals are whole seconds."""
    ours = Agent(lab["a"], {"database": counterpart(IPV4, 2, password="secret12", priority=150 if higher == "ours" else 100)})
    theirs = Keepalived(lab["b"], IPV4, version=2, interval=1, password="secret12", priority=150 if higher == "theirs" else 100)
    first, second = (ours, theirs) if higher == "ours" else (theirs, ours)
    capture = Capture(lab["client"])
    theirs.start()
    ours.start()
    settled(lab, IPV4, first, second)
    advert = wait_for_advert(capture, source=first.host.address(IPV4))
    assert (advert.version, advert.octets[4], advert.authentication) == (2, 1, b"secret12")
    if higher == "ours":
        assert theirs.heard() > 0 and theirs.document()["stats"]["auth_failure"] == 0
    first.stop()
    settled(lab, IPV4, second)


def test_another_password_is_refused_by_both(lab):
    """Nobody can be believed, so both are master, and both count why."""
    ours = Agent(lab["a"], {"database": counterpart(IPV4, 2, password="secret12", priority=150)}).start()
    theirs = Keepalived(lab["b"], IPV4, version=2, interval=1, password="another").start()
    ours.wait_state("master")
    theirs.wait_state("master")
    wait_until(lambda: theirs.document()["stats"]["auth_failure"] > 0, 5, "keepalived counts a wrong password", every=0.2)
    wait_until(lambda: any("auth" in key and value for key, value in ours.router()["statistics"].items()), 5, "and so do we")


def test_without_a_link_local_address_when_it_lists_none(lab):
    """Over IPv6 our adverts name a link-local address first, as RFC 9568 wants. keepalived drops adverts whose list is not its own, so with one
    that lists only a global address ours has to leave it out; ours does not mind theirs."""
    theirs = Keepalived(lab["b"], IPV6, addresses=[IPV6.vip_prefix()]).start()
    theirs.wait_state("master")
    ours = Agent(lab["a"], {"database": counterpart(IPV6, priority=150)}).start()
    ours.wait_state("master")
    wait_until(lambda: theirs.document()["stats"]["addr_list_err"] > 3, 5, "keepalived drops what we send", every=0.2)
    assert theirs.state() == "master", "so it stays master beside us"
    ours.change(link_local=False)
    ours.reload()
    settled(lab, IPV6, ours, theirs)
    assert ours.stop() == 0
    settled(lab, IPV6, theirs)


def test_a_master_that_yields_with_an_advert_makes_us_announce_again(lab):
    """With `higher_prio_send_advert` keepalived says that it was master as it yields, and we correct the client without any refresh."""
    ours = Agent(lab["a"], {"database": counterpart(IPV4, checksum="pseudo-header", priority=150)}).start()
    ours.wait_state("master")
    theirs = Keepalived(lab["b"], IPV4, extra=["higher_prio_send_advert yes"]).start()
    settled(lab, IPV4, ours, theirs)
    for _ in range(3):  # whose advert comes first after the heal is chance
        lab.cut("a")
        settled(lab, IPV4, theirs, quiet=0.1)
        lab.heal()
        settled(lab, IPV4, ours, theirs, quiet=0.1)


@pytest.mark.skip(reason="vipd has no `peers:` yet")
@pytest.mark.parametrize("higher", ["ours", "theirs"])
def test_unicast(lab, family, higher):
    """Neither sends to the group, and a silent or a resigning master is followed. keepalived sends unicast IPv6 with the kernel's hop limit, 64,
    unless it is told otherwise; over IPv4 it sends 255."""
    heard_by_client, heard_by_a = Capture(lab["client"]), Capture(lab["a"])
    ours = Agent(lab["a"], {"database": counterpart(family, peers=[lab["b"].address(family)], priority=150 if higher == "ours" else 100)})
    theirs = Keepalived(lab["b"], family, peers=[lab["a"].address(family)], priority=150 if higher == "theirs" else 100,
                        extra=[f"unicast_src_ip {lab['b'].address(family)}", "unicast_ttl 255"])
    first, second = (ours, theirs) if higher == "ours" else (theirs, ours)
    theirs.start()
    ours.start()
    settled(lab, family, first, second)
    first.stop()
    settled(lab, family, second)
    first.start()
    settled(lab, family, first, second)
    lab.cut(first.host.name)
    settled(lab, family, second)
    sent = heard_by_a.adverts()
    assert {advert.source for advert in sent} == {host.address(family) for host in (lab["a"], lab["b"])}
    assert {advert.destination for advert in sent} == {host.address(family) for host in (lab["a"], lab["b"])}
    assert not heard_by_client.adverts()


@pytest.mark.skip(reason="vipd has no `peers:` yet")
def test_unicast_with_the_default_hop_limit_needs_a_lower_bound(lab):
    """keepalived's own default over IPv6 arrives with hop limit 64."""
    theirs = Keepalived(lab["b"], IPV6, peers=[lab["a"].address(IPV6)], priority=150, extra=[f"unicast_src_ip {lab['b'].address(IPV6)}"]).start()
    theirs.wait_state("master")
    peer = {"address": lab["b"].address(IPV6), "minimum-ttl": 64}
    ours = Agent(lab["a"], {"database": counterpart(IPV6, peers=[peer])}).start()
    settled(lab, IPV6, theirs, ours)
    ours.change(peers=[lab["b"].address(IPV6)])
    ours.reload()
    ours.wait_state("master")
