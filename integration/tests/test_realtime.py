"""The engine on time: how it is scheduled and what says so, that nothing of it reaches checks and hooks, and that its loop allocates nothing."""

import os
import shutil
import struct
import subprocess
import time
from pathlib import Path

import pytest

from agent import Agent, ROOT
from cases import database, gaps, in_attempts, start_pair
from lab import IPV4, IPV6, wait_until
from stalls import Stalls
from wire import Capture, wait_for_advert

# Not every machine lets root's processes be real-time: their control group may have no time for that.
may_be_real_time = pytest.mark.skipif(
    subprocess.run(["chrt", "-f", "1", "true"], capture_output=True, check=False, stdin=subprocess.DEVNULL).returncode != 0,
    reason="this machine gives root no real-time priority")

FIFO, OTHER = os.SCHED_FIFO, os.SCHED_OTHER


def policy(pid):
    """(policy, priority) of a thread, without flags."""
    return os.sched_getscheduler(pid) & ~os.SCHED_RESET_ON_FORK, os.sched_getparam(pid).sched_priority


def threads(pid):
    """{name: thread id}."""
    return {Path(f"/proc/{pid}/task/{thread}/comm").read_text(encoding="ascii").strip(): int(thread)
            for thread in os.listdir(f"/proc/{pid}/task")}


def scheduling(agent):
    return agent.status()["engine"]["scheduling"]


@may_be_real_time
def test_the_engine_is_real_time_and_what_it_does_not_start_is_not(make_lab):
    lab = make_lab(hosts=("a",))
    shown = lab.directory / "shown"
    check = {"shell": f"chrt -p $$ >{shown}.new; ulimit -r >>{shown}.new; mv {shown}.new {shown}", "interval": "200ms", "timeout": "5s"}
    a = Agent(lab["a"])
    a.write({"database": database(IPV4, checks=["show"])}, {"show": check}, engine={"cpus": [0], "oom-score-adjust": 100})
    a.start()
    a.wait_state("master")
    engine = a.engine_pid
    assert scheduling(a) == {"policy": "fifo", "priority": 50, "cpus": [0], "oom-score-adjust": 100,
                             "locked-kib": scheduling(a)["locked-kib"]}
    assert scheduling(a)["locked-kib"] > 0
    names = threads(engine)
    assert policy(names["vipd-engine"]) == (FIFO, 50) and policy(names["lease"]) == (FIFO, 49)
    assert os.sched_getscheduler(engine) & os.SCHED_RESET_ON_FORK
    assert os.sched_getaffinity(engine) == {0} and os.sched_getaffinity(names["lease"]) == {0}
    assert int(Path(f"/proc/{engine}/oom_score_adj").read_text(encoding="ascii")) == 100
    limits = Path(f"/proc/{engine}/limits").read_text(encoding="ascii").splitlines()
    assert next(line for line in limits if line.startswith("Max realtime timeout")).split()[3:5] == ["2000000", "3000000"]
    # The supervisor and all that it runs stay ordinary.
    for thread in os.listdir(f"/proc/{a.process.pid}/task"):
        assert policy(int(thread)) == (OTHER, 0)
    wait_until(shown.exists, 5, "the check has run")
    text = shown.read_text(encoding="ascii")
    assert "SCHED_OTHER" in text and "RESET_ON_FORK" not in text and text.splitlines()[-1] == "0", text


@may_be_real_time
def test_a_reload_changes_the_scheduling(make_lab):
    lab = make_lab(hosts=("a",))
    a = Agent(lab["a"])
    routers = {"database": database(IPV4)}
    a.write(routers)
    a.start()
    a.wait_state("master")
    transitions = a.statistic("master-transitions")
    assert (scheduling(a)["policy"], scheduling(a)["priority"]) == ("fifo", 50)
    everywhere = scheduling(a)["cpus"]
    a.write(routers, engine={"priority": False, "cpus": [0]})
    a.reload()
    assert (scheduling(a)["policy"], scheduling(a)["priority"], scheduling(a)["cpus"]) == ("other", 0, [0])
    assert {policy(thread) for thread in threads(a.engine_pid).values()} == {(OTHER, 0)}
    a.write(routers, engine={"priority": 1})
    a.reload()
    assert (scheduling(a)["policy"], scheduling(a)["priority"], scheduling(a)["cpus"]) == ("fifo", 1, everywhere)
    assert {policy(thread) for thread in threads(a.engine_pid).values()} == {(FIFO, 1)}
    # The next engine gets the same.
    old = a.kill_engine()
    wait_until(lambda: a.status()["engine"]["pid"] not in (None, old) and a.state() == "master", 10, "a new engine")
    wait_until(lambda: {policy(thread) for thread in threads(a.engine_pid).values()} == {(FIFO, 1)}, 5, "it is real-time, too")
    assert a.statistic("master-transitions") == transitions


def test_what_is_not_permitted_is_a_warning(make_lab):
    lab = make_lab(hosts=("a",))
    a = Agent(lab["a"])
    a.write({"database": database(IPV4)}, engine={"oom-score-adjust": -1000, "cpus": [1023]})
    lost = ",".join(f"-{name}" for name in ("sys_nice", "sys_resource", "ipc_lock"))
    a.start(prefix=("prlimit", "--rtprio=0:0", "--memlock=65536:65536", "setpriv", "--bounding-set", lost, "--inh-caps", lost))
    a.wait_state("master")
    assert (scheduling(a)["policy"], scheduling(a)["priority"], scheduling(a)["locked-kib"]) == ("other", 0, 0)
    lines = [line for line in a.log().splitlines() if "event=engine-limited" in line]
    for what, advice in (("priority", "CAP_SYS_NICE"), ("cpus", "processors"), ("oom-score-adjust", "OOMScoreAdjust"),
                         ("locked-memory", "LimitMEMLOCK")):
        told = [line for line in lines if f"what={what}" in line]
        assert len(told) == 1 and advice in told[0], (what, lines)
    a.reload()
    old = a.kill_engine()
    wait_until(lambda: a.status()["engine"]["pid"] not in (None, old) and a.state() == "master", 10, "a new engine")
    time.sleep(0.5)
    assert a.log().count("event=engine-limited") == len(lines) == 4, "each is told once"


@pytest.fixture(scope="module")
def counter(tmp_path_factory):
    """The library that counts allocations."""
    compiler = shutil.which("clang") or shutil.which("cc")
    assert compiler, "the Swift toolchain brings clang"
    library = tmp_path_factory.mktemp("allocations") / "allocations.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-fno-builtin", "-o", str(library), str(ROOT / "integration" / "allocations.c")],
                   check=True, stdin=subprocess.DEVNULL)
    return library


@pytest.mark.alone
def test_the_loop_allocates_nothing_per_advert(make_lab, family, counter, measured):
    """Beside what is told once a second: the same time with ten times the adverts must not cost more allocations."""
    lab = make_lab(hosts=("a", "b"))
    folder = lab.directory / "counts"
    folder.mkdir()
    agents = {}
    for name, priority in (("a", 150), ("b", 100)):
        agents[name] = Agent(lab[name], {"database": database(family, priority=priority, advertisement_interval="100ms")})
        agents[name].start(wait=False, LD_PRELOAD=str(counter), ALLOCATIONS_FOLDER=str(folder))
    for agent in agents.values():
        agent.wait_ready()
    agents["a"].wait_state("master")
    agents["b"].wait_state("backup")
    figures = {name: [] for name in agents}
    for interval in ("100ms", "10ms"):
        for agent in agents.values():
            agent.change(advertisement_interval=interval)
            agent.reload()
        # Everything has its room, and the announcements are over.
        time.sleep(4.5)
        before = {name: allocations(folder, agent) for name, agent in agents.items()}
        time.sleep(5)
        for name, agent in agents.items():
            counts = [after - earlier for earlier, after in zip(before[name], allocations(folder, agent))]
            figures[name].append(counts)
        assert agents["a"].state() == "master" and agents["b"].state() == "backup"
    lines = []
    for name, ((slow, slow_adverts), (fast, fast_adverts)) in figures.items():
        per_advert = (fast - slow) / (fast_adverts - slow_adverts)
        lines.append(f"{'master' if name == 'a' else 'backup'}: {slow} with {slow_adverts} adverts, {fast} with {fast_adverts}: {per_advert:.3f} each")
        assert fast_adverts - slow_adverts > 200, lines
        assert per_advert < 0.1, lines
        assert slow < 5 * 200, lines
    measured(f"allocations of the engine's loop in 5 s, {family}", lines)


def faults(pid):
    """(minor, major) page faults of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return int(fields[7]), int(fields[9])


def test_what_a_takeover_needs_is_in_memory_before_it(make_lab):
    """A backup that has done nothing but listen becomes master without waiting for its own code; without the touching at the start it
    is a dozen pages, which a busy disk may have to bring."""
    lab = make_lab(hosts=("a", "b"))
    _, b = start_pair(lab, IPV4, advertisement_interval="100ms")
    time.sleep(2)
    engine = b.engine_pid
    before = faults(engine)
    time.sleep(3)
    quiet = faults(engine)
    assert quiet[0] - before[0] <= 2 and quiet[1] == before[1], (before, quiet)
    lab.cut("a")
    b.wait_state("master")
    after = faults(engine)
    assert after[0] - quiet[0] <= 6 and after[1] == quiet[1], (quiet, after)


@pytest.mark.alone
def test_a_thousand_addresses_delay_no_advert_of_others(make_lab, measured):
    """Twelve virtual routers with 84 IPv6 addresses each are taken over and given up; another one advertises every 10 ms all the while."""
    def gap(lab, work):
        """The longest gap between two adverts of the other one while `work` is done, and the longest stall of the machine."""
        capture = Capture(lab["client"], expression="ip proto 112")
        wait_for_advert(capture, vrid=51)
        with Stalls(realtime=False) as stalls:
            work()
            time.sleep(0.2)
        capture.stop()
        worst = max(gaps(capture.adverts(vrid=51)))
        assert worst < 0.010 + 0.005 + stalls.worst, f"{worst * 1000:.1f} ms between two adverts, stall {stalls.worst * 1000:.1f} ms"
        return worst, stalls.worst

    def attempt():
        lab = make_lab(hosts=("a",))
        routers = {"fast": database(IPV4, advertisement_interval="10ms")}
        a = Agent(lab["a"], routers).start()
        a.wait_state("master", name="fast")
        large = {}
        for number in range(1, 13):
            large[f"large{number}"] = database(IPV6, vrid=number, advertisement_interval="100ms", link_local=False,
                                               addresses=[f"2001:db8:{number}::{host:x}/128" for host in range(1, 85)])

        def held():
            return sum(address.startswith("2001:db8:") for address in lab["a"].addresses())

        def claim():
            a.write(routers | large)
            a.reload()
            for name in large:
                a.wait_state("master", name=name)

        def release():
            a.write(routers)
            a.reload()
            # Nobody looks meanwhile: a dump of the addresses would hold the lock that releasing them needs.
            time.sleep(1.5)
        before = held()
        claimed = gap(lab, claim)
        assert held() - before >= 1000
        released = gap(lab, release)
        wait_until(lambda: held() == before, 10, "the addresses of the routers that are gone are off")
        a.stop()
        return claimed, released
    measured("1,000 IPv6 addresses beside adverts every 10 ms",
             [f"{what}: longest gap between two adverts {worst * 1000:.1f} ms, longest stall of the machine {stall * 1000:.1f} ms"
              for what, (worst, stall) in zip(("claimed", "released"), in_attempts(attempt))])


def allocations(folder, agent):
    """(allocations of the loop, adverts sent or heard), of a moment in which both are known to a second."""
    count = struct.unpack("QQ", (folder / str(agent.engine_pid)).read_bytes())[0]
    return count, agent.statistic("advertisement-sent") + agent.statistic("advertisement-rcvd")
