"""The house that chaos happens in: every real process, in a folder that is thrown away, each killable by name."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from httpx import Client, HTTPError
from redis import Redis
from redis.exceptions import RedisError

from aispinner.local.demo import Api, Vitals
from aispinner.local.environment import LENT, ROOT, Services, new_secrets, project_environment
from aispinner.local.programs import Guard, Program
from aispinner.local.services import start_services
from aispinner.local.supervisor import Supervisor
from aispinner.local.up import WORKER_OPTIONS
from aispinner.local.valkey import free_port

Json = dict[str, Any]
HOST = "127.0.0.1"
SPEED = 100  # simulated seconds in one: a call takes about a second
DEMO_KEY, WEBHOOKS = "sk_demo_0123456789abcdef", "/v1/workspace/webhooks"
LINES = 30  # of the account that all campaigns share
CAMPAIGNS = 5
COME_BACK = (0.2, 0.4, 0.8, 1.5)  # seconds: who is killed ten times a minute shall not wait for ever
QUICK = {  # the waits of the engine, their order kept: a lookup after twice a request, another after that
    "ELEVENLABS_CONNECT_TIMEOUT": "1",
    "ELEVENLABS_READ_TIMEOUT": "1",
    "LOOK_AGAIN_SECONDS": "2",
    "HEAR_ENDS_SECONDS": "0.1",
    "INBOUND_POLL_SECONDS": "3",
    "API_RATE": "off",
    "STALLED_SECONDS": "4",
}


class House:
    """Running processes. `die` ends one of them; `wait` lets time pass, in which the dead come back."""

    workers = 2

    def __init__(self, *, folder: Path, supervisor: Supervisor, campaigns: int = CAMPAIGNS) -> None:
        self.folder = folder
        self.ledger = folder / "ledger.jsonl"
        self.crash_points = folder / "crash_points"
        (self.crash_points / "armed").mkdir(parents=True)
        self._supervisor = supervisor
        self._campaigns = campaigns
        self._thawed: set[int] = set()
        self.services = start_services(supervisor=supervisor, folder=folder, logs=folder)
        self.address, self.simulator = (f"http://{HOST}:{port}" for port in (free_port(), free_port()))
        self.env = self._environment(self.services)
        self.token = self._move_in()

    def _environment(self, services: Services) -> dict[str, str]:
        ports = {"port": int(self.address.rpartition(":")[2]), "sim_port": int(self.simulator.rpartition(":")[2])}
        ours = project_environment(services=services, folder=self.folder, secrets=new_secrets(), **ports)
        simulator = {
            "AISPINNER_SIM_SPEED": str(SPEED),
            "AISPINNER_SIM_STATE": str(self.folder / "simulator.json"),
            "AISPINNER_SIM_LEDGER": str(self.ledger),
        }
        return {**os.environ, **ours, **QUICK, **simulator, "AISPINNER_CRASH_POINTS": str(self.crash_points)}

    def _move_in(self) -> str:
        """Start everything in its order; the token."""
        simulator, web = Api(address=self.simulator), Api(address=self.address)
        celery = ("-m", "celery", "-A", "aispinner")
        worker = (*celery, "worker", "--loglevel", "INFO", *WORKER_OPTIONS)
        port = self.simulator.rpartition(":")[2]
        provider = self._supervisor.start(
            self._program("simulator", "-m", "integrations.elevenlabs.simulator", "--port", port)
        )
        self._supervisor.run_to_end(self._program("migrate", "manage.py", "migrate", "--verbosity", "0"))
        list(self._supervisor.wait_ready(provider))
        prepare = ("-m", "tests.chaos.prepare", str(self._campaigns), str(LINES))
        token: str = json.loads(self.ask(*prepare))["token"]
        vitals = Vitals(api=web)
        port = self.address.rpartition(":")[2]
        children = [
            self._supervisor.start(program)
            for program in (
                self._program("web", "-m", "aispinner.serving", "--host", HOST, "--port", port),
                *(self._program(f"worker-{n}", *worker, "-n", f"{n}@%h") for n in range(1, self.workers + 1)),
                self._program("beat", *celery, "beat", "--pidfile=", "--schedule", str(self.folder / "beat")),
            )
        ]
        list(self._supervisor.wait_ready(*children))
        while not (web.answers("/healthz") and simulator.answers("/_sim/state") and vitals.show("worker")):
            self._supervisor.wait(seconds=0.1)
        return token

    def _program(self, name: str, *arguments: str) -> Program:
        log = self.folder / f"{name}.log"
        return Program(name=name, argv=[sys.executable, *arguments], log=log, env=self.env, cwd=ROOT)

    def wait(self, seconds: float) -> bool:
        """Let time pass and bring back what has died; False when we were asked to stop."""
        return self._supervisor.wait(seconds=seconds)

    def die(self, name: str, *, how: signal.Signals = signal.SIGKILL) -> bool:
        """End a process by a signal, its children with it where it is SIGKILL; False where it is dead already."""
        child = self._supervisor.named(name)
        if child is None or child.exit_code() is not None:
            return False
        if how == signal.SIGKILL:
            child.kill_group()
        else:
            child.ask_to_stop()
        return True

    def send_away(self, name: str, *, seconds: float) -> bool:
        """Stop a process as an administrator would; it comes back after so many seconds, and not before."""
        self._supervisor.keep_away(name, seconds=seconds)
        return self.die(name, how=signal.SIGTERM)

    def flush(self) -> bool:
        """Empty Valkey: queues, bells, heartbeats, caches."""
        try:
            with Redis.from_url(self.services.redis_url, socket_timeout=2) as valkey:
                return bool(valkey.flushall())
        except RedisError:
            return False

    def arm(self, point: str, how: signal.Signals = signal.SIGKILL) -> None:
        """The next process to reach this crash point dies there, or is frozen (SIGSTOP)."""
        beside = self.crash_points / point
        beside.write_text(how.name)
        beside.rename(self.crash_points / "armed" / point)

    def thaw(self, *, after: float = 0.0) -> int:
        """Have those go on who have been frozen for so many seconds; how many."""
        evidence = self.crash_points / "fired"
        lines = [line.split() for line in evidence.read_text().splitlines()] if evidence.exists() else []
        since = time.time() - after
        frozen = {int(pid) for _, how, pid, at in lines if how == "SIGSTOP" and float(at) <= since} - self._thawed
        for pid in frozen:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        self._thawed |= frozen
        return len(frozen)

    def disarm(self) -> None:
        """Nobody dies any more."""
        for armed in (self.crash_points / "armed").iterdir():
            armed.unlink(missing_ok=True)

    def fired(self) -> Counter[str]:
        """How often somebody has died at each crash point."""
        evidence = self.crash_points / "fired"
        lines = evidence.read_text().splitlines() if evidence.exists() else []
        return Counter(line.split()[0] for line in lines if "SIGKILL" in line)

    def ledger_lines(self) -> list[Json]:
        """What the simulator has written down, once and for all."""
        content = self.ledger.read_bytes() if self.ledger.exists() else b""
        return [json.loads(line) for line in content.split(b"\n")[:-1]]

    def order(self, rules: list[Json]) -> bool:
        """Have the simulator go wrong in these ways from now on; False where it does not answer."""
        return self.provider("/_sim/faults", {"rules": rules}) is not None

    def provider(self, path: str, body: Any = None) -> Any:
        """What the simulator's control API says; None where it does not answer."""
        try:
            return Api(address=self.simulator).call(path, body=body, timeout=2.0)
        except OSError:
            return None

    def switch_webhooks_on(self) -> bool:
        """The provider switches one off that has failed ten times and never succeeded, as on a busy machine it may."""
        account = Client(base_url=self.simulator, headers={"xi-api-key": DEMO_KEY}, timeout=5.0, trust_env=False)
        try:
            with account:
                hooks = account.get(WEBHOOKS).raise_for_status().json()["webhooks"]
                for hook in hooks:
                    wanted = {"name": hook["name"], "is_disabled": False}
                    account.patch(f"{WEBHOOKS}/{hook['webhook_id']}", json=wanted).raise_for_status()
        except HTTPError:
            return False
        return True

    def ask(self, *arguments: str) -> str:
        """Run a program of ours to its end, beside the others; what it wrote."""
        argv = [sys.executable, *arguments]
        done = subprocess.run(argv, cwd=ROOT, env=self.env, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")
        return done.stdout.strip().splitlines()[-1]

    def begin(self, *arguments: str, said: Path) -> subprocess.Popen[bytes]:
        """Start a program of ours that goes on beside; its words go to `said`."""
        with said.open("wb") as out, (self.folder / "people.log").open("ab") as log:
            return subprocess.Popen([sys.executable, *arguments], cwd=ROOT, env=self.env, stdout=out, stderr=log)


class SmallHouse(House):
    """Fewer processes to start: for a taste of chaos."""

    workers = 1


Built = TypeVar("Built", bound=House)


@contextmanager
def house(*, keep: bool = False, kind: type[Built]) -> Iterator[Built]:
    """A house for as long as the block runs; its folder stays where we are to `keep` it."""
    for name in (*os.environ.get(LENT, "").split(), "DATABASE_URL", "REDIS_URL"):  # databases of our own, to be killed
        os.environ.pop(name, None)
    folder = Path(tempfile.mkdtemp(prefix="aispinner-chaos-"))
    folder.chmod(0o711)  # the database's user passes through
    guard = Guard()
    if not keep:
        guard.remove(folder=folder)
    supervisor = Supervisor(guard=guard, pauses=COME_BACK)
    try:
        with supervisor.listening():
            yield kind(folder=folder, supervisor=supervisor)
    finally:
        guard.close()
