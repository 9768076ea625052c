"""Many virtual routers, and many addresses: what they cost, and how long from the first that is taken over to the last.

The routers of `scale.py` are used, so that vipd and keepalived get the same; FRR needs a macvlan for each and is measured up to 255. An address
counts as taken over when the new master has announced it; afterwards every one of them is asked for by ARP, or looked for on the interface.
"""

import ipaddress
import os
import select
import signal
import socket
import struct
import time
from contextlib import ExitStack

from agent import Agent
from lab import IPV4, IPV6, Lab
from scale import ManyKeepalived, memory, more_interfaces, plan, routers, seconds, wait_all

from .manyfrr import ManyFrr
from .observation import Watch
from .peers import Unsupported, vipd_accepts

ETH_P_ARP = 0x0806
CABLE = 255  # routers of one interface at most
PER_ROUTER = {IPV4: 255, IPV6: 85}  # addresses of one advert at most: one octet counts them; an IPv6 advert has to fit a packet


class _Vipd:
    def __init__(self, host, table):
        self.agent = Agent(host, table, log_level="warning")

    def start(self, state, count):
        self.agent.start()
        self.wait_all(state, count)

    def wait_all(self, state, count):
        wait_all(self.agent, state, count, 60)

    def pids(self):
        return {"main": self.agent.process.pid, "engine": self.agent.engine_pid}


class _Keepalived:
    def __init__(self, host, planned, priority, interval=0.1):
        self.daemon = ManyKeepalived(host, planned, priority, interval)

    def start(self, state, count):
        self.daemon.start()
        self.wait_all(state, count)

    def wait_all(self, state, count):
        self.daemon.wait_all(state.upper(), count, 60)

    def pids(self):
        return {"main": self.daemon.process.pid, "engine": self.daemon.pid}


def _many(peer, host, planned, priority):
    if peer == "vipd":
        return _Vipd(host, routers(planned, priority))
    if peer == "keepalived":
        return _Keepalived(host, planned, priority)
    if len(planned) > CABLE:
        raise Unsupported("needs a macvlan for each router; measured up to 255")
    return ManyFrr(host, planned, priority)


def cost(peers, count, span):
    """`{peer: values}`: processor time and memory of `count` routers at 100 ms, all peers at the same time."""
    outcome, sides = {}, {}
    with ExitStack() as stack:
        for peer in peers:
            lab = stack.enter_context(Lab(hosts=("a", "b")))
            planned = plan(count, more_interfaces(lab, -(-count // CABLE)) if count > CABLE else ("eth0",))
            try:
                a, b = _many(peer, lab["a"], planned, 150), _many(peer, lab["b"], planned, 100)
                a.start("master", count)
                b.start("backup", count)
            except Unsupported as reason:
                outcome[peer] = {"unsupported": str(reason)}
                continue
            except AssertionError as error:  # one that fails must not take the others' figures with it
                # It was given its time on a machine that did nothing else, and would only burn the others'.
                outcome[peer] = {"unsupported": f"does not settle: {str(error).splitlines()[0][:120]}"}
                lab.close()
                continue
            sides[peer] = {"master": a.pids(), "backup": b.pids()}
        time.sleep(2)
        used = {peer: {role: {part: seconds(pid) for part, pid in pids.items()} for role, pids in both.items()} for peer, both in sides.items()}
        begun = time.monotonic()
        time.sleep(span)
        for peer, both in sides.items():
            outcome[peer] = {role: _share(pids, used[peer][role], time.monotonic() - begun) for role, pids in both.items()}
    return outcome


def _share(pids, before, span):
    """Percent of a core and MiB, of all processes and of the one that advertises."""
    shares = {part: (seconds(pid) - before[part]) / span * 100 for part, pid in pids.items()}
    sizes = {part: memory(pid) for part, pid in pids.items()}
    return {"cpu": sum(shares.values()), "engine-cpu": shares["engine"], "resident": sum(size[0] for size in sizes.values()),
            "private": sum(size[1] for size in sizes.values()), "engine-resident": sizes["engine"][0]}


def takeover_of_routers(peer, count):
    """All processes of the master hang; the backup takes over `count` routers on several cables."""
    with Lab(hosts=("a", "b")) as lab:
        cables = more_interfaces(lab, -(-count // CABLE))
        planned = plan(count, cables)
        a, b = _many(peer, lab["a"], planned, 150), _many(peer, lab["b"], planned, 100)
        a.start("master", count)
        b.start("backup", count)
        time.sleep(1)
        watch = Watch(lab["a"], device=None)
        pids = list(a.pids().values())
        begun = time.time_ns()
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        time.sleep(2.5)
        seen = watch.stop()
        return _spread(seen, begun, [address for *_, address in planned], lab["b"], cables)


def takeover_of_addresses(peer, count, family, split):
    """The master's host goes silent; the backup takes `count` addresses, of one router or, with `split`, of as few as may be."""
    with Lab(hosts=("a", "b")) as lab:
        each = PER_ROUTER[family] if split else count
        addresses = [str(ipaddress.ip_address("10.52.0.0" if family == IPV4 else "2001:db8:1::") + number) for number in range(1, count + 1)]
        parts = [addresses[at:at + each] for at in range(0, count, each)]
        a, b = (_holder(peer, lab[name], family, parts, priority) for name, priority in (("a", 150), ("b", 100)))
        a.start("master", len(parts))
        b.start("backup", len(parts))
        time.sleep(1.5)
        pids = list(a.pids().values())
        watch = Watch(lab["client"])
        begun = time.time_ns()
        lab.cut("a")
        # The dead host does nothing any more. Here it would: both share one kernel, whose configuration lock its renewals would take.
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        time.sleep(2.5)
        seen = watch.stop()
        found = _spread(seen, begun, addresses, lab["b"], ("eth0",), lab["b"].mac)
        if family == IPV4:
            missing = set(addresses) - asked(lab["client"], addresses, lab["b"].mac)
            if missing:
                raise AssertionError(f"{len(missing)} of {count} addresses are not answered")
        return found


def _holder(peer, host, family, parts, priority):
    if peer == "vipd":
        side = _Vipd(host, {f"r{number}": {"interface": "eth0", "vrid": number + 1, "priority": priority, "advertisement-interval": "100ms",
                                           "addresses": written(part, family)} for number, part in enumerate(parts)})
        vipd_accepts(side.agent)
        return side
    if peer != "keepalived":
        raise Unsupported("its addresses stay on macvlans; a takeover adds none")
    side = _Keepalived(host, [], priority)
    side.daemon.file.write_text("".join(_instance(number, part, priority, family) for number, part in enumerate(parts)))
    return side


def _bits(family):
    return 128 if family.ipv6 else 32


def written(part, family):
    """For vipd; what an advert cannot list is served, and not advertised."""
    prefixed = [f"{address}/{_bits(family)}" for address in part]
    room = PER_ROUTER[family]
    return prefixed[:room] + [{"address": address, "advertise": False} for address in prefixed[room:]]


def _instance(number, part, priority, family):
    """What an advert cannot list is `excluded` in keepalived's words: served, and not advertised."""
    room, bits = PER_ROUTER[family], _bits(family)
    linked = [f"fe80::5e:{number + 1:x}/64"] if bits == 128 else []
    text = (f"vrrp_instance r{number} {{\n  state BACKUP\n  interface eth0\n  virtual_router_id {number + 1}\n  version 3\n  priority {priority}\n"
            "  advert_int 0.1\n  virtual_ipaddress {\n    " + "\n    ".join(linked + [f"{address}/{bits}" for address in part[:room]]) + "\n  }\n")
    if part[room:]:
        text += "  virtual_ipaddress_excluded {\n    " + "\n    ".join(f"{address}/{bits}" for address in part[room:]) + "\n  }\n"
    return text + "}\n"


def _spread(seen, begun, addresses, host, interfaces, announcer=None):
    """From the first address that is announced, by `announcer` if it is given, to the last. The old master of a thousand addresses may still be
    repeating its own announcements when it falls silent."""
    first = {}
    for stamp, address, mac in seen.announcements:
        if stamp >= begun and announcer in (None, mac):
            first.setdefault(address, stamp)
    missing = [address for address in addresses if address not in first]
    if missing:
        raise AssertionError(f"{len(missing)} of {len(addresses)} addresses were not announced within the time, {missing[0]} for one")
    held = {address for interface in interfaces for address in host.addresses(interface)}
    if set(addresses) - held:
        raise AssertionError(f"{len(set(addresses) - held)} addresses are not on the new master")
    stamps = [first[address] for address in addresses]
    return {"spread-ms": (max(stamps) - min(stamps)) / 1e6, "first-ms": (min(stamps) - begun) / 1e6, "last-ms": (max(stamps) - begun) / 1e6}


def asked(host, addresses, mac, patience=3):
    """Those of the IPv4 `addresses` for which `mac` answers an ARP request of `host`, which fills nobody's table."""
    link = host.packet_socket(ETH_P_ARP)
    own = bytes.fromhex(host.mac.replace(":", ""))
    found, wanted = set(), [socket.inet_aton(address) for address in addresses]

    def hear(deadline):
        while len(found) < len(wanted) and select.select([link], [], [], max(0, deadline - time.monotonic()))[0]:
            frame = link.recv(128)
            if frame[:6] == own and frame[20:22] == b"\x00\x02" and frame[22:28].hex(":") == mac:
                found.add(socket.inet_ntoa(frame[28:32]))
    try:
        for number, target in enumerate(wanted):
            link.send(b"\xff" * 6 + own + struct.pack("!HHHBBH", ETH_P_ARP, 1, 0x0800, 6, 4, 1) + own + bytes(10) + target)
            if number % 50 == 49:  # the answers must not fill the socket's buffer
                hear(time.monotonic() + 0.005)
        hear(time.monotonic() + patience)
        return found
    finally:
        link.close()
