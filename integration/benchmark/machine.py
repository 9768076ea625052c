"""Which machine and which programs a figure belongs to. Figures of different ones are never mixed: each line of the series names its setting, and a
report is made of one."""

import hashlib
import json
import os
import re
import subprocess
from pathlib import Path

from agent import ROOT, binaries


def _first_line(*command):
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False, stdin=subprocess.DEVNULL)
    except OSError:
        return ""
    return (result.stdout.strip().splitlines() or [""])[0] if result.returncode == 0 else ""


def _debian(name):
    return _first_line("dpkg-query", "-W", "-f", "${Version}", name) or "absent"


def _vipd():
    commit = _first_line("git", "-C", str(ROOT), "rev-parse", "--short=10", "HEAD")
    changed = _first_line("git", "-C", str(ROOT), "status", "--porcelain", "--", "Sources", "Package.swift")
    version = _first_line(str(binaries() / "vipd"), "--version") or "unknown version"
    return f"{version}{f' ({commit}' + (', changed)' if changed else ')') if commit else ''}"


def _digest():
    """The first digits of a hash of both binaries: the same source built twice may be two settings, another source never one."""
    total = hashlib.sha256()
    for name in ("vipd", "vipd-engine"):
        total.update((binaries() / name).read_bytes())
    return total.hexdigest()[:12]


def setting():
    """What stands in the results. `id` tells two settings apart; the commit is told, but decides nothing."""
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace"))
    facts = {
        "cpus": os.cpu_count(), "processor": model.group(1).strip() if model else "unknown",
        "memory-gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "kernel": re.match(r"[0-9.]*", os.uname().release).group().rstrip("."),
        "system": "Debian " + Path("/etc/debian_version").read_text(encoding="ascii").strip(),
        "binaries": _digest(), "keepalived": _debian("keepalived"), "frr": _debian("frr")}
    number = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:10]
    return {"id": number, **facts, "vipd": _vipd()}
