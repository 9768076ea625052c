"""What a writer was told, set against what a database holds: acknowledged rows, the outage, and what is missing."""

from dataclasses import dataclass
from pathlib import Path

from agent import ROOT


@dataclass(frozen=True)
class Row:
    """One acknowledged row: its number, when the answer was there (seconds of the epoch), and the timeline that gave it."""

    number: int
    time: float
    timeline: int


class Ledger:
    """The file of one writer, and the writer itself while it runs."""

    def __init__(self, host, address, first=1):
        self.file = host.lab.directory / f"ledger-{host.name}-{first}"
        self.file.touch()
        self.process = host.popen(ROOT / ".venv-integration/bin/python", Path(__file__).parent / "writer.py", address, self.file, first)

    def stop(self):
        self.process.terminate()
        self.process.wait(10)

    def _lines(self, kind):
        # The last line may be half written.
        text = self.file.read_text()
        return [line.split(" ") for line in text[:text.rfind("\n") + 1].splitlines() if line.startswith(kind)]

    def rows(self, since=0.0, until=float("inf")):
        """The acknowledged rows in a stretch of time."""
        rows = [Row(int(line[1]), float(line[2]), int(line[3])) for line in self._lines("acknowledged ")]
        return [row for row in rows if since <= row.time < until]

    def unknown(self):
        """Numbers that were sent and not answered."""
        return [int(line[1]) for line in self._lines("unknown ")]

    def outage(self, since):
        """The last acknowledged row before the longest pause that ends after `since`, and the first one after it; None if none ended."""
        rows = self.rows()
        pairs = [(earlier, later) for earlier, later in zip(rows, rows[1:]) if later.time > since]
        return max(pairs, key=lambda pair: pair[1].time - pair[0].time, default=None)

    def missing(self, server):
        """Acknowledged rows that `server` does not have."""
        told = self.rows()  # before asking: what is acknowledged while we ask is the next answer's business
        text = server.sql("SELECT number FROM ledger", patience=20)
        present = set(map(int, (text or "").split()))
        return [row for row in told if row.number not in present]
