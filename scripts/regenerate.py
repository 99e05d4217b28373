#!/usr/bin/env python3
"""Turn spec/data-registry.yaml into the packages under generated/.

The document is validated first. Both packages are then rendered into an empty folder by the
pinned generators, each file gets a line that says where it comes from, and the result takes the
place of generated/ in one move. Nothing else decides a byte of the output: not the current
directory, not the tools on PATH, not the settings of this project's linters, not what was there.

Exit codes: 0 done, or nothing to do; 1 with --check, generated/ is stale; 2 the document or the
tool set is broken, and generated/ was not touched.
"""

from __future__ import annotations

import argparse
import difflib
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(__file__).resolve().parent.parent
SPEC = ROOT / "spec" / "data-registry.yaml"
CLIENT_CONFIG = ROOT / "spec" / "client-generator.yaml"
GENERATED = ROOT / "generated"
CLIENT = "maps_data_registry_client"
SCHEMAS = "maps_data_registry_schemas"
HEADER = "# Generated from spec/data-registry.yaml by scripts/regenerate.py: change the spec, not this file.\n"

Files = dict[str, bytes]


class Broken(Exception):
    """The document, the tool set or a generator is not fit to produce anything."""


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="only compare with what is there; exit 1 when stale")
    check = parser.parse_args(argv).check
    try:
        require_pinned_tools()
        document = load_valid_document(SPEC)
        with tempfile.TemporaryDirectory(prefix=".generated-", dir=ROOT) as scratch:
            rendered = Path(scratch) / "generated"
            render(document, rendered)
            before, after = read_tree(GENERATED), read_tree(rendered)
            if before == after:
                print(f"generated/ is up to date ({len(after)} files).")
                return 0
            report = list(differences(before, after, with_diff=check))
            if not check:
                swap(rendered, GENERATED, Path(scratch))
    except Broken as broken:
        print(broken, file=sys.stderr)
        return 2
    print(*report, sep="\n")
    if check:
        print("generated/ is stale: run scripts/regenerate.py and commit what it changes.", file=sys.stderr)
        return 1
    print(f"generated/ written ({len(after)} files).")
    return 0


def require_pinned_tools() -> None:
    """Refuse to generate with any version but the pinned one: another one writes other bytes."""
    pins = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]["generators"]
    for pin in pins:
        name, _, wanted = pin.partition("==")
        try:
            found = metadata.version(name)
        except metadata.PackageNotFoundError:
            found = "nothing"
        if found != wanted:
            raise Broken(f"{name} {wanted} is pinned in pyproject.toml, but {found} is installed: run scripts/setup")


def load_valid_document(path: Path) -> dict[str, Any]:
    """The parsed document; or Broken, with file, line and place of every fault."""
    from openapi_spec_validator import OpenAPIV31SpecValidator
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError

    where = path.relative_to(ROOT)
    text = path.read_text(encoding="utf-8")
    try:
        lines = YAML(typ="rt").load(text)  # keeps line numbers, and refuses duplicate keys
        document = YAML(typ="safe", pure=True).load(text)
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise Broken(f"{where}:{line}: {error.problem}") from error
    if not isinstance(document, dict):
        raise Broken(f"{where}:1: not an OpenAPI document")
    faults = []
    try:
        for fault in OpenAPIV31SpecValidator(document, base_uri=path.as_uri()).iter_errors():
            place = list(fault.absolute_path)
            summary = fault.message.splitlines()[0]
            faults.append(f"{where}:{line_of(lines, place)}: {'.'.join(map(str, place)) or 'document'}: {summary}")
    except Exception as error:  # an unresolvable $ref leaves the validator in many guises
        raise Broken(f"{where}: {error}") from error
    if faults:
        raise Broken("\n".join(faults))
    return document


def line_of(node: Any, place: Sequence[str | int]) -> int:
    """The line of the deepest key of *place* that the document has."""
    line = 1
    for key in place:
        try:
            position = node.lc
            line = (position.item(key) if isinstance(key, int) else position.key(key))[0] + 1
            node = node[key]
        except (AttributeError, KeyError, TypeError):
            break
    return line


def render(document: dict[str, Any], target: Path) -> None:
    target.mkdir()
    run(
        "openapi-python-client", "generate", "--path", SPEC, "--config", CLIENT_CONFIG,
        "--meta", "none", "--output-path", target / CLIENT, "--fail-on-warning",
        cwd=target,
    )  # fmt: skip
    (target / SCHEMAS).mkdir()
    run(
        "datamodel-codegen", "--input", SPEC, "--input-file-type", "openapi",
        "--output", target / SCHEMAS / "__init__.py", "--output-model-type", "pydantic_v2.BaseModel",
        "--preset", "practical-py311-20261027", "--formatters", "builtin",
        # As JSON Schema has it, a member that the document does not know is allowed: it is kept, not dropped.
        "--extra-fields", "allow", "--capitalise-enum-members", "--use-double-quotes",
        "--ignore-pyproject", "--disable-timestamp", "--custom-file-header", HEADER.strip(),
        cwd=target,
    )  # fmt: skip
    for path in sorted((target / CLIENT).rglob("*.py")):
        path.write_text(HEADER + path.read_text(encoding="utf-8"), encoding="utf-8")
    for package in (CLIENT, SCHEMAS):
        (target / package / "py.typed").touch()
    require_complete(document, target)


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
    operations = [
        operation["operationId"]
        for item in document["paths"].values()
        for operation in item.values()
        if isinstance(operation, dict) and "operationId" in operation
    ]
    models = (target / SCHEMAS / "__init__.py").read_text(encoding="utf-8")
    missing = [
        f"{CLIENT}: operation {name}"
        for name in operations
        if not list((target / CLIENT).glob(f"api/*/{snake(name)}.py"))
    ]
    for name in document["components"]["schemas"]:
        if not (target / CLIENT / "models" / f"{snake(name)}.py").is_file():
            missing.append(f"{CLIENT}: schema {name}")
        if not re.search(rf"^(class )?{name}\b", models, re.MULTILINE):
            missing.append(f"{SCHEMAS}: schema {name}")
    if missing:
        raise Broken("the generators left out " + ", ".join(missing))


def snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def read_tree(root: Path) -> Files:
    """Every file below *root* by its name there; what Python itself leaves behind does not count."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }


def differences(before: Files, after: Files, *, with_diff: bool) -> Iterator[str]:
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) == after.get(name):
            continue
        verb = "missing" if name not in before else "extra" if name not in after else "changed"
        if not with_diff:
            verb = {"missing": "added", "extra": "removed"}.get(verb, verb)
        yield f"{verb}: generated/{name}"
        if with_diff:
            old, new = (
                tree.get(name, b"").decode("utf-8", "backslashreplace").splitlines() for tree in (before, after)
            )
            yield from difflib.unified_diff(old, new, f"committed/{name}", f"rendered/{name}", lineterm="")


def swap(new: Path, current: Path, scratch: Path) -> None:
    """Two renames on one file system; the old tree comes back if the second fails."""
    old = scratch / "old"
    if current.exists():
        current.rename(old)
    try:
        new.rename(current)
    except OSError:
        if old.exists():
            old.rename(current)
        raise
    shutil.rmtree(old, ignore_errors=True)


def reexecute_in_project_environment() -> NoReturn:
    """Started by a Python without the tools: go on in the project's own environment."""
    python = ROOT / ".venv" / "bin" / "python"
    if not python.exists() or Path(sys.prefix) == ROOT / ".venv":
        sys.exit("The generators are not installed: run scripts/setup")
    os.execv(python, [str(python), __file__, *sys.argv[1:]])


if __name__ == "__main__":
    try:
        metadata.version("openapi-python-client")
    except metadata.PackageNotFoundError:
        reexecute_in_project_environment()
    sys.exit(main())
