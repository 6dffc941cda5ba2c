"""`./dev up`: everything on one machine, from an empty folder to a finished demo campaign, until Ctrl-C."""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from aispinner.local.demo import Api, Vitals, follow_campaign, start_campaign
from aispinner.local.environment import ROOT, Services, project_environment
from aispinner.local.errors import CannotRunError, StoppedError
from aispinner.local.programs import Child, Guard, Program
from aispinner.local.services import start_services
from aispinner.local.state import State
from aispinner.local.supervisor import Supervisor
from aispinner.local.terminal import Screen
from aispinner.local.valkey import free_port

HOST = "127.0.0.1"
WORKER_OPTIONS = (
    "--pool",
    "threads",
    "--concurrency",
    "8",
    "--without-gossip",
    "--without-mingle",
)
PBX_SPEED = "4"  # simulated seconds of ringing and talking in one


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What was asked for on the command line."""

    state_dir: Path
    port: int
    sim_port: int | None  # None: 8090, or a free one
    demo: bool | None  # None: once
    verbose: bool


def is_free(port: int) -> bool:
    """Whether we can listen on this loopback port."""
    try:
        socket.create_server((HOST, port)).close()
    except OSError:
        return False
    return True


def choose_ports(wishes: Wishes) -> tuple[int, int]:
    """The web server's port and the simulator's. CannotRunError where one that was asked for is taken."""
    for port, option in ((wishes.port, "--port"), (wishes.sim_port, "--sim-port")):
        if port is not None and not is_free(port):
            raise CannotRunError(f"Port {port} is taken by another program. {option} N chooses another one.")
    if wishes.sim_port is not None:
        return wishes.port, wishes.sim_port
    return wishes.port, 8090 if is_free(8090) and wishes.port != 8090 else free_port()


def choose_pbx_port(state: State) -> int:
    """The simulated PBX's port: the one it had here before, as the demo data says, else 8091 or a free one."""
    kept = state.mark("pbx_port")
    if kept is not None and is_free(int(kept)):
        return int(kept)
    chosen = 8091 if is_free(8091) else free_port()
    state.set_mark("pbx_port", str(chosen))
    return chosen


def digest_of_migrations() -> str:
    """Changes whenever a migration, or a library that may bring some, does."""
    digest = sha256((ROOT / "requirements.txt").read_bytes())
    for path in sorted(ROOT.glob("*/migrations/*.py")) + sorted(ROOT.glob("*/*/migrations/*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


class Up:
    """One run of `./dev up`."""

    def __init__(self, *, wishes: Wishes, state: State, guard: Guard, screen: Screen) -> None:
        self.wishes, self.state, self.screen = wishes, state, screen
        self.supervisor = Supervisor(guard=guard, tell=screen.remark)
        self.port, self.sim_port = choose_ports(wishes)
        self.pbx_port = choose_pbx_port(state)
        self.address = f"http://{HOST}:{self.port}"
        self.voice = f"{HOST}:{free_port()}"  # of the voice bridge's control API
        self.env: Mapping[str, str] = {}
        self.read_up_to: dict[Path, int] = {}

    def run(self) -> None:
        """Until somebody asks us to stop."""
        began = time.monotonic()
        self.screen.heading("AiSpinner Telephony")
        with self.supervisor.listening():
            try:
                services = self._start_services()
                self._migrate(services)
                self._start_programs()
                token = self._demo_data(services)
                self.screen.remark(f"up in {time.monotonic() - began:.1f} s")
                self._start_pbx()
                self._campaign(services, token)
                self._say_where(token)
                while self._wait(0.5):
                    pass
            except StoppedError:
                pass
            self.screen.note("Stopping …")
        self.screen.remark("Nothing is left running.")

    def _start_services(self) -> Services:
        services = start_services(
            supervisor=self.supervisor,
            folder=self.state.folder,
            logs=self.state.logs,
            on_ready=lambda name, seconds: self.screen.done(name, seconds=seconds),
        )
        published = project_environment(
            services=services,
            folder=self.state.folder,
            secrets=self.state.secrets(),
            port=self.port,
            sim_port=self.sim_port,
        )
        self.state.publish_environment(published)
        simulator_file = str(self.state.folder / "simulator.json")  # what was registered there outlives a restart
        self.env = {**os.environ, **published, "AISPINNER_SIM_STATE": simulator_file, "VOICE_BIND": self.voice}
        return services

    def _migrate(self, services: Services) -> None:
        mark = f"{services.database_identity} {digest_of_migrations()}"
        if services.owns_database and self.state.mark("migrated") == mark:
            return
        seconds = self.supervisor.run_to_end(self._program("migrate", "manage.py", "migrate", "--verbosity", "1"))
        self.state.set_mark("migrated", mark)
        self.screen.done("database tables", seconds=seconds)

    def _start_programs(self) -> None:
        api = Api(address=self.address)
        vitals = Vitals(api=api)
        beat_file = str(self.state.folder / "beat-schedule")
        simulator_address = f"http://{HOST}:{self.sim_port}"
        celery = ("-m", "celery", "-A", "aispinner")
        web = ("-m", "aispinner.serving", "--host", HOST, "--port", str(self.port))
        programs = {
            "simulator": ("-m", "integrations.elevenlabs.simulator", "--port", str(self.sim_port)),
            "web": web,
            "worker": (*celery, "worker", "--loglevel", "INFO", *WORKER_OPTIONS),
            "beat": (*celery, "beat", "--loglevel", "INFO", "--pidfile=", "--schedule", beat_file),
            "voice": ("manage.py", "voice"),
        }
        simulator = Api(address=simulator_address)
        ready = {
            "simulator": lambda _pid: simulator.answers("/_sim/ledger"),
            "web": lambda _pid: api.answers("/healthz"),
            "worker": lambda _pid: vitals.show("worker"),
            "beat": lambda _pid: vitals.show("beat"),
            "voice": lambda _pid: Api(address=f"http://{self.voice}").answers("/healthz"),
        }
        details = {"simulator": simulator_address, "web": self.address}
        children: list[Child] = []
        for name, arguments in programs.items():
            children.append(self.supervisor.start(self._program(name, *arguments, ready=ready[name])))
        for child, seconds in self.supervisor.wait_ready(*children, every=0.1):
            name = child.program.name
            self.screen.done(name, seconds=seconds, detail=details.get(name, ""))

    def _start_pbx(self) -> None:
        """Custom Voice, which nobody waits for: a PBX with telephones behind it, and the process that holds it."""
        speed = os.environ.get("AISPINNER_PBX_SPEED", PBX_SPEED)
        ledger = str(self.state.folder / "pbx-ledger.jsonl")
        simulator = ("-m", "integrations.asterisk.simulator", "--port", str(self.pbx_port))
        programs = {
            "pbx": (*simulator, "--speed", speed, "--ledger", ledger),
            "asterisk": ("manage.py", "asterisk"),
        }
        for name, arguments in programs.items():
            self.supervisor.start(self._program(name, *arguments))

    def _demo_data(self, services: Services) -> str:
        """Load the demo data once; the demo user's token."""
        token = self.state.mark("demo_token") or ""
        loaded = f"{services.database_identity} {self.pbx_port}"
        if self.state.mark("demo_data") == loaded and Api(address=self.address, token=token).is_known():
            return token
        log, pbx = self.state.fresh_log("demo_data"), ("--pbx", f"http://{HOST}:{self.pbx_port}")
        seconds = self.supervisor.run_to_end(self._program("demo_data", "manage.py", "demo_data", *pbx, log=log))
        answer = json.loads(log.read_text().strip().splitlines()[-1])
        log.unlink()  # the token is in it
        token = str(answer["token"])
        self.state.set_mark("demo_token", token)
        self.state.set_mark("demo_data", loaded)
        self.screen.done("demo data", seconds=seconds)
        return token

    def _campaign(self, services: Services, token: str) -> None:
        """The demo campaign: once for each database, or when asked for."""
        wanted = self.wishes.demo
        if wanted is False:
            return
        if wanted is None and self.state.mark("demo_campaign") == services.database_identity:
            self.screen.remark("the demo campaign has run here before; `./dev up --demo` runs another one")
            return
        api = Api(address=self.address, token=token)
        if call_id := start_campaign(api=api, screen=self.screen):
            self.state.set_mark("demo_campaign", services.database_identity)
            self.screen.remark(f"watch it live: {self.address}/monitor/   (demo / demo)")
            follow_campaign(api=api, screen=self.screen, call_id=call_id, wait=self._wait)

    def _say_where(self, token: str) -> None:
        screen = self.screen
        screen.heading("Ready")
        screen.fact("Monitor", f"{self.address}/monitor/   (demo / demo)")
        screen.fact("Admin", f"{self.address}/admin/   (demo / demo)")
        screen.fact("API", f"{self.address}/api/docs")
        screen.fact("Token", token)
        journal = f"{self.address}/telephony/journal?workspace_id=1&limit=5"
        screen.fact("Try", f"curl -H 'Authorization: Bearer {token}' '{journal}'")
        screen.fact("Logs", str(self.state.logs))
        screen.note("Ctrl-C stops everything.")

    def _program(self, name: str, *arguments: str, log: Path | None = None, **more: object) -> Program:
        return Program(
            name=name,
            argv=[sys.executable, *arguments],
            log=log or self.state.fresh_log(name),
            env=self.env,
            cwd=ROOT,
            **more,  # type: ignore[arg-type]
        )

    def _wait(self, seconds: float) -> bool:
        """Look after everything for a while; False when it is time to stop."""
        if self.wishes.verbose:
            self._show_logs()
        return self.supervisor.wait(seconds=seconds)

    def _show_logs(self) -> None:
        """What the logs have got since the last time."""
        for path in sorted(self.state.logs.glob("*.log")):
            with path.open("rb") as log:
                log.seek(self.read_up_to.get(path, 0))
                for line in log.read().decode(errors="replace").splitlines():
                    self.screen.remark(f"{path.stem:<10} {line}")
                self.read_up_to[path] = log.tell()


def run_up(wishes: Wishes) -> int:
    """`./dev up`; the exit code."""
    with State(wishes.state_dir) as state:
        state.acquire()
        guard = Guard(keep_open=[state.lock_descriptor])
        try:
            Up(wishes=wishes, state=state, guard=guard, screen=Screen()).run()
        finally:
            guard.close()
    return 0
