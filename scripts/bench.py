"""What a poll costs, measured beside its peers: one command, one run.

Each figure comes from a process of its own against the same stub server (benchmark.server). The peers of a case take
turns, round by round; figures are medians over the rounds, ratios are medians of each round's ratio.

    .venv/bin/python scripts/bench.py --write     after scripts/setup, on a machine that does nothing else; 15 minutes

writes results.md and results.svg in scripts/benchmark/, and prints the lines for the README.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from benchmark.report import (
    AZURE,
    AZURE_ASYNC,
    GENERATED,
    HELP,
    IMPORTS,
    ON_AIOHTTP,
    ON_HTTPX2,
    OURS,
    REGENERATION,
    SIZES,
    Figures,
    Run,
    picture,
    report,
    summary,
)

SCRIPTS = Path(__file__).resolve().parent
VERSIONS = ("httpx", "httpcore", "httpx2", "aiohttp", "httpx-aiohttp", "azure-core", "requests", "anyio", "attrs")


ON_ALIAS = f"import httpx2; httpx2.alias_httpx(); {IMPORTS[1]}"


class Case(NamedTuple):
    """Peers that are measured in turns."""

    peers: tuple[str, ...]
    size: int  # polls or operations
    rounds: int
    once: tuple[str, ...] = ()  # in the first round only, as they take long


CASES = {
    "sync": Case(
        ("http.client", "httpx, prebuilt request", "httpx", "httpx2", GENERATED, AZURE, OURS, ON_HTTPX2), 1000, 5
    ),
    "async": Case(("aiohttp", "httpx", "httpx2", GENERATED, AZURE_ASYNC, OURS, ON_HTTPX2, ON_AIOHTTP), 1000, 5),
    "many": Case(
        ("aiohttp", "httpx2", GENERATED, AZURE_ASYNC, OURS, ON_HTTPX2, ON_AIOHTTP), 1000, 3, once=(GENERATED,)
    ),
    "pending": Case(("aiohttp", AZURE_ASYNC, OURS, ON_HTTPX2), 10_000, 1),
    "growth": Case(SIZES, 1000, 1),
    "memory": Case(SIZES, 1000, 1),
    "checks": Case((OURS, ON_HTTPX2), 2000, 3),
    "import": Case(
        (*IMPORTS, "import maps_data_registry", "import httpx2", ON_ALIAS, "from azure.core import PipelineClient"),
        1,
        9,
    ),
    "command": Case(("python -c pass", HELP, REGENERATION), 1, 5, once=(REGENERATION,)),
    "never": Case(("azure-core's poller",), 50, 1),
}

Measure = Callable[[Sequence[str]], Iterator[Figures]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="every case once and tiny: the figures mean nothing")
    parser.add_argument("--only", metavar="CASE", choices=CASES, help=f"one of {', '.join(CASES)}")
    parser.add_argument("--save", type=Path, metavar="FILE", help="keep the figures of each round, as JSON")
    parser.add_argument("--load", type=Path, metavar="FILE", help="report figures that were kept, and measure nothing")
    parser.add_argument("--write", action="store_true", help="write results.md and results.svg in scripts/benchmark/")
    options = parser.parse_args()
    if options.write and (options.quick or options.only):
        parser.error("--write needs the figures of a whole run")
    if options.load:
        run = Run(**json.loads(options.load.read_text(encoding="utf-8")))
    else:
        run = measure([options.only] if options.only else list(CASES), quick=options.quick)
    if options.save:
        options.save.write_text(json.dumps(run._asdict(), indent=1) + "\n", encoding="utf-8")
    if not options.write:
        print(report(run))
        return
    (SCRIPTS / "benchmark" / "results.md").write_text(report(run), encoding="utf-8")
    (SCRIPTS / "benchmark" / "results.svg").write_text(picture(run), encoding="utf-8")
    print("\n".join(summary(run)))


def measure(names: Sequence[str], *, quick: bool) -> Run:
    """Run the cases."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # pip compiles what it installs
    begin = time.monotonic()
    cases: dict[str, dict[str, list[Figures]]] = {}
    with server() as url:
        for name in names:
            print(f"{name}:", file=sys.stderr)
            size = max(CASES[name].size // 500, 2) if quick else CASES[name].size
            others: dict[str, Measure] = {"import": imports, "command": partial(commands, quick=quick)}
            cases[name] = in_turns(CASES[name], others.get(name) or partial(polls, name, url, size), quick=quick)
    return Run(machine() | {"minutes": (time.monotonic() - begin) / 60}, cases)


def in_turns(case: Case, run: Measure, *, quick: bool) -> dict[str, list[Figures]]:
    """The figures of each round by peer. A quick round runs all peers in one process."""
    seen: dict[str, list[Figures]] = {peer: [] for peer in case.peers}
    for number in range(1 if quick else case.rounds):
        turn = [peer for peer in case.peers if number == 0 or peer not in case.once]
        for group in [turn] if quick else [[peer] for peer in turn]:
            print(f"  round {number + 1}: {', '.join(group)}", file=sys.stderr)
            for peer, figures in zip(group, run(group), strict=True):
                seen[peer].append(figures)
    return seen


@contextmanager
def server() -> Iterator[str]:
    with subprocess.Popen(
        [sys.executable, "-m", "benchmark.server"], cwd=SCRIPTS, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None  # noqa: S101  # for the type checker
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def polls(case: str, url: str, size: int, peers: Sequence[str]) -> Iterator[Figures]:
    """The figures of benchmark.cases."""
    return child("-m", "benchmark.cases", case, url, str(size), *peers)


def child(*argv: str | Path) -> Iterator[Figures]:
    done = subprocess.run([sys.executable, *argv], cwd=SCRIPTS, stdout=subprocess.PIPE, text=True, check=True)
    return map(json.loads, done.stdout.splitlines())


# As without extras: httpx and httpcore import these where they are.
IMPORT = """
import json, resource, sys, time
sys.modules.update(dict.fromkeys(("brotli", "click", "h2", "pygments", "rich", "socksio", "trio", "zstandard")))
start = time.process_time()
{}
print(json.dumps({{"cpu": (time.process_time() - start) * 1e3,
                   "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}}))
"""


def imports(statements: Sequence[str]) -> Iterator[Figures]:
    """Milliseconds of CPU, and MiB of memory."""
    for statement in statements:
        yield from child("-c", IMPORT.format(statement))


def commands(names: Sequence[str], *, quick: bool) -> Iterator[Figures]:
    """Seconds of whole commands."""
    argvs: dict[str, list[str | Path]] = {
        "python -c pass": [sys.executable, "-c", "pass"],
        HELP: [Path(sys.executable).with_name("maps-data-registry"), "--help"],
        REGENERATION: [sys.executable, SCRIPTS / "regenerate.py", "--help" if quick else "--check"],
    }
    for name in names:
        begin = time.perf_counter()
        subprocess.run(argvs[name], stdout=subprocess.DEVNULL, check=True)
        yield {"wall": time.perf_counter() - begin}


def machine() -> dict[str, str | float]:
    try:
        about = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:  # another system than Linux
        about = ""
    models = [line.partition(":")[2].strip() for line in about.splitlines() if line.startswith("model name")]
    return {
        "cpu": models[0] if models else platform.processor() or platform.machine(),
        "cores": os.cpu_count() or 1,
        "system": f"{platform.system()} {platform.release().partition('-')[0]}",
        "python": platform.python_version(),
        "load": os.getloadavg()[0],
        "versions": ", ".join(f"{name} {metadata.version(name)}" for name in VERSIONS),
    }


if __name__ == "__main__":
    main()
