"""Reads the kernel's addresses by raw netlink, with the tag of who added them (IFA_PROTO), which Debian 12's `ip` does not show."""

import ipaddress
import socket
import struct

RTM_NEWADDR, RTM_GETADDR, NLMSG_DONE = 20, 22, 3
NLM_F_REQUEST, NLM_F_DUMP = 1, 0x300
IFA_ADDRESS, IFA_LOCAL, IFA_CACHEINFO, IFA_FLAGS, IFA_PROTO = 1, 2, 6, 8, 11


def addresses(host, device="eth0"):
    """{address: {"prefix", "flags", "proto", "valid"}} of an interface; `proto` is None where the kernel gives none, `valid` the
    seconds left (2**32 - 1: for ever)."""
    return host.inside(lambda: _dump(socket.if_nametoindex(device)))


def _dump(index):
    found = {}
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as link:
        link.bind((0, 0))
        body = struct.pack("BBBBi", socket.AF_UNSPEC, 0, 0, 0, 0)
        link.send(struct.pack("IHHII", 16 + len(body), RTM_GETADDR, NLM_F_REQUEST | NLM_F_DUMP, 1, 0) + body)
        while True:
            data = link.recv(1 << 16)
            while data:
                length, kind = struct.unpack_from("IH", data)
                if kind == NLMSG_DONE:
                    return found
                if kind == RTM_NEWADDR:
                    _read(data[16:length], index, found)
                data = data[(length + 3) & ~3:]


def _read(body, wanted, found):
    _, prefix, flags, _, index = struct.unpack_from("BBBBi", body)
    attributes, rest = {}, body[8:]
    while len(rest) >= 4:
        length, kind = struct.unpack_from("HH", rest)
        attributes[kind] = rest[4:length]
        rest = rest[(length + 3) & ~3:]
    if index == wanted:
        address = attributes.get(IFA_LOCAL, attributes.get(IFA_ADDRESS))
        found[str(ipaddress.ip_address(address))] = {
            "prefix": prefix,
            "flags": struct.unpack("I", attributes[IFA_FLAGS])[0] if IFA_FLAGS in attributes else flags,
            "valid": struct.unpack_from("II", attributes[IFA_CACHEINFO])[1],
            "proto": attributes[IFA_PROTO][0] if IFA_PROTO in attributes else None,
        }
