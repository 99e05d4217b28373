"""From the document to generated/: reproducible to the byte, all or nothing, and complete."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import regenerate
from contract import facts, generators
from contract.document import Broken
from mypy import api

from .conftest import FIXTURE, edit, generated, loaded, spec_of

CLIENT, SCHEMAS, CONTRACT = generators.CLIENT, generators.SCHEMAS, regenerate.CONTRACT


def run(script: Path, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, script, *arguments], capture_output=True, text=True, check=False, **options)


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
    committed = regenerate.read_tree(generated())
    (project / "generated" / CLIENT / "models" / "of_last_year.py").write_text("")
    surroundings = {"cwd": elsewhere, "env": os.environ | {"PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"}}

    done = run(project / "scripts" / "regenerate.py", **surroundings)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        f"removed: generated/{CLIENT}/models/of_last_year.py\ngenerated/ written ({len(committed)} files).\n"
    )
    assert regenerate.read_tree(project / "generated") == committed

    again = run(project / "scripts" / "regenerate.py", "--check", **surroundings)
    assert (again.returncode, again.stderr) == (0, "")
    assert again.stdout == f"generated/ is up to date ({len(committed)} files).\n"
    assert not list(project.glob(".generated-*"))


def flip_a_byte(folder: Path) -> str:
    edit(folder / CLIENT / "errors.py", ("class", "klass"))
    return f"changed: generated/{CLIENT}/errors.py\n--- committed/"


def add_a_file(folder: Path) -> str:
    (folder / SCHEMAS / "extra.py").write_text("x = 1\n")
    return f"extra: generated/{SCHEMAS}/extra.py\n--- committed/"


def lose_a_file(folder: Path) -> str:
    (folder / CLIENT / "models" / "problem.py").unlink()
    return f"missing: generated/{CLIENT}/models/problem.py\n--- committed/"


def lose_a_marker(folder: Path) -> str:
    (folder / SCHEMAS / "py.typed").unlink()
    return f"missing: generated/{SCHEMAS}/py.typed\n"


def change_a_fact(folder: Path) -> str:
    edit(folder / CONTRACT / "__init__.py", ("2020-01-01", "2021-01-01"))
    return f"changed: generated/{CONTRACT}/__init__.py\n--- committed/"


@pytest.mark.parametrize("plant", [flip_a_byte, add_a_file, lose_a_file, lose_a_marker, change_a_fact])
@pytest.mark.usefixtures("cheap")
def test_check_names_every_difference_and_touches_nothing(
    plant: Callable[[Path], str], project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = plant(project / "generated")
    planted = regenerate.read_tree(project / "generated")
    assert regenerate.main(["--check"], project) == 1
    out, err = capsys.readouterr()
    assert out.startswith(report)
    assert err == "generated/ is stale: run scripts/regenerate.py and commit what it changes.\n"
    assert regenerate.read_tree(project / "generated") == planted

    assert regenerate.main([], project) == 0
    assert regenerate.read_tree(project / "generated") == regenerate.read_tree(generated())


@pytest.mark.usefixtures("cheap")
def test_the_first_run_makes_the_folder(project: Path) -> None:
    shutil.rmtree(project / "generated")
    assert regenerate.main(["--check"], project) == 1
    assert regenerate.main([], project) == 0
    assert regenerate.read_tree(project / "generated") == regenerate.read_tree(generated())


def of_another_version(project: Path) -> None:
    edit(project / "pyproject.toml", ("ruff==", "ruff==0.0."))


def of_another_lock(project: Path) -> None:
    of_another_version(project)
    edit(project / "scripts" / "locks" / "generators.lock", ("ruff==", "ruff==0.0."))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (of_another_version, "is not in scripts/locks/generators.lock: run scripts/lock, scripts/setup"),
        (of_another_lock, "run scripts/setup"),
    ],
)
def test_only_the_pinned_generators_run(
    change: Callable[[Path], None], said: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change(project)
    assert regenerate.main([], project) == 2
    err = capsys.readouterr().err
    assert err.startswith("ruff")
    assert err.endswith(f"{said}\n")


def test_without_their_environment_the_generators_are_to_be_set_up(project: Path, tmp_path: Path) -> None:
    with pytest.raises(Broken, match=r"nothing is installed in .*: run scripts/setup"):
        generators.require_pinned(project, tmp_path / "none")


# What a generator might leave out without a word, and the place in the document that it comes from.
@pytest.mark.parametrize(
    ("file", "old", "new", "place", "what"),
    [
        (f"{CLIENT}/api/kites/get_kite.py", '"get"', '"head"', "paths./kites/{kiteId}.get", "not in"),
        (f"{CLIENT}/api/kites/replace_kite.py", "/kites/", "/kite/", "paths./kites/{kiteId}.put", "not in"),
        (f"{CLIENT}/models/inner_problem.py", "class InnerProblem", "class Inner", "components.schemas.InnerProblem",
         "code not in"),
        (f"{CLIENT}/models/kite_kind.py", '"Delta"', '"Box"', "components.schemas.KiteKind", "Delta not in"),
        (f"{SCHEMAS}/__init__.py", "details:", "detail:", "components.schemas.Problem", "details not in"),
        (f"{SCHEMAS}/__init__.py", '"Green"', '"Blue"', "components.schemas.Colour", "Green not in"),
        (f"{SCHEMAS}/__init__.py", 'Literal["Delta"]', "str", "components.schemas.KiteKind", "Delta not in"),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("cheap")
def test_what_a_generator_leaves_out_is_placed(
    file: str,
    old: str,
    new: str,
    place: str,
    what: str,
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    whole: Callable[[Path, Path], None] = vars(regenerate)["render"]

    def render(spec: Path, target: Path) -> None:
        whole(spec, target)
        path = target / file
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")

    monkeypatch.setattr(regenerate, "render", render)
    assert regenerate.main([], project) == 2
    [row] = capsys.readouterr().err.splitlines()
    key = f"    {place.rpartition('.')[2]}:\n"
    line = spec_of(FIXTURE).read_text(encoding="utf-8").partition(key)[0].count("\n") + 1
    assert row.startswith(f"spec/data-registry.yaml:{line}: {place}: {what} {file.partition('/')[0]}")
    assert row.endswith("the generator left it out, describe it in another way")
    assert regenerate.read_tree(project / "generated") == regenerate.read_tree(generated())


@pytest.mark.slow
def test_what_is_there_under_another_name_is_not_missed(project: Path) -> None:
    spec = spec_of(project)
    schemas = """\
    int_enum:
      type: integer
      description: A name that Python has, and one that no class can have.
      enum: [1, 2]
    data_format:
      type: [string, "null"]
      description: A name in lower case, and an enum with a null.
      enum: [geojson, null]
    kite-list:
      type: array
      description: No class of its own in the client.
      items: {$ref: "#/components/schemas/Kite"}
    BigKite:
      description: Put together from two.
      allOf:
        - $ref: "#/components/schemas/Kite"
        - {type: object, properties: {wing-span: {type: number, description: In metres.}}}
"""
    edit(spec, ("    InnerProblem:\n", f"{schemas}    InnerProblem:\n"))
    assert regenerate.main([], project) == 0


def facts_after(**changes: Any) -> dict[str, Any]:
    """The names of the module with the small document's facts, after these changes of the document."""
    names: dict[str, Any] = {"__name__": "facts"}
    exec(facts.module(loaded() | changes), names)
    return names


def test_the_facts_of_the_document() -> None:
    found = facts_after()
    assert {name: value for name, value in found.items() if name.isupper()} == {
        "API_VERSION": "2020-01-01",
        "SERVER_URL": "https://{geography}.kites.test",
        "GEOGRAPHIES": ("us", "eu"),
        "TOKEN_SCOPES": ("kites.read",),
        "ACCOUNT_HEADER": "x-account",
        "KEY_HEADER": "x-key",
        "KITE_ID_PATTERN": "^[0-9]+$",
        "GET_KITE": ("getKite", "GET", "/kites/{kiteId}"),
        "REPLACE_KITE": ("replaceKite", "PUT", "/kites/{kiteId}"),
        "OPERATIONS": (found["GET_KITE"], found["REPLACE_KITE"]),
    }
    assert found["Geography"].__args__ == found["GEOGRAPHIES"]
    assert found["GET_KITE"].id == "getKite"


def test_a_new_operation_adds_lines_and_changes_none() -> None:
    document = loaded()
    before = facts.module(document).splitlines()
    first = {"/kites": {"get": {"operationId": "listKites"}}}
    after = facts.module(document | {"paths": first | document["paths"]}).splitlines()
    assert [line for line in after if line in before] == before
    assert [line for line in after if line not in before] == [
        'LIST_KITES: Final = Operation("listKites", "GET", "/kites")',
        "    LIST_KITES,",
    ]


def test_the_facts_of_a_document_that_says_little() -> None:
    found = facts_after(servers=[], components={}, paths={})
    assert [name for name in found if name.isupper()] == ["API_VERSION", "OPERATIONS"]
    assert found["OPERATIONS"] == ()


@pytest.mark.parametrize(
    ("name", "said"),
    [("2d", "2D is no name"), ("keyHeader", "KEY_HEADER is given twice"), ("Operations", "OPERATIONS")],
)
def test_a_fact_needs_a_name_of_its_own(name: str, said: str) -> None:
    with pytest.raises(Broken, match=f"^{said} .*: rename what it comes from in the document$"):
        facts_after(paths={"/": {"get": {"operationId": name}}})


@pytest.mark.slow
def test_the_facts_are_strictly_typed(tmp_path: Path) -> None:
    source = facts.module(loaded())
    module = tmp_path / "facts.py"
    module.write_text(f"{source}\nx: Literal['us', 'eu'] = GEOGRAPHIES[0]\n")
    out, _, code = api.run(["--strict", "--no-incremental", "--config-file=", str(module)])
    assert code == 0, out


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
