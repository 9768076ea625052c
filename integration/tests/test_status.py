"""Asking the agent: the status socket with curl, `vipd status` and its exit codes, `vipd watch`, `disable` and `enable`."""

import grp
import json
import os
import re
import signal
import socket
import stat
import subprocess
import time

import pytest

from agent import Agent, StatusError, binaries
from cases import database, holders, one_holder, start_pair
from lab import IPV4, stays, wait_until


def test_status_document_over_curl(lab, family):
    a, b = start_pair(lab, family)
    reply = lab["client"].run("curl", "-sS", "--unix-socket", a.socket, "http://localhost/v1/status")
    document = json.loads(reply.stdout)
    assert document["pid"] == a.process.pid and document["engine"]["state"] == "running"
    router = document["virtual-routers"][0]
    for key in ("name", "interface", "vrid", "family", "version", "state", "since", "priority", "effective-priority", "contributions",
                "faults", "preempt", "advertisement-interval-ms", "master-down-interval-ms", "local-address", "master", "addresses",
                "last-transition", "statistics", "checks"):
        assert key in router, key
    assert (router["state"], router["family"], router["vrid"]) == ("master", str(family), 51)
    assert router["local-address"] == lab["a"].source(family)
    assert router["master-down-interval-ms"] == pytest.approx(3 * 200 + (256 - 150) * 200 / 256, abs=1)
    assert router["statistics"]["advertisement-sent"] > 0
    wait_until(lambda: b.router()["last-advert-heard-ms-ago"] is not None, 5, "b has heard a")
    backup = b.router()
    assert 0 <= backup["last-advert-heard-ms-ago"] < 5000
    one = lab["client"].run("curl", "-sS", "--unix-socket", a.socket, "http://localhost/v1/status/database")
    assert json.loads(one.stdout)["name"] == "database"


def test_an_unknown_name_is_answered_with_the_nearest(lab):
    a = Agent(lab["a"], {"database": database(IPV4)}).start()
    with pytest.raises(StatusError) as error:
        a.status("databse")
    assert error.value.code == 404 and "database" in error.value.document["error"]
    result = a.cli("status", "databse")
    assert result.returncode == 2 and "database" in result.stderr and len(result.stderr.strip().splitlines()) == 1


def test_status_text_answers_the_questions(lab, family):
    a, b = start_pair(lab, family)
    text = a.cli("status").stdout
    for expected in ("database", "master", "eth0", "150", family.vip(), "master-silent", lab["a"].source(family)):
        assert expected in text, f"{expected} in:\n{text}"
    wait_until(lambda: b.router()["master"], 5, "b knows its master")
    text = b.cli("status", "database").stdout
    for expected in ("backup", "100", lab["a"].source(family)):
        assert expected in text, f"{expected} in:\n{text}"


def test_status_json_is_the_document(lab):
    a = Agent(lab["a"], {"database": database(IPV4)}).start()
    a.wait_state("master")
    document = json.loads(a.cli("status", "--json").stdout)
    routers = document["virtual-routers"] if isinstance(document, dict) else document
    assert routers[0]["name"] == "database" and routers[0]["state"] == "master"


def test_status_is_answers_scripts(lab):
    a, b = start_pair(lab, IPV4)
    assert a.cli("status", "database", "--is", "master").returncode == 0
    assert b.cli("status", "database", "--is", "master").returncode == 1
    assert b.cli("status", "database", "--is", "backup").returncode == 0
    assert a.cli("status", "database", "--is", "nonsense").returncode == 64


def test_status_without_an_agent_is_one_clear_line(lab):
    a = Agent(lab["a"], {"database": database(IPV4)})
    for words in (("status",), ("status", "database", "--is", "master"), ("reload",), ("disable", "database"), ("watch",)):
        result = a.cli(*words)
        assert result.returncode == 2, words
        assert len(result.stderr.strip().splitlines()) == 1 and str(a.socket) in result.stderr, result.stderr


def test_status_without_permission_is_one_clear_line(lab):
    a = Agent(lab["a"], {"database": database(IPV4)}).start()
    result = a.cli("status", prefix=("setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups"))
    assert result.returncode == 2 and "ermission" in result.stderr and len(result.stderr.strip().splitlines()) == 1


def test_mode_and_group_of_the_socket(lab):
    a = Agent(lab["a"], {"database": database(IPV4)})
    assert_mode(a, lab, None, 0o660, 0)
    a.write(a.routers, status_socket={"path": str(a.socket), "mode": "0600", "group": "adm"})
    assert_mode(a, lab, None, 0o600, grp.getgrnam("adm").gr_gid)


def assert_mode(agent, lab, _, mode, group):
    agent.start()
    found = agent.socket.stat()
    assert stat.S_ISSOCK(found.st_mode) and stat.S_IMODE(found.st_mode) == mode and found.st_gid == group
    agent.stop()
    assert not agent.socket.exists(), "the socket is removed at the end"


def test_a_stopped_engine_is_unknown_not_healthy(lab):
    """The engine hangs: until it is replaced nobody is told that it is master."""
    a, b = start_pair(lab, IPV4)
    engine = a.engine_pid
    os.kill(engine, signal.SIGSTOP)
    try:
        seen = wait_until(lambda: a.state() == "unknown" or a.status()["engine"]["pid"] != engine, 20, "unknown, or a new engine")
        if a.state() == "unknown":
            result = a.cli("status", "database", "--is", "master")
            assert result.returncode == 2 and "unknown since" in result.stdout + result.stderr
        assert seen
    finally:
        try:
            os.kill(engine, signal.SIGCONT)
        except ProcessLookupError:
            pass
    one_holder(lab, IPV4.vip(), timeout=15)


def test_watch_follows_transitions(lab, family):
    a, b = start_pair(lab, family)
    logs = {}
    for name, extra in (("text", []), ("json", ["--json"])):
        logs[name] = lab.directory / f"watch-{name}"
        lab["b"].popen(binaries() / "vipd", "watch", *extra, "--socket", b.socket, stdout=open(logs[name], "wb"), stderr=subprocess.STDOUT)
    time.sleep(0.5)
    lab.cut("a")
    b.wait_state("master")
    wait_until(lambda: "master-silent" in logs["text"].read_text() and "database" in logs["text"].read_text(), 5, "text")
    wait_until(lambda: "master-silent" in logs["json"].read_text(), 5, "json")
    items = [json.loads(line) for line in logs["json"].read_text().splitlines()]
    moved = [item for item in items if item.get("type") == "transition" and item["to"] == "master"]
    assert moved and moved[0]["router"] == "database" and moved[0]["cause"] == "master-silent"
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", moved[0]["at"])


def test_events_are_a_stream_of_lines(lab):
    a, b = start_pair(lab, IPV4)
    events = b.events()
    lab.cut("a")
    b.wait_state("master")
    lab.heal()
    b.wait_state("backup")
    wait_until(lambda: events.states() == ["master", "resigning", "backup"], 5, lambda: events.items)
    assert [item["cause"] for item in events.transitions()] == ["master-silent", "higher-priority", "higher-priority"]
    wait_until(lambda: any(item.get("type") == "alive" for item in events.items), 8, "a line every 5 s")


def test_disable_and_enable(lab, family):
    a, b = start_pair(lab, family)
    assert a.cli("disable", "database").returncode == 0
    a.wait_state("disabled")
    b.wait_state("master")
    assert b.cause() == "master-resigned"
    assert one_holder(lab, family.vip()) == "b"
    lab.cut("b")
    stays(lambda: a.state() == "disabled", 1.5, "it stays out, even when nobody is left")
    lab.heal()
    assert a.cli("enable", "database").returncode == 0
    a.wait_state("master")
    assert a.cause() == "preempted-lower" or a.cause() == "master-silent"
    assert one_holder(lab, family.vip()) == "a"


def test_disable_holds_across_restart_and_reload(lab):
    a, b = start_pair(lab, IPV4)
    a.cli("disable", "database")
    a.wait_state("disabled")
    a.reload()
    assert a.state() == "disabled"
    a.stop()
    a.start()
    stays(lambda: a.state() in ("disabled", None), 1.5, "still disabled")
    assert a.state() == "disabled" and holders(lab, IPV4.vip()) == ["b"]
    a.kill_engine()
    wait_until(lambda: a.status()["engine"]["restarts"] == 1 and a.state() == "disabled", 10, "a new engine knows")
    a.cli("enable", "database")
    a.wait_state("master")
    a.stop()
    a.start()
    a.wait_state("master")


def test_disable_of_an_unknown_router(lab):
    a = Agent(lab["a"], {"database": database(IPV4)}).start()
    result = a.cli("disable", "databse")
    assert result.returncode == 2 and "database" in result.stderr


def test_usage_errors(lab):
    assert lab["a"].run(binaries() / "vipd", "nonsense", check=False).returncode == 64
    assert lab["a"].run(binaries() / "vipd", "status", "--nonsense", check=False).returncode == 64


def test_a_broken_client_does_not_disturb(lab):
    """Half a request, a client that never reads its events, and rubbish."""
    a = Agent(lab["a"], {"database": database(IPV4)}).start()
    a.wait_state("master")
    open_sockets = []
    for octets in (b"GET /v1/st", b"GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n", b"\xff\xfe\r\n\r\n" * 100, b"GET /" + b"x" * 100_000):
        link = socket.socket(socket.AF_UNIX)
        link.connect(str(a.socket))
        try:
            link.send(octets)
        except OSError:
            pass
        open_sockets.append(link)
    for _ in range(20):
        assert a.state() == "master"
    for link in open_sockets:
        link.close()
    assert a.request("GET", "/v1/status")["engine"]["restarts"] == 0
    with pytest.raises(StatusError) as error:
        a.request("GET", "/v1/nonsense")
    assert error.value.code == 404 and error.value.document["error"]
