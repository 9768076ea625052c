"""FRR's vrrpd with many virtual routers on one interface: a macvlan for each, made in one batch, and two daemons. What one needs is
explained in `frr.py`. vrrpd opens a socket for each router and hears every advert on all of them, so its work grows with the square of their
number: a backup of 255 does not keep up on the machine this was written on, and becomes master beside a master that lives."""

import json
import shutil

from frr import DAEMONS
from lab import wait_until


class ManyFrr:
    def __init__(self, host, planned, priority, interval=100):
        self.host, self.planned = host, planned
        self.directory = host.lab.directory / f"{host.name}-frr"
        self.directory.mkdir()
        shutil.chown(self.directory, "frr", "frr")
        (self.directory / "vtysh.conf").touch()
        (self.directory / "vrrpd.conf").write_text("interface eth0\n" + "".join(
            f" vrrp {vrid} version 3\n vrrp {vrid} priority {priority}\n vrrp {vrid} advertisement-interval {interval}\n vrrp {vrid} ip {address}\n"
            for _, _, vrid, address in planned))
        self.log_file = self.directory / "log"
        self.daemons = {}
        self._devices()

    def _devices(self):
        self.host.run("sh", "-ec", "cd /proc/sys/net/ipv4/conf; echo 1 >all/ignore_routes_with_linkdown; echo 1 >eth0/arp_ignore"
                      "; echo 2 >eth0/arp_announce; echo 0 >/proc/sys/net/ipv6/conf/default/accept_ra")
        lines = []
        for _, _, vrid, address in self.planned:
            device = f"vrrp4-2-{vrid}"
            lines += [f"link add {device} link eth0 address 00:00:5e:00:01:{vrid:02x} type macvlan mode bridge",
                      f"link set {device} addrgenmode random", f"address add {address}/32 dev {device}", f"link set {device} up"]
        self.host.run("ip", "-batch", "-", input="\n".join(lines) + "\n", timeout=60)

    def start(self, state, count):
        self._daemon("zebra", "/dev/null")
        wait_until((self.directory / "zserv.api").exists, 20, "zebra starts")
        self._daemon("vrrpd", self.directory / "vrrpd.conf")
        self.wait_all(state, count)

    def _daemon(self, name, file):
        with open(self.log_file, "ab") as log:
            process = self.host.popen(f"{DAEMONS}/{name}", "--socket", self.directory / "zserv.api", "--vty_socket", self.directory, "--vty_port", "0",
                                      "--pid_file", self.directory / f"{name}.pid", "--config_file", file, stdout=log, stderr=log)
        self.daemons[name] = process
        self.host.lab.finalizers.append(lambda: shutil.rmtree(f"/var/tmp/frr/{name}.{process.pid}", ignore_errors=True))

    def states(self):
        """How many routers are in each state, by its own word."""
        result = self.host.run("vtysh", "--vty_socket", self.directory, "--config_dir", self.directory, "-d", "vrrpd", "-c", "show vrrp json",
                               check=False, timeout=60)
        found = {}
        try:
            for router in json.loads(result.stdout):
                state = router["v4"]["status"].lower()
                found[state] = found.get(state, 0) + 1
        except (ValueError, KeyError, TypeError):
            return {}
        return found

    def wait_all(self, state, count):
        wait_until(lambda: self.states() == {state: count}, 30, lambda: f"vrrpd of {self.host.name}: {self.states()}", every=0.5)

    def pids(self):
        return {"main": self.daemons["zebra"].pid, "engine": self.daemons["vrrpd"].pid}
