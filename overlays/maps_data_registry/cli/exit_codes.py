"""The exit codes of the command. Where several apply, the highest wins."""

from enum import IntEnum


class Exit(IntEnum):
    """An exit code; `--help` says what each means."""

    COMPLETED = 0
    FAILED = 1
    USAGE = 2
    REFUSED = 3
    RUNNING = 4
    INTERRUPTED = 130
    OUTPUT_CLOSED = 141
