"""The commits that a review compares."""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path

from contract.document import Broken

EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"  # git's name for no files at all


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
    try:
        done = subprocess.run(["git", "-C", root, *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise Broken("git is not installed: commits cannot be compared without it") from error
    return done.stdout.strip() if done.returncode == 0 else ""


def extract(root: Path, name: str, target: Path) -> Path:
    """The files of a commit, as they were, in a folder of their own."""
    tree = git(root, "rev-parse", "--verify", "--end-of-options", f"{name}^{{tree}}")
    if not tree:
        raise Broken(f"{name} names no commit here")
    archive = subprocess.run(["git", "-C", root, "archive", tree], capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        if hasattr(tarfile, "data_filter"):  # from Python 3.11.4 on
            files.extraction_filter = staticmethod(tarfile.data_filter)
        files.extractall(target)  # noqa: S202 - git's own archive
    return target
