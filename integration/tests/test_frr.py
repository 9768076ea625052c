"""What only FRR's vrrpd does: the address stays on a macvlan of a backup, and IPv6 adverts name no link-local address.

Debian 12's FRR 8.4.4. What it shares with keepalived is in test_interop.py.
"""

import pytest

from agent import Agent
from frr import Frr
from interop import answering, counterpart, settled
from lab import IPV4, IPV6, stays, wait_until


@pytest.fixture
def lab(make_lab):
    return make_lab(hosts=("a", "b"), clients=("client", "asker"))


def test_ipv6_adverts_without_a_link_local_address_are_followed_unless_strict(lab):
    """RFC 9568 section 5.2.9 wants a link-local address first; vrrpd sends what it is told to serve and cannot be told one."""
    theirs = Frr(lab["b"], IPV6, priority=150).start()
    theirs.wait_state("master")
    ours = Agent(lab["a"], {"database": counterpart(IPV6)}).start()
    settled(lab, IPV6, theirs, ours)
    # The status has counters of the last second.
    wait_until(lambda: ours.statistic("first-address-not-link-local-pkts") > 0, 5, "the adverts are counted")
    ours.change(strict_first_address=True)
    ours.reload()
    ours.wait_state("master")
    wait_until(lambda: ours.statistic("not-link-local-errors") > 0, 5, "the dropped ones are counted")
    stays(lambda: theirs.state() == "master", 0.5, "it does not mind our lower priority, and neither hears the other out", every=0.1)


def test_a_backup_of_theirs_answers_too_without_arp_ignore(lab):
    """vrrpd leaves the address on its macvlan and puts that `protodown`. Linux answers ARP for it on eth0 all the same, so the setting that
    `Frr` makes is needed on every host with vrrpd, whoever the other router is. (Neighbour discovery has no such trap.)"""
    ours = Agent(lab["a"], {"database": counterpart(IPV4, priority=150, checksum="pseudo-header")}).start()
    ours.wait_state("master")
    theirs = Frr(lab["b"], IPV4).start()
    settled(lab, IPV4, ours, theirs)
    lab["b"].run("sh", "-c", "echo 0 >/proc/sys/net/ipv4/conf/eth0/arp_ignore")
    assert answering(lab, IPV4.vip()) == {lab["a"].mac, lab["b"].mac}
    lab["b"].run("sh", "-c", "echo 1 >/proc/sys/net/ipv4/conf/eth0/arp_ignore")
    assert answering(lab, IPV4.vip()) == {lab["a"].mac}
