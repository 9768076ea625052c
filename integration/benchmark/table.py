"""All rounds of a setting as one table, and its figures as text. Pure: it reads records and nothing else."""

from .figures import summary

NOTHING = "–"
PEERS = ("vipd", "keepalived", "frr")


def interval(seconds):
    return f"{seconds:g} s" if seconds >= 1 else f"{seconds * 1000:g} ms"


def table(records):
    """`{(scenario, interval, peer): {values, dirty, repeated, failed, unsupported}}`; `values` are those of clean rounds."""
    found = {}
    for record in records:
        cell = found.setdefault((record["scenario"], record["interval"], record["peer"]),
                                {"values": [], "dirty": 0, "repeated": 0, "failed": 0, "unsupported": None})
        cell["repeated"] += record.get("dirty-repeated", 0)
        if "unsupported" in record:
            cell["unsupported"] = record["unsupported"]
        elif "failed" in record:
            cell["failed"] += 1
        elif record.get("clean"):
            cell["values"].append(record["values"])
        else:
            cell["dirty"] += 1
    return found


def column(table, scenario, seconds, peer, *path):
    """One figure of all clean rounds, what is None left out; `path` leads to it."""
    found = []
    for values in table.get((scenario, seconds, peer), {"values": []})["values"]:
        for step in path:
            values = values.get(step) if isinstance(values, dict) else None
        found += values if isinstance(values, list) else [values]
    return [value for value in found if value is not None]


def number(value):
    """As many digits as tell something."""
    if value is None:
        return NOTHING
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def spread(values):
    """`median (min–max)`."""
    found = summary(values)
    if not found:
        return NOTHING
    if found["min"] == found["max"]:
        return number(found["median"])
    return f"{number(found['median'])} ({number(found['min'])}–{number(found['max'])})"


def cell_text(table, scenario, seconds, peer, text):
    """`text` for a cell with clean rounds, else why there are none."""
    cell = table.get((scenario, seconds, peer))
    if cell is None:
        return NOTHING
    if cell["values"]:
        return text
    if cell["unsupported"]:
        return cell["unsupported"]
    return "failed" if cell["failed"] else "only dirty rounds"
