"""A toy project with one change that its tests notice and one that they do not."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"
RUN = """
import sys; from pathlib import Path; from mutation.__main__ import main
sys.exit(main(["toy.py", "--processes", "1"], Path(sys.argv[1]), "overlays"))
"""
TOY = """\
def larger(a, b):
    return a if a > b else b


LIMIT = 3
"""
TEST = """\
import toy


def test_larger():
    assert toy.larger(1, 2) == toy.larger(2, 1) == 2


def test_limit():
    assert toy.LIMIT == 3
"""
FILES = {"overlays/toy.py": TOY, "tests/test_toy.py": TEST, "pyproject.toml": "[tool.pytest.ini_options]"}
SURVIVOR = "overlays/toy.py:2: return a if a > b else b -> return a if a >= b else b"

pytestmark = pytest.mark.slow


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    project = tmp_path / "project"
    for file, text in FILES.items():
        (project / file).parent.mkdir(parents=True, exist_ok=True)
        (project / file).write_text(text)
    return project


def start(toy: Path) -> subprocess.Popen[str]:
    environment = os.environ | {"PYTHONPATH": str(SCRIPTS), "TMPDIR": str(toy.parent)}
    return subprocess.Popen(
        [sys.executable, "-c", RUN, str(toy)],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_the_survivor_is_named_and_an_interrupted_run_changes_nothing_and_goes_on_where_it_was(toy: Path) -> None:
    with start(toy) as run:
        assert run.stdout is not None
        while not run.stdout.readline().startswith("overlays"):
            assert run.poll() is None
        run.send_signal(signal.SIGINT)
        run.communicate()
    assert ((toy / "overlays/toy.py").read_text(), list(toy.parent.iterdir())) == (TOY, [toy])
    kept = (toy / ".mutate/results.jsonl").read_text().splitlines()
    with start(toy) as run:
        output, _ = run.communicate()
    results = (toy / ".mutate/results.jsonl").read_text().splitlines()
    assert run.returncode == 1
    assert [line for line in output.splitlines() if line.startswith("overlays")] == [SURVIVOR]
    assert (results[: len(kept)], len(set(results))) == (kept, len(results))


def test_what_changes_nothing_by_nature_is_listed_and_may_not_grow_stale(toy: Path) -> None:
    (toy / "scripts/mutation").mkdir(parents=True)
    listed = toy / "scripts/mutation/unchanging.txt"
    listed.write_text(
        "# of two equal ones, either is the larger\n" + SURVIVOR.removeprefix("overlays/").replace(":2:", ":")
    )
    with start(toy) as run:
        run.communicate()
    assert run.returncode == 0
    listed.write_text("toy.py: LIMIT = 4 -> LIMIT = 5\n")
    with start(toy) as run:
        output, _ = run.communicate()
    assert run.returncode == 2
    assert "no such change any more: overlays/toy.py: LIMIT = 4 -> LIMIT = 5" in output
