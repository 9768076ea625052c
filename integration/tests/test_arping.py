"""`vipd arping`, judged by scripted responders, by captures, and beside the arping(8) that people know."""

import json
import time

import pytest

from agent import Agent, binaries
from cases import database
from lab import IPV4, wait_until
from wire import Capture, Responder, announce

FIRST, SECOND = "02:00:00:00:77:01", "02:00:00:00:77:02"


def arping(host, address, *options, timeout=30):
    """Runs to its end; (exit status, what it printed)."""
    result = host.run(binaries() / "vipd", "arping", address, *options, check=False, timeout=timeout)
    return result.returncode, result.stdout + result.stderr


def summary(text):
    return json.loads(text.splitlines()[-1])


def test_it_says_who_has_an_address_and_how_fast_it_answered(lab, family):
    Responder(lab["a"], family.address(77), FIRST)
    code, text = arping(lab["client"], family.address(77), "--count", "2", "--interval", "200ms")
    assert code == 0 and text.count(f"{family.address(77)} is at {FIRST} (") == 2, text
    assert text.splitlines()[-1] == f"2 requests on eth0: {family.address(77)} is at {FIRST}"
    if not family.ipv6:
        other = lab["client"].run("arping", "-c", "1", "-i", "eth0", family.address(77), check=False)
        assert other.returncode == 0 and FIRST in other.stdout, other
    code, text = arping(lab["client"], family.address(77), "--count", "2", "--interval", "200ms", "--json")
    answers = [json.loads(line) for line in text.splitlines()[:-1]]
    assert [(item["type"], item["hardware-address"]) for item in answers] == [("answer", FIRST)] * 2
    assert all(0 < item["after-ms"] < 200 for item in answers)
    assert summary(text) == {"type": "summary", "address": family.address(77), "interface": "eth0", "sent": 2, "in-use": True,
                             "holders": [{"hardware-address": FIRST, "answers": 2}]}


def test_an_address_that_two_hosts_have_stands_out(lab, family):
    Responder(lab["a"], family.address(77), FIRST)
    Responder(lab["b"], family.address(77), SECOND)
    code, text = arping(lab["client"], family.address(77), "--count", "1", "--interval", "300ms")
    assert code == 0 and FIRST in text and SECOND in text
    assert text.count("MORE THAN ONE HAS IT") == 1


def test_an_address_that_nobody_has(lab, family):
    code, text = arping(lab["client"], family.address(78), "--count", "2", "--interval", "100ms")
    assert code == 1 and f"nobody has {family.address(78)}" in text


def test_asking_leaves_no_trace_in_any_cache(lab, family):
    Responder(lab["a"], family.address(77), FIRST)
    lab["a"].run("ip", "neighbour", "flush", "dev", "eth0")
    arping(lab["client"], family.address(77), "--count", "2", "--interval", "100ms")
    assert lab["client"].neighbour(family.address(77)) is None
    if not family.ipv6:  # a solicitation tells who asks, as RFC 4861 wants it
        assert lab["a"].neighbour(lab["client"].address(family)) is None


def test_a_check_follows_the_standard(lab, family):
    capture = Capture(lab["b"])
    begin = time.monotonic()
    code, text = arping(lab["client"], family.address(78), "--check")
    took = time.monotonic() - begin
    assert code == 0 and f"{family.address(78)} is free on eth0" in text, text
    if family.ipv6:
        assert 1 <= took < 3
        rows = capture.tshark("ipv6.src", "icmpv6.nd.ns.target_address", display=f"icmpv6.type == 135 && icmpv6.nd.ns.target_address == {family.address(78)}")
        assert rows == [["::", family.address(78)]]
        return
    assert 4 <= took < 9
    rows = capture.tshark("frame.time_relative", "arp.src.proto_ipv4", "arp.dst.hw_mac",
                          display=f"arp.opcode == 1 && arp.dst.proto_ipv4 == {family.address(78)}")
    assert len(rows) == 3 and all(row[1:] == ["0.0.0.0", "00:00:00:00:00:00"] for row in rows), rows
    gaps = [float(later[0]) - float(earlier[0]) for earlier, later in zip(rows, rows[1:])]
    assert all(1 <= gap <= 2.1 for gap in gaps), gaps


def test_a_check_of_an_address_in_use_ends_with_the_first_answer(lab, family):
    Responder(lab["a"], family.address(77), FIRST)
    code, text = arping(lab["client"], family.address(77), "--check", "--interval", "1s")
    assert code == 1 and f"{family.address(77)} is in use on eth0, by {FIRST}" in text
    code, text = arping(lab["client"], family.address(77), "--check", "--interval", "1s", "--json")
    assert code == 1 and summary(text)["in-use"] is True and summary(text)["sent"] == 1


def test_a_check_hears_who_claims_the_address_without_being_asked(lab, family):
    process = lab["client"].popen(binaries() / "vipd", "arping", family.address(79), "--check", "--count", "5", "--interval", "1s")
    time.sleep(0.5)
    announce(lab["a"], family.address(79), FIRST)
    assert process.wait(5) == 1


def test_an_address_of_this_host_can_be_announced_and_no_other(lab, family):
    client, host = lab["client"], lab["a"]
    host.run("ip", "address", "add", family.vip_prefix(), "dev", "eth0", *(["nodad"] if family.ipv6 else []))
    wait_until(lambda: client.ping(family.vip()), 5, "the client reaches it")
    announce(lab["b"], family.vip(), SECOND)
    wait_until(lambda: client.neighbour(family.vip()) == SECOND, 5, "the client believes somebody else")
    code, text = arping(host, family.vip(), "--announce", "--count", "1")
    assert code == 0 and text.strip() == f"1 announcement on eth0: {family.vip()} is at {host.mac}"
    wait_until(lambda: client.neighbour(family.vip()) == host.mac, 5, "the client knows better")
    code, text = arping(host, family.address(78), "--announce")
    assert code == 2 and "is not on this host" in text


def test_it_finds_the_master_of_a_running_pair(lab, family):
    Agent(lab["a"], {"database": database(family)}).start().wait_state("master")
    code, text = arping(lab["client"], family.vip(), "--count", "1", "--interval", "200ms")
    assert code == 0 and lab["a"].mac in text
    code, text = arping(lab["a"], family.vip())
    assert code == 2 and "is on this host itself" in text


@pytest.mark.parametrize("options, words", [
    (("--check", "--announce"), "exclude each other"), (("--count", "0"), "--count must be from 1 to 1000"),
    (("--interval", "0ms"), "--interval must be from 1ms to 1h"), (("--interface", "none"), "there is no interface none"),
])
def test_wrong_use_is_refused(lab, options, words):
    code, text = arping(lab["client"], IPV4.address(77), *options)
    assert code in (2, 64) and words in text
