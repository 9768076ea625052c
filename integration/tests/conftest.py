"""Fixtures of the suite: a lab a test, pairs of agents in it, and what a failed test leaves for reading.

`VIPD_KEEP=DIRECTORY` keeps logs and captures of failed tests there. Figures that `measured` collects are printed at the end.
"""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from agent import archive, binaries  # noqa: E402
from lab import IPV4, IPV6, Lab  # noqa: E402

_figures = []


def pytest_addoption(parser):
    parser.addoption("--full", action="store_true", help="also what takes long")
    parser.addoption("--guest", action="store_true", help="what needs a QEMU guest, and nothing else")


def pytest_collection_modifyitems(config, items):
    # What is not asked for is not there: the guest has a run of its own.
    wanted, others = [], []
    for item in items:
        (wanted if ("guest" in item.keywords) == config.getoption("--guest") else others).append(item)
    config.hook.pytest_deselected(items=others)
    items[:] = wanted
    if not config.getoption("--full"):
        for item in items:
            if "full" in item.keywords:
                item.add_marker(pytest.mark.skip(reason="only with --full"))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    setattr(item, f"report_{report.when}", report)
    made = item.funcargs.get("make_lab") if hasattr(item, "funcargs") else None
    if report.failed and made:
        for lab in made.labs:
            for agent in getattr(lab, "agents", []):
                report.sections.append((f"log of {agent.host.name}", agent.log()[-8000:]))
            if os.environ.get("VIPD_KEEP"):
                archive(lab, Path(os.environ["VIPD_KEEP"]) / item.name.replace("/", "_"))


def pytest_terminal_summary(terminalreporter):
    for title, lines in _figures:
        terminalreporter.section(title)
        for line in lines:
            terminalreporter.write_line(line)


@pytest.fixture
def measured():
    """Call with a title and lines; they are printed after the tests, whatever pytest captures."""
    return lambda title, lines: _figures.append((title, lines))


@pytest.fixture(params=[IPV4, IPV6], ids=str)
def family(request):
    return request.param


@pytest.fixture(scope="session", autouse=True)
def built():
    assert (binaries() / "vipd").exists(), f"no vipd in {binaries()}: build first, or set VIPD_BIN"


class _Labs:
    def __init__(self):
        self.labs = []

    def __call__(self, **options):
        lab = Lab(**options)
        self.labs.append(lab)
        return lab


@pytest.fixture
def make_lab():
    """Makes labs that are removed after the test."""
    labs = _Labs()
    yield labs
    for lab in labs.labs:
        lab.close()


@pytest.fixture
def lab(make_lab):
    """Hosts a, b and c, and a client."""
    return make_lab(hosts=("a", "b", "c"))
