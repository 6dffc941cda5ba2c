"""What runs in a worker process: it dies with its parent, then becomes Django behind WSGI, or the router before it."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
import threading
from importlib import import_module
from typing import Any

PR_SET_PDEATHSIG = 1
APPLICATION = "AISPINNER_SERVING_APPLICATION"  # how the main process tells its workers, over fork and spawn alike


def load() -> Any:
    """The application named by the main process, loaded here and not there: a worker shares no connection with it."""
    die_with_parent()
    module, _, name = os.environ[APPLICATION].partition(":")
    return getattr(import_module(module), name)


def die_with_parent() -> None:
    """Leave no worker behind, even when the main process is killed with no time to say goodbye."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent.pid:  # it ended before we asked
            os._exit(1)
    else:
        threading.Thread(target=_wait_for_end, args=(parent,), daemon=True).start()


def _wait_for_end(parent: Any) -> None:
    parent.join()
    os._exit(1)
