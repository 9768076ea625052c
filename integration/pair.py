"""Two hosts with a PostgreSQL server each and an agent from `conf/postgresql.yaml`: how they are set up, die, boot and are repaired.

What an administrator does by hand is done here by the same scripts, those of `conf/postgresql`. Only what belongs to a machine is put in their place:
interface, addresses, paths. Nothing here decides who may write.
"""

import os
import shutil
import signal

from agent import ROOT, Agent
from lab import IPV4, GATEWAY, wait_until
from postgres import Server, programs

REWIND = """CREATE ROLE replicator LOGIN REPLICATION;
GRANT EXECUTE ON FUNCTION pg_ls_dir(text, boolean, boolean), pg_stat_file(text, boolean), pg_read_binary_file(text),
    pg_read_binary_file(text, bigint, bigint, boolean) TO replicator"""
LEDGER = """CREATE ROLE client LOGIN; CREATE TABLE ledger (number bigint PRIMARY KEY, writer text NOT NULL);
GRANT SELECT, INSERT ON ledger TO client"""


class Pair:
    """Hosts a and b of a lab, and the virtual address."""

    def __init__(self, lab, vip):
        self.lab, self.vip = lab, vip
        self.agents = {}
        # The servers' user may not be able to read the repository.
        self.scripts = lab.directory / "scripts"
        shutil.copytree(ROOT / "conf" / "postgresql", self.scripts)
        self.servers = {name: Server(lab[name], include=self.scripts / "settings.conf") for name in ("a", "b")}

    def server(self, name):
        return self.servers[name]

    def holders(self):
        return [name for name in self.servers if self.lab[name].has(self.vip)]

    def create(self):
        """Primary on a, synchronous standby on b, and an environment file for the scripts on each."""
        a, b = self.servers["a"], self.servers["b"]
        for name, other in (("a", b), ("b", a)):
            server = self.servers[name]
            self._environment(name).write_text(
                f"PGDATA={server.data}\nPGBIN={programs()}\nPGHOST={server.base}\nPGPORT=5432\nWITNESS={IPV4.address(GATEWAY)}\n"
                f'PEER="host={other.address} port=5432 user=replicator"\nMARKERS={server.markers}\nSTANDBY_NAME={name}\n')
        a.create()
        a.start()
        for text in (REWIND, LEDGER):
            assert a.sql(text) is not None, "cannot prepare the database"
        b.copy_from(a)
        b.start()
        a.wait_streaming(b)
        self.script("a", "synchronous", "on")
        a.wait_streaming(b)

    def _environment(self, name):
        return self.lab.directory / f"postgresql-{name}.env"

    def script(self, name, script, *arguments):
        """Runs one of the scripts by hand on a host."""
        return self.lab[name].run(self.scripts / script, self._environment(name), *arguments, timeout=90)

    def configuration(self, name):
        """conf/postgresql.yaml for one host."""
        text = (ROOT / "conf" / "postgresql.yaml").read_text()
        for installed, here in (("/usr/share/vipd/postgresql", self.scripts), ("/etc/vipd/postgresql.env", self._environment(name))):
            assert installed in text, f"conf/postgresql.yaml does not name {installed}"
            text = text.replace(installed, str(here))
        directory = self.lab.directory / name
        return f"status-socket: {{path: {directory}/vipd.sock}}\nstate-directory: {directory}/state\nlog-level: debug\n" + text

    def start_agents(self):
        """a first, so that it is the master that b finds."""
        for name, state in (("a", "master"), ("b", "backup")):
            self.start_agent(name)
            self.agents[name].wait_state(state, timeout=30)

    def start_agent(self, name):
        agent = self.agents.get(name) or Agent(self.lab[name], text="")
        self.agents[name] = agent
        agent.write(text=self.configuration(name))
        agent.start()

    def kill(self, name):
        """The power fails: the cable is dead, every process ends at once, and what only the kernel knew is gone."""
        host = self.lab[name]
        pids = host.pids()
        # Nothing runs any more when the cable dies, or the agent would fence its server for the lost carrier.
        self._signal(pids, signal.SIGSTOP)
        self.lab.unplug(name)
        self._signal(pids, signal.SIGKILL)
        wait_until(lambda: not host.pids(), 10, f"every process of {name} is gone")
        self.agents[name].process.wait(5)
        for pid in pids:  # a server does not start beside the zombie of its predecessor
            try:
                os.waitpid(pid, 0)
            except ChildProcessError:
                pass
        for family in ("-4", "-6"):
            host.ip(family, "address", "flush", "dev", "eth0", "scope", "global")

    @staticmethod
    def _signal(pids, number):
        for pid in pids:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass

    def boot(self, name):
        """The host boots: its own address, then its server; the agent is started apart."""
        host = self.lab[name]
        host.ip("address", "add", f"{host.address(IPV4)}/24", "dev", "eth0")
        self.lab.heal()
        self.servers[name].start()

    def rejoin(self, name, primary):
        """What the administrator does next: `rejoin` on the one host, `synchronous on` on the other."""
        self.script(name, "rejoin")
        self.script(primary, "synchronous", "on")
        self.servers[primary].wait_streaming(self.servers[name])

