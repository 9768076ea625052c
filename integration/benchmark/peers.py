"""The agents that are measured, each as one side of a pair: the same virtual router (VRID 51, one address, priorities 150 and 100), the same
questions, the same misfortunes. How each is run is in `agent.py`, `keepalived.py` and `frr.py`; here is what the benchmark does to them.

Every agent runs with its defaults; where an agent has real-time priority only on request, the variant with it is a peer of its own.
"""

import os
import signal
import time

from agent import Agent, binaries
from cases import database
from frr import Frr
from interop import VRID
from keepalived import Keepalived
from lab import IPV4, wait_until

ROUTER = "database"
ADDED = 1  # index of the address that a reload adds


class Unsupported(Exception):
    """What this agent, or this build of it, cannot do, in a few words."""


class Side:
    """One agent on one host. `priority` decides which of the two is better."""

    name = "?"

    def __init__(self, host, interval, priority, preempt=True):
        self.host, self.interval, self.priority, self.preempt = host, interval, priority, preempt

    @property
    def mac(self):
        return self.host.mac

    def pids(self):
        """Main process first."""
        raise NotImplementedError

    def signal(self, number, only_main=False):
        """To all processes within microseconds of each other; to one that is to die with the others, after it was stopped, so that none of them
        lives to see another's death."""
        pids = self.pids()[:1] if only_main else self.pids()
        if number == signal.SIGKILL and not only_main:
            for pid in pids:
                os.kill(pid, signal.SIGSTOP)
        for pid in reversed(pids):
            os.kill(pid, number)

    def reload_with_more(self):
        raise NotImplementedError

    def handover(self):
        raise Unsupported("has no planned handover")

    def upgrade(self):
        raise Unsupported("has no upgrade in place; see restart")

    def kill_engine(self):
        raise Unsupported("has no engine apart")


class Vipd(Side):
    name = "vipd"

    def __init__(self, host, interval, priority, preempt=True):
        super().__init__(host, interval, priority, preempt)
        self.agent = Agent(host, {ROUTER: database(IPV4, priority=priority, preempt=preempt, advertisement_interval=milliseconds(interval))},
                           log_level="info")
        self.engine = None

    def start(self, wait=True):
        self.agent.start(wait=wait)
        if wait:
            self.engine = self.agent.engine_pid

    def stop(self):
        self.agent.stop()

    def state(self):
        return self.agent.state()

    def pids(self):
        self.engine = self.engine or self.agent.engine_pid
        return [self.agent.process.pid, self.engine]

    def log(self):
        return self.agent.log()

    def reload_with_more(self):
        self.agent.change(addresses=[IPV4.vip_prefix(), IPV4.vip_prefix(ADDED)])
        self.agent.reload()

    def command(self, *words):
        result = self.agent.cli(*words, timeout=60)
        if result.returncode == 64:
            raise Unsupported("not supported by this build")
        if result.returncode:
            raise AssertionError(f"vipd {' '.join(words)}: {result.returncode} {result.stdout}{result.stderr}")
        return result.stdout

    def handover(self):
        return self.command("handover", ROUTER, "--for", "10m")

    def upgrade(self):
        said = self.command("upgrade")
        self.engine = None
        return said

    def kill_engine(self):
        os.kill(self.pids()[1], signal.SIGKILL)
        self.engine = None


class _Peer(Side):
    """One of another make; `self.daemon` runs it."""

    daemon = None

    def start(self, wait=True):
        self.daemon.start()

    def stop(self):
        self.daemon.stop()

    def state(self):
        return self.daemon.state()

    def log(self):
        return self.daemon.log()


class _Daemon(Keepalived):
    head = ""

    def configuration(self):
        return self.head + super().configuration()


class KeepalivedPeer(_Peer):
    name = "keepalived"
    head = ""

    def __init__(self, host, interval, priority, preempt=True):
        super().__init__(host, interval, priority, preempt)
        self.daemon = _Daemon(host, IPV4, priority=priority, interval=interval, preempt=preempt)
        self.daemon.head = self.head

    def pids(self):
        return [self.daemon.process.pid, self.daemon.vrrp]

    def reload_with_more(self):
        self.daemon.addresses = [IPV4.vip_prefix(), IPV4.vip_prefix(ADDED)]
        self.daemon.file.write_text(self.daemon.configuration())
        self.daemon.process.send_signal(signal.SIGHUP)


class KeepalivedRealtime(KeepalivedPeer):
    name = "keepalived-rt"
    head = "global_defs {\n  vrrp_rt_priority 50\n}\n"


class FrrPeer(_Peer):
    name = "frr"

    def __init__(self, host, interval, priority, preempt=True):
        super().__init__(host, interval, priority, preempt)
        self.daemon = Frr(host, IPV4, priority=priority, interval=interval, preempt=preempt)

    @property
    def mac(self):
        return self.daemon.mac

    def pids(self):
        return [self.daemon.process.pid, self.daemon.zebra.pid]

    def reload_with_more(self):
        more = IPV4.vip_prefix(ADDED)
        self.host.ip("address", "add", more, "dev", self.daemon.device)
        self.host.run("vtysh", "--vty_socket", self.daemon.directory, "--config_dir", self.daemon.directory, "-d", "vrrpd",
                      "-c", "configure terminal", "-c", "interface eth0", "-c", f"vrrp {VRID} ip {IPV4.vip(ADDED)}")


KINDS = {kind.name: kind for kind in (Vipd, KeepalivedPeer, KeepalivedRealtime, FrrPeer)}
NAMES = ("vipd", "keepalived", "frr")


def milliseconds(interval):
    return f"{round(interval * 1000)}ms"


def wait_state(side, state, timeout):
    wait_until(lambda: side.state() == state, timeout,
               lambda: f"{side.host.name}: {side.name} is {side.state()}, not {state}\n{side.log()[-1500:]}", every=0.1)


def start_pair(lab, peer, interval, other=None):
    """`(a, b)`, settled: a (150, `peer`) is master, b (100, `other` or the same) backup, and the client knows the address at a."""
    better = KINDS[peer](lab["a"], interval, 150)
    worse = KINDS[other or peer](lab["b"], interval, 100)
    better.start()
    worse.start()
    settle(lab, better, worse)
    return better, worse


def settle(lab, master, backup=None, timeout=30):
    """Both say what they are, the client reaches the address at the master, and nothing of the start is under way any more."""
    wait_state(master, "master", timeout)
    if backup:
        wait_state(backup, "backup", timeout)
    client = lab["client"]
    wait_until(lambda: client.ping(IPV4.vip()) and client.neighbour(IPV4.vip()) == master.mac, timeout,
               lambda: f"the client has {IPV4.vip()} at {client.neighbour(IPV4.vip())}, not {master.mac}", every=0.1)
    time.sleep(0.2)


def vipd_accepts(agent):
    """Raises `Unsupported` with the first error if this build does not accept the agent's configuration."""
    result = agent.host.run(binaries() / "vipd", "check", agent.file, check=False)
    if result.returncode:
        raise Unsupported((result.stdout + result.stderr).strip().splitlines()[0].split(": ", 1)[-1][:160])
