"""The figures of a benchmark as Markdown tables, as lines for the README, and as a picture."""

import statistics
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from xml.sax.saxutils import escape

OURS = "this package"
ON_AIOHTTP = "this package on httpx-aiohttp"
ON_HTTPX2 = "this package on httpx2"
AZURE = "azure-core"
AZURE_ASYNC = "azure-core with aiohttp"
GENERATED = "generated function"
SIZES = ("1,000 operations", "100,000 operations")
IMPORTS = ("import httpx", "from maps_data_registry import connect, wait_for_operation")
HELP, REGENERATION = "maps-data-registry --help", "regeneration"

Figures = dict[str, float]


class Run(NamedTuple):
    """One run: about the machine, and by case and peer the figures of each round."""

    machine: dict[str, Any]
    cases: dict[str, dict[str, list[Figures]]]

    def median(self, case: str, peer: str, figure: str) -> float:
        """The median over the rounds."""
        return statistics.median(figures[figure] for figures in self.cases[case][peer])

    def worst(self, case: str, peer: str, figure: str) -> float:
        """The highest of all rounds."""
        return max(figures[figure] for figures in self.cases[case][peer])

    def ratio(self, case: str, figure: str, peer: str, other: str) -> float:
        """The median of each round's ratio of two peers, in the rounds in which both were measured."""
        rounds = zip(self.cases[case][peer], self.cases[case][other], strict=False)
        return statistics.median(mine[figure] / its[figure] for mine, its in rounds)

    def checks(self) -> float:
        """The checks of a poll in percent of the CPU of a sync poll."""
        spent = sum(self.median("checks", OURS, check) for check in ("masking", "identity", "pace"))
        return 100 * spent / self.median("sync", OURS, "cpu")


class Promise(NamedTuple):
    """A target, and what was measured."""

    text: str
    cases: tuple[str, ...]
    measured: Callable[[Run], float]
    sense: str
    target: float

    def line(self, run: Run) -> str:
        """The promise as a row of a table."""
        value = self.measured(run)
        met = value <= self.target if self.sense == "<=" else value >= self.target
        verdict = "met" if met else "**missed**"
        return f"| {self.text} | {value:.2f} | {self.sense} {self.target:g} | {verdict} |"


PROMISES = (
    Promise("sync poll, CPU / azure-core", ("sync",), lambda run: run.ratio("sync", "cpu", OURS, AZURE), "<=", 0.4),
    Promise(
        "async poll, CPU / azure-core with aiohttp",
        ("async",),
        lambda run: run.ratio("async", "cpu", OURS, AZURE_ASYNC),
        "<=",
        0.5,
    ),
    Promise(
        "1,000 operations, 64 in flight: polls per second / azure-core with aiohttp",
        ("many",),
        lambda run: run.ratio("many", "wall", AZURE_ASYNC, OURS),
        ">=",
        1.6,
    ),
    Promise(
        "the same with httpx-aiohttp passed as transport",
        ("many",),
        lambda run: run.ratio("many", "wall", AZURE_ASYNC, ON_AIOHTTP),
        ">=",
        2.3,
    ),
    Promise(
        "10,000 operations, Retry-After 1 to 10 s: p99 lateness, ms",
        ("pending",),
        lambda run: run.worst("pending", OURS, "p99"),
        "<=",
        50,
    ),
    Promise("early polls of these", ("pending",), lambda run: run.worst("pending", OURS, "early"), "<=", 0),
    Promise(
        "memory of a pending operation, KiB",
        ("memory",),
        lambda run: run.worst("memory", SIZES[1], "bytes") / 1024,
        "<=",
        1,
    ),
    Promise(
        f"`{IMPORTS[1]}`, CPU / `{IMPORTS[0]}`",
        ("import",),
        lambda run: run.ratio("import", "cpu", IMPORTS[1], IMPORTS[0]),
        "<=",
        1.25,
    ),
    Promise(f"`{HELP}`, s", ("command",), lambda run: run.median("command", HELP, "wall"), "<=", 0.15),
    Promise("masking, identity and pace checks, % of a sync poll's CPU", ("checks", "sync"), Run.checks, "<=", 5),
    Promise("regeneration, s", ("command",), lambda run: run.median("command", REGENERATION, "wall"), "<=", 5),
)


class Column(NamedTuple):
    """A figure in a table."""

    title: str
    figure: str
    decimals: int = 0


CPU, WALL, PEAK = Column("CPU, µs", "cpu"), Column("wall, µs", "wall"), Column("peak memory, MiB", "peak")


class Table(NamedTuple):
    """The table of a case; *base* is the peer that the others are compared with."""

    title: str
    columns: tuple[Column, ...]
    base: str | None = None
    ratio: str = "cpu"


TABLES = {
    "sync": Table("One operation, sync", (CPU, WALL, PEAK), OURS),
    "async": Table("One operation, async", (CPU, WALL, PEAK), OURS),
    "many": Table("1,000 operations of 5 polls, 64 in flight", (CPU, WALL, PEAK), OURS),
    "pending": Table(
        "10,000 operations of 3 polls, Retry-After 1 to 10 s, 64 in flight",
        (CPU, WALL, PEAK, Column("late p50, ms", "p50", 1), Column("late p99, ms", "p99", 1), Column("early", "early")),
        OURS,
    ),
    "growth": Table("Growth of CPU: without a network, all operations pending at once", (CPU, WALL, PEAK), SIZES[0]),
    "memory": Table("Growth of memory", (Column("bytes per pending operation", "bytes"),), SIZES[0], "bytes"),
    "checks": Table(
        "Checks of a poll, each timed by itself",
        (Column("masking, µs", "masking", 2), Column("identity, µs", "identity", 2), Column("pace, µs", "pace", 2)),
    ),
    "import": Table("Import without extras", (Column("CPU, ms", "cpu", 1), PEAK), IMPORTS[0]),
    "command": Table("Commands", (Column("seconds", "wall", 2),)),
    "never": Table(
        "azure-core's own poller, with an operation that is Completed at its first poll",
        (Column("seconds", "seconds"), Column("polls", "polls"), Column("ended (1 is yes)", "ended")),
    ),
}

PREAMBLE = """\
# Speed

What a poll costs, beside peers. Written by `scripts/bench.py --write`, in one run.

- **Machine:** {cpu}, {cores} cores for client and server together, {system}, Python {python}; load {load:.1f} at the
  end, after {minutes:.0f} min.
- **Versions:** {versions}.
- **Figures:** each is of a process of its own against the same stub server on loopback. The peers of a table take
  turns, round by round. Figures are medians over the rounds, ratios are medians of each round's ratio.
- **CPU** is the client's alone, per poll. Peak memory is the whole process's.
- **Peers** are written as their users would write them, with their default pools. For many operations at once they have
  a task for each and a semaphore of 64. This package has its defaults, but neither jitter nor `min_interval`, as no
  peer has them. httpx2 is httpx's successor; `alias_httpx()` puts it in httpx's place.
- **Late** is a poll after its Retry-After, as the server saw it. First polls have no such time.
- **Growth** is measured on a transport that answers at once, with a clock that stands still until all operations are
  pending. Its CPU includes the fake replies.
- **Checks** are timed by themselves, on a request and a reply of the stub's: masking looks for the credential in the
  whole reply, identity compares operation ids, pace keeps two polls apart.
"""


def report(run: Run) -> str:
    """The whole account in Markdown; of a run of some cases, what these say."""
    lines = [PREAMBLE.format(**run.machine)]
    if run.cases.keys() >= TABLES.keys():
        lines += [*summary(run), "", "![CPU per poll by peer](results.svg)", ""]
    lines += ["| promise | measured | target | |", "| --- | ---: | ---: | --- |"]
    lines += [promise.line(run) for promise in PROMISES if run.cases.keys() >= set(promise.cases)]
    for case in run.cases:
        lines += ["", f"## {TABLES[case].title}", "", *rows(run, case)]
    return "\n".join(lines) + "\n"


def rows(run: Run, case: str) -> Iterator[str]:
    """The table of a case."""
    table = TABLES[case]
    heads = ["", *(column.title for column in table.columns)]
    heads += [f"ratio to {table.base}", "rounds"] if table.base else ["rounds"]
    yield "| " + " | ".join(heads) + " |"
    yield "| --- |" + " ---: |" * (len(heads) - 1)
    for peer in run.cases[case]:
        cells = [f"{run.median(case, peer, column.figure):,.{column.decimals}f}" for column in table.columns]
        if table.base:
            cells.append(f"{run.ratio(case, table.ratio, peer, table.base):.2f}")
        yield "| " + " | ".join([peer, *cells, str(len(run.cases[case][peer]))]) + " |"


def summary(run: Run) -> list[str]:
    """The lines for the README."""
    sync, twin, many, aiohttp, late, early, memory, imported = (promise.measured(run) for promise in PROMISES[:8])
    return [
        f"- A sync poll takes {sync:.2f} of azure-core's CPU, an async poll {twin:.2f}.",
        f"- At 64 in flight it polls {many:.1f} times as fast as azure-core; on `httpx-aiohttp`, {aiohttp:.1f} times.",
        f"- Of 10,000 operations, 99 % of the polls come within {late:.0f} ms of their time; {early:.0f} come early.",
        f"- A pending operation takes {memory:.2f} KiB.",
        f"- Importing `connect` and `wait_for_operation` takes {imported:.2f} times as long as `import httpx`.",
    ]


STYLE = """\
  <style>
    text { font: 13px system-ui, sans-serif; fill: #1f2328 }
    .title { font-weight: 600 }
    .bar { fill: #8c959f }
    .ours { fill: #0969da }
    @media (prefers-color-scheme: dark) {
      text { fill: #e6edf3 }
      .bar { fill: #6e7681 }
      .ours { fill: #4493f8 }
    }
  </style>"""
BARS = {"sync": "One operation, sync", "async": "One operation, async", "many": "1,000 operations, 64 in flight"}
WIDTH, LABELS, LONGEST = 760, 215, 470  # pixels


def picture(run: Run) -> str:
    """Bars of the CPU per poll by peer, as SVG. A bar much longer than azure-core's is cut and ends in a point."""
    peers = [(case, peer) for case in BARS for peer in run.cases[case]]
    scale = 1.2 * max(run.median(case, peer, "cpu") for case, peer in peers if peer in {AZURE, AZURE_ASYNC})
    shapes, top = list[str](), 16
    for case, title in BARS.items():
        shapes.append(f'  <text class="title" x="0" y="{top}">{title}: CPU per poll, µs</text>')
        for peer in sorted(run.cases[case], key=lambda peer: run.median(case, peer, "cpu")):
            top += 21
            shapes += bar(peer, run.median(case, peer, "cpu"), scale, top)
        top += 34
    size = f'width="{WIDTH}" height="{top - 20}" viewBox="0 0 {WIDTH} {top - 20}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">\n  <title>CPU per poll by peer</title>'
    return "\n".join([head, STYLE, *shapes, "</svg>"]) + "\n"


def bar(peer: str, cpu: float, scale: float, top: int) -> Iterator[str]:
    """A peer's name, bar and figure."""
    kind = "bar ours" if peer.startswith(OURS) else "bar"
    length = min(cpu / scale, 1) * LONGEST
    end, point = LABELS + length, 8 if cpu > scale else 0
    yield f'  <text x="{LABELS - 8}" y="{top}" text-anchor="end">{escape(peer)}</text>'
    yield (f'  <path class="{kind}" d="M{LABELS} {top - 12}H{end:.0f}l{point} 8l-{point} 8H{LABELS}Z"/>')
    yield f'  <text x="{end + point + 6:.0f}" y="{top}">{cpu:,.0f}</text>'
