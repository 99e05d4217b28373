"""The life of a change, rehearsed on a copy: edit the document, regenerate, use the result, read the review."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import regenerate
import review
from contract import document

from .conftest import edit, require_git, spec_of

ROOT = Path(__file__).parents[2]
SIBLINGS = Path(__file__).parent / "siblings"

pytestmark = pytest.mark.slow


def committed(root: Path) -> Path:
    """The folder as a repository with one commit."""
    require_git()
    for arguments in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message=before"]):
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", "-C", root, *identity, *arguments], check=True)
    return root


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    """A copy of this project, committed; with what the type checker knows already, to save its time."""
    root = tmp_path / "whole"
    passing = shutil.ignore_patterns("__pycache__", "*-wal", "*-shm")  # the latter while a type checker runs
    for name in ("spec", "generated", "overlays", "scripts", "tests", ".mypy_cache"):
        if (ROOT / name).exists():
            shutil.copytree(ROOT / name, root / name, ignore=passing)
    for name in ("pyproject.toml", ".gitignore", "CHANGELOG.md"):
        shutil.copy(ROOT / name, root)
    return committed(root)


def add_siblings(root: Path) -> None:
    """Put the sibling operations above the others, and what they need above what is there."""
    spec = spec_of(root)
    if "/dataRegistries/{udid}" in document.read(spec)["paths"]:
        pytest.skip("the contract has the sibling operations: there is nothing to rehearse")
    for heading in ("paths:", "  parameters:", "  headers:", "  schemas:"):
        addition = (SIBLINGS / f"{heading.strip(' :')}.yaml").read_text(encoding="utf-8")
        edit(spec, (f"\n{heading}\n", f"\n{heading}\n{addition}"))
    shutil.copytree(SIBLINGS / "examples", root / "spec" / "examples", dirs_exist_ok=True)


def reviewed(root: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """The review of what was done since the commit."""
    capsys.readouterr()
    exit_code = review.main(["HEAD"], root)
    return exit_code, capsys.readouterr().out


def python(root: Path, *arguments: str, exit_code: int = 0) -> str:
    """What Python prints on the copy, not on the project that it was made from."""
    folders = os.pathsep.join(str(root / name) for name in ("generated", "overlays"))
    environment = os.environ | {"PYTHONPATH": folders}
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == exit_code, done.stdout + done.stderr
    return done.stdout if exit_code == 0 else done.stdout + done.stderr


# Typed strictly, as a user would write it, and run.
USE = """
from maps_data_registry import SubscriptionKey, connect, wait_for_operation
from maps_data_registry.emulator import Emulator
from maps_data_registry_client.api.data_registry import (
    list_data_registries,
    register_or_replace_data_registry,
    unregister_data_registry,
)
from maps_data_registry_client.models import AzureBlob, DataFormat, DataRegistry, DataRegistryKind, DataRegistryList

UDID = "29a92cab-74af-49e7-a326-66898220aa9d"
blob = AzureBlob(DataFormat.GEOJSON, linked_resource="depots", blob_url="https://depots.test/fences.json")

with Emulator() as emulator, connect(base_url=emulator.url, credential=SubscriptionKey("k" * 40)) as client:
    registered = register_or_replace_data_registry.sync_detailed(
        UDID, client=client, body=DataRegistry(kind=DataRegistryKind.AZUREBLOB, azure_blob=blob)
    )
    assert isinstance(registered.parsed, DataRegistry), registered
    print(registered.status_code.value, registered.parsed.udid, registered.parsed.status)
    print(wait_for_operation(client, registered, clock=emulator.clock).status)
    listed = list_data_registries.sync(client=client)
    assert isinstance(listed, DataRegistryList), listed
    assert isinstance(listed.value, list), listed
    print([found.udid for found in listed.value])
    print(unregister_data_registry.sync_detailed(UDID, client=client).status_code.value)
"""


def test_the_sibling_operations_need_no_edit_by_hand(whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    add_siblings(whole)
    assert regenerate.main([], whole) == 0, capsys.readouterr().err

    (whole / "use.py").write_text(USE)
    udid = "29a92cab-74af-49e7-a326-66898220aa9d"
    assert python(whole, "use.py").split("\n") == [f"201 {udid} Running", "Completed", f"['{udid}']", "204", ""]
    python(whole, "-m", "mypy", "generated", "overlays", "use.py")
    tests = ("tests/contract/test_spec.py", "tests/contract/test_seam.py")
    python(whole, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests)

    (whole / "use.py").unlink()
    exit_code, report = reviewed(whole, capsys)
    assert exit_code == 0
    assert "\n\nNothing breaks.\n" in report
    assert len(report.splitlines()) < 40
    rows = [line for line in report.splitlines() if line.startswith("- `")]
    assert len([row for row in rows if ": new operation `" in row]) == 4
    assert [row for row in rows if ": new " not in row and not row.startswith("- `generated/")] == []


# An edit of the small document, and the rows that the review owes the reader. All but the first are made at once.
BREAKS = [
    ("operationId: getKite", "operationId: readKite", [
        "- **breaking** `getKite`: operation `GET /kites/{kiteId}` is gone",
        "- **breaking** `maps_data_registry_client.api.kites.get_kite`: module is gone",
        "- **breaking** `maps_data_registry_contract.GET_KITE`: attribute is gone",
        "- `readKite`: new operation `GET /kites/{kiteId}`",
    ]),
    ("/kites/{kiteId}:", "/kite/{kiteId}:", [
        "- **breaking** `getKite`: was operation `GET /kites/{kiteId}`, is operation `GET /kite/{kiteId}`",
    ]),
    ('&api-version "2020-01-01"', '&api-version "2021-01-01"', [
        "- **breaking** `getKite.api-version`: default was `2020-01-01`, is `2021-01-01`",
    ]),
    ('        - $ref: "#/components/parameters/ApiVersion"\n', """\
        - $ref: "#/components/parameters/ApiVersion"
        - {name: x-tenant, in: header, required: true, description: Whose., schema: {type: string}}
""", [
        "- **breaking** `getKite.x-tenant`: new required header parameter",
        "asyncio_detailed / asyncio.x_tenant`: was absent, is `str`",
    ]),
    ("        - Key: []\n", "", ["- **breaking** `getKite.Key`: way in is gone"]),
    ("name: x-key", "name: x-token", ["- **breaking** `Key`: name was `x-key`, is `x-token`"]),
    ("enum: [Red, Green, Grey]", "enum: [Red, Grey]", [
        "- **breaking** `Colour.Green`: value is gone",
        "- **breaking** `maps_data_registry_schemas.Colour.GREEN`: attribute is gone",
    ]),
    ("        id:\n          type: string", "        id:\n          type: integer", [
        "- **breaking** `Kite.id`: was string, is integer",
    ]),
    ("        details:\n", "        causes:\n", [
        "- **breaking** `Problem.details`: property is gone",
        "- **breaking** `maps_data_registry_schemas.Problem.details`: attribute is gone",
        "- `Problem.causes`: new property",
    ]),
    ("            Retry-After:\n", "            Retry-Later:\n", [
        "- **breaking** `getKite.200.Retry-After`: header is gone",
    ]),
]  # fmt: skip


@pytest.mark.parametrize("breaks", [BREAKS[:1], BREAKS[1:]], ids=["a rename", "everything else"])
def test_what_breaks_is_named_and_can_be_announced(
    breaks: list[tuple[str, str, list[str]]],
    project: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(review, "staleness", lambda _tree: "")  # to save time: it was written just now
    committed(project)
    edit(spec_of(project), *((old, new) for old, new, _ in breaks))
    assert regenerate.main([], project) == 0, capsys.readouterr().err
    exit_code, report = reviewed(project, capsys)
    assert exit_code == 1
    assert not [row for _, _, rows in breaks for row in rows if row not in report], report

    announce = report.partition("## To announce\n\n")[2]
    (project / "CHANGELOG.md").write_text(f"# Changelog\n\n## Unreleased\n\n{announce}")
    assert reviewed(project, capsys)[0] == 0


# What another version of the generator might write, and how the project then says what broke.
@pytest.mark.parametrize(
    ("written", "exit_code", "said"),
    [
        ("def _request_parts(", 4, "cannot import name '_get_kwargs'"),
        ("def _get_kwargs(\n    client: str,", 1, "request.py gives the operation id and no more"),
    ],
)
def test_a_generator_that_moves_the_seam(written: str, exit_code: int, said: str, whole: Path) -> None:
    module = whole / "generated" / "maps_data_registry_client" / "api" / "data_registry" / "get_operation.py"
    edit(module, ("def _get_kwargs(", written))
    arguments = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/contract/test_seam.py")
    assert said in python(whole, *arguments, exit_code=exit_code)
