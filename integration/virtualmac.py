"""What the cases of virtual hardware addresses share: the macvlan of a host, and what a host that serves behind it must look like."""

import json
import subprocess

import netlink
from cases import follows, start_pair
from interop import answering
from lab import wait_until

VRID = 51


def mac(family, vrid=VRID):
    return f"00:00:5e:00:0{2 if family.ipv6 else 1}:{vrid:02x}"


def links(host):
    """The macvlans of the agent on a host, as `ip` tells of them."""
    return [link for link in json.loads(host.run("ip", "-j", "-d", "link", "show", "type", "macvlan").stdout)
            if link and link["ifname"].startswith("vipd")]


def link(host):
    (found,) = links(host)
    return found


def is_up(host):
    return "UP" in link(host)["flags"]


def held(host):
    """The virtual addresses on the host's macvlan."""
    return sorted(address for found in links(host) for address in netlink.addresses(host, found["ifname"]))


def sysctl(host, name):
    return int(host.run("cat", f"/proc/sys/net/ipv4/conf/{name}").stdout)


def pair(lab, family, **values):
    return start_pair(lab, family, **{"virtual-mac": True, **values})


def wanted(family):
    return sorted([family.vip()] + ([f"fe80::5e:{VRID:x}"] if family.ipv6 else []))


def serves(lab, family, name, vrid=VRID, also=()):
    """The host holds the address behind the virtual hardware address; the client and the switch find it, and one answer comes."""
    host = lab[name]
    wait_until(lambda: held(host) == sorted([*wanted(family), *also]) and is_up(host), 5, lambda: f"{held(host)} on {links(host)}")
    assert not host.has(family.vip()), "it is not on eth0"
    follows(lab, family.vip(), name, mac=mac(family, vrid))
    assert answering(lab, family.vip()) == {mac(family, vrid)}


def rests(host):
    wait_until(lambda: held(host) == [] and not is_up(host), 5, lambda: f"{held(host)} on {links(host)}")


class Watch:
    """Frames with this source that come in on the switch's port of a host."""

    def __init__(self, lab, name, hardware):
        self.lab, self.name, self.hardware = lab, name, hardware
        self.file = lab.directory / f"watch-{len(lab.processes)}"
        self.out = open(self.file, "wb")
        self.process = lab.switch.popen("tcpdump", "-i", name, "-Q", "in", "-e", "-n", "-l", "-Z", "root", "--immediate-mode", f"ether src {hardware}",
                                        stdout=self.out, stderr=subprocess.PIPE)
        while b"listening" not in (line := self.process.stderr.readline()):
            assert line, "tcpdump does not start"

    def frames(self):
        return self.file.read_text().splitlines()
