"""Established TCP connections of an address that leaves end with a reset at once, from the host that had them, and never before somebody else answers."""

import re
import socket
import time

import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether

from agent import Agent
from cases import database, start_pair
from lab import wait_until
from wire import Capture

SERVER = """
import socket, sys
family = socket.AF_INET6 if sys.argv[1] == "ipv6" else socket.AF_INET
listener = socket.socket(family)
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.setsockopt(socket.SOL_IP, 15, 1)
listener.bind((sys.argv[2], 5432))
listener.listen(8)
print("ready", flush=True)
kept = []
while True:
    kept.append(listener.accept()[0])
"""


@pytest.fixture(autouse=True)
def possible():
    import gzip
    from pathlib import Path
    for path in [Path("/proc/config.gz"), *Path("/boot").glob("config-*")]:
        if path.exists():
            text = gzip.open(path, "rt").read() if path.suffix == ".gz" else path.read_text()
            if not re.search(r"^CONFIG_INET_DIAG_DESTROY=y", text, re.M):
                pytest.skip("this kernel cannot end connections (CONFIG_INET_DIAG_DESTROY)")
            return


def serve(host, family, address=None):
    import subprocess
    import sys
    address = address or ("::" if family.ipv6 else "0.0.0.0")
    process = host.popen(sys.executable, "-c", SERVER, str(family), address, stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"ready\n"
    return process


def connect(host, family, address):
    def make():
        link = socket.socket(socket.AF_INET6 if family.ipv6 else socket.AF_INET)
        link.settimeout(5)
        link.connect((address, 5432))
        return link
    return host.inside(make)


def ending(link, timeout):
    """What the client learns without sending anything, and after how long."""
    began = time.monotonic()
    link.settimeout(timeout)
    try:
        link.recv(1)
        return "closed", time.monotonic() - began
    except ConnectionResetError:
        return "reset", time.monotonic() - began
    except TimeoutError:
        return "nothing", timeout


def resets(capture, family, address):
    layer = IPv6 if family.ipv6 else IP
    return [frame for frame in capture.frames() if layer in frame and TCP in frame and frame[layer].src == address and "R" in str(frame[TCP].flags)]


def test_a_client_of_a_moved_address_sees_a_reset_at_once_and_others_nothing(lab, family):
    a, b = start_pair(lab, family)
    serve(lab["a"], family)
    moved, stays = connect(lab["client"], family, family.vip()), connect(lab["client"], family, lab["a"].address(family))
    capture = Capture(lab["client"], expression="tcp or ip proto 112 or ip6 proto 112 or arp or icmp6")
    began = time.monotonic()
    assert a.cli("handover", "database", "--for", "1h").returncode == 0
    what, after = ending(moved, 3)
    assert what == "reset" and time.monotonic() - began < 3
    assert ending(stays, 0.5)[0] == "nothing", "a connection to the host's own address is not touched"
    assert a.logged("event=connections-reset count=1")
    wait_until(lambda: resets(capture, family, family.vip()), 3, "the reset on the wire")
    reset = resets(capture, family, family.vip())[0]
    assert reset[Ether].src == lab["a"].mac, "it comes from the host that had the connection"
    successor = min(float(item.time) for item in capture.adverts(source=lab["b"].source(family)))
    assert float(reset.time) > successor, "and not before another host is master"
    assert lab["client"].neighbour(family.vip()) == lab["b"].mac


def test_a_server_that_listens_on_the_address_itself_goes_on_listening(lab, family):
    """With ip_nonlocal_bind or IP_FREEBIND it waits for the address to come back."""
    a, b = start_pair(lab, family)
    server = serve(lab["a"], family, family.vip())
    moved = connect(lab["client"], family, family.vip())
    a.cli("handover", "database", "--for", "1s")
    assert ending(moved, 3)[0] == "reset"
    a.wait_state("master")
    wait_until(lambda: lab["client"].neighbour(family.vip()) == lab["a"].mac, 3, "the client follows")
    assert server.poll() is None and connect(lab["client"], family, family.vip())


def test_a_socket_for_both_families_loses_its_ipv4_connections_too(lab):
    from lab import IPV4, IPV6
    a, b = start_pair(lab, IPV4)
    serve(lab["a"], IPV6, "::")
    moved = connect(lab["client"], IPV4, IPV4.vip())
    a.stop()
    assert ending(moved, 3)[0] == "reset"


def test_who_does_not_want_that_keeps_what_there_was(lab, family):
    a, b = start_pair(lab, family, reset_connections=False)
    serve(lab["a"], family)
    moved = connect(lab["client"], family, family.vip())
    a.cli("handover", "database", "--for", "1h")
    assert ending(moved, 1)[0] == "nothing"
    assert "connections-reset" not in a.log()


def test_an_address_that_a_reload_takes_out_is_left_by_its_clients_alone(lab, family):
    agent = Agent(lab["a"], {"database": database(family, addresses=[family.vip_prefix(), family.vip_prefix(1)])}).start()
    agent.wait_state("master")
    serve(lab["a"], family)
    stays, goes = connect(lab["client"], family, family.vip()), connect(lab["client"], family, family.vip(1))
    agent.change(addresses=[family.vip_prefix()])
    agent.reload()
    assert ending(goes, 3)[0] == "reset" and ending(stays, 0.5)[0] == "nothing"


def test_no_reset_leads_the_switch_back_to_a_shared_hardware_address(lab, family):
    """Its successor has the address already, and one frame of the old master would be enough. Clients learn from the new master's kernel."""
    a, b = start_pair(lab, family, virtual_mac=True)
    serve(lab["a"], family)
    moved = connect(lab["client"], family, family.vip())
    shared = lab["client"].neighbour(family.vip())
    assert shared.startswith("00:00:5e:00:0")
    capture = Capture(lab["client"], expression="tcp or ip proto 112 or ip6 proto 112")
    a.cli("handover", "database", "--for", "1h")
    b.wait_state("master")
    assert ending(moved, 1)[0] == "nothing"
    assert not resets(capture, family, family.vip()) and lab.port_of(shared) == "b"
    moved.send(b"x")
    assert ending(moved, 3)[0] == "reset"
    wait_until(lambda: resets(capture, family, family.vip()), 3, "the reset on the wire")
    assert lab.port_of(shared) == "b"
