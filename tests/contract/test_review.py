"""The review of a change as a whole: its report, its exit code, and what CHANGELOG.md must say."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import regenerate
import review
from contract import commits
from contract.diff import Change
from contract.document import Broken

from .conftest import edit, require_git, spec_of


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
    change = Change(
        ("maps_data_registry_client", "models", "maps_error_detail", "MapsErrorDetail", "target"),
        "is gone",
        breaking=True,
    )
    entries = review.announcements(before, f"{before}\n{entry}\n")
    assert review.is_announced(change, entries) is announced


def test_several_changes_of_one_place_are_one_row_and_announced_by_it() -> None:
    found = [Change(("p", name, "b"), "is gone", breaking=True) for name in ("sync", "asyncio")]
    found += [Change(("p", "sync"), "new"), Change(("q",), "new"), Change(("p", "class"), "new")]
    rows = review.grouped(found)
    assert list(map(str, rows)) == ["`p.sync / asyncio.b`: is gone", "`p.sync / class`: new", "`q`: new"]
    assert all(review.is_announced(change, ["p.sync / asyncio.b"]) for change in found[:2])
    assert not review.is_announced(found[1], ["p.sync.b"])


@pytest.mark.parametrize("entry", ["getOperation.api-version", "get_operation", "api_version", "sync_detailed"])
def test_either_language_names_a_change(entry: str) -> None:
    name = ("api", "data_registry", "get_operation", "sync_detailed", "api_version")
    assert review.is_announced(Change(name, "is gone", breaking=True), [entry])


def git(root: Path, *arguments: str) -> str:
    require_git()
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", "-C", root, *identity, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def repository(project: Path) -> Path:
    """The small project in a repository of its own, one commit on main."""
    git(project, "init", "--quiet", "--initial-branch=main")
    commit(project)
    return project


def commit(root: Path) -> str:
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--allow-empty", "--message=x")
    return git(root, "rev-parse", "--short", "HEAD")


def test_what_it_is_compared_with_by_default(repository: Path) -> None:
    first = git(repository, "rev-parse", "--short", "HEAD")
    assert commits.default_base(repository) == commits.EMPTY_TREE
    second = commit(repository)
    assert commits.default_base(repository) == first
    (repository / "new").touch()
    assert commits.default_base(repository) == second
    git(repository, "switch", "--quiet", "--create", "topic")
    commit(repository)
    commit(repository)
    assert commits.default_base(repository) == second
    git(repository, "branch", "--move", "main", "trunk")
    with pytest.raises(Broken, match="no branch main"):
        commits.default_base(repository)


@pytest.mark.slow
def test_stale_code_is_reported_first(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert review.main([], repository) == 0
    assert "stale" not in capsys.readouterr().out
    edit(spec_of(repository), ("          description: Its id.", "          description: Its number."))
    assert review.main(["HEAD"], repository) == 1
    stale = "**`generated/` is stale: run scripts/regenerate.py, then look again.**"
    assert capsys.readouterr().out.startswith(f"# What changes for users: `HEAD` → working tree\n\n{stale}\n")


@pytest.mark.slow
def test_the_report_and_its_exit_code(
    repository: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(review, "staleness", lambda _tree: "")
    assert review.main([], repository) == 0
    assert "\n\nNothing breaks.\n" in (report := capsys.readouterr().out)
    assert "\n- `getKite`: new operation `GET /kites/{kiteId}`\n" in report

    edit(spec_of(repository), ("          description: Its id.\n", ""), ("        id:\n          type: string\n", ""))
    assert regenerate.main([], repository) == 0
    capsys.readouterr()
    assert review.main([], repository) == 1
    report = capsys.readouterr().out
    assert "**It breaks users, and CHANGELOG.md does not say so: see the last section.**" in report
    assert "- **breaking** `Kite.id`: property is gone\n" in report
    assert "- **breaking** `maps_data_registry_schemas.Kite.id`: attribute is gone\n" in report
    assert report.endswith("## To announce\n\n- **Breaking:** `Kite.id`: property is gone\n")

    (repository / "CHANGELOG.md").write_text(f"# Changelog\n\n{report.splitlines()[-1]}\n")
    assert review.main(["HEAD"], repository) == 0
    assert "It breaks users, as CHANGELOG.md says." in capsys.readouterr().out

    commit(repository)
    assert review.main(["HEAD^", "HEAD"], repository) == 0
    assert "# What changes for users: `HEAD^` → `HEAD`\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda root: (root / "scripts" / "regenerate.py").unlink(), "there is no scripts/regenerate.py"),
        (lambda root: edit(root / "pyproject.toml", ("ruff==", "ruff==0.0.")), "run scripts/lock, scripts/setup"),
    ],
)
def test_what_cannot_be_checked_is_not_passed(
    change: Callable[[Path], None], said: str, repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change(repository)
    assert review.main(["HEAD"], repository) == 1
    _, _, first, *_ = capsys.readouterr().out.splitlines()
    assert first.startswith("**`generated/` cannot be checked:")
    assert said in first


def test_a_document_of_the_past_need_not_keep_to_the_rules_of_today(
    repository: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(review, "staleness", lambda _tree: "")
    edit(spec_of(repository), ("components:", "security: [{Key: []}]\ncomponents:"))
    commit(repository)
    edit(spec_of(repository), ("security: [{Key: []}]\n", ""))
    assert review.main(["HEAD"], repository) == 0
    assert "Nothing breaks." in capsys.readouterr().out


@pytest.mark.parametrize("base", ["nowhere", "--output=report", "HEAD:nowhere"])
def test_a_base_that_is_none(base: str, repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert review.main(["--", base], repository) == 2
    assert capsys.readouterr().err == f"{base} names no commit here\n"


def test_without_git_it_says_so(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    assert review.main([], project) == 2
    assert capsys.readouterr().err == "git is not installed: commits cannot be compared without it\n"


def test_a_document_that_is_none(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (repository / "spec" / "data-registry.yaml").write_text("[]")
    assert review.main(["HEAD"], repository) == 2
    assert capsys.readouterr().err.startswith("spec/data-registry.yaml:1: not an OpenAPI document")
