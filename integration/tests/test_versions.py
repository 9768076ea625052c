"""Versions 2 and 3 together (RFC 9568 section 8.4): what is sent, and elections with routers that speak only one of them."""

import subprocess

import pytest

from agent import Agent, binaries
from cases import database, gaps, in_attempts, one_holder
from lab import IPV4, stays, wait_until
from wire import Capture, Peer

BOTH = {"version": "both", "advertisement_interval": "1s"}
ONLY_2 = {"version": 2, "advertisement_interval": "1s"}


def test_both_kinds_go_out_at_the_configured_rate(lab):
    a = Agent(lab["a"], {"database": database(IPV4, version="both", advertisement_interval="500ms", password="old")}).start()
    a.wait_state("master")
    captures = []

    def attempt():
        capture = Capture(lab["client"])
        captures.append(capture)
        wait_until(lambda: len(capture.adverts()) >= 12, 10, "adverts")
        kinds = {version: [advert for advert in capture.adverts() if advert.version == version] for version in (2, 3)}
        assert abs(len(kinds[2]) - len(kinds[3])) <= 1
        for adverts in kinds.values():
            assert all(0.4 < gap < 0.6 for gap in gaps(adverts)), gaps(adverts)
        assert {advert.interval for advert in kinds[2]} == {1} and {advert.interval for advert in kinds[3]} == {50}
        assert {advert.authentication for advert in kinds[2]} == {b"old\0\0\0\0\0"}
        assert all(advert.form == "message" and advert.addresses == [IPV4.vip()] for advert in capture.adverts())
    in_attempts(attempt)
    rows = captures[-1].tshark("vrrp.version", "vrrp.prio", "vrrp.checksum.status")
    assert {tuple(row) for row in rows} == {("2", "100", "1"), ("3", "100", "1")}
    assert not captures[-1].tshark("frame.number", display="_ws.malformed")
    assert a.router()["also-version-2"] is True
    assert "versions 3 and 2" in a.cli("status").stdout


def test_it_is_warned_of(lab):
    a = Agent(lab["a"], {"database": database(IPV4, version="both", advertisement_interval="500ms")})
    result = subprocess.run([binaries() / "vipd", "check", a.file], capture_output=True, text=True, timeout=20, check=False)
    lines = (result.stdout + result.stderr).splitlines()
    assert result.returncode == 0 and len(lines) == 2 and all(f"{a.file}:" in line and "warning:" in line for line in lines), lines
    assert "migration" in lines[0] + lines[1] and "whole seconds" in lines[0] + lines[1]
    a.start()
    logged = [line for line in a.log().splitlines() if "event=configuration-warning" in line and "level=warning" in line]
    assert len(logged) == 2, a.log()


@pytest.mark.parametrize("first, second", [(BOTH, ONLY_2), (ONLY_2, BOTH)], ids=["both-leads", "version-2-leads"])
def test_a_version_2_router_and_one_of_both(lab, first, second):
    a = Agent(lab["a"], {"database": database(IPV4, priority=150, **first)}).start()
    b = Agent(lab["b"], {"database": database(IPV4, **second)}).start()
    a.wait_state("master")
    b.wait_state("backup")
    wait_until(lambda: (b.router()["master"] or {}).get("address") == lab["a"].address(IPV4), 5, "b knows its master")
    stays(lambda: a.state() == "master" and b.state() == "backup", 4.5, "longer than a master-down interval")
    a.stop()
    b.wait_state("master", timeout=8)
    a.start()
    a.wait_state("master", timeout=8)
    b.wait_state("backup")
    assert one_holder(lab, IPV4.vip()) == "a"
    only_2 = a if first is ONLY_2 else b
    heard = only_2.router()["statistics"]
    assert heard["version-errors"] > 0, "the version 3 adverts are none of its own"
    named = only_2.router()["differences"]
    assert [item["kind"] for item in named] == ["version"] and named[0]["peer-value"] == "3" and named[0]["own-value"] == "2"


def test_a_version_3_router_and_one_of_both(lab):
    a = Agent(lab["a"], {"database": database(IPV4, priority=150, version="both")}).start()
    b = Agent(lab["b"], {"database": database(IPV4)}).start()
    a.wait_state("master")
    b.wait_state("backup")
    stays(lambda: a.state() == "master" and b.state() == "backup", 1.5, "one master")
    a.stop()
    b.wait_state("master")
    assert one_holder(lab, IPV4.vip()) == "b"


def test_a_version_2_master_is_waited_for_by_its_own_rate(lab):
    """IO-05, and IO-06 for one that sends both."""
    a = Agent(lab["a"], {"database": database(IPV4, version="both")}).start()
    peer = Peer(lab["c"], IPV4, priority=200, version=2, interval=2)
    peer.send()
    wait_until(lambda: a.router()["master"], 5, "the peer is heard")
    assert a.router()["master-down-interval"] == pytest.approx(600 + 200 * 156 / 256, abs=1)
    a.wait_state("master", timeout=12)
    peer.send(version=3, interval=20)
    a.wait_state("backup")
    peer.send(version=3, interval=20)
    peer.send()
    wait_until(lambda: a.statistic("twin-advertisements") == 1, 5, "the twin is counted")
    assert a.router()["master-down-interval"] < 100, "and teaches nothing"


def test_a_migration_needs_no_transition(lab):
    """3 to both and back by reloads: the master stays, and version 2 comes and goes."""
    a = Agent(lab["a"], {"database": database(IPV4)}).start()
    a.wait_state("master")
    moves = a.events()
    for version in ("both", 3):
        a.change(version=version)
        a.reload()
        capture = Capture(lab["client"])
        wait_until(lambda: len(capture.adverts()) >= 6, 5, "adverts go on")
        assert {advert.version for advert in capture.adverts()} == ({2, 3} if version == "both" else {3})
    assert not moves.transitions() and a.state() == "master"
