"""How long this machine lets a process wait: the monitor that runs beside a measurement, so that a late machine is not taken for a late agent."""

import subprocess
import sys

_MONITOR = """
import os, signal, sys, time
if sys.argv[1] == "realtime":
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(60))
    except PermissionError:
        pass
worst, running = 0.0, True
def stop(*_):
    global running
    running = False
signal.signal(signal.SIGTERM, stop)
print("started", flush=True)
while running:
    before = time.monotonic()
    time.sleep(0.001)
    worst = max(worst, time.monotonic() - before - 0.001)
print(worst, flush=True)
"""


class Stalls:
    """A process of its own that sleeps 1 ms again and again; afterwards `worst` is its longest oversleep in seconds. At real-time priority it
    sees only stalls of the whole machine, otherwise also what other processes cost one of the engine's kind."""

    def __init__(self, realtime=True):
        self.realtime = realtime
        self.worst = 0.0

    def __enter__(self):
        self.process = subprocess.Popen([sys.executable, "-c", _MONITOR, "realtime" if self.realtime else "normal"],
                                        stdout=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL)
        self.process.stdout.readline()
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.worst = float(self.process.communicate(timeout=10)[0].split()[-1])
