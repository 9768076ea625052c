"""Hostile packets: each kind that reception rejects, made by scapy, and trafgen to send them by the ten thousand.

A kind is a frame and what it is counted as. The frames are whole, from the Ethernet header on, because no socket would send most of them. Every
flood is bounded in rate and number and is sent inside a namespace of the lab.
"""

import struct
import subprocess
from dataclasses import dataclass

from scapy.layers.inet import IP, IPOption_Router_Alert
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether

from lab import VRRP
from wire import build_advert, checksum, pseudo_header

VRID = 51


@dataclass(frozen=True)
class Kind:
    """`counter` is the leaf that rises, `logged` what its log line says; None where the kernel does not even hand the packet over, or where
    only the log shows it."""

    name: str
    frame: bytes
    counter: str | None
    logged: str | None


def frame(family, payload, source, destination=None, mac="02:00:00:00:00:63", target=None, hops=255, protocol=VRRP, **header):
    """An Ethernet frame around `payload`."""
    group = family.group()
    target = target or ("33:33:00:00:00:12" if family.ipv6 else "01:00:5e:00:00:12")
    if family.ipv6:
        packet = IPv6(src=source, dst=destination or group, hlim=hops, nh=protocol, **header) / payload
    else:
        packet = IP(src=source, dst=destination or group, ttl=hops, proto=protocol, **header) / payload
    return bytes(Ether(src=mac, dst=target) / packet)


def sealed(octets, source, destination):
    """The message with a right checksum in the form of RFC 9568 for its family."""
    octets = octets[:6] + b"\0\0" + octets[8:]
    covered = pseudo_header(source, destination, len(octets)) + octets if ":" in source else octets
    return octets[:6] + struct.pack("!H", checksum(covered)) + octets[8:]


def kinds(family, victim, sender, priority=254):
    """Every kind of packet that must change nothing. `victim` is the host they are for, `sender` the one they come from."""
    source, group = sender.source(family), family.group()
    addresses = (["fe80::5e:33"] if family.ipv6 else []) + [family.vip()]
    interval = 10
    good = build_advert(source, group, VRID, priority, addresses, interval)

    def plain(octets, **options):
        return frame(family, octets, source, **options)

    def other(octets):
        return plain(sealed(octets, source, group))

    # To the victim alone: to others it is a good advert of the victim's.
    own = victim.source(family)
    found = [
        Kind("checksum", plain(good[:6] + bytes([good[6] ^ 1]) + good[7:]), "checksum-errors", "drop-checksum"),
        Kind("hop limit", plain(good, hops=254), "ip-ttl-errors", "drop-ttl"),
        Kind("version", other(b"\x41" + good[1:]), "version-errors", "what=version"),
        Kind("type", other(b"\x32" + good[1:]), "invalid-type-pkts-rcvd", "drop-type"),
        Kind("length", plain(good[:-1]), "packet-length-errors", "drop-truncated"),
        Kind("too short", plain(good[:7]), "packet-length-errors", "drop-truncated"),
        Kind("count of 0", other(good[:3] + b"\0" + good[4:8]), "address-list-errors", "drop-address-count"),
        Kind("count of 255", other(good[:3] + b"\xff" + good[4:]), "packet-length-errors", "drop-truncated"),
        Kind("interval of 0", other(good[:4] + b"\0\0" + good[6:]), "interval-errors", "drop-interval-zero"),
        Kind("VRID", other(good[:1] + b"\x63" + good[2:]), None, "drop-vrid"),
        Kind("to the host", plain(build_advert(source, victim.source(family), VRID, priority, addresses, interval),
                                  destination=victim.source(family), target=victim.mac), "destination-errors", "drop-destination"),
        Kind("group not joined", plain(build_advert(source, "ff02::13" if family.ipv6 else "224.0.0.19", VRID, priority, addresses, interval),
                                       destination="ff02::13" if family.ipv6 else "224.0.0.19"), None, None),
    ]
    mine = build_advert(own, group, VRID, priority, addresses, interval)
    if family.ipv6:
        # The kernel does not care that the source is its own.
        found.append(Kind("our own address", frame(family, mine, own, target=victim.mac), "source-errors", "what=our-address"))
        outside = build_advert("2001:db8::99", group, VRID, priority, addresses, interval)
        found.append(Kind("source", frame(family, outside, "2001:db8::99"), "source-errors", "drop-source"))
        # A fragment header that promises more: never a whole packet.
        found.append(Kind("fragment", plain(struct.pack("!BBHI", VRRP, 0, 1, 7) + good, protocol=44), None, None))
        v4 = build_advert("192.0.2.99", "224.0.0.18", VRID, priority, ["192.0.2.10"], interval)
        found.append(Kind("family", bytes(Ether(src="02:00:00:00:00:63", dst="01:00:5e:00:00:12") / IP(
            src="192.0.2.99", dst="224.0.0.18", ttl=255, proto=VRRP) / v4), None, None))
    else:
        found.append(Kind("our own address", frame(family, mine, own, target=victim.mac), None, None))
        nobody = build_advert("0.0.0.0", group, VRID, priority, addresses, interval)
        found.append(Kind("source", frame(family, nobody, "0.0.0.0"), "source-errors", "drop-source"))
        found.append(Kind("fragment", plain(good, flags="MF", id=7), None, None))
        found.append(Kind("options", plain(good, hops=254, options=[IPOption_Router_Alert()]), "ip-ttl-errors", "drop-ttl"))
        v6 = build_advert("fe80::63", "ff02::12", VRID, priority, ["fe80::5e:33"], interval)
        found.append(Kind("family", bytes(Ether(src="02:00:00:00:00:63", dst="33:33:00:00:00:12") / IPv6(
            src="fe80::63", dst="ff02::12", hlim=255, nh=VRRP) / v6), None, None))
    return found


class Flood:
    """trafgen on a host of the lab: `frames` in turn, `rate` packets a second, for `seconds`."""

    def __init__(self, host, frames, rate, seconds):
        self.host, self.rate, self.count = host, rate, int(rate * seconds)
        self.file = host.lab.directory / f"flood-{len(host.lab.processes)}.trafgen"
        self.file.write_text("\n".join("{ " + ", ".join(f"0x{octet:02x}" for octet in octets) + " }" for octets in frames) + "\n", encoding="ascii")
        self.process = None

    def start(self):
        self.process = self.host.popen("trafgen", "--dev", "eth0", "--conf", str(self.file), "--cpus", "1", "--rate", f"{self.rate}pps",
                                       "--num", str(self.count), "--no-sock-mem", "--notouch-irq", "--no-cpu-stats",
                                       stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        return self

    def wait(self, timeout=60):
        """To its end; fails if it could not send."""
        _, errors = self.process.communicate(timeout=timeout)
        assert self.process.returncode == 0, errors.decode(errors="replace")
