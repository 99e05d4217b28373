"""The rooms of the house and the arrows between them, read out of the imports."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from maps_data_registry import _MODULES

ROOT = Path(__file__).parent.parent / "overlays" / "maps_data_registry"
PACKAGE = ROOT.name

# What each room may import of the package. `public` is what users import: the names of the package itself.
ARROWS = {
    "text": set[str](),
    "errors": {"text"},
    "wire": {"errors", "text"},
    "auth": {"wire", "errors", "text"},
    "polling": {"wire", "errors", "text"},
    "connection": {"auth", "wire"},
    "emulator": {"polling.policy"},
    "airflow": {"public", "polling", "connection", "errors", "text"},
    "cli": {"public", "polling", "connection", "emulator", "errors", "text"},
    "__init__": {"auth", "connection", "errors", "polling"},  # loads names on first use
    "__main__": {"cli"},
}


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def imports_of(path: Path) -> Iterator[str]:
    """The modules of the package that a file imports, wherever in it, as paths below the package."""
    here = [PACKAGE, *path.relative_to(ROOT).parent.parts]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(
                [*here[: len(here) - node.level + 1], node.module or ""] if node.level else [node.module or ""]
            )
            names = [f"{base.rstrip('.')}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            package, _, below = name.partition(".")
            if package == PACKAGE:
                yield "public" if below in _MODULES else existing(below)


def existing(name: str) -> str:
    """The module that an imported name is, or is of."""
    while name and not any(ROOT.joinpath(*name.split(".")).with_suffix(end).exists() for end in ("", ".py")):
        name = name.rpartition(".")[0]
    return name or "public"


FILES = sorted(path for path in ROOT.rglob("*.py"))
GRAPH = {module_of(path): set(imports_of(path)) for path in FILES}


@pytest.mark.parametrize("module", GRAPH)
def test_a_module_imports_what_its_room_may(module: str) -> None:
    room = module.partition(".")[0]
    allowed = {room, *ARROWS[room]}  # KeyError: a file that has no room
    wrong = {name for name in GRAPH[module] - {"public"} if not any(is_in(name, room) for room in allowed)}
    wrong |= {"public"} & GRAPH[module] - allowed
    assert wrong == set()


def is_in(name: str, room: str) -> bool:
    return f"{name}.".startswith(f"{room}.")


def test_there_is_no_circle() -> None:
    assert in_circles(GRAPH) == {}


def in_circles(graph: dict[str, set[str]]) -> dict[str, set[str]]:
    """The modules that import each other in a circle, or import such a one."""
    graph = {name: targets - {name} for name, targets in graph.items()}
    while leaves := {name for name, targets in graph.items() if not targets & graph.keys()}:
        graph = {name: targets for name, targets in graph.items() if name not in leaves}
    return graph


@pytest.mark.parametrize("room", sorted({path.parent for path in FILES} - {ROOT}), ids=lambda room: room.name)
def test_a_room_is_a_docstring_and_its_modules(room: Path) -> None:
    body = ast.parse((room / "__init__.py").read_text(encoding="utf-8")).body
    assert ast.get_docstring(ast.Module(body, [])) or isinstance(body[0], ast.Expr)
    assert len(body) == 1 or room.name in {"emulator", "airflow", "cli"}


SCRIPTS = ROOT.parents[1] / "scripts"

# What each room of scripts/ may import of scripts/; what a person calls stands on top, and may import all of them.
SCRIPT_ARROWS = {room: {room} for room in ("contract", "benchmark", "airflow_demo", "mutation")}
NO_CODE = {"locks", "pictures"}


def test_each_room_of_the_scripts_says_what_it_is_for() -> None:
    rooms = {path.name for path in SCRIPTS.iterdir() if path.is_dir() and not path.name.startswith(("_", "."))}
    assert rooms == SCRIPT_ARROWS.keys() | NO_CODE
    for room in SCRIPT_ARROWS:
        body = ast.parse((SCRIPTS / room / "__init__.py").read_text(encoding="utf-8")).body
        assert ast.get_docstring(ast.Module(body, []))
        assert len(body) == 1


@pytest.mark.parametrize("script", sorted(path for path in SCRIPTS.iterdir() if path.is_file()), ids=lambda it: it.name)
def test_a_script_on_top_says_what_it_does(script: Path) -> None:
    source = script.read_text(encoding="utf-8")
    if script.suffix == ".py":
        assert ast.get_docstring(ast.parse(source))
        assert "__main__" in source, "a module that nobody calls belongs into a room"
    else:
        assert source.startswith("#!/bin/sh\n# ")
        assert script.stat().st_mode & 0o111


def script_imports(path: Path) -> Iterator[str]:
    """The modules of scripts/ that a file of it imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
        if isinstance(node, ast.ImportFrom):
            assert not node.level, "a script imports by full name"
            names = [f"{node.module}.{name}" for name in names]
        for name in names:
            parts = name.split(".")
            yield from (
                ".".join(parts[:end])
                for end in range(1, len(parts) + 1)
                if SCRIPTS.joinpath(*parts[:end]).with_suffix(".py").is_file()
            )


SCRIPT_GRAPH = {
    ".".join(path.relative_to(SCRIPTS).with_suffix("").parts): set(script_imports(path))
    for path in sorted(SCRIPTS.rglob("*.py"))
}


@pytest.mark.parametrize("module", sorted(name for name in SCRIPT_GRAPH if "." in name))
def test_a_module_of_the_scripts_imports_what_its_room_may(module: str) -> None:
    allowed = SCRIPT_ARROWS[module.partition(".")[0]]
    assert {name for name in SCRIPT_GRAPH[module] if name.partition(".")[0] not in allowed} == set()


def test_there_is_no_circle_among_the_scripts() -> None:
    assert in_circles(SCRIPT_GRAPH) == {}
