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
    graph = {name: {target for target in targets if target != name} for name, targets in GRAPH.items()}
    while leaves := {name for name, targets in graph.items() if not targets & graph.keys()}:
        graph = {name: targets for name, targets in graph.items() if name not in leaves}
    assert graph == {}


@pytest.mark.parametrize("room", sorted({path.parent for path in FILES} - {ROOT}), ids=lambda room: room.name)
def test_a_room_is_a_docstring_and_its_modules(room: Path) -> None:
    body = ast.parse((room / "__init__.py").read_text(encoding="utf-8")).body
    assert ast.get_docstring(ast.Module(body, [])) or isinstance(body[0], ast.Expr)
    assert len(body) == 1 or room.name in {"emulator", "airflow", "cli"}
