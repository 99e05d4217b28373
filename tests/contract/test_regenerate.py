"""From the document to generated/: reproducible to the byte, all or nothing, and clear about what is broken."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import regenerate

ROOT = regenerate.ROOT
COMMITTED = regenerate.read_tree(ROOT / "generated")

GET = "paths./dataRegistries/operations/{operationId}.get"
EXAMPLES = f"{GET}.responses.200.content.application/json.examples"
RUNNING = f"{EXAMPLES}.running.$ref"
DETAIL = "components.schemas.MapsErrorDetail.properties"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of all that regeneration reads or writes."""
    root = tmp_path / "project"
    for folder in ("spec", "generated", "scripts"):
        shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", root)
    return root


@pytest.fixture
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Render what is committed, in no time: for tests of what happens around the generators."""

    def render(_spec: Path, target: Path) -> None:
        shutil.copytree(ROOT / "generated", target)

    monkeypatch.setattr(regenerate, "render", render)


def run(script: Path, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, script, *arguments], capture_output=True, text=True, check=False, **options)


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


@pytest.mark.slow
def test_nothing_around_it_decides_a_byte(project: Path, tmp_path: Path) -> None:
    elsewhere, tools = tmp_path / "elsewhere", tmp_path / "tools"
    elsewhere.mkdir()
    tools.mkdir()
    for folder in (project, elsewhere):
        (folder / "ruff.toml").write_text('line-length = 40\nindent-width = 2\n[format]\nquote-style = "single"\n')
    with (project / "pyproject.toml").open("a") as file:
        file.write(
            '\n[tool.datamodel-codegen]\noutput-model-type = "dataclasses.dataclass"\nuse-schema-description = false\n'
        )
    (tools / "ruff").write_text("#!/bin/sh\nexit 1\n")
    (tools / "ruff").chmod(0o755)
    stale = project / "generated" / regenerate.CLIENT / "models" / "of_last_year.py"
    stale.write_text("")
    surroundings = {"cwd": elsewhere, "env": os.environ | {"PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"}}

    done = run(project / "scripts" / "regenerate.py", **surroundings)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        f"removed: generated/{regenerate.CLIENT}/models/of_last_year.py\ngenerated/ written ({len(COMMITTED)} files).\n"
    )
    assert regenerate.read_tree(project / "generated") == COMMITTED

    again = run(project / "scripts" / "regenerate.py", "--check", **surroundings)
    assert (again.returncode, again.stderr) == (0, "")
    assert again.stdout == f"generated/ is up to date ({len(COMMITTED)} files).\n"
    assert not list(project.glob(".generated-*"))


def flip_a_byte(generated: Path) -> str:
    replace(generated / regenerate.CLIENT / "errors.py", "class", "klass")
    return f"changed: generated/{regenerate.CLIENT}/errors.py\n--- committed/"


def add_a_file(generated: Path) -> str:
    (generated / regenerate.SCHEMAS / "extra.py").write_text("x = 1\n")
    return f"extra: generated/{regenerate.SCHEMAS}/extra.py\n--- committed/"


def lose_a_file(generated: Path) -> str:
    (generated / regenerate.CLIENT / "models" / "maps_error_detail.py").unlink()
    return f"missing: generated/{regenerate.CLIENT}/models/maps_error_detail.py\n--- committed/"


def lose_a_marker(generated: Path) -> str:
    (generated / regenerate.SCHEMAS / "py.typed").unlink()
    return f"missing: generated/{regenerate.SCHEMAS}/py.typed\n"


@pytest.mark.parametrize("plant", [flip_a_byte, add_a_file, lose_a_file, lose_a_marker])
@pytest.mark.usefixtures("cheap")
def test_check_names_every_difference_and_touches_nothing(
    plant: Any, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = plant(project / "generated")
    planted = regenerate.read_tree(project / "generated")
    assert regenerate.main(["--check"], project) == 1
    out, err = capsys.readouterr()
    assert out.startswith(report)
    assert err == "generated/ is stale: run scripts/regenerate.py and commit what it changes.\n"
    assert regenerate.read_tree(project / "generated") == planted

    assert regenerate.main([], project) == 0
    assert regenerate.read_tree(project / "generated") == COMMITTED


@pytest.mark.usefixtures("cheap")
def test_the_first_run_makes_the_folder(project: Path) -> None:
    shutil.rmtree(project / "generated")
    assert regenerate.main(["--check"], project) == 1
    assert regenerate.main([], project) == 0
    assert regenerate.read_tree(project / "generated") == COMMITTED


# What is replaced by what, and what is said of it; the line is that of the replacement, or so many below it.
@pytest.mark.parametrize(
    ("old", "new", "below", "report"),
    [
        ("openapi: 3.1.0\n", "", -2, 'document: "openapi" is a required property'),
        ("  title: Azure Maps Data Registry\n", "", -1, 'info: "title" is a required property'),
        ('"2023-06-01"', "5", 0, "info.version: 5 is not of type \"string\""),
        ('"2023-06-01"', "2023-06-01", 0, "info.version: 2023-06-01 is a YAML date: put it in quotes"),
        ('"200":', "200:", 0, f"{GET}.responses.200: the key 200 is no string: put it in quotes"),
        ("parameters/ApiVersion", "parameters/Api", 0,
         f"{GET}.parameters.1.$ref: #/components/parameters/Api leads nowhere"),
        ("schemas/MapsInnerError", "schemas/Inner", 0,
         f"{DETAIL}.innererror.anyOf.0.$ref: #/components/schemas/Inner leads nowhere"),
        ("examples/running.json", "examples/run.json", 0, f"{RUNNING}: no file spec/examples/run.json"),
        ("examples/running.json", "examples/failed.json#/no", 0, f"{RUNNING}: examples/failed.json#/no leads nowhere"),
        ("examples/running.json", "https://example.com/", 0, f"{RUNNING}: no file spec/https://example.com/"),
        ("examples/running.json", "client-generator.yaml", 0,
         f"{RUNNING}: spec/client-generator.yaml is not JSON: Expecting value: line 1 column 1 (char 0)"),
        ("type: string\n          description: What", "type: strng\n          description: What", 0,
         f"{DETAIL}.target.type: 'strng' is not valid under any of the given schemas"),
        ("type: [array, ", "type: [list, ", 0,
         f"{DETAIL}.details.type: ['list', 'null'] is not valid under any of the given schemas"),
        ("- SubscriptionKey: []", "- Key: []", 0, f"{GET}.security.1.Key: no such security scheme"),
        ("/operations/{operationId}", "/operations/{id}", 0,
         "paths./dataRegistries/operations/{id}: Path parameter 'id' for 'get' operation in '/dataRegistries/"),
        ("components:\n", "  /again:\n    get: {operationId: getOperation}\ncomponents:\n", 0,
         "paths./again: Operation ID 'getOperation' for 'get' in '/again' is not unique"),
        ("openapi: 3.1.0", "openapi: 3.1.0\n\tx: 1", 1, "found character '\\t' that cannot start any token"),
        ("tags:", "servers:", 0, 'found duplicate key "servers" with value'),
    ],
)  # fmt: skip
def test_a_broken_document_is_refused_with_its_place(
    old: str, new: str, below: int, report: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = project / "spec" / "data-registry.yaml"
    line = document.read_text(encoding="utf-8").partition(old)[0].count("\n") + 1 + below
    replace(document, old, new)
    written = (project / "generated").stat().st_mtime_ns
    assert regenerate.main([], project) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"spec/data-registry.yaml:{line}: {report}")
    assert all(row.startswith("spec/data-registry.yaml:") for row in err.splitlines())
    assert (project / "generated").stat().st_mtime_ns == written
    assert regenerate.read_tree(project / "generated") == COMMITTED


@pytest.mark.parametrize(
    ("content", "report"),
    [
        (b"- no\n", "spec/data-registry.yaml:1: not an OpenAPI document"),
        (b"", "spec/data-registry.yaml:1: not an OpenAPI document"),
        (
            b"openapi: '\xff'",
            "spec/data-registry.yaml: 'utf-8' codec can't decode byte 0xff in position 10: invalid start byte",
        ),
        (
            b"openapi: '\x01'",
            "spec/data-registry.yaml: unacceptable character #x0001: special characters are not allowed",
        ),
        (None, "spec/data-registry.yaml: [Errno 2] No such file or directory"),
    ],
)
def test_what_is_no_document_at_all(
    content: bytes | None, report: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = project / "spec" / "data-registry.yaml"
    document.unlink() if content is None else document.write_bytes(content)
    assert regenerate.main([], project) == 2
    err = capsys.readouterr().err
    assert err.startswith(report)
    assert err.count("\n") == 1


def test_a_broken_example_file_is_named(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "spec" / "examples" / "failed.json").write_text('{\n"value": {},\n}\n')
    assert regenerate.main([], project) == 2
    place = (
        f"{GET}.responses.200.content.application/json.examples.failed.$ref: spec/examples/failed.json is not JSON: "
    )
    assert place in capsys.readouterr().err


@pytest.mark.parametrize(
    ("pin", "report"),
    [
        ('"datamodel-code-generator==0.0.1"', "datamodel-code-generator 0.0.1 is pinned in pyproject.toml, but "),
        ('"no-such-generator==1.0"', "no-such-generator 1.0 is pinned in pyproject.toml, but nothing is installed"),
    ],
)
def test_only_the_pinned_tools_may_generate(
    pin: str, report: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    replace(project / "pyproject.toml", "generators = [", f"generators = [\n  {pin},")
    assert regenerate.main([], project) == 2
    err = capsys.readouterr().err
    assert err.startswith(report)
    assert err.endswith("is installed: run scripts/setup\n")


@pytest.mark.parametrize(
    ("lost", "report"),
    [
        (f"{regenerate.CLIENT}/api/data_registry/get_operation.py", f"{regenerate.CLIENT}: operation getOperation"),
        (f"{regenerate.CLIENT}/models/maps_inner_error.py", f"{regenerate.CLIENT}: schema MapsInnerError"),
        (f"{regenerate.SCHEMAS}/__init__.py", f"{regenerate.SCHEMAS}: schema LongRunningOperationResult"),
    ],
)
@pytest.mark.usefixtures("cheap")
def test_a_generator_that_silently_leaves_something_out(
    lost: str, report: str, project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = regenerate.render

    def render(spec: Path, target: Path) -> None:
        whole(spec, target)
        (target / lost).unlink()

    monkeypatch.setattr(regenerate, "render", render)
    assert regenerate.main([], project) == 2
    assert capsys.readouterr().err.startswith(f"the generators left out {report}")
    assert regenerate.read_tree(project / "generated") == COMMITTED


@pytest.mark.slow
def test_what_a_generator_cannot_do_is_an_error(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    replace(project / "spec" / "data-registry.yaml", "application/json:", "image/tiff:")
    assert regenerate.main([], project) == 2
    assert capsys.readouterr().err.startswith("openapi-python-client failed:\n")
    assert regenerate.read_tree(project / "generated") == COMMITTED


def test_the_old_tree_comes_back_when_the_new_one_cannot_take_its_place(tmp_path: Path) -> None:
    current = tmp_path / "generated"
    current.mkdir()
    (current / "module.py").touch()
    with pytest.raises(FileNotFoundError):
        regenerate.swap(tmp_path / "not rendered", current, tmp_path / "aside")
    assert list(current.iterdir()) == [current / "module.py"]


def test_any_python_goes_on_in_the_projects_own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    started: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda _path, arguments: started.append(arguments))
    monkeypatch.setattr(regenerate, "ROOT", tmp_path)
    monkeypatch.setattr(sys, "argv", ["regenerate.py", "--check"])
    regenerate.use_project_environment()
    assert started == []
    (tmp_path / ".venv").mkdir()
    regenerate.use_project_environment()
    assert started == [[str(tmp_path / ".venv/bin/python"), "regenerate.py", "--check"]]
    monkeypatch.setattr(sys, "prefix", str(tmp_path / ".venv"))
    regenerate.use_project_environment()
    assert len(started) == 1
