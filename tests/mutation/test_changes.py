from pathlib import Path

import pytest
from mutation.changes import Change, changes_of
from mutation.template import changes_functions_alone

CASES = {
    "a constant": ("SECONDS = 30", "SECONDS = 31"),
    "a comparison": ("def f(a, b): return a < b", "def f(a, b): return a <= b"),
    "a default": ("def f(a=True): return a", "def f(a=False): return a"),
    "a dropped statement": ("def f(a): a.clear()", "def f(a): pass"),
    "a dropped argument": ("def f(a): return open(a, encoding='ascii')", "def f(a): return open(a, )"),
    "a dropped operand": ("def f(a, b): return a and b", "def f(a, b): return (b)"),
    "a dropped slice": ("def f(a): return a[:3]", "def f(a): return a"),
    "a dropped method": ("def f(a): return a.strip()", "def f(a): return a"),
    "a dropped element": ("NAMES = {'a', 'b'}", "NAMES = {'b'}"),
    "a dropped cause": ("def f(a): raise ValueError from a", "def f(a): raise ValueError"),
    "a dropped decorator": ("@cache\ndef f(): return 1", "def f(): return 1"),
}


def changes(folder: Path, source: str) -> list[Change]:
    (folder / "toy.py").write_text(f"{source}\n")
    return changes_of(folder, "toy.py")


@pytest.mark.parametrize(("before", "after"), CASES.values(), ids=CASES)
def test_a_change_is_made(before: str, after: str, tmp_path: Path) -> None:
    assert after.split() in [change.source.split() for change in changes(tmp_path, before)]


@pytest.mark.parametrize("source", ['"""Words."""', "a: 'x'", "from a import b", "T = TypeVar('T')"])
def test_what_says_nothing_at_run_time_is_left_alone(source: str, tmp_path: Path) -> None:
    assert changes(tmp_path, source) == []


def test_a_change_names_its_place(tmp_path: Path) -> None:
    assert "toy.py:2: return a - b -> return a + b" in map(str, changes(tmp_path, "def f(a, b):\n    return a - b"))


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("def f(): return 1", "def f(): return 2", True),
        ("class C:\n def f(self): return 1", "class C:\n def f(self): return 2", True),
        ("def f(a=1): return a", "def f(a=2): return a", False),
        ("class C:\n a = 1", "class C:\n a = 2", False),
        ("def f(a):\n def g(): return a\n return g", "def f(a):\n def g(): return 1\n return g", False),
    ],
)
def test_a_body_changes_alone(before: str, after: str, expected: bool) -> None:
    assert changes_functions_alone(before, after) is expected
