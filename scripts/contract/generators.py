"""Run the pinned generators, in their own environment, and place what they object to in the document."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path

from contract.document import Broken, Fault, Place, read, report

CLIENT = "maps_data_registry_client"
SCHEMAS = "maps_data_registry_schemas"
HEADER = "# Generated from spec/data-registry.yaml by scripts/regenerate.py: change the spec, not this file.\n"
ENVIRONMENT = Path(sys.prefix).parent / ".venv-generators"


def require_pinned(root: Path, environment: Path = ENVIRONMENT) -> None:
    """Refuse to generate with any version but the pinned one: another one writes other bytes.

    Raises:
        Broken: with the command that helps.
    """
    pins = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["dependency-groups"]["generators"]
    locked = (root / "scripts" / "locks" / "generators.lock").read_text(encoding="utf-8")
    folders = [str(folder) for folder in environment.glob("lib/python3*/site-packages")]
    for pin in pins:
        name, _, wanted = pin.partition("==")
        if not re.search(rf"^{re.escape(name)}=={re.escape(wanted)}\s", locked, re.MULTILINE):
            raise Broken(
                f"{pin} of pyproject.toml is not in scripts/locks/generators.lock: run scripts/lock, scripts/setup"
            )
        found = next((each.version for each in metadata.distributions(name=name, path=folders)), "nothing")
        if found != wanted:
            raise Broken(
                f"{name} {wanted} is pinned, but {found} is installed in {environment.name}: run scripts/setup"
            )


def render(spec: Path, target: Path) -> None:
    """Run both generators, which write a package each into the new folder *target*.

    Raises:
        Broken: with what a generator objects to and where.
    """
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
        outputs = list(pool.map(lambda command: run(*command, cwd=target), (client, schemas)))
    failed = [(str(tool), output) for (tool, *_), output in zip((client, schemas), outputs, strict=True) if output]
    if failed:
        names = list(read(document).get("components", {}).get("schemas", {}))
        if faults := [fault for tool, output in failed for fault in placed(tool, output, names)]:
            raise report(document, faults)
        raise Broken("\n".join(f"{tool} failed:\n{output.strip()}" for tool, output in failed))
    for path in (target / CLIENT).rglob("*.py"):
        path.write_text(HEADER + path.read_text(encoding="utf-8"), encoding="utf-8")
    for package in (CLIENT, SCHEMAS):
        (target / package / "py.typed").touch()


def run(tool: str, *arguments: str | Path, cwd: Path) -> str:
    """What a generator, shielded from the caller's environment, says when it fails; nothing when it does not."""
    scripts = ENVIRONMENT / "bin"
    environment = {
        "PATH": os.pathsep.join([str(scripts), os.defpath]), "PYTHONUTF8": "1", "HOME": str(cwd), "COLUMNS": "1000",
        "TERMINAL_WIDTH": "1000",
    }  # fmt: skip
    done = subprocess.run(
        [scripts / tool, *arguments], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr if done.returncode else ""


def placed(tool: str, output: str, schemas: list[str]) -> Iterator[Fault]:
    """The parts of the document that a failed generator names, each with what it says of it."""
    output = re.sub(r"<\S+ object at \w+>", "…", output.partition("\nIf you believe this was a mistake")[0])
    found: list[Fault] = []
    for match in re.finditer(r"parsing ([A-Z]+) (/\S*) within|schema (/components/schemas/\S+?)[:\s]", output):
        method, path, schema = match.groups()
        place: Place = ("paths", path, method.lower()) if path else tuple(schema.split("/")[1:])
        said = [line for line in output[match.end() :].splitlines()[1:] if line.strip()]
        found.append((place, said[0] if said else output[match.start() :]))
    if not found:  # a crash: what it says last may hold the name of a schema
        last = ([""] + [line for line in output.splitlines() if line.strip()])[-1]
        found += [(("components", "schemas", name), last) for name in schemas if re.search(rf"\b{name}\b", last)][:1]
    for place, what in found:
        yield place, f"{what.strip().rstrip('.:')}: {tool} cannot generate this, describe it in another way"
