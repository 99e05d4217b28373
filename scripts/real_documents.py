#!/usr/bin/env python3
"""Compare real, large OpenAPI documents, two versions of each, and print how long it takes.

    scripts/real_documents.py

Fetches packages that hold such documents with `npm pack`; apart from the tests, because it needs the network and npm.
Fails if a comparison crashes, finds a difference in a document and itself, does not find as many differences backward
as forward, or takes more than a minute.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

from contract import diff
from contract.document import read, resolved
from regenerate import use_project_environment

DOCUMENTS = [
    ("@octokit/openapi", "22.0.0", "23.0.2", "package/generated/api.github.com.json"),
    ("@octokit/openapi", "22.0.0", "23.0.2", "package/generated/ghes-3.17.json"),
    ("@blockfrost/openapi", "0.1.60", "0.1.93", "package/openapi.yaml"),
    ("@directus/specs", "11.0.0", "15.2.0", "package/dist/openapi.json"),
]
MOST_SECONDS = 60


def main() -> int:
    with tempfile.TemporaryDirectory() as scratch:
        for package, old, new, name in DOCUMENTS:
            before, after = (fetch(f"{package}@{version}", name, Path(scratch)) for version in (old, new))
            began = time.process_time()
            documents = [resolved(document, document, path) for path in (before, after) for document in [read(path)]]
            found = diff.changes(*documents)
            took = time.process_time() - began
            megabytes = " and ".join(f"{path.stat().st_size / 1e6:.1f}" for path in (before, after))
            breaking = sum(change.breaking for change in found)
            print(f"{package} {old} to {new}, {megabytes} MB: {len(found)} changes, {breaking} breaking, {took:.1f} s")
            again, back = (diff.changes(documents[1], other) for other in (documents[1], documents[0]))
            if again or len(back) != len(found) or took > MOST_SECONDS:
                print(f"{len(again)} changes of nothing, {len(back)} changes back, {took:.1f} s", file=sys.stderr)
                return 1
    return 0


def fetch(package: str, name: str, scratch: Path) -> Path:
    """One file of a package of the npm registry."""
    target = scratch / package.replace("/", "-")
    if not target.exists():
        target.mkdir()
        packed = subprocess.run(["npm", "pack", package], cwd=target, capture_output=True, text=True, check=True)
        with tarfile.open(target / packed.stdout.split()[-1]) as files:
            files.extractall(target, filter="data")
    return target / name


if __name__ == "__main__":
    use_project_environment()
    sys.exit(main())
