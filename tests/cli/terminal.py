"""The command in a process of its own, at a terminal whose screen can be read."""

import copy
import json
import os
import re
import select
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyte
import pytest

fcntl = pytest.importorskip("fcntl", reason="the command is tested at a POSIX terminal")
termios = pytest.importorskip("termios")

if sys.platform != "win32":
    import fcntl
    import termios

KEY = "marker-secret-0123456789"
PATIENCE = 60.0  # seconds; machines are shared, and a test that fails may take its time


class Server:
    """See `server.py`."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, Path(__file__).with_name("server.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
            # readline, where anything imports it, hands a COLUMNS and a LINES on to every process
            env={name: value for name, value in os.environ.items() if name not in {"COLUMNS", "LINES"}},
        )

    def start(
        self, *argv: str, env: dict[str, str], stdin: str = os.devnull, stdout: str = os.devnull, stderr: str
    ) -> int:
        """The process id of a new command."""
        pid = self._ask({"argv": argv, "env": env, "stdin": stdin, "stdout": stdout, "stderr": stderr})
        assert pid is not None
        return pid

    def ended(self, pid: int) -> int | None:
        """The exit code of a command, None while it runs; to be read once it has ended, and not again."""
        return self._ask({"ended": pid})

    def wait(self, pid: int) -> int:
        deadline = time.monotonic() + PATIENCE
        while (code := self.ended(pid)) is None:
            assert time.monotonic() < deadline
            time.sleep(0.005)
        return code

    def close(self) -> None:
        self._process.communicate()

    def _ask(self, request: dict[str, Any]) -> int | None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        answer: int | None = json.loads(self._process.stdout.readline())
        return answer


class Screens(pyte.HistoryScreen):
    """pyte's screen with an alternate one beside it, which pyte does not have."""

    alternate = False

    def set_mode(self, *modes: int, **kwargs: Any) -> None:
        if 1049 in modes and not self.alternate:
            self.alternate = True
            self._saved = copy.deepcopy(self.buffer), copy.copy(self.cursor)
            self.erase_in_display(2)
        super().set_mode(*modes, **kwargs)

    def reset_mode(self, *modes: int, **kwargs: Any) -> None:
        if 1049 in modes and self.alternate:
            self.alternate = False
            self.buffer, self.cursor = self._saved
            self.dirty.update(range(self.lines))
        super().reset_mode(*modes, **kwargs)


class Terminal:
    """A terminal with the command in it, for the length of a `with` statement."""

    def __init__(
        self,
        server: Server,
        *argv: str,
        columns: int = 100,
        lines: int = 24,
        env: dict[str, str] | None = None,
        stdout: str | None = None,
    ) -> None:
        self._server = server
        self._terminal, inside = os.openpty()
        self._screen = Screens(columns, lines, history=10_000)
        self._stream = pyte.ByteStream(self._screen)
        self.raw = b""
        self.resize(columns, lines)
        path = os.ttyname(inside)
        env = {"TERM": "xterm-256color", "AZURE_MAPS_SUBSCRIPTION_KEY": KEY, **(env or {})}
        self.pid = server.start(*argv, env=env, stdin=path, stdout=stdout or path, stderr=path)
        self._inside = inside  # held open, so that the terminal lives on when the command has ended
        self._code: int | None = None
        while not self._takes_interrupts():
            time.sleep(0.001)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._code is None:
            os.kill(self.pid, signal.SIGKILL)
            self._server.wait(self.pid)
        os.close(self._inside)
        os.close(self._terminal)

    @property
    def text(self) -> str:
        """What was scrolled off the screen, and the screen."""
        columns = self._screen.columns
        gone = ["".join(line[column].data for column in range(columns)) for line in self._screen.history.top]
        return "\n".join(line.rstrip() for line in [*gone, *self._screen.display]).rstrip()

    @property
    def alternate(self) -> bool:
        """Whether the alternate screen is shown."""
        return self._screen.alternate

    @property
    def screen(self) -> list[str]:
        return [line.rstrip() for line in self._screen.display]

    def until(self, seen: str | Callable[[], bool]) -> str:
        """Read until a text or a state is on the screen."""
        deadline = time.monotonic() + PATIENCE
        while not (seen in self.text if isinstance(seen, str) else seen()):
            if not self._read(0.1):
                assert self._code is None, f"ended with {self._code}, not seen: {seen}\n{self.text}"
                assert time.monotonic() < deadline, f"not seen: {seen}\n{self.text}"
                self._code = self._server.ended(self.pid)
        return self.text

    def press(self, keys: bytes) -> None:
        os.write(self._terminal, keys)

    def _takes_interrupts(self) -> bool:
        """Whether the command has a handler for Ctrl+C by now; before, it would be lost."""
        status = Path(f"/proc/{self.pid}/status")
        caught = re.search(r"SigCgt:\s*(\w+)", status.read_text()) if status.exists() else None  # Linux only
        return caught is None or bool(int(caught[1], 16) & 1 << signal.SIGINT - 1)

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def resize(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self._screen.resize(lines, columns)

    def end(self) -> int:
        """Read until the command has ended; its exit code."""
        deadline = time.monotonic() + PATIENCE
        while self._code is None:
            assert time.monotonic() < deadline, f"not ended:\n{self.text}"
            self._read(0.05)
            self._code = self._server.ended(self.pid)
        while self._read(0):
            pass
        return self._code

    def _read(self, patience: float) -> bool:
        ready = bool(select.select([self._terminal], [], [], patience)[0])
        if ready:
            data = os.read(self._terminal, 65536)
            self.raw += data
            self._stream.feed(data)
        return ready
