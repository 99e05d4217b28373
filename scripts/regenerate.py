#!/usr/bin/env python3
"""Turn spec/data-registry.yaml into the packages under generated/.

The document is validated first. The pinned generators then render two packages into an empty folder,
and `contract_facts` a third with the facts that neither of them writes. Each file gets a line that says
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
import re
import subprocess
import sys
import sysconfig
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path
from typing import Any

import contract_facts
from document import Broken, load

ROOT = Path(__file__).resolve().parent.parent
CLIENT = "maps_data_registry_client"
SCHEMAS = "maps_data_registry_schemas"
CONTRACT = "maps_data_registry_contract"
HEADER = "# Generated from spec/data-registry.yaml by scripts/regenerate.py: change the spec, not this file.\n"

Files = dict[str, bytes]


def main(argv: Sequence[str] | None = None, root: Path = ROOT) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="only compare with what is there; exit 1 when stale")
    check = parser.parse_args(argv).check
    current = root / "generated"
    try:
        require_pinned_tools(root)
        document = load(root / "spec" / "data-registry.yaml")
        # Inside the project: a rename works on one file system only.
        with tempfile.TemporaryDirectory(prefix=".generated-", dir=root) as scratch:
            rendered = Path(scratch) / "generated"
            render(root / "spec", rendered)
            render_facts(document, rendered)
            require_complete(document, rendered)
            before, after = read_tree(current), read_tree(rendered)
            if not check and before != after:
                swap(rendered, current, Path(scratch) / "before")
    except Broken as broken:
        print(broken, file=sys.stderr)
        return 2
    if before == after:
        print(f"generated/ is up to date ({len(after)} files).")
        return 0
    print(*differences(before, after, in_full=check), sep="\n")
    if check:
        print("generated/ is stale: run scripts/regenerate.py and commit what it changes.", file=sys.stderr)
        return 1
    print(f"generated/ written ({len(after)} files).")
    return 0


def require_pinned_tools(root: Path) -> None:
    """Refuse to generate with any version but the pinned one: another one writes other bytes."""
    pins = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["dependency-groups"]["generators"]
    for pin in pins:
        name, _, wanted = pin.partition("==")
        try:
            found = metadata.version(name)
        except metadata.PackageNotFoundError:
            found = "nothing"
        if found != wanted:
            raise Broken(f"{name} {wanted} is pinned in pyproject.toml, but {found} is installed: run scripts/setup")


def render(spec: Path, target: Path) -> None:
    """Run both generators, which write a package each into the new folder *target*."""
    document = spec / "data-registry.yaml"
    (target / SCHEMAS).mkdir(parents=True)
    client = (
        "openapi-python-client", "generate", "--path", document, "--config", spec / "client-generator.yaml",
        "--meta", "none", "--output-path", target / CLIENT, "--fail-on-warning",
    )  # fmt: skip
    schemas = (
        "datamodel-codegen", "--input", document, "--input-file-type", "openapi",
        "--output", target / SCHEMAS / "__init__.py", "--output-model-type", "pydantic_v2.BaseModel",
        "--preset", "practical-py311-20261027", "--formatters", "builtin",
        # As JSON Schema has it, a member that the document does not know is allowed: it is kept, not dropped.
        "--extra-fields", "allow", "--capitalise-enum-members", "--use-double-quotes",
        "--ignore-pyproject", "--disable-timestamp", "--custom-file-header", HEADER.strip(),
    )  # fmt: skip
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda command: run(*command, cwd=target), (client, schemas)))
    for path in (target / CLIENT).rglob("*.py"):
        path.write_text(HEADER + path.read_text(encoding="utf-8"), encoding="utf-8")
    for package in (CLIENT, SCHEMAS):
        (target / package / "py.typed").touch()


def render_facts(document: dict[str, Any], target: Path) -> None:
    """Write the package with the document's facts."""
    package = target / CONTRACT
    package.mkdir(exist_ok=True)
    (package / "__init__.py").write_text(HEADER + contract_facts.module(document), encoding="utf-8")
    (package / "py.typed").touch()


def run(tool: str, *arguments: str | Path, cwd: Path) -> None:
    """Run a generator of this very environment, shielded from the caller's."""
    scripts = sysconfig.get_path("scripts")
    environment = {"PATH": os.pathsep.join([scripts, os.defpath]), "PYTHONUTF8": "1", "HOME": str(cwd)}
    done = subprocess.run(
        [Path(scripts) / tool, *arguments], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise Broken(f"{tool} failed:\n{(done.stdout + done.stderr).strip()}")


def require_complete(document: dict[str, Any], target: Path) -> None:
    """A generator that skips what it does not understand may still exit 0: look for every part."""
    modules = {path.stem.replace("_", "") for path in (target / CLIENT).glob("api/*/*.py")}
    missing = [
        f"{CLIENT}: operation {operation['operationId']}"
        for item in document.get("paths", {}).values()
        for operation in item.values()
        if isinstance(operation, dict) and "operationId" in operation
        if re.sub(r"[\W_]", "", operation["operationId"]).lower() not in modules
    ]
    for package in (CLIENT, SCHEMAS):
        code = "".join(path.read_text(encoding="utf-8") for path in (target / package).rglob("*.py"))
        missing += [
            f"{package}: schema {name}"
            for name, schema in document.get("components", {}).get("schemas", {}).items()
            if schema.keys() & {"properties", "enum"} and not re.search(rf"^class {name}\b", code, re.MULTILINE)
        ]
    if missing:
        raise Broken("the generators left out " + ", ".join(missing))


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
