"""The day when the generator writes `import httpx2`, rehearsed: the name is replaced, and the core's tests pass."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CORE = ["tests/polling/test_rules.py", "tests/auth", "tests/wire/test_private_names.py", "tests/wire/test_origin.py"]


@pytest.mark.slow
def test_the_core_passes_its_tests_under_the_other_name(tmp_path: Path) -> None:
    for name in ("generated", "overlays", "tests"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for path in tmp_path.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        path.write_text(re.sub(r"\b(httpx|httpcore)\b", r"\g<1>2", text), encoding="utf-8")
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(str(tmp_path / name) for name in ("generated", "overlays")),
    }
    # Without the plugin that patches httpx, which nothing here imports any more.
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-m",
        "not slow",
        "-p",
        "no:pytest_httpx",
        "-p",
        "no:cacheprovider",
    ]
    done = subprocess.run([*command, *CORE], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert re.search(r"\d{3,} passed", done.stdout)
