"""The demo's client: inserts numbered rows through one address, one after the other, and keeps a ledger of what was acknowledged.

It runs as a process of its own inside a host's namespace: `writer.py ADDRESS LEDGER FIRST-NUMBER`. A line of the ledger is
`acknowledged NUMBER TIME TIMELINE`, `unknown NUMBER TIME` (sent, no answer: it may or may not be in the database) or `refused TIME TEXT`.
Numbers are never used twice. It ends on SIGTERM, after the answer it waits for.
"""

import select
import signal
import socket
import sys
import time

import psycopg2
from psycopg2 import extensions

PAUSE = 0.003           # between two rows
PROBE = 0.03            # patience with one TCP handshake while the address is away
PATIENCE = 0.6          # with one answer, then the connection is given up

# The timeline of the server that answers: the first eight digits of the name of the file it writes.
INSERT = ("INSERT INTO ledger (number, writer) VALUES (%s, 'writer') "
          "RETURNING ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int")


class Late(Exception):
    """No answer in time."""


def wait(connection, patience):
    """Drives libpq's asynchronous interface until the answer is there."""
    deadline = time.monotonic() + patience
    while True:
        state = connection.poll()
        if state == extensions.POLL_OK:
            return
        left = deadline - time.monotonic()
        if left <= 0:
            raise Late
        wanted = [connection.fileno()]
        reads, writes = (wanted, []) if state == extensions.POLL_READ else ([], wanted)
        select.select(reads, writes, [], left)


def reachable(address):
    """Whether the address accepts TCP now: a short handshake tells sooner than libpq's timeouts, which count in seconds."""
    try:
        socket.create_connection((address, 5432), PROBE).close()
        return True
    except OSError:
        return False


def main(address, path, number):
    running = True

    def stop(*_):
        nonlocal running
        running = False

    signal.signal(signal.SIGTERM, stop)
    connection = None
    with open(path, "a", buffering=1, encoding="utf-8") as ledger:
        while running:
            sent = False
            try:
                if connection is None:
                    if not reachable(address):
                        continue
                    connection = psycopg2.connect(host=address, dbname="postgres", user="client", async_=True)
                    wait(connection, PATIENCE)
                cursor = connection.cursor()
                number += 1
                sent = True
                cursor.execute(INSERT, (number,))
                wait(connection, PATIENCE)
                timeline = cursor.fetchone()[0]
                ledger.write(f"acknowledged {number} {time.time():.6f} {timeline}\n")
                time.sleep(PAUSE)
            except (psycopg2.Error, Late) as error:
                now = time.time()
                if sent:
                    ledger.write(f"unknown {number} {now:.6f}\n")
                ledger.write(f"refused {now:.6f} {str(error).strip() or 'no answer'}\n".replace("\n", " ").strip() + "\n")
                if connection is not None:
                    connection.close()
                connection = None
                time.sleep(0.01)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]) - 1)
