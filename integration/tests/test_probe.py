"""`vipd probe`, judged against scripted responders that it cannot know, and during a real failover."""

import json
import subprocess
import threading
import time

from agent import binaries
from cases import start_pair
from wire import Capture, Responder

FIRST, SECOND = "02:00:00:00:77:01", "02:00:00:00:77:02"


def probe(host, address, *options, timeout=30):
    """Runs to its end; (exit status, what it printed)."""
    result = host.run(binaries() / "vipd", "probe", address, *options, check=False, timeout=timeout)
    return result.returncode, result.stdout + result.stderr


def records(text, kind=None):
    found = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    return [item for item in found if kind in (None, item["type"])]


def test_probe_says_who_answers(lab, family):
    Responder(lab["a"], family.address(77), FIRST)
    code, text = probe(lab["client"], family.address(77), "--count", "10", "--interval", "50ms")
    assert code == 0 and FIRST in text and family.address(77) in text
    code, text = probe(lab["client"], family.address(77), "--count", "10", "--interval", "50ms", "--json")
    summary = records(text, "summary")[0]
    assert code == 0 and (summary["sent"], summary["answered"]) == (10, 10), text
    assert [item["hardware-address"] for item in records(text, "holder")] == [FIRST]


def test_probe_of_an_address_that_nobody_has(lab, family):
    code, text = probe(lab["client"], family.address(78), "--count", "5", "--interval", "50ms", "--json")
    assert code == 1
    assert (records(text, "summary")[0]["answered"], records(text, "summary")[0]["sent"]) == (0, 5), text


def test_probe_sees_gap_change_and_double_answer(lab, family):
    """First answers, then nobody for 0.6 s, then second, then both for 0.6 s."""
    one, two = Responder(lab["a"], family.address(77), FIRST), Responder(lab["b"], family.address(77), SECOND)
    two.answering = False
    outcome = {}
    thread = threading.Thread(target=lambda: outcome.update(result=probe(
        lab["client"], family.address(77), "--for", "4s", "--interval", "20ms", "--json")))
    thread.start()
    time.sleep(1)
    one.answering = False
    time.sleep(0.6)
    two.answering = True
    time.sleep(0.8)
    one.answering = True
    time.sleep(0.6)
    one.answering = False
    thread.join()
    code, text = outcome["result"]
    assert code == 0
    gap = max(records(text, "gap"), key=lambda item: item["length-ms"])
    assert 450 < gap["length-ms"] < 900 and gap["over"], text
    assert any((item["from"], item["to"]) == (FIRST, SECOND) for item in records(text, "change")), text
    overlap = max(records(text, "overlap"), key=lambda item: item["length-ms"])
    assert 400 < overlap["length-ms"] < 900, text
    assert any(set(item["hardware-addresses"]) == {FIRST, SECOND} for item in records(text, "double")), text
    summary = records(text, "summary")[0]
    assert summary["longest-gap-ms"] == gap["length-ms"] and summary["overlaps"] >= 1


def test_probes_fill_no_cache(lab, family):
    """A probe must not teach anybody a mapping: the ARP sender address is 0, the solicitation comes from ::."""
    Responder(lab["a"], family.address(77), FIRST)
    capture = Capture(lab["a"])
    probe(lab["client"], family.address(77), "--count", "3", "--interval", "50ms")
    from scapy.layers.inet6 import ICMPv6ND_NS, IPv6
    from scapy.layers.l2 import ARP
    for frame in capture.frames():
        if ARP in frame and frame[ARP].op == 1 and frame[ARP].pdst == family.address(77):
            assert frame[ARP].psrc == "0.0.0.0"
        if ICMPv6ND_NS in frame and frame[ICMPv6ND_NS].tgt == family.address(77):
            assert frame[IPv6].src == "::" or lab["client"].mac not in (lab["a"].neighbour(frame[IPv6].src) or "")


def test_probe_follows_a_failover(lab, family):
    start_pair(lab, family)
    process = lab["client"].popen(binaries() / "vipd", "probe", family.vip(), "--for", "4s", "--interval", "20ms", "--json",
                                  stdout=subprocess.PIPE, text=True)
    time.sleep(1)
    lab.cut("a")
    text, _ = process.communicate(timeout=20)
    changes = [(item["from"], item["to"]) for item in records(text, "change")]
    assert changes == [(lab["a"].mac, lab["b"].mac)], text
    gap = max(records(text, "gap"), key=lambda item: item["length-ms"])
    assert 400 < gap["length-ms"] < 2500, "about the master-down interval (722 ms)"
    assert not records(text, "double"), text


def test_probe_ends_when_told(lab, family):
    process = lab["client"].popen(binaries() / "vipd", "probe", family.address(77), stdout=subprocess.PIPE, text=True)
    time.sleep(0.5)
    process.terminate()
    text, _ = process.communicate(timeout=10)
    assert "0 answered" in text or "answered" in text


def test_probe_without_permission_is_one_clear_line(lab, family):
    result = lab["client"].run("setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups", binaries() / "vipd", "probe",
                               family.address(77), "--count", "1", check=False)
    assert result.returncode == 2 and len(result.stderr.strip().splitlines()) == 1, result.stderr
