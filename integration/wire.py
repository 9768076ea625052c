"""What is on the wire: captures by tcpdump, adverts and announcements read from them, and scripted VRRP peers and ARP responders.

It is an independent reader and writer of the protocol: nothing here comes from the agent's own code. scapy takes frames apart, tcpdump
records them, and adverts are built and judged by the thirty lines below, straight from RFC 9568 section 5 and RFC 3768 section 5.
"""

import ipaddress
import socket
import struct
import subprocess
import threading
import time
from dataclasses import dataclass, field

from scapy.config import conf
from scapy.layers.inet import IP
from scapy.layers.inet6 import (ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6NDOptDstLLAddr, IPv6)
from scapy.layers.l2 import ARP, Ether
from scapy.utils import PcapReader

from lab import VRRP, Family, wait_until

conf.verb = 0
ETH_P_ALL = 0x0003


def checksum(data):
    """RFC 1071."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def pseudo_header(source, destination, length):
    source, destination = ipaddress.ip_address(source), ipaddress.ip_address(destination)
    if source.version == 6:
        return source.packed + destination.packed + struct.pack("!IHBB", length, 0, 0, VRRP)
    return source.packed + destination.packed + struct.pack("!BBH", 0, VRRP, length)


def build_advert(source, destination, vrid, priority, addresses, interval=100, version=3, form="message", password=None):
    """A VRRP message. `interval` is centiseconds in version 3 and seconds in version 2; `form` is the checksum's over IPv4."""
    if version == 3:
        head = struct.pack("!BBBBHH", 0x31, vrid, priority, len(addresses), interval, 0)
    else:
        head = struct.pack("!BBBBBBH", 0x21, vrid, priority, len(addresses), 1 if password else 0, interval, 0)
    body = b"".join(ipaddress.ip_address(address).packed for address in addresses)
    if version == 2:
        body += (password or "").encode().ljust(8, b"\0")
    message = head + body
    covered = message
    if version == 3 and (":" in source or form == "pseudo"):
        covered = pseudo_header(source, destination, len(message)) + message
    return message[:6] + struct.pack("!H", checksum(covered)) + message[8:]


@dataclass
class Advert:
    """One advert as it was on the wire."""

    time: float
    mac: str
    destination_mac: str
    source: str
    destination: str
    ttl: int
    traffic_class: int
    version: int
    vrid: int
    priority: int
    interval: int
    addresses: list
    authentication: bytes
    form: str  # "message", "pseudo", or "bad"
    octets: bytes = field(repr=False)


def read_advert(frame):
    """The advert in a scapy frame, or None."""
    if IP in frame and frame[IP].proto == VRRP:
        packet = frame[IP]
        octets = bytes(packet)[packet.ihl * 4:packet.len]
        ttl, traffic_class, size = packet.ttl, packet.tos, 4
    elif IPv6 in frame and frame[IPv6].nh == VRRP:
        packet = frame[IPv6]
        octets = bytes(packet)[40:40 + packet.plen]
        ttl, traffic_class, size = packet.hlim, packet.tc, 16
    else:
        return None
    version, vrid, priority, count = octets[0] >> 4, octets[1], octets[2], octets[3]
    interval = octets[5] if version == 2 else struct.unpack("!H", octets[4:6])[0] & 0xFFF
    body = octets[8:8 + count * size]
    addresses = [str(ipaddress.ip_address(body[at:at + size])) for at in range(0, len(body), size)]
    if checksum(pseudo_header(packet.src, packet.dst, len(octets)) + octets) == 0:
        form = "pseudo"
    elif checksum(octets) == 0:
        form = "message"
    else:
        form = "bad"
    return Advert(float(frame.time), frame[Ether].src, frame[Ether].dst, packet.src, packet.dst, ttl, traffic_class, version,
                  vrid, priority, interval, addresses, octets[8 + count * size:], form, octets)


@dataclass
class Announcement:
    """A gratuitous ARP or an unsolicited neighbour advertisement."""

    time: float
    address: str
    mac: str
    kind: str  # "request", "reply" or "una"
    frame: object = field(repr=False)


def read_announcement(frame):
    """The announcement in a scapy frame, or None."""
    if ARP in frame and frame[ARP].psrc == frame[ARP].pdst and frame[ARP].op in (1, 2):
        arp = frame[ARP]
        return Announcement(float(frame.time), arp.psrc, arp.hwsrc, "request" if arp.op == 1 else "reply", frame)
    if ICMPv6ND_NA in frame and frame[ICMPv6ND_NA].S == 0 and frame[IPv6].dst == "ff02::1":
        option = frame[ICMPv6NDOptDstLLAddr].lladdr if ICMPv6NDOptDstLLAddr in frame else ""
        return Announcement(float(frame.time), frame[ICMPv6ND_NA].tgt, option, "una", frame)
    return None


class Capture:
    """tcpdump on an interface of a host, writing to a file that can be read while it runs."""

    FILTER = "ip proto 112 or ip6 proto 112 or arp or icmp6"

    def __init__(self, host, device="eth0", expression=FILTER):
        self.host = host
        self.file = host.lab.directory / f"capture-{len(host.lab.processes)}.pcap"
        self.process = host.popen(
            "tcpdump", "-i", device, "-Z", "root", "-s", "2048", "-U", "--immediate-mode", "-n", "-w", str(self.file), expression,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        assert b"listening" in self.process.stderr.readline(), "tcpdump does not start"

    def frames(self):
        """All frames so far."""
        frames = []
        with PcapReader(str(self.file)) as reader:
            try:
                for frame in reader:
                    frames.append(frame)
            except EOFError:
                pass
        return frames

    def adverts(self, source=None, vrid=None, mac=None):
        found = [advert for advert in map(read_advert, self.frames()) if advert]
        return [advert for advert in found if (source is None or advert.source == source)
                and (vrid is None or advert.vrid == vrid) and (mac is None or advert.mac == mac)]

    def announcements(self, address=None, mac=None):
        found = [item for item in map(read_announcement, self.frames()) if item]
        return [item for item in found if (address is None or item.address == address) and (mac is None or item.mac == mac)]

    def stop(self):
        """Ends tcpdump after what it has been handed; the file stays readable."""
        self.process.terminate()
        self.process.wait(5)

    def tshark(self, *fields, display="vrrp"):
        """Rows of `fields` as tshark reads them: a second opinion."""
        command = ["tshark", "-r", str(self.file), "-Y", display, "-T", "fields", "-E", "separator=|", "-o", "vrrp.v3_checksum_as_in_v2:TRUE"]
        for name in fields:
            command += ["-e", name]
        result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True, stdin=subprocess.DEVNULL)
        return [line.split("|") for line in result.stdout.splitlines()]


class Peer:
    """A scripted VRRP router: sends what it is told from `host`, at once or every `interval` centiseconds until stopped. It sends to the group, or
    to one address `to`."""

    def __init__(self, host, family: Family, vrid=51, priority=200, addresses=None, interval=20, to=None, **options):
        self.host, self.family, self.vrid, self.priority, self.interval = host, family, vrid, priority, interval
        self.to = to or family.group()
        self.source = host.address(family) if to and family.ipv6 and not to.startswith("fe80") else host.source(family)
        link_local = [f"fe80::5e:{vrid:x}"] if family.ipv6 else []
        self.addresses = addresses or link_local + [family.vip()]
        self.options = options
        self.ttl = 255
        self.socket = host.inside(self._open)
        self.running = None
        host.lab.finalizers.append(self.close)

    def _open(self):
        index = socket.if_nametoindex("eth0")
        if self.family.ipv6:
            link = socket.socket(socket.AF_INET6, socket.SOCK_RAW, VRRP)
            link.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
            link.bind((self.source, 0, 0, index))
        else:
            link = socket.socket(socket.AF_INET, socket.SOCK_RAW, VRRP)
            link.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF,
                            struct.pack("4s4si", bytes(4), socket.inet_aton(self.host.address(self.family)), index))
        return link

    def message(self, **changes):
        values = {"vrid": self.vrid, "priority": self.priority, "addresses": self.addresses, "interval": self.interval}
        values.update(self.options)
        values.update(changes)
        return build_advert(self.source, self.to, **values)

    def send(self, octets=None, **changes):
        """Sends one advert; `changes` replace its fields, `octets` replaces it whole."""
        if self.family.ipv6:
            for option in (socket.IPV6_MULTICAST_HOPS, socket.IPV6_UNICAST_HOPS):
                self.socket.setsockopt(socket.IPPROTO_IPV6, option, self.ttl)
        else:
            for option in (socket.IP_MULTICAST_TTL, socket.IP_TTL):
                self.socket.setsockopt(socket.IPPROTO_IP, option, self.ttl)
        self.socket.sendto(octets or self.message(**changes), (self.to, 0))

    def start(self):
        """Advertises until `stop`."""
        self.running = threading.Event()
        thread = threading.Thread(target=self._loop, args=(self.running,), daemon=True)
        thread.start()
        return self

    def _loop(self, stopped):
        step = self.interval / 100 if self.options.get("version", 3) == 3 else self.interval
        due = time.monotonic()
        while not stopped.is_set():
            try:
                self.send()
            except OSError:
                pass  # its port may be down by design
            due = max(due + step, time.monotonic())
            stopped.wait(due - time.monotonic())

    def stop(self):
        if self.running:
            self.running.set()
            self.running = None

    def close(self):
        self.stop()
        self.socket.close()


class Responder:
    """Answers ARP requests or neighbour solicitations for `address` with `mac`, as a host that holds the address would."""

    def __init__(self, host, address, mac):
        self.address, self.mac, self.answering = address, mac, True
        self.ipv6 = ":" in address
        self.host = host
        self.socket = host.packet_socket(protocol=ETH_P_ALL)
        self.socket.settimeout(0.1)
        host.run("ip", "link", "set", "eth0", "promisc", "on")
        if self.ipv6:  # so that the switch passes on what is sent to the solicited-node group
            group = "ff02::1:ff" + ipaddress.ip_address(address).exploded[-7:]
            self.membership = host.inside(lambda: _join(group))
        self.closed = threading.Event()
        self.thread = threading.Thread(target=self._loop, daemon=True)
        self.thread.start()
        host.lab.finalizers.append(self.close)

    def _loop(self):
        while not self.closed.is_set():
            try:
                octets, origin = self.socket.recvfrom(2048)
            except TimeoutError:
                continue
            except OSError:
                return
            if origin[2] == socket.PACKET_OUTGOING or not self.answering:
                continue
            reply = self._reply(Ether(octets))
            if reply is not None:
                self.socket.send(bytes(reply))

    def _reply(self, frame):
        if not self.ipv6 and ARP in frame and frame[ARP].op == 1 and frame[ARP].pdst == self.address:
            return Ether(src=self.mac, dst=frame[ARP].hwsrc) / ARP(
                op=2, hwsrc=self.mac, psrc=self.address, hwdst=frame[ARP].hwsrc, pdst=frame[ARP].psrc)
        if self.ipv6 and ICMPv6ND_NS in frame and frame[ICMPv6ND_NS].tgt == self.address:
            unspecified = frame[IPv6].src == "::"
            return Ether(src=self.mac, dst="33:33:00:00:00:01" if unspecified else frame[Ether].src) / IPv6(
                src=self.address, dst="ff02::1" if unspecified else frame[IPv6].src, hlim=255) / ICMPv6ND_NA(
                R=0, S=0 if unspecified else 1, O=1, tgt=self.address) / ICMPv6NDOptDstLLAddr(lladdr=self.mac)
        return None

    def close(self):
        self.closed.set()
        self.thread.join(2)
        self.socket.close()
        if self.ipv6:
            self.membership.close()


def _join(group):
    link = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    link.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP,
                    socket.inet_pton(socket.AF_INET6, group) + struct.pack("@I", socket.if_nametoindex("eth0")))
    return link


def announcement(address, mac):
    """The frame of a gratuitous ARP request or unsolicited neighbour advertisement that says `mac` has `address`."""
    if ":" in address:
        frame = Ether(src=mac, dst="33:33:00:00:00:01") / IPv6(src=address, dst="ff02::1", hlim=255) / ICMPv6ND_NA(
            R=0, S=0, O=1, tgt=address) / ICMPv6NDOptDstLLAddr(lladdr=mac)
    else:
        frame = Ether(src=mac, dst="ff:ff:ff:ff:ff:ff") / ARP(op=1, hwsrc=mac, psrc=address, hwdst=mac, pdst=address)
    return bytes(frame)


def announce(host, address, mac):
    """Sends it once."""
    link = host.packet_socket()
    link.send(announcement(address, mac))
    link.close()


def wait_for_advert(capture, timeout=5, **match):
    """The first advert that matches."""
    return wait_until(lambda: capture.adverts(**match), timeout, f"advert {match}")[0]
