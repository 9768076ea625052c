"""A real PostgreSQL server on a host of the lab, run by Debian's binaries as the user `postgres`, and what it takes to make two a pair.

The server's own side only: who is master and what that means for a server is decided by the agent and the scripts of `conf/postgresql`.
"""

import os
import pwd
import shutil
import signal
import subprocess
from pathlib import Path

from lab import IPV4, wait_until

USER = "postgres"


def programs():
    """The directory of the newest installed server's programs."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    assert found, "PostgreSQL is not installed"
    return found[-1].parent


class Server:
    """The server of a host: data directory, socket directory and log under the lab's directory."""

    def __init__(self, host, include):
        self.host = host
        self.include = include
        self.address = host.address(IPV4)
        self.base = host.lab.directory / f"postgresql-{host.name}"
        self.data = self.base / "data"
        self.markers = self.base / "vipd"
        self.log_file = self.markers / "server.log"
        entry = pwd.getpwnam(USER)
        for directory in (self.base, self.markers):
            directory.mkdir(exist_ok=True)
            os.chown(directory, entry.pw_uid, entry.pw_gid)

    def command(self, program, *arguments):
        return ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--init-groups", "env", "-i", "PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8",
                str(programs() / program), *[str(word) for word in arguments]]

    def run(self, program, *arguments, **options):
        return self.host.run(*self.command(program, *arguments), timeout=60, cwd="/", **options)

    # Making it.

    def create(self):
        """A new cluster that a standby can follow."""
        self.run("initdb", "-D", self.data, "-A", "trust", "-U", "postgres", "--no-sync")
        with open(self.data / "pg_hba.conf", "a", encoding="utf-8") as file:
            file.write("host all,replication all samenet trust\n")
        self.configure()

    def configure(self):
        """This host's settings; the servers of a pair differ in nothing else."""
        settings = {"include": self.include, "listen_addresses": "*", "port": 5432, "unix_socket_directories": self.base,
                    "shared_buffers": "16MB", "max_connections": 40, "log_line_prefix": "%n "}
        (self.data / "postgresql.conf").write_text("".join(f"{key} = '{value}'\n" for key, value in settings.items()))

    def copy_from(self, primary):
        """A standby of `primary`, by a base backup over its own address."""
        source = f"host={primary.address} user=replicator application_name={self.host.name}"
        self.run("pg_basebackup", "-D", self.data, "-d", source, "-X", "stream", "--checkpoint=fast", "--no-sync", "-R")
        self.configure()

    # Running it.

    def start(self):
        """Starts it as its service would: apart from whoever asks."""
        self.run("pg_ctl", "start", "-D", self.data, "-l", self.log_file, "-w", "-t", "30", check=True)

    def stop(self):
        self.run("pg_ctl", "stop", "-D", self.data, "-m", "fast", "-w", "-t", "30", check=False)

    @property
    def pid(self):
        try:
            return int((self.data / "postmaster.pid").read_text().split()[0])
        except (OSError, IndexError, ValueError):
            return None

    @property
    def runs(self):
        return self.pid is not None and Path(f"/proc/{self.pid}").exists()

    def sql(self, text, patience=5):
        """One value, asked over the Unix socket; None if the server does not answer."""
        result = self.host.run("setpriv", f"--reuid={USER}", f"--regid={USER}", "--init-groups", "timeout", str(patience), "psql", "-XAtq",
                               "-h", self.base, "-U", "postgres", "-d", "postgres", "-c", text, check=False, timeout=patience + 5, cwd="/")
        return result.stdout.strip() if result.returncode == 0 else None

    def timeline(self):
        """The timeline that a primary writes, or None."""
        name = self.sql("SELECT left(pg_walfile_name(pg_current_wal_lsn()), 8)")
        return int(name, 16) if name else None

    def writes(self, patience=3):
        """Whether a row can be committed at this server's own address, whatever the VIP says: (accepted, what it said)."""
        text = "INSERT INTO ledger (number, writer) VALUES ((SELECT coalesce(max(number), 0) + 1000000000 FROM ledger), 'intruder')"
        result = self.host.run("timeout", str(patience), "psql", "-XAtq", "-h", self.address, "-U", "client", "-d", "postgres",
                               "-c", text, check=False, timeout=patience + 5)
        said = (result.stderr.strip().splitlines() or ["committed"])[0] if result.returncode != 124 else f"no answer in {patience} s"
        return result.returncode == 0, said

    def wait_streaming(self, standby, timeout=30):
        """Waits until `standby` follows and, if it is named in synchronous_standby_names, counts."""
        wanted = ("sync", "quorum") if self.sql("SHOW synchronous_standby_names") else ("async", "sync", "quorum")
        wait_until(lambda: self.sql("SELECT sync_state FROM pg_stat_replication WHERE state = 'streaming' AND application_name = "
                                    f"'{standby.host.name}'") in wanted, timeout, f"{standby.host.name} follows {self.host.name}")

    def log(self):
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def logged(self, text, since=0.0):
        """When the server first wrote a line with `text` after `since`, in seconds of the epoch, or None."""
        times = [float(line.split(" ", 1)[0]) for line in self.log().splitlines() if text in line and line.split(" ", 1)[0].replace(".", "").isdigit()]
        return next((time for time in times if time >= since), None)
