"""FRR's vrrpd on a host of the lab: the macvlan it needs, zebra and vrrpd with sockets of their own, and its own view by vtysh.

Debian 12 has 8.4.4. vrrpd adds and removes no address: a macvlan in bridge mode with the MAC that belongs to the VRID carries the virtual
address all the time, and zebra puts it `protodown` except on the master. Both daemons run inside the namespace, as the user that the
package made, with its files in the lab's directory; /run/frr and /etc/frr are not touched.
"""

import json
import shutil

from interop import VRID, Foreign
from lab import wait_until

DAEMONS = "/usr/lib/frr"


class Frr(Foreign):
    """`link_local` is the address that IPv6 adverts come from; without it the kernel makes one up, as FRR's manual says."""

    name = "frr"

    def __init__(self, host, family, link_local=None, **options):
        super().__init__(host, family, **options)
        self.link_local = link_local
        shutil.chown(self.directory, "frr", "frr")
        self.zebra = None
        (self.directory / "vtysh.conf").touch()
        digit = 6 if family.ipv6 else 4
        self.device = f"vrrp{digit}-2-{VRID}"
        self._make_device()

    @property
    def mac(self):
        return f"00:00:5e:00:0{2 if self.family.ipv6 else 1}:{VRID:02x}"

    def _make_device(self):
        """As in "System Configuration" of FRR's manual for vrrpd, and two settings that are missing there. Without arp_ignore, a backup's eth0
        answers ARP requests for the address on the protodown macvlan, and two hosts answer for it. Without arp_announce, a master that has to
        resolve a client asks through eth0 with the virtual address as sender, and the client then has it at the MAC of eth0."""
        self.host.run("sh", "-ec", "cd /proc/sys/net/ipv4/conf; echo 1 >all/ignore_routes_with_linkdown"
                      "; echo 1 >eth0/arp_ignore; echo 2 >eth0/arp_announce")
        # Debian's iproute2 sets the mode of address generation only on a link that exists.
        self.host.ip("link", "add", self.device, "link", "eth0", "address", self.mac, "type", "macvlan", "mode", "bridge")
        self.host.ip("link", "set", self.device, "addrgenmode", "none" if self.link_local else "random")
        # The client must not take an address by the router advertisements that FRR sends as master.
        self.host.run("sh", "-ec", f"echo 0 >/proc/sys/net/ipv6/conf/{self.device}/accept_ra")
        nodad = ["nodad"] if self.family.ipv6 else []
        if self.link_local:
            self.host.ip("address", "add", f"{self.link_local}/64", "dev", self.device, *nodad)
        self.host.ip("address", "add", self.family.vip_prefix(), "dev", self.device, *nodad)
        self.host.ip("link", "set", self.device, "up")

    def configuration(self):
        lines = [f"version {self.version}", f"priority {self.priority}", f"advertisement-interval {round(self.interval * 1000)}",
                 f"{'ipv6' if self.family.ipv6 else 'ip'} {self.family.vip()}"]
        lines = [f" vrrp {VRID} {line}" for line in lines]
        if not self.preempt:
            lines.insert(1, f" no vrrp {VRID} preempt")
        return "interface eth0\n" + "\n".join(lines) + "\n"

    def start(self):
        if self.zebra is None:
            self.zebra = self._daemon("zebra", "/dev/null")
            wait_until((self.directory / "zserv.api").exists, 10, lambda: f"zebra starts:\n{self.log()}")
        file = self.directory / "vrrpd.conf"
        file.write_text(self.configuration())
        self.process = self._daemon("vrrpd", file)
        wait_until(lambda: self.state() in ("backup", "master"), 10, lambda: f"vrrpd runs:\n{self.log()[-3000:]}")
        return self

    def _daemon(self, name, file):
        with open(self.log_file, "ab") as log:
            process = self.host.popen(f"{DAEMONS}/{name}", "--socket", self.directory / "zserv.api", "--vty_socket", self.directory,
                                      "--vty_port", "0", "--pid_file", self.directory / f"{name}.pid", "--config_file", file,
                                      "--log", "stdout", "--log-level", "debug", stdout=log, stderr=log)
        # Every daemon makes itself a directory for its last words, at a place that no option changes.
        self.host.lab.finalizers.append(lambda: shutil.rmtree(f"/var/tmp/frr/{name}.{process.pid}", ignore_errors=True))
        return process

    def document(self):
        """`show vrrp json`: the virtual router with the part of our family under `own`, or None when vrrpd is not there."""
        if self.process is None or self.process.poll() is not None:
            return None
        result = self.host.run("vtysh", "--vty_socket", self.directory, "--config_dir", self.directory, "-d", "vrrpd",
                               "-c", f"show vrrp interface eth0 {VRID} json", check=False)
        try:
            found = json.loads(result.stdout)
        except ValueError:
            return None
        routers = found if isinstance(found, list) else [found]
        return next(({**router, "own": router["v6" if self.family.ipv6 else "v4"]} for router in routers if router), None)

    def state(self):
        document = self.document()
        return document and document["own"]["status"].lower()

    def heard(self):
        return self.document()["own"]["stats"]["adverRx"]

    def learned_interval(self):
        return self.document()["own"]["masterAdverInterval"] / 1000

    def holds(self, address):
        link = json.loads(self.host.ip("-j", "link", "show", "dev", self.device).stdout)[0]
        return self.host.has(address, self.device) and "NO-CARRIER" not in link["flags"]
