"""A process that has imported and collected everything, and forks for each change of a function's body.

To start and to import takes seconds, most tests milliseconds. Pythons that tests start read the changed file.
"""

import contextlib
import faulthandler
import functools
import gc
import json
import os
import signal
import sys
import time
from collections.abc import Generator, Iterator
from inspect import CO_OPTIMIZED
from pathlib import Path
from types import CodeType, FunctionType
from typing import NoReturn

import pytest

EXPIRED = 99
"""The status of a run that took too long."""


class Template:
    """A pytest plugin that runs no test itself: it forks for each request that it reads."""

    def __init__(self, requests: int, replies: int) -> None:
        self._requests, self._replies = requests, replies
        self._child = 0
        self._seconds_per_test = 0.0

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> None:
        """Return in forks alone, where pytest's own loop then runs the tests."""
        signal.signal(signal.SIGTERM, self._leave)
        functions = [found for found in gc.get_objects() if isinstance(found, FunctionType)]
        gc.freeze()  # forks share what is there
        items = {item.nodeid: item for item in session.items}
        with os.fdopen(self._requests) as requests:
            for request in requests:
                name, source, tests, self._seconds_per_test, seconds = json.loads(request)
                file, before = Path(name), Path(name).read_text()
                file.write_text(source)
                self._child = os.fork()
                if not self._child:
                    signal.signal(signal.SIGTERM, signal.SIG_DFL)
                    os.setsid()
                    change_functions(functions, file, before)
                    session.items[:] = [items[test] for test in tests]
                    return
                status = _status_of(self._child, time.monotonic() + seconds)
                self._child = 0
                file.write_text(before)
                os.write(self._replies, bytes([status % 256]))
        sys.stdout.flush()
        os._exit(0)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self) -> Generator[None, bool, bool]:
        """End the fork when a test hangs."""
        faulthandler.dump_traceback_later(self._seconds_per_test, exit=True, file=2)
        try:
            return (yield)
        finally:
            faulthandler.cancel_dump_traceback_later()

    def _leave(self, *_: object) -> NoReturn:
        if self._child:
            _end(self._child)
        os._exit(143)


def _status_of(pid: int, ends: float) -> int:
    status = EXPIRED
    while time.monotonic() < ends:
        done, code = os.waitpid(pid, os.WNOHANG)
        if done:
            status = os.waitstatus_to_exitcode(code)
            break
        time.sleep(0.002)
    _end(pid)
    return status


def _end(pid: int) -> None:
    """End a process group and what is left of its leader."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, 0)


def changes_functions_alone(before: str, after: str) -> bool:
    """Whether what an import runs is the same: no constant, default or decorator differs."""
    old, new = _pairs(before, after)
    return len(old) == len(new) and all(map(_is_alike, old, new))


def change_functions(functions: list[FunctionType], file: Path, before: str) -> None:
    """Give the functions that were imported from a file the bodies that stand there now."""
    changed = {old: new for old, new in zip(*_pairs(before, file.read_text(), str(file)), strict=True) if old != new}
    for function in functions:
        if function.__code__.co_filename == str(file):
            function.__code__ = changed.get(function.__code__, function.__code__)


def _pairs(before: str, after: str, name: str = "") -> tuple[tuple[CodeType, ...], tuple[CodeType, ...]]:
    return _codes_of(before, name), _codes_of(after, name)


@functools.lru_cache(maxsize=2)
def _codes_of(source: str, name: str) -> tuple[CodeType, ...]:
    return tuple(_codes(compile(source, name, "exec", dont_inherit=True)))


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _is_alike(old: CodeType, new: CodeType) -> bool:
    if old.co_flags & CO_OPTIMIZED:  # a function
        return (old.co_qualname, old.co_freevars) == (new.co_qualname, new.co_freevars)
    return _executed(old) == _executed(new)


def _executed(code: CodeType) -> object:
    constants = [constant for constant in code.co_consts if not isinstance(constant, CodeType | str)]
    texts = [constant for constant in code.co_consts if isinstance(constant, str)]
    return code.co_code, code.co_names, repr(constants), texts
