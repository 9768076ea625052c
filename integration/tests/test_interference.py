"""What others do to a master's addresses: put back, given up after the third time, or named because it is not ours to change."""

import time

from agent import Agent
from cases import database, follows, holders, one_holder, start_pair
from lab import wait_until


def faults(agent):
    return [(entry["fault"], entry["text"]) for entry in agent.router()["faults"]]


def delete(host, family):
    host.ip("address", "del", family.vip_prefix(), "dev", "eth0", check=False)


def test_an_address_that_is_taken_off_again_and_again_goes_to_another_host(lab, family):
    a, b = start_pair(lab, family, a={"preempt": True})
    for _ in range(2):
        delete(lab["a"], family)
        wait_until(lambda: lab["a"].has(family.vip()), 1, "it is put back")
    delete(lab["a"], family)
    b.wait_state("master")
    line = next(line for line in a.log().splitlines() if "cause=fault" in line and "three times in 10 s" in line)
    assert family.vip() in line
    if not family.ipv6:  # over IPv6 the kernel does not tell who it was
        assert "process " in line
    a.wait_state("backup", 10)
    # It has shown that it cannot hold it: b, who can, is left alone.
    time.sleep(2)
    assert holders(lab, family.vip()) == ["b"]
    follows(lab, family.vip(), "b")
    b.stop()
    a.wait_state("master")
    follows(lab, family.vip(), "a")


def test_an_address_that_others_configured_on_a_backup_is_a_fault_and_stays(lab, family):
    a, b = start_pair(lab, family)
    lab["b"].ip("address", "add", family.vip_prefix(), "dev", "eth0", *(["nodad"] if family.ipv6 else []))
    b.wait_state("fault")
    (fault, text), = faults(b)
    assert fault == "address-not-ours" and family.vip() in text and "take it off" in text
    assert lab["b"].has(family.vip()), "it is not ours to remove"
    a.stop()
    time.sleep(1.5)
    assert b.state() == "fault", "it is no master of what it does not control"
    delete(lab["b"], family)
    b.wait_state("master")
    assert one_holder(lab, family.vip()) == "b"
    follows(lab, family.vip(), "b")


def test_the_same_with_another_prefix_on_a_master(lab, family):
    a, b = start_pair(lab, family)
    bits = 128 if family.ipv6 else 32
    lab["a"].ip("address", "add", f"{family.vip()}/{bits}", "dev", "eth0", *(["nodad"] if family.ipv6 else []), check=False)
    if family.ipv6:
        # The kernel has an IPv6 address once, whatever its prefix.
        time.sleep(1)
        assert a.state() == "master" and one_holder(lab, family.vip()) == "a"
        return
    a.wait_state("fault")
    b.wait_state("master")
    lab["a"].ip("address", "del", f"{family.vip()}/{bits}", "dev", "eth0")
    a.wait_state("master")


def test_an_address_left_by_others_at_the_start_is_never_removed(lab, family):
    lab["a"].ip("address", "add", family.vip_prefix(), "dev", "eth0", *(["nodad"] if family.ipv6 else []))
    agent = Agent(lab["a"], {"database": database(family)}).start()
    agent.wait_state("fault")
    assert faults(agent)[0][0] == "address-not-ours"
    agent.stop()
    assert lab["a"].has(family.vip())
