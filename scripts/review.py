#!/usr/bin/env python3
"""Tell, in Markdown for a pull request, what a change does to those who use this package.

    scripts/review.py [BASE [HEAD]]

BASE is the merge base with main by default; on main itself the last commit, or the one before when
nothing is uncommitted. HEAD is by default the working tree, with what is not committed yet.

Exit codes: 0 nothing breaks, or CHANGELOG.md says so; 1 something breaks and CHANGELOG.md does not
say so; 2 there is nothing to compare. A break is announced by a list item of CHANGELOG.md that is new
since BASE, holds the word "breaking", and names in backticks what breaks or something around it.

The OpenAPI side is compared by `contract_diff`: the mature tools (oasdiff, openapi-changes) are Go
programs, and those on PyPI (api-schema-diff) name no rule for headers, security, enums or null.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import io
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import contract_diff
from contract_diff import Change
from document import Broken, load, resolved
from regenerate import ROOT, read_tree, require_pinned_tools, use_project_environment

EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"  # git's name for no files at all


def main(argv: Sequence[str] | None = None, root: Path = ROOT) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("base", nargs="?", metavar="BASE", help="a commit")
    parser.add_argument("head", nargs="?", metavar="HEAD", help="a commit; default: the working tree")
    given = parser.parse_args(argv)
    try:
        require_pinned_tools(ROOT)
        base = given.base or default_base(root)
        with tempfile.TemporaryDirectory() as scratch:
            before = extract(root, base, Path(scratch) / "before")
            after = extract(root, given.head, Path(scratch) / "after") if given.head else root
            title = f"`{base}` → {f'`{given.head}`' if given.head else 'working tree'}"
            report, exit_code = review(before, after, title)
    except Broken as broken:
        print(broken, file=sys.stderr)
        return 2
    print(report)
    return exit_code


def review(before: Path, after: Path, title: str) -> tuple[str, int]:
    """The report on two trees of this project, and the exit code."""
    import python_diff

    contract = contract_diff.changes(contract_of(before), contract_of(after))
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
    verdict = (
        "**It breaks users, and CHANGELOG.md does not say so: see the last section.**" if silent
        else "It breaks users, as CHANGELOG.md says." if any(breaking)
        else "Nothing breaks."
    )  # fmt: skip
    sections = {
        "Contract": map(bullet, sorted(contract, key=lambda change: not change.breaking)),
        "Python": map(bullet, sorted(python, key=lambda change: not change.breaking)),
        "Generated files": changed_files(read_tree(before / "generated"), read_tree(after / "generated")),
        "Hand-written code that touches it": touched(after, contract),
        "To announce": (f"- **Breaking:** {change}" for change in silent),
    }
    lines = [f"# What changes for users: {title}", "", f"{verdict} {freshness(after)}"]
    for heading, section in sections.items():
        if items := list(section):
            lines += ["", f"## {heading}", "", *items]
    return "\n".join(lines), 1 if silent else 0


def bullet(change: Change) -> str:
    return f"- {'**breaking** ' if change.breaking else ''}{change}"


def contract_of(tree: Path) -> contract_diff.Node:
    path = tree / "spec" / "data-registry.yaml"
    if not path.exists():
        return {}
    document = load(path)
    whole: contract_diff.Node = resolved(document, document, path)
    return whole


def changed_files(before: dict[str, bytes], after: dict[str, bytes]) -> Iterator[str]:
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name):
            old, new = (tree.get(name, b"").decode(errors="replace").splitlines() for tree in (before, after))
            signs = [line[:1] for line in list(difflib.unified_diff(old, new, lineterm="", n=0))[2:]]
            state = "" if name in before and name in after else ", new" if name in after else ", gone"
            yield f"- `generated/{name}` +{signs.count('+')} -{signs.count('-')}{state}"


def touched(tree: Path, contract: Sequence[Change]) -> Iterator[str]:
    """The overlays and tests that speak of what changed: by the name of a schema or call, or by a literal word."""
    known = {plain(change.name[0]): change.name[0] for change in contract}
    literals = {change.name[-1].lower(): change.name[-1] for change in contract if len(change.name) > 1}
    for path in sorted([*tree.glob("overlays/**/*.py"), *tree.glob("tests/**/*.py")]):
        names, strings = spoken(path)
        found = {known[name] for name in names & known.keys()} | {literals[text] for text in strings & literals.keys()}
        if found:
            yield f"- `{path.relative_to(tree).as_posix()}`: {', '.join(f'`{name}`' for name in sorted(found))}"


def spoken(path: Path) -> tuple[set[str], set[str]]:
    """The identifiers, without case and underscores, and the string literals of a module."""
    names, strings = set(), set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name):
                names.add(plain(name))
            case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
                module = getattr(node, "module", None) or ""
                names |= {
                    plain(part) for name in [module, *(alias.name for alias in aliases)] for part in name.split(".")
                }
            case ast.Constant(value=str(text)):
                strings.add(text.lower())
    return names, strings


def freshness(tree: Path) -> str:
    """Whether generated/ is what its own scripts/regenerate.py makes of its own document."""
    script = tree / "scripts" / "regenerate.py"
    if not script.exists():
        return "`generated/` cannot be checked: there is no scripts/regenerate.py."
    done = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True, check=False)
    if done.returncode == 1:
        return "**`generated/` is stale: run scripts/regenerate.py.**"
    return (
        "`generated/` is fresh."
        if done.returncode == 0
        else f"**`generated/` cannot be checked:** {done.stderr.strip()}"
    )


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
    path = parts(" / ".join(change.name))
    return any(is_subsequence(parts(entry), path) for entry in entries)


def is_subsequence(short: Sequence[str], long: Sequence[str]) -> bool:
    rest = iter(long)
    return all(part in rest for part in short)


def parts(name: str) -> list[str]:
    return [plain(part) for part in re.split(r"\.| / ", name)]


def plain(name: str) -> str:
    """`getOperation` and `get_operation`, `api-version` and `api_version` are the same name."""
    return re.sub(r"[\W_]", "", name).lower()


def default_base(root: Path) -> str:
    """The merge base with main; on main the last commit, or the one before when all is committed."""
    branch = next((name for name in ("main", "origin/main") if git(root, "rev-parse", "--verify", name)), None)
    if branch is None:
        raise Broken("there is no branch main to compare with: name a BASE")
    base, head = (git(root, "rev-parse", "--short", name) for name in (git(root, "merge-base", "HEAD", branch), "HEAD"))
    if base != head or git(root, "status", "--porcelain"):
        return base
    return git(root, "rev-parse", "--short", "--verify", "HEAD^") or EMPTY_TREE


def git(root: Path, *arguments: str) -> str:
    """What git says, nothing when it objects."""
    done = subprocess.run(["git", "-C", root, *arguments], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def extract(root: Path, name: str, target: Path) -> Path:
    """The files of a commit, as they were, in a folder of their own."""
    tree = git(root, "rev-parse", "--verify", "--end-of-options", f"{name}^{{tree}}")
    if not tree:
        raise Broken(f"{name} names no commit here")
    archive = subprocess.run(["git", "-C", root, "archive", tree], capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(target, filter="data")
    return target


if __name__ == "__main__":
    use_project_environment()
    sys.exit(main())
