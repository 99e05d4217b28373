"""The benchmark: every case runs, and its report says what was measured."""

import json
import re
import subprocess
import sys
from itertools import count
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from bench import CASES
from benchmark.report import AZURE, BARS, GENERATED, OURS, PROMISES, TABLES, Run, picture, report, summary

SCRIPTS = Path(__file__).parent.parent / "scripts"
README = SCRIPTS.parent / "README.md"
SVG = "{http://www.w3.org/2000/svg}"


def bench(*options: str | Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, SCRIPTS / "bench.py", *options], capture_output=True, text=True, timeout=170)


@pytest.mark.slow
def test_every_peer_of_every_case_can_be_measured_and_reported(tmp_path: Path) -> None:
    kept = tmp_path / "figures.json"
    done = bench("--quick", "--save", kept)
    assert done.returncode == 0, done.stderr
    run = Run(**json.loads(kept.read_text(encoding="utf-8")))
    assert {case: tuple(peers) for case, peers in run.cases.items()} == {
        name: case.peers for name, case in CASES.items()
    }
    assert all(rounds for peers in run.cases.values() for rounds in peers.values())
    assert done.stdout == report(run) + "\n"
    assert bench("--load", kept).stdout == done.stdout
    assert ElementTree.fromstring(picture(run)).tag == f"{SVG}svg"


@pytest.mark.parametrize("option", ["--quick", "--only=sync"])
def test_only_a_whole_run_is_written(option: str) -> None:
    done = bench(option, "--write")
    assert done.returncode == 2
    assert "whole run" in done.stderr


def made_up(**cpu: float) -> Run:
    """A run whose figures are all different, apart from the CPU of some peers in the sync case."""
    figure = count(100)
    names = {column.figure for table in TABLES.values() for column in table.columns}
    cases: dict[str, dict[str, list[dict[str, float]]]] = {
        name: {peer: [{figure_name: next(figure) for figure_name in names}] for peer in case.peers}
        for name, case in CASES.items()
    }
    for peer, value in cpu.items():
        cases["sync"][peer.replace("_", " ")][0]["cpu"] = value
    about: dict[str, Any] = {"cpu": "a CPU", "cores": 2, "system": "a system", "python": "3", "versions": "a 1, b 2"}
    return Run(about | {"load": 0.1, "minutes": 11.4}, cases)


def test_a_ratio_is_the_median_of_the_ratios_of_rounds() -> None:
    # The machine was slow in the second round, and the medians of both peers are from different rounds.
    run = Run(
        {}, {"sync": {OURS: [{"cpu": 1}, {"cpu": 40}, {"cpu": 3}], AZURE: [{"cpu": 2}, {"cpu": 100}, {"cpu": 10}]}}
    )
    assert run.ratio("sync", "cpu", OURS, AZURE) == 0.4
    assert run.median("sync", OURS, "cpu") == 3
    assert run.worst("sync", OURS, "cpu") == 40


def test_a_ratio_takes_the_rounds_in_which_both_peers_were_measured() -> None:
    run = Run({}, {"many": {OURS: [{"cpu": 1}, {"cpu": 9}], GENERATED: [{"cpu": 4}]}})
    assert run.ratio("many", "cpu", GENERATED, OURS) == 4


@pytest.mark.parametrize(("cpu", "verdict"), [(39.9, "0.40 | <= 0.4 | met"), (41.0, "0.41 | <= 0.4 | **missed**")])
def test_a_promise_is_met_or_missed(cpu: float, verdict: str) -> None:
    run = made_up(this_package=cpu)
    run.cases["sync"][AZURE][0]["cpu"] = 100
    assert f"| sync poll, CPU / azure-core | {verdict} |" in report(run)


def test_the_report_has_every_promise_table_and_peer() -> None:
    run = made_up()
    lines = report(run).splitlines()
    for promise in PROMISES:
        assert promise.line(run) in lines
    for case, table in TABLES.items():
        assert f"## {table.title}" in lines
        for peer in CASES[case].peers:
            assert any(line.startswith(f"| {peer} |") for line in lines)
    assert set(summary(run)) <= set(lines)


def test_the_report_of_one_case_has_its_promises_only() -> None:
    text = report(Run(made_up().machine, {"sync": made_up().cases["sync"]}))
    assert re.findall(r"^## .*", text, re.MULTILINE) == [f"## {TABLES['sync'].title}"]
    assert text.count("**missed**") + text.count("| met |") == 1


def test_the_picture_has_a_bar_for_every_peer_in_light_and_in_dark() -> None:
    run = made_up()
    root = ElementTree.fromstring(picture(run))
    peers = [peer for case in BARS for peer in run.cases[case]]
    texts = [text.text for text in root.iter(f"{SVG}text")]
    assert len(list(root.iter(f"{SVG}path"))) == len(peers)
    assert set(peers) <= set(texts)
    style = root.findtext(f"{SVG}style") or ""
    light, _, dark = style.partition("@media (prefers-color-scheme: dark)")
    for selector in ("text {", ".bar {", ".ours {"):
        assert selector in light
        assert selector in dark


def test_a_bar_that_would_leave_the_picture_is_cut() -> None:
    root = ElementTree.fromstring(picture(made_up(this_package=1e9)))
    width = float(root.attrib["width"])
    edges = [float(re.findall(r"H([\d.]+)l", path.attrib["d"])[0]) for path in root.iter(f"{SVG}path")]
    assert max(edges) < width
    assert "1,000,000,000" in {text.text for text in root.iter(f"{SVG}text")}


def test_the_readme_says_of_speed_what_was_measured() -> None:
    part = README.read_text(encoding="utf-8").partition("<!-- bench -->")[2].partition("<!-- /bench -->")[0]
    said = {line for line in part.splitlines() if line.startswith("- ")}
    account = SCRIPTS / "benchmark" / "results.md"
    measured = account.read_text(encoding="utf-8").splitlines() if account.exists() else []
    assert said == {line for line in measured if line.startswith("- ") and not line.startswith("- **")}
