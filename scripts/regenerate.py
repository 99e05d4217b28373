#!/usr/bin/env python3
"""Turn spec/data-registry.yaml into the packages under generated/.

The document is validated first. The pinned generators then render two packages into an empty folder,
and `contract.facts` a third with the facts that neither of them writes. Each file gets a line that says
where it comes from, and the result replaces generated/ in one move. Nothing else decides a byte of the
output: not the current directory, not the tools on PATH, not the settings of this project's linters,
not what was there.

Exit codes: 0 done, or nothing to do; 1 with --check, generated/ is stale; 2 the document or the
tool set is broken, and generated/ was not touched.
"""

from __future__ import annotations

import argparse
import difflib
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from contract import completeness, facts
from contract.document import ends_in_a_line, report
from contract.generators import HEADER, render, require_pinned
from contract.rules import load

ROOT = Path(__file__).resolve().parent.parent
CONTRACT = "maps_data_registry_contract"

Files = dict[str, bytes]


@ends_in_a_line
def main(argv: Sequence[str] | None = None, root: Path = ROOT) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="only compare with what is there; exit 1 when stale")
    check = parser.parse_args(argv).check
    current = root / "generated"
    require_pinned(root)
    path = root / "spec" / "data-registry.yaml"
    document = load(path)
    # Inside the project: a rename works on one file system only.
    with tempfile.TemporaryDirectory(prefix=".generated-", dir=root) as scratch:
        rendered = Path(scratch) / "generated"
        render(root / "spec", rendered)
        render_facts(document, rendered)
        if missing := list(completeness.faults(document, rendered)):
            raise report(path, missing)
        before, after = read_tree(current), read_tree(rendered)
        if not check and before != after:
            swap(rendered, current, Path(scratch) / "before")
    if before == after:
        print(f"generated/ is up to date ({len(after)} files).")
        return 0
    print(*differences(before, after, in_full=check), sep="\n")
    if check:
        print("generated/ is stale: run scripts/regenerate.py and commit what it changes.", file=sys.stderr)
        return 1
    print(f"generated/ written ({len(after)} files).")
    return 0


def render_facts(document: dict[str, Any], target: Path) -> None:
    """Write the package with the document's facts."""
    package = target / CONTRACT
    package.mkdir(exist_ok=True)
    (package / "__init__.py").write_text(HEADER + facts.module(document), encoding="utf-8")
    (package / "py.typed").touch()


def read_tree(root: Path) -> Files:
    """Every file below *root* by its name there; what Python itself leaves behind does not count."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def differences(before: Files, after: Files, *, in_full: bool) -> Iterator[str]:
    """A line for each file that differs, and with *in_full* its diff."""
    only_after, only_before = ("missing", "extra") if in_full else ("added", "removed")
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) == after.get(name):
            continue
        verb = only_after if name not in before else only_before if name not in after else "changed"
        yield f"{verb}: generated/{name}"
        if in_full:
            old, new = (tree.get(name, b"").decode(errors="backslashreplace").splitlines() for tree in (before, after))
            yield from difflib.unified_diff(old, new, f"committed/{name}", f"rendered/{name}", lineterm="")


def swap(new: Path, current: Path, aside: Path) -> None:
    """Two renames on one file system; the old tree comes back if the second fails."""
    if current.exists():
        current.rename(aside)
    try:
        new.rename(current)
    except OSError:
        if aside.exists():
            aside.rename(current)
        raise


def use_project_environment() -> None:
    """Go on in .venv, whichever Python was called: the pinned tools are there."""
    environment = ROOT / ".venv"
    if environment.exists() and not environment.samefile(sys.prefix):
        python = str(environment / "bin" / "python")
        os.execv(python, [python, *sys.argv])


if __name__ == "__main__":
    use_project_environment()
    sys.exit(main())
