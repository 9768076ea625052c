"""Numbers from many rounds: quantiles and the summary that tables and bars use. Pure."""

import math
import statistics


def quantile(values, share):
    """The smallest value that at least `share` (0 to 1) of the values do not exceed: a value that was measured, never one in between."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def summary(values):
    """`{count, min, median, p90, max}` of what is not None, or None if nothing is."""
    present = [value for value in values if value is not None]
    if not present:
        return None
    return {"count": len(present), "min": min(present), "median": statistics.median(present), "p90": quantile(present, 0.9),
            "max": max(present)}


def jitter(stamps, interval):
    """How evenly `stamps` (seconds, ascending) follow each other, ms: `p50` and `p99` of the distance of a gap from the interval in either direction,
    `late-p99` and `max` of what a gap exceeds it by; and `drift-ppm`, see `drift`."""
    gaps = [later - earlier for earlier, later in zip(stamps, stamps[1:])]
    if not gaps:
        return None
    off, late = [abs(gap - interval) * 1000 for gap in gaps], [(gap - interval) * 1000 for gap in gaps]
    return {"count": len(gaps), "p50": quantile(off, 0.5), "p99": quantile(off, 0.99), "late-p99": quantile(late, 0.99), "max": max(late),
            "drift-ppm": drift(stamps, interval)}


def drift(stamps, interval):
    """By how much the period is longer than `interval`, in millionths. Being late once and on time again is no drift, and neither is a missed one: the
    phase against a clock that ticks every `interval` is what counts, its median in the last tenth beside that in the first. A master that was silent for more
    than three intervals begins anew, so the longest stretch without that is taken."""
    stretches = [[]]
    for earlier, later in zip(stamps[:1] + stamps, stamps):
        if later - earlier > 3 * interval:
            stretches.append([])
        stretches[-1].append(later)
    stamps = max(stretches, key=len)
    if len(stamps) < 20:
        return None
    phase, phases = 0.0, [0.0]
    for earlier, later in zip(stamps, stamps[1:]):
        off = (later - earlier) % interval
        phase += off - interval if off > interval / 2 else off
        phases.append(phase)
    tenth = len(stamps) // 10
    return ((statistics.median(phases[-tenth:]) - statistics.median(phases[:tenth]))
            / (statistics.median(stamps[-tenth:]) - statistics.median(stamps[:tenth])) * 1e6)


def master_down(interval, priority=100):
    """RFC 9568 section 6.1, seconds: three intervals and the skew time of `priority`. The interval is that of the master's adverts."""
    return 3 * interval + skew(interval, priority)


def skew(interval, priority=100):
    return (256 - priority) * interval / 256


def rounded(value, digits=3):
    """The same with its floating-point numbers rounded, for the file."""
    if isinstance(value, float):
        return round(value, digits)
    if isinstance(value, dict):
        return {key: rounded(item, digits) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(item, digits) for item in value]
    return value
