"""The command `emulator`: run one, and start operations on one that runs."""

import contextlib
import shlex
from typing import Annotated, Any

import typer

from .options import is_given, parse_port, parsed_option
from .streams import OutputClosed, write_note, write_result

SCENARIO = 'a name and its options, such as "fails polls=3 retry_after=2"; ? lists them all.'

ABOUT = "Run a stand-in for the service, or start an operation on one that runs."

app = typer.Typer(rich_markup_mode=None)


@app.callback(invoke_without_command=True)
def run(
    ctx: typer.Context,
    host: Annotated[str, typer.Option(metavar="HOST", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, parsed_option(parse_port, "PORT", help="Port to listen on; 0 takes a free one.")] = 0,
    scenario: Annotated[
        str, typer.Option(metavar="SCENARIO", help=f"Default scenario of operations: {SCENARIO}")
    ] = "completes",
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the URL and nothing else.")] = False,
) -> int:
    """Run a stand-in for the service until Ctrl+C, or start an operation on one that runs.

    The first line of standard output is its URL, a page to watch it on. Standard error gets a line for each request.
    """
    if ctx.invoked_subcommand is not None:
        _refuse_options(ctx)
    elif scenario == "?":
        _list_scenarios()
    else:
        _serve(host, port, scenario, quiet)
    return 0


@app.command(short_help="Start an operation and print its Operation-Location.")
def start(
    scenario: Annotated[list[str], typer.Argument(metavar="SCENARIO", hidden=True)],
    url: Annotated[
        str | None, typer.Option("--url", metavar="URL", help="URL of the emulator, as it prints it.")
    ] = None,
) -> int:
    """Start an operation and print its Operation-Location.

    SCENARIO says what happens: a name and its options, such as "fails polls=3 retry_after=2"; ? lists them all.
    """
    from .inputs import UsageError

    if scenario == ["?"]:
        _list_scenarios()
    elif url is None:
        raise UsageError("--url is missing: the URL of the emulator, as it prints it")
    else:
        write_result(_start(scenario[0] if len(scenario) == 1 else shlex.join(scenario), url))
    return 0


def _serve(host: str, port: int, scenario: str, quiet: bool) -> None:
    from .inputs import UsageError

    def on_ready(url: str) -> None:
        with contextlib.suppress(OutputClosed):  # it serves on where nobody reads its URL
            write_result(url)
        if not quiet:
            write_note(_how_to_start(url))

    def on_request(entry: object) -> None:
        if not quiet:
            write_note(str(entry))

    try:
        from maps_data_registry.emulator import serve

        if not host.isprintable():
            raise ValueError("--host is not the name of a host")
        serve(on_ready, host=host, port=port, scenario=scenario, on_request=on_request)
    except (ImportError, ValueError) as error:
        raise UsageError(str(error)) from error
    except OSError as error:
        if error.filename is not None:
            raise
        reason = str(error.strerror).partition(" (while ")[0]  # asyncio repeats the address
        raise UsageError(f"--host {host}, --port {port}: {reason}") from error


def _refuse_options(ctx: typer.Context) -> None:
    from .inputs import UsageError

    if given := [name for name in ctx.params if is_given(ctx, name)]:
        raise UsageError(f"--{given[0]} is for running an emulator: {ctx.invoked_subcommand} does not take it")


def _start(scenario: str, url: str) -> str:
    import httpx

    from maps_data_registry.emulator.start import ANY_KEY, registration_url
    from maps_data_registry.text import one_line
    from maps_data_registry_contract import SUBSCRIPTION_KEY_HEADER

    from .inputs import UsageError

    try:
        # trust_env: an emulator is near, and no proxy stands before it.
        reply = httpx.put(
            registration_url(url),
            headers={SUBSCRIPTION_KEY_HEADER: ANY_KEY},
            json={"scenario": scenario},
            trust_env=False,
        )
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise UsageError(f"--url: no emulator answers at {one_line(url)}: {one_line(str(error))}") from error
    if location := reply.headers.get("operation-location"):
        return one_line(location)
    raise UsageError(_message(reply) or f"--url: no emulator answers at {one_line(url)}, but HTTP {reply.status_code}")


def _message(reply: Any) -> str:
    """The message of the contract's error, or nothing if the reply is none. It may list every scenario."""
    try:
        message = str(reply.json()["error"]["message"])[:2000]
    except (ValueError, LookupError, TypeError):
        return ""
    return "".join(letter if letter.isprintable() else "?" for letter in message)


def _how_to_start(url: str) -> str:
    from maps_data_registry.emulator.start import curl

    from .shell import quoted

    example = "fails polls=3"
    command = quoted(["maps-data-registry", "emulator", "start", example, "--url", url])
    return (
        "Open the URL in a browser to watch operations; Ctrl+C ends the emulator. To start an operation:\n"
        f"  {command}\n  {curl(url, example)}\nRequests:"
    )


def _list_scenarios() -> None:
    from maps_data_registry.emulator import NAMES, OPTIONS

    for title, lines in (("Scenarios", NAMES), ("Options, written NAME=VALUE after the scenario", OPTIONS)):
        write_result(f"{title}:\n" + "\n".join(f"{name:24}{line}" for name, line in lines.items()))
