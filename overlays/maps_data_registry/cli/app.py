"""The commands and their options. Until one runs, nothing but typer is imported."""

import io
import math
import os
import shlex
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from typer.core import TyperGroup

ABOUT = "Know when an Azure Maps data register or replace operation is done, or why it failed."

OPERATIONS = """OPERATION is an operation id, an Operation-Location URL, or - to read them from standard input, one per
line; # begins a comment. What is named twice is asked about once."""

CODES = f"""{OPERATIONS}

The credential comes from the environment (AZURE_MAPS_SUBSCRIPTION_KEY, AZURE_MAPS_SAS_TOKEN, or AZURE_MAPS_CLIENT_ID
with the default chain of azure-identity) or from a file. No option takes it, since ps shows options to everybody.

\b
Exit codes; where several apply, the highest:
    0  every operation has completed
    1  one has failed, or ended in a word that nobody knows
    2  bad usage or input, nothing was started; or a file or disk that fails
    3  one cannot be asked about: authentication, not found, unreachable, ...
    4  one is still running
  130  interrupted
  141  nobody reads standard output any more
"""


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(metadata.version("maps-data-registry"))
        raise typer.Exit


def _seconds(text: str) -> float:
    return math.inf if text == "none" else float(text)


Operations = Annotated[list[str] | None, typer.Argument(metavar="OPERATION...", help="What to ask about.")]
From = Annotated[Path | None, typer.Option("--from", metavar="FILE", help="Read more OPERATIONs, one per line.")]
Geography = Annotated[Literal["us", "eu"] | None, typer.Option(help="Where the Maps account is.")]
BaseUrl = Annotated[
    str | None, typer.Option(metavar="URL", help="Another endpoint instead: a private one, the emulator's.")
]
KeyFile = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Holds the subscription key, and at most one newline after it."),
]
SasFile = Annotated[Path | None, typer.Option(metavar="FILE", help="Holds the SAS token; likewise.")]
Output = Annotated[
    Literal["text", "json"], typer.Option(help="What goes to standard output: a line or a JSON object per operation.")
]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Log each request and decision, without secrets.")]


class _Group(TyperGroup):
    """What any command may end in."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            _complain("interrupted")
            return 130
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes it once more
            return 141
        except OSError as error:
            _complain(f"{error.filename or 'input/output'}: {error.strerror}")
            return 2


app = typer.Typer(
    cls=_Group,
    help=ABOUT,
    epilog=CODES,
    rich_markup_mode=None,  # plain help costs a third of the time
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None: ...


@app.command(epilog=CODES)
def status(
    operations: Operations = None,
    from_file: From = None,
    geography: Geography = None,
    base_url: BaseUrl = None,
    key_file: KeyFile = None,
    sas_file: SasFile = None,
    output: Output = "text",
    verbose: Verbose = False,
) -> int:
    """Ask once how operations stand."""
    from . import commands
    from .inputs import Access

    access = Access(geography, base_url, key_file, sas_file)
    return commands.status(access, operations or (), from_file, as_json=output == "json", verbose=verbose)


@app.command(epilog=CODES)
def wait(
    ctx: typer.Context,
    operations: Operations = None,
    from_file: From = None,
    geography: Geography = None,
    base_url: BaseUrl = None,
    key_file: KeyFile = None,
    sas_file: SasFile = None,
    timeout: Annotated[
        float,
        typer.Option(
            metavar="SECONDS|none",
            parser=_seconds,
            show_default="3600",
            help="The time that each operation is given, from its first question.",
        ),
    ] = 3600.0,
    interval: Annotated[
        float,
        typer.Option(
            metavar="SECONDS", show_default="5", help="Between two polls, where the service names no time itself."
        ),
    ] = 5.0,
    concurrency: Annotated[int, typer.Option(min=1, metavar="N", help="Requests in flight at most.")] = 64,
    results: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write a JSON line for each operation that has ended, at once and through to the disk. "
            "What is in the file already is not asked about again.",
        ),
    ] = None,
    output: Output = "text",
    no_progress: Annotated[
        bool, typer.Option("--no-progress", help="Plain lines on a terminal too, instead of the live table.")
    ] = False,
    verbose: Verbose = False,
) -> int:
    """Wait until operations have ended, however many."""
    from .commands import FEW, Wait
    from .inputs import Access

    def go_on(left: Sequence[str]) -> str:
        by_name = results is None and len(left) <= FEW
        return _command(ctx, left if by_name else operations or (), leave_out={"from_file"} if by_name else set())

    return Wait(
        timeout=None if timeout == math.inf else timeout,
        interval=interval,
        concurrency=concurrency,
        results=results,
        as_json=output == "json",
        progress=not no_progress,
        verbose=verbose,
    ).run(Access(geography, base_url, key_file, sas_file), operations or (), from_file, go_on)


@app.command()
def emulator(
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 0,
    scenario: Annotated[
        str,
        typer.Option(help='What becomes of operations, e.g. "fails polls=3 retry_after=2". ? lists what there is.'),
    ] = "completes",
) -> int:
    """Run a stand-in for the service until Ctrl+C. Its URL is the first line of standard output."""
    from .inputs import UsageError

    try:
        from maps_data_registry.emulator import NAMES, serve

        if scenario == "?":
            typer.echo("\n".join(f"{name:24}{line}" for name, line in NAMES.items()))
        else:
            serve(typer.echo, host=host, port=port, scenario=scenario)
    except (ImportError, ValueError) as error:
        raise UsageError(str(error)) from error
    return 0


def _command(ctx: typer.Context, operations: Sequence[str], leave_out: set[str]) -> str:
    """The present command line, for those operations."""
    words = ctx.command_path.split()
    for parameter in ctx.command.params:
        value = ctx.params.get(parameter.name or "")
        if parameter.name in {"operations", *leave_out} or value == parameter.default:
            continue
        text = "none" if value == math.inf else f"{value:g}" if isinstance(value, float) else str(value)
        words += [parameter.opts[0]] if value is True else [parameter.opts[0], text]
    return shlex.join([*words, *operations])


def _complain(line: str) -> None:
    typer.echo(f"maps-data-registry: {line}", err=True)


def run() -> int:
    """Run the command line and return its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # an error tree is drawn with characters that not every code page has
            stream.reconfigure(errors="replace")
    try:
        code: int = app(standalone_mode=False)
    except typer.TyperException as error:
        for line in error.format_message().splitlines():
            _complain(line)
        return 2
    return code
