"""Starts the command in processes of their own, as a shell does, but forks them off one that has imported everything.

A line of JSON on standard input starts one, or requests the exit code of one; a line on standard output answers.
"""

import json
import os
import signal
import sys
from importlib import import_module
from typing import Any

from maps_data_registry.cli import main

for name in ("cli.app", "cli.commands", "cli.live_table", "polling.many", "wire.async_sockets"):  # loaded on first use
    import_module(f"maps_data_registry.{name}")
import_module("anyio._backends._asyncio")


def child(argv: list[str], env: dict[str, str], stdin: str, stdout: str, stderr: str) -> int:
    os.setsid()  # the terminal that is opened next is this session's: Ctrl+C there is for this process
    for number, path in enumerate([stdin, stdout, stderr]):
        os.dup2(os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND), number)
    os.environ.update(env)
    sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w", buffering=1)  # noqa: SIM115
    sys.argv = ["maps-data-registry", *argv]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    return main()


def serve() -> int:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for line in sys.stdin:
        request: dict[str, Any] = json.loads(line)
        answer: int | None
        if "ended" in request:
            pid, status = os.waitpid(request["ended"], os.WNOHANG)
            answer = os.waitstatus_to_exitcode(status) if pid else None
        else:
            answer = os.fork()
            if answer == 0:
                return child(**request)
        sys.stdout.write(f"{json.dumps(answer)}\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(serve())
