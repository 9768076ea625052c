"""Reads the kernel's routes and rules with `ip`, which writes the protocol of routes and rules in numbers unless it has a name for it."""

import json

TAG = "112"  # rtm_protocol and FRA_PROTOCOL of what the agent adds


def routes(host, table="main", family=None):
    """What `ip` says of each route of a table that is there for a host to use; none where there is no such table."""
    number = ["-6"] if family and family.ipv6 else ["-4"]
    done = host.run("ip", "-N", "-d", "-j", *number, "route", "show", "table", table, check=False)
    return json.loads(done.stdout or "[]") if done.returncode == 0 else []


def ours(host, family, table="all"):
    """The routes with the agent's tag, by destination: `{"default": {...}}`."""
    return {route["dst"]: route for route in routes(host, table, family) if route.get("protocol") == TAG}


def rules(host, family):
    """The rules with the agent's tag, by priority."""
    number = "-6" if family.ipv6 else "-4"
    found = json.loads(host.run("ip", "-N", "-d", "-j", number, "rule", "show").stdout or "[]")
    return {rule["priority"]: rule for rule in found if str(rule.get("protocol")) == TAG}


def way(host, family, to, source=None):
    """How the kernel would reach an address: `{"gateway", "prefsrc", "dev"}` as far as it says; None where it would not."""
    words = ["from", source] if source else []
    done = host.run("ip", "-j", "-6" if family.ipv6 else "-4", "route", "get", to, *words, check=False)
    return json.loads(done.stdout)[0] if done.returncode == 0 else None
