"""The life of a spec change, rehearsed on a copy: edit the document, regenerate, use the result, read the review."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import regenerate
import review

from tests.wire import HEAD, sends, serve

ROOT = Path(__file__).parents[2]
ID = "0522b4fe-0539-4c6c-ba70-e35ec865d8e2"

pytestmark = pytest.mark.slow

REGISTRATION = """\
  /dataRegistries/{udid}:
    get:
      operationId: getRegistration
      tags: [Data Registry]
      summary: Get what is known of a registered data set.
      parameters:
        - {name: udid, in: path, required: true, description: The id of the data set., schema: {type: string}}
        - $ref: "#/components/parameters/ApiVersion"
      security:
        - SubscriptionKey: []
      responses:
        "200":
          description: The registration.
          content:
            application/json:
              schema: {$ref: "#/components/schemas/Registration"}
              examples: {small: {$ref: examples/registration.json}}
        "404":
          description: Nothing is registered under this id.
components:
"""

EXAMPLE = '{"x-status": 200, "x-headers": {}, "value": {"udid": "u", "sizeInBytes": 12}}'

SCHEMA = """\
  schemas:
    Registration:
      type: object
      description: A registered data set.
      properties:
        udid: {type: string, description: The id of the data set.}
        sizeInBytes: {type: integer, description: How large it is.}
"""

WORDS = ("enum: [Completed, Failed, Running]", "- The service is still at work.\n")

# An edit of the document (what is replaced by what) and the lines that the review owes the reader.
ADDITIONS = [
    ("components:\n", REGISTRATION, [
        "- `getRegistration`: new operation `GET /dataRegistries/{udid}`",
        "- `maps_data_registry_client.api.data_registry.get_registration`: new module",
        "- `generated/maps_data_registry_client/api/data_registry/get_registration.py` ",
    ]),
    ("  schemas:\n", SCHEMA, [
        "- `Registration`: new schema",
        "- `maps_data_registry_client.models.registration`: new module",
        "- `maps_data_registry_schemas.Registration`: new class",
    ]),
    ("        id:\n", "        created: {type: string, description: When it began.}\n        id:\n", [
        "- `LongRunningOperationResult.created`: new property",
        "- `maps_data_registry_schemas.LongRunningOperationResult.created`: new attribute",
        "- `overlays/maps_data_registry/polling/operations.py`: ",
    ]),
    (WORDS[0], WORDS[0].replace("]", ", Queued]"), [
        "- `LongRunningOperationStatus.Queued`: new word",
        "- `maps_data_registry_schemas.LongRunningOperationStatus.QUEUED`: new attribute",
    ]),
    (WORDS[1], f"{WORDS[1]}        - The service has not begun.\n", []),
    ('        - $ref: "#/components/parameters/ApiVersion"\n', """\
        - $ref: "#/components/parameters/ApiVersion"
        - {name: verbose, in: query, description: Whether to tell more., schema: {type: boolean}}
""", [
        "- `getOperation.verbose`: new query parameter",
        "sync / asyncio_detailed / asyncio.verbose`: was absent, is `bool | Unset = UNSET`",
    ]),
]  # fmt: skip

BREAKS = [
    ("/dataRegistries/operations/", "/dataRegistries/jobs/", [
        "- **breaking** `getOperation`: was operation `GET /dataRegistries/operations/{operationId}`, is ",
    ]),
    ('        default: "2023-06-01"', '        default: "2025-01-01"', [
        "- **breaking** `getOperation.api-version`: default was `2023-06-01`, is `2025-01-01`",
        "asyncio.api_version`: was `str = '2023-06-01'`, is `str = '2025-01-01'`",
    ]),
    ('        - $ref: "#/components/parameters/ApiVersion"\n', """\
        - $ref: "#/components/parameters/ApiVersion"
        - {name: account, in: query, required: true, schema: {type: string}}
""", [
        "- **breaking** `getOperation.account`: new required query parameter",
        "asyncio.account`: was absent, is `str`",
    ]),
    ("        - SasToken: []\n", "", ["- **breaking** `getOperation.SasToken`: way in is gone"]),
    ("name: subscription-key", "name: x-key", [
        "- **breaking** `SubscriptionKey`: name was `subscription-key`, is `x-key`",
    ]),
    ("enum: [Completed, Failed, Running]", "enum: [Completed, Running]", [
        "- **breaking** `LongRunningOperationStatus.Failed`: word is gone",
        "- **breaking** `maps_data_registry_schemas.LongRunningOperationStatus.FAILED`: attribute is gone",
        "- `overlays/maps_data_registry/polling/policy.py`: `Failed`",
    ]),
    ("        - The operation ended without success; `error` tells why.\n", "", []),
    ("        target:\n          type:", "        about:\n          type:", [
        "- **breaking** `MapsErrorDetail.target`: property is gone",
        "- **breaking** `maps_data_registry_schemas.MapsErrorDetail.target`: attribute is gone",
        "- `MapsErrorDetail.about`: new property",
    ]),
    ("        id:\n          type: string", "        id:\n          type: integer", [
        "- **breaking** `LongRunningOperationResult.id`: was string, is integer",
    ]),
    ("            x-ms-error-code:\n", "            x-error-code:\n", [
        "- **breaking** `getOperation.default.x-ms-error-code`: header is gone",
    ]),
]  # fmt: skip


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the project, committed; with what the type checker knows already, to save its time."""
    root = tmp_path / "project"
    for name in ("spec", "generated", "overlays", "scripts", "tests", ".mypy_cache"):
        if (ROOT / name).exists():
            shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", ".gitignore"):
        shutil.copy(ROOT / name, root)
    for arguments in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message=before"]):
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", "-C", root, *identity, *arguments], check=True)
    return root


def rehearse(
    project: Path, edits: list[tuple[str, str, list[str]]], capsys: pytest.CaptureFixture[str]
) -> tuple[int, str]:
    """Make all edits at once, regenerate, and review: its exit code and its report."""
    spec = project / "spec" / "data-registry.yaml"
    text = spec.read_text(encoding="utf-8")
    for old, new, _ in edits:
        assert old in text, old
        text = text.replace(old, new, 1)
    spec.write_text(text, encoding="utf-8")
    assert regenerate.main([], project) == 0, capsys.readouterr().err
    capsys.readouterr()
    exit_code = review.main(["HEAD"], project)
    report = capsys.readouterr().out
    assert not [line for _, _, lines in edits for line in lines if line not in report], report
    return exit_code, report


def python(project: Path, *arguments: str, exit_code: int = 0) -> str:
    """What Python prints on the copy, not on the project that it was made from."""
    folders = os.pathsep.join(str(project / name) for name in ("generated", "overlays"))
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=project,
        env=os.environ | {"PYTHONPATH": folders},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == exit_code, done.stdout + done.stderr
    return done.stdout if exit_code == 0 else done.stdout + done.stderr


USE = """
import sys
from maps_data_registry import SubscriptionKey, connect, wait_for_operation
from maps_data_registry_client.api.data_registry import get_registration
from maps_data_registry_client.models import LongRunningOperationStatus

with connect(base_url=sys.argv[1], credential=SubscriptionKey("k" * 40)) as client:
    updates = []
    print(get_registration.sync("u", client=client).size_in_bytes)
    print(wait_for_operation(client, sys.argv[2], on_update=updates.append).created)
    print(updates[0].status is LongRunningOperationStatus.QUEUED)
"""


def answer(body: bytes, header: bytes = b"") -> bytes:
    return HEAD + header + b"Content-Length: %d\r\n\r\n" % len(body) + body


def test_additions_need_no_edit_by_hand(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "spec" / "examples" / "registration.json").write_text(EXAMPLE)
    exit_code, report = rehearse(project, ADDITIONS, capsys)
    assert exit_code == 0
    assert "Nothing breaks. `generated/` is fresh." in report
    assert "breaking**" not in report

    python(project, "-m", "mypy", "generated", "overlays")
    python(project, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/test_spec.py", "tests/test_seam.py")

    answers = (
        answer(b'{"udid": "u", "sizeInBytes": 12}'),
        answer(b'{"status": "Queued"}', b"Retry-After: 0\r\n"),
        answer(b'{"status": "Completed", "created": "today"}'),
    )
    with serve(*map(sends, answers)) as wire:
        assert python(project, "-c", USE, wire.url, ID).split() == ["12", "today", "True"]
    assert wire.requests[0].startswith(b"GET /dataRegistries/u?api-version=2023-06-01 HTTP/1.1\r\n")
    assert b"\r\nsubscription-key: " + b"k" * 40 + b"\r\n" in wire.requests[0]


def test_each_break_is_named(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(review, "freshness", lambda _tree: "Not looked at here, to save time.")
    exit_code, report = rehearse(project, BREAKS, capsys)
    assert exit_code == 1
    announce = report.partition("## To announce\n\n")[2]
    assert announce.count("- **Breaking:** ") == report.partition("## Python")[0].count("- **breaking** ")
    (project / "CHANGELOG.md").write_text(f"# Changelog\n\n## Unreleased\n\n{announce}")
    assert review.main(["HEAD"], project) == 0


# What another version of the generator might write, and how the project then says what broke.
@pytest.mark.parametrize(
    ("written", "exit_code", "said"),
    [
        ("def _request_parts(", 4, "cannot import name '_get_kwargs'"),
        ("def _get_kwargs(\n    client: str,", 1, "operations.py gives the operation id and no more"),
    ],
)
def test_a_generator_that_moves_the_seam(written: str, exit_code: int, said: str, project: Path) -> None:
    module = project / "generated" / "maps_data_registry_client" / "api" / "data_registry" / "get_operation.py"
    module.write_text(module.read_text(encoding="utf-8").replace("def _get_kwargs(", written), encoding="utf-8")
    arguments = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/test_seam.py")
    assert said in python(project, *arguments, exit_code=exit_code)
