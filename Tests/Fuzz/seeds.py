"""Writes the seeds of a fuzz target into a folder: from the vectors, from conf/, and from the kernel's own answers about this
machine's interfaces. The layouts are those that the targets document. usage: seeds.py TARGET FOLDER"""

import ipaddress
import json
import re
import socket
import struct
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VECTORS = json.loads((ROOT / "Tests/WireTests/vectors.json").read_text())


def wide(address):
    """16 octets, of which an IPv4 address uses the first 4."""
    return ipaddress.ip_address(address).packed.ljust(16, b"\0")


def advert(vector, repaired):
    receiver = VECTORS["receivers"][vector["receiver"]] | vector.get("receiverOverrides", {})
    flags = (receiver["version"] == 2) | (receiver["family"] == "ipv6") << 1
    flags |= {"either": 0, "message": 1, "pseudo": 2}[receiver.get("checksum", "either")] << 2
    flags |= bool(receiver.get("firstAddressMustBeLinkLocal")) << 4 | bool(receiver.get("verifyAddressList")) << 5
    flags |= bool(receiver.get("unicastPeers")) << 6 | (receiver.get("authType") == 1) << 7
    other = ipaddress.ip_address(vector["src"]).version != (6 if receiver["family"] == "ipv6" else 4)
    repair = 2 if receiver["family"] == "ipv6" else 1
    head = bytes([flags, (repair if repaired else 0) | 0x04 | other << 4, receiver["vrid"], vector["ttl"],
                  receiver["advertisementInterval"] % 256])
    return (head + wide(vector["src"]) + wide(vector["dst"]) + wide(receiver.get("localAddress") or "0.0.0.0")
            + bytes.fromhex(vector["hex"]))


def adverts():
    for vector in VECTORS["vectors"]:
        yield advert(vector, False)
        yield advert(vector, True)


def frames():
    for vector in VECTORS["frames"]:
        yield b"\0" + bytes.fromhex(vector["hex"])
        yield b"\1" + bytes.fromhex(vector["hex"])
    for vector in VECTORS["vectors"]:
        source, destination = ipaddress.ip_address(vector["src"]), ipaddress.ip_address(vector["dst"])
        payload = bytes.fromhex(vector["hex"])
        if source.version != destination.version:
            continue
        if source.version == 4:
            head = struct.pack("!HBBHHHBBH", 0x0800, 0x45, 0, 20 + len(payload), 0, 0, vector["ttl"], 112, 0)
        else:
            head = struct.pack("!HIHBB", 0x86DD, 0x60000000, len(payload), 112, vector["ttl"])
        yield b"\0" + bytes.fromhex("01005e000012020000000001") + head + source.packed + destination.packed + payload


def netlink():
    """Dumps of links and addresses, and one IPv4 header with options."""
    for kind in (18, 22):  # RTM_GETLINK, RTM_GETADDR
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as link:
            link.settimeout(2)
            link.send(struct.pack("=IHHIIBxxxIII", 32, kind, 0x301, 1, 0, 0, 0, 0, 0))
            while True:
                answer = link.recv(65536)
                yield answer
                at = 0
                ended = False
                while at + 16 <= len(answer):
                    length, kind_of_message = struct.unpack_from("=IH", answer, at)
                    ended = ended or kind_of_message in (2, 3)
                    # Each message alone, also as the removal of what it names and as part of an interrupted dump.
                    message = answer[at:at + length]
                    yield message
                    yield message[:4] + struct.pack("=H", kind_of_message + 1) + message[6:]
                    yield message[:6] + b"\x10" + message[7:]
                    at += max(length + 3 & ~3, 16)
                if ended:
                    break
    yield bytes.fromhex("4600001c00000000ff700000c0000202e0000012940400003141")


def configuration():
    for path in sorted((ROOT / "conf").glob("*.yaml")) + sorted((ROOT / "conf").glob("*/*.yaml")):
        text = path.read_text()
        yield text.encode()
        # Comments hide the rest from mutations.
        plain = "\n".join(line for line in text.split("\n") if not line.lstrip().startswith("#"))
        yield re.sub(r"\s+#.*", "", plain).encode()
    for text in (
        "virtual-routers:\n  r: {interface: eth0, vrid: 51, addresses: [192.0.2.10/24]}\n",
        "virtual-routers:\n  r: {interface: eth0, vrid: 51, version: 2, addresses: [192.0.2.10/24]}\n",
        'virtual-routers:\n  r: {interface: eth0, vrid: 9, addresses: ["fe80::9/64", "2001:db8::9/64"]}\n',
    ):
        yield text.encode()


def words():
    """A dictionary for the configuration: the words in quotes of its parser."""
    found = set()
    for path in (ROOT / "Sources/Configuration").glob("*.swift"):
        found |= set(re.findall(r'"([a-z][a-z0-9-]{1,30})"', path.read_text()))
    return "".join(f'"{word}"\n' for word in sorted(found))


if __name__ == "__main__":
    target, folder = sys.argv[1], Path(sys.argv[2])
    if target == "Configuration":
        (folder.parent / "Configuration.words").write_text(words())
    makers = {"Adverts": adverts, "Frames": frames, "Netlink": netlink, "Configuration": configuration}
    for number, seed in enumerate(makers[target]() if target in makers else []):
        (folder / f"seed-{number}").write_bytes(seed)
