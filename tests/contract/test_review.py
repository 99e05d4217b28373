"""The review of a change: the contract's side, Python's side, the announcements, and the report as a whole."""

import copy
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import contract_diff
import document
import pytest
import python_diff
import review

import maps_data_registry.emulator

ROOT = Path(__file__).parents[2]
SPEC = ROOT / "spec" / "data-registry.yaml"
LOADED = document.load(SPEC)
CONTRACT: dict[str, Any] = document.resolved(LOADED, LOADED, SPEC)

GET = ("paths", "/dataRegistries/operations/{operationId}", "get")
OK_REPLY = (*GET, "responses", "200")
SCHEMAS = ("components", "schemas")
RESULT = (*SCHEMAS, "LongRunningOperationResult", "properties")
STATUS = (*SCHEMAS, "LongRunningOperationStatus")
STRING = {"type": "string"}
GONE = object()


def edited(place: tuple[str | int, ...], value: Any) -> dict[str, Any]:
    """The contract with another value at one place; GONE takes the place away."""
    whole = copy.deepcopy(CONTRACT)
    node: Any = whole
    for key in place[:-1]:
        node = node[key]
    if value is GONE:
        del node[place[-1]]
    elif isinstance(node, list) and place[-1] == len(node):
        node.append(value)
    else:
        node[place[-1]] = value
    return whole


def told(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    return [f"{'! ' if change.breaking else ''}{change}" for change in contract_diff.changes(before, after)]


# One edit of the contract, what is said of it, and what is said of taking it back; "!" marks what breaks.
@pytest.mark.parametrize(
    ("place", "value", "forth", "back"),
    [
        (("paths", "/x"), {"post": {"operationId": "addX", "responses": {}}},
         "`addX`: new operation `POST /x`", "! `addX`: operation `POST /x` is gone"),
        ((*GET, "tags"), ["Other"], "! `getOperation`: tags was `['Data Registry']`, is `['Other']`",
         "! `getOperation`: tags was `['Other']`, is `['Data Registry']`"),
        ((*GET, "deprecated"), True, "`getOperation`: deprecated added", "`getOperation`: deprecated dropped"),
        ((*GET, "description"), "Hm.", "`getOperation`: description reworded", "`getOperation`: description reworded"),
        ((*GET, "parameters", 2), {"name": "top", "in": "query", "schema": {"type": "integer"}},
         "`getOperation.top`: new query parameter", "! `getOperation.top`: query parameter is gone"),
        ((*GET, "parameters", 2), {"name": "top", "in": "query", "required": True, "schema": {"type": "integer"}},
         "! `getOperation.top`: new required query parameter", "! `getOperation.top`: query parameter is gone"),
        ((*GET, "parameters", 2), {"name": "top", "in": "query", "required": True, "schema": {"default": 1}},
         "`getOperation.top`: new query parameter", "! `getOperation.top`: query parameter is gone"),
        ((*GET, "parameters", 0, "required"), False,
         "`getOperation.operationId`: is now optional", "! `getOperation.operationId`: is now required"),
        ((*GET, "parameters", 0, "in"), "query",
         "! `getOperation.operationId`: was path parameter, is query parameter",
         "! `getOperation.operationId`: was query parameter, is path parameter"),
        ((*GET, "parameters", 0, "schema", "type"), ["string", "integer"],
         "`getOperation.operationId`: was string, is string or integer",
         "! `getOperation.operationId`: was string or integer, is string"),
        ((*GET, "parameters", 0, "schema", "format"), "uuid",
         "! `getOperation.operationId`: was string, is string (uuid)",
         "! `getOperation.operationId`: was string (uuid), is string"),
        ((*GET, "parameters", 0, "schema", "maxLength"), 36,
         "! `getOperation.operationId`: maxLength was `None`, is `36`",
         "`getOperation.operationId`: maxLength was `36`, is `None`"),
        ((*GET, "parameters", 1, "schema", "default"), "2025-01-01",
         "! `getOperation.api-version`: default was `2023-06-01`, is `2025-01-01`",
         "! `getOperation.api-version`: default was `2025-01-01`, is `2023-06-01`"),
        ((*GET, "requestBody"), {"content": {}}, "`getOperation.body`: new request body",
         "! `getOperation.body`: request body is gone"),
        ((*GET, "requestBody"), {"required": True, "content": {}}, "! `getOperation.body`: new required request body",
         "! `getOperation.body`: request body is gone"),
        ((*GET, "security", 3), {"Certificate": []}, "`getOperation.Certificate`: new way in",
         "! `getOperation.Certificate`: way in is gone"),
        ((*GET, "security", 1), {"SasToken": [], "SubscriptionKey": []},
         ["! `getOperation.SubscriptionKey`: way in is gone", "`getOperation.SasToken + SubscriptionKey`: new way in"],
         ["! `getOperation.SasToken + SubscriptionKey`: way in is gone", "`getOperation.SubscriptionKey`: new way in"]),
        (("components", "securitySchemes", "SubscriptionKey", "name"), "x-key",
         "! `SubscriptionKey`: name was `subscription-key`, is `x-key`",
         "! `SubscriptionKey`: name was `x-key`, is `subscription-key`"),
        (("components", "securitySchemes", "AADToken", "flows", "implicit", "scopes"),
         {"https://atlas.microsoft.com/.default": "All."}, "`AADToken`: flows reworded", "`AADToken`: flows reworded"),
        (("servers", 1), {"url": "https://example.com"}, "`https://example.com`: new server",
         "! `https://example.com`: server is gone"),
        (("servers", 0, "variables", "geography", "enum", 2), "in",
         "`https://{geography}.atlas.microsoft.com.geography.in`: new word",
         "! `https://{geography}.atlas.microsoft.com.geography.in`: word is gone"),
        ((*GET, "responses", "202"), {"description": "Later."}, "`getOperation.202`: new reply",
         "! `getOperation.202`: reply is gone"),
        ((*OK_REPLY, "headers", "x-ms-request-id"), {"schema": STRING},
         "`getOperation.200.x-ms-request-id`: new header", "! `getOperation.200.x-ms-request-id`: header is gone"),
        ((*OK_REPLY, "headers", "Retry-After", "schema", "type"), ["integer", "string"],
         "! `getOperation.200.Retry-After`: was integer, is integer or string",
         "`getOperation.200.Retry-After`: was integer or string, is integer"),
        ((*OK_REPLY, "headers", "Retry-After", "schema", "minimum"), 1,
         "`getOperation.200.Retry-After`: minimum was `0`, is `1`",
         "`getOperation.200.Retry-After`: minimum was `1`, is `0`"),
        ((*OK_REPLY, "content", "application/json", "schema"), {"$ref": "#/components/schemas/MapsErrorResponse"},
         "! `getOperation.200.application/json`: was LongRunningOperationResult, is MapsErrorResponse",
         "! `getOperation.200.application/json`: was MapsErrorResponse, is LongRunningOperationResult"),
        ((*OK_REPLY, "content", "text/plain"), {"schema": STRING},
         "`getOperation.200.text/plain`: new media type", "! `getOperation.200.text/plain`: media type is gone"),
        ((*SCHEMAS, "Extra"), {"type": "object"}, "`Extra`: new schema", "! `Extra`: schema is gone"),
        ((*RESULT, "created"), STRING, "`LongRunningOperationResult.created`: new property",
         "! `LongRunningOperationResult.created`: property is gone"),
        ((*SCHEMAS, "LongRunningOperationResult", "required"), ["id"],
         "`LongRunningOperationResult.id`: is now required", "! `LongRunningOperationResult.id`: is now optional"),
        ((*RESULT, "id", "type"), ["string", "null"],
         "! `LongRunningOperationResult.id`: was string, is string or null",
         "`LongRunningOperationResult.id`: was string or null, is string"),
        ((*RESULT, "error"), {"$ref": "#/components/schemas/MapsErrorDetail"},
         ["`LongRunningOperationResult.error`: was MapsErrorDetail or null, is MapsErrorDetail",
          "`LongRunningOperationResult.error`: description dropped"],
         ["! `LongRunningOperationResult.error`: was MapsErrorDetail, is MapsErrorDetail or null",
          "`LongRunningOperationResult.error`: description added"]),
        ((*SCHEMAS, "MapsErrorDetail", "properties", "details", "items"), STRING,
         "! `MapsErrorDetail.details.items`: was MapsErrorDetail, is string",
         "! `MapsErrorDetail.details.items`: was string, is MapsErrorDetail"),
        # The words stand beside a plain string, so one more is no surprise to a reader.
        ((*STATUS, "enum", 3), "Queued", "`LongRunningOperationStatus.Queued`: new word",
         "! `LongRunningOperationStatus.Queued`: word is gone"),
        ((*STATUS, "not"), {"const": ""}, "! `LongRunningOperationStatus`: not was `None`, is `{'const': ''}`",
         "! `LongRunningOperationStatus`: not was `{'const': ''}`, is `None`"),
        (("openapi",), "3.1.1", "`document`: openapi was `3.1.0`, is `3.1.1`",
         "`document`: openapi was `3.1.1`, is `3.1.0`"),
    ],
)  # fmt: skip
def test_one_edit_there_and_back(
    place: tuple[str | int, ...], value: Any, forth: str | list[str], back: str | list[str]
) -> None:
    other = edited(place, value)
    assert told(CONTRACT, other) == ([forth] if isinstance(forth, str) else forth)
    assert sorted(told(other, CONTRACT)) == sorted([back] if isinstance(back, str) else back)


def test_a_new_word_breaks_readers_of_a_closed_set() -> None:
    place = (*RESULT, "status")
    closed, wider = (edited(place, {"enum": words}) for words in (["Running"], ["Running", "Queued"]))
    assert told(closed, wider) == ["! `LongRunningOperationResult.status.Queued`: new word"]


def test_a_new_required_property_breaks_callers_only() -> None:
    schema = {"type": "object", "properties": {"a": STRING}}
    wider = {"type": "object", "properties": {"a": STRING, "b": STRING}, "required": ["b"]}
    body, reply = (*GET, "requestBody"), (*GET, "responses", "202")
    for place, mark in ((body, "! "), (reply, "")):
        before, after = (
            edited(place, {"description": "x", "content": {"text/json": {"schema": part}}}) for part in (schema, wider)
        )
        name = "body" if place is body else "202"
        required = "required " if place is body else ""
        assert told(before, after) == [f"{mark}`getOperation.{name}.text/json.b`: new {required}property"]


def test_everything_is_new_where_nothing_was() -> None:
    assert told({}, CONTRACT)[:3] == [
        "`document`: new document",
        "`https://{geography}.atlas.microsoft.com`: new server",
        "`getOperation`: new operation `GET /dataRegistries/operations/{operationId}`",
    ]
    assert not any(change.breaking for change in contract_diff.changes({}, CONTRACT))


def every_value() -> Iterator[tuple[str | int, ...]]:
    for place, node in document.nodes(CONTRACT):
        inlined = place[:1] == ("components",) and place[1:2] not in {("schemas",), ("securitySchemes",)}
        if not isinstance(node, dict | list) and not inlined:
            yield place


def test_no_difference_goes_unnoticed() -> None:
    assert contract_diff.changes(CONTRACT, copy.deepcopy(CONTRACT)) == []
    unnoticed = [place for place in every_value() if not contract_diff.changes(CONTRACT, edited(place, "other"))]
    assert unnoticed == []


# The public module of the overlay before and after, and what is said of it.
@pytest.mark.parametrize(
    ("before", "after", "changes"),
    [
        ("def f(a): ...", "def f(a, b=1): ...", ["`maps_data_registry.f.b`: was absent, is `None = 1`"]),
        ("def f(a): ...", "def f(a, b): ...", ["! `maps_data_registry.f.b`: was absent, is `None`"]),
        ("def f(a, b=1): ...", "def f(a, *, b=1): ...", ["! `maps_data_registry.f.b`: parameter kind was changed"]),
        ("def f(a, b): ...", "def f(b, a): ...", ["! `maps_data_registry.f.a`: positional parameter was moved",
                                                  "! `maps_data_registry.f.b`: positional parameter was moved"]),
        ("def f(a) -> int: ...", "def f(a) -> str: ...", ["`maps_data_registry.f.return`: was `int`, is `str`"]),
        ("def f(): ...", "class f: ...",
         ["`maps_data_registry.f.return`: was `None`, is absent",
          "! `maps_data_registry.f`: public object points to a different kind of object"]),
        ("class f:\n  x: int", "class f:\n  x: int\n  y: str", ["`maps_data_registry.f.y`: new attribute"]),
        ("class f:\n  x: int\n  _y: int", "class f:\n  _z: int", ["! `maps_data_registry.f.x`: attribute is gone"]),
        ("class f:\n  x: int", "class f:\n  x: str", ["`maps_data_registry.f.x.type`: was `int`, is `str`"]),
        ("class f(OSError): ...", "class f: ...", ["! `maps_data_registry.f`: base class was removed"]),
        ("class f:\n  def __init__(self, a): ...", "class f:\n  def __init__(self): ...",
         ["! `maps_data_registry.f.__init__.a`: was `None`, is absent"]),
        ("def f(): ...", "def f(): ...\ndef internal(): ...", []),
    ],
)  # fmt: skip
def test_the_python_side(before: str, after: str, changes: list[str], tmp_path: Path) -> None:
    for side, source in (("before", before), ("after", after)):
        package = tmp_path / side / "overlays" / "maps_data_registry"
        package.mkdir(parents=True)
        (package / "__init__.py").write_text('from .parts import f\n__all__ = ["f"]\n')
        (package / "parts.py").write_text(source + "\n")
    found = python_diff.changes(tmp_path / "before", tmp_path / "after")
    assert [f"{'! ' if change.breaking else ''}{change}" for change in found] == changes


@pytest.mark.parametrize(
    ("entry", "announced"),
    [
        ("- **Breaking:** `MapsErrorDetail.target` is gone.", True),
        ("- breaking: no more `target`", True),
        ("* Errors lost members.\n  This is breaking: `maps_error_detail.MapsErrorDetail`", True),
        ("- **Breaking:** MapsErrorDetail.target is gone.", False),
        ("- `MapsErrorDetail.target` is gone.", False),
        ("- **Breaking:** `target.MapsErrorDetail`", False),
        ("- **Breaking:** `MapsErrorDetail.code`", False),
        ("**Breaking:** `target`", False),
        ("- **Breaking:** `old.news`", False),
    ],
)
def test_what_counts_as_announced(entry: str, announced: bool) -> None:
    before = "# Changelog\n\n- **Breaking:** `old.news` of `target`\n"
    change = contract_diff.Change(
        ("maps_data_registry_client", "models", "maps_error_detail", "MapsErrorDetail", "target"),
        "is gone",
        breaking=True,
    )
    entries = review.announcements(before, f"{before}\n{entry}\n")
    assert review.is_announced(change, entries) is announced


@pytest.mark.parametrize("entry", ["getOperation.api-version", "get_operation", "api_version", "sync_detailed"])
def test_either_language_names_a_change(entry: str) -> None:
    name = ("api", "data_registry", "get_operation", "sync / sync_detailed", "api_version")
    assert review.is_announced(contract_diff.Change(name, "is gone", breaking=True), [entry])


def test_code_that_speaks_of_a_change_is_named(tmp_path: Path) -> None:
    sources = {
        "overlays/by_import.py": "from models import MapsErrorDetail",
        "overlays/by_module.py": "import api.get_operation",
        "overlays/by_word.py": 'if status == "queued": ...',
        "overlays/unrelated.py": "queued = 'MapsErrorDetail is not a literal of its own here'",
        "tests/by_attribute.py": "models.MapsErrorDetail",
    }
    for name, source in sources.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(source)
    names = [("MapsErrorDetail",), ("getOperation", "top"), ("LongRunningOperationStatus", "Queued")]
    assert list(review.touched(tmp_path, [contract_diff.Change(name, "") for name in names])) == [
        "- `overlays/by_import.py`: `MapsErrorDetail`",
        "- `overlays/by_module.py`: `getOperation`",
        "- `overlays/by_word.py`: `Queued`",
        "- `tests/by_attribute.py`: `MapsErrorDetail`",
    ]


def git(root: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", "-C", root, *identity, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """This project's document, generated code and overlay in a repository of their own, one commit on main."""
    root = tmp_path / "project"
    for folder in ("spec", "generated", "overlays"):
        shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    git(tmp_path, "init", "--quiet", "--initial-branch=main", "project")
    commit(root)
    return root


def commit(root: Path) -> str:
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--allow-empty", "--message=x")
    return git(root, "rev-parse", "--short", "HEAD")


def test_what_it_is_compared_with_by_default(repository: Path) -> None:
    first = git(repository, "rev-parse", "--short", "HEAD")
    assert review.default_base(repository) == review.EMPTY_TREE
    second = commit(repository)
    assert review.default_base(repository) == first
    (repository / "new").touch()
    assert review.default_base(repository) == second
    git(repository, "switch", "--quiet", "--create", "topic")
    commit(repository)
    commit(repository)
    assert review.default_base(repository) == second
    git(repository, "branch", "--move", "main", "trunk")
    with pytest.raises(document.Broken, match="no branch main"):
        review.default_base(repository)


@pytest.mark.slow
def test_the_report_and_its_exit_code(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert review.main([], repository) == 0
    assert "`getOperation`: new operation" in capsys.readouterr().out

    spec = repository / "spec" / "data-registry.yaml"
    spec.write_text(re.sub(r" {8}target:\n(?: {10}.*\n)+", "", spec.read_text(encoding="utf-8")), encoding="utf-8")
    assert review.main([], repository) == 1
    report = capsys.readouterr().out
    assert "**It breaks users, and CHANGELOG.md does not say so: see the last section.**" in report
    assert "- **breaking** `MapsErrorDetail.target`: property is gone\n" in report
    assert report.endswith("## To announce\n\n- **Breaking:** `MapsErrorDetail.target`: property is gone\n")

    (repository / "CHANGELOG.md").write_text(f"# Changelog\n\n{report.splitlines()[-1]}\n")
    assert review.main(["HEAD"], repository) == 0
    assert "It breaks users, as CHANGELOG.md says." in capsys.readouterr().out

    commit(repository)
    assert review.main(["HEAD^", "HEAD"], repository) == 0
    assert "# What changes for users: `HEAD^` → `HEAD`\n" in capsys.readouterr().out


@pytest.mark.parametrize("base", ["nowhere", "--output=report", "HEAD:nowhere"])
def test_a_base_that_is_none(base: str, repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert review.main(["--", base], repository) == 2
    assert capsys.readouterr().err == f"{base} names no commit here\n"


def test_a_document_that_is_none(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (repository / "spec" / "data-registry.yaml").write_text("[]")
    assert review.main(["HEAD"], repository) == 2
    assert capsys.readouterr().err == "spec/data-registry.yaml:1: not an OpenAPI document\n"


def test_the_surface_is_what_can_be_imported() -> None:
    found = {module.path: [*module.members] for module in python_diff.surfaces(ROOT)}
    assert found["maps_data_registry"] == maps_data_registry.__all__
    assert found["maps_data_registry.emulator"] == maps_data_registry.emulator.__all__
    assert {"client", "models"} <= set(found["maps_data_registry_client"])
    assert "MapsErrorDetail" in found["maps_data_registry_schemas"]
