"""The command: see scripts/mutate."""

import argparse
import contextlib
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from mutation.changes import Change, changes_of
from mutation.forks import PRELOADED, Copy, preload
from mutation.selection import record_tests
from mutation.trials import try_changes

_ROOT = Path(__file__).parents[2]
_PACKAGE = "overlays/maps_data_registry"
_CORE = ("polling", "wire", "auth", "connection.py", "errors.py", "text.py")
_STORE = ".mutate"  # results, and the lines that each test runs


def main(arguments: list[str] | None = None, root: Path = _ROOT, package: str = _PACKAGE) -> int:
    """Returns 0 if every change was noticed or changes nothing, 1 if not, 2 if a change that is listed is gone."""
    parser = argparse.ArgumentParser("mutate", description="Names the changes of the core that no test notices.")
    parser.add_argument(
        "paths", nargs="*", default=_CORE, help="files and folders of the package; the whole core if none"
    )
    parser.add_argument("--number", type=int, help="how many changes to try, drawn at random; all if left out")
    parser.add_argument("--seed", type=int, default=0, help="another seed draws another sample")
    parser.add_argument("--quick", action="store_true", help="leave out the tests that are marked as slow")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="changes tried at once")
    options = parser.parse_args(arguments)

    files = [file for path in options.paths for file in _files(root, f"{package}/{path}")]
    changes = [change for file in files for change in changes_of(root, file)]
    listed = _listed(root, package)
    unchanging = {change.text for change in changes} & set(listed)
    stale = [text for text in listed if text.partition(": ")[0] in files and text not in unchanging]
    changes = [change for change in changes if change.text not in unchanging]
    if options.number is not None:
        chosen = set(random.Random(options.seed).sample(range(len(changes)), min(options.number, len(changes))))  # noqa: S311
        changes = [change for place, change in enumerate(changes) if place in chosen]
    for text in stale:
        print(f"no such change any more: {text}")
    outcomes = _tried(root, changes, ["-m", "not slow"] if options.quick else [], options)
    return 2 if stale else 1 if "survived" in outcomes.values() else 0


def _tried(
    root: Path, changes: list[Change], pytest_options: list[str], options: argparse.Namespace
) -> dict[Change, str]:
    began = time.monotonic()
    preload(PRELOADED if root == _ROOT else ())
    signal.signal(signal.SIGTERM, _leave)
    store = root / _STORE
    with tempfile.TemporaryDirectory(prefix="mutate-") as folder, contextlib.ExitStack() as _:
        copies = [Copy.of(root, Path(folder, str(number))) for number in range(options.processes)]
        records = record_tests(root, copies, store, pytest_options)
        outcomes = try_changes(root, copies, changes, records, store)
    counts = Counter(outcomes.values())
    print(
        f"{len(changes)} changes: {counts['noticed']} noticed, {counts['expired']} without an end, "
        f"{counts['survived']} survived, in {time.monotonic() - began:.0f} s"
    )
    return outcomes


def _files(root: Path, path: str) -> Iterator[str]:
    found = sorted((root / path).rglob("*.py")) if (root / path).is_dir() else [root / path]
    return (file.relative_to(root).as_posix() for file in found)


def _listed(root: Path, package: str) -> list[str]:
    """The changes that change nothing, each under a comment that says why."""
    file = root / "scripts" / "mutation" / "unchanging.txt"
    lines = file.read_text().splitlines() if file.exists() else []
    return [f"{package}/{line}" for line in lines if line and not line.startswith("#")]


def _leave(*_: object) -> NoReturn:
    raise SystemExit(143)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
