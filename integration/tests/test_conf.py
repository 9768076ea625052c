"""The example configurations as they are shipped: every one is valid, and the minimal one makes a master."""

import re

import pytest

from agent import ROOT, Agent, binaries
from lab import wait_until

EXAMPLES = sorted((ROOT / "conf").glob("*.yaml"))


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.name)
def test_an_example_is_valid(lab, file):
    result = lab["a"].run(binaries() / "vipd", "check", file, check=False)
    assert result.returncode == 0, result.stderr


def test_the_minimal_example_makes_a_master(lab):
    text = (ROOT / "conf" / "minimal.yaml").read_text()
    agent = Agent(lab["a"], text="")
    agent.write(text=agent.head() + re.sub(r"interface: \S+", "interface: eth0", text))
    agent.start()
    routers = agent.status()["virtual-routers"]
    assert routers
    for router in routers:
        agent.wait_state("master", name=router["name"])
        for address in router["addresses"]:
            wait_until(lambda text=address["address"]: lab["a"].has(text.split("/")[0]), 5, f"{address} on the host")
