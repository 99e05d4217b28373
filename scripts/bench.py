"""What a poll costs, measured against its peers: one command, one run, one table.

Every figure comes from a process of its own against the same stub server (bench_server.py), the peers of a case take
turns, round by round, and medians are shown. CPU is the client's, without the server's.

    .venv/bin/python scripts/bench.py      after scripts/setup, on a machine that does nothing else; half an hour
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

SCRIPTS = Path(__file__).resolve().parent
README = SCRIPTS.parent / "README.md"
MARKERS = ("<!-- bench -->", "<!-- /bench -->")
OURS = "this package"
VERSIONS = ("httpx", "httpx-aiohttp", "aiohttp", "azure-core", "requests", "anyio", "attrs")

SYNC = ("http.client", "httpx, prebuilt request", "httpx, Client.get", "generated function", "azure-core", OURS)
ASYNC = ("aiohttp", "httpx, own transport", "generated function", "azure-core, aiohttp", OURS)
MANY = ("aiohttp", "azure-core, aiohttp", OURS)
WHOLE = "from maps_data_registry import connect, wait_for_operation"
IMPORTS = ("import httpx", "from azure.core import PipelineClient", "import maps_data_registry", WHOLE)

Figures = dict[str, Any]
Row = tuple[str, ...]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a round of very few polls: the figures mean nothing")
    parser.add_argument("--rounds", type=int, default=3, metavar="N")
    parser.add_argument("--concurrency", type=int, default=256, metavar="N", help="requests in flight, of many")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--readme", action="store_true", help="put the table between the markers in README.md")
    parser.add_argument("--only", metavar="CASE", help="measure this case anew, and take the others from --json")
    options = parser.parse_args()
    known = {}
    if options.only:
        if not (options.json and options.json.is_file()):
            parser.error("--only needs --json with the file of a whole run")
        known = json.loads(options.json.read_text(encoding="utf-8"))
        if options.only not in known:
            parser.error(f"--only: no case {options.only!r} in {options.json}")
    rounds, scale = (1, 0.01) if options.quick else (options.rounds, 1.0)
    with server() as url:
        results = known | measure(url, rounds, scale, options.concurrency, options.only)
    results["machine"] = machine()
    table = render(results)
    print(table)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    if options.readme:
        write_readme(table)


@contextmanager
def server() -> Iterator[str]:
    with subprocess.Popen([sys.executable, SCRIPTS / "bench_server.py"], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None  # noqa: S101  # for the type checker
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def measure(url: str, rounds: int, scale: float, concurrency: int, only: str | None) -> Figures:
    """All cases, or one: the figures of each, by peer."""

    def of(case: str, peers: tuple[str, ...], count: int, times: int) -> dict[str, Figures]:
        argv = (url, str(max(int(count * scale), 20)), str(concurrency))
        return interleaved({peer: ("bench_peers.py", f"{case}:{peer}", *argv) for peer in peers}, times)

    cases: dict[str, Callable[[], Figures]] = {
        "sync": lambda: of("sync", SYNC, 2000, rounds),
        "async": lambda: of("async", ASYNC, 2000, rounds),
        "many 1000": lambda: of("many", MANY, 1000, 3 * rounds) | of("many", ("generated function",), 1000, 1),
        "many 10000": lambda: of("many", MANY, 10_000, 1),
        "pending": lambda: of("pending", MANY, 10_000, rounds),
        "fake": lambda: of("fake", ("time", "memory"), 10_000, rounds),
        "never": lambda: of("never", ("azure-core's poller",), 20, 1),
        "import": lambda: interleaved({name: ("-c", IMPORT.format(name)) for name in IMPORTS}, 2 * rounds),
        "command": lambda: {
            "--help": {"wall": clock(rounds, "-m", "maps_data_registry", "--help")},
            "regeneration": {"wall": clock(1, str(SCRIPTS / "regenerate.py"), "--check")},
        },
    }
    results: Figures = {"concurrency": concurrency, "rounds": rounds}
    for name, case in cases.items():
        if only in {None, name}:
            print(name, file=sys.stderr)
            results[name] = case()
    return results


# As in an install without extras: httpx and httpcore import these where they are.
IMPORT = """
import sys, time, resource, json
sys.modules.update(dict.fromkeys(("click", "pygments", "rich", "trio")))
start = time.process_time()
{}
print(json.dumps({{"cpu": (time.process_time() - start) * 1e3,
                   "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}}))
"""


def interleaved(cases: dict[str, tuple[str, ...]], rounds: int) -> dict[str, Figures]:
    """Each case's figures over all rounds; in each round every case takes its turn."""
    seen: dict[str, list[Figures]] = {peer: [] for peer in cases}
    for number in range(rounds):
        for peer, (script, *argv) in cases.items():
            argv = [script, *argv] if script == "-c" else [str(SCRIPTS / script), *argv]
            print(f"  round {number + 1} of {rounds}: {peer}", file=sys.stderr)
            done = subprocess.run([sys.executable, *argv], stdout=subprocess.PIPE, text=True, check=True)
            seen[peer].append(json.loads(done.stdout))
    return {peer: {name: summary(name, figures) for name in figures[0]} for peer, figures in seen.items()}


def summary(name: str, figures: list[Figures]) -> float:
    """The median, but the most of what must not happen at all."""
    values = [float(figure[name]) for figure in figures]
    return max(values) if name == "early" else statistics.median(values)


def clock(rounds: int, *argv: str) -> float:
    """The median of a command's seconds."""
    seconds = []
    for _ in range(rounds):
        begin = time.perf_counter()
        subprocess.run([sys.executable, *argv], stdout=subprocess.DEVNULL, check=True)
        seconds.append(time.perf_counter() - begin)
    return statistics.median(seconds)


def machine() -> Figures:
    names = [line.partition(":")[2].strip() for line in read("/proc/cpuinfo").splitlines() if "model name" in line]
    return {
        "cpu": names[0] if names else platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.release().partition('-')[0]}",
        "python": platform.python_version(),
        "load": os.getloadavg()[0],
        **{name: metadata.version(name) for name in VERSIONS},
    }


def read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError:  # another system than Linux
        return ""


def targets(results: Figures) -> list[tuple[str, float, str, float]]:
    """What is promised, as measured: a ratio or a figure, `<=` or `>=`, the promise."""

    def cpu(case: str, peer: str) -> float:
        return float(results[case][OURS]["cpu"] / results[case][peer]["cpu"])

    crowd, pending, fake = results["many 1000"], results["pending"][OURS], results["fake"]
    imports = results["import"]
    imported = {name: figures["cpu"] / imports["import httpx"]["cpu"] for name, figures in imports.items()}
    return [
        ("sync poll, CPU / azure-core", cpu("sync", "azure-core"), "<=", 0.45),
        ("sync poll, CPU / `httpx.Client.get`", cpu("sync", "httpx, Client.get"), "<=", 0.9),
        ("async poll, CPU / azure-core", cpu("async", "azure-core, aiohttp"), "<=", 0.85),
        (
            "1,000 operations, polls per second / azure-core",
            crowd["azure-core, aiohttp"]["wall"] / crowd[OURS]["wall"],
            ">=",
            1.3,
        ),
        ("1,000 operations, time / aiohttp", crowd[OURS]["wall"] / crowd["aiohttp"]["wall"], "<=", 3),
        ("10,000 pending, p99 lateness in ms", pending["p99"], "<=", 50),
        ("10,000 pending without a network, p99 lateness in ms", fake["time"]["p99"], "<=", 5),
        ("polls that came early", pending["early"] + fake["time"]["early"], "<=", 0),
        ("KiB for a pending operation", fake["memory"]["per_operation"] / 1024, "<=", 1),
        ("`import maps_data_registry`, CPU / `import httpx`", imported["import maps_data_registry"], "<=", 1.25),
        ("the same with the names of a wait, which load its modules", imported[WHOLE], "<=", 1.25),
    ]


def render(results: Figures) -> str:
    """The whole account in Markdown."""
    told = results["machine"]
    versions = ", ".join(f"{name} {told[name]}" for name in VERSIONS)
    where = f"{told['cpu']}, {told['cores']} cores for client and server together, {told['system']}"
    lines = [
        f"`scripts/bench.py` on {where}, Python {told['python']}, {versions};",
        f"load {told['load']:.1f} at the end; medians of {results['rounds']} rounds, three times as many",
        "for 1,000 operations of 5 polls, one for 10,000 of them and for the generated function there.",
        "CPU and wall are microseconds for a poll, CPU without the server's; memory is the peak of the process in MiB.",
        "Peers have a task for each operation; azure-core and the generated function keep to their 100 connections.",
        "Late is a poll after its Retry-After, not a first poll: this package puts those off while others are due.",
        "",
    ]
    for title, case in (("One after another, sync", "sync"), ("One after another, async", "async")):
        lines += block((title, "CPU", "wall", "CPU, ratio", "memory"), results[case], ("cpu", "wall"))
    at_once = f"operations of 5 polls, {results['concurrency']} in flight"
    for title, case in ((f"1,000 {at_once}", "many 1000"), (f"10,000 {at_once}", "many 10000")):
        lines += block((title, "CPU", "wall", "CPU, ratio", "memory", "polls/s"), results[case], ("cpu", "wall"))
    lines += block(
        (
            "10,000 operations of 4 polls, Retry-After 1 to 10 s",
            "CPU",
            "wall",
            "late p50, ms",
            "late p99, ms",
            "early",
            "CPU, ratio",
            "memory",
        ),
        results["pending"],
        ("cpu", "wall", "p50", "p99", "early"),
    )
    lines += ["| start, without extras | CPU, ms | CPU, ratio | memory, MiB |", "| --- | ---: | ---: | ---: |"]
    for name, figures in results["import"].items():
        ratio = figures["cpu"] / results["import"]["import httpx"]["cpu"]
        lines.append(f"| `{name}` | {figures['cpu']:.0f} | {ratio:.2f} | {figures['peak']:.0f} |")
    command, never = results["command"], results["never"]["azure-core's poller"]
    ended = "ended" if never["ended"] else "not ended"
    lines += [""]
    lines += [
        f"`--help` takes {command['--help']['wall']:.2f} s, a regeneration {command['regeneration']['wall']:.1f} s."
    ]
    lines += ["azure-core's own poller on an operation that is Completed at its first poll: "]
    lines[-1] += f"{ended} after {never['seconds']:.0f} s and {never['polls']:.0f} polls."
    lines += ["", "| promise | measured | target | |", "| --- | ---: | ---: | --- |"]
    for text, value, sense, wanted in targets(results):
        met = value <= wanted if sense == "<=" else value >= wanted
        lines.append(f"| {text} | {value:.2f} | {sense} {wanted:g} | {'met' if met else '**missed**'} |")
    return "\n".join(lines)


def block(head: Row, figures: dict[str, Figures], shown: tuple[str, ...]) -> list[str]:
    """A table of one case: the figures shown, CPU in proportion to this package's, memory, and polls per second."""
    lines = ["| " + " | ".join(head) + " |", "| --- |" + " ---: |" * (len(head) - 1)]
    for peer, row in figures.items():
        cells = [peer, *(f"{row[name]:.0f}" if name != "p50" else f"{row[name]:.1f}" for name in shown)]
        cells += [f"{row['cpu'] / figures[OURS]['cpu']:.2f}", f"{row['peak']:.0f}"]
        if "polls/s" in head:
            cells.append(f"{1e6 / row['wall']:,.0f}")
        lines.append("| " + " | ".join(cells) + " |")
    return [*lines, ""]


def write_readme(table: str) -> None:
    """Put the table between the markers."""
    before, _, rest = README.read_text(encoding="utf-8").partition(MARKERS[0])
    _, found, after = rest.partition(MARKERS[1])
    if not found:
        sys.exit(f"README.md: {' … '.join(MARKERS)} not found")
    README.write_text(f"{before}{MARKERS[0]}\n\n{table}\n\n{MARKERS[1]}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
