"""The agent as a service: the notify protocol, capabilities, the engine's two threads, log lines, what is left of it afterwards."""

import os
import re
import signal
import socket
import threading
import time

import pytest

from agent import Agent, binaries
from cases import database, holders, start_pair, without_a_gap
from lab import IPV4, wait_until


class Notifications:
    """A notify socket as systemd's: the datagrams in order."""

    def __init__(self, lab):
        self.path = str(lab.directory / "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.texts = []
        threading.Thread(target=self._read, daemon=True).start()
        lab.finalizers.append(self.socket.close)

    def _read(self):
        try:
            while True:
                self.texts.append(self.socket.recv(4096).decode())
        except OSError:
            return

    def has(self, line):
        return any(line in text.splitlines() for text in list(self.texts))

    def matching(self, start):
        return [line for text in list(self.texts) for line in text.splitlines() if line.startswith(start)]


def test_the_service_manager_is_told(lab):
    notify = Notifications(lab)
    a = Agent(lab["a"], {"database": database(IPV4)}).start(NOTIFY_SOCKET=notify.path, WATCHDOG_USEC="1000000")
    wait_until(lambda: notify.has("READY=1"), 10, "READY")
    a.wait_state("master")
    wait_until(lambda: any("master" in line for line in notify.matching("STATUS=")), 5, "the status text names the state")
    wait_until(lambda: len(notify.matching("WATCHDOG=1")) > 2, 5, "the watchdog is fed")
    a.process.send_signal(signal.SIGHUP)
    wait_until(lambda: notify.has("RELOADING=1"), 5, "RELOADING")
    assert notify.matching("MONOTONIC_USEC="), "Type=notify-reload wants the time"
    wait_until(lambda: len(notify.matching("READY=1")) == 2, 5, "READY again")
    a.stop()
    wait_until(lambda: notify.has("STOPPING=1"), 5, "STOPPING")


@pytest.mark.parametrize("missing", ["net_raw", "net_admin,-net_raw"])
def test_without_capabilities_the_router_is_in_fault_and_says_what_was_refused(lab, family, missing):
    """The agent runs and answers, so that `vipd status` can tell; it serves nothing and another host does."""
    a = Agent(lab["a"], {"database": database(family, priority=150)})
    a.start(prefix=("setpriv", "--bounding-set", f"-{missing}", "--inh-caps", f"-{missing}"))
    router = a.wait_state("fault")
    assert [fault["fault"] for fault in router["faults"]] == ["socket"], router["faults"]
    clear = "the advert sockets cannot be opened: Operation not permitted (needs CAP_NET_RAW)"
    assert router["faults"][0]["text"].startswith(clear), router["faults"]
    assert any("to=fault" in line and "router=database" in line and clear in line for line in a.log().splitlines()), a.log()
    assert clear in a.cli("status").stdout
    b = Agent(lab["b"], {"database": database(family)}).start()
    b.wait_state("master")
    assert a.process.poll() is None and a.status()["engine"]["restarts"] == 0
    assert a.state() == "fault" and holders(lab, family.vip()) == ["b"]


def test_without_the_capability_to_set_addresses_the_router_is_in_fault(lab, family):
    a = Agent(lab["a"], {"database": database(family)})
    a.start(prefix=("setpriv", "--bounding-set", "-net_admin", "--inh-caps", "-net_admin"))
    router = a.wait_state("fault")
    assert "not permitted (needs CAP_NET_ADMIN)" in router["faults"][0]["text"], router["faults"]
    assert a.process.poll() is None and not lab["a"].has(family.vip())


def test_the_engine_is_a_loop_and_threads_for_leases_and_resets_with_two_capabilities(lab):
    a = Agent(lab["a"], {"database": database(IPV4)}).start()
    a.wait_state("master")
    engine = a.engine_pid
    threads = {}
    for thread in os.listdir(f"/proc/{engine}/task"):
        with open(f"/proc/{engine}/task/{thread}/comm", encoding="ascii") as file:
            threads[int(thread)] = file.read().strip()
    assert sorted(threads.values()) == ["lease", "reset", "vipd-engine"] and threads[engine] == "vipd-engine"
    with open(f"/proc/{engine}/status", encoding="ascii") as file:
        status = dict(line.split(":\t", 1) for line in file.read().splitlines() if ":\t" in line)
    net_admin, net_raw = 1 << 12, 1 << 13
    for which in ("CapEff", "CapPrm", "CapBnd"):
        assert int(status[which], 16) == net_admin | net_raw, f"{which} {status[which]}"
    for which in ("CapInh", "CapAmb"):
        assert int(status[which], 16) == 0, f"{which} {status[which]}"
    assert status["NoNewPrivs"] == "1"
    with open(f"/proc/{a.process.pid}/status", encoding="ascii") as file:
        assert "NoNewPrivs:\t0" in file.read(), "checks and hooks are the supervisor's children and may need setuid programs"


def test_the_memory_of_the_engine_is_locked(lab):
    a = Agent(lab["a"], {"database": database(IPV4)}).start()
    with open(f"/proc/{a.engine_pid}/status", encoding="ascii") as file:
        locked = next(line for line in file if line.startswith("VmLck:"))
    assert int(locked.split()[1]) > 0


def test_the_engine_carries_no_foundation_and_no_nio(lab):
    symbols = lab["a"].run("nm", "-a", binaries() / "vipd-engine", check=False).stdout
    octets = (binaries() / "vipd-engine").read_bytes()
    for name in ("FoundationEssentials", "NIOPosix", "NIOCore", "libdispatch"):
        assert name not in symbols and name.encode() not in octets, name


def test_log_lines_are_keys_and_values_with_priorities(lab):
    a = Agent(lab["a"], {"database": database(IPV4)})
    a.log_file.touch()
    stream = a.log_file.stat()
    a.start(JOURNAL_STREAM=f"{stream.st_dev}:{stream.st_ino}")
    a.wait_state("master")
    a.stop()
    lines = a.log().splitlines()
    assert lines and all(re.match(r"<[0-7]>event=[a-z-]+( [a-z-]+=(\S+|\".*\"))*$", line) for line in lines), lines
    moved = next(line for line in lines if "to=master" in line)
    for pair in ("router=database", "from=backup", "cause=master-silent"):
        assert pair in moved, moved


def test_nothing_is_left_after_a_stop(lab, family):
    before = lab["a"].addresses()
    a = Agent(lab["a"], {"database": database(family)}).start()
    a.wait_state("master")
    engine = a.engine_pid
    assert a.stop() == 0
    assert not os.path.exists(f"/proc/{engine}") and sorted(lab["a"].addresses()) == sorted(before)


def test_a_second_agent_on_the_same_socket_is_refused(lab):
    a = Agent(lab["a"], {"database": database(IPV4)}).start()
    a.wait_state("master")
    again = lab["a"].run(binaries() / "vipd", "run", "--config", a.file, check=False)
    assert again.returncode not in (0,) and str(a.socket) in again.stderr
    assert a.state() == "master" and lab["a"].has(IPV4.vip())


def test_a_log_nobody_reads_delays_nothing(lab):
    """stderr is a full pipe: adverts go on (promise 4)."""
    a = Agent(lab["a"], {"database": database(IPV4)})
    read, write = os.pipe()
    environment = {**os.environ, "SWIFT_BACKTRACE": "enable=no"}
    a.process = lab["a"].popen(binaries() / "vipd", "run", "--config", a.file, stdout=write, stderr=write, env=environment)
    os.close(write)
    try:
        a.wait_ready()
        a.wait_state("master")

        def hangups():
            for _ in range(400):
                a.process.send_signal(signal.SIGHUP)
                time.sleep(0.005)
        without_a_gap(lab, hangups)
    finally:
        os.close(read)


def test_the_engine_survives_a_stopped_supervisor(lab, family):
    a, b = start_pair(lab, family)
    os.kill(a.process.pid, signal.SIGSTOP)
    try:
        without_a_gap(lab, more=15)
        assert b.state() == "backup"
    finally:
        os.kill(a.process.pid, signal.SIGCONT)
    wait_until(lambda: a.state() == "master", 10, "the supervisor is back")
