"""A real Airflow, each of its processes one of its own: what the parts of scripts/airflow-demo share."""

import base64
import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx

HERE = Path(__file__).resolve().parent
AIRFLOW = str(Path(sys.executable).parent / "airflow")
TIMEOUT = 900.0  # seconds for each thing that is waited for

began = time.monotonic()


class Failed(Exception):
    """The demo did not go as it should."""


class Engine:
    """An Airflow in *home*, whose processes end with *processes*."""

    def __init__(self, home: Path, environment: Mapping[str, str], processes: contextlib.ExitStack) -> None:
        self.home = home
        self.port = _free_port()
        self._environment = {**_settings(home, self.port), **environment}
        self._processes = processes
        self.airflow("db", "migrate")

    def airflow(self, *command: str) -> str:
        """Run a command of Airflow, and return what it prints."""
        done = subprocess.run([AIRFLOW, *command], env=self._environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Failed(f"airflow {' '.join(command)}: {done.stderr[-2000:]}")
        return done.stdout

    def start(self, *command: str) -> "subprocess.Popen[bytes]":
        """Start one of Airflow's processes."""
        return self._processes.enter_context(_process(self.home, self._environment, *command))

    def is_up(self) -> bool:
        """Whether the API server answers."""
        try:
            self.call("GET", "version")
        except httpx.TransportError:
            return False
        return True

    def call(self, method: str, path: str, body: object = None) -> Any:
        """A request to Airflow's API."""
        url = f"http://127.0.0.1:{self.port}/api/v2/{path}"
        reply = httpx.request(method, url, json=body, timeout=60, trust_env=False)
        if reply.is_error:
            raise Failed(f"{method} {path}: HTTP {reply.status_code}: {reply.text[:500]}")
        return reply.json() if reply.content else None


def _settings(home: Path, port: int) -> dict[str, str]:
    options = {
        "API__HOST": "127.0.0.1",
        "API__PORT": str(port),
        "API_AUTH__JWT_SECRET": secrets.token_hex(32),
        "CORE__DAGS_FOLDER": str(HERE / "dags"),
        "CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        "CORE__FERNET_KEY": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "CORE__LOAD_EXAMPLES": "False",
        "CORE__MAX_ACTIVE_TASKS_PER_DAG": "200",
        "CORE__PARALLELISM": "4",
        "CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "CORE__TEST_CONNECTION": "Enabled",
        "OPERATORS__DEFAULT_DEFERRABLE": "True",
        "TRIGGERER__JOB_HEARTBEAT_SEC": "1",
        "TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "10",
    }
    return {
        # Without bytecode each of 400 task processes would compile what it imports.
        **{name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "PYTHONDONTWRITE"))},
        **{f"AIRFLOW__{name}": value for name, value in options.items()},
        "AIRFLOW_HOME": str(home),
    }


@contextlib.contextmanager
def _process(home: Path, environment: Mapping[str, str], *command: str) -> Iterator["subprocess.Popen[bytes]"]:
    """One of Airflow's processes, in a process group with its children."""
    with (home / f"{command[0]}.out").open("ab") as output:
        started = subprocess.Popen(
            [AIRFLOW, *command], env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        yield started
    finally:
        kill(started)


def kill(started: "subprocess.Popen[bytes]") -> None:
    if started.poll() is None:  # not reaped, so its id is still its own
        os.killpg(started.pid, signal.SIGKILL)
        started.wait()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def wait_until(holds: Callable[[], bool], what: str, progress: Callable[[], object] | None = None) -> None:
    since = said = time.monotonic()
    while not holds():
        now = time.monotonic()
        if now - since > TIMEOUT:
            raise Failed(f"not within {TIMEOUT:.0f} s: {what}")
        if progress and now - said > 20:
            said = now
            say(f"… until {what}: {progress()}")
        time.sleep(0.5)
    say(what)


def check(holds: bool, claim: str) -> None:
    if not holds:
        raise Failed(f"not so: {claim}")
    say(f"ok: {claim}")


def say(text: str) -> None:
    print(f"{time.monotonic() - began:6.1f} s  {text}", flush=True)
