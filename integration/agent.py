"""One agent on a host of the lab: its configuration file, its processes, its status socket and its command line.

It starts the real binaries, from `VIPD_BIN` (default `.build/release`), as root inside the host's namespace, and asks them what any
user could ask: JSON over the Unix socket, and the `vipd` command. It never looks into the agent.
"""

import http.client
import json
import os
import re
import shutil
import signal
import socket
import threading
import time
from datetime import datetime
from pathlib import Path

from lab import wait_until

ROOT = Path(__file__).resolve().parent.parent


def binaries():
    """Where `vipd` and `vipd-engine` are."""
    return Path(os.environ.get("VIPD_BIN", ROOT / ".build" / "release")).resolve()


def yaml(value):
    """YAML text, flow style, with `yes` and `no` for booleans and everything else in double quotes where it could be misread."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {yaml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(yaml(item) for item in value) + "]"
    text = str(value)
    return text if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9 _./-]*", text) else json.dumps(text)


class StatusError(Exception):
    """The agent answered a request with an error."""

    def __init__(self, code, document):
        super().__init__(f"{code}: {document}")
        self.code, self.document = code, document


class _Connection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Agent:
    """An agent of `host`. `routers` and `checks` are the two tables of the file, as dictionaries."""

    def __init__(self, host, routers=None, checks=None, text=None, **top):
        self.host = host
        self.directory = host.lab.directory / host.name
        self.directory.mkdir(exist_ok=True)
        self.file = self.directory / "vipd.yaml"
        self.socket = self.directory / "vipd.sock"
        self.log_file = self.directory / "log"
        self.process = None
        self.program = binaries() / "vipd"
        self.write(routers, checks, text, **top)
        host.lab.finalizers.append(self._end)
        host.lab.agents = getattr(host.lab, "agents", []) + [self]

    # Configuration.

    def write(self, routers=None, checks=None, text=None, **top):
        """Writes the configuration; a running agent does not notice before `reload`."""
        if text is None:
            self.routers, self.checks = routers or {}, checks or {}
            text = self.head(**top)
            if self.checks:
                text += "checks:\n" + "".join(f"  {name}: {yaml(check)}\n" for name, check in self.checks.items())
            text += "virtual-routers:\n"
            for name, router in self.routers.items():
                text += f"  {name}:\n" + "".join(f"    {key}: {yaml(value)}\n" for key, value in router.items())
        self.file.write_text(text)

    def head(self, **top):
        values = {"status-socket": {"path": str(self.socket)}, "state-directory": str(self.directory / "state"),
                  "log-level": "debug"}
        values.update({key.replace("_", "-"): value for key, value in top.items()})
        return "".join(f"{key}: {yaml(value)}\n" for key, value in values.items())

    def change(self, router="database", **values):
        """Changes keys of one router in the file (`_` stands for `-`; None removes a key)."""
        keys = {key.replace("_", "-"): value for key, value in values.items()}
        self.routers[router].update(keys)
        self.routers[router] = {key: value for key, value in self.routers[router].items() if value is not None}
        self.write(self.routers, self.checks)

    # Processes.

    def start(self, wait=True, prefix=(), **environment):
        """Starts `vipd run`; returns when the engine runs, unless told not to wait. `prefix` is put before the command."""
        values = {key: value for key, value in os.environ.items() if key not in ("NOTIFY_SOCKET", "VIPD_ENGINE", "WATCHDOG_USEC")}
        values.update({"SWIFT_BACKTRACE": "enable=no", **environment})
        with open(self.log_file, "ab") as log:
            self.process = self.host.popen(*prefix, self.program, "run", "--config", self.file,
                                           stdout=log, stderr=log, env=values)
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self, timeout=15):
        def ready():
            assert self.process.poll() is None, f"vipd ended with {self.process.returncode}:\n{self.log()}"
            try:
                return self.status()["engine"]["state"] == "running"
            except (OSError, http.client.HTTPException, StatusError):
                return False
        wait_until(ready, timeout, lambda: f"agent of {self.host.name} is ready:\n{self.log()}")

    def stop(self, number=signal.SIGTERM, timeout=15):
        """Asks it to end; returns the exit status."""
        self.process.send_signal(number)
        return self.process.wait(timeout)

    def kill(self):
        """Ends both processes at once, with no chance to tidy up."""
        engine = self.engine_pid
        for pid in (self.process.pid, engine):
            os.kill(pid, signal.SIGSTOP)
        wait_until(lambda: all(_state(pid) == "T" for pid in (self.process.pid, engine)), 5, "both processes are stopped")
        # The engine first: the death of its parent would make the kernel continue it.
        for pid in (engine, self.process.pid):
            os.kill(pid, signal.SIGKILL)
        self.process.wait(5)
        wait_until(lambda: _state(engine) in (None, "Z"), 5, "the killed engine is gone")

    @property
    def engine_pid(self):
        return self.status()["engine"]["pid"]

    def kill_engine(self):
        """Kills the engine alone and returns its process id."""
        pid = self.engine_pid
        os.kill(pid, signal.SIGKILL)
        return pid

    def _end(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait(5)

    def log(self):
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def logged(self, text, since=0.0):
        """When it first wrote a line with `text` after `since`, in seconds of the epoch, or None."""
        for line in self.log().splitlines():
            if text in line and line[:2] == "20":
                time = datetime.fromisoformat(line.split(" ", 1)[0].replace("Z", "+00:00")).timestamp()
                if time >= since:
                    return time
        return None

    # Asking.

    def request(self, method, path, timeout=10):
        """One request; returns the document, raises StatusError for anything but 200."""
        connection = _Connection(self.socket, timeout)
        try:
            connection.request(method, path)
            response = connection.getresponse()
            body = response.read()
            try:
                document = json.loads(body) if body else None
            except ValueError:
                document = body.decode(errors="replace")
            if response.status != 200:
                raise StatusError(response.status, document)
            return document
        finally:
            connection.close()

    def status(self, name=None):
        return self.request("GET", "/v1/status" + (f"/{name}" if name else ""))

    def router(self, name="database"):
        return next(router for router in self.status()["virtual-routers"] if router["name"] == name)

    def state(self, name="database"):
        """The state of one router, or None while the agent does not answer."""
        try:
            return self.router(name)["state"]
        except (OSError, http.client.HTTPException, StatusError, StopIteration):
            return None

    def cause(self, name="database"):
        transition = self.router(name)["last-transition"]
        return transition["cause"] if transition else None

    def wait_state(self, state, timeout=10, name="database"):
        """Waits for the state and returns the router's status."""
        wait_until(lambda: self.state(name) == state, timeout,
                   lambda: f"{self.host.name}: {name} is {self.state(name)}, not {state}\n{self.log()[-3000:]}")
        return self.router(name)

    def reload(self):
        """POST /v1/reload; the document of 200, or StatusError 422 with the errors."""
        return self.request("POST", "/v1/reload")

    def cli(self, *words, timeout=20, prefix=()):
        """`vipd WORDS --socket PATH`, to the end."""
        return self.host.run(*prefix, binaries() / "vipd", *words, "--socket", self.socket, check=False, timeout=timeout)

    def events(self):
        return Events(self)

    def statistic(self, key, name="database"):
        return self.router(name)["statistics"][key]


class Events:
    """The transitions that `/v1/events` tells, collected in the background from the moment this is made."""

    def __init__(self, agent):
        self.items = []
        self.connection = _Connection(agent.socket, 60)
        self.connection.request("GET", "/v1/events")
        self.response = self.connection.getresponse()
        assert self.response.status == 200
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()
        agent.host.lab.finalizers.append(self.close)

    def _read(self):
        try:
            while line := self.response.readline():
                item = json.loads(line)
                item["heard"] = time.monotonic()
                self.items.append(item)
        except (OSError, ValueError, http.client.HTTPException, AttributeError):
            return

    def transitions(self, router=None):
        return [item for item in list(self.items) if item.get("type") == "transition" and router in (None, item["router"])]

    def states(self, router="database"):
        return [item["to"] for item in self.transitions(router)]

    def close(self):
        try:
            self.connection.sock.shutdown(socket.SHUT_RDWR)
        except (OSError, AttributeError):
            pass
        self.thread.join(2)
        self.connection.close()


def _state(pid):
    """The letter of ps(1), or None."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return None


def script(lab, name, text):
    """An executable shell script in the lab's directory; returns its path."""
    path = lab.directory / name
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(0o755)
    return path


def flag_check(lab, name, **values):
    """A check that passes while the file it returns exists: `(file, check)`."""
    file = lab.directory / f"{name}.ok"
    file.write_text("")
    check = {"command": ["/usr/bin/test", "-e", str(file)], "interval": "100ms", "timeout": "2s", "rise": 2, "fall": 2, **values}
    return file, check


def archive(lab, directory):
    """Copies logs and captures out of the lab, for a failed test."""
    shutil.copytree(lab.directory, directory, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.sock"))
