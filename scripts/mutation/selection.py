"""Which tests can notice a change: those that run its lines, quickest first."""

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
import pytest

from mutation.changes import Change
from mutation.forks import Copy, share_out
from mutation.recorder import Record, Recorder

_ELSEWHERE = ("tests/contract", "tests/mutation", "tests/test_bench.py")  # tests of scripts/
_LIMIT = 900.0  # seconds for one file of tests


class _Saving(Recorder):
    """Records, and leaves what it recorded in a file."""

    def __init__(self, root: Path, to: Path) -> None:
        super().__init__(root)
        self._to = to

    def finish(self) -> None:
        """Called in the fork, at its end."""
        found = {test: attrs.asdict(record) for test, record in self.records().items()}
        self._to.with_suffix(".tmp").write_text(json.dumps(found))
        self._to.with_suffix(".tmp").replace(self._to)


def digest_of(root: Path, *folders: str) -> str:
    """Another one whenever a Python file of these changes."""
    files = sorted(file for folder in folders for file in (root / folder).rglob("*.py"))
    return hashlib.sha256(b"\0".join(f"{file}".encode() + file.read_bytes() for file in files)).hexdigest()


def record_tests(root: Path, copies: list[Copy], store: Path, options: list[str]) -> dict[str, Record]:
    """Run every test once, unless that was done with the same code."""
    store.mkdir(parents=True, exist_ok=True)
    shared = digest_of(root, "overlays", "generated") + "".join(
        file.read_text() for file in sorted((root / "tests").rglob("*.py")) if not file.name.startswith("test_")
    )
    tests = sorted(file.relative_to(root).as_posix() for file in (root / "tests").rglob("test_*.py"))
    kept: dict[str, Path] = {}
    for test in tests:
        if not test.startswith(_ELSEWHERE):
            content = "\0".join([shared, test, (root / test).read_text(), *options])
            kept[test] = store / f"{hashlib.sha256(content.encode()).hexdigest()}.json"

    def check(copy: Copy, test: str, to: Path) -> None:
        if not to.exists():
            raise RuntimeError(f"{test} cannot be recorded:\n{copy.log.read_text()[-3000:]}")

    def work() -> Iterator[Callable[[Copy], None]]:
        for test, to in kept.items():
            if not to.exists():

                def start(copy: Copy, test: str = test, to: Path = to) -> None:
                    print(f"recording {test}", flush=True)
                    copy.start([*options, test], _Saving(copy.root, to), _LIMIT, lambda status: check(copy, test, to))

                yield start

    share_out(copies, work())
    found: dict[str, Record] = {}
    for to in kept.values():
        found |= {name: Record(**record) for name, record in json.loads(to.read_text()).items()}
    return found


def tests_for(change: Change, records: dict[str, Record], *, is_import: bool) -> list[str]:
    """The tests to run, quickest first.

    What an import runs (constants, defaults, decorators) is no test's: there it is the tests that run anything of the
    module, then those of the package as a whole.
    """
    if not is_import:
        lines = set(change.lines)
        found = [test for test, record in records.items() if lines & set(record.lines.get(change.path, ()))]
        return sorted(found, key=lambda test: records[test].seconds)
    users = {test for test, record in records.items() if change.path in record.lines}
    found = [test for test in records if test in users or test.partition("::")[0].count("/") == 1]
    return sorted(found, key=lambda test: (test not in users, records[test].seconds))


class Chosen:
    """A pytest plugin that runs the chosen tests in their order."""

    def __init__(self, tests: list[str]) -> None:
        self._place = {test: place for place, test in enumerate(tests)}

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Leave out the others."""
        items[:] = sorted(
            (item for item in items if item.nodeid in self._place), key=lambda item: self._place[item.nodeid]
        )
