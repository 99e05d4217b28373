#!/usr/bin/env python3
"""Print, in Markdown for a pull request, what a change does to those who use this package.

    scripts/review.py [BASE [HEAD]]

BASE is the merge base with main by default; on main itself the last commit, or the one before when
nothing is uncommitted. HEAD is by default the working tree, with what is not committed yet.

Exit codes: 0 nothing breaks, or CHANGELOG.md says so; 1 something breaks and CHANGELOG.md does not say so,
or generated/ is not what the document makes; 2 there is nothing to compare. A break is announced by a list
item of CHANGELOG.md that is new since BASE, holds the word "breaking", and names in backticks what breaks
or something around it.

The OpenAPI side is compared by `contract.diff`: the mature tools (oasdiff, openapi-changes) are Go
programs, and those on PyPI (api-schema-diff) name no rule for headers, security, enums or null.
"""

from __future__ import annotations

import argparse
import itertools
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from contract import diff
from contract.commits import default_base, extract
from contract.diff import Change
from contract.document import ends_in_a_line, plain, read, resolved
from contract.rules import load
from regenerate import ROOT, Files, read_tree, use_project_environment

if TYPE_CHECKING:
    from contract.parts import Name, Node


@ends_in_a_line
def main(argv: Sequence[str] | None = None, root: Path = ROOT) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("base", nargs="?", metavar="BASE", help="a commit")
    parser.add_argument("head", nargs="?", metavar="HEAD", help="a commit; default: the working tree")
    given = parser.parse_args(argv)
    base = given.base or default_base(root)
    with tempfile.TemporaryDirectory() as scratch:
        before = extract(root, base, Path(scratch) / "before")
        after = extract(root, given.head, Path(scratch) / "after") if given.head else root
        title = f"`{base}` → {f'`{given.head}`' if given.head else 'working tree'}"
        report, exit_code = review(before, after, title)
    print(report)
    return exit_code


def review(before: Path, after: Path, title: str) -> tuple[str, int]:
    """The report on two trees of this project, and the exit code."""
    from contract import python_diff

    contract = diff.changes(contract_of(before, read), contract_of(after, load))
    python = python_diff.changes(before, after)
    entries = announcements(changelog(before), changelog(after))
    breaking = [[change for change in side if change.breaking] for side in (contract, python)]
    # A line about the contract covers what follows from it in Python.
    covering = (entries, [*entries, *(".".join(change.name) for change in breaking[0])])
    silent = [
        change
        for side, known in zip(breaking, covering, strict=True)
        for change in side
        if not is_announced(change, known)
    ]
    stale = staleness(after)
    verdict = (
        "**It breaks users, and CHANGELOG.md does not say so: see the last section.**" if silent
        else "It breaks users, as CHANGELOG.md says." if any(breaking)
        else "Nothing breaks."
    )  # fmt: skip
    sections = {
        "Contract": rows(contract),
        "Python": rows(python),
        "Generated files": changed_files(read_tree(before / "generated"), read_tree(after / "generated")),
        "To announce": [f"- **Breaking:** {change}" for change in grouped(silent)],
    }
    lines = [f"# What changes for users: {title}", *(["", stale] if stale else []), "", verdict]
    for heading, section in sections.items():
        if section:
            lines += ["", f"## {heading}", "", *section]
    return "\n".join(lines), 1 if silent or stale else 0


def rows(found: Sequence[Change]) -> list[str]:
    """A row for each change, those that break first."""
    ordered = sorted(grouped(found), key=lambda change: not change.breaking)
    return [f"- {'**breaking** ' if change.breaking else ''}{change}" for change in ordered]


def grouped(found: Iterable[Change]) -> list[Change]:
    """The same change of several parts of one place, as of the generated four of each operation, as one change."""
    for position in (-2, -1):
        names: dict[tuple[Name, Name, str, bool], dict[str, None]] = {}
        for change in found:
            before, name, after = change.name[:position], change.name[position:][:1], change.name[position:][1:]
            if len(change.name) < -position:
                before, name = (), change.name
            names.setdefault((before, after, change.what, change.breaking), {})[" / ".join(name)] = None
        found = [
            Change((*before, " / ".join(group), *after), what, breaking)
            for (before, after, what, breaking), group in names.items()
        ]
    return list(found)


def contract_of(tree: Path, reader: Callable[[Path], Node]) -> Node:
    """The document of a tree; that of the past need not keep to the rules of today."""
    path = tree / "spec" / "data-registry.yaml"
    if not path.exists():
        return {}
    document = reader(path)
    whole: Node = resolved(document, document, path)
    return whole


def changed_files(before: Files, after: Files) -> list[str]:
    """How many files of each generated package are new, gone and changed."""
    counts = Counter(
        (name.partition("/")[0], "new" if name not in before else "gone" if name not in after else "changed")
        for name in before.keys() | after.keys()
        if before.get(name) != after.get(name)
    )
    packages = sorted({package for package, _ in counts})
    states = ("new", "changed", "gone")
    return [
        f"- `generated/{package}`: "
        + ", ".join(f"{counts[package, state]} {state}" for state in states if counts[package, state])
        for package in packages
    ]


def staleness(tree: Path) -> str:
    """Why generated/ is not known to be what its own scripts/regenerate.py makes of its own document, or nothing."""
    script = tree / "scripts" / "regenerate.py"
    if not script.exists():
        return "**`generated/` cannot be checked: there is no scripts/regenerate.py.**"
    done = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True, check=False)
    if done.returncode == 1:
        return "**`generated/` is stale: run scripts/regenerate.py, then look again.**"
    return f"**`generated/` cannot be checked:** {done.stderr.strip()}" if done.returncode else ""


def changelog(tree: Path) -> str:
    path = tree / "CHANGELOG.md"
    return path.read_text(encoding="utf-8") if path.exists() else ""


def announcements(before: str, after: str) -> list[str]:
    """The names in backticks in the new list items that say "breaking"."""
    items = re.findall(r"^[-*] .*(?:\n +.*)*", after, re.MULTILINE)
    return [
        name
        for item in items
        if item not in before and "breaking" in item.lower()
        for name in re.findall(r"`([^`]+)`", item)
    ]


def is_announced(change: Change, entries: Sequence[str]) -> bool:
    """Whether an entry has only names of this change's path, in their order, as the document or Python writes them."""
    path = [plain(part) for part in ".".join(change.name).split(".")]
    return any(
        is_subsequence([plain(part) for part in parts], path) for entry in entries for parts in spelled_out(entry)
    )


def spelled_out(entry: str) -> Iterator[tuple[str, ...]]:
    """The names of an entry: `a.sync / asyncio.b`, as a report groups them, stands for two."""
    return itertools.product(*(part.split(" / ") for part in entry.split(".")))


def is_subsequence(short: Sequence[str], long: Sequence[str]) -> bool:
    rest = iter(long)
    return all(part in rest for part in short)


if __name__ == "__main__":
    use_project_environment()
    sys.exit(main())
