"""Who becomes master, and when: first election, preemption, equal priorities, resignation, several routers on one interface."""

import pytest

from agent import Agent
from cases import database, follows, holders, one_holder, start_pair
from lab import IPV4, IPV6, stays, wait_until
from wire import Capture, Peer, wait_for_advert


def test_first_election_makes_the_higher_priority_master(lab, family):
    capture = Capture(lab["client"])
    a, b = start_pair(lab, family)
    assert holders(lab, family.vip()) == ["a"]
    router = a.router()
    assert router["last-transition"]["from"] == "backup" and router["last-transition"]["cause"] == "master-silent"
    assert router["master"] == {"address": lab["a"].source(family), "priority": 150, "self": True}
    assert all(address["present"] for address in router["addresses"])
    assert family.vip_prefix() in [address["address"] for address in router["addresses"]]
    wait_until(lambda: (b.router()["master"] or {}).get("priority") == 150, 5, "b knows its master")
    assert b.router()["master"]["address"] == lab["a"].source(family)
    assert capture.adverts(source=lab["a"].source(family)) and not capture.adverts(source=lab["b"].source(family))
    follows(lab, family.vip(), "a")


def test_only_the_master_sends_adverts(lab, family):
    a, b = start_pair(lab, family)
    capture = Capture(lab["client"])
    wait_until(lambda: len(capture.adverts()) >= 10, 10, "ten adverts")
    assert {advert.source for advert in capture.adverts()} == {lab["a"].source(family)}
    assert b.statistic("master-transitions") == 0


def test_a_higher_priority_preempts_a_lower_master(lab, family):
    b = Agent(lab["b"], {"database": database(family)}).start()
    b.wait_state("master")
    follows(lab, family.vip(), "b")
    a = Agent(lab["a"], {"database": database(family, priority=150)}).start()
    a.wait_state("master")
    b.wait_state("backup")
    assert a.cause() == "preempted-lower"
    assert b.cause() == "higher-priority"
    assert one_holder(lab, family.vip()) == "a"
    follows(lab, family.vip(), "a")


def test_without_preemption_the_master_stays(lab, family):
    b = Agent(lab["b"], {"database": database(family)}).start()
    b.wait_state("master")
    a = Agent(lab["a"], {"database": database(family, priority=150, preempt=False)}).start()
    stays(lambda: a.state() == "backup" and b.state() == "master", 2.5, "a must not preempt")
    assert a.statistic("master-transitions") == 0
    lab.cut("b")
    assert a.wait_state("master")["last-transition"]["cause"] == "master-silent"


def test_preempt_delay_holds_preemption_back(lab, family):
    b = Agent(lab["b"], {"database": database(family)}).start()
    b.wait_state("master")
    capture = Capture(lab["client"])
    a = Agent(lab["a"], {"database": database(family, priority=150, preempt_delay="2s")}).start()
    wait_until(lambda: a.router()["master"], 5, "a hears b")
    a.wait_state("master")
    first = capture.adverts(source=lab["a"].source(family))[0].time
    heard = capture.adverts(source=lab["b"].source(family))[0].time
    assert first - heard > 1.9, "the delay counts from the first lower advert"
    assert a.cause() == "preempted-lower"


def test_preempt_delay_does_not_hold_back_a_take_over_from_silence(lab, family):
    b = Agent(lab["b"], {"database": database(family)}).start()
    b.wait_state("master")
    a = Agent(lab["a"], {"database": database(family, priority=150, preempt_delay="60s")}).start()
    wait_until(lambda: a.router()["master"], 5, "a hears b")
    lab.cut("b")
    assert a.wait_state("master", timeout=8)["last-transition"]["cause"] == "master-silent"


def test_priority_zero_is_followed_after_the_skew_time_alone(lab, family):
    peer = Peer(lab["c"], family, priority=210, interval=100).start()
    capture = Capture(lab["client"])
    a = Agent(lab["a"], {"database": database(family, priority=200, advertisement_interval="1s", preempt=False)}).start()
    wait_until(lambda: a.router()["master"], 5, "a hears the peer")
    peer.stop()
    peer.send(priority=0)
    a.wait_state("master")
    zero = next(advert for advert in capture.adverts() if advert.priority == 0)
    ours = capture.adverts(source=lab["a"].source(family))[0]
    assert ours.time - zero.time < 2, "three intervals and the skew time are 3.2 s, the skew time alone is 0.22 s"
    assert ours.time - zero.time > 0.21
    assert a.cause() == "master-resigned"


def test_a_master_that_hears_priority_zero_advertises_at_once(lab, family):
    a = Agent(lab["a"], {"database": database(family, advertisement_interval="2s")}).start()
    a.wait_state("master")
    capture = Capture(lab["client"])
    wait_for_advert(capture, source=lab["a"].source(family))
    Peer(lab["c"], family).send(priority=0)
    wait_until(lambda: len(capture.adverts(source=lab["a"].source(family))) >= 2, 5, "the answer")
    zero = next(advert for advert in capture.adverts() if advert.priority == 0)
    answer = next(advert for advert in capture.adverts(source=lab["a"].source(family)) if advert.time > zero.time)
    assert answer.time - zero.time < 0.5
    assert a.state() == "master"


def test_of_equal_priorities_started_together_one_remains(lab, family):
    start_pair(lab, family, a={"priority": 100}, wait=False)
    one_holder(lab, family.vip(), timeout=15, quiet=2)


def test_an_equal_priority_does_not_displace_a_master_it_hears(lab, family):
    a = Agent(lab["a"], {"database": database(family)}).start()
    a.wait_state("master")
    b = Agent(lab["b"], {"database": database(family)}).start()
    stays(lambda: a.state() == "master" and b.state() == "backup", 2, "a stays master")


def test_of_two_equal_masters_the_greater_address_stays(lab, family):
    a, b = start_pair(lab, family, a={"priority": 100}, wait=False)
    one_holder(lab, family.vip(), timeout=15)
    lab.cut("a")
    wait_until(lambda: a.state() == b.state() == "master", 10, "both are master while apart")
    lab.heal()
    a.wait_state("backup")
    assert a.cause() == "greater-address"
    assert one_holder(lab, family.vip()) == "b"


def test_the_owner_does_not_wait(lab, family):
    capture = Capture(lab["client"])
    a = Agent(lab["a"], {"database": database(family, priority="owner", advertisement_interval="2s")}).start()
    router = a.wait_state("master", timeout=4)
    assert router["last-transition"]["cause"] == "owner"
    assert wait_for_advert(capture, source=lab["a"].source(family)).priority == 255


def test_both_families_share_a_vrid_and_run_apart(lab):
    def routers(first, second):
        return {"four": database(IPV4, priority=first), "six": database(IPV6, priority=second)}
    a = Agent(lab["a"], routers(150, 100)).start(wait=False)
    b = Agent(lab["b"], routers(100, 150)).start(wait=False)
    for agent in (a, b):
        agent.wait_ready()
    a.wait_state("master", name="four")
    b.wait_state("master", name="six")
    a.wait_state("backup", name="six")
    b.wait_state("backup", name="four")
    assert one_holder(lab, IPV4.vip()) == "a"
    assert one_holder(lab, IPV6.vip()) == "b"
    assert a.router("four")["family"] == "ipv4" and a.router("six")["family"] == "ipv6"


def test_several_virtual_routers_on_one_interface(lab, family):
    def routers(first, second):
        return {"one": database(family, vrid=51, priority=first),
                "two": database(family, vrid=52, priority=second, addresses=[family.vip_prefix(1), family.vip_prefix(2)])}
    a = Agent(lab["a"], routers(150, 100)).start(wait=False)
    b = Agent(lab["b"], routers(100, 150)).start(wait=False)
    for agent in (a, b):
        agent.wait_ready()
    a.wait_state("master", name="one")
    b.wait_state("master", name="two")
    b.wait_state("backup", name="one")
    assert [one_holder(lab, family.vip(index)) for index in (0, 1, 2)] == ["a", "b", "b"]
    lab.cut("b")
    a.wait_state("master", name="two")
    assert {family.vip(index) for index in (0, 1, 2)} <= set(lab["a"].addresses())


@pytest.mark.parametrize("stranger", [52, 1])
def test_adverts_of_another_vrid_are_nothing_to_us(lab, family, stranger):
    a = Agent(lab["a"], {"database": database(family)}).start()
    a.wait_state("master")
    Peer(lab["c"], family, vrid=stranger, priority=254).start()
    stays(lambda: a.state() == "master", 1.5, "another election")
