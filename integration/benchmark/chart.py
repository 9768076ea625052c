"""The chart of the report: how long a client waits, by scenario and agent, as SVG that needs nothing else. Pure."""

import math
from html import escape

from .figures import summary
from .scenarios import SCENARIOS
from .table import PEERS, column

COLOURS = {"vipd": "#1b6ca8", "keepalived": "#d98c21", "frr": "#7a7a7a"}
LEFT, WIDTH, BAR, GAP = 220, 620, 12, 14
LOW, HIGH = 1, 100_000  # ms; what is below is drawn as nothing


def _place(value):
    """Where a value is on the logarithmic axis, in pixels from its left end."""
    return WIDTH * (math.log10(min(max(value, LOW), HIGH)) - math.log10(LOW)) / (math.log10(HIGH) - math.log10(LOW))


def _text(x, y, text, **attributes):
    given = " ".join(f'{name.replace("_", "-")}="{value}"' for name, value in attributes.items())
    return f'<text x="{x:.1f}" y="{y:.1f}" {given}>{escape(text)}</text>'


def outages(table, interval=0.1):
    """Median outage of each scenario at one interval, with a line from the least to the longest. A scenario without a figure is left out, an agent without
    one has no bar."""
    names = [name for name in [*SCENARIOS, "heal"] if any(column(table, name, interval, peer, "outage-ms") for peer in PEERS)]
    parts, y = [], 62
    for name in names:
        title = SCENARIOS[name].title if name in SCENARIOS else "after a partition of 1 s"
        found = [(peer, summary(column(table, name, interval, peer, "outage-ms"))) for peer in PEERS]
        found = [(peer, figures) for peer, figures in found if figures]
        parts.append(_text(LEFT - 8, y + len(found) * BAR / 2 + 4, title, text_anchor="end"))
        for peer, figures in found:
            parts += _bar(y, COLOURS[peer], figures, _note(table, name, interval, peer))
            y += BAR
        y += GAP
    axis = []
    for power in range(int(math.log10(HIGH)) + 1):
        x = LEFT + _place(10 ** power)
        label = f"{10 ** power} ms" if power < 3 else f"{10 ** (power - 3)} s"
        axis += [f'<line x1="{x:.1f}" y1="54" x2="{x:.1f}" y2="{y}" stroke="#ddd"/>', _text(x, 48, label, text_anchor="middle", fill="#555")]
    legend = [part for number, peer in enumerate(PEERS) for part in (
        f'<rect x="{LEFT + 330 + number * 100}" y="12" width="10" height="10" fill="{COLOURS[peer]}"/>', _text(LEFT + 345 + number * 100, 21, peer))]
    title = f"A client's outage at {interval * 1000:g} ms adverts: median, least to longest"
    y += 12
    parts.append(_text(10, y, "† answered by a backup, which is not master", fill="#555"))
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + 90}" height="{y + 6}" font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>', _text(10, 21, title, font_weight="bold"), *legend, *axis, *parts, "</svg>"]) + "\n"


def _note(table, name, interval, peer):
    """What an outage alone does not tell."""
    doubled = summary(column(table, name, interval, peer, "doubled"))
    note = f", two answer for {doubled['median'] / 1000:.1f} s" if doubled and doubled["median"] >= 100 else ""
    return note + (" †" if any(column(table, name, interval, peer, "served-by-backup")) else "")


def _bar(y, colour, figures, note):
    width, middle = _place(figures["median"]) if figures["median"] else 0, y + BAR / 2
    ends = [LEFT + _place(figures[name]) if figures[name] else LEFT for name in ("min", "max")]
    return [f'<rect x="{LEFT}" y="{y + 1}" width="{max(width, 1):.1f}" height="{BAR - 2}" fill="{colour}"/>',
            f'<line x1="{ends[0]:.1f}" y1="{middle}" x2="{ends[1]:.1f}" y2="{middle}" stroke="black"/>',
            _text(max(LEFT + width, ends[1]) + 4, y + BAR - 2, f"{figures['median']:,.0f} ms{note}", fill="#333", font_size="10")]
