"""The client's side of a round, a program of its own inside the client's namespace: it must go on sending on time while everything else is busy.

Every millisecond it sends one ICMP echo to the virtual address through the kernel's neighbour table, as any client's packets go, and one ARP
request that fills nobody's table, to see who answers; beside that it notes every advert and every announcement with the kernel's stamp of its
arrival. It runs at real-time priority and notes how late each of its own sends was. It decides nothing: what it saw goes to a file, in pickle.

usage: prober.py FILE DEVICE ADDRESS MICROSECONDS     ADDRESS `-` only listens, DEVICE `-` hears all; SIGTERM ends it
"""

import array
import ctypes
import gc
import os
import pickle
import select
import signal
import socket
import struct
import subprocess
import sys
import time

PRIORITY = 70
ASKING = bytes.fromhex("0210000000")  # the MACs that requests come from but for their last octet
SO_TIMESTAMPNS = 35
SO_RCVBUFFORCE = 33
SO_ATTACH_FILTER = 26
PACKET_IGNORE_OUTGOING = 23
ETH_P_ALL = 3
SOL_RAW, SOL_PACKET = 255, 263
# Adverts, announcements (requests and replies that name one address twice; advertisements to all nodes), answers to us.
FILTER = ("ip proto 112 or ip6 proto 112 or (arp and arp[14:4] = arp[24:4]) or (icmp6 and ip6[40] = 136 and ip6[24:2] = 0xff02)"
          " or (arp and arp[6:2] = 2) or (icmp and icmp[0] = 0)")


class Program(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = [("count", ctypes.c_ushort), ("code", ctypes.c_void_p)]


def attach(link, text):
    """The kernel hands over only frames that match a filter in the language of pcap-filter(7), which tcpdump compiles."""
    lines = subprocess.run(["tcpdump", "-ddd", "-y", "EN10MB", "-s", "256", text], check=True, capture_output=True, text=True).stdout.split("\n")
    code = b"".join(struct.pack("HBBI", *map(int, line.split())) for line in lines[1:] if line)
    buffer = ctypes.create_string_buffer(code, len(code))
    link.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, bytes(Program(len(code) // 8, ctypes.addressof(buffer))))


class Prober:
    def __init__(self, file, device, address, step):
        self.file, self.step, self.running = file, step, True
        # Without a device it hears all of them from the first moment; what comes before the filter is in place does no harm.
        self.link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL) if device == "-" else 0)
        attach(self.link, FILTER)
        self.link.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20)
        self.link.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.link.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
        if device != "-":
            self.link.bind((device, ETH_P_ALL))
        self.link.setblocking(False)
        self.address = None if address == "-" else socket.inet_aton(address)
        if self.address:
            self.target = (address, 0)
            self.echo = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
            self.echo.setsockopt(SOL_RAW, 1, struct.pack("I", 0xFFFFFFFF))  # ICMP_FILTER: the answers are read from the link
            self.echo.setblocking(False)
            # Each of 256 requests in turn comes from a MAC of its own, which the switch learns: an answer says which one it is to, however late.
            head, tail = struct.pack("!HHHBBH", 0x0806, 1, 0x0800, 6, 4, 1), bytes(4) + bytes(6) + self.address
            self.requests = [b"\xff" * 6 + mac + head + mac + tail for mac in (ASKING + bytes([number]) for number in range(256))]
        # One entry a probe: when it was sent, how late, when its echo came (0: never) and from where, and who answered the request.
        self.sent, self.late, self.echoed, self.echoes_of = (array.array("q") for _ in range(4))
        self.answers, self.adverts, self.announcements = [], [], []

    def run(self):
        signal.signal(signal.SIGTERM, self.stop)
        try:
            os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(PRIORITY))
        except PermissionError:
            pass
        gc.disable()
        print("started", flush=True)
        due = time.monotonic_ns() + self.step
        while self.running:
            left = due - time.monotonic_ns()
            if left > 0:
                if select.select([self.link], [], [], left / 1e9 if self.address else 0.05)[0]:
                    self.drain()
            elif self.address:
                self.send(-left)
                due += self.step
                if left < -100 * self.step:  # a machine that stood still: no burst of all that was missed
                    due = time.monotonic_ns() + self.step
            else:
                due += 1 << 60
        time.sleep(0.02)
        self.drain()
        with open(self.file, "wb") as file:
            pickle.dump({"sent": self.sent.tolist(), "late": self.late.tolist(), "echoed": self.echoed.tolist(), "echoes_of": self.echoes_of.tolist(),
                         "answers": self.answers, "adverts": self.adverts, "announcements": self.announcements, "step": self.step}, file)

    def stop(self, *_):
        self.running = False

    def send(self, late):
        number = len(self.sent)
        body = struct.pack("!BBHHHQ", 8, 0, 0, 0x7669, number & 0xFFFF, number)
        total = sum(struct.unpack("!8H", body))
        total = (total & 0xFFFF) + (total >> 16)
        total = ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF
        self.sent.append(0)
        self.late.append(late)
        self.echoed.append(0)
        self.echoes_of.append(0)
        self.answers.append(())
        try:
            self.echo.sendto(body[:2] + struct.pack("!H", total) + body[4:], self.target)
        except OSError:
            pass  # no route, no carrier, or a full queue of the neighbour: the probe is lost, as a client's packet would be
        # Afterwards: a machine that stands still in between must not make the answer look late.
        self.sent[number] = time.time_ns()
        try:
            self.link.send(self.requests[number & 255])
        except OSError:
            pass

    def drain(self):
        while True:
            try:
                frame, ancillary, _, origin = self.link.recvmsg(256, 64)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                continue  # ENETDOWN is told once
            stamp = 0
            for level, kind, data in ancillary:
                if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS:
                    seconds, nanoseconds = struct.unpack("qq", data)
                    stamp = seconds * 1_000_000_000 + nanoseconds
            self.note(frame, stamp or time.time_ns())

    def note(self, frame, stamp):
        kind = frame[12:14]
        if kind == b"\x08\x00" and frame[23] == 1:
            number = struct.unpack("!Q", frame[42:50])[0] if len(frame) >= 50 else -1
            if 0 <= number < len(self.echoed) and not self.echoed[number]:
                self.echoed[number] = stamp
                self.echoes_of[number] = int.from_bytes(frame[6:12])
        elif kind == b"\x08\x06":
            sender, target = frame[28:32], frame[38:42]
            if sender == target:
                self.announcements.append((stamp, socket.inet_ntoa(sender), frame[22:28].hex(":")))
            elif self.address and sender == self.address and frame[:5] == ASKING:
                last = len(self.answers) - 1
                number = last - ((last - frame[5]) & 255)
                if number >= 0:
                    self.answers[number] += (frame[22:28].hex(":"),)
        elif kind == b"\x08\x00":
            head = 14 + (frame[14] & 15) * 4
            self.adverts.append((stamp, socket.inet_ntoa(frame[26:30]), frame[head + 1], frame[head + 2], frame[6:12].hex(":")))
        elif kind == b"\x86\xdd" and frame[20] == 112:
            self.adverts.append((stamp, socket.inet_ntop(socket.AF_INET6, frame[22:38]), frame[55], frame[56], frame[6:12].hex(":")))
        elif kind == b"\x86\xdd":
            self.announcements.append((stamp, socket.inet_ntop(socket.AF_INET6, frame[62:78]), frame[6:12].hex(":")))


if __name__ == "__main__":
    Prober(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]) * 1000).run()
