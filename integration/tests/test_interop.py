"""Beside other implementations, Debian's keepalived and FRR: each side as master and as backup, in every version and family.

Every case asks both sides what they think they are, asks the segment who answers, and looks at the client's neighbour entry. What only one
of the two can do is in test_keepalived.py and test_frr.py.
"""

from dataclasses import dataclass

import pytest

from agent import Agent
from cases import follows, in_attempts
from frr import Frr
from interop import counterpart, is_ours, settled
from keepalived import Keepalived
from lab import IPV4, IPV6, Family, wait_until
from wire import Capture, wait_for_advert


@dataclass(frozen=True)
class Kind:
    """Which program, which version, which family."""

    program: type
    version: int
    family: Family

    def __str__(self):
        return f"{self.program.name}-v{self.version}-{self.family}"

    @property
    def interval(self):
        """Seconds; version 2 has whole ones only."""
        return 1 if self.version == 2 else 0.2

    @property
    def understood(self):
        """What makes ours understood from its first advert: both programs insist on a pseudo-header in version 3 over IPv4."""
        return {"checksum": "pseudo-header"} if self.version == 3 and not self.family.ipv6 else {}

    def ours(self, host, **values):
        """Our agent, not started."""
        return Agent(host, {"database": counterpart(self.family, self.version, **values)})

    def theirs(self, host, **options):
        """The other program, not started."""
        return self.program(host, self.family, **{"version": self.version, "interval": self.interval, **options})


KINDS = [Kind(program, version, family) for program in (Keepalived, Frr) for version, family in ((2, IPV4), (3, IPV4), (3, IPV6))]
VERSION_3 = [kind for kind in KINDS if kind.version == 3]
every_kind = pytest.mark.parametrize("kind", KINDS, ids=str)
every_kind_of_version_3 = pytest.mark.parametrize("kind", VERSION_3, ids=str)


@pytest.fixture
def lab(make_lab):
    return make_lab(hosts=("a", "b"), clients=("client", "asker"))


def resigned(capture, kind, gone, successor):
    """Fails unless `gone` said goodbye, and its successor did not wait longer than the skew time allows."""
    adverts = capture.adverts()
    zero = next(advert for advert in reversed(adverts) if advert.priority == 0)
    follower = wait_until(lambda: [advert for advert in capture.adverts() if advert.time > zero.time and advert.priority], 5, "the successor")[0]
    assert zero.source != follower.source, f"{gone.host.name} resigned, {successor.host.name} follows"
    assert follower.time - zero.time < 3 * kind.interval, "the skew time, not the master-down interval"


def silent(lab, kind, first, second, announced=True):
    """Cuts off the host of the master, as if it had lost power, and plugs it in again: it was master all the time. (A killed program would leave
    the address on the host.)"""
    lab.cut(first.host.name)
    settled(lab, kind.family, second)
    if is_ours(second):
        assert second.cause() == "master-silent"
    assert first.state() == "master", "it hears nobody"
    lab.heal()
    settled(lab, kind.family, first, second, announced=announced)


@every_kind
def test_we_preempt_fall_silent_return_and_resign(lab, kind):
    """They yield without a word. If our advert comes first after the silence, we cannot know that there was another master meanwhile: our refresh
    corrects the client then. (keepalived's `higher_prio_send_advert` does so at once: test_keepalived.py.)"""
    theirs = kind.theirs(lab["b"]).start()
    theirs.wait_state("master")
    ours = kind.ours(lab["a"], priority=150, announce={"refresh": "1s"}).start()
    settled(lab, kind.family, ours, theirs)
    assert ours.cause() == "preempted-lower"
    silent(lab, kind, ours, theirs)
    capture = Capture(lab["client"])
    wait_for_advert(capture)
    assert ours.stop() == 0
    settled(lab, kind.family, theirs)
    resigned(capture, kind, ours, theirs)


@every_kind
def test_they_preempt_fall_silent_return_and_resign(lab, kind):
    """As we yield we send "priority 1", and keepalived then announces again. FRR never does; the client has to find out by itself."""
    ours = kind.ours(lab["a"]).start()
    ours.wait_state("master")
    theirs = kind.theirs(lab["b"], priority=150).start()
    settled(lab, kind.family, theirs, ours)
    assert ours.cause() == "higher-priority"
    silent(lab, kind, theirs, ours, announced=kind.program is not Frr)
    capture = Capture(lab["client"])
    wait_for_advert(capture)
    theirs.stop()
    settled(lab, kind.family, ours)
    assert ours.cause() == "master-resigned"
    resigned(capture, kind, theirs, ours)
    if kind.understood:  # the first time it did not understand us; now it hears a lower master and takes over from it
        theirs.start()
        settled(lab, kind.family, theirs, ours)
        assert theirs.heard() > 0


@every_kind_of_version_3
def test_our_no_preempt_is_kept(lab, kind):
    theirs = kind.theirs(lab["b"]).start()
    theirs.wait_state("master")
    ours = kind.ours(lab["a"], priority=150, preempt=False).start()
    settled(lab, kind.family, theirs, ours, quiet=2)
    assert ours.statistic("master-transitions") == 0
    theirs.stop()
    settled(lab, kind.family, ours)


@every_kind_of_version_3
def test_their_no_preempt_is_kept(lab, kind):
    """Over IPv4 we have to begin with the form that they understand: a program that is deaf to the master cannot leave it alone."""
    ours = kind.ours(lab["a"], **kind.understood).start()
    ours.wait_state("master")
    theirs = kind.theirs(lab["b"], priority=150, preempt=False).start()
    settled(lab, kind.family, ours, theirs, quiet=2)
    assert ours.statistic("master-transitions") == 1
    assert ours.stop() == 0
    settled(lab, kind.family, theirs)


@every_kind_of_version_3
@pytest.mark.parametrize("greater", ["ours", "theirs"])
def test_of_two_equal_masters_the_greater_address_stays(lab, kind, greater):
    """The lesser is cut off, becomes master where nobody hears it, and comes back."""
    hosts = (lab["b"], lab["a"]) if greater == "ours" else (lab["a"], lab["b"])
    ours = kind.ours(hosts[0])
    options = {}
    if kind.program is Frr and kind.family.ipv6:  # its adverts do not come from the link-local address of eth0
        options["link_local"] = "fe80::3" if greater == "ours" else "fe80::1:0:0:3"
    theirs = kind.theirs(hosts[1], **options)
    winner, loser = (ours, theirs) if greater == "ours" else (theirs, ours)
    winner.start()
    winner.wait_state("master")
    loser.start()
    settled(lab, kind.family, winner, loser)
    lab.cut(loser.host.name)
    loser.wait_state("master")
    lab.heal()
    # Our announcements of the last second may go on for a moment after the heal, and FRR does not correct them.
    settled(lab, kind.family, winner, loser, announced=not isinstance(winner, Frr))
    if greater == "theirs":
        assert ours.cause() == "greater-address"


@every_kind_of_version_3
@pytest.mark.parametrize("master", ["ours", "theirs"])
def test_a_master_of_100_ms_is_learned_and_replaced_in_time(lab, kind, master):
    """The backup is configured for one second and goes by what the master advertises."""
    fast, slow = {"priority": 150}, {"priority": 100}
    if master == "ours":
        theirs = kind.theirs(lab["b"], interval=1, **slow)
        ours = kind.ours(lab["a"], advertisement_interval="100ms", **kind.understood, **fast)
        first, second = ours, theirs
    else:
        theirs = kind.theirs(lab["b"], interval=0.1, **fast)
        ours = kind.ours(lab["a"], advertisement_interval="1s", **slow)
        first, second = theirs, ours
    first.start()
    second.start()
    first.wait_state("master")
    second.wait_state("backup")

    def steady():
        """Twenty adverts and more, and nobody takes over."""
        before = ours.statistic("master-transitions")
        settled(lab, kind.family, first, second, quiet=2)
        assert ours.statistic("master-transitions") == before
    in_attempts(steady)
    if master == "ours":
        assert theirs.learned_interval() == pytest.approx(0.1)
    else:
        assert ours.router()["master-down-interval-ms"] < 1000
    lab.cut("a" if master == "ours" else "b")
    settled(lab, kind.family, second)


@pytest.mark.parametrize("program", [Keepalived, Frr], ids=lambda program: program.name)
def test_defaults_over_ipv4_end_with_one_master(lab, program):
    """We begin with RFC 9568's checksum, which neither understands: it becomes master beside us, once. We hear it, take its form, and it hears us.
    (That we give way to a higher one with another form is the first step of test_they_preempt_fall_silent_return_and_resign.)"""
    ours = Agent(lab["a"], {"database": {"interface": "eth0", "vrid": 51, "priority": 150, "addresses": [IPV4.vip_prefix()]}})
    theirs = program(lab["b"], IPV4, interval=1)
    capture = Capture(lab["client"])
    ours.start().wait_state("master")
    assert wait_for_advert(capture, source=lab["a"].address(IPV4)).form == "message"
    follows(lab, IPV4.vip(), "a")  # so that the other's announcement misleads the client for a moment
    theirs.start()
    assert wait_for_advert(capture, timeout=8, source=lab["b"].address(IPV4)).form == "pseudo"
    settled(lab, IPV4, ours, theirs, quiet=3.5)
    assert capture.adverts(source=lab["a"].address(IPV4))[-1].form == "pseudo"
    assert ours.statistic("master-transitions") == 1, "we stayed master"
    assert len(capture.adverts(source=lab["b"].address(IPV4))) <= 2, "it was master for a moment"
