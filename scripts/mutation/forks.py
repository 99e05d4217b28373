"""Runs pytest in forks of this process, in copies of the project that it may change."""

import contextlib
import importlib
import json
import os
import resource
import select
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from compileall import compile_dir
from pathlib import Path
from py_compile import PycInvalidationMode
from typing import Any

import attrs
import pytest

from mutation.template import EXPIRED, Template

_ROOTS = ("overlays", "generated")  # what is installed in place
_IGNORED = shutil.ignore_patterns(
    ".git", ".venv*", ".mutate", "__pycache__", ".*_cache", ".hypothesis", "dist", "*.svg"
)
_MEMORY = 4 * 2**30  # a change may never stop asking for more
# What takes long to import and imports nothing of ours: once, before the forks.
PRELOADED = ("anyio.to_thread", "httpcore", "httpx", "hypothesis", "pydantic", "rich", "schemathesis", "trio",
              "starlette", "trustme", "typer", "uvicorn", "uvloop", "aiohttp", "azure.identity")  # fmt: skip


def preload(names: Iterable[str]) -> None:
    """Import these, where they are there."""
    for name in names:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


@attrs.define
class Copy:
    """A copy of the project, in which one run of pytest takes place at a time."""

    root: Path
    pid: int = 0
    ends: float = 0.0
    finish: Callable[[int], None] = lambda status: None
    template: int = 0  # its process, with the pipe that requests go into and the one that replies come from
    requests: int = -1
    replies: int = -1
    is_asked: bool = False

    @property
    def is_busy(self) -> bool:
        """Whether a run is taking place."""
        return bool(self.pid) or self.is_asked

    @classmethod
    def of(cls, root: Path, to: Path) -> "Copy":
        """Copy the project. Its bytecode is checked by content: two changes may come within one tick of the clock."""
        shutil.copytree(root, to, symlinks=True, ignore=_IGNORED)
        for folder in (*_ROOTS, "tests"):
            compile_dir(to / folder, quiet=2, invalidation_mode=PycInvalidationMode.CHECKED_HASH)
        return cls(to)

    @property
    def log(self) -> Path:
        """What the last run printed."""
        return self.root.with_suffix(".log")

    def start(self, arguments: list[str], plugin: Any, limit: float, finish: Callable[[int], None]) -> None:
        """Run pytest in a fork, which leads a process group of its own."""
        self.ends, self.finish = time.monotonic() + limit, finish
        sys.stdout.flush()
        self.pid = os.fork()
        if not self.pid:
            status = 3
            try:
                status = self._run(arguments, plugin)
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                os._exit(status)

    def ask(self, files: list[str], request: list[Any], finish: Callable[[int], None]) -> None:
        """Run tests of these files in a fork of a process that has collected them."""
        if not self.template:
            self._start_template(files)
        self.finish, self.is_asked = finish, True
        os.write(self.requests, f"{json.dumps(request)}\n".encode())

    def _start_template(self, files: list[str]) -> None:
        requests, self.requests = os.pipe()
        self.replies, replies = os.pipe()
        self.start(["-x", "-o", "faulthandler_timeout=0", *files], Template(requests, replies), 0, _none)
        self.template, self.pid = self.pid, 0
        os.close(requests)
        os.close(replies)

    def _run(self, arguments: list[str], plugin: Any) -> int:
        os.setsid()
        for name in (signal.SIGINT, signal.SIGTERM):
            signal.signal(name, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
        os.chdir(self.root)
        null = os.open(os.devnull, os.O_RDONLY)
        log = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for number, to in enumerate((null, log, log)):
            os.dup2(to, number)
        paths = [str(self.root / folder) for folder in _ROOTS]
        os.environ["PYTHONPATH"] = os.pathsep.join(paths)  # for the Pythons that tests start
        sys.path[:] = paths + [path for path in sys.path if not path.endswith(_ROOTS)]
        sys.dont_write_bytecode = True
        options = ["-q", "--tb=line", "-W", "ignore::pytest.PytestAssertRewriteWarning"]
        options += [f"-pno:{name}" for name in ("cacheprovider", "xdist", "maps_data_registry")]
        status = int(pytest.main([*options, *arguments], [plugin]))
        finish = getattr(plugin, "finish", None)
        if finish is not None:
            finish()
        return status

    def stop(self) -> None:
        """End the run and whatever it started."""
        if self.template:
            os.kill(self.template, signal.SIGTERM)
            os.waitpid(self.template, 0)
            os.close(self.requests)
            os.close(self.replies)
            self.template, self.is_asked = 0, False
        self._end_run()

    def is_done(self) -> bool:
        """Whether the run has ended, by itself or because its time was up. Its outcome has been given to `finish`."""
        if self.is_asked:
            return self._has_reply()
        done, status = os.waitpid(self.pid, os.WNOHANG)
        if not done and time.monotonic() < self.ends:
            return False
        outcome = EXPIRED if not done else os.waitstatus_to_exitcode(status)
        self._end_run()
        self.finish(outcome)
        return True

    def _has_reply(self) -> bool:
        if not select.select([self.replies], [], [], 0)[0]:
            return False
        reply = os.read(self.replies, 1)
        if not reply:
            raise RuntimeError(f"the tests cannot be collected:\n{self.log.read_text()[-3000:]}")
        self.is_asked = False
        self.finish(reply[0])
        return True

    def _end_run(self) -> None:
        if self.pid:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(self.pid, 0)
            self.pid = 0


def _none(_: int) -> None:
    pass


def share_out(copies: list[Copy], work: Iterator[Callable[[Copy], None]]) -> None:
    """Start each piece of work in the first copy that is free, and return when all are done."""
    try:
        free = list(copies)
        for start in work:
            while not free:
                free = _finished(copies)
            start(free.pop())
        while any(copy.is_busy for copy in copies):
            _finished(copies)
    finally:
        for copy in copies:
            copy.stop()


def _finished(copies: list[Copy]) -> list[Copy]:
    for copy in copies:
        if copy.is_busy:
            copy.is_done()
    free = [copy for copy in copies if not copy.is_busy]
    if not free or any(copy.is_busy for copy in copies):
        time.sleep(0.01)
    return free
