"""keepalived on a host of the lab: its configuration, its process, and its own view by the JSON that it dumps on a signal.

Debian 12 has 2.2.7, built with JSON. It writes to `$TMPDIR/keepalived.json`, so every process gets a directory of its own; nothing is
written to /run, /etc or the system log. It starts no service and uses no script.
"""

import json
import os
import signal
import subprocess

from interop import VRID, Foreign
from lab import wait_until

STATES = {0: "initialize", 1: "backup", 2: "master", 3: "fault"}
BINARY = "/usr/sbin/keepalived"


class Keepalived(Foreign):
    """`addresses` are those of the advert, in order; `peers` makes it unicast; `extra` are further lines of its instance."""

    name = "keepalived"

    def __init__(self, host, family, password=None, addresses=None, peers=(), extra=(), **options):
        super().__init__(host, family, **options)
        self.file = self.directory / "keepalived.conf"
        self.password, self.peers, self.extra = password, peers, extra
        # It compares the list with that of the master's adverts and drops those that differ: with IPv6, ours names a link-local one first.
        linked = [f"fe80::5e:{VRID:x}/64"] if family.ipv6 else []
        self.addresses = addresses or linked + [family.vip_prefix()]
        self.vrrp = None

    def configuration(self):
        lines = ["state BACKUP", "interface eth0", f"virtual_router_id {VRID}", f"version {self.version}", f"priority {self.priority}",
                 f"advert_int {self.interval:g}", "virtual_ipaddress {", *self.addresses, "}", *self.extra]
        if not self.preempt:
            lines.append("nopreempt")
        if self.password:
            lines += ["authentication {", "auth_type PASS", f"auth_pass {self.password}", "}"]
        if self.peers:
            lines += ["unicast_peer {", *self.peers, "}"]
        return "vrrp_instance database {\n  " + "\n  ".join(lines) + "\n}\n"

    def start(self):
        self.file.write_text(self.configuration())
        pids = [option for letter in "prcb" for option in (f"-{letter}", self.directory / f"{letter}.pid")]
        with open(self.log_file, "wb") as log:
            self.process = self.host.popen(BINARY, "--dont-fork", "--log-console", "--log-detail", "--no-syslog", "--vrrp",
                                           "-f", self.file, *pids, stdout=log, stderr=log,
                                           env={**os.environ, "TMPDIR": str(self.directory)})
        # Before, the signals of `document` would end it.
        wait_until(lambda: "Startup complete" in self.log(), 10, lambda: f"keepalived starts:\n{self.log()}")
        self.vrrp = int((self.directory / "r.pid").read_text())
        return self

    def document(self):
        """The instance as it dumps it, or None when it is not there."""
        if self.process is None or self.process.poll() is not None:
            return None
        file = self.directory / "keepalived.json"
        file.unlink(missing_ok=True)
        try:
            os.kill(self.vrrp, _json_signal())
        except ProcessLookupError:
            return None

        def dumped():
            try:
                return json.loads(file.read_text())[0]
            except (FileNotFoundError, ValueError):
                return self.process.poll() is not None or None
        document = wait_until(dumped, 5, lambda: f"keepalived dumps its state:\n{self.log()[-2000:]}")
        return None if document is True else document

    def state(self):
        document = self.document()
        return document and STATES[document["data"]["state"]]

    def heard(self):
        return self.document()["stats"]["advert_rcvd"]

    def learned_interval(self):
        return self.document()["data"]["master_adver_int"]

    def kill(self):
        """Ends it with no chance to tidy up; what it put on the interface stays there."""
        for pid in (self.process.pid, self.vrrp):
            os.kill(pid, signal.SIGKILL)
        self.process.wait(5)


_signal = []


def _json_signal():
    if not _signal:
        _signal.append(int(subprocess.run([BINARY, "--signum=JSON"], capture_output=True, text=True, check=True).stdout))
    return _signal[0]
