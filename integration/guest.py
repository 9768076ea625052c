"""A QEMU guest as a host of the lab: its interfaces are ports of the lab's switch, and the native hosts beside it are its neighbours.

It exists for what nobody does to the machine that runs the tests, a step of the wall clock and a suspension, and for kinds of interfaces that this
machine's kernel may lack. The guest is an emulated processor (TCG), ten to fifty times slower than this one, so it answers for what happens and in
which order, never for milliseconds. KVM is not used: on a machine that is virtual itself QEMU was seen to end in an assertion instead of falling back.
It is told what to do through a virtio port, one command at a time. It knows nothing of virtual routers; `GuestAgent` does.
"""

import base64
import json
import re
import shlex
import socket
import subprocess
import threading
import time
from datetime import datetime, timezone

from scapy.utils import rdpcap

import guestimage
from agent import Agent, StatusError
from lab import Host, wait_until

BOOT_TIMEOUT = 120
OPTIONS = [
    "-M", "pc", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "1", "-m", "512", "-nodefaults", "-no-user-config", "-display", "none",
    "-global", "PIIX4_PM.disable_s3=0",
    "-append", "console=ttyS0 loglevel=4 panic=-1 tsc=reliable no_timer_check random.trust_cpu=on mitigations=off mem_sleep_default=deep",
]


class _Commands:
    """What commands in the guest and in a namespace of it have in common with those on a native host."""

    def run(self, *command, check=True, timeout=60, input=None):
        """Runs to the end; `stdout` has what it said on both streams."""
        return self._result(shlex.join([str(word) for word in command]), check, timeout, input)

    def shell(self, text, check=True, timeout=60, input=None):
        """What a script of bash says."""
        return self._result(f"( {text}\n)", check, timeout, input).stdout

    def _result(self, text, check, timeout, input):
        if input is not None:
            text += f" <<<{shlex.quote(input.removesuffix(chr(10)))}"
        result = subprocess.CompletedProcess(text, *self.told(text, timeout), "")
        if check and result.returncode:
            raise RuntimeError(f"{self.name}: {text}: {result.stdout}")
        return result

    def start(self, text, output="/dev/null"):
        """Starts a command in the background; returns its process id."""
        return int(self.shell(f"{{ {text}; }} </dev/null >>{output} 2>&1 & echo $!"))

    def seconds(self):
        """The guest's wall clock, in seconds of the epoch."""
        return float(self.run("date", "+%s.%N").stdout)


class Guest(_Commands, Host):
    """The machine. `eth0` and `eth1` are the ports `NAME` and `NAME1` of the switch; `eth1` is down."""

    def __init__(self, lab, name="a", number=9):
        super().__init__(lab, name, number)
        lab.hosts[name] = self
        self.directory = lab.directory / f"guest-{name}"
        self.directory.mkdir()
        self.lock = threading.Lock()
        command = ["nice", "-n", "-5", "qemu-system-x86_64", *OPTIONS, "-kernel", guestimage.KERNEL, "-initrd", guestimage.ram_disk(),
                   "-serial", f"file:{self.directory}/serial", "-qmp", f"unix:{self.directory}/monitor,server=on,wait=off",
                   "-device", "virtio-serial-pci", "-chardev", f"socket,id=control,path={self.directory}/control,server=on,wait=off",
                   "-device", "virtserialport,chardev=control,name=control"]
        for index in range(2):
            port = f"{name}{index or ''}"
            lab.switch.ip("tuntap", "add", "dev", port, "mode", "tap")
            lab.switch.ip("link", "set", "dev", port, "master", "br0", "up")
            mac = self.mac if index == 0 else f"02:00:00:00:0{index}:{number:02x}"
            command += ["-netdev", f"tap,id=net{index},ifname={port},script=no,downscript=no",
                        "-device", f"virtio-net-pci,netdev=net{index},mac={mac},romfile="]
        with open(self.directory / "qemu", "wb") as log:
            self.process = lab.switch.popen(*command, stdout=log, stderr=log)
        self.control, self.answers = self._connect("control")
        self.monitor, self.events = self._connect("monitor")
        try:
            json.loads(self.events.readline())
            self._ask_monitor("qmp_capabilities")
        except (ValueError, OSError) as error:
            raise AssertionError(f"QEMU ended: {self._complaints()}") from error
        assert self.told("true", BOOT_TIMEOUT)[0] == 0

    def _complaints(self):
        return (self.directory / "qemu").read_text(errors="replace")

    def _connect(self, name):
        link = socket.socket(socket.AF_UNIX)

        def connected():
            assert self.process.poll() is None, f"QEMU ended: {self._complaints()}"
            return link.connect_ex(str(self.directory / name)) == 0
        wait_until(connected, 20, f"QEMU's {name} socket")
        self.lab.finalizers.append(link.close)
        link.settimeout(60)
        return link, link.makefile("rb")

    def told(self, text, timeout):
        """Exit status and output of a script of bash. The guest carries out one at a time."""
        escaped = text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")
        with self.lock:
            self.control.settimeout(timeout)
            try:
                self.control.sendall(f"eval $'{escaped}'\n".encode())
                status, length = self.answers.readline().split()
                output = self.answers.read(int(length))
            except (TimeoutError, ValueError) as error:
                raise AssertionError(f"{self.name} does not answer to `{text}` within {timeout} s ({error!r}); its console:\n{self.console()}") from None
        return int(status), output.decode(errors="replace")

    def console(self):
        return (self.directory / "serial").read_text(errors="replace")[-3000:]

    def _ask_monitor(self, command, **arguments):
        self.monitor.sendall(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
        while "return" not in (answer := json.loads(self.events.readline())):
            assert "error" not in answer, answer
            # Else an event, of which `_event` awaits the next.

    def _event(self, name):
        while json.loads(self.events.readline()).get("event") != name:
            pass

    def prepare(self, *families, device="eth0"):
        """Gives `device` the host's addresses, and none but those, without waiting for duplicate address detection."""
        self.shell(f"for f in accept_dad router_solicitations; do for i in all default {device}; do echo 0 >/proc/sys/net/ipv6/conf/$i/$f; done; done")
        self.run("ip", "-batch", "-", input=f"link set {device} down\naddress flush dev {device}\nlink set {device} up\n" + "".join(
            f"address add {self.address(family)}/{family.bits} dev {device} {'nodad' if family.ipv6 else ''}\n" for family in families))
        wait_until(lambda: self.link_local in self.addresses(device), 20, "link-local address of the guest")

    def plug(self, index, plugged):
        """Whether `ethINDEX` has a carrier."""
        self._ask_monitor("set_link", name=f"net{index}", up=plugged)

    def alive(self):
        """Whether it still does what it is told."""
        try:
            return self.process.poll() is None and self.told("true", 30)[0] == 0
        except (AssertionError, OSError, ValueError):
            return False

    # The clocks.

    def step_clock(self, seconds, meanwhile=()):
        """Steps the guest's wall clock. Processes that do not run `meanwhile`, the last of them first to go on, find behind the step what
        arrived in the sixth of a second before it."""
        stop = f"kill -STOP {' '.join(map(str, meanwhile))}; sleep 0.16" if meanwhile else "true"
        go_on = f"kill -CONT {' '.join(map(str, reversed(meanwhile)))}" if meanwhile else "true"
        self.shell(f"{stop}; date -s @$(($(date +%s) + {seconds})); status=$?; {go_on}; exit $status")

    def suspended_for(self):
        """How long this guest was suspended since it booted: CLOCK_BOOTTIME, which counts that, minus CLOCK_MONOTONIC, in seconds."""
        text = self.shell("while read -r a b c d rest; do [[ $a == now ]] && { echo $c; break; }; done </proc/timer_list; cat /proc/uptime")
        monotonic, uptime = text.split()[:2]
        return float(uptime) - int(monotonic) / 1e9

    def suspend(self, seconds):
        """Suspends the guest to RAM (ACPI S3) for this long; returns when it was woken, in seconds of the epoch of this machine. Its processor is off,
        and its clock of real time goes on, as in a laptop."""
        self.start("sleep 0.3; echo mem >/sys/power/state")
        self._event("SUSPEND")
        time.sleep(seconds)
        woken = time.time()
        self._ask_monitor("system_wakeup")
        return woken

    # What is seen from inside, with the stamps of its own clock.

    def record(self):
        """Records what leaves and reaches `eth0` and how addresses change, from now on and anew; see `recorded`."""
        self.shell("kill $(cat /run/recorders 2>/dev/null) 2>/dev/null; : >/run/frames; : >/run/changes", check=False)
        pids = [self.start("exec tcpdump -i eth0 -Z root -s 2048 -U --immediate-mode -n -w /run/frames ip proto 112 or ip6 proto 112 or arp or icmp6"),
                self.start("exec ip -ts -o monitor address", "/run/changes")]
        self.shell(f"echo {pids[0]} {pids[1]} >/run/recorders; until [[ -s /run/frames ]]; do sleep 0.1; done")

    def recorded(self):
        """What was recorded: the frames as scapy's, and `(time, "added" or "deleted", address)` for each change."""
        file = self.directory / "frames"
        file.write_bytes(base64.b64decode(self.run("base64", "-w", "0", "/run/frames").stdout))
        changes = []
        for line in self.run("cat", "/run/changes").stdout.splitlines():
            if found := re.match(r"\[([^]]+)\] (Deleted )?\d+: \S+\s+inet6? ([^/ ]+)", line):
                moment = datetime.fromisoformat(found[1]).replace(tzinfo=timezone.utc).timestamp()
                changes.append((moment, "deleted" if found[2] else "added", found[3]))
        return rdpcap(str(file)), changes

    def enter(self, command):
        raise NotImplementedError("what runs in the guest is started with `run` or `start`")


class Inside(_Commands):
    """A network namespace of the guest, as a host: its `eth0` is the port `NAME` of the guest's bridge `br0`, which is made when it is not there."""

    def __init__(self, guest, name, number):
        self.guest, self.name, self.lab = guest, name, guest.lab
        self.mac = f"02:00:00:00:10:{number:02x}"
        guest.shell(f"""set -e
            [[ -d /sys/class/net/br0 ]] || ip link add br0 up type bridge stp_state 0 forward_delay 0
            ip netns add {name}
            ip link add name {name} type veth peer name eth0 address {self.mac} netns {name}
            ip link set dev {name} master br0 up""")
        self.shell("""set -e
            for f in accept_dad router_solicitations; do for i in all default; do echo 0 >/proc/sys/net/ipv6/conf/$i/$f; done; done
            ip link set lo up; ip link set eth0 up""")

    def cut(self):
        """Takes its port off the bridge; it keeps its carrier."""
        self.guest.ip("link", "set", "dev", self.name, "nomaster")

    def heal(self):
        self.guest.ip("link", "set", "dev", self.name, "master", "br0")

    def alive(self):
        return self.guest.alive()

    def remove(self):
        if self.alive():
            self.guest.shell(f"ip netns pids {self.name} | while read -r pid; do kill -9 $pid; done; "
                             f"ip link delete {self.name}; ip netns delete {self.name}", check=False)

    def told(self, text, timeout):
        return self.guest.told(f"nsenter --net=/run/netns/{self.name} bash -c {shlex.quote(text)}", timeout)

    entries, addresses, has, ping, ip = Host.entries, Host.addresses, Host.has, Host.ping, Host.ip


class GuestAgent(Agent):
    """An agent in the guest, or in a namespace of it. It is asked with `vipd status`, and its log is fetched."""

    def __init__(self, host, routers=None, **options):
        super().__init__(host, routers, **options)
        # That of the guest, and the supervisor's process id there.
        self.program, self.pid = "/usr/bin/vipd", None

    def write(self, *arguments, **options):
        super().write(*arguments, **options)
        self.host.shell(f"mkdir -p {self.directory} && cat >{self.file}", input=self.file.read_text())

    def start(self, wait=True):
        self.pid = self.host.start(f"exec {self.program} run --config {self.file}", self.log_file)
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self, timeout=60):
        def ready():
            assert self.host.run("kill", "-0", self.pid, check=False).returncode == 0, f"vipd ended:\n{self.log()}"
            try:
                return self.status()["engine"]["state"] == "running"
            except StatusError:
                return False
        wait_until(ready, timeout, lambda: f"agent of {self.host.name} is ready:\n{self.log()}")

    def wait_state(self, state, timeout=60, name="database"):
        return super().wait_state(state, timeout, name)

    def status(self, name=None):
        result = self.host.run(self.program, "status", *([name] if name else []), "--json", "--socket", self.socket, check=False)
        if result.returncode not in (0, 1):
            raise StatusError(result.returncode, result.stdout)
        try:
            return json.loads(result.stdout)
        except ValueError:
            raise StatusError(result.returncode, result.stdout) from None

    def stop(self, number="TERM", timeout=60):
        self.host.shell(f"kill -{number} {self.pid}")
        wait_until(lambda: self.host.run("kill", "-0", self.pid, check=False).returncode, timeout, "the agent ends")

    def _end(self):
        """The guest's end is the agent's."""

    def end(self):
        """Ends it before the guest does, and waits until its addresses are gone."""
        if self.pid and self.host.alive():
            self.host.shell(f"kill {self.pid}; for i in {{1..100}}; do kill -0 {self.pid} || exit 0; sleep 0.1; done; kill -9 {self.pid}", check=False)
        self.pid = None

    def log(self):
        # Also after a test that failed because the guest did.
        try:
            return self.host.run("cat", self.log_file, check=False).stdout
        except (AssertionError, OSError, ValueError) as error:
            return f"(no log: {error})"

    def transitions(self, router="database"):
        """The lines of its log that tell of a change of state, from the first."""
        return [line for line in self.log().splitlines() if "event=transition" in line and f"router={router} " in line]
