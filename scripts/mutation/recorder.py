"""A pytest plugin: which lines does each test run, and how long does it take?"""

import time
from collections.abc import Generator
from pathlib import Path

import attrs
import coverage
import pytest


@attrs.define
class Record:
    """What is known about one test."""

    seconds: float
    lines: dict[str, list[int]]  # by path from the root


class Recorder:
    """Records each test that passes. Lines that an import runs are no test's."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._coverage = coverage.Coverage(data_file=None, config_file=False, source=[str(root / "overlays")])
        self._seconds: dict[str, float] = {}
        self._failed: set[str] = set()

    def pytest_sessionstart(self) -> None:
        """Before anything is imported."""
        self._coverage.start()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, bool, bool]:
        """Around one test with its fixtures."""
        self._coverage.switch_context(item.nodeid)
        start = time.perf_counter()
        try:
            return (yield)
        finally:
            self._seconds[item.nodeid] = time.perf_counter() - start
            self._coverage.switch_context("")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """What does not pass by itself can notice nothing."""
        if not report.passed:
            self._failed.add(report.nodeid)

    def records(self) -> dict[str, Record]:
        """Every test that passed."""
        self._coverage.stop()
        found = {test: Record(took, {}) for test, took in self._seconds.items() if test not in self._failed}
        data = self._coverage.get_data()
        for file in data.measured_files():
            path = Path(file).relative_to(self._root).as_posix()
            for line, tests in data.contexts_by_lineno(file).items():
                for test in tests:
                    if test in found:
                        found[test].lines.setdefault(path, []).append(line)
        return found
