"""Tries changes, and keeps what came of each."""

import json
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import attrs

from mutation.changes import Change
from mutation.forks import Copy, share_out
from mutation.recorder import Record
from mutation.selection import Chosen, digest_of, tests_for
from mutation.template import EXPIRED, changes_functions_alone

_NO_TESTS = 5  # pytest's status
_PATIENCE = 20.0, 8.0  # seconds, and times the slowest test took, for one test: machines are shared


@attrs.define
class Results:
    """What came of each change: what was noticed stays so while its file does, what was not while the tests do, too."""

    file: Path
    tests: str  # digest
    _known: dict[str, str] = attrs.field(factory=dict)

    def __attrs_post_init__(self) -> None:
        for line in self.file.read_text().splitlines() if self.file.exists() else []:
            key, outcome, tests, _ = json.loads(line)
            if outcome != "survived" or tests == self.tests:
                self._known[key] = outcome

    def of(self, change: Change) -> str | None:
        """`noticed`, `survived`, or None if it was not tried yet."""
        return self._known.get(change.key)

    def add(self, change: Change, outcome: str) -> None:
        """Keep it at once: the run may be interrupted."""
        self._known[change.key] = outcome
        with self.file.open("a") as lines:
            lines.write(json.dumps([change.key, outcome, self.tests, str(change)]) + "\n")


def try_changes(
    root: Path, copies: list[Copy], changes: list[Change], records: dict[str, Record], store: Path
) -> dict[Change, str]:
    """Try each change that has no result yet; print those that no test notices."""
    results = Results(store / "results.jsonl", digest_of(root, "tests"))
    sources = {change.path: (root / change.path).read_text() for change in changes}
    todo = [
        (not changes_functions_alone(sources[change.path], change.source), change)
        for change in changes
        if results.of(change) is None
    ]
    todo.sort(key=lambda trial: trial[0])  # what an import runs comes last: each takes a new start
    done, began = 0, time.monotonic()

    def work() -> Iterator[Callable[[Copy], None]]:
        for is_import, change in todo:
            tests = tests_for(change, records, is_import=is_import)

            if tests:
                trial = _Trial(change, sources[change.path], tests, records, is_import, finish)
                yield trial.start
            else:
                finish(change, _NO_TESTS)

    def finish(change: Change, status: int) -> None:
        nonlocal done
        done += 1
        results.add(change, "survived" if status in (0, _NO_TESTS) else "expired" if status == EXPIRED else "noticed")
        if status in (0, _NO_TESTS):
            print(change, flush=True)
        elif done % 100 == 0:
            print(f"… {done} of {len(todo)} in {time.monotonic() - began:.0f} s", flush=True)

    for change in changes:
        if results.of(change) == "survived":
            print(change)
    share_out(copies, work())
    return {change: results.of(change) or "" for change in changes}


@attrs.frozen
class _Trial:
    change: Change
    before: str
    tests: list[str]
    records: dict[str, Record]
    is_import: bool
    finish: Callable[[Change, int], None]

    def start(self, copy: Copy) -> None:
        """Change the copy, run the tests, and change it back."""
        each = _PATIENCE[0] + _PATIENCE[1] * max(self.records[test].seconds for test in self.tests)
        everything = 2 * each + _PATIENCE[1] * sum(self.records[test].seconds for test in self.tests)
        file = copy.root / self.change.path

        def restore(status: int) -> None:
            file.write_text(self.before)
            self.finish(self.change, status)

        if self.is_import:
            file.write_text(self.change.source)
            limit = ["-o", f"faulthandler_timeout={each:.0f}", "-o", "faulthandler_exit_on_timeout=true"]
            copy.start(["-x", *limit, *_files(self.tests)], Chosen(self.tests), everything, restore)
        else:
            copy.ask(_files(self.records), [str(file), self.change.source, self.tests, each, everything], restore)


def _files(tests: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(test.partition("::")[0] for test in tests))
