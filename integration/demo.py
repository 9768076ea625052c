"""The story that `integration/demo` tells: PostgreSQL behind one address on two hosts, under load, through three misfortunes.

Act 1: the first host dies (cable and processes). Act 2: it comes back and is made a standby again. Act 3: the segment splits under load and
heals. Nothing is staged: the agents are the real ones with `conf/postgresql.yaml`, and every figure is read from the wire, the servers' logs or
the ledger of the client, which is compared row by row with the database at the end.
"""

import argparse
import ctypes
import os
import signal
import sys
import time

from agent import ROOT, binaries
from lab import IPV4, Lab, wait_until
from ledger import Ledger
from pair import Pair
from wire import Capture

VIP = IPV4.vip()
PR_SET_CHILD_SUBREAPER = 36
BOUND = 90  # seconds that the whole may take


class Report:
    """What is printed, and what was found wrong."""

    def __init__(self):
        self.begun = time.monotonic()
        self.wrong = []

    def step(self, text):
        print(f"[{time.monotonic() - self.begun:5.1f} s] {text}", flush=True)

    def title(self, text):
        print(f"\n{text}", flush=True)

    def row(self, name, value, note=""):
        print(f"    {name:<34} {value:>12}   {note}".rstrip(), flush=True)

    def expect(self, condition, text, evidence=""):
        """One sentence that must be true."""
        print(f"    {'ok  ' if condition else 'FAIL'}  {text}" + (f"  ({evidence})" if evidence else ""), flush=True)
        if not condition:
            self.wrong.append(text)


def milliseconds(seconds):
    return f"{seconds * 1000:,.0f} ms"


def outage(report, ledger, capture, pair, new, since):
    """Waits until the client writes through `new`, then splits its outage into what it was spent on."""
    wait_until(lambda: len(ledger.rows(since=since)) > 20 and ledger.rows()[-1].timeline == pair.server(new).timeline(), 30,
               "the client writes again")
    last, first = ledger.outage(since)
    server, mac = pair.server(new), pair.lab[new].mac
    gate = pair.agents[new].logged("event=gate-started", last.time)
    asked = server.logged("received promote request", last.time)
    ready = server.logged("database system is ready to accept connections", asked)
    announced = next(item.time for item in capture.announcements(VIP, mac=mac) if item.time > last.time)
    report.row("client's outage", milliseconds(first.time - last.time), "last row acknowledged by the old primary to the first by the new")
    report.row("  detection", milliseconds(gate - last.time), "silence of 3 adverts and the skew time")
    report.row("  claim: asking", milliseconds(asked - gate), "the gate asks the other server, which is silent, and the witness")
    report.row("  promotion", milliseconds(ready - asked), "PostgreSQL's own")
    report.row("  claim: taking", milliseconds(announced - ready), "the gate ends; advert, address, first announcement")
    report.row("  reconnecting", milliseconds(first.time - announced), "the client's")
    return last, first


def rows(report, ledgers, server, last, first):
    """Prints the rows before and after and that none is missing."""
    ledger = ledgers[0]
    report.row("rows acknowledged before", f"{len(ledger.rows(until=last.time + 1e-6)):,}")
    report.row("rows acknowledged after", f"{len(ledger.rows(since=first.time)):,}", "so far")
    missing = [row.number for each in ledgers for row in each.missing(server)]
    report.expect(not missing, f"no acknowledged row is missing on {server.host.name}", f"{len(missing)} missing {missing[:5]}" if missing else "")


def who(report, pair):
    for name in ("a", "b"):
        agent = pair.agents.get(name)
        router = agent.router("database") if agent and agent.state("database") else None
        if router is None:
            report.row(f"host {name}", "down")
            continue
        reasons = [fault["text"] for fault in router["faults"]] or [(router["last-transition"] or {}).get("text", "")]
        report.row(f"host {name}", router["state"], "; ".join(reasons))


def first_act(report, pair, ledger):
    report.title("Act 1: the master's host dies under load, cable and processes")
    capture = Capture(pair.lab["client"])
    now = time.time()
    pair.kill("a")
    report.step("host a is dead")
    pair.agents["b"].wait_state("master", timeout=30)
    last, first = outage(report, ledger, capture, pair, "b", now)
    time.sleep(1)
    who(report, pair)
    rows(report, [ledger], pair.server("b"), last, first)
    report.expect(pair.holders() == ["b"], f"{VIP} is on b alone")
    capture.stop()


def second_act(report, pair, ledger):
    report.title("Act 2: the dead host comes back, its server still believing that it is the primary")
    pair.boot("a")
    accepted, said = pair.server("a").writes(patience=1.5)
    report.step("host a is up again, and its server, as a primary that was never told")
    report.expect(not accepted, "even before its agent runs a write there is not acknowledged", said)
    pair.start_agent("a")
    wait_until(lambda: not pair.server("a").runs, 20, "the old primary is fenced")
    report.step("its agent runs and has fenced it")
    time.sleep(2.5)
    who(report, pair)
    accepted, said = pair.server("a").writes()
    report.expect(not accepted, "the old primary accepts no write", said)
    report.expect(pair.holders() == ["b"] and pair.agents["a"].state("database") != "master", "the old primary does not take the address")
    report.expect(ledger.rows(since=time.time() - 1), "the client has been writing all along")
    pair.rejoin("a", "b")
    pair.agents["a"].wait_state("backup", timeout=30)
    report.step("host a is rewound, follows b as its synchronous standby, and may take over again")
    who(report, pair)


def third_act(report, pair, ledger):
    report.title("Act 3: the segment splits under load; gateway and client stay with a, the master b is alone")
    capture = Capture(pair.lab["client"])
    inside = Ledger(pair.lab["b"], pair.lab["b"].address(IPV4), first=1_000_000)
    wait_until(lambda: inside.rows(), 10, "the writer on b writes")
    time.sleep(1)
    now = time.time()
    pair.lab.cut("b")
    report.step("b is cut off; a second writer, on b itself, goes on trying")
    pair.agents["a"].wait_state("master", timeout=30)
    last, first = outage(report, ledger, capture, pair, "a", now)
    wait_until(lambda: not pair.lab["b"].has(VIP), 20, "b gives the address up")
    time.sleep(2)
    who(report, pair)
    healed = time.time()
    pair.lab.heal()
    report.step("the segment is whole again")
    time.sleep(4)
    who(report, pair)
    accepted, said = pair.server("b").writes()
    report.expect(not accepted, "the old primary accepts no write", said)
    report.expect(pair.holders() == ["a"], f"{VIP} is on a alone")
    report.expect(pair.agents["b"].state("database") != "master", "the old primary does not take the address back")
    inside.stop()
    late = inside.rows(since=now + 0.05)
    report.expect(not late, "nothing was acknowledged on b since the split", f"{len(late)} rows" if late else f"{len(inside.rows()):,} before it")
    pauses = [later.time - earlier.time for earlier, later in zip(ledger.rows(since=healed), ledger.rows(since=healed)[1:])]
    report.row("client's longest pause since healing", milliseconds(max(pauses)))
    ledger.stop()
    rows(report, [ledger, inside], pair.server("a"), last, first)
    capture.stop()


def story(report, lab):
    pair = Pair(lab, VIP)
    report.step(f"segment: hosts a {lab['a'].address(IPV4)} and b {lab['b'].address(IPV4)}, client, gateway and witness {IPV4.address('254')}")
    pair.create()
    report.step(f"PostgreSQL {pair.server('a').sql('SHOW server_version')}: primary on a, synchronous standby on b")
    pair.start_agents()
    report.step(f"agents with conf/postgresql.yaml: a is master and holds {VIP}, b is backup")
    ledger = Ledger(lab["client"], VIP)
    wait_until(lambda: len(ledger.rows()) > 100, 20, "the client writes")
    report.step("the client inserts a row every few milliseconds")
    time.sleep(1)
    first_act(report, pair, ledger)
    second_act(report, pair, ledger)
    third_act(report, pair, ledger)


def look_around(lab):
    command = f"{binaries() / 'vipd'} status --socket"
    print(f"""
The lab is left as it is. Namespaces: {lab.prefix}-switch, -a, -b, -client.
    {command} {lab.directory}/a/vipd.sock
    {command} {lab.directory}/b/vipd.sock
    ip netns exec {lab.prefix}-client ping {VIP}
    ip netns exec {lab.prefix}-client psql -h {VIP} -U client postgres -c 'SELECT count(*) FROM ledger'
    ip netns exec {lab.prefix}-client tcpdump -ni eth0 vrrp or arp
    ip -n {lab.prefix}-switch link set dev a nomaster     # cuts a off; `master br0` heals
    less {lab.directory}/a/log {lab.directory}/postgresql-a/vipd/server.log
Remove it with
    {ROOT}/integration/cleanup {lab.prefix.split('-')[0]}-""")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keep", action="store_true", help="leave the lab up and print how to look around in it")
    keep = parser.parse_args().keep
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    # Orphans of the killed hosts become our children, so that none stays behind as a zombie.
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    report = Report()
    lab = None
    try:
        lab = Lab(clients=("client",))
        story(report, lab)
    except (AssertionError, RuntimeError, OSError) as error:
        report.expect(False, str(error))
        if lab:
            for agent in getattr(lab, "agents", []):
                print(f"\n--- log of the agent on {agent.host.name}, its end\n{agent.log()[-4000:]}")
    finally:
        if lab and keep:
            (lab.directory / "keep").touch()
            look_around(lab)
        elif lab:
            for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
                signal.signal(number, signal.SIG_IGN)
            lab.close()
            reap()
    report.title("The whole")
    report.expect(time.monotonic() - report.begun < BOUND, f"it took less than {BOUND} s")
    print(f"\n{'FAIL: ' + '; '.join(report.wrong) if report.wrong else 'PASS'}   ({time.monotonic() - report.begun:.0f} s)")
    return 1 if report.wrong else 0


def reap():
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


if __name__ == "__main__":
    sys.exit(main())
