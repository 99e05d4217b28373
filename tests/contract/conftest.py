"""A small project of its own for the tests of the tools, so that a change of the contract changes no test."""

import functools
import shutil
from pathlib import Path
from typing import Any

import pytest
import regenerate
from contract import generators

FIXTURE = Path(__file__).parent / "fixture"


def require_git() -> None:
    if shutil.which("git") is None:
        pytest.skip("git is not installed")


@functools.cache
def generated() -> Path:
    """The generated packages of the small document: rendered once for a process, read by many tests."""
    import atexit
    import tempfile

    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder)
    assert regenerate.main([], prepared(folder / "project")) == 0
    return folder / "project" / "generated"


def prepared(root: Path) -> Path:
    """A project with the small document, and all that regeneration reads beside it."""
    shutil.copytree(FIXTURE, root)
    shutil.copy(regenerate.ROOT / "spec" / "client-generator.yaml", root / "spec")
    shutil.copytree(regenerate.ROOT / "scripts", root / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(regenerate.ROOT / "pyproject.toml", root)
    return root


@pytest.fixture
def project(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """The small project with its generated packages, in a folder that the test may change."""
    source = generated()
    capsys.readouterr()
    root = prepared(tmp_path / "project")
    shutil.copytree(source, root / "generated")
    return root


@pytest.fixture
def cheap(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Rendering that takes no time: for tests of what happens around the generators."""
    source = generated()
    capsys.readouterr()

    def render(_spec: Path, target: Path) -> None:
        for package in (generators.CLIENT, generators.SCHEMAS):
            shutil.copytree(source / package, target / package, dirs_exist_ok=True)

    monkeypatch.setattr(regenerate, "render", render)


def edit(path: Path, *changes: tuple[str, str]) -> None:
    """Replace the first of each old text with its new one."""
    text = path.read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new, 1)
    path.write_text(text, encoding="utf-8")


def spec_of(root: Path) -> Path:
    return root / "spec" / "data-registry.yaml"


def loaded() -> dict[str, Any]:
    """The small document, references but for those to schemas resolved."""
    from contract import document, rules

    path = spec_of(FIXTURE)
    found = rules.load(path)
    whole: dict[str, Any] = document.resolved(found, found, path)
    return whole
